"""What a token reads, against the modules that really run for it."""

import bitsandbytes as bnb
import pytest
import torch

from explorer.budget.traffic import read_bytes
from tests.budget.stepping import llama_4, mllama, small, small_budget, step_of

HELD = {"parameter_dtype": "bfloat16", "compute_dtype": "bfloat16"}
CASES = [
    (small(), {}),
    (small(tie_word_embeddings=True), {}),
    (small(), {"quantization": "nf4"}),
    (small(tie_word_embeddings=True), {"quantization": "nf4", "double_quantization": True}),
    (small(), {"quantization": "int8"}),
    (small(num_hidden_layers=5), {"method": "lora", "quantization": "nf4"}),
    (mllama(), {}),
    (mllama(), {"quantization": "nf4"}),
    (llama_4(), {}),
    (llama_4(), {"method": "lora"}),
]


def weights_of(module):
    """Bytes of a module's own parameters, with what bitsandbytes keeps beside them."""
    size = sum(tensor.nbytes for tensor in module.parameters(recurse=False))
    if isinstance(module, bnb.nn.Linear4bit):
        state = module.weight.quant_state
        size += state.absmax.nbytes + state.code.nbytes
        if state.nested:
            size += state.offset.nbytes + state.state2.absmax.nbytes + state.state2.code.nbytes
    elif isinstance(module, bnb.nn.Linear8bitLt):
        size += module.out_features * 4  # a scale a row, whether or not it was run already
    return size


def run_for(model, tokens):
    """Bytes of the weights of all modules that run, of an embedding the rows alone."""
    sizes = {}

    def note(module, *_):
        if isinstance(module, torch.nn.Embedding):
            sizes[module] = tokens * module.weight[0].nbytes
        else:
            sizes[module] = weights_of(module)

    hooks = [module.register_forward_hook(note) for module in model.modules()]
    with torch.no_grad():
        model(torch.ones(1, tokens, dtype=torch.long), use_cache=False)
    for hook in hooks:
        hook.remove()
    return sum(sizes.values())


@pytest.mark.parametrize("tokens", [1, 5])
@pytest.mark.parametrize(("arch", "case"), CASES, ids=str)
def test_a_pass_reads_the_weights_of_the_modules_that_run(arch, case, tokens):
    values = {"method": "full"} | HELD | case
    running = small_budget(arch, mode="inference", length=64, **values)
    held = {"method": "norms-and-biases", "batch": 1} | HELD | case
    if held["method"] != "lora" and "quantization" in case:
        held["method"] = "lora"  # a base that is quantized; its adapter is taken off again
    step = step_of(small_budget(arch, **held))
    model = step.model
    if case.get("method") != "lora" and hasattr(model, "unload"):
        model = model.unload()
    read = read_bytes(running.resolved, running.memory, tokens)
    assert read == pytest.approx(run_for(model.eval(), tokens), rel=0.001)


def test_more_tokens_meet_more_of_the_experts_where_the_chosen_run_alone():
    arch = llama_4()
    values = {"method": "full", "mode": "inference", "length": 64, "quantization": "gguf-f16"}
    budget = small_budget(arch, **values)
    experts = sum(budget.memory.weights.experts)
    first = read_bytes(budget.resolved, budget.memory, 1)
    row = 256 * 2
    for tokens, met in ((2, 1 - 0.75**2), (10, 1 - 0.75**10), (1000, 1.0)):
        more = read_bytes(budget.resolved, budget.memory, tokens) - first
        rows = (min(tokens, 256) - 1) * row
        assert more - rows == pytest.approx(experts * (met - 0.25), abs=2)
