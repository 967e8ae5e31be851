"""A quantized base stays what it is, however often peft reads its weights."""

import pytest
import torch

from explorer.methods.attach import attach
from tests.methods import contract


@pytest.mark.filterwarnings("ignore:MatMul8bitLt")
@pytest.mark.parametrize("kind", ["int8", "nf4"])
def test_dora_goes_on_with_the_gradients_of_the_dequantized_copy(kind):
    found = {}
    for name, base in (("held", contract.quantized(kind)), ("plain", contract.dequantized(kind))):
        torch.manual_seed(1)
        model = attach(base, "lora", {"use_dora": True, "r": 4})
        contract.stir(model)
        contract.logits(model)
        for _ in range(3):
            model.zero_grad()
            found[name] = contract.gradients(model)
    assert found["held"].keys() == found["plain"].keys()
    for name, gradient in found["plain"].items():
        error = (found["held"][name] - gradient).norm() / gradient.norm()
        assert error <= 1e-2, (name, float(error))
