"""Answers on the page: what is shown of them, how they differ, that text stays text."""

import json

import pytest

from explorer.catalogue.errors import ExplorerError
from explorer.lab.events import ColumnDone, SelfCheck, Shift, Token
from explorer.lab.request import CompareRequest
from explorer.ui.compare.answers import VIEWS, board_html
from explorer.ui.compare.board import Board
from explorer.ui.compare.differences import parting, word_diff
from explorer.ui.compare.export import export

NASTY = "<script>alert(1)</script> **bold** $x^2$ ```\n<img src=x onerror=alert(1)> &amp;"
RUN = "20260101-000000-000000-00000000"


def board(base="a b", other="a c", blind=False, prompt="say"):
    request = CompareRequest(
        columns=("base", RUN), messages=[{"role": "user", "content": prompt}], base="some-base"
    )
    made = Board.of(request, {"base": ("Base", "it"), RUN: ("LoRA", "a task")}, blind)
    for key, text in (("base", base), (RUN, other)):
        for index, piece in enumerate([text[:1], text[1:2], text[2:]]):
            logprob = -0.5 * (index + 1)
            token = Token(
                column=key,
                index=index,
                text=piece,
                token_id=sum(map(ord, piece)),
                logprob=logprob,
                alternatives=((7, "x", -0.1), (8, NASTY, -3.0)),
            )
            made.take(token)
        made.take(
            ColumnDone(
                column=key,
                text=text,
                tokens=3,
                prompt_tokens=9,
                tokens_per_second=12.3,
                time_to_first_token=0.45,
                stop_reason="length",
            )
        )
    made.take(Shift(column=RUN, base_logprobs=(-0.5, -5.0, -0.1)))
    checks = {"max_difference": 2.5, "alone_difference": 1e-5, "kl": 0.25, "norm_difference": 9.0}
    made.take(SelfCheck(column="base", passed=True, **checks | {"max_difference": 0.0}))
    made.take(SelfCheck(column=RUN, passed=True, merged_difference=3e-5, **checks))
    return made


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_that_was_said_or_asked_becomes_markup(view):
    html = str(board_html(board(NASTY, NASTY[::-1], prompt=NASTY), view))
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;" in html


def test_every_column_shows_its_numbers():
    html = str(board_html(board()))
    for words in ("12.3 tokens/s", "first after 0.45 s", "3 tokens", "-1.00 nats a token"):
        assert words in html
    assert "reached the limit" in html
    for words in ("equals the untouched model", "0.25 nats", "‖Δlogits‖", "3e-05"):
        assert words in html


def test_the_jump_leads_to_the_first_token_that_differs():
    html = str(board_html(board()))
    assert 'href="#part-1"' in html
    assert "LoRA: token 3" in html
    assert '<mark id="part-1" class="parting">c</mark>' in html
    assert "the same answer" in str(board_html(board("a b", "a b")))


def test_a_shift_is_told_with_both_probabilities():
    html = str(board_html(board(), "shift"))
    assert 'class="token up3" title="p = 0.37, in the base 7e-03 (+4.00 nats)"' in html
    assert 'class="token down2 parting"' in html


def test_words_that_came_and_went():
    assert word_diff("ships nine hats", "ships ten hats.") == [
        ("same", "ships "),
        ("gone", "nine"),
        ("new", "ten"),
        ("same", " hats"),
        ("new", "."),
    ]
    html = str(board_html(board("a b", "a c"), "words"))
    assert "<del>b</del><ins>c</ins>" in html
    against = str(board_html(board("a b", "a c"), "words", RUN))
    assert "<del>c</del><ins>b</ins>" in against


@pytest.mark.parametrize(
    ("one", "other", "place"),
    [([1, 2], [1, 2], None), ([1, 2], [1, 3], 1), ([1], [1, 2], 1), ([], [1], 0), ([], [], None)],
)
def test_where_answers_part(one, other, place):
    assert parting(one, other) == place
    assert parting(other, one) == place


@pytest.mark.parametrize("view", VIEWS)
def test_a_blind_board_gives_no_column_away(view):
    html = str(board_html(board(blind=True), view))
    assert "Answer A" in html
    for telling in ("Base", "LoRA", RUN, "tokens/s", "KL", "a task", "answer base", "part-"):
        assert telling not in html


def test_a_board_comes_back_from_plain_values_as_it_was():
    made = board()
    again = Board.read(json.loads(json.dumps(made.plain())))
    assert again.plain() == made.plain()
    assert again.histories()[RUN] == [
        {"role": "user", "content": "say"},
        {"role": "assistant", "content": "a c"},
    ]


@pytest.mark.parametrize("plain", [{}, {"columns": 3}, {"columns": [{"column": "x"}]}])
def test_what_is_no_comparison_is_told(plain):
    with pytest.raises(ExplorerError, match="This is no comparison"):
        Board.read(plain)


def test_exports_keep_every_word_as_text():
    plain = board("```` " + NASTY, NASTY).plain()
    assert json.loads(export("json", plain)) == json.loads(json.dumps(plain))
    text = export("md", plain)
    assert "`````text\n```` " in text  # the fence is longer than any in the answer
    assert "## LoRA" in text
    assert "self-check passed" in text
    with pytest.raises(ExplorerError, match="There is no format 'pdf'"):
        export("pdf", plain)
