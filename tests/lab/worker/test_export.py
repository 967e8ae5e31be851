import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from explorer.catalogue.errors import ExplorerError
from explorer.lab import merge
from explorer.lab.bases import find_base
from explorer.lab.derived import QuotaError, derived, merged_bytes
from explorer.lab.job import make_job
from explorer.lab.merge import MergeError, demand_mergeable
from explorer.lab.runs import create_run
from explorer.lab.worker.export import export, logits
from tests.lab.catalogue import lab_catalogue
from tests.lab.worker.conftest import take
from tests.lab.worker.own_run import PAIRS, TEXTS, trained

pytestmark = pytest.mark.usefixtures("runs_here")
STRONG = {"learning_rate": 0.05}


@pytest.mark.parametrize(
    ("method", "records"),
    [("lora", PAIRS), ("ia3", PAIRS), ("full", PAIRS), ("oft", TEXTS), ("qlora", PAIRS)],
)
def test_the_merged_checkpoint_says_what_base_and_adapter_say(
    tmp_path, shelf, tiny_base, method, records
):
    run = trained(tmp_path, shelf, tiny_base, records, method, **STRONG)
    check = export(run, tmp_path / "merged")
    assert check["passed"]
    assert check["same_next_token"] == 1.0
    assert check["max_difference"] < 1e-3 < 0.01 < check["adapter_moves"]
    assert check["trained_over"] == ("nf4" if method == "qlora" else "none")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert not any("lora" in name for name, _ in merged.named_parameters())
    base = take(shelf, tiny_base)
    moved = logits(merged, [[5, 6, 7]])[0] - logits(base.model, [[5, 6, 7]])[0]
    assert moved.abs().max() > 0.01


@pytest.mark.parametrize("method", ["llama-adapter-v1", "llama-excitor", "prompt-tuning"])
def test_what_does_not_merge_says_why(tiny_base, method):
    job = make_job(lab_catalogue(), "order-extraction", method, base=tiny_base)
    with pytest.raises(MergeError, match=r"does not merge\. \w+"):
        demand_mergeable(job)


def test_a_base_that_is_stored_in_4_bits_is_not_merged_into(tmp_path, shelf, tiny_base):
    quantized = take(shelf, tiny_base, quantization="nf4")
    quantized.model.save_pretrained(tmp_path)
    quantized.tokenizer.save_pretrained(tmp_path)
    job = make_job(lab_catalogue(), "order-extraction", "lora", base=str(tmp_path))
    with pytest.raises(MergeError, match="is stored in nf4"):
        demand_mergeable(job)


def test_a_merge_is_made_once_in_a_process_of_its_own_and_kept_with_the_run(
    tmp_path, shelf, tiny_base, monkeypatch
):
    run = trained(tmp_path, shelf, tiny_base, PAIRS, "lora", **STRONG)
    assert merge.merge_check(run) is None
    check = merge.merge_run(run)
    assert check["passed"]
    assert {p.name for p in (run.folder / "merged").iterdir()} >= {
        "config.json", "model.safetensors", "tokenizer.json", "merge_check.json",
    }  # fmt: skip
    monkeypatch.setattr(merge, "_merge", lambda run: pytest.fail("made twice"))
    assert merge.merge_run(run) == merge.merge_check(run) == check
    assert json.loads((run.folder / "merged" / "merge_check.json").read_text()) == check


def test_a_merge_that_cannot_be_made_is_one_sentence_and_leaves_nothing(tmp_path, shelf, tiny_base):
    run = trained(tmp_path, shelf, tiny_base, TEXTS, "llama-adapter-v1")
    with pytest.raises(ExplorerError, match=r"LLaMA-Adapter V1 does not merge\."):
        merge.merge_run(run)
    assert not list(run.folder.glob("*merged*"))
    assert torch.is_grad_enabled()
    waiting = create_run(make_job(lab_catalogue(), "order-extraction", "lora", base=tiny_base))
    with pytest.raises(ExplorerError, match="is still queued: wait for its end"):
        merge.merge_run(waiting)


def test_merges_stay_within_their_limit(tmp_path, shelf, tiny_base, monkeypatch):
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "cache"))
    runs = [trained(tmp_path, shelf, tiny_base, PAIRS, "lora", seed=seed) for seed in (0, 1)]
    size = merged_bytes(find_base(tiny_base, allow_paths=True))
    monkeypatch.setenv("EXPLORER_DERIVED_GIB", str(size / 2 / 2**30))
    with pytest.raises(QuotaError, match="A merged checkpoint takes about 0 MiB"):
        merge.merge_run(runs[0])
    monkeypatch.setenv("EXPLORER_DERIVED_GIB", str(1.9 * size / 2**30))
    assert merge.merge_run(runs[0])["passed"]
    assert merge.merge_run(runs[1])["passed"]
    assert merge.merge_check(runs[0]) is None
    assert runs[0].adapter.is_dir()
    assert [item.folder for item in derived()] == [runs[1].folder / "merged"]
