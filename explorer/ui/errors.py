"""The one place where a mistake becomes a sentence on the page."""

import inspect
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, TypeVar

import gradio as gr

from explorer.catalogue.errors import ExplorerError

F = TypeVar("F", bound=Callable[..., Any])


def told(handler: F) -> F:
    """The handler (plain or generator) whose ExplorerError is shown as its sentence.

    Everything else that goes wrong is a fault of the program and stays one.
    """

    @wraps(handler)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except ExplorerError as error:
            raise _sentence(error) from error

    @wraps(handler)
    def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
        try:
            yield from handler(*args, **kwargs)
        except ExplorerError as error:
            raise _sentence(error) from error

    return stream if inspect.isgeneratorfunction(handler) else call  # type: ignore[return-value]  # same signature


def _sentence(error: ExplorerError) -> gr.Error:
    return gr.Error(str(error), title="That does not work", print_exception=False)
