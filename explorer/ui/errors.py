"""The one place where a mistake becomes a sentence on the page."""

import inspect
from collections.abc import Callable, Iterator
from functools import wraps
from html import escape, unescape
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


def told_plainly(handler: F) -> F:
    """The told handler for a program, which reads its sentence as it is and not as HTML."""

    @wraps(handler)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except gr.Error as error:
            raise _error(unescape(error.message)) from error

    @wraps(handler)
    def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
        try:
            yield from handler(*args, **kwargs)
        except gr.Error as error:
            raise _error(unescape(error.message)) from error

    return stream if inspect.isgeneratorfunction(handler) else call  # type: ignore[return-value]  # same signature


def warn(sentence: str) -> None:
    """Show a sentence that may quote what a visitor or a link has said."""
    gr.Warning(_as_html(sentence))


def _sentence(error: ExplorerError) -> gr.Error:
    return _error(_as_html(str(error)))


def _error(words: str) -> gr.Error:
    return gr.Error(words, title="That does not work", print_exception=False)


def _as_html(sentence: str) -> str:
    """A sentence for a toast, which takes its words for HTML."""
    return escape(sentence, quote=False)
