"""Tuners that make a whole weight in every forward, out of few numbers or of the model's own."""

import math

from explorer.budget.engine import Value
from explorer.budget.formula import largest_divisor
from explorer.budget.recorded.spot import Spot
from explorer.budget.recorded.turned import COMPLEX


def hira(spot: Spot) -> Value:
    """The model's weight times a product of low rank, applied beside it."""
    rank, numbers = spot.number("r"), spot.d_in * spot.d_out
    y, wide = spot.base(spot.x), spot.wide("hira_dropout")
    rows, columns = spot.trained("A", rank * spot.d_in), spot.trained("B", rank * spot.d_out)
    product = spot.product(rows, columns, numbers, "B A")
    weight = spot.mul(product, _own(spot), "W times B A")
    return spot.plus(y, spot.product(wide, weight, y.numbers, "update"))


def hra(spot: Spot) -> Value:
    """W times a chain of reflections, each a whole matrix; the linear itself is not run."""
    rank, width = spot.number("r"), spot.d_in
    vectors = spot.trained("u", rank * width)
    turn = _gram_schmidt(spot, vectors) if spot.knobs["apply_GS"] else _chain(spot, vectors)
    identity = spot.fresh("identity", width * width)
    turn = spot.product(identity, turn, width * width, "reflections")
    own = spot.tape.cast(_own(spot), turn.size, f"{spot.label}: W for the adapter")
    weight = spot.product(own, turn, width * spot.d_out, "reflected weight")
    given = spot.tape.cast(spot.x, weight.size, f"{spot.label}: input for the adapter")
    y = spot.product(given, weight, spot.tokens * spot.d_out, "output")
    return spot.tape.cast(y, spot.x.size, spot.label)


def _chain(spot: Spot, vectors: Value) -> Value:
    rank, width = spot.number("r"), spot.d_in
    square = width * width
    units = spot.tape.value(f"{spot.label}: unit vectors", rank * width, spot.size)
    units = spot.keep([vectors], [spot.fresh("lengths", rank)], units)
    turn = spot.fresh("identity", square)
    for _ in range(rank):
        unit = spot.made([units], width, "unit vector")
        unit.storage = units.storage  # a column of it
        twice = spot.made([turn], square, "twice the product so far")
        along = spot.batched(twice, unit, (width, width), "product times u")
        outer = spot.batched(along, unit, (square, 1), "product times u uᵀ")
        turn = spot.tape.add(turn, outer, f"{spot.label}: product so far")
    return turn


def _gram_schmidt(spot: Spot, vectors: Value) -> Value:
    rank, width = spot.number("r"), spot.d_in
    steps = rank * (rank - 1) // 2
    units = spot.tape.value(f"{spot.label}: unit vectors", rank * width, spot.size)
    between = spot.fresh("vectors on the way", (steps + rank) * width + steps + rank)
    units = spot.keep([vectors], [between], units)
    twice = spot.made([units], rank * width, "twice the unit vectors")
    outer = spot.product(twice, units, width * width, "2 u uᵀ")
    return spot.made([outer], width * width, "I - 2 u uᵀ")


def peanut(spot: Spot) -> Value:
    """An update that a small network makes of the model's weight."""
    rank, numbers = spot.number("r"), spot.d_in * spot.d_out
    own = spot.tape.cast(_own(spot), spot.size, f"{spot.label}: W for the adapter")
    hidden = spot.product(own, spot.trained("A", rank * spot.d_out), spot.d_in * rank, "W A")
    hidden = _active(spot, hidden)
    depth, skipped = spot.number("depth"), []
    for _ in range(depth):
        skipped.append(hidden)
        hidden = _active(spot, _inner(spot, hidden))
    for before in reversed(skipped):
        hidden = spot.tape.add(_active(spot, _inner(spot, hidden)), before, f"{spot.label}: sum")
    update = spot.product(hidden, spot.trained("B", rank * spot.d_out), numbers, "update")
    return _beside(spot, spot.made([update], numbers, "scaled update"))


def _inner(spot: Spot, hidden: Value) -> Value:
    rank = spot.number("r")
    return spot.batched(hidden, spot.trained("inner", rank * rank), (hidden.numbers, rank), "inner")


def _active(spot: Spot, x: Value) -> Value:
    """ReLU and tanh keep what they give, GELU and SiLU what they are given."""
    y = spot.tape.value(f"{spot.label}: activated", x.numbers, x.size)
    keeps_result = spot.knobs["act_fn"] in ("relu", "tanh")
    return spot.keep([x], [y if keeps_result else x], y)


def waveft(spot: Spot) -> Value:
    """Few wavelet coefficients, put in place and turned back into a weight."""
    few = spot.number("n_frequency")
    padded = 4 * -(-spot.d_in // 2) * -(-spot.d_out // 2)
    valid = [spot.brought("places", 2 * few)]
    if spot.knobs["use_idwt"]:
        valid = [spot.fresh("which are valid", few, 1), spot.fresh("valid places", 2 * few, 8)]
    spectrum = spot.tape.value(f"{spot.label}: spectrum", padded, spot.size)
    spectrum = spot.keep([spot.trained("spectrum", few)], valid, spectrum)
    if spot.knobs["use_idwt"]:
        bands = spot.tape.cast(spot.made([spectrum], padded, "four bands"), spot.math)
        back = spot.tape.value(f"{spot.label}: weight", padded, bands.size)
        spectrum = spot.keep([bands], [bands], back)
    weight = spot.made([spectrum], spot.d_in * spot.d_out, "weight of the adapter")
    return _beside(spot, weight)


def fourierft(spot: Spot) -> Value:
    """Few Fourier coefficients, put in place and turned back into a weight."""
    few, numbers = spot.number("n_frequency"), spot.d_in * spot.d_out
    spectrum = spot.tape.value(f"{spot.label}: spectrum", numbers, spot.size)
    places = spot.brought("places", 2 * few)
    spectrum = spot.keep([spot.trained("spectrum", few)], [places], spectrum)
    weight = spot.tape.value(f"{spot.label}: weight of the adapter", numbers, spot.size)
    weight = spot.tape.record(weight, [spectrum], scratch=COMPLEX * numbers)
    return _beside(spot, weight)


def loha(spot: Spot) -> Value:
    """The product, number by number, of two products of low rank; built again in the backward."""
    rank, numbers = spot.number("r"), spot.d_in * spot.d_out
    widths = (spot.d_out, spot.d_in, spot.d_out, spot.d_in)
    factors = [spot.trained("factor", rank * width) for width in widths]
    weight = spot.tape.value(f"{spot.label}: weight of the adapter", numbers, spot.math)
    weight = spot.tape.record(weight, factors, scratch=2 * weight.bytes)
    return _beside(spot, weight)


def lokr(spot: Spot) -> Value:
    """A Kronecker product of two small matrices, each whole or of low rank."""
    asked, rank = spot.number("decompose_factor"), spot.number("r")
    rows, columns = (_kronecker(width, asked) for width in (spot.d_out, spot.d_in))
    may = (bool(spot.knobs["decompose_both"]), True)
    sides = ((rows, columns), (spot.d_out // rows, spot.d_in // columns))
    factors = []
    for (high, wide), splits in zip(sides, may, strict=True):
        if splits and 2 * rank < max(high, wide):
            a, b = spot.trained("factor", rank * high), spot.trained("factor", rank * wide)
            factors.append(spot.product(a, b, high * wide, "factor of the product"))
        else:
            factors.append(spot.trained("factor", high * wide))
    weight = spot.tape.value(f"{spot.label}: weight", spot.d_in * spot.d_out, spot.size)
    weight = spot.keep(factors, factors, weight)
    return _beside(spot, spot.made([weight], weight.numbers, "weight of the adapter"))


def _kronecker(width: int, asked: int) -> int:
    """The smaller factor of a width, as peft's `factorization` finds it."""
    if asked > 0 and width % asked == 0:
        return largest_divisor(width, asked)
    return largest_divisor(width, min(math.isqrt(width), asked if asked > 0 else width))


def glora(spot: Spot) -> Value:
    """W + W A + B in the type of the model, applied anew beside the linear itself."""
    y, numbers = spot.base(spot.x), spot.d_in * spot.d_out
    scale, shift = (_path(spot, name) for name in ("A", "B"))
    product = spot.mul(scale, _own(spot), "W times A") if scale else None
    parts = [part for part in (product, shift) if part is not None]
    if not parts:
        return y
    weight = spot.made(parts, numbers, "weight of the adapter", spot.own_size)
    return spot.plus(y, spot.product(spot.x, weight, y.numbers, "output of the update"))


def _path(spot: Spot, name: str) -> Value | None:
    """One of GLoRA's A and B, as large as the weight where it is of low rank."""
    rank, kind = spot.number("r"), spot.knobs["config_A_B"]
    if kind == "none":
        return None
    if kind == "lora":
        left = spot.trained(f"{name}, left", rank * spot.d_out)
        right = spot.trained(f"{name}, right", rank * spot.d_in)
        path = spot.product(left, right, spot.d_in * spot.d_out, name)
    else:
        path = spot.trained(name, spot.d_out if kind == "vector" else 1)
    return spot.tape.cast(path, spot.own_size)


def supertuning(spot: Spot) -> Value:
    """A copy of W with few of its numbers added to; the linear itself is not run."""
    numbers, rank = spot.d_in * spot.d_out, int(spot.knobs.get("r") or 0)
    few = int(numbers * (1 - float(spot.knobs["sparsity"])))
    weight = spot.tape.value(f"{spot.label}: changed weight", numbers, spot.own_size)
    places = spot.fresh("places", few, 8)
    values = spot.tape.cast(spot.trained("values", few), spot.own_size)
    weight = spot.keep([values], [places], weight)
    y = spot.product(spot.x, weight, spot.tokens * spot.d_out, "output")
    if not rank:
        return y
    rows, columns = spot.trained("A", rank * spot.d_in), spot.trained("B", rank * spot.d_out)
    down = spot.product(spot.wide(), rows, spot.tokens * rank, "A x")
    return spot.plus_cast(y, spot.product(down, columns, y.numbers, "B A x"))


def shira(spot: Spot) -> Value:
    """A copy of W with few of its numbers added to; the linear itself is not run."""
    numbers, few = spot.d_in * spot.d_out, spot.number("r") * (spot.d_in + spot.d_out)
    places = spot.fresh("places", 2 * few, 8)
    values = spot.made([spot.trained("changed numbers", few)], few, "changed numbers, scaled")
    weight = spot.tape.value(f"{spot.label}: changed weight", numbers, spot.own_size)
    weight = spot.keep([values], [places, values], weight)
    return spot.product(spot.x, weight, spot.tokens * spot.d_out, "output")


def tokens(spot: Spot) -> Value:
    """A tied head whose table is a copy with a few rows of its own."""
    numbers = spot.d_in * spot.d_out
    rows = spot.shared("rows", spot.number("count") * spot.d_in)
    table = spot.made([rows], numbers, "changed table", spot.own_size)
    return spot.product(spot.x, table, spot.tokens * spot.d_out, "output")


def frod(spot: Spot) -> Value:
    """x V (S + Λ) Uᵀ with a trained sparse S, in the type of the model; the linear is not run."""
    x, square, rate = spot.x, spot.d_in**2, float(spot.knobs["sparse_rate"])
    most = spot.d_in * (spot.d_in - 1)
    few = max(1, min(int(square * rate), most)) if rate > 0 else 0
    left = spot.frozen("U", spot.d_in * spot.d_out, x.size)
    z = spot.product(x, spot.frozen("V", square, x.size), x.numbers, "V x")
    values = spot.tape.cast(spot.trained("values of S", few), x.size)
    places = [spot.fresh("places in S", 2 * few, 8), spot.fresh("values of S", few, x.size)]
    diagonal = spot.tape.cast(spot.trained("Λ", spot.d_in), x.size)
    turned = spot.tape.value(f"{spot.label}: S V x", x.numbers, x.size)
    if x.size < 4:  # no sparse product in 16 bits: S is made dense
        sparse = spot.tape.value(f"{spot.label}: dense S", square, x.size)
        sparse = spot.keep([values], places, sparse)
        turned = spot.product(z, sparse, x.numbers, "S V x")
    else:
        turned = spot.keep([z, values], [z, *places], turned)
    total = spot.tape.add(turned, spot.mul(z, diagonal, "Λ V x"), f"{spot.label}: (S + Λ) V x")
    return spot.product(total, left, spot.tokens * spot.d_out, "output")


def _beside(spot: Spot, weight: Value) -> Value:
    y = spot.base(spot.x)
    given = spot.tape.cast(spot.x, weight.size, f"{spot.label}: input for the adapter")
    return spot.plus(y, spot.product(given, weight, y.numbers, "output of the update"))


def _own(spot: Spot) -> Value:
    """The model's weight as peft reads it."""
    return spot.frozen("W", spot.d_in * spot.d_out, spot.own_size)
