"""What a method was measured to do, and not to do, beside a tiny LLaMA."""

from pydantic import Field, model_validator

from explorer.catalogue.record import Record


class Capability(Record):
    """What was measured of a method on a tiny LLaMA. Every `false` has its reason in `why`."""

    trains: bool = True  # steps move its tensors and no other
    uses_all: bool = True  # every trainable tensor gets a gradient
    generates: bool = True  # cached generation equals uncached
    merges: bool = True  # merged into the base weights, the output stays
    four_bit: bool = True  # gradients on an NF4 base match a dequantized copy
    eight_bit: bool = True  # gradients on an int8 base match a dequantized copy
    several: bool = True  # two adapters side by side on one base
    disables: bool = True  # with adapters disabled, the base's output bit for bit
    left_padding: bool = True  # a padded row of a batch gives what it gives alone
    saves: bool = True  # saved and loaded in a fresh process, the same output
    why: dict[str, str] = Field(default_factory=dict)
    versions: str
    source: list[str] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_without_a_reason(self) -> "Capability":
        for name in self.abilities():
            if not getattr(self, name) and name not in self.why:
                raise ValueError(f"{name} = false needs its reason under why.{name}")
        return self

    @classmethod
    def abilities(cls) -> tuple[str, ...]:
        """The names of what is measured."""
        return tuple(n for n, f in cls.model_fields.items() if f.annotation is bool)
