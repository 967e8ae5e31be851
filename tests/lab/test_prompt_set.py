"""Many prompts through all columns, with an engine that says what the test wants."""

import json

import pytest

from explorer.catalogue.errors import ExplorerError
from explorer.lab import prompt_set, question
from explorer.lab.datasets import Row
from explorer.lab.events import ColumnDone, Failed
from explorer.lab.prompt_set import PromptSet, held_out_set, run_set, uploaded_set

ANSWERS = {"base": {"1": "one", "2": "2", "3": "drei"}, "x": {"1": "one", "2": "two", "3": "3"}}


class Says:
    """An engine whose columns answer what ANSWERS holds."""

    def __init__(self, failing=None):
        self.failing, self.asked = failing, []

    def generate(self, request):
        self.asked.append(request)
        prompt = request.messages[-1].content
        if prompt == self.failing:
            yield Failed(reason="out of memory")
            return
        for column in request.columns:
            yield ColumnDone(
                column=column, text=ANSWERS[column][prompt], tokens=1, prompt_tokens=1,
                tokens_per_second=1, time_to_first_token=0, stop_reason="end",
            )  # fmt: skip


@pytest.fixture(autouse=True)
def columns(monkeypatch):
    """`x` beside the base, without a run on disk."""
    monkeypatch.setattr(question, "find_base", lambda name, allow_paths: None)

    def request(prompt, runs, **options):
        made = question.ask_runs(prompt, [], **options)
        return made.model_copy(update={"columns": ("base", *runs)})

    monkeypatch.setattr(prompt_set, "ask_runs", request)


def rows(*pairs):
    return tuple(Row(prompt=prompt, completion=expected) for prompt, expected in pairs)


SET = PromptSet("numbers", rows(("1", "one"), ("2", "two"), ("3", "three")), "exact-match", "Say.")


def test_every_prompt_is_asked_in_all_columns_and_scored():
    engine = Says()
    results = [len(result.rows) for result in run_set(engine, SET, ["x"])]
    assert results == [1, 2, 3]
    *_, result = run_set(engine, SET, ["x"])
    assert result.scores("base") == [1, 0, 0]
    assert result.scores("x") == [1, 1, 0]
    mean, low, high = result.mean("x")
    assert mean == pytest.approx(2 / 3)
    assert low < mean < high
    assert result.against("x", "base") == (1, 2, 0)
    assert result.against("base", "x") == (0, 2, 1)
    request, *others = engine.asked[-3:]
    assert request.messages[0].content == "Say."
    assert request.self_check  # once is enough: the columns stay the same
    assert not any(other.self_check for other in others)
    assert request.sampling.max_new_tokens == SET.max_new_tokens
    plain = json.loads(json.dumps(result.plain()))
    assert plain["prompts"] == plain["of"] == 3
    assert plain["matrix"][0] == {
        "column": "base", "other": "x", "wins": 0, "ties": 2, "losses": 1,
    }  # fmt: skip


def test_prompts_without_an_expected_answer_are_not_scored():
    *_, result = run_set(Says(), PromptSet("mine", rows(("1", "-"))), ["x"])
    assert result.mean("x") is None
    assert result.rows[0].answers == {"base": "one", "x": "one"}


def test_a_prompt_that_fails_is_named():
    with pytest.raises(ExplorerError, match="Prompt 2: out of memory"):
        list(run_set(Says(failing="2"), SET, ["x"]))


def test_a_history_goes_before_the_prompt_of_every_column():
    history = ({"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"})
    row = Row.model_validate({"history": history, "prompt": "1", "completion": "one"})
    engine = Says()
    list(run_set(engine, PromptSet("talk", (row,), "accuracy"), ["x"]))
    asked = engine.asked[0].conversation("x")
    assert [turn.content for turn in asked] == ["hi", "yes", "1"]


def test_a_tasks_held_out_rows_come_with_its_metric_and_system_message():
    found = held_out_set("order-extraction", 3)
    assert (len(found.rows), found.metric) == (3, "exact-match")
    assert found.system == "Write the order as one line."
    with pytest.raises(ExplorerError, match="prompts = 0: it takes a whole number from 1 to 200"):
        held_out_set("order-extraction", 0)


def test_an_uploaded_list_is_read_in_the_forms_of_training_data(tmp_path):
    pairs = tmp_path / "a.jsonl"
    pairs.write_text('{"prompt": "1", "completion": "one"}\n')
    assert uploaded_set(pairs, "a.jsonl", "rouge-l", 5).metric == "rouge-l"
    plain = tmp_path / "b.txt"
    plain.write_text("first question\n\nsecond question\n")
    asked = uploaded_set(plain, "b.txt", "exact-match", 5)
    assert asked.metric is None
    assert [row.prompt for row in asked.rows] == ["first question", "second question"]
    with pytest.raises(ExplorerError, match="There is no metric 'best'"):
        uploaded_set(pairs, "a.jsonl", "best", 5)
    pairs.write_text('{"prompt": "1", "completion": "one"}\nno json\n')
    with pytest.raises(ExplorerError, match=r"a\.jsonl, line 2"):
        uploaded_set(pairs, "a.jsonl", "rouge-l", 5)
