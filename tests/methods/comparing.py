"""Reading an own tuner's tensors layer by layer, and holding it against the reference."""

import re

import torch

TENSOR = re.compile(r"layers\.(\d+)\..*?(?:llama_adapter(?:_v2)?|llama_excitor)_(\w+)\.(\w+)$")


def adapter_tensors(model, adapter_name="default"):
    """{layer: {kind: parameter}} of an adapter whose tensors all stand in the attention."""
    tensors = {}
    for name, parameter in model.named_parameters():
        match = TENSOR.search(name)
        if match and match[3] == adapter_name:
            tensors.setdefault(int(match[1]), {})[match[2]] = parameter
    return tensors


def randomise(model, scale=0.5, seed=3):
    """Move every trainable tensor off its initial value, so that the method shows."""
    torch.manual_seed(seed)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += scale * torch.randn_like(parameter)


def relative(actual, expected):
    """The distance of two tensors relative to the second's size."""
    return ((actual.double() - expected).norm() / expected.norm()).item()


def compare_with_reference(model, plain, build, token_ids, tolerance=1e-5):
    """Logits and the gradient of every adapter tensor, tuner against reference, in float64."""
    model.double()
    tensors = adapter_tensors(model)
    copies = {
        layer: {kind: t.detach().double().clone().requires_grad_() for kind, t in kinds.items()}
        for layer, kinds in tensors.items()
    }
    expected = build(plain, copies).logits(token_ids)
    actual = model(token_ids).logits
    assert relative(actual, expected) <= tolerance
    weights = torch.randn(
        expected.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5)
    )
    (expected * weights).sum().backward()
    (actual * weights).sum().backward()
    for layer, kinds in tensors.items():
        for kind, tensor in kinds.items():
            error = relative(tensor.grad, copies[layer][kind].grad)
            assert error <= tolerance, f"gradient of {kind} in layer {layer}: {error}"
