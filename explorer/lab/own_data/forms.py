"""The forms that rows come in, and each as a prompt with an answer."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

from explorer.catalogue.errors import nearest
from explorer.lab.datasets import Message, Row
from explorer.lab.own_data.limits import MAX_CHARACTERS
from explorer.lab.own_data.readers import BrokenLine

Form = Literal["prompt and completion", "messages", "instruction", "text"]
ROLES = ("system", "user", "assistant")

# The keys of each form: those it needs, and those it may have.
KEYS: dict[Form, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "prompt and completion": (("prompt", "completion"), ()),
    "messages": (("messages",), ()),
    "instruction": (("instruction", "output"), ("input",)),
    "text": (("text",), ()),
}


def form_of(record: Any) -> Form | None:
    """The form whose keys the record has, or None; one with a value for each goes first."""
    if not isinstance(record, Mapping):
        return None
    having = [form for form, (needed, _) in KEYS.items() if all(key in record for key in needed)]
    full = (form for form in having if all(record[key] is not None for key in KEYS[form][0]))
    return next(full, next(iter(having), None))


def row_of(record: Any, form: Form) -> Row:
    """The record as a row; raises BrokenLine with key and what is allowed."""
    if not isinstance(record, Mapping):
        raise BrokenLine(f"not an object with keys but {_kind(record)}")
    for key in KEYS[form][0]:
        if key not in record:
            match = nearest(key, (other for other in record if other not in KEYS[form][0]))
            raise BrokenLine(f"no key {key!r}" + (f", but {match!r}" if match else ""))
    return MAKERS[form](record)


def _pair(record: Mapping[str, Any]) -> Row:
    return Row(prompt=_text(record, "prompt"), completion=_text(record, "completion"))


def _instruction(record: Mapping[str, Any]) -> Row:
    prompt = _text(record, "instruction")
    if record.get("input"):
        prompt = f"{prompt}\n\n{_text(record, 'input')}"
    return Row(prompt=prompt, completion=_text(record, "output"))


def _plain(record: Mapping[str, Any]) -> Row:
    return Row(prompt="", completion=_text(record, "text"))


def _conversation(record: Mapping[str, Any]) -> Row:
    """The last answer is learnt; what comes before it is read."""
    messages = record["messages"]
    if not isinstance(messages, list) or len(messages) < 2:
        raise BrokenLine("messages: a list of at least two, the user's and the assistant's")
    turns = [_turn(message, number) for number, message in enumerate(messages, start=1)]
    if [turn.role for turn in turns[-2:]] != ["user", "assistant"]:
        raise BrokenLine("messages: the last two have to be the user's and the assistant's")
    return Row(history=tuple(turns[:-2]), prompt=turns[-2].content, completion=turns[-1].content)


def _turn(message: Any, number: int) -> Message:
    if not isinstance(message, Mapping):
        raise BrokenLine(f"messages, number {number}: not an object but {_kind(message)}")
    role = message.get("role")
    if role not in ROLES:
        raise BrokenLine(
            f"messages, number {number}: role {role!r:.40} is not {' or '.join(ROLES)}"
        )
    try:
        return Message(role=role, content=_text(message, "content"))
    except BrokenLine as broken:
        raise BrokenLine(f"messages, number {number}: {broken}") from broken


def _text(record: Mapping[str, Any], key: str) -> str:
    """A text as it is, a number in digits; nothing else is turned into words to be learnt."""
    value = record.get(key)
    if isinstance(value, float) and not math.isfinite(value):
        raise BrokenLine(f"{key}: {value} is no number and no text; tables write it for nothing")
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise BrokenLine(f"{key}: a text or a number is needed, this is {_kind(value)}")
    if not value.strip():
        raise BrokenLine(f"{key} is empty")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise BrokenLine(f"{key} holds half a character (a lone surrogate)")
    if len(value) > MAX_CHARACTERS:
        raise BrokenLine(f"{key} has {len(value):,} characters; at most {MAX_CHARACTERS:,}")
    return value


def _kind(value: Any) -> str:
    names = {list: "a list", dict: "an object", bool: "true or false", type(None): "nothing"}
    return names.get(type(value), f"a {type(value).__name__}")


MAKERS: dict[Form, Callable[[Mapping[str, Any]], Row]] = {
    "prompt and completion": _pair,
    "messages": _conversation,
    "instruction": _instruction,
    "text": _plain,
}
