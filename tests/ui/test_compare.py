"""The tab's handlers and endpoints over an engine that answers at once."""

import json

import gradio as gr
import pytest

from explorer.catalogue.catalogue import load_catalogue
from explorer.lab import question
from explorer.lab.events import ColumnDone, Failed, SelfCheck, Token
from explorer.lab.job import TrainJob
from explorer.lab.runs import Result, create_run
from explorer.lab.votes.ballots import find_ballot
from explorer.ui.compare.handlers import Handlers
from explorer.ui.compare.sets import export_set
from explorer.ui.compare_actions import CompareActions
from tests.lab.conftest import runs_here  # noqa: F401  # a fixture

pytestmark = pytest.mark.usefixtures("runs_here")
LIMITS = [8, 0.0, 1.0, 0, 1.0]  # tokens, temperature, top p, top k, penalty
REST = [0, "", "", "own"]  # seed, stop, system, precision


class Says:
    """An engine in which every column says its own name."""

    def __init__(self, reason=None):
        self.reason, self.asked = reason, []

    def generate(self, request):
        self.asked.append(request)
        if self.reason:
            yield Failed(reason=self.reason)
            return
        for column in request.columns:
            yield Token(column=column, index=0, text=column, token_id=1, logprob=-0.1)
            yield ColumnDone(
                column=column, text=column, tokens=1, prompt_tokens=1, tokens_per_second=1,
                time_to_first_token=0, stop_reason="end",
            )  # fmt: skip
            numbers = {"max_difference": 1.0, "alone_difference": 0.0, "kl": 0.5}
            yield SelfCheck(column=column, passed=True, **numbers)


@pytest.fixture(autouse=True)
def bases_are_there(monkeypatch):
    monkeypatch.setattr(question, "find_base", lambda name, allow_paths: None)


@pytest.fixture(scope="module")
def catalogue():
    return load_catalogue()


def handlers_of(catalogue, **says):
    engine = Says(**says)
    return Handlers(CompareActions(catalogue, engine)), engine


def run(method="lora"):
    made = create_run(TrainJob(task="order-extraction", method=method, steps=1, learning_rate=1e-3))
    made.adapter.mkdir()
    made.finish(Result.of(made.job, "done", ""))
    return made.id


def ask(  # noqa: PLR0913  # the form's fields
    handlers, prompt="hi", runs=(), chat=False, blind=False, before="", strength=1.0
):
    given = (prompt, chat, blind, "answers", "base", before, list(runs), strength, *LIMITS, *REST)
    return list(handlers.ask(*given))


def test_asking_streams_the_board_and_ends_with_what_the_page_carries(catalogue):
    handlers, engine = handlers_of(catalogue)
    name = run()
    *_, last = ask(handlers, runs=[f"{name}@0.5"])
    assert "0.5 × LoRA" in last[0]
    plain = json.loads(last[1])
    assert [column["column"] for column in plain["columns"]] == ["base", f"{name}@0.5"]
    assert engine.asked[0].shifts
    assert engine.asked[0].alternatives == 5
    text, file = handlers.file("md", last[1])
    assert "## 0\\.5" in text or "## 0.5" in text
    assert file == "comparison.md"


def test_a_chat_hands_each_column_its_own_history(catalogue):
    handlers, engine = handlers_of(catalogue)
    name = run()
    *_, last = ask(handlers, runs=[name], chat=True)
    ask(handlers, "again", runs=[name], chat=True, before=last[1])
    asked = engine.asked[1]
    for column in ("base", name):
        assert [t.content for t in asked.conversation(column)][-3:] == ["hi", column, "again"]
    ask(handlers, "alone", runs=[name], before=last[1])
    assert not engine.asked[2].histories


def test_a_blind_comparison_shows_names_only_after_the_vote(catalogue):
    handlers, _ = handlers_of(catalogue)
    name = run()
    steps = ask(handlers, runs=[name], blind=True)
    ballot = steps[-1][3]
    assert all("LoRA" not in step[0] and not step[1] for step in steps)
    place = find_ballot(ballot).columns.index(name)
    shown = handlers.cast(ballot, "AB"[place], "answers")
    assert "LoRA" in shown[0]
    assert "You chose" in shown[-1]
    assert "LoRA" in handlers.standings()
    (first, second) = handlers.votes.vote_standings()
    assert (first["column"], first["wins"], second["wins"]) == (name, 1, 0)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"prompt": ""}, "the prompt is empty"),
        ({"prompt": " \n"}, "the prompt is empty"),
        ({"prompt": "x" * 100_000}, "at most 20000 characters"),
        ({"runs": ["<script>"]}, "There is no run"),
        ({"chat": True, "blind": True}, "A chat cannot be blind"),
        ({"blind": True}, "at least two columns"),
    ],
)
def test_bad_input_is_answered_with_a_sentence(catalogue, changes, sentence):
    handlers, engine = handlers_of(catalogue)
    with pytest.raises(gr.Error, match=sentence):
        ask(handlers, **changes)
    assert engine.asked == []


def test_what_the_engine_cannot_do_is_told(catalogue):
    handlers, _ = handlers_of(catalogue, reason="it does not fit")
    with pytest.raises(gr.Error, match="it does not fit"):
        ask(handlers)
    with pytest.raises(gr.Error, match="it does not fit"):
        handlers.actions.compare("hi", [])


def test_a_link_keeps_what_is_there_and_tells_what_is_gone(catalogue, monkeypatch):
    handlers, _ = handlers_of(catalogue)
    told = []
    monkeypatch.setattr("explorer.ui.compare.handlers.gr.Warning", told.append)
    one, other = run(), run("qlora")
    words = [one, f"{one}@0.5+{other}", "20260101-000000-000000-00000000", "x@y"]
    shown = handlers.visit(words)
    assert shown.value == words[:2]
    assert {word for _, word in shown.choices} >= {one, other, words[1]}
    assert len(told) == 2


def test_a_mix_becomes_a_column_once(catalogue):
    handlers, _ = handlers_of(catalogue)
    one, other = run(), run()
    shown = handlers.add_mix([], one, 0.7, other, 0.3)
    assert shown.value == [f"{one}@0.7+{other}@0.3"]
    with pytest.raises(gr.Error, match="such a column already"):
        handlers.add_mix(shown.value, one, 0.7, other, 0.3)
    with pytest.raises(gr.Error, match="Choose the adapter first"):
        handlers.add_mix([], None, 1, None, 1)


def test_a_set_is_asked_scored_and_exported(catalogue):
    handlers, _ = handlers_of(catalogue)
    *_, last = handlers.ask_set(
        "order-extraction", 2, None, "exact-match", [run()], 1.0, *LIMITS, *REST
    )
    assert "2 of 2 prompts" in last[0]
    assert "✓ KL 0.5" in last[0]
    assert last[1]["visible"]
    assert last[1]["value"]["headers"][:3] == ["#", "prompt", "expected"]
    assert len(last[1]["value"]["data"]) == 2
    text, name = export_set("csv", last[2])
    assert name == "prompt-set.csv"
    assert text.splitlines()[0].startswith("prompt,expected,base,")
    rows = [{"prompt": "=1+1", "completion": "base"}]
    own = handlers.sets.compare_set([run()], prompts=rows)
    assert [column["mean"] for column in own["columns"]] == [1.0, 0.0]
    assert export_set("csv", json.dumps(own))[0].splitlines()[1].startswith("'=1+1,")


def test_presets_come_from_what_the_adapters_learned(catalogue):
    handlers, _ = handlers_of(catalogue)
    learned = catalogue.tasks["order-extraction"].presets
    assert handlers.actions.presets([run()]) == list(learned)
    assert len(handlers.actions.presets([])) > len(learned)
