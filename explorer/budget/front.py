"""The front of a model on the tape: the encoder that makes virtual tokens out of an embedding."""

from functools import lru_cache

from explorer.budget.engine import Value
from explorer.budget.recorded import Spot
from explorer.budget.shape import Setting
from explorer.budget.tape import Tape
from explorer.budget.trace import Trace

EMPTY = Trace()


@lru_cache(maxsize=512)
def trace_front(tokens: int, hidden: int, inner: int, setting: Setting) -> Trace:
    """What p-tuning's MLP of three linears saves; nothing where no encoder (`inner` 0) is."""
    if not inner:
        return EMPTY
    tape, size = Tape(), setting.adapter
    indices = tape.value("indices of the virtual tokens", tokens, 8, grad=False)
    embedded = tape.value("embedded virtual tokens", tokens * hidden, size)
    embedded = tape.record(embedded, [], [indices], weights=size * tokens * hidden)
    spot = Spot(
        tape=tape,
        x=embedded,
        d_in=hidden,
        d_out=inner,
        label="prompt encoder",
        size=size,
        math=setting.low_rank,
        own_size=setting.stream,
        on_gpu=setting.on_gpu,
        knobs={},
        base=lambda given: given,
    )
    y = embedded
    for width, last in ((inner, False), (inner, False), (hidden, True)):
        weight = spot.trained("weight", y.numbers // tokens * width)
        y = spot.product(y, weight, tokens * width, "hidden")
        y = y if last else _relu(spot, y)
    return tape.trace(y, embedded)


def _relu(spot: Spot, x: Value) -> Value:
    y = spot.tape.value("prompt encoder: activated", x.numbers, x.size)
    return spot.keep([x], [y], y)
