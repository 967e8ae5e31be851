"""Whether a plan fits a device."""

from dataclasses import dataclass
from typing import Literal, get_args

from explorer.budget.plan import Plan
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.hardware import Hardware, Kind

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


def comparable_devices(plan: Plan, catalogue: Catalogue) -> list[Hardware]:
    """Devices that could take the place of the plan's, from the one with the least memory.

    Graphics cards stand in for each other whatever they are sold for; Apple's computers and plain
    processors only for their own kind.
    """
    kind = catalogue.device(plan.hardware).kind
    kinds = {kind} if kind in USABLE else set(get_args(Kind)) - set(USABLE)
    devices = [device for device in catalogue.hardware.values() if device.kind in kinds]
    return sorted(devices, key=lambda d: (d.memory_bytes.value or 0, d.memory_bandwidth.value or 0))


def fit_of(total: int, hardware: Hardware) -> Fit:
    """Hold a total against a device."""
    usable = usable_bytes(hardware)
    return Fit(verdict_of(total, usable), hardware.memory_bytes.value or 0, usable, usable - total)


def verdict_of(total: int, usable: int) -> Verdict:
    """fits, tight (over nine tenths) or does not fit."""
    if total > usable:
        return "does not fit"
    return "tight" if total > TIGHT * usable else "fits"
