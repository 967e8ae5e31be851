"""The backward of the miniature autograd: tensors as sizes, and the most of them alive at once."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class Storage:
    """A piece of memory with the name that people know it by."""

    bytes: int
    label: str


@dataclass(eq=False, slots=True)
class Value:
    """A tensor: `numbers` of `size` bytes each in a storage; whether it needs a gradient."""

    numbers: int
    size: int
    grad: bool
    storage: Storage

    @property
    def bytes(self) -> int:
        """Bytes of the numbers, whatever else its storage holds."""
        return self.numbers * self.size

    @property
    def label(self) -> str:
        """What its storage is called."""
        return self.storage.label


@dataclass(eq=False, slots=True)
class Node:
    """An operation that the backward goes through."""

    output: Value
    inputs: list[Value]
    saved: list[Storage]
    scratch: int  # bytes that only its own backward sees
    weights: int  # bytes of weight gradients that it leaves behind
    aliases: bool  # its inputs' gradients are its output's, not copies


@dataclass(eq=False, slots=True)
class Gradient:
    """A gradient on its way, and how many operations still look at it."""

    bytes: int
    holders: int = 1


def backward_peak(
    nodes: list[Node], held: Iterable[Storage], pinned: set[Storage], output: Value
) -> int:
    """The most bytes alive at once, from the gradient of `output` to those of the inputs.

    All of `held` is there at the start; each goes after its last use, the `pinned` ones stay.
    """
    users: defaultdict[Storage, int] = defaultdict(int)
    for node in nodes:
        for storage in node.saved:
            users[storage] += 1
    live = sum(storage.bytes for storage in held) + output.bytes
    peak = live
    pending = {id(output): Gradient(output.bytes)}
    for node in reversed(nodes):
        gradient = pending.pop(id(node.output), None)
        if gradient is not None:
            made = 0 if node.aliases else sum(value.bytes for value in node.inputs)
            live += made + node.weights
            peak = max(peak, live + node.scratch)
            live += _hand_on(node, gradient, pending)
            peak = max(peak, live)
            live -= _let_go(gradient)
        for storage in node.saved:
            users[storage] -= 1
            if not users[storage] and storage not in pinned:
                live -= storage.bytes
    return peak


def _hand_on(node: Node, gradient: Gradient, pending: dict[int, Gradient]) -> int:
    """Give the inputs their gradients, summed with those they have; the change in live bytes."""
    change = 0
    for value in node.inputs:
        if node.aliases:
            mine = gradient
            mine.holders += 1
        else:
            mine = Gradient(value.bytes)
        held = pending.get(id(value))
        if held is None:
            pending[id(value)] = mine
        elif held.holders == 1:  # summed in place
            change -= _let_go(mine)
        else:  # others look at it: the sum is a new tensor
            pending[id(value)] = Gradient(value.bytes)
            change += value.bytes - _let_go(held) - _let_go(mine)
    return change


def _let_go(gradient: Gradient) -> int:
    """One holder fewer; the bytes that this frees."""
    gradient.holders -= 1
    return 0 if gradient.holders else gradient.bytes
