import pytest

from explorer.catalogue.errors import ExplorerError, UnknownNameError
from explorer.lab import question
from explorer.lab.bases import EMBEDDED, BaseMissingError
from explorer.lab.job import TrainJob
from explorer.lab.question import ask_runs
from explorer.lab.runs import Result, create_run

pytestmark = pytest.mark.usefixtures("runs_here")


@pytest.fixture(autouse=True)
def bases_are_there(monkeypatch):
    monkeypatch.setattr(question, "find_base", lambda name, allow_paths: None)


def run(adapter=True, over=True, **job):
    values = {"task": "-", "method": "lora", "steps": 1, "learning_rate": 1e-3}
    made = create_run(TrainJob(**values | job))
    if adapter:
        made.adapter.mkdir()
    if over:
        made.finish(Result.of(made.job, "done", ""))
    return made.id


def test_base_and_runs_are_asked_with_the_system_message_of_the_runs():
    runs = [run(system="Be brief."), run(system="Be brief.")]
    request = ask_runs("hello", runs, sampling={"max_new_tokens": 7}, seed=4)
    assert request.columns == ("base", *runs)
    assert [(m.role, m.content) for m in request.messages] == [
        ("system", "Be brief."),
        ("user", "hello"),
    ]
    assert (request.base, request.seed, request.sampling.max_new_tokens) == (EMBEDDED, 4, 7)


def test_runs_that_disagree_on_the_system_message_leave_it_to_the_template():
    request = ask_runs("hello", [run(system="a"), run(system="b")])
    assert [m.role for m in request.messages] == ["user"]
    assert [m.role for m in ask_runs("hello", []).messages] == ["user"]


def test_a_given_system_message_wins():
    request = ask_runs("hello", [run(system="a")], system="mine")
    assert request.messages[0].content == "mine"


@pytest.mark.parametrize(
    ("prompt", "settings", "sentence"),
    [
        ("", {}, "^prompt = '': the prompt is empty"),
        (" \n\t", {}, "the prompt is empty"),
        ("x" * 100_000, {}, "at most 20000 characters"),
        ("x", {"temperature": -1}, "temperature = -1: it takes a number of at least 0"),
        ("x", {"max_new_tokens": 10**9}, "max_new_tokens = 1000000000: it takes a whole number"),
        ("x", {"top_p": float("nan")}, "top_p = nan"),
        ("x", {"stop": [""]}, "stop"),
    ],
)
def test_prompts_and_settings_out_of_range_are_refused(prompt, settings, sentence):
    with pytest.raises(ExplorerError, match=sentence):
        ask_runs(prompt, [], sampling=settings)


def test_a_column_that_is_none_is_told_in_one_sentence():
    with pytest.raises(ExplorerError, match=r"takes a number from 0 to 2\.$"):
        ask_runs("x", [], columns=("a@3",))


def test_runs_that_cannot_answer_are_refused():
    with pytest.raises(UnknownNameError, match="may have been deleted"):
        ask_runs("x", ["20251124-000000-000000-00000000"])
    with pytest.raises(ExplorerError, match="is still queued"):
        ask_runs("x", [run(over=False)])
    with pytest.raises(ExplorerError, match="done before it had an adapter"):
        ask_runs("x", [run(adapter=False)])
    with pytest.raises(ExplorerError, match="stand on different bases"):
        ask_runs("x", [run(base="a"), run(base="b")])
    twice = run()
    with pytest.raises(ExplorerError, match="listed twice"):
        ask_runs("x", [twice, twice])
    with pytest.raises(ExplorerError, match="at most 9"):
        ask_runs("x", [run() for _ in range(9)])


def test_a_missing_base_is_told_before_anything_starts(monkeypatch):
    def missing(name, allow_paths):
        raise BaseMissingError("get it")

    monkeypatch.setattr(question, "find_base", missing)
    with pytest.raises(BaseMissingError, match="get it"):
        ask_runs("x", [])


def test_strengths_and_sums_are_columns_too():
    one, other = run(), run()
    request = ask_runs("x", [f"{one}@0.5", f"{one}+{other}@0.2"], strength=2)
    assert request.columns == ("base", one, f"{one}@2+{other}@0.4")
    with pytest.raises(ExplorerError, match=r"strength = 2\.4"):
        ask_runs("x", [f"{one}@1.2"], strength=2)
    with pytest.raises(UnknownNameError, match="may have been deleted"):
        ask_runs("x", [f"{one}+20251124-000000-000000-00000000"])


def test_a_column_may_have_a_history_of_its_own():
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    request = ask_runs("x", [], system="s", histories={"base": turns})
    assert [turn.content for turn in request.conversation("base")] == ["s", "a", "b", "x"]
    with pytest.raises(ExplorerError, match="role = 'robot'"):
        ask_runs("x", [], histories={"base": [{"role": "robot", "content": "a"}]})
