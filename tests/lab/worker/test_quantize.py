import re

import pytest
import torch
from bitsandbytes import functional as bnb

from explorer.lab.events import Progress, Report
from explorer.lab.request import QuantizationRequest
from explorer.lab.worker.quantize import bits, levels, measured, quantization_bench, rounded
from explorer.lab.worker.worker import worded

SHAPE = (256, 512)


@pytest.fixture(scope="module")
def weight():
    torch.manual_seed(0)
    return 0.05 * torch.randn(SHAPE)


@pytest.mark.parametrize("kind", ["nf4", "fp4"])
@pytest.mark.parametrize("double", [False, True])
def test_rounding_is_what_bitsandbytes_does(weight, kind, double):
    codes, state = bnb.quantize_4bit(
        weight, blocksize=64, quant_type=kind, compress_statistics=double
    )
    theirs = bnb.dequantize_4bit(codes, state)
    ours = rounded(weight, kind, 64, double)
    # A weight halfway between two levels may go either way.
    assert ((ours - theirs).abs() > 1e-5).float().mean() < 2e-3


@pytest.mark.parametrize(("kind", "different"), [("nf4", 16), ("fp4", 15), ("int4", 15)])
def test_levels_are_sixteen_at_most_and_the_largest_is_one(kind, different):
    table = levels(kind)
    assert len(table.unique()) == different
    assert table.abs().max() == 1
    assert torch.equal(table, table.sort().values)


def test_every_weight_comes_back_within_half_a_step(weight):
    scales = weight.flatten().view(-1, 64).abs().amax(dim=1)
    widest = (levels("nf4")[1:] - levels("nf4")[:-1]).max() / 2
    error = (rounded(weight, "nf4") - weight).flatten().view(-1, 64).abs()
    assert (error <= widest * scales[:, None] + 1e-6).all()
    rows = weight.abs().amax(dim=1, keepdim=True) / 127
    assert ((rounded(weight, "int8") - weight).abs() <= rows / 2 + 1e-7).all()


def test_on_normal_weights_nf4_is_the_best_and_larger_blocks_are_worse(weight):
    found = measured(weight)
    errors = {(e["kind"], e["block"], e["double"]): e["error"] for e in found["errors"]}
    assert errors["nf4", 64, False] < errors["int4", 64, False]
    assert errors["nf4", 64, False] < errors["fp4", 64, False]
    assert errors["nf4", 32, False] < errors["nf4", 64, False] < errors["nf4", 4096, False]
    assert errors["nf4", 64, True] == pytest.approx(errors["nf4", 64, False], rel=0.02)
    assert sum(found["histogram"]) == pytest.approx(1, abs=1e-5)


def test_bits_are_those_of_the_paper():
    """QLoRA, section 3: 0.5 bits a weight for the scales, 0.127 with double quantization."""
    assert bits(64, False) == 4.5
    assert bits(64, True) == pytest.approx(4.127, abs=5e-4)


def test_the_bench_measures_a_base_and_leaves_it_alone(shelf, loaded, tiny_base):
    *said, last = quantization_bench(QuantizationRequest(base=tiny_base, layer=1), shelf)
    assert all(isinstance(event, Progress) for event in said)
    assert isinstance(last, Report)
    whole = {line["name"]: line for line in last.values["whole"]}
    assert whole["NF4"]["bytes"] < whole["int8"]["bytes"] < whole["16-bit"]["bytes"]
    assert whole["int8"]["perplexity"] == pytest.approx(whole["16-bit"]["perplexity"], rel=0.05)
    again = list(quantization_bench(QuantizationRequest(base=tiny_base, layer=1), shelf))[-1]
    assert again == last


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"layer": 2}, "layer = 2: .* has layers 0 to 1"),
        ({"site": "q_porj"}, "no linear 'q_porj'.*'q_proj'"),
    ],
)
def test_what_is_not_there_is_said(shelf, loaded, tiny_base, values, words):
    request = QuantizationRequest(base=tiny_base, **values)
    last = list(worded(quantization_bench(request, shelf)))[-1]
    assert last.kind == "error"
    assert re.search(words, last.reason), last.reason
