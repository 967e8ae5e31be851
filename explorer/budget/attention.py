"""Self-attention on the tape: positions, masks, prompts, and SDPA's kernel or plain products."""

from explorer.budget.adapted import Adapted
from explorer.budget.engine import Value
from explorer.budget.tape import FLOAT32


class SelfAttention(Adapted):
    """The attention of a layer, with the prompts that a method adds."""

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
        gates = shape.heads if self.act.prompts and self.act.prompts.per_head else 1
        gated = tape.weigh(weights, size * gates, "gated prompt weights")
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
        down, up = shape.hidden * prompts.rank, shape.q_dim * prompts.rank
        low = tape.linear(
            x, shape.hidden, prompts.rank, "D x", size * down, self.narrowed("D", down)
        )
        query = tape.linear(
            low, prompts.rank, shape.q_dim, "U D x", size * up, self.narrowed("U", up)
        )
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
        return tape.weigh(extra, size * heads, "gated extra keys")
