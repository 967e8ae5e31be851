"""Whether a job fits its base, asked of the base's config.json before anything is queued."""

from collections.abc import Mapping
from typing import Any

from explorer.budget.needs import refuse_empty, refuse_unmet, unmet_by_base
from explorer.budget.trainable import count_trainable
from explorer.catalogue.architecture import Architecture
from explorer.catalogue.config import ConfigError, architecture_from_config
from explorer.catalogue.errors import ExplorerError, UnknownNameError
from explorer.catalogue.method import Method
from explorer.lab.base_folder import BaseMissingError
from explorer.lab.bases import find_base

SKIPPED = ("lm_head",)  # what transformers leaves in 16 bits of a base that it quantizes


def shape_of(base: str) -> Architecture | None:
    """The shape of a base that is on this machine.

    None for one that is not, for a GGUF file that was not converted yet, and for a config that the
    calculator cannot read: then the run finds out.
    """
    try:
        return architecture_from_config(find_base(base, allow_paths=True).config)
    except (BaseMissingError, UnknownNameError, ConfigError):
        return None


def refuse_unfit(
    base: str, method: Method, knobs: Mapping[str, Any], quantization: str, max_length: int
) -> None:
    """Raise ExplorerError, with the calculator's sentence, for what this base's shape forbids.

    `knobs` are read ones. A base whose shape is not known is taken to fit.
    """
    arch = shape_of(base)
    if arch is None:
        return
    demand_positions(base, max_length, arch.max_position_embeddings)
    refuse_unmet(arch, method, knobs)
    # the count refuses layers that are not there
    refuse_empty(method, count_trainable(arch, method, knobs))
    for sentence in unmet_by_base(arch, method, knobs, None if quantization == "none" else SKIPPED):
        raise ExplorerError(f"{method.name} does not run on {base}: {sentence}")


def demand_positions(base: str, max_length: int, positions: int) -> None:
    """Raise ExplorerError for rows longer than the base was trained for."""
    if max_length > positions:
        raise ExplorerError(
            f"max_length = {max_length} is more than the {positions} positions that {base} was "
            "trained for."
        )
