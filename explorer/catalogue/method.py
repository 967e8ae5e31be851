"""A PEFT method: what it does, where it acts, its knobs, what it trains and what is known of it."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator

from explorer.catalogue.capability import Capability
from explorer.catalogue.knob import Knob, Value, read_knobs
from explorer.catalogue.need import Need
from explorer.catalogue.paper import Paper
from explorer.catalogue.record import REASONS, Record, Source, source_key
from explorer.catalogue.trainable import Trainable

Sources = Field(min_length=1)
# which measured ability says whether a method trains on a base held so
_WIDTHS = {"int8": "eight_bit", "nf4": "four_bit", "fp4": "four_bit"}
Family = Literal[
    "low-rank",
    "Kronecker and Hadamard",
    "shared vectors",
    "orthogonal",
    "frequency",
    "sparse",
    "scaling and bias",
    "prompt",
    "attention adapter",
    "routing",
    "reference",
]


class Lab(Record):
    """What to start from when the method is run on the embedded model."""

    learning_rate: float = Field(gt=0, le=10)
    knobs: dict[str, Any] = Field(
        default_factory=dict
    )  # where they differ from the knobs' defaults
    note: str | None = None
    kept: str | None = None  # why the rate is not the one of the sweep's lowest held-out loss
    source: list[str] = Sources


class Recipe(Record):
    """What a named recipe asks for beside its adapter."""

    quantization: Literal["nf4", "fp4", "int8"]
    double_quantization: bool
    gradient_checkpointing: bool
    optimizer: Literal["paged_adamw_8bit", "adamw"]
    optimizer_elsewhere: Literal["adamw"]  # where the device has no paged memory
    source: list[str] = Sources


class Note(Record):
    """One sentence with its source: a caveat, or something that was published."""

    text: str
    source: list[str] = Sources


class Differences(Record):
    """How known implementations of one method differ: a table, an aspect a row."""

    columns: tuple[str, ...] = Field(min_length=2)
    rows: dict[str, tuple[str, ...]] = Field(min_length=1)
    source: list[str] = Sources

    @model_validator(mode="after")
    def _rows_fit(self) -> "Differences":
        for aspect, cells in self.rows.items():
            if len(cells) != len(self.columns):
                raise ValueError(f"{aspect!r} has {len(cells)} cells, not {len(self.columns)}")
        return self


class Method(Record):
    """One method of the catalogue; its id is the stem of its file."""

    id: str
    name: str
    family: Family
    survey: bool = False
    peft_type: str | None = None
    origin: Literal["peft", "explorer", "torch"] = "peft"
    paper: Paper | None = None
    # for the card
    idea: str = Field(min_length=60)
    equation: str = Field(min_length=3)
    initialisation: str
    saved: str
    extra_latency: str
    caveats: tuple[Note, ...] = ()
    published: tuple[Note, ...] = ()
    published_as: tuple[str, ...] = ()  # see `goes_by`
    differences: Differences | None = None
    # for the calculator
    sites: tuple[str, ...] = ()  # fixed, where there is no knob of type sites
    knobs: dict[str, Knob] = Field(default_factory=dict)
    needs: tuple[Need, ...] = ()
    trainable: Trainable
    starts_as_base: bool
    # for the lab
    fixed: dict[str, Any] = Field(default_factory=dict)
    lab: Lab | None = None
    recipe: Recipe | None = None
    capability: Capability | None = None
    unsupported: str | None = None
    not_on: dict[Literal["llama4", "mllama"], str] = Field(default_factory=dict)  # with the reason
    sources: dict[str, Source] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_coherent(self) -> "Method":
        if not self.sites and any(knob.type == "sites" for knob in self.knobs.values()):
            raise ValueError("a knob of type sites needs sites, the linears it stands for at first")
        if self.unsupported is None and (self.lab is None or self.capability is None):
            raise ValueError("a method that runs needs [lab] and [capability]")
        if both := set(self.fixed) & set(self.knobs):
            raise ValueError(f"{min(both)!r} is both fixed and a knob")
        if self.lab:
            read_knobs(self.knobs, self.lab.knobs)
        return self

    @model_validator(mode="after")
    def _sources_resolve(self) -> "Method":
        known = [*self.sources, *(["paper"] if self.paper else []), *REASONS]
        for key, entry in _entries(self):
            if source_key(entry) not in known:
                raise ValueError(f"{key}: source {entry!r} names no known key ({', '.join(known)})")
            if ":" not in entry:
                raise ValueError(f"{key}: source {entry!r} must say where or how, after a colon")
        return self

    @property
    def merges(self) -> bool:
        """Whether the trained adapter folds into the base weights."""
        return self.capability is not None and self.capability.merges

    @property
    def works_on_4bit(self) -> bool:
        """Whether it trains rightly on an NF4 base."""
        return self.capability is not None and self.capability.four_bit

    def trains_on(self, quantization: str) -> bool:
        """Whether it trains rightly on a base held as `quantization`: none, int8, nf4 or fp4."""
        if quantization == "none":
            return True
        return self.capability is not None and getattr(self.capability, _WIDTHS[quantization])

    def why_not_on(self, quantization: str) -> str:
        """Why it does not train on such a base, as a clause or sentences."""
        if self.capability is None:
            return "it was not measured."
        return self.capability.why[_WIDTHS[quantization]]

    def read_knobs(self, raw: Mapping[str, Any] | None = None) -> dict[str, Value]:
        """Every knob's value: those of `raw` (typed values or text) checked, the rest at default.

        A knob of type sites that is not given is the method's `sites`. Raises UnknownNameError for
        a name that is no knob and ExplorerError for a value out of range, with the range.
        """
        values = read_knobs(self.knobs, raw or {})
        return {
            name: self.sites if value is None and self.knobs[name].type == "sites" else value
            for name, value in values.items()
        }

    def goes_by(self, name: str) -> bool:
        """Whether a published result under this name is one of the method.

        Results are published as `LORA (rank32)` or `LLaMA-Adapter V1 (text only)`: a name of
        `published_as`, alone or with the setting after a space.
        """
        return any(name == known or name.startswith(f"{known} ") for known in self.published_as)

    def source_of(self, entry: str) -> Source | Paper | None:
        """The document that a source entry names, or None for derived, measured and the like."""
        key = source_key(entry)
        return self.paper if key == "paper" and self.paper else self.sources.get(key)


def _entries(record: BaseModel, path: str = "") -> Iterator[tuple[str, str]]:
    """Every entry of every `source` list in the record, with the key it stands at."""
    for name in type(record).model_fields:
        value = getattr(record, name)
        if name == "source":
            yield from ((path or name, entry) for entry in value)
        held = value.values() if isinstance(value, dict) else value
        for item in held if isinstance(value, dict | tuple) else (value,):
            if isinstance(item, BaseModel):
                yield from _entries(item, f"{path}.{name}".strip("."))
