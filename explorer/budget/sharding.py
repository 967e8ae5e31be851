"""What sharding spreads over several devices, and what each of them gathers to use it."""

from dataclasses import dataclass

from explorer.budget.plan import Plan
from explorer.budget.quantization import WeightBytes

# What each way of sharding spreads over the devices.
SHARDED = {
    "zero-1": ("optimizer", "master_copies"),
    "zero-2": ("optimizer", "master_copies", "gradients"),
    "zero-3": ("weights", "adapter", "optimizer", "master_copies", "gradients"),
    "fsdp": ("weights", "adapter", "optimizer", "master_copies", "gradients"),
}


@dataclass(frozen=True)
class Gathered:
    """Weights that ZeRO-3 and FSDP gather to use them, in bytes: of layers, and of the ends.

    Those that a method adds to a layer come with it, and what it adds elsewhere with the ends.

    As torch's FSDP2 does it: embedding, last norm and head belong to the outermost module and stay
    whole until the backward is through; of the layers there are two, one that runs and the next on
    its way. What arrives is copied out of its buffer, so that it is there twice for a moment.
    """

    pair: int = 0
    layer: int = 0
    ends: int = 0

    @classmethod
    def of(
        cls, plan: Plan, weights: WeightBytes, added_to_layer: int, added_to_ends: int
    ) -> "Gathered":
        """What a plan gathers: nothing unless its weights are sharded."""
        if "weights" not in SHARDED.get(plan.sharding, ()):
            return cls()
        first, second = gathered_layers(weights)
        return cls(
            pair=first + second + 2 * added_to_layer,
            layer=max(first, second) + added_to_layer,
            ends=weights.ends + added_to_ends,
        )

    @property
    def largest(self) -> int:
        """The most that is whole while layers run."""
        return self.pair + self.ends

    @property
    def at_first(self) -> int:
        """When the ends arrive, and the first layer after them."""
        return 2 * self.ends + self.pair

    @property
    def at_last(self) -> int:
        """When the last layer arrives, before the one below it is let go."""
        return self.ends + self.pair + self.layer

    def during(self, phase: str) -> int:
        """What is whole in this phase of a step."""
        layers = {"forward": self.pair, "layers backward": self.pair}
        layers |= dict.fromkeys(("loss", "loss backward"), self.layer)
        return 0 if phase == "update" else layers.get(phase, 0) + self.ends


def gathered_layers(weights: WeightBytes) -> tuple[int, int]:
    """Bytes of the two neighbouring layers that weigh most together."""
    layers = [sum(parts) for parts in zip(weights.layers, weights.experts, strict=True)]
    pairs = zip(layers, [*layers[1:], 0], strict=True)
    return max(pairs, key=sum)
