"""Tuners whose factors are frozen, or mixed from numbers that all linears share."""

from explorer.budget.engine import Value
from explorer.budget.recorded.spot import Spot


def vera(spot: Spot) -> Value:
    """Frozen random A and B with a trained scale behind each."""
    tokens, rank = spot.tokens, spot.number("r")
    y, wide = spot.base(spot.x), spot.wide("vera_dropout")
    down = spot.product(wide, spot.frozen("A", rank * spot.d_in), tokens * rank, "A x")
    scaled = spot.mul(down, spot.trained("d", rank), "d A x")
    up = spot.product(scaled, spot.frozen("B", rank * spot.d_out), tokens * spot.d_out, "B d A x")
    return spot.plus(y, spot.mul(up, spot.trained("b", spot.d_out), "b B d A x"))


def pvera(spot: Spot) -> Value:
    """VeRA whose middle is drawn from a normal distribution with a mean and a spread."""
    tokens, rank = spot.tokens, spot.number("r")
    y, wide = spot.base(spot.x), spot.wide("pvera_dropout")
    rows = spot.frozen("A", 2 * rank * spot.d_in)
    both = spot.product(wide, rows, tokens * 2 * rank, "A x")
    both = spot.mul(both, spot.trained("d", 2 * rank), "mean and log-variance")
    half = spot.made([both], tokens * rank, "half of the log-variance")
    spread = spot.tape.value(f"{spot.label}: spread", tokens * rank, half.size)
    spread = spot.keep([half], [spread], spread)
    noise = spot.mul(spread, spot.fresh("noise", tokens * rank, spread.size), "noise times spread")
    mean = spot.made([both], tokens * rank, "mean")
    drawn = spot.tape.add(mean, noise, f"{spot.label}: drawn")
    up = spot.product(drawn, spot.frozen("B", rank * spot.d_out), tokens * spot.d_out, "B z")
    return spot.plus(y, spot.mul(up, spot.trained("b", spot.d_out), "b B z"))


def randlora(spot: Spot) -> Value:
    """A sum of frozen random products of full rank together, with trained diagonals."""
    tokens, rank = spot.tokens, spot.number("r")
    narrow, wider = sorted((spot.d_in, spot.d_out))
    bases = -(-narrow // rank)
    y, wide = spot.base(spot.x), spot.wide("randlora_dropout")
    diagonals = [spot.trained("λ", bases * rank), spot.trained("γ", bases * narrow)]
    small = spot.made(diagonals, bases * rank * narrow, "scaled bases")
    large = spot.frozen("bases", bases * rank * wider)
    first, last = (small, large) if narrow == spot.d_in else (large, small)
    down = spot.product(wide, first, tokens * bases * rank, "first bases x")
    up = spot.product(down, last, tokens * spot.d_out, "both bases x")
    return spot.plus(y, spot.made([up], up.numbers, "scaled"))


def unilora(spot: Spot) -> Value:
    """A and B picked from one short vector that the whole model shares."""
    tokens, rank = spot.tokens, spot.number("r")
    y, wide = spot.base(spot.x), spot.wide("unilora_dropout")
    vector = spot.shared("θ", spot.number("theta_d_length"))
    rows = spot.made([vector], rank * spot.d_in, "A")
    columns = spot.made([vector], rank * spot.d_out, "B")
    down = spot.product(wide, rows, tokens * rank, "A x")
    return spot.plus(y, spot.product(down, columns, tokens * spot.d_out, "B A x"))


def vblora(spot: Spot) -> Value:
    """A and B pieced together from the few best vectors of a bank that the model shares."""
    tokens, rank = spot.tokens, spot.number("r")
    y, wide = spot.base(spot.x), spot.wide("vblora_dropout")
    rows, columns = (_from_bank(spot, rank * width) for width in (spot.d_in, spot.d_out))
    down = spot.product(wide, rows, tokens * rank, "A x")
    return spot.plus(y, spot.product(down, columns, tokens * spot.d_out, "B A x"))


def _from_bank(spot: Spot, numbers: int) -> Value:
    length, best = spot.number("vector_length"), spot.number("topk")
    pieces = numbers // length
    logits = spot.trained("logits", pieces * spot.number("num_vectors"))
    indices = spot.fresh("indices of the best", pieces * best, 8)
    top = spot.tape.value(f"{spot.label}: best logits", pieces * best, spot.size)
    top = spot.keep([logits], [indices], top)
    shares = spot.tape.softmax(top, f"{spot.label}: shares of the best")
    bank = spot.shared("bank", spot.number("num_vectors") * length)
    found = spot.made([bank], pieces * best * length, "vectors of the bank", spot.size)
    return spot.made([spot.mul(found, shares, "weighed vectors")], numbers, "pieced factor")
