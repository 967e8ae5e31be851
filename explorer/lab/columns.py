"""What a column of a comparison is, written as one word.

base               the base alone
RUN                an adapter as it was trained
RUN@0.5            the adapter at half its strength
RUN@0.7+OTHER@1    two LoRA adapters added up
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from explorer.catalogue.errors import ExplorerError

BASE_COLUMN = "base"
MAX_STRENGTH = 2.0
MAX_MIXED = 4  # adapters that are added up


@dataclass(frozen=True)
class Share:
    """An adapter, by the id of its run or of its upload, and how strongly it acts."""

    source: str
    strength: float = 1.0


@dataclass(frozen=True)
class ColumnSpec:
    """The adapters that act in a column; none for the base."""

    shares: tuple[Share, ...] = ()

    @property
    def word(self) -> str:
        """The column as `parse_column` reads it."""
        return "+".join(map(_share_word, self.shares)) or BASE_COLUMN

    def at(self, factor: float) -> "ColumnSpec":
        """The column with every strength multiplied; raises ExplorerError where one is too much."""
        scaled = (replace(share, strength=share.strength * factor) for share in self.shares)
        return ColumnSpec(tuple(_checked(share) for share in scaled))

    def named(self, name_of: Callable[[str], str]) -> str:
        """The column in words: `name_of` gives an adapter's name."""
        parts = [f"{_times(share.strength)}{name_of(share.source)}" for share in self.shares]
        return " + ".join(parts) or "Base"


BASE = ColumnSpec()


def parse_column(text: str) -> ColumnSpec:
    """The column that a word stands for; raises ExplorerError for one that stands for none."""
    if text == BASE_COLUMN:
        return BASE
    parts = text.split("+")
    if len(parts) > MAX_MIXED:
        raise ExplorerError(f"{text!r:.80} adds up {len(parts)} adapters; at most {MAX_MIXED}.")
    shares = tuple(map(_share, parts))
    if len({share.source for share in shares}) < len(shares):
        raise ExplorerError(f"{text!r:.80} names an adapter twice: give it one strength.")
    return ColumnSpec(shares)


def _share(text: str) -> Share:
    source, at, strength = text.partition("@")
    if not source or (at and not strength):
        raise ExplorerError(
            f"{text!r:.80} is no column: it is an adapter's id, with @ and a strength if other "
            "than 1."
        )
    try:
        return _checked(Share(source, float(strength) if at else 1.0))
    except ValueError as error:
        if isinstance(error, ExplorerError):
            raise
        raise ExplorerError(
            f"strength = {strength!r:.40}: it takes a number from 0 to 2."
        ) from None


def _checked(share: Share) -> Share:
    if not (math.isfinite(share.strength) and 0 <= share.strength <= MAX_STRENGTH):
        raise ExplorerError(
            f"strength = {share.strength:g}: it takes a number from 0 to {MAX_STRENGTH:g}."
        )
    return share


def _share_word(share: Share) -> str:
    return share.source if share.strength == 1 else f"{share.source}@{share.strength:g}"


def _times(strength: float) -> str:
    return "" if strength == 1 else f"{strength:g} × "
