"""One linear with what a peft tuner does there: the words that the recorders are written in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from explorer.budget.engine import Value
from explorer.budget.tape import Tape


@dataclass(frozen=True)
class Spot:
    """A linear of width d_in · d_out on its way through the tape.

    `size` is what the adapter's numbers are held in and `math` what its products are computed in
    (the same, unless autocast narrows them), both in bytes a number. `own_size` is that of the
    model's weight. `base` runs the model's own linear on a value.
    """

    tape: Tape
    x: Value
    d_in: int
    d_out: int
    label: str
    size: int
    math: int
    own_size: int
    on_gpu: bool
    knobs: Mapping[str, Any]
    base: Callable[[Value], Value]

    @property
    def tokens(self) -> int:
        """Rows that come in."""
        return self.x.numbers // self.d_in

    def number(self, knob: str) -> int:
        """A knob that is a whole number."""
        return int(self.knobs[knob])

    # tensors

    def trained(self, label: str, numbers: int) -> Value:
        """A trained parameter; its own bytes are counted with the adapter, its gradient's here."""
        held = self.shared(label, numbers)
        return self.tape.record(held, [], weights=self.size * numbers)

    def shared(self, label: str, numbers: int) -> Value:
        """A trained parameter that many linears share, whose gradient is counted once elsewhere."""
        return self._held(label, numbers, grad=True)

    def frozen(self, label: str, numbers: int, size: int | None = None) -> Value:
        """A buffer, or a view of one."""
        return self._held(label, numbers, grad=False, size=size)

    def fresh(self, label: str, numbers: int, size: int | None = None) -> Value:
        """A tensor that the forward fills anew and that nothing trains: an identity, indices."""
        return self.tape.value(self._named(label), numbers, size or self.size, grad=False)

    def brought(self, label: str, numbers: int) -> Value:
        """Indices (int64) that peft keeps on the host: on a GPU each forward makes a copy there."""
        return self.fresh(label, numbers, 8) if self.on_gpu else self.frozen(label, numbers, 8)

    def _held(self, label: str, numbers: int, grad: bool, size: int | None = None) -> Value:
        value = self.tape.value(self._named(label), numbers, size or self.size, grad)
        value.storage.bytes = 0
        return value

    def _named(self, label: str) -> str:
        return f"{self.label}: {label}"

    # operations

    def wide(self, knob: str | None = None) -> Value:
        """The input in the adapter's type, after the dropout of that knob."""
        wide = self.tape.cast(self.x, self.size, self._named("input for the adapter"))
        if knob is None or not float(self.knobs.get(knob) or 0):
            return wide
        mask = 1 if self.on_gpu else self.size
        return self.tape.dropout(wide, mask, self._named("input after dropout"))

    def product(self, a: Value, b: Value, numbers: int, label: str) -> Value:
        """a · b; the summed width follows from the sizes."""
        inner = round((a.numbers * b.numbers / numbers) ** 0.5) if numbers else 0
        return self.batched(a, b, (numbers, inner), label)

    def batched(self, a: Value, b: Value, shape: tuple[int, int], label: str) -> Value:
        """A batched product; `shape` is the numbers that come out and the width summed over."""
        if self.math < self.size:  # autocast narrows what goes in, and keeps the copies
            a, b = self.tape.cast(a, self.math), self.tape.cast(b, self.math)
        return self.tape.matmul(a, b, shape, self._named(label))

    def made(self, inputs: list[Value], numbers: int, label: str, size: int | None = None) -> Value:
        """A tensor made of others by an operation that keeps none of them."""
        output = self.tape.value(self._named(label), numbers, size or inputs[0].size)
        return self.tape.record(output, inputs)

    def mul(self, a: Value, b: Value, label: str) -> Value:
        """a ⊙ b; `b` may be smaller."""
        return self.tape.mul(a, b, self._named(label))

    def keep(self, inputs: list[Value], kept: list[Value], output: Value) -> Value:
        """An operation that made `output` and keeps exactly these."""
        return self.tape.record(output, inputs, kept)

    def plus(self, y: Value, added: Value) -> Value:
        """y + added in the wider type, then the type of the hidden state."""
        total = self.tape.add(y, added, self.label)
        return self.tape.cast(total, self.x.size, self.label)

    def plus_cast(self, y: Value, added: Value) -> Value:
        """y + added, the latter cast to the type of y first."""
        narrow = self.tape.cast(added, y.size, self._named("update"))
        return self.tape.add(y, narrow, self.label)
