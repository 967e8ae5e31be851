"""Integer arithmetic that data files state, evaluated over `ast`: no `eval`, errors in sentences.

A formula knows numbers, None, strings to compare a choice with, + - * // %, comparisons, `in`,
and/or/not, `a if c else b`, `(name := …)` for a value used twice, and the functions of `FUNCTIONS`.
Everything else in it is a name that the caller gives. It is read once and is then a nest of plain
functions.
"""

import ast
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from explorer.catalogue.errors import ExplorerError, nearest

Names = Mapping[str, Any]
Term = Callable[[Names], Any]

LONGEST = 2000


class FormulaError(ExplorerError):
    """A formula that cannot be read, or that has no value for these names."""


def ceil_div(a: int, b: int) -> int:
    """The quotient of `a` and `b`, rounded up."""
    return -(-a // b)


def divisors(n: int) -> list[int]:
    """The divisors of `n`, in ascending order."""
    low = [m for m in range(1, math.isqrt(n) + 1) if n % m == 0]
    return low + [n // m for m in reversed(low) if m * m != n]


def largest_divisor(n: int, limit: int) -> int:
    """The largest divisor of `n` that is at most `limit` (1 when the limit is below 1)."""
    return max((m for m in divisors(n) if m <= limit), default=1)


def nearest_divisor(n: int, wanted: int) -> int:
    """The divisor of `n` closest to `wanted`; of two equally close ones the smaller."""
    return min(divisors(n), key=lambda m: abs(m - wanted))


def among(items: Iterable[Any], known: Iterable[Any]) -> bool:
    """Whether each of `items` is one of `known`."""
    return set(items) <= set(known)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "int": int,
    "round": round,
    "len": len,
    "isqrt": math.isqrt,
    "ceil_div": ceil_div,
    "largest_divisor": largest_divisor,
    "nearest_divisor": nearest_divisor,
    "among": among,
}
BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
COMPARISONS: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, items: item in (items or ()),
}
UNARY: dict[type, Callable[[Any], Any]] = {ast.USub: operator.neg, ast.Not: operator.not_}


@dataclass(frozen=True)
class Formula:
    """A formula, read once; calling it with names gives an integer."""

    text: str
    names: frozenset[str]
    binds: bool
    term: Term

    def __call__(self, names: Names) -> int:
        """The formula's value for these names.

        Raises FormulaError for a name that is missing and for a value that is not a whole number.
        """
        for name in self.names:
            if name not in names:
                raise FormulaError(self._unknown(name, names))
        try:
            value = self.term(dict(names) if self.binds else names)
        except (TypeError, ValueError, ZeroDivisionError, OverflowError) as error:
            given = ", ".join(f"{name} = {names[name]!r}" for name in sorted(self.names))
            raise FormulaError(f"{self.text!r} has no value for {given}: {error}.") from error
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int):
            raise FormulaError(f"{self.text!r} gives {value!r}, which is not a whole number.")
        return int(value)

    def _unknown(self, name: str, names: Names) -> str:
        match = nearest(name, names)
        hint = f"Did you mean {match!r}? " if match else ""
        known = ", ".join(sorted(names)) or "none"
        return f"{self.text!r} uses {name!r}, which is not known here. {hint}Known names: {known}."


def evaluate(text: str, names: Names) -> int:
    """The value of the formula `text` for these names; see `compile_formula`."""
    return compile_formula(text)(names)


@lru_cache(maxsize=1024)
def compile_formula(text: str) -> Formula:
    """Read a formula once for all; FormulaError says what in it is not understood."""
    if len(text) > LONGEST:
        raise FormulaError(f"A formula has at most {LONGEST} characters, this one has {len(text)}.")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FormulaError(f"{text!r} is not a formula: {error}.") from error
    reader = _Reader(text)
    term = reader.read(tree.body)
    return Formula(text, frozenset(reader.names - reader.bound), bool(reader.bound), term)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


class _Reader:
    """Turns a syntax tree into nested functions, collecting the names it meets."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.names: set[str] = set()
        self.bound: set[str] = set()

    def read(self, node: ast.expr) -> Term:
        """The function that computes `node` from names."""
        match node:
            case ast.Constant(value=int() | float() | str() | None as value):
                return lambda names: value
            case ast.Name(id=name):
                self.names.add(name)
                return lambda names: names[name]
            case ast.NamedExpr(target=ast.Name(id=name), value=value):
                return self._binding(name, self.read(value))
            case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
                apply, inner = UNARY[type(op)], self.read(operand)
                return lambda names: apply(inner(names))
            case ast.BinOp(op=op, left=left, right=right) if type(op) in BINARY and not (
                _is_text(left) or _is_text(right)
            ):
                return self._binary(BINARY[type(op)], left, right)
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARISONS:
                return self._binary(COMPARISONS[type(op)], left, right)
            case ast.BoolOp(op=op, values=values):
                return self._either(isinstance(op, ast.Or), [self.read(value) for value in values])
            case ast.IfExp(test=test, body=body, orelse=orelse):
                when, then, other = self.read(test), self.read(body), self.read(orelse)
                return lambda names: then(names) if when(names) else other(names)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
                call, inner_terms = FUNCTIONS[name], [self.read(argument) for argument in args]
                return lambda names: call(*(term(names) for term in inner_terms))
        raise FormulaError(
            f"{self.text!r} contains {ast.unparse(node)!r}, which a formula does not know. Known: "
            "numbers, names, + - * // %, comparisons, and/or/not, 'a if c else b', "
            f"{', '.join(FUNCTIONS)}."
        )

    def _binary(self, apply: Callable[[Any, Any], Any], left: ast.expr, right: ast.expr) -> Term:
        first, second = self.read(left), self.read(right)
        return lambda names: apply(first(names), second(names))

    def _binding(self, name: str, bound: Term) -> Term:
        self.bound.add(name)

        def term(names: Any) -> Any:  # a scope of this call's own: see Formula.binds
            names[name] = bound(names)
            return names[name]

        return term

    def _either(self, wanted: bool, terms: list[Term]) -> Term:
        """`or` (wanted True) or `and` (wanted False): the first value whose truth is `wanted`."""

        def term(names: Names) -> Any:
            value = terms[0](names)
            for following in terms[1:]:
                if bool(value) is wanted:
                    return value
                value = following(names)
            return value

        return term
