"""Formulas: right arithmetic, errors in sentences that list what is known, and no code run."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.budget.formula import (
    LONGEST,
    FormulaError,
    compile_formula,
    divisors,
    evaluate,
    largest_divisor,
    nearest_divisor,
)
from explorer.catalogue.catalogue import DATA
from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.load import load_folder
from explorer.catalogue.method import Method

NAMES = {"r": 8, "d_in": 64, "d_out": 32, "variant": "chat", "layers": None, "site": "q_proj",
         "sites": ("q_proj", "v_proj"), "share": 0.25, "dora": True}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("r * (d_in + d_out)", 768),
        ("-r + d_in // 7 - d_in % 7", 0),
        ("ceil_div(d_in, 7) + max(r, d_out) - min(r, d_out, 3)", 39),
        ("d_out if variant == 'chat' else 2 * d_out", 32),
        ("d_out if variant != 'chat' else 2 * d_out", 64),
        ("layers or 30", 30),
        ("r and d_in", 64),
        ("not dora", 0),
        ("1 if layers == None and r <= 8 and r >= 8 and r < 9 and r > 7 else 0", 1),
        ("d_in if site in sites else d_out", 64),
        ("int(d_in * d_out * (1 - share))", 1536),
        ("round(r * share) + len(sites) + isqrt(d_in)", 12),
        ("(a := largest_divisor(d_in, 10)) * a", 64),
        ("r * dora", 8),
    ],
)
def test_the_value_is_that_of_ordinary_arithmetic(text, value):
    assert evaluate(text, NAMES) == value


def test_a_bound_name_stays_inside_its_formula():
    names = {"n": 12}
    assert evaluate("(a := n // 2) + a", names) == 12
    assert names == {"n": 12}
    with pytest.raises(FormulaError, match="'a', which is not known"):
        evaluate("a", names)


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6), st.integers(1, 10**6))
def test_arithmetic_agrees_with_python(a, b, c):
    names = {"a": a, "b": b, "c": c}
    assert evaluate("a * b - a // c + b % c", names) == a * b - a // c + b % c
    assert evaluate("ceil_div(a, c)", names) == -(-a // c)


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_divisors_are_all_of_them(n, wanted):
    slow = [m for m in range(1, n + 1) if n % m == 0]
    assert divisors(n) == slow
    assert largest_divisor(n, wanted) == max(m for m in slow if m <= wanted)
    assert abs(nearest_divisor(n, wanted) - wanted) == min(abs(m - wanted) for m in slow)


def test_an_unknown_name_is_answered_with_the_known_ones_and_the_nearest():
    with pytest.raises(FormulaError) as refusal:
        evaluate("r * d_inn", {"r": 8, "d_in": 64})
    assert str(refusal.value) == (
        "'r * d_inn' uses 'd_inn', which is not known here. Did you mean 'd_in'? "
        "Known names: d_in, r."
    )


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "r.__class__",
        "sites[0]",
        "r ** 9",
        "r / 2",
        "(lambda: 1)()",
        "[r for r in sites]",
        "open('x')",
        "min(*sites)",
        "max(sites, key=len)",
        "'a' * 99999999",
        "f'{r}'",
        "r < d_in < d_out",
        "1j",
        "b'x'",
    ],
)
def test_anything_but_arithmetic_is_refused_with_what_is_known(text):
    with pytest.raises(FormulaError, match=r"which a formula does not know. Known: numbers"):
        compile_formula(text)


@pytest.mark.parametrize("text", ["", "r +", "(" * 400 + ")" * 400, "r\x00", "r; r"])
def test_what_is_not_an_expression_is_refused(text):
    with pytest.raises(FormulaError, match="is not a formula"):
        compile_formula(text)


def test_a_formula_has_an_end():
    with pytest.raises(FormulaError, match="at most"):
        compile_formula("1+" * LONGEST + "1")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("r // 0", "has no value for r = 8"),
        ("r * layers", "has no value for layers = None, r = 8"),
        ("r * share * share", "which is not a whole number"),
        ("variant", "which is not a whole number"),
    ],
)
def test_a_formula_without_a_whole_number_says_so(text, says):
    with pytest.raises(FormulaError, match=says):
        evaluate(text, NAMES)


def test_a_formula_error_is_one_that_the_page_shows():
    assert issubclass(FormulaError, ExplorerError)


def test_a_formula_is_read_once_and_fast_after_that():
    formula = compile_formula("r * (d_in + d_out) + (d_out if dora else 0)")
    assert compile_formula("r * (d_in + d_out) + (d_out if dora else 0)") is formula
    start = time.perf_counter()
    for _ in range(1000):
        formula(NAMES)
    assert time.perf_counter() - start < 0.1


def test_every_formula_of_the_data_files_is_read():
    for method in load_folder(DATA / "methods", Method).values():
        rule = method.trainable
        for text in (rule.per_site, rule.per_target, rule.per_layer, rule.per_model, rule.layers):
            if text is not None:
                assert compile_formula(text).names, (method.id, text)
