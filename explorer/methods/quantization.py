"""What a bitsandbytes base needs before an adapter trains on it, and why."""

from collections.abc import Iterator

import bitsandbytes as bnb
from torch import nn

from explorer.catalogue.errors import ExplorerError

QUANTIZED = (bnb.nn.Linear4bit, bnb.nn.Linear8bitLt)


class QuantizedBaseError(ExplorerError):
    """A quantized base whose weights can no longer be trained on."""


def quantized_linears(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The model's 4-bit and 8-bit linears with their names."""
    return ((name, m) for name, m in model.named_modules() if isinstance(m, QUANTIZED))


def quantization_of(model: nn.Module) -> str:
    """How the model's linears are held: none, int8, nf4 or fp4; 4 bits if only some of them are."""
    held = [linear for _, linear in quantized_linears(model)]
    four_bit = (linear for linear in held if isinstance(linear, bnb.nn.Linear4bit))
    for linear in four_bit:
        return linear.weight.quant_type
    return "int8" if held else "none"


def prepare_quantized(model: nn.Module) -> nn.Module:
    """Make a freshly loaded 4-bit or 8-bit model fit for training an adapter on it; in place.

    Every parameter is frozen, and 4-bit linears keep their gradients (`keep_gradients`).

    Of `peft.prepare_model_for_kbit_training` this leaves out two things on purpose. Types stay as
    loaded: a LLaMA norm computes in float32 whatever its weight's type, the head and the embedding
    in float32 would double their memory for nothing that trains, and peft keeps adapter weights in
    float32 by itself. Gradient checkpointing is the trainer's choice, not the model's.

    Raises QuantizedBaseError if a weight has been repacked already: it has to be loaded again.
    """
    keep_gradients(model)
    return model.requires_grad_(False)


def keep_gradients(model: nn.Module) -> None:
    """Switch off the CPU path for AVX512-BF16 on every 4-bit linear.

    That path repacks the weight at the first forward pass in evaluation mode; afterwards
    gradients no longer flow through it, and LoRA's are 80 to 90 % wrong with only a warning.
    Unpacking is no way back: bitsandbytes rounds the scales to bfloat16 when it packs.

    Raises QuantizedBaseError if a weight has been repacked already.
    """
    for name, linear in quantized_linears(model):
        if not isinstance(linear, bnb.nn.Linear4bit):
            continue
        if is_repacked(linear):
            raise QuantizedBaseError(
                f"{name} has been repacked by a forward pass in evaluation mode, and no gradient "
                "flows through it any more. Load the model again and prepare it before its first "
                "forward pass."
            )
        linear.support_avx512bf16_for_cpu = False


def is_repacked(linear: nn.Module) -> bool:
    """Whether bitsandbytes has repacked this linear's weight for evaluation on a CPU."""
    state = getattr(linear.weight, "quant_state", None)
    return bool(getattr(state, "packing_format_for_cpu", False))
