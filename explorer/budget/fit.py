"""Whether a plan fits a device."""

from dataclasses import dataclass
from typing import Literal

from explorer.catalogue.hardware import Hardware

Verdict = Literal["fits", "tight", "does not fit"]

# Of a device's memory, what a process can have: drivers and the display take some of a GPU, macOS
# lets a GPU have about three quarters, and a computer runs more than this.
USABLE = {"apple": 0.75, "cpu": 0.90, "edge": 0.85}
USABLE_GPU = 0.97
TIGHT = 0.90  # above this share of the usable memory, fragments between blocks can be too much


@dataclass(frozen=True)
class Fit:
    """A verdict and the bytes behind it; `free` is negative where they do not suffice."""

    verdict: Verdict
    memory: int
    usable: int
    free: int

    @property
    def fits(self) -> bool:
        """Whether it fits at all."""
        return self.verdict != "does not fit"


def usable_bytes(hardware: Hardware) -> int:
    """Bytes of the device that a process can have."""
    share = USABLE.get(hardware.kind, USABLE_GPU)
    return int((hardware.memory_bytes.value or 0) * share)


def fit_of(total: int, hardware: Hardware) -> Fit:
    """Hold a total against a device."""
    usable = usable_bytes(hardware)
    return Fit(verdict_of(total, usable), hardware.memory_bytes.value or 0, usable, usable - total)


def verdict_of(total: int, usable: int) -> Verdict:
    """fits, tight (over nine tenths) or does not fit."""
    if total > usable:
        return "does not fit"
    return "tight" if total > TIGHT * usable else "fits"
