"""Tuners that send the tokens through a low rank, as peft 0.21's forwards run them."""

from explorer.budget.engine import Value
from explorer.budget.recorded.spot import Spot


def adalora(spot: Spot) -> Value:
    """x (A E)ᵀ Bᵀ, divided by the rank.

    peft holds that number as a frozen parameter, which trains as soon as peft widens the adapter's
    type: over a 16-bit model the numerator is kept for its sake.
    """
    tokens, rank = spot.tokens, spot.number("init_r")
    y, wide = spot.base(spot.x), spot.wide("lora_dropout")
    rows, columns = spot.trained("A", rank * spot.d_in), spot.trained("B", rank * spot.d_out)
    scaled = spot.mul(rows, spot.trained("E", rank), "A times E")
    down = spot.product(wide, scaled, tokens * rank, "A x")
    up = spot.product(down, columns, tokens * spot.d_out, "B A x")
    divided = spot.tape.value(f"{spot.label}: divided", up.numbers, up.size)
    kept = [up] if spot.x.size < spot.size else []
    update = spot.keep([up], [*kept, spot.fresh("rank", 1)], divided)
    for factor in (rows, columns):  # the penalty on A Aᵀ - I and BᵀB - I keeps its difference
        square = spot.product(factor, factor, rank * rank, "orthogonality")
        away = spot.made([square], rank * rank, "orthogonality")
        norm = spot.tape.value(f"{spot.label}: penalty", 1, spot.size)
        spot.keep([away], [away, norm], norm)
    return spot.plus_cast(y, update)


def delora(spot: Spot) -> Value:
    """x scaled by the weight's norms, then a low rank whose rows are divided by their norms."""
    tokens, rank = spot.tokens, spot.number("r")
    y = spot.base(spot.x)
    rows, columns = spot.trained("A", rank * spot.d_in), spot.trained("B", rank * spot.d_out)
    normed = spot.mul(spot.x, spot.frozen("norms of W", spot.d_in), "input times norms")
    down = spot.product(normed, rows, tokens * rank, "A x")
    small = [spot.fresh("norms and strength", rank) for _ in range(5)]
    strength = spot.keep([spot.trained("λ", 1)], small, spot.made([], rank, "strength", spot.size))
    strength.grad = True
    scaled = spot.mul(down, strength, "A x, scaled")
    return spot.plus_cast(y, spot.product(scaled, columns, tokens * spot.d_out, "B A x"))


def deft(spot: Spot) -> Value:
    """What of y lies along P is taken away, and R x put in its place; all in float32."""
    tokens, rank = spot.tokens, min(spot.number("r"), spot.d_out)
    y, wide = spot.tape.cast(spot.base(spot.x), spot.size, f"{spot.label}: output"), spot.wide()
    along = spot.trained("P", rank * spot.d_out)
    right = spot.tape.value(f"{spot.label}: projector", rank * spot.d_out, spot.size)
    right = spot.keep([along], [right], right)
    if spot.knobs.get("decomposition_method") == "qr":
        along = right
    down = spot.product(y, right, tokens * rank, "y along P")
    away = spot.product(down, along, tokens * spot.d_out, "correction")
    y = spot.tape.add(y, away, spot.label)
    if not spot.knobs.get("para"):
        rows = spot.made([spot.trained("R", rank * spot.d_in)], rank * spot.d_in, "R, scaled")
        down = spot.product(wide, rows, tokens * rank, "R x")
        y = spot.tape.add(y, spot.product(down, along, y.numbers, "P R x"), spot.label)
    return spot.tape.cast(y, spot.x.size, spot.label)


def gralora(spot: Spot) -> Value:
    """LoRA in k · k blocks of the weight, each of rank r / k."""
    tokens, rank, blocks = spot.tokens, spot.number("r"), spot.number("gralora_k")
    y, wide = spot.base(spot.x), spot.wide("gralora_dropout")
    rows, columns = spot.trained("A", rank * spot.d_in), spot.trained("B", rank * spot.d_out)
    down = spot.batched(wide, rows, (tokens * blocks * rank, spot.d_in // blocks), "A x")
    mixed = spot.made([down], down.numbers, "A x, by output block")
    up = spot.batched(mixed, columns, (tokens * spot.d_out, rank), "B A x")
    whole = spot.number("hybrid_r")
    if whole:
        down = spot.product(wide, spot.trained("A", whole * spot.d_in), tokens * whole, "A x")
        full = spot.trained("B", whole * spot.d_out)
        up = spot.tape.add(up, spot.product(down, full, up.numbers, "B A x"), spot.label)
    return spot.plus_cast(y, up)


def lily(spot: Spot) -> Value:
    """One A, and a mixture of several B that the tokens' mean vote weighs."""
    tokens, rank, experts = spot.tokens, spot.number("r"), spot.number("num_B")
    y, wide = spot.base(spot.x), spot.wide()
    down = spot.product(wide, spot.trained("A", rank * spot.d_in), tokens * rank, "A x")
    votes = spot.product(down, spot.trained("router", rank * experts), tokens * experts, "votes")
    votes = spot.tape.softmax(votes, f"{spot.label}: votes")
    shares = spot.made([votes], experts, "shares of B")
    several = spot.shared("B", experts * rank * spot.d_out)
    mixed = spot.batched(shares, several, (rank * spot.d_out, experts), "mixed B")
    return spot.plus_cast(y, spot.product(down, mixed, tokens * spot.d_out, "B A x"))


def osf(spot: Spot) -> Value:
    """The weight's small singular directions, trained, less what they were at the start."""
    tokens, whole = spot.tokens, min(spot.d_in, spot.d_out)
    rank = whole - min(whole, int(spot.knobs.get("effective_rank") or whole // 2))
    y, wide = spot.base(spot.x), spot.wide()
    left, right = spot.trained("U", rank * spot.d_out), spot.trained("V", rank * spot.d_in)
    values = spot.trained("S", rank)
    scaled = spot.mul(left, values, "U S")
    columns = spot.made([scaled], 2 * rank * spot.d_out, "U S of now and of the start")
    rows = spot.made([right], 2 * rank * spot.d_in, "V of now and of the start")
    down = spot.product(wide, rows, tokens * 2 * rank, "V x")
    return spot.plus_cast(y, spot.product(down, columns, tokens * spot.d_out, "U S V x"))


def tinylora(spot: Spot) -> Value:
    """Frozen singular directions and a tiny matrix between them, mixed from u shared numbers."""
    tokens, rank = spot.tokens, min(spot.number("r"), spot.d_in, spot.d_out)
    y, wide = spot.base(spot.x), spot.wide()
    rows = spot.frozen("V", rank * spot.d_in)
    mixed = spot.made([spot.shared("v", spot.number("u"))], rank * rank, "R")
    down = spot.product(wide, rows, tokens * rank, "V x")
    turned = spot.product(down, mixed, tokens * rank, "R V x")
    columns = spot.frozen("U", rank * spot.d_out)
    return spot.plus(y, spot.product(turned, columns, tokens * spot.d_out, "U R V x"))


def psoft(spot: Spot) -> Value:
    """A rotation inside the frozen leading directions of the weight."""
    tokens, rank = spot.tokens, spot.number("r")
    y, wide = spot.base(spot.x), spot.wide("psoft_dropout")
    turn = spot.trained("angles", rank * (rank - 1) // 2 if spot.knobs["psoft_orth"] else rank**2)
    if spot.knobs["psoft_orth"]:
        turn = solved(spot, turn, rank * rank, rank)
    for name in ("psoft_mag_b", "psoft_mag_a"):
        if spot.knobs[name]:
            turn = spot.mul(turn, spot.trained("magnitude", rank), "scaled rotation")
    down = spot.product(wide, spot.frozen("A", rank * spot.d_in), tokens * rank, "A x")
    turned = spot.product(down, turn, tokens * rank, "R A x")
    moved = spot.tape.add(turned, down, f"{spot.label}: R A x - A x")
    columns = spot.frozen("B", rank * spot.d_out)
    return spot.plus(y, spot.product(moved, columns, tokens * spot.d_out, "B R A x"))


def solved(spot: Spot, angles: Value, numbers: int, block: int) -> Value:
    """(I - Q)⁻¹ (I + Q) block by block: keeps the matrix, its factors, the result and pivots."""
    skew = spot.made([angles], numbers, "skew-symmetric matrix")
    factors = spot.fresh("factors of the solve", numbers)
    pivots = spot.fresh("pivots", numbers // block, 4)
    turn = spot.tape.value(f"{spot.label}: rotation", numbers, spot.size)
    return spot.keep([skew], [skew, factors, pivots, turn], turn)


def miss(spot: Spot) -> Value:
    """The input summed over its shards of r numbers, times one matrix."""
    tokens, rank = spot.tokens, spot.number("r")
    y, wide = spot.base(spot.x), spot.wide("miss_dropout")
    down = spot.made([wide], tokens * rank, "summed shards", wide.size)
    if spot.knobs.get("init_weights") == "mini":
        few = spot.trained("block", rank * spot.number("mini_r"))
        block = spot.made([few], rank * spot.d_out, "repeated block")
    else:
        block = spot.trained("block", rank * spot.d_out)
    return spot.plus(y, spot.product(down, block, tokens * spot.d_out, "update"))


def adamss(spot: Spot) -> Value:
    """Frozen directions, then a small factor pair for each cluster of output rows."""
    x, tokens, rank = spot.x, spot.tokens, min(spot.number("r"), spot.d_in, spot.d_out)
    groups, inner = spot.number("num_subspaces"), spot.number("subspace_rank")
    y = spot.base(x)

    def narrow(value: Value) -> Value:
        return spot.tape.cast(value, x.size)

    rows = narrow(spot.frozen("directions", rank * spot.d_in))
    projected = spot.product(x, rows, tokens * rank, "projected")
    first = narrow(spot.trained("A", groups * inner * rank))
    down = spot.batched(projected, first, (tokens * groups * inner, rank), "A x")
    last = narrow(spot.trained("B", inner * spot.d_out))
    up = spot.batched(down, last, (tokens * spot.d_out, inner), "B A x")
    places = spot.brought("places of the rows", spot.d_out)
    scattered = spot.tape.value(f"{spot.label}: update", up.numbers, up.size)
    return spot.plus_cast(y, spot.keep([up], [places], scattered))
