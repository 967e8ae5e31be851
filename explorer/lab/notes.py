"""What visitors write on a run: a note and tags, kept in its folder."""

import json
import re
from collections.abc import Sequence

from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.record import Record
from explorer.lab.runs import Run, write_atomically
from explorer.lab.stored import DamagedFileError, read_stored

NOTES = "notes.json"
MAX_NOTE, MAX_TAGS = 4000, 12
TAG = re.compile(r"[\w.+-]{1,32}")


class Notes(Record):
    """A free text, and words to find the run by."""

    note: str = ""
    tags: tuple[str, ...] = ()


def read_notes(run: Run) -> Notes:
    """What was written on the run; empty where nothing was, the reason where it is lost."""
    try:
        return read_stored(run.folder / NOTES, Notes)
    except FileNotFoundError:
        return Notes()
    except DamagedFileError as error:
        return Notes(note=str(error))


def write_notes(run: Run, note: str, tags: Sequence[str]) -> Notes:
    """Replace what was written. Raises ExplorerError for a text or tag that is not taken."""
    if len(note) > MAX_NOTE:
        raise ExplorerError(f"The note has {len(note):,} characters; at most {MAX_NOTE:,}.")
    if any("\ud800" <= character <= "\udfff" for character in note):
        raise ExplorerError("The note holds half a character (a lone surrogate): write it anew.")
    kept = tuple(dict.fromkeys(tag.strip().lstrip("#") for tag in tags if tag.strip()))
    for tag in kept:
        if not TAG.fullmatch(tag):
            raise ExplorerError(
                f"{tag!r:.60} is no tag: one word of at most 32 letters, digits or . + - _."
            )
    if len(kept) > MAX_TAGS:
        raise ExplorerError(f"{len(kept)} tags; a run has at most {MAX_TAGS}.")
    notes = Notes(note=note, tags=kept)
    write_atomically(run.folder / NOTES, json.dumps(notes.model_dump(), ensure_ascii=False))
    return notes
