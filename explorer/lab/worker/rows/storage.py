"""Which tensors are the shared base's own."""

from peft import PeftModel
from torch import Tensor, nn


def same_storage(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same numbers in the same place."""
    return (
        one.data_ptr() == other.data_ptr()
        and one.shape == other.shape
        and one.dtype == other.dtype
        and one.device == other.device
    )


def bare(model: nn.Module) -> nn.Module:
    """The transformers model inside a peft model, or the model itself."""
    return model.get_base_model() if isinstance(model, PeftModel) else model
