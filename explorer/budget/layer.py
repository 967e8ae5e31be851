"""One decoder layer, run on the tape: the modules of transformers in the order they run in."""

from functools import lru_cache

from explorer.budget.activity import LayerAct
from explorer.budget.attention import SelfAttention
from explorer.budget.engine import Value
from explorer.budget.shape import Setting, Shape
from explorer.budget.tape import FLOAT32, Tape
from explorer.budget.trace import Trace


@lru_cache(maxsize=4096)
def trace_layer(shape: Shape, act: LayerAct, setting: Setting, needs_input: bool) -> Trace:
    """What a layer saves, and how high its backward comes.

    `needs_input` says whether the layer's input needs a gradient: not below the first adapter.
    Mllama's cross-attention layers are skipped where there is no image, and so they are here.
    """
    if shape.crossing:
        return Trace()
    tape = Tape()
    x = tape.value("hidden state", setting.tokens * shape.hidden, setting.stream, needs_input)
    run = _Layer(tape, shape, act, setting)
    with tape.holding(x):
        normed = run.norm(x, "input norm")
        with tape.holding(normed):
            heads = run.attention(normed)
        attended = tape.add(x, heads, "hidden state")
        with tape.holding(attended):
            normed = run.norm(attended, "post-attention norm")
            with tape.holding(normed):
                fed = run.feed_forward(normed)
            return tape.trace(tape.add(attended, fed, "hidden state"), x)


class _Layer(SelfAttention):
    """A whole layer: attention and the feed-forward network, dense or of experts."""

    def feed_forward(self, x: Value) -> Value:
        if self.shape.experts:
            routed = self._experts(x)
            with self.tape.holding(routed):
                shared = self._mlp(x, "shared_expert.")
                return self.tape.add(shared, routed, "feed-forward output")
        return self._mlp(x, "")

    def _mlp(self, x: Value, prefix: str) -> Value:
        tape, hidden, width = self.tape, self.shape.hidden, self.shape.feed_forward
        gate = self.linear(f"{prefix}gate_proj", x, hidden, width)
        active = tape.silu(gate, "activated gate")
        up = self.linear(f"{prefix}up_proj", x, hidden, width)
        product = tape.mul(active, up, "gate times up")
        return self.linear(f"{prefix}down_proj", product, width, hidden)

    def _experts(self, x: Value) -> Value:
        """Llama 4 as transformers runs it: every expert on every token, its input scaled to 0."""
        tape, shape, setting = self.tape, self.shape, self.setting
        experts, hidden, width = shape.experts, shape.hidden, shape.feed_forward
        router = self.base(x, hidden, experts, "router")
        scores = tape.cast(router, FLOAT32, "router scores in float32")
        scores = tape.cast(tape.tanh(scores, "router scores in float32"), x.size, "router scores")
        repeated = tape.copy(x, x.numbers * experts, "expert inputs")
        routed = tape.mul(repeated, scores, "scaled expert inputs")
        own = setting.own * experts * hidden * width if self.act.everything else 0
        before = tape.forward_flops, tape.backward_flops
        both = tape.linear(routed, hidden, 2 * width, "expert gate and up", 2 * own)
        half = Value(both.numbers // 2, both.size, both.grad, both.storage)
        half = tape.record(half, [both], scratch=both.bytes)
        active = tape.silu(half, "activated expert gate")
        product = tape.mul(active, half, "expert gate times up")
        out = tape.linear(product, width, hidden, "expert outputs", own)
        self._only_chosen(*before)
        return tape.record(tape.value("expert sum", x.numbers, x.size), [out])

    def _only_chosen(self, forward: int, backward: int) -> None:
        """Count the work of the experts that a token is sent to, and set the rest aside."""
        tape, shape = self.tape, self.shape
        whole = tape.forward_flops - forward
        chosen = whole * shape.chosen // shape.experts
        tape.forward_flops = forward + chosen
        tape.idle_flops += whole - chosen
        spent = tape.backward_flops - backward
        tape.backward_flops = backward + spent * shape.chosen // shape.experts
        tape.idle_backward_flops += spent - spent * shape.chosen // shape.experts
