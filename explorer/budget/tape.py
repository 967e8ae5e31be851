"""A miniature autograd that knows only sizes: what a forward pass saves, how high a backward peaks.

Operations are recorded in the order in which a model runs them. Each says which of its tensors
torch's autograd keeps (as `derivatives.yaml` has it: an operand is kept only if the other one needs
a gradient) and what its backward allocates. A storage counts once, however many operations keep it;
a gradient lives until the operation that made its tensor has run, as in torch's engine.
"""

from collections import defaultdict
from collections.abc import Iterable

from explorer.budget.engine import Node, Storage, Value, backward_peak
from explorer.budget.trace import Trace

FLOAT32 = 4


class _Holding:
    """A `with` block in which storages are held; quicker than a generator's."""

    __slots__ = ("count", "held")

    def __init__(self, held: list[Storage], values: tuple[Value, ...]) -> None:
        self.held, self.count = held, len(values)
        held.extend([value.storage for value in values])

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        del self.held[len(self.held) - self.count :]


class Tape:
    """Records the operations of one stretch, a decoder layer for example."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.kept: dict[Storage, None] = {}
        self.kept_bytes = 0
        self.alive = self.peak = 0  # of the forward: now, and at most so far
        self.pinned: dict[Storage, None] = {}
        self.forward_flops = self.backward_flops = self.rerun_flops = 0
        self.idle_flops = self.idle_backward_flops = 0
        self.rerun_peak = 0  # when the last tensor was saved
        self.rotates = False  # something that needs a gradient, by position
        self._underway = 0  # work of the operation that is being recorded
        self._held: list[Storage] = []

    def value(self, label: str, numbers: int, size: int, grad: bool = True) -> Value:
        """A tensor of its own storage, not made by any operation here."""
        return Value(numbers, size, grad, Storage(numbers * size, label))

    def record(
        self,
        output: Value,
        inputs: Iterable[Value],
        keeps: Iterable[Value] = (),
        scratch: int = 0,
        weights: int = 0,
        aliases: bool = False,
    ) -> Value:
        """An operation that made `output`; nothing is kept where nothing needs a gradient."""
        given = list(inputs)
        needing = [value for value in given if value.grad]
        output.grad = bool(needing) or weights > 0
        saved = [value.storage for value in keeps]
        if output.grad:
            kept = self.kept
            for storage in saved:
                if storage not in kept:
                    kept[storage] = None
                    self.kept_bytes += storage.bytes
            self.nodes.append(Node(output, needing, saved, scratch, weights, aliases))
            if saved:  # operands are saved before the work is done
                self.rerun_flops = self.forward_flops - self._underway
        self._underway = 0
        before = self.peak
        self.alive = alive = self.kept_bytes + self._passing(given, output)
        if alive > before:
            self.peak = alive
        if saved and output.grad:
            self.rerun_peak = self.peak if output.storage in saved else before
        return output

    def _passing(self, given: list[Value], output: Value) -> int:
        """Bytes of what is alive now and is not kept; each storage once."""
        alive = {output.storage, *self._held, *self.pinned, *[value.storage for value in given]}
        kept = self.kept
        return sum([storage.bytes for storage in alive if storage not in kept])

    def holding(self, *values: Value) -> "_Holding":
        """Keep these alive in the forward, as the variables of a running function do."""
        return _Holding(self._held, values)

    def briefly(self, size: int) -> None:
        """So many bytes more for a moment, beside what is held."""
        held = {*self._held, *self.pinned}
        alive = self.kept_bytes + sum(s.bytes for s in held if s not in self.kept)
        self.peak = max(self.peak, alive + size)

    # elementwise

    def cast(self, x: Value, size: int, label: str | None = None) -> Value:
        """`x.to(dtype)`: nothing where the type is that already."""
        if x.size == size:
            return x
        return self.record(self.value(label or x.label, x.numbers, size), [x])

    def add(self, a: Value, b: Value, label: str) -> Value:
        """a + b in the wider type of the two; the gradient is handed on as it is."""
        size = max(a.size, b.size)
        a, b = self.cast(a, size), self.cast(b, size)
        return self.record(self.value(label, a.numbers, size), [a, b], aliases=True)

    def mul(self, a: Value, b: Value, label: str) -> Value:
        """a ⊙ b; `b` may be smaller and broadcast."""
        size = max(a.size, b.size)
        keeps = [value for value, other in ((a, b), (b, a)) if other.grad]
        scratch = a.numbers * size if b.numbers < a.numbers and b.grad else 0
        return self.record(self.value(label, a.numbers, size), [a, b], keeps, scratch)

    def scale(self, x: Value, label: str) -> Value:
        """x times a plain number."""
        return self.record(self.value(label, x.numbers, x.size), [x])

    def weigh(self, x: Value, weights: int, label: str) -> Value:
        """x times a weight in each of its rows; `weights` bytes of gradient, 0 if it is frozen."""
        keeps, scratch = ([x], x.bytes) if weights else ([], 0)
        return self.record(self.value(label, x.numbers, x.size), [x], keeps, scratch, weights)

    def shift(self, x: Value, weights: int, label: str) -> Value:
        """x plus a trainable bias in each of its rows."""
        return self.record(self.value(label, x.numbers, x.size), [x], weights=weights, aliases=True)

    def silu(self, x: Value, label: str) -> Value:
        """x · sigmoid(x), which keeps x."""
        return self.record(self.value(label, x.numbers, x.size), [x], [x])

    def tanh(self, x: Value, label: str) -> Value:
        """tanh, which keeps its result."""
        y = self.value(label, x.numbers, x.size)
        return self.record(y, [x], [y])

    def softmax(self, x: Value, label: str) -> Value:
        """Softmax in float32, which keeps its result; 16-bit numbers are widened first."""
        with self.holding(x):
            wide = self.cast(x, FLOAT32, f"{label}: scores")
            y = self.value(label, x.numbers, FLOAT32)
            return self.record(y, [wide], [y])

    def dropout(self, x: Value, mask_size: int, label: str) -> Value:
        """Dropout, which keeps its mask (a byte a number on a GPU, a number itself on a CPU)."""
        mask = self.value(f"{label} mask", x.numbers, mask_size, grad=False)
        return self.record(self.value(label, x.numbers, x.size), [x], [mask])

    # shapes

    def copy(self, x: Value, numbers: int, label: str) -> Value:
        """A copy, in which key-value heads may be repeated for their query heads."""
        scratch = numbers * x.size if numbers != x.numbers else 0
        return self.record(self.value(label, numbers, x.size), [x], scratch=scratch)

    # products

    def _work(self, flops: int, *operands: bool) -> None:
        """A product in the forward, and one in the backward for each operand with a gradient."""
        self.forward_flops += flops
        self.backward_flops += flops * sum(operands)
        self._underway = flops

    def linear(
        self,
        x: Value,
        d_in: int,
        d_out: int,
        label: str,
        weights: int = 0,
        made: Value | None = None,
    ) -> Value:
        """x Wᵀ; `weights` bytes of gradient for W (and its bias), 0 where they are frozen.

        `made` is W where the forward has made it anew (scaled, say), so that it is kept as well.
        """
        self._work(2 * x.numbers * d_out, x.grad, weights > 0)
        y = self.value(label, x.numbers // d_in * d_out, x.size)
        keeps = [x] if weights else []
        keeps += [made] if made is not None and x.grad else []
        return self.record(y, [x], keeps, weights=weights)

    def linear_4bit(self, x: Value, d_in: int, d_out: int, label: str, compute_size: int) -> Value:
        """A bitsandbytes 4-bit linear: keeps nothing, dequantizes again in the backward."""
        self._work(2 * x.numbers * d_out, x.grad)
        narrow = self.cast(x, compute_size)
        y = self.value(label, x.numbers // d_in * d_out, compute_size)
        buffer = d_in * d_out * compute_size
        y = self.record(y, [narrow], scratch=buffer)
        self.peak = max(self.peak, self.alive + buffer)
        return self.cast(y, x.size)

    def linear_8bit(self, x: Value, d_in: int, d_out: int, label: str, on_gpu: bool) -> Value:
        """A bitsandbytes 8-bit linear: pins its input, and widens its weight in the backward.

        On a CPU it multiplies a 16-bit weight by float32 scales, for which torch makes a float32
        copy of the weight and one of the product.
        """
        self._work(2 * x.numbers * d_out, x.grad)
        y = self.value(label, x.numbers // d_in * d_out, x.size)
        buffer = d_in * d_out * x.size
        widened = 0 if on_gpu or x.size == FLOAT32 else 2 * d_in * d_out * FLOAT32
        y = self.record(y, [x], scratch=buffer + widened)
        if y.grad:
            self.pinned[x.storage] = None
        self.peak = max(self.peak, self.alive + buffer + max(0, widened - y.bytes))
        return y

    def matmul(self, a: Value, b: Value, shape: tuple[int, int], label: str) -> Value:
        """A batched product of two activations; `shape` is numbers out and the summed width."""
        numbers, inner = shape
        self._work(2 * numbers * inner, a.grad, b.grad)
        keeps = [value for value, other in ((a, b), (b, a)) if other.grad]
        return self.record(self.value(label, numbers, a.size), [a, b], keeps)

    # what LLaMAs are made of

    def norm(self, x: Value, width: int, name: str, weights: int) -> Value:
        """An RMSNorm: float32 inside, its weight applied in the type of the stream."""
        wide = self.cast(x, FLOAT32, f"{name}: input in float32")
        with self.holding(x, wide):
            narrow = self.normalised(wide, x.size, width, name)
            return self.weigh(narrow, weights, f"{name}: output")

    def normalised(self, wide: Value, size: int, width: int, name: str) -> Value:
        """Rows of `width` float32 numbers divided by their root mean square, then cast."""
        squares = self.value(f"{name}: squares", wide.numbers, FLOAT32)
        # the backward of x² builds 2x beside the product
        squares = self.record(squares, [wide], [wide], scratch=2 * squares.bytes)
        inverse = self.value(f"{name}: 1/rms", wide.numbers // width, FLOAT32)
        # keeps its result; the mean's backward spreads the gradient over the row
        inverse = self.record(inverse, [squares], [inverse])
        normed = self.mul(wide, inverse, f"{name}: normed")
        return self.cast(normed, size, f"{name}: normed")

    def trace(self, output: Value, source: Value | None = None) -> Trace:
        """Run the backward from `output` and say what was saved and how high it came."""
        labelled: defaultdict[str, int] = defaultdict(int)
        held = self.kept | self.pinned
        for storage in held:
            labelled[storage.label] += storage.bytes
        trained = tuple(node.weights for node in self.nodes if node.weights)
        carried = source.storage.bytes if source is not None and source.storage in self.kept else 0
        backward = backward_peak(self.nodes, held, set(self.pinned), output)
        again = backward_peak(self.nodes, self.kept, set(), output) if self.pinned else backward
        return Trace(
            saved=dict(labelled),
            forward=self.peak,
            backward=backward,
            gradients=sum(trained),
            trained=trained,
            carried=carried,
            pinned=sum(storage.bytes for storage in self.pinned),
            rerun=self.kept_bytes,
            rerun_forward=self.rerun_peak,
            rerun_backward=again,
            forward_flops=self.forward_flops,
            backward_flops=self.backward_flops,
            rerun_flops=self.rerun_flops,
            idle_flops=self.idle_flops,
            idle_backward_flops=self.idle_backward_flops,
            rotates=self.rotates,
        )
