"""`python -m explorer budget`: a plan in words, its budget as nested numbers, nonsense refused."""

import csv
import io
import json
import subprocess
import sys
import time

import pytest

from explorer import cli
from explorer.catalogue.catalogue import load_catalogue
from explorer.cli import _plan_options
from explorer.ui.budget.reading import read_plan
from tests.cli import asking

LLAMA_2_7B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "vocab_size": 32000,
}


def printed(capsys, line):
    assert cli.run(["budget", *line.split()]) == 0
    return capsys.readouterr().out


def told(capsys, line):
    return json.loads(printed(capsys, f"{line} --json"))


def refused(capsys, *words):
    return asking.refused(capsys, "budget", *words, "--json")


def test_a_budget_has_the_keys_that_scripts_read(capsys):
    found = told(capsys, "llama-3.1-8b --method lora --set r=16 --quant nf4 --batch 2 --seq 1024")
    assert found["params"]["total"] == 8_030_261_248
    assert found["trainable"]["total"] == 2 * 3_407_872
    assert found["memory"]["weights"] == 6_027_761_664  # bitsandbytes' own tensors, peers' table
    assert sum(told["bytes"] for told in found["explain"]) == found["memory"]["total"]
    for told_term in found["explain"]:
        assert abs(told_term["bytes"]) == found["memory"][told_term["term"]]
    assert {"forward", "backward", "recompute", "per_token", "total"} <= set(found["flops"])
    assert {"tokens_per_second", "hours", "device_hours", "energy_kwh", "cost_usd", "co2_kg"} <= (
        set(found["time"])
    )
    assert found["fits"] is True


@pytest.mark.parametrize(
    ("option", "key", "value"),
    [
        ("--quant 4bit", "quantization", "nf4"),
        ("--quant 8bit", "quantization", "int8"),
        ("--quant NF4", "quantization", "nf4"),
        ("--quant none", "quantization", "none"),
        ("--inference --quant q4_k_m", "quantization", "gguf-q4_k_m"),
        ("--inference --quant gguf-q4-k-m", "quantization", "gguf-q4_k_m"),
        ("--optimizer adamw8bit", "optimizer", "adamw-8bit"),
        ("--optimizer adamw_8bit", "optimizer", "adamw-8bit"),
        ("--optimizer paged_adamw_8bit", "optimizer", "paged-adamw-8bit"),
        ("--optimizer adamw_torch", "optimizer", "adamw"),
        ("--hardware RTX4090", "hardware", "rtx-4090"),
        ("--sharding FSDP --devices 4", "sharding", "fsdp"),
        ("--dtype fp16", "parameter_dtype", "float16"),
        ("--price 0", "price_per_hour", 0.0),
        ("--loss-chunk 0", "loss_chunk", 0),
        ("--checkpointing", "checkpointing", True),
        ("--skip lm_head,q_proj --quant nf4", "skipped_modules", ["lm_head", "q_proj"]),
    ],
)
def test_an_option_sets_what_it_says(capsys, option, key, value):
    assert told(capsys, f"llama-3.2-1b {option}")["plan"][key] == value


def test_every_option_of_a_plan_has_its_setting():
    fields = set(_plan_options.Plan.model_fields)
    for _, setting, words in (
        *_plan_options.VALUES,
        *_plan_options.WORDS,
        *_plan_options.SWITCHES,
    ):
        assert setting in fields
        assert words


def test_qlora_brings_its_recipe_and_options_override_it(capsys):
    plan = told(capsys, "llama-2-7b --method qlora")["plan"]
    assert (plan["quantization"], plan["double_quantization"]) == ("nf4", True)
    assert (plan["optimizer"], plan["checkpointing"]) == ("paged-adamw-8bit", True)
    plan = told(capsys, "llama-2-7b --method qlora --no-checkpointing --optimizer sgd")["plan"]
    assert (plan["quantization"], plan["optimizer"], plan["checkpointing"]) == ("nf4", "sgd", False)
    plan = told(capsys, "llama-2-7b --method qlora --quant int8")["plan"]
    assert (plan["quantization"], plan["double_quantization"]) == ("int8", False)


def test_a_config_and_its_folder_count_like_the_model_of_the_catalogue(capsys, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_2_7B))
    known = told(capsys, "llama-2-7b --quant nf4")
    for path in (tmp_path, tmp_path / "config.json"):
        found = told(capsys, f"--config {path} --quant nf4")
        assert found["params"] == known["params"]
        assert found["memory"] == known["memory"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["llama-3.1-8b", "--batch", "-1"], "batch = -1: it takes a whole number from 1 to"),
        (["llama-3.1-8b", "--seq", "0"], "length = 0: it takes a whole number from 1 to"),
        (["llama-3.1-8b", "--seq", "nan"], "length = nan: it takes a whole number from 1 to"),
        (["llama-3.1-8b", "--batch", "2.5"], "batch = 2.5: it takes a whole number"),
        (["llama-3.1-8b", "--price", "-3"], "price_per_hour = -3: it takes a number from 0 to"),
        (["llama-3.1-8b", "--price", "nan"], "price_per_hour = nan: it takes a number from 0"),
        (["llama-3.1-8b", "--grid", "inf"], "grid_intensity = inf: it takes a number from 0 to 5"),
        (["llama-3.1-8b", "--efficiency", "1.5"], "efficiency = 1.5: it takes a number above 0"),
        (["llama-3.1-8b", "--attention", "flash"], "it takes 'sdpa' or 'eager'"),
        (["llama-3.1-8b", "--quant", "nf5"], "Did you mean 'nf4'?"),
        (["llama-3.1-8b", "--quant", "nf4", "--block-size", "48"], "it takes 32, 64, 128"),
        (["llama-3.1-8b", "--optimizer", "adamq"], "Did you mean 'adamw'?"),
        (["llama-3.1-8b", "--hardware", "rtx-4091"], "Did you mean 'rtx-4090'?"),
        (["llama-3.1-8b", "--method", "lorra"], "Did you mean 'lora'?"),
        (["llama-3.1-8b", "--set", "r=0"], "r = 0: it takes a whole number from 1 to"),
        (["llama-3.1-8b", "--set", "r"], "write it as KNOB=VALUE"),
        (["llama-3.1-8b", "--set", "target_modules=q_porj"], "Did you mean 'q_proj'?"),
        (["llama-3.1-8c"], "Did you mean 'llama-3.1-8b'?"),
        (["llama-4-behemoth"], "hidden_size is not published, and so on for 10 more"),
        (["llama-guard-3-1b"], "tie_word_embeddings is not established: the card counts"),
        (["llama-3.1-8b", "--method", "full", "--quant", "nf4"], "quantized ones do not train"),
        (["llama-3.1-8b", "--quant", "gguf-q4_0"], "run and do not train"),
        (["llama-3.1-8b", "--sharding", "fsdp"], "needs more than one device"),
        (["--config", "/nowhere/config.json"], "cannot be read: No such file or directory"),
        ([], "Give either a MODEL of the catalogue or --config FILE."),
        (["llama-3.1-8b", "--script", "--inference"], "choose mode training"),
    ],
)
def test_nonsense_gets_one_sentence(capsys, words, sentence):
    assert sentence in refused(capsys, *words)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"hidden_size": 4100, "num_attention_heads": 32}, "hidden_size = 4100 is not a multiple"),
        ({"num_hidden_layers": 0}, "num_hidden_layers = 0: it takes a whole number from 1"),
        ({"model_type": "qwen2"}, "this counts LLaMAs only"),
        ({"num_key_value_heads": 5}, "not a multiple of num_key_value_heads = 5"),
        ({"vocab_size": "many"}, "vocab_size = 'many': it takes a whole number"),
        ({"rms_norm_eps": float("nan")}, "holds NaN"),
    ],
)
def test_a_config_that_cannot_be_gets_one_sentence(capsys, tmp_path, changes, sentence):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA_2_7B | changes))
    assert sentence in refused(capsys, "--config", str(path))


def test_200_megabytes_of_json_are_refused_unread(capsys, tmp_path):
    path = tmp_path / "config.json"
    with path.open("wb") as file:
        file.truncate(200_000_000)
    start = time.perf_counter()
    assert "a config.json has at most 1,000,000" in refused(capsys, "--config", str(path))
    assert time.perf_counter() - start < 1


def test_text_shows_terms_with_their_arithmetic(capsys):
    text = printed(capsys, "llama-3.1-8b --method full --hardware rtx-4090")
    assert "does not fit" in text
    assert "8,030,261,248 · 2" in text
    assert text.count("to make it fit:") == 3


def test_the_matrix_has_a_row_for_every_method_and_model(capsys):
    rows = told(capsys, "llama-3.1-8b --methods")
    assert {"lora", "qlora", "full", "llama-excitor"} <= {row["method"] for row in rows}
    lora = next(row for row in rows if row["method"] == "lora")
    assert lora["verdicts"]["t4"] == "does not fit"
    assert lora["verdicts"]["h200"] == "fits"
    models = told(capsys, "llama-3.1-8b --models --quant nf4")
    assert len({row["model"] for row in models}) == len(models) > 30
    assert "h200" in printed(capsys, "llama-3.1-8b --methods").splitlines()[0]


def test_the_largest_that_fits_is_asked_for_in_one_word(capsys):
    largest = told(capsys, "llama-3.2-1b --largest --hardware rtx-4090")["largest"]
    more = f"llama-3.2-1b --hardware rtx-4090 --batch {largest['batch'] + 1}"
    assert largest["batch"] > 1
    assert told(capsys, more)["fits"] is False
    assert "smallest_device" in printed(capsys, "llama-3.2-1b --largest")


def test_published_runs_stand_beside_their_forecasts(capsys):
    rows = told(capsys, "--check")
    assert {"litgpt", "peft", "torchtune", "qlora"} <= {row["document"] for row in rows}
    assert "explained" in printed(capsys, "--check").splitlines()[0]


def test_exports_hold_the_same_numbers(capsys):
    found = told(capsys, "llama-2-7b --quant nf4")
    rows = dict(csv.reader(io.StringIO(printed(capsys, "llama-2-7b --quant nf4 --csv"))))
    assert int(rows["memory.total"]) == found["memory"]["total"]
    assert int(rows["trainable.total"]) == found["trainable"]["total"]
    assert "| trained | 4,194,304 |" in printed(capsys, "llama-2-7b --quant nf4 --markdown")


def test_the_script_is_a_program(capsys):
    source = printed(capsys, "llama-3.2-1b --method qlora --script")
    compile(source, "plan.py", "exec")
    assert "BitsAndBytesConfig" in source


@pytest.mark.alone
def test_the_whole_command_takes_well_under_a_second():
    line = [sys.executable, "-m", "explorer", "budget", "llama-3.1-70b", "--json"]
    times = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run(line, capture_output=True, text=True, check=True)
        times.append(time.perf_counter() - start)
    assert json.loads(done.stdout)["params"]["total"] == 70_553_706_496
    assert min(times) < 1


@pytest.mark.parametrize("device", ["rtx-4090", "ryzen-9-7950x", "apple-m2-ultra-192gb"])
@pytest.mark.parametrize("method", ["qlora", "lora", "full", "llama-adapter-v1"])
@pytest.mark.parametrize("mode", ["training", "inference"])
def test_the_command_line_and_the_page_plan_the_same(capsys, mode, method, device):
    line = f"llama-3.1-8b --method {method} --hardware {device}"
    found = told(capsys, f"{line} --inference" if mode == "inference" else line)["plan"]
    form = {"model": "llama-3.1-8b", "method": method, "hardware": device, "mode": mode}
    page = read_plan(load_catalogue(), form)
    assert found == page.model_dump(mode="json", exclude={"architecture"}, exclude_none=True)


def test_a_row_of_the_matrix_is_what_the_method_alone_is(capsys):
    line = "llama-3.1-8b --quant nf4 --hardware rtx-4090"
    for row in told(capsys, f"{line} --methods"):
        words = f"{line} --method {row['method']}".split()
        if row["total"] is None and row["trainable"] is None:
            assert row["reason"] in refused(capsys, *words)
            continue
        alone = told(capsys, " ".join(words))
        assert row["reason"] == (" ".join(alone["obstacles"]) or None)
        if not alone["obstacles"]:
            assert row["total"] == alone["memory"]["total"]
            assert row["verdicts"]["rtx-4090"] == alone["verdict"]


def test_methods_have_their_own_recipe_in_the_matrix(capsys):
    rows = {row["method"]: row for row in told(capsys, "llama-3.1-8b --methods")}
    assert rows["qlora"]["total"] < 0.7 * rows["lora"]["total"]
    rows = {row["method"]: row for row in told(capsys, "llama-3.1-8b --method qlora --methods")}
    assert rows["full"]["total"] > rows["lora"]["total"] > rows["qlora"]["total"]


def test_the_matrix_says_of_how_many_devices_it_speaks(capsys):
    line = "llama-3.1-8b --models --devices 8 --sharding fsdp"
    assert "\non each of 8 devices\n" in printed(capsys, line)
    assert "on each of" not in printed(capsys, "llama-3.1-8b --models")


def test_copies_in_inference_are_told_as_copies(capsys):
    text = printed(capsys, "llama-3.1-8b --inference --quant q8_0 --hardware rtx-4090 --devices 8")
    assert "98 tokens a second for each sequence, 788 together" in text
    assert "none of them sooner" in text
    sentence = refused(
        capsys, "llama-3.1-8b", "--inference", "--sharding", "fsdp", "--devices", "2"
    )
    assert "sharding = fsdp is for training" in sentence
