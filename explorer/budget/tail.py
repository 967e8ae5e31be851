"""The end of a model on the tape: last norm, head, cross entropy over the whole vocabulary."""

from dataclasses import dataclass, replace
from functools import lru_cache

from explorer.budget.activity import LayerAct, SiteAct
from explorer.budget.adapted import Linears
from explorer.budget.engine import Value
from explorer.budget.shape import Setting
from explorer.budget.tape import FLOAT32, Tape
from explorer.budget.trace import Trace


@dataclass(frozen=True)
class Tail:
    """What the end of a model is made of and how its loss is computed.

    `rows` are the positions that logits are made for. `chunk` is how many of them at a time, 0 for
    all at once; chunks are fused with the head and their gradients made on the spot, so that no
    logits outlive them. `wide` says that the loss is computed in float32, as transformers does.
    `own_rows` are the positions of a loss that the method computes besides, and that is kept in
    place of the model's own; 0 where there is none.
    """

    hidden: int
    vocabulary: int
    rows: int
    chunk: int = 0
    wide: bool = True
    norm_trains: bool = False
    head: SiteAct | None = None
    own_rows: int = 0


@dataclass(frozen=True)
class TailTrace:
    """What the end saves and how high its forward and its backward come, in bytes.

    `logits_forward` and `logits_backward` are the tensors over the vocabulary that are alive at
    once; all but `saved` of them are gone when the backward reaches the layers.
    """

    trace: Trace
    saved: int
    logits_forward: int
    logits_backward: int
    gradients: int


@lru_cache(maxsize=1024)
def trace_tail(tail: Tail, setting: Setting, needs_input: bool) -> TailTrace:
    """What happens behind the last layer."""
    tape = Tape()
    x = tape.value("hidden state", setting.tokens * tail.hidden, setting.stream, needs_input)
    owns_head = tail.head is not None and tail.head.kind == "own weight"
    norm_size = setting.own if owns_head else setting.adapter
    normed = tape.norm(x, tail.hidden, "last norm", norm_size * tail.hidden * tail.norm_trains)
    asked = normed
    if tail.rows != setting.tokens:  # a slice; the other rows get a gradient of zeros
        asked = Value(tail.rows * tail.hidden, setting.stream, normed.grad, normed.storage)
        asked = tape.record(asked, [normed])
    size = FLOAT32 if tail.wide else setting.stream
    if tail.chunk and tail.chunk < tail.rows:
        return _fused(tape, tail, setting, (x, normed))
    body = tape.trace(normed, x)
    logits = _head(tape, tail, setting, asked)
    before = _forward_of_loss(logits, size) if tail.own_rows else 0
    if tail.own_rows:
        given, held = logits, tail.rows * tail.vocabulary * size
        logits = tape.value("shifted logits", tail.own_rows * tail.vocabulary, given.size)
        logits = tape.record(logits, [given])
        size = FLOAT32 if setting.low_rank < setting.adapter else setting.stream
        held += given.bytes
    else:
        held = 0
    wide = tape.cast(logits, size, "logits in float32")
    scores = tape.value("log-probabilities", wide.numbers, size)
    scores = tape.record(scores, [wide], [scores])
    loss = tape.record(tape.value("loss", 1, FLOAT32), [scores])
    whole = tape.trace(loss, x)
    return TailTrace(
        trace=whole,
        saved=scores.bytes,
        logits_forward=max(before, held + _forward_of_loss(logits, size)),
        # its own values, the gradients of the log-probabilities and of the logits
        logits_backward=scores.bytes + scores.bytes + wide.bytes,
        gradients=whole.gradients - body.gradients,
    )


def _forward_of_loss(logits: Value, size: int) -> int:
    """Logits, their copy in another type if there is one, and their log-probabilities."""
    copied = 0 if logits.size == size else logits.numbers * size
    return logits.bytes + copied + logits.numbers * size


def _head(tape: Tape, tail: Tail, setting: Setting, x: Value) -> Value:
    """The head, which stays unquantized, with what the method does there."""
    act = LayerAct()
    if tail.head is not None and tail.head.kind == "own weight":
        act = LayerAct(everything=True)
    elif tail.head is not None:
        act = LayerAct(sites=(("lm_head", tail.head),))
    linears = Linears(tape, act, replace(setting, quantization="none"))
    return linears.linear("lm_head", x, tail.hidden, tail.vocabulary)


def _fused(tape: Tape, tail: Tail, setting: Setting, ends: tuple[Value, Value]) -> TailTrace:
    """Head and loss in one operation, a chunk of rows at a time; it leaves the hidden gradient."""
    x, normed = ends
    weights = setting.own * tail.hidden * tail.vocabulary if tail.head is not None else 0
    gradient = tape.value("gradient of the hidden state", normed.numbers, setting.stream, False)
    loss = tape.value("loss", 1, FLOAT32)
    product = 2 * tail.rows * tail.hidden * tail.vocabulary
    tape.forward_flops += product
    tape.backward_flops += product * (normed.grad + (weights > 0))
    whole = tape.trace(tape.record(loss, [normed], [gradient], weights=weights), x)
    chunk = tail.chunk * tail.vocabulary
    alive = chunk * (setting.stream + 2 * FLOAT32)
    return TailTrace(whole, 0, alive, 0, weights)
