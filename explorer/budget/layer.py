"""One decoder layer, run on the tape: the modules of transformers in the order they run in."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from explorer.budget.activity import LayerAct, SiteAct
from explorer.budget.sites import feed_forward_width
from explorer.budget.tape import FLOAT32, Tape, Trace, Value
from explorer.catalogue.architecture import Architecture

Attention = Literal["sdpa", "eager"]


@dataclass(frozen=True)
class Shape:
    """The widths of a layer, of one kind of layer for each value."""

    family: str
    hidden: int
    q_dim: int
    kv_dim: int
    heads: int
    kv_heads: int
    feed_forward: int
    experts: int = 0
    chosen: int = 0  # experts that a token is sent to
    crossing: bool = False
    rotates: bool = True
    normed_queries: bool = False
    chunk: int = 0  # positions that attend to each other; 0: all


@dataclass(frozen=True)
class Setting:
    """How a step runs: sizes are bytes a number.

    `stream` is the type of the hidden states and of the unquantized weights, `compute` what a
    quantized linear multiplies in, `adapter` what an adapter's weights are held in, `low_rank` what
    A x and B A x are computed in (as `adapter`, unless autocast makes it 16-bit) and `own` the
    gradient of a weight of the model itself.
    """

    batch: int
    length: int
    stream: int
    compute: int
    adapter: int = FLOAT32
    own: int = FLOAT32
    low_rank: int = FLOAT32
    quantization: str = "none"  # or "4bit", "int8"
    attention: Attention = "sdpa"
    masked: bool = False  # padded sequences: an explicit mask, key-value heads repeated
    on_gpu: bool = True

    @property
    def tokens(self) -> int:
        """Tokens in a micro-batch."""
        return self.batch * self.length


@lru_cache(maxsize=512)
def shapes_of(arch: Architecture) -> tuple[Shape, ...]:
    """The widths of each layer; layers of one kind share one Shape."""
    kinds: dict[Shape, Shape] = {}
    return tuple(
        kinds.setdefault(shape, shape)
        for shape in (_shape_of(arch, layer) for layer in range(arch.num_hidden_layers))
    )


def _shape_of(arch: Architecture, layer: int) -> Shape:
    return Shape(
        family=arch.model_type,
        hidden=arch.hidden_size,
        q_dim=arch.q_dim,
        kv_dim=arch.kv_dim,
        heads=arch.num_attention_heads,
        kv_heads=arch.num_key_value_heads,
        feed_forward=feed_forward_width(arch, layer),
        experts=(arch.num_local_experts or 0) if layer in arch.moe_layers else 0,
        chosen=arch.num_experts_per_tok or 0,
        crossing=layer in arch.cross_attention_layers,
        rotates=layer not in arch.no_rope_layers,
        normed_queries=arch.use_qk_norm and layer not in arch.no_rope_layers,
        chunk=0 if layer in arch.no_rope_layers else arch.attention_chunk_size or 0,
    )


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
    run = _Run(tape, shape, act, setting)
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


class _Run:
    """The parts of a layer, recorded on a tape."""

    def __init__(self, tape: Tape, shape: Shape, act: LayerAct, setting: Setting) -> None:
        self.tape, self.shape, self.act, self.setting = tape, shape, act, setting
        self.sites = dict(act.sites)

    def norm(self, x: Value, name: str) -> Value:
        size = self.setting.own if self.act.everything else self.setting.adapter
        weights = size * self.shape.hidden if self.act.norms else 0
        return self.tape.norm(x, self.shape.hidden, name, weights)

    # linears

    def linear(self, name: str, x: Value, d_in: int, d_out: int) -> Value:
        """A linear of the model with what the method does there."""
        label = name.rsplit(".", 1)[-1]
        act = self.sites.get(name)
        with self.tape.holding(x):
            if act is not None and act.kind.startswith("affine"):
                return self._affine(x, (d_in, d_out), act, label)
            if act is not None and act.kind.startswith("scaled"):
                return self._scaled(x, (d_in, d_out), act, label)
            y = self.base(x, d_in, d_out, label)
            if act is None:
                return y
            with self.tape.holding(y):
                add = self._added if act.kind == "added weight" else self._low_rank
                return add(x, y, (d_in, d_out), act, label)

    def base(self, x: Value, d_in: int, d_out: int, label: str) -> Value:
        """The model's own linear, frozen or trained, quantized or not."""
        setting = self.setting
        if setting.quantization == "4bit":
            return self.tape.linear_4bit(x, d_in, d_out, label, setting.compute)
        if setting.quantization == "int8":
            return self.tape.linear_8bit(x, d_in, d_out, label)
        weights = setting.own * d_in * d_out if self.act.everything else 0
        return self.tape.linear(x, d_in, d_out, label, weights)

    def _low_rank(
        self, x: Value, y: Value, widths: tuple[int, int], act: SiteAct, label: str
    ) -> Value:
        tape, (d_in, d_out), size = self.tape, widths, self.setting.adapter
        math = self.setting.low_rank
        wide = tape.cast(x, size, f"{label}: input for the adapter")
        if act.dropout:
            mask = 1 if self.setting.on_gpu else size
            wide = tape.dropout(wide, mask, f"{label}: input after dropout")
        # peft widens the input to the adapter's type, and autocast makes a copy of that.
        wide = tape.cast(wide, math, f"{label}: input for the adapter")
        down = tape.linear(wide, d_in, act.rank, f"{label}: A x", size * d_in * act.rank)
        up = tape.linear(down, act.rank, d_out, f"{label}: B A x", size * d_out * act.rank)
        if act.dora:
            magnitude = size * d_out
            y = tape.weigh(tape.cast(y, math, f"{label}: output"), magnitude, f"{label}: m W x")
            up = tape.weigh(up, magnitude, f"{label}: m B A x")
        scaled = tape.scale(up, f"{label}: scaled")
        total = tape.add(y, scaled, label)
        return tape.cast(total, x.size, label)

    def _added(
        self, x: Value, y: Value, widths: tuple[int, int], act: SiteAct, label: str
    ) -> Value:
        """A weight that few numbers are made into anew, applied beside the model's own."""
        tape, (d_in, d_out), size = self.tape, widths, self.setting.adapter
        wide = tape.cast(x, size if act.wide else x.size, f"{label}: input for the adapter")
        made = tape.value(f"{label}: weight of the adapter", d_in * d_out, wide.size)
        trained = size * act.rank * (d_in + d_out)
        added = tape.linear(wide, d_in, d_out, f"{label}: of the adapter", trained, made)
        return tape.cast(tape.add(y, added, label), x.size, label)

    def _scaled(self, x: Value, widths: tuple[int, int], act: SiteAct, label: str) -> Value:
        """IA3's scale on the input or the output, in the wider type, then back."""
        tape, (d_in, d_out), size = self.tape, widths, self.setting.adapter
        if act.kind == "scaled input":
            wide = tape.cast(x, size, f"{label}: input for the adapter")
            scaled = tape.weigh(wide, size * d_in, f"{label}: scaled input")
            return self.base(tape.cast(scaled, x.size), d_in, d_out, label)
        y = self.base(x, d_in, d_out, label)
        product = tape.value(f"{label}: scaled", y.numbers, max(size, y.size))
        product = tape.record(product, [y], [y], scratch=product.bytes, weights=size * d_out)
        return tape.cast(product, x.size, label)

    def _affine(self, x: Value, widths: tuple[int, int], act: SiteAct, label: str) -> Value:
        """V2's scale and bias, or a scale alone, on the input or the output."""
        tape, (d_in, d_out), size = self.tape, widths, self.setting.adapter
        if act.kind == "affine input":
            scaled = tape.weigh(x, size * d_in, f"{label}: scaled input")
            y = tape.shift(self.base(scaled, d_in, d_out, label), size * d_out, label)
        else:
            shifted = tape.shift(self.base(x, d_in, d_out, label), size * d_out, label)
            y = tape.weigh(shifted, size * d_out, label)
        if not act.rank:
            return y
        down = tape.linear(x, d_in, act.rank, f"{label}: A x", size * d_in * act.rank)
        up = size * d_out * act.rank
        scaled = tape.value(f"{label}: B times its strength", d_out * act.rank, x.size)
        update = tape.linear(down, act.rank, d_out, f"{label}: B A x", up, scaled)
        return tape.add(y, update, label)

    # attention

    def attention(self, x: Value) -> Value:
        shape = self.shape
        query = self.linear("q_proj", x, shape.hidden, shape.q_dim)
        key = self.linear("k_proj", x, shape.hidden, shape.kv_dim)
        value = self.linear("v_proj", x, shape.hidden, shape.kv_dim)
        query, key = self._positions(query, "queries"), self._positions(key, "keys")
        prompts = self.act.prompts
        if prompts is not None and prompts.kind == "extra keys":
            key = self.tape.add(self._widened(key, "keys"), self._extra_keys(x), "keys")
            value = self._widened(value, "values")
        if prompts is not None and prompts.kind == "cached keys":
            key, value = self._prefixed(key, "keys"), self._prefixed(value, "values")
        heads = self._attend(query, key, value)
        if prompts is not None and prompts.kind == "prompt attention":
            if prompts.own_queries:
                again = self.base(x, shape.hidden, shape.q_dim, "queries for prompts")
                query = self._positions(again, "queries for prompts")
            heads = self.tape.add(heads, self._prompt_term(query), "heads with prompts")
        return self.linear("o_proj", heads, shape.q_dim, shape.hidden)

    def _positions(self, x: Value, label: str) -> Value:
        if self.shape.family == "llama4":
            return self._complex_positions(x, label)
        if not self.shape.rotates:
            return x
        tape = self.tape
        tape.rotates = tape.rotates or x.grad
        # q cos + rotate(q) sin: cosines and sines are shared by all layers and counted there
        turned = tape.scale(tape.scale(x, label), label)
        return tape.add(tape.scale(x, label), turned, label)

    def _complex_positions(self, x: Value, label: str) -> Value:
        tape, size = self.tape, x.size
        if self.shape.rotates:
            tape.rotates = tape.rotates or x.grad
            x = tape.scale(tape.cast(x, FLOAT32, f"{label} in float32"), f"{label} rotated")
            x = tape.cast(x, size, label)
        if self.shape.normed_queries:
            wide = tape.cast(x, FLOAT32, f"{label} in float32")
            width = self.shape.q_dim // self.shape.heads
            x = tape.normalised(wide, size, width, label)
        return x

    def _prefixed(self, x: Value, label: str) -> Value:
        """Cached keys or values before those of the tokens; each sequence has its copy."""
        numbers = self._prefix * self.shape.kv_dim
        weights = self.setting.adapter * numbers
        made = self.tape.value(
            f"{label} with prefix", x.numbers + self.setting.batch * numbers, x.size
        )
        return self.tape.record(made, [x], weights=weights)

    @property
    def _prefix(self) -> int:
        """Cached positions that every token attends to."""
        prompts = self.act.prompts
        return prompts.length if prompts is not None and prompts.kind == "cached keys" else 0

    def _widened(self, x: Value, label: str) -> Value:
        """Key-value heads repeated for their query heads; nothing where each has its own."""
        positions = self.setting.tokens + self.setting.batch * self._prefix
        if x.numbers == positions * self.shape.q_dim:
            return x
        return self.tape.copy(x, positions * self.shape.q_dim, f"{label} repeated")

    def _attend(self, query: Value, key: Value, value: Value) -> Value:
        setting, shape, tape = self.setting, self.shape, self.tape
        if setting.attention == "eager":
            return self._eager(query, self._widened(key, "keys"), self._widened(value, "values"))
        masked = setting.masked or self._prefix > 0 or 0 < shape.chunk < setting.length
        if masked:
            key, value = self._widened(key, "keys"), self._widened(value, "values")
        positions = setting.length + self._prefix
        product = 2 * setting.tokens * shape.q_dim * positions
        tape.forward_flops += 2 * product
        if query.grad or key.grad or value.grad:  # the scores again, and four gradients
            tape.backward_flops += 5 * product
        heads = tape.value("attention output", query.numbers, query.size)
        rows = tape.value("attention log-sum-exp", setting.tokens * shape.heads, FLOAT32)
        keeps = [query, key, value, heads, rows]
        if masked:  # turned from true and false into numbers in every layer anew
            keeps.append(
                tape.value("attention mask", setting.tokens * positions, query.size, False)
            )
        return tape.record(heads, [query, key, value], keeps)

    def _eager(self, query: Value, key: Value, value: Value) -> Value:
        tape, setting = self.tape, self.setting
        width = self.shape.q_dim // self.shape.heads
        pairs = setting.tokens * self.shape.heads * (setting.length + self._prefix)
        scores = tape.matmul(query, key, (pairs, width), "attention scores")
        scores = tape.scale(scores, "attention scores")
        weights = tape.softmax(scores, "attention weights in float32")
        weights = tape.cast(weights, query.size, "attention weights")
        shape = query.numbers, setting.length + self._prefix
        heads = tape.matmul(weights, value, shape, "attention output")
        return tape.copy(heads, heads.numbers, "attention output")

    def _prompt_term(self, query: Value) -> Value:
        """A softmax of its own over K prompts, gated a head."""
        tape, shape, size = self.tape, self.shape, self.setting.adapter
        length = self.act.prompts.length if self.act.prompts else 0
        numbers = length * shape.hidden
        prompt = tape.record(
            tape.value("prompt", numbers, self.setting.stream), [], weights=size * numbers
        )
        keys = self.base(prompt, shape.hidden, shape.kv_dim, "prompt keys")
        values = self.base(prompt, shape.hidden, shape.kv_dim, "prompt values")
        repeated = length * shape.q_dim
        if shape.kv_dim != shape.q_dim:
            keys = tape.copy(keys, repeated, "prompt keys")
            values = tape.copy(values, repeated, "prompt values")
        pairs = self.setting.tokens * shape.heads * length
        query = self._by_sequence(query, 1, "queries for prompts")
        keys = self._by_sequence(keys, self.setting.batch, "prompt keys")
        values = self._by_sequence(values, self.setting.batch, "prompt values")
        scores = tape.scale(
            tape.matmul(query, keys, (pairs, shape.q_dim // shape.heads), "prompt scores"),
            "prompt scores",
        )
        weights = tape.softmax(scores, "prompt weights in float32")
        weights = tape.cast(weights, query.size, "prompt weights")
        gated = tape.weigh(weights, size * shape.heads, "gated prompt weights")
        return tape.matmul(gated, values, (query.numbers, length), "prompt output")

    def _by_sequence(self, x: Value, times: int, label: str) -> Value:
        """What matmul makes of heads that lie apart in memory when there are several sequences."""
        if self.setting.batch == 1:
            return x
        return self.tape.copy(x, x.numbers * times, label)

    def _extra_keys(self, x: Value) -> Value:
        """Excitor's e = softmax(U D x Pᵀ) P, gated a head."""
        tape, shape, size = self.tape, self.shape, self.setting.adapter
        prompts = self.act.prompts
        assert prompts is not None
        down = tape.linear(x, shape.hidden, prompts.rank, "D x", size * shape.hidden * prompts.rank)
        query = tape.linear(down, prompts.rank, shape.q_dim, "U D x", size * shape.q_dim)
        numbers = prompts.length * shape.q_dim
        prompt = tape.value("prompt", numbers, x.size)
        if x.size == size:  # the parameter itself, which is counted with the adapter
            prompt.storage.bytes = 0
        prompt = tape.record(prompt, [], weights=size * numbers)
        heads = shape.heads if prompts.per_head else 1
        keys = values = prompt
        if heads > 1:
            keys = self._by_sequence(prompt, self.setting.batch, "prompt keys")
            values = self._by_sequence(prompt, self.setting.batch, "prompt values")
        pairs = self.setting.tokens * heads * prompts.length
        scores = tape.scale(
            tape.matmul(query, keys, (pairs, shape.q_dim // heads), "prompt scores"),
            "prompt scores",
        )
        weights = tape.softmax(scores, "prompt weights in float32")
        weights = tape.cast(weights, x.size, "prompt weights")
        extra = tape.matmul(weights, values, (query.numbers, prompts.length), "extra keys")
        return tape.weigh(extra, size * shape.heads, "gated extra keys")

    # feed-forward

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
