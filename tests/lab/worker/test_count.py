"""The worker's count of a shape and a method: what transformers and peft allocate."""

import pytest

from explorer.budget.params import count_parameters
from explorer.budget.trainable import count_trainable
from explorer.catalogue.catalogue import load_catalogue
from explorer.lab.request import CountRequest
from explorer.lab.worker.count import count

CATALOGUE = load_catalogue()


def counted(model, method, **knobs):
    arch = CATALOGUE.model(model).architecture
    request = CountRequest(architecture=arch, method=method, knobs=knobs)
    *_, report = count(CountRequest.model_validate_json(request.model_dump_json()))
    return arch, report.values


@pytest.mark.parametrize(
    ("model", "method", "knobs"),
    [
        ("llama-3.2-1b", "lora", {"r": 4, "target_modules": ("q_proj", "down_proj")}),
        ("llama-3.1-8b", "llama-excitor", {}),
        ("llama-3.2-11b-vision", "lora", {}),
        ("llama-4-scout-17b-16e", "full", {}),
    ],
)
def test_the_calculator_counts_the_same(model, method, knobs):
    arch, found = counted(model, method, **knobs)
    assert found["total"] == count_parameters(arch).total
    assert found["trainable"] == count_trainable(arch, CATALOGUE.method(method), knobs).total
    assert found["note"] == ""


def test_a_method_that_reads_weights_has_no_count_and_a_reason():
    arch, found = counted("llama-3.2-1b", "shira")
    assert found["total"] == count_parameters(arch).total
    assert found["trainable"] is None
    assert "reads the weights" in found["note"]
