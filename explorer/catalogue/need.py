"""What has to hold between a method's knobs and the model that it acts on, as data."""

from string import Formatter
from typing import Literal

from pydantic import Field, model_validator

from explorer.catalogue.record import Record


class Need(Record):
    """A condition without which the library refuses the method, and the sentence that says so.

    `holds` is a formula that is 0 (or false) where the condition fails. It knows every knob, every
    number that the formulas of `trainable` know, `sees_images`, and of each linear acted on `site`
    (its name), `d_in`, `d_out`, `has_bias`, `input_widths` (how many different ones there are under
    its name in one kind of block) and `quantized` (whether the plan holds it so). Where it names
    one of these it has to hold for every such linear. `told` is a sentence with formulas in braces.
    `about` says whether other knobs mend it or only another base.
    """

    holds: str = Field(min_length=3)
    told: str = Field(min_length=20)
    about: Literal["knobs", "base"] = "knobs"
    source: list[str] = Field(min_length=1)

    @model_validator(mode="after")
    def _can_be_told(self) -> "Need":
        if any(conversion or spec for _, _, spec, conversion in Formatter().parse(self.told)):
            raise ValueError("what stands in braces is a formula and nothing else")
        if not self.told.endswith("."):
            raise ValueError("what is told is a sentence")
        return self

    @property
    def parts(self) -> tuple[tuple[str, str | None], ...]:
        """The sentence as pieces of text, each with the formula whose value follows it."""
        return tuple((text, formula) for text, formula, _, _ in Formatter().parse(self.told))
