"""Answers token by token: how the adapter moved each one's probability, and what else was near."""

import math
from collections.abc import Iterator

from markupsafe import Markup

from explorer.lab.events import Token
from explorer.ui.compare.board import Column
from explorer.ui.markup import element

STEPS = (0.3, 1.0, 3.0)  # nats from which a shift has the next deeper colour
LEGEND = (
    ("down3", "made unlikely"),
    ("down1", "a little"),
    ("up1", "a little"),
    ("up3", "made likely"),
)


def shifted(column: Column, parts_at: int | None, anchor: str) -> Iterator[Markup]:
    """The answer's tokens, coloured by what the base gave each of them."""
    for index, token in enumerate(column.tokens):
        before = column.base_logprobs[index] if index < len(column.base_logprobs) else None
        shift = None if before is None else token.logprob - before
        title = f"p = {_p(token.logprob)}"
        if before is not None and shift is not None:
            title += f", in the base {_p(before)} ({shift:+.2f} nats)"
        here = index == parts_at
        yield element(
            "span",
            visible(token),
            class_=" ".join(filter(None, ("token", _depth(shift), "parting" if here else ""))),
            title=title,
            id=anchor if here else None,
        )


def alternatives(column: Column, parts_at: int | None, anchor: str) -> Markup:
    """A row a token: what was chosen, and the likeliest tokens at that step."""
    rows = []
    for index, token in enumerate(column.tokens):
        here = index == parts_at
        chips = [
            element(
                "span",
                element("span", repr(text)[1:-1] or "∅", class_="code"),
                f" {_p(logprob)}",
                class_="chip chosen" if token_id == token.token_id else "chip",
            )
            for token_id, text, logprob in token.alternatives
        ]
        rows.append(
            element(
                "tr",
                element("td", str(index + 1), class_="num"),
                element("td", visible(token), class_="code"),
                element("td", _p(token.logprob), class_="num"),
                element("td", *chips, class_="chips"),
                class_="parting" if here else None,
                id=anchor if here else None,
            )
        )
    heads = (("#", "num"), ("token", None), ("p", "num"), ("likeliest here", None))
    head = element("tr", *(element("th", words, class_=kind) for words, kind in heads))
    table = element("table", element("thead", head), element("tbody", *rows), class_="plain steps")
    return element("div", table, class_="scroll tall", tabindex="0")


def legend() -> Markup:
    """What the colours mean."""
    shown = [
        element("span", element("span", words, class_=f"token {kind}"), " ")
        for kind, words in LEGEND
    ]
    return element(
        "p",
        "Against the base, the adapter made a token: ",
        *shown,
        f"(from {STEPS[0]:g}, {STEPS[1]:g} and {STEPS[2]:g} nats on; point at one for its numbers)",
        class_="faint legend",
    )


def visible(token: Token) -> str:
    """The token's text, with a sign where it has none of its own."""
    return token.text or ("⏹" if not token.alternatives else _own_text(token) or "·")


def _own_text(token: Token) -> str:
    return next((text for key, text, _ in token.alternatives if key == token.token_id), "")


def _depth(shift: float | None) -> str:
    if shift is None:
        return ""
    depth = sum(abs(shift) >= step for step in STEPS)
    return f"{'up' if shift > 0 else 'down'}{depth}" if depth else ""


def _p(logprob: float) -> str:
    p = math.exp(logprob)
    return f"{p:.2f}" if p >= 0.01 else f"{p:.0e}"
