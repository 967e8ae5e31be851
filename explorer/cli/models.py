"""`models`: the models of the catalogue, or everything known of one of them."""

import argparse
from collections.abc import Iterable
from typing import Any

from explorer.catalogue.errors import unknown
from explorer.catalogue.generation import Generation
from explorer.catalogue.load import DATA, load_folder
from explorer.catalogue.model import Model
from explorer.catalogue.record import facts_of
from explorer.cli._table import text_table

HELP = "list the models, or tell all of one with its sources"
COLUMNS = ("id", "generation", "released", "parameters", "active", "context", "modality")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help="id of one model: its card")
    parser.add_argument("--generation", metavar="ID", help="only the models of this generation")


def run(args: argparse.Namespace) -> list[dict[str, Any]] | dict[str, Any]:
    """A row for each model, oldest generation and smallest model first; or one model's card."""
    models = load_folder(DATA / "models", Model)  # not the whole catalogue: this answers at once
    if args.model is not None:
        if args.model not in models:
            raise unknown("model", args.model, models)
        return card(models[args.model])
    generations = load_folder(DATA / "generations", Generation)
    if args.generation is not None and args.generation not in generations:
        raise unknown("generation", args.generation, generations)
    return [
        row(model)
        for model in in_order(models.values(), generations)
        if args.generation in {None, model.generation}
    ]


def in_order(models: Iterable[Model], generations: dict[str, Generation]) -> list[Model]:
    """The models by generation, then size; of unknown size last."""
    return sorted(
        models,
        key=lambda model: (
            generations[model.generation].order,
            model.exact_total_params.value or float("inf"),
            model.id,
        ),
    )


def row(model: Model) -> dict[str, Any]:
    """What a list shows of a model."""
    date = model.release_date.value
    return {
        "id": model.id,
        "name": model.name.value,
        "generation": model.generation,
        "released": model.released,
        "release_date": date.isoformat() if date else None,
        "parameters": model.exact_total_params.value,
        "official_parameters": model.official_total_params.value,
        "official_active_parameters": model.official_active_params.value,
        "context": model.max_context.value,
        "modality": model.modality.value,
        "architecture_type": model.architecture_type,
    }


def card(model: Model) -> dict[str, Any]:
    """Every fact of a model with its sources, and the architecture made of them."""
    facts = {
        name: fact.model_dump(mode="json", exclude_unset=True)
        for name, fact in facts_of(model).items()
    }
    architecture = model.architecture
    return {
        "id": model.id,
        "generation": model.generation,
        "released": model.released,
        "facts": facts,
        "architecture": architecture.model_dump(mode="json") if architecture else None,
        "unknown_shape": model.unknown_shape,
        "sources": {
            key: source.model_dump(mode="json", exclude_none=True)
            for key, source in model.sources.items()
        },
    }


def render(result: list[dict[str, Any]] | dict[str, Any]) -> str:
    """The list as a table, or the card as lines."""
    if isinstance(result, list):
        return text_table(COLUMNS, map(_cells, result))
    return _card_text(result)


def _cells(item: dict[str, Any]) -> tuple[str, ...]:
    return (
        item["id"],
        item["generation"],
        item["release_date"] or "never",
        f"{item['parameters']:,}" if item["parameters"] else str(item["official_parameters"]),
        item["official_active_parameters"] or "all",
        f"{item['context']:,}" if item["context"] else "unknown",
        item["modality"],
    )


def _card_text(result: dict[str, Any]) -> str:
    lines = [f"{result['id']} ({result['generation']})", ""]
    for name, fact in result["facts"].items():
        lines.append(f"{name}: {_said(fact)}")
        lines += [f"    but {_said(claim)}" for claim in fact.get("also", ())]
    lines += ["", "sources"]
    lines += [f"  {key}: {source['url']}" for key, source in result["sources"].items()]
    return "\n".join(lines)


def _said(fact: dict[str, Any]) -> str:
    value = fact.get("value")
    said = "unknown" if value is None else f"{value:,}" if type(value) is int else str(value)
    note = f" ({fact['note']})" if "note" in fact else ""
    source = f"  [{'; '.join(fact['source'])}]" if fact.get("source") else ""
    return said + note + source
