"""The own tuners to be tested, their tensors by module, and how they are held to the reference."""

import re

import torch
from transformers import StaticCache

from explorer.methods import LlamaAdapterConfig, LlamaAdapterV2Config, LlamaExcitorConfig

OWN = {
    "V1": lambda: LlamaAdapterConfig(adapter_len=3, adapter_layers=2, task_type="CAUSAL_LM"),
    "V2 chat": lambda: LlamaAdapterV2Config(task_type="CAUSAL_LM"),
    "V2 paper": lambda: LlamaAdapterV2Config(
        variant="paper", adapter_len=3, adapter_layers=2, r=2, task_type="CAUSAL_LM"
    ),
    "Excitor": lambda: LlamaExcitorConfig(
        adapter_len=5, adapter_layers=2, r=3, task_type="CAUSAL_LM"
    ),
}

TENSOR = re.compile(
    r"model\.model\.model\.(.+)\.(?:llama_adapter_v2|llama_adapter|llama_excitor)_(\w+)\.(\w+)$"
)


# for the gradient of each single tensor: eager attention takes its softmax in float32, always
TOLERANCE = {"sdpa": 1e-5, "eager": 1e-4}


def adapter_tensors(model, adapter_name="default"):
    """{module: {kind: parameter}} of an adapter: {"layers.3.self_attn": {"prompt": …}}."""
    tensors = {}
    for name, parameter in model.named_parameters():
        match = TENSOR.search(name)
        if match and match[3] == adapter_name:
            module = match[1].replace(".base_layer", "")
            tensors.setdefault(module, {})[match[2]] = parameter
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


def compare_with_reference(model, build, token_ids, tolerance=1e-5, **inputs):
    """Logits, all gradients together and each one of them, tuner against reference, in float64.

    `build` makes the reference from float64 copies of the tensors, {module: {kind: tensor}};
    `tolerance` is for a single tensor's gradient, the others are held to 1e-5.
    """
    model.double()
    tensors = adapter_tensors(model)
    copies = {
        module: {kind: t.detach().clone().requires_grad_() for kind, t in kinds.items()}
        for module, kinds in tensors.items()
    }
    expected = build(copies).logits(token_ids)
    actual = model(token_ids, **inputs).logits
    assert relative(actual, expected) <= 1e-5
    weights = torch.randn(
        expected.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5)
    )
    (expected * weights).sum().backward()
    (actual * weights).sum().backward()
    mine, theirs = [], []
    for module, kinds in tensors.items():
        for kind, tensor in kinds.items():
            mine.append(tensor.grad.flatten())
            theirs.append(copies[module][kind].grad.flatten())
            error = relative(mine[-1], theirs[-1])
            assert error <= tolerance, f"gradient of {kind} in {module}: {error}"
    assert relative(torch.cat(mine), torch.cat(theirs)) <= 1e-5


def logits(model, ids, **inputs):
    with torch.no_grad():
        return model(input_ids=ids, **inputs).logits


def gradients(model, ids):
    model.train()
    model.zero_grad()
    model(input_ids=ids, labels=ids).loss.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad])


CACHES = ("dynamic", "static", "laid out early")


def new_cache(config, kind):
    """An empty cache of 16 positions; None lets the model make its own dynamic one."""
    if kind == "dynamic":
        return None
    cache = StaticCache(config, max_cache_len=16)
    if kind == "laid out early":
        heads, width = config.num_key_value_heads, config.head_dim
        cache.early_initialization(2, heads, width, torch.float32, torch.device("cpu"))
    return cache


def in_steps(model, ids, cache):
    """The logits of four tokens together and the others one by one."""
    steps = []
    for part in (ids[:, :4], *ids[:, 4:].split(1, dim=1)):
        with torch.no_grad():
            output = model(input_ids=part, past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        steps.append(output.logits)
    return torch.cat(steps, 1)
