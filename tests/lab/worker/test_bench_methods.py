"""The cost of a step, measured on a tiny model: every method is timed against LoRA in turn."""

import torch

from explorer.lab.worker import bench_methods
from explorer.methods.quantization import prepare_quantized
from tests.methods import contract


def test_every_method_of_the_survey_gets_a_ratio(monkeypatch):
    def load(device, packs):
        assert packs
        return (
            "tiny",
            contract.base().requires_grad_(False),
            prepare_quantized(contract.quantized()),
        )

    monkeypatch.setattr(bench_methods, "load", load)
    found = bench_methods.measure(torch.device("cpu"), bench_methods.survey(), 2, (1, 8))
    assert found["base"] == "tiny"
    assert set(found["methods"]) == {
        "lora", "lora (again)", "llama-adapter-v1", "llama-adapter-v2", "llama-excitor", "qlora",
    }  # fmt: skip
    assert found["methods"]["lora"]["ratio"] == 1.0
    for row in found["methods"].values():
        assert row["seconds"] > 0
        assert row["ratio"] > 0
        assert row["trainable"] > 0
