"""A budget, or four, as JSON, CSV and Markdown."""

import csv
import io
import json

from explorer.budget.export import as_csv, as_json, as_markdown, flat, gib, summary
from explorer.budget.forecast import forecast
from explorer.budget.plan import make_plan
from explorer.catalogue.catalogue import load_catalogue

CATALOGUE = load_catalogue()


def budget_of(**values):
    return forecast(make_plan(**({"model": "llama-2-7b"} | values)), CATALOGUE)


def test_one_budget_is_an_object_and_several_are_a_list():
    one = budget_of()
    assert json.loads(as_json([one]))["params"]["total"] == 6_738_415_616
    both = json.loads(as_json([one, budget_of(quantization="nf4")]))
    assert [found["plan"]["quantization"] for found in both] == ["none", "nf4"]


def test_csv_has_a_line_a_number_and_a_column_a_budget():
    budgets = [budget_of(), budget_of(method="llama-adapter-v1"), budget_of(mode="inference")]
    rows = list(csv.reader(io.StringIO(as_csv(budgets))))
    assert rows[0] == [
        "key",
        "llama-2-7b, lora",
        "llama-2-7b, llama-adapter-v1",
        "llama-2-7b, lora",
    ]
    table = {row[0]: row[1:] for row in rows}
    assert table["trainable.total"] == ["4194304", "1229760", "4194304"]
    assert table["memory.total"] == [str(budget.memory.total) for budget in budgets]
    assert table["memory.kv_cache"][:2] == ["", ""]  # none in training
    assert all(len(row) == 4 for row in rows)


def test_no_cell_is_a_formula_for_a_spreadsheet():
    text = as_csv(
        [budget_of(model="=1+1", architecture=CATALOGUE.model("llama-2-7b").architecture)]
    )
    assert "\n=" not in text
    assert ",'=1+1" in text


def test_markdown_shows_what_people_compare_and_how_it_came_about():
    text = as_markdown([budget_of(), budget_of(quantization="nf4")])
    head, rule, *rows = text.splitlines()
    assert head.count("|") == rule.count("|") == 4
    assert "| trained | 4,194,304 | 4,194,304 |" in rows
    assert any(row.startswith("| weights | 13,476,831,232 | parameters") for row in rows)


def test_a_summary_says_unknown_where_nothing_is_known():
    assert summary(budget_of(hardware="rtx-4090"))["cost in US dollars"] == "unknown"
    assert summary(budget_of(hardware="rtx-4090", price_per_hour=0.5))["cost in US dollars"] != (
        "unknown"
    )


def test_nested_values_flatten_to_dotted_keys():
    assert flat({"a": {"b": [1, 2]}, "c": None}) == {"a.b": "1 2", "c": ""}
    assert gib(3 * 2**29) == "1.50 GiB"
