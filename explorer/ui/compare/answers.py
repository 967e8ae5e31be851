"""The columns beside each other, in one of four views."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from explorer.lab.request import BASE_COLUMN
from explorer.ui.compare.board import Board, Column
from explorer.ui.compare.checks import check_mark
from explorer.ui.compare.differences import parting, word_diff
from explorer.ui.compare.tokens import alternatives, legend, shifted
from explorer.ui.markup import element, joined

VIEWS = {
    "answers": "Answers",
    "words": "Changed words",
    "shift": "Probability shift",
    "alternatives": "Alternatives",
}
STOPPED = {"end": "ended its turn", "stop": "met a stop text", "length": "reached the limit"}
TAGS = {"same": None, "new": "ins", "gone": "del"}


def board_html(board: Board, view: str = "answers", against: str = BASE_COLUMN) -> Markup:
    """All columns; words and partings are those against the column `against`."""
    waiting = None
    if board.waiting:
        waiting = element("p", f"{board.waiting} …", class_="faint", role="status")
    reference = board.columns.get(against) or next(iter(board.columns.values()))
    over = all(column.done for column in board.columns.values())
    cells = []
    links = []
    for place, column in enumerate(board.columns.values()):
        parts_at = None
        if over and not board.blind and column is not reference:
            parts_at = parting(_ids(reference), _ids(column))
            links.append(_link(place, column, parts_at))
        cells.append(_column(board, place, view, reference, parts_at))
    summary = None
    if links:
        words = element("span", f"Where they part from {reference.name}: ", class_="faint")
        summary = element("p", words, joined(links, " "), class_="partings")
    colours = legend() if view == "shift" and not board.blind else None
    return joined([waiting, summary, colours, element("div", *cells, class_=f"answers {view}")])


def _link(place: int, column: Column, parts_at: int | None) -> Markup:
    if parts_at is None:
        return element("span", f"{column.name}: the same answer", class_="badge")
    words = f"{column.name}: token {parts_at + 1}"
    return element("a", words, href=f"#part-{place}", class_="badge", target="_self")


def _ids(column: Column) -> list[int]:
    return [token.token_id for token in column.tokens]


def _column(board: Board, place: int, view: str, reference: Column, parts_at: int | None) -> Markup:
    column = list(board.columns.values())[place]
    kind = "answer base" if column.id == BASE_COLUMN and not board.blind else "answer"
    about = column.about if not board.blind else ""
    head = element(
        "header",
        element("h3", board.shown_name(place)),
        element("p", about, class_="faint") if about else None,
        None if board.blind else check_mark(column.check),
    )
    before = [element("div", turn.content, class_=f"turn {turn.role}") for turn in column.turns]
    question = [element("div", board.prompt, class_="turn user")] if column.turns else []
    if view == "alternatives" and not board.blind and column.tokens:
        said = alternatives(column, parts_at, f"part-{place}")
    else:
        said = _said(board, column, view, reference, parts_at, f"part-{place}")
    return element("article", head, *before, *question, said, _foot(board, column), class_=kind)


def _said(  # what an answer's text depends on
    board: Board, column: Column, view: str, reference: Column, parts_at: int | None, anchor: str
) -> Markup:
    cursor = None if column.done else element("span", class_="cursor", aria_hidden="true")
    content: Sequence[Any] = [column.text]
    if column.done and not column.text.strip():
        content = [element("span", "(nothing)", class_="faint")]
    elif board.blind or not column.done:
        pass
    elif view == "words" and column is not reference:
        content = [_word(kind, text) for kind, text in word_diff(reference.text, column.text)]
    elif view == "shift":
        content = list(shifted(column, parts_at, anchor))
    elif parts_at is not None:
        content = _marked(column, parts_at, anchor)
    return element("div", *content, cursor, class_="said", tabindex="0", aria_label="answer")


def _word(kind: str, text: str) -> Any:
    tag = TAGS[kind]
    return element(tag, text) if tag else text


def _marked(column: Column, parts_at: int, anchor: str) -> list[Any]:
    """The text with a mark on the token at which it parts."""
    start = sum(len(token.text) for token in column.tokens[:parts_at])
    own = column.tokens[parts_at].text if parts_at < len(column.tokens) else ""
    text = column.text
    here = element("mark", text[start : start + len(own)] or "⏹", id=anchor, class_="parting")
    return [text[:start], here, text[start + len(own) :]]


def _foot(board: Board, column: Column) -> Markup:
    done = column.done
    if done is None:
        count = len(column.tokens)
        return element("footer", f"{count} tokens" if count else "waiting", class_="faint")
    if board.blind:  # a speed would give a column away
        return element("footer", "complete", class_="faint")
    average = column.mean_logprob
    parts = [
        f"{done.tokens_per_second:.1f} tokens/s",
        f"first after {done.time_to_first_token:.2f} s",
        f"{done.tokens} tokens",
        None if average is None else f"{round(average, 2) + 0.0:.2f} nats a token",  # no minus zero
        STOPPED[done.stop_reason],
    ]
    return element("footer", joined(filter(None, parts), " · "), class_="faint")
