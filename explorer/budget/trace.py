"""What one stretch of a model holds in training, as the tape read it off."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Trace:
    """What one stretch of a model holds in training, in bytes.

    `saved` by label, from its forward to its backward; `forward` and `backward` the most that is
    alive at once in them, what is saved included; `trained` the gradients of its own trainable
    weights, each tensor's, and `gradients` of all of them;
    `carried` the part of `saved` that is the stretch's input itself; `pinned` what operations hold
    on to outside of autograd, so that neither checkpointing nor the backward lets go of it before
    the loss itself is gone. `rerun` is what is saved by a forward that checkpointing runs again,
    `rerun_forward` and `rerun_backward` are the most in that forward and in the backward after it,
    both without `pinned`. `forward_flops` and `backward_flops` are the multiplications and
    additions of its matrix products, `rerun_flops` those of a forward that ends as soon as all is
    saved again; `idle_flops` and `idle_backward_flops` those that transformers spends on experts
    that a token was not sent to. `rotates` says that cosines and sines of the positions, which all
    layers share, are needed for the backward.
    """

    saved: dict[str, int] = field(default_factory=dict)
    forward: int = 0
    backward: int = 0
    gradients: int = 0
    trained: tuple[int, ...] = ()
    carried: int = 0
    pinned: int = 0
    rerun: int = 0
    rerun_forward: int = 0
    rerun_backward: int = 0
    forward_flops: int = 0
    backward_flops: int = 0
    rerun_flops: int = 0
    idle_flops: int = 0
    idle_backward_flops: int = 0
    rotates: bool = False

    @property
    def total(self) -> int:
        """All that is saved."""
        return sum(self.saved.values())
