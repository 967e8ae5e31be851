"""What is told of an upload before it is kept: rows, faults, lengths, what will be left out."""

from collections.abc import Sequence
from dataclasses import dataclass

from explorer.lab.bases import Base
from explorer.lab.own_data.lengths import context_of, row_lengths
from explorer.lab.own_data.limits import UploadError
from explorer.lab.own_data.upload import Upload

MOST_TOKENS = 8192  # of a row, whatever the base could read
NAMED = 5  # lines that a warning names


@dataclass(frozen=True)
class Preview:
    """An upload measured with one base. `lengths` are in the order of the upload's rows."""

    upload: Upload
    lengths: tuple[int, ...]  # tokens of each row, chat template and end of turn included
    limit: int  # the most tokens that a row may have
    warnings: tuple[str, ...]

    @property
    def fitting(self) -> list[int]:
        """The numbers of the rows that are not too long."""
        return [n for n, length in enumerate(self.lengths) if length <= self.limit]


def preview(upload: Upload, base: Base, system: str | None = None, max_length: int = 0) -> Preview:
    """Measure the rows; `max_length` 0 takes all that the base can read.

    Raises UploadError for a limit that the base does not allow.
    """
    limit = row_limit(base, max_length)
    lengths = tuple(row_lengths(upload.rows, base, system))
    return Preview(upload, lengths, limit, tuple(_warnings(upload, lengths, limit)))


def row_limit(base: Base, max_length: int) -> int:
    """The most tokens of a row on this base; raises UploadError for one that is out of range."""
    most = min(context_of(base) or MOST_TOKENS, MOST_TOKENS)
    if max_length and not 16 <= max_length <= most:
        raise UploadError(
            f"longest row = {max_length}: {base.id} takes from 16 to {most:,} tokens (0: all of "
            "them)."
        )
    return max_length or most


def _warnings(upload: Upload, lengths: Sequence[int], limit: int) -> list[str]:
    told = []
    if upload.faulty:
        told.append(
            f"{upload.faulty:,} of {upload.faulty + len(upload.rows):,} {upload.unit}s are faulty: "
            "mend them and upload the file again."
        )
    long = [line for line, n in zip(upload.lines, lengths, strict=True) if n > limit]
    if long:
        named = ", ".join(f"{line:,}" for line in long[:NAMED])
        more = f" and {len(long) - NAMED:,} more" if len(long) > NAMED else ""
        told.append(
            f"{len(long):,} rows are longer than {limit:,} tokens ({upload.unit} {named}{more}; "
            f"the longest has {max(lengths):,}). They will be left out: cut short, they would "
            "teach the base to stop midway."
        )
    distinct = len(set(upload.rows))
    if distinct < len(upload.rows):
        told.append(f"{len(upload.rows) - distinct:,} rows repeat others word for word.")
    return told
