"""A named endpoint of the page: what it is given is held to the types that it states."""

import inspect
import json
import textwrap
from collections.abc import Callable
from functools import wraps
from typing import Any, get_type_hints

import gradio as gr
from pydantic import TypeAdapter, ValidationError

from explorer.catalogue.errors import ExplorerError
from explorer.ui.errors import told, told_plainly

KINDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list[str]: "a list of texts",
    list[str] | None: "a list of texts, or null",
    dict[str, Any]: "an object",
    list[dict[str, Any]]: "a list of objects",
}


def endpoint(action: Callable[..., Any], api_name: str | None = None, **settings: Any) -> None:
    """Offer an action to programs, under its own name unless `api_name` gives another.

    Gradio hands over whatever JSON a program sends. Here each argument is held to the type that
    the action states, and one that is of another is refused in a sentence with its name.
    """
    offered = told_plainly(told(checked(action)))
    offered.__name__ = api_name or action.__name__  # the MCP server calls its tool so
    gr.api(offered, api_name=offered.__name__, **settings)


def checked(action: Callable[..., Any]) -> Callable[..., Any]:
    """The action (plain or generator), which raises ExplorerError for an argument of another type.

    What has one meaning only is read as what is asked for: 8.0 and "8" as the whole number 8.
    """
    names = [name for name in inspect.signature(action).parameters if name != "self"]
    hints = get_type_hints(action)
    readers = {name: TypeAdapter(hints[name]) for name in names}

    def read(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        given = dict(zip(names, args, strict=False)) | kwargs
        return {name: _read(readers[name], hints[name], name, given[name]) for name in given}

    @wraps(action)
    def call(*args: Any, **kwargs: Any) -> Any:
        return action(**read(args, kwargs))

    @wraps(action)
    def stream(*args: Any, **kwargs: Any) -> Any:
        yield from action(**read(args, kwargs))

    return stream if inspect.isgeneratorfunction(action) else call


def _read(reader: TypeAdapter[Any], kind: Any, name: str, value: Any) -> Any:
    try:
        return reader.validate_python(value)
    except ValidationError as error:
        wanted = KINDS.get(kind, error.errors()[0]["msg"].removeprefix("Input should be "))
        shown = textwrap.shorten(json.dumps(value), 80, placeholder=" …")
        raise ExplorerError(f"{name} = {shown}: it takes {wanted}.") from None
