"""The lines between engine and worker: JSON, one message a line, typed on both sides."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from explorer.catalogue.record import Record
from explorer.lab.events import Reply
from explorer.lab.request import Request


class Submit(Record):
    """Begin a task under an id of the engine's choice."""

    do: Literal["submit"] = "submit"
    task: str
    request: Request


class Stop(Record):
    """End a task at its next turn."""

    do: Literal["stop"] = "stop"
    task: str


class Told(Record):
    """One event of a task."""

    say: Literal["told"] = "told"
    task: str
    event: Reply


class Over(Record):
    """A task has ended; nothing more comes of it."""

    say: Literal["over"] = "over"
    task: str


TO_WORKER: TypeAdapter[Any] = TypeAdapter(Annotated[Submit | Stop, Field(discriminator="do")])
FROM_WORKER: TypeAdapter[Any] = TypeAdapter(Annotated[Told | Over, Field(discriminator="say")])
