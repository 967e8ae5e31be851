"""Tuners that rotate, convolve, scale or shift what goes into a linear or comes out of it."""

from explorer.budget.engine import Value
from explorer.budget.formula import nearest_divisor
from explorer.budget.recorded.low_rank import solved
from explorer.budget.recorded.spot import Spot

COMPLEX = 8  # bytes of a complex number of two float32


def oft(spot: Spot) -> Value:
    """The input turned block by block; the rotation is a Neumann series, or a solved system."""
    block = nearest_divisor(spot.d_in, spot.number("oft_block_size"))
    count = 1 if spot.knobs["block_share"] else spot.d_in // block
    numbers = count * block * block
    angles = spot.trained("angles", count * block * (block - 1) // 2)
    wide = spot.wide()
    turn = _neumann(spot, angles, (numbers, block)) if spot.knobs["use_cayley_neumann"] else solved(
        spot, angles, numbers, block
    )  # fmt: skip
    if count * block != spot.d_in:
        turn = spot.made([turn], spot.d_in * block, "repeated rotation")
    turned = spot.batched(wide, turn, (wide.numbers, block), "turned input")
    return spot.base(spot.tape.cast(turned, spot.x.size, f"{spot.label}: turned input"))


def _neumann(spot: Spot, angles: Value, shape: tuple[int, int]) -> Value:
    """I + 2 (Q + Q² + Q³) + Q⁴, peft's five terms."""
    numbers, block = shape
    skew = power = spot.made([angles], numbers, "skew-symmetric blocks")
    for exponent in (2, 3, 4):
        power = spot.batched(power, skew, (numbers, block), f"their power {exponent}")
    return spot.made([power], numbers, "rotation", spot.size)


def boft(spot: Spot) -> Value:
    """The input turned by a butterfly of small rotations, as whole matrices, then scaled."""
    tape, block, width = spot.tape, spot.number("boft_block_size"), spot.d_in
    size, square = spot.x.size, spot.d_in**2
    angles = spot.trained("angles", width * block)
    small = solved(spot, angles, width * block, block)
    blocks = tape.cast(spot.made([small], square, "block-diagonal rotation"), size)
    order = tape.cast(spot.frozen("permutation", square), size)
    turn = spot.product(blocks, order, square, "permuted rotation")
    turn = spot.product(order, turn, square, "permuted rotation")
    identity = spot.fresh("identity", square, size)
    turn = tape.cast(spot.product(turn, identity, square, "rotation"), size)
    ones = spot.fresh("ones", spot.d_out, size)
    scale = spot.mul(spot.trained("scale", spot.d_out), ones, "scale of the output")
    y = spot.base(spot.product(spot.x, turn, spot.x.numbers, "turned input"))
    return tape.cast(spot.mul(y, scale, "scaled output"), spot.x.size, spot.label)


def c3a(spot: Spot) -> Value:
    """A circular convolution block by block, through Fourier transforms in float32."""
    y, wide = spot.base(spot.x), spot.tape.cast(spot.x, 4, f"{spot.label}: input for the adapter")
    kernel = spot.trained("kernel", spot.d_in * spot.d_out // spot.number("block_size"))
    result = spot.tape.value(f"{spot.label}: convolved", spot.tokens * spot.d_out, 4)
    spectra = COMPLEX * (wide.numbers + result.numbers + kernel.numbers)
    result = spot.tape.record(result, [wide, kernel], [wide], scratch=spectra)
    spot.tape.peak = max(spot.tape.peak, spot.tape.alive + spectra)
    return spot.plus_cast(y, spot.made([result], result.numbers, "convolved"))


def road(spot: Spot) -> Value:
    """The output turned in pairs and scaled: its numbers, and the same with pairs swapped."""
    y = spot.tape.cast(spot.base(spot.x), spot.size, f"{spot.label}: output")
    each = {"road_1": 1, "road_2": 2, "road_4": 4}[str(spot.knobs["variant"])]
    swapped = spot.made([y], y.numbers, "output, pairs swapped")
    turned = []
    for value, name in ((y, "cosine"), (swapped, "sine")):
        angle = spot.trained("angle or length", each * spot.d_out // 2)
        column = spot.tape.value(f"{spot.label}: {name}", spot.d_out, spot.size)
        used = [spot.fresh("angle's function and strength", spot.d_out) for _ in range(2)]
        column = spot.keep([angle], used, column)
        turned.append(spot.mul(value, column, f"output times {name}"))
    total = spot.tape.add(turned[0], turned[1], spot.label)
    return spot.tape.cast(total, spot.x.size, spot.label)


def beft(spot: Spot) -> Value:
    """A trained bias behind the linear."""
    y = spot.base(spot.x)
    shifted = spot.tape.value(f"{spot.label}: shifted", y.numbers, max(y.size, spot.size))
    shifted = spot.tape.record(shifted, [y, spot.trained("bias", spot.d_out)])
    return spot.tape.cast(shifted, spot.x.size, spot.label)
