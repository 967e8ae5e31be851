"""Bytes of quantized weights: what bitsandbytes allocates, to the byte, and GGUF files by size."""

import bitsandbytes as bnb
import pytest
import torch
from bitsandbytes import functional
from transformers import BitsAndBytesConfig, LlamaForCausalLM
from transformers.integrations.bitsandbytes import replace_with_bnb_linear
from transformers.quantizers.base import get_keys_to_not_convert

from explorer.budget.gguf import gguf_parts
from explorer.budget.params import count_parameters
from explorer.budget.quantization import (
    BLOCK_SIZES,
    Quantization,
    four_bit_parts,
    int8_parts,
    is_quantized,
    weight_bytes,
)
from explorer.budget.sites import all_sites
from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import UnknownNameError
from tests.budget.meta import build, meta_model
from tests.budget.stepping import small, small_budget

HEAD = ("lm_head",)
MODELS = {
    model.id: model.architecture
    for model in load_catalogue().models.values()
    if model.architecture is not None
}
SHAPES = sorted(
    {
        (site.d_out, site.d_in)
        for arch in MODELS.values()
        for site in all_sites(arch)
        if is_quantized(site, HEAD)
    }
)
SMALL = [(1, 1), (3, 5), (7, 33), (64, 64), (100, 130), (256, 704), (1024, 2048), (512, 2048)]


def four_bit_bytes(weight, block, double, kind="nf4"):
    """Bytes of every tensor that bitsandbytes makes of a weight."""
    packed, state = functional.quantize_4bit(
        weight, blocksize=block, compress_statistics=double, quant_type=kind
    )
    tensors = [packed, state.absmax, state.code]
    if double:
        tensors += [state.offset, state.state2.absmax, state.state2.code]
    return sum(tensor.nbytes for tensor in tensors)


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("kind", ["nf4", "fp4"])
def test_four_bits_weigh_what_bitsandbytes_allocates(kind, double):
    for rows, columns in SMALL:
        for block in BLOCK_SIZES:
            real = four_bit_bytes(torch.randn(rows, columns), block, double, kind)
            parts = four_bit_parts(rows * columns, block, double)
            assert sum(parts.values()) == real, (rows, columns, block)


@pytest.mark.parametrize("double", [False, True])
def test_every_layer_of_every_model_weighs_what_bitsandbytes_would_allocate(double):
    assert len(SHAPES) > 40
    for shape in SHAPES:  # on the meta device, by bitsandbytes' own rules for its kernels
        real = four_bit_bytes(torch.empty(shape, dtype=torch.bfloat16, device="meta"), 64, double)
        assert sum(four_bit_parts(shape[0] * shape[1], 64, double).values()) == real, shape


def test_eight_bits_weigh_what_bitsandbytes_allocates():
    for shapes, device in ((SMALL, "cpu"), (SHAPES, "meta")):
        for rows, columns in shapes:
            weight = torch.zeros(rows, columns, dtype=torch.float16, device=device)
            values, scales, _ = functional.int8_vectorwise_quant(weight)
            assert sum(int8_parts(columns, rows).values()) == values.nbytes + scales.nbytes


@pytest.mark.parametrize(
    "model", ["llama-3.2-1b", "llama-2-7b", "llama-3.2-11b-vision", "llama-4-scout-17b-16e"]
)
def test_the_modules_that_are_quantized_are_those_that_transformers_replaces(model):
    arch = MODELS[model]
    config = BitsAndBytesConfig(load_in_4bit=True)
    model = meta_model(arch)
    kept = get_keys_to_not_convert(model)
    with torch.device("meta"):
        swapped = replace_with_bnb_linear(model, kept, quantization_config=config)
    real = {name for name, part in swapped.named_modules() if isinstance(part, bnb.nn.Linear4bit)}
    assert {site.path for site in all_sites(arch) if is_quantized(site, HEAD)} == real


def loaded(folder, **settings):
    """The model of a folder as transformers loads it, and the bytes that it holds."""
    model = LlamaForCausalLM.from_pretrained(
        folder, quantization_config=BitsAndBytesConfig(**settings), dtype=torch.bfloat16
    )
    held = sum(tensor.nbytes for tensor in {id(p): p for p in model.parameters()}.values())
    for module in model.modules():
        state = getattr(module.weight, "quant_state", None) if hasattr(module, "weight") else None
        if state is not None:
            held += state.absmax.nbytes + state.code.nbytes
            if state.nested:
                held += state.offset.nbytes + state.state2.absmax.nbytes + state.state2.code.nbytes
        elif isinstance(module, bnb.nn.Linear8bitLt) and hasattr(module.weight, "SCB"):
            held += module.weight.SCB.nbytes
    return model, held


@pytest.mark.parametrize(
    ("settings", "ours"),
    [
        (
            {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
            Quantization("nf4"),
        ),
        (
            {"load_in_4bit": True, "bnb_4bit_quant_type": "fp4", "bnb_4bit_use_double_quant": True},
            Quantization("fp4", double=True),
        ),
        ({"load_in_8bit": True}, Quantization("int8")),
    ],
)
def test_a_model_that_transformers_loads_weighs_what_is_forecast(tmp_path, settings, ours):
    arch = small(tie_word_embeddings=True)
    build(arch).to(torch.bfloat16).save_pretrained(tmp_path)
    assert weight_bytes(arch, ours).total == loaded(tmp_path, **settings)[1]


# A path's end, a module that it leads through, and what is neither.
SKIPPED = [
    (),
    ("q_proj",),
    ("lm_head", "down_proj"),
    ("proj",),
    ("model.layers.1",),
    ("model.layers.1.mlp", "k_proj"),
]


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("skipped", SKIPPED, ids=str)
@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_modules_to_skip_are_those_that_transformers_leaves_alone(tmp_path, kind, skipped, tied):
    arch = small(tie_word_embeddings=tied)
    build(arch).to(torch.bfloat16).save_pretrained(tmp_path)
    settings = {"load_in_8bit": True}
    if kind == "nf4":
        settings = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    model, held = loaded(tmp_path, llm_int8_skip_modules=list(skipped), **settings)
    assert weight_bytes(arch, Quantization(kind, skipped=skipped)).total == held
    if tied:
        assert isinstance(model.lm_head, bnb.nn.Linear4bit | bnb.nn.Linear8bitLt) == (
            "lm_head" not in skipped
        )


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_tied_head_that_is_not_skipped_cannot_be_run(tmp_path):
    arch = small(tie_word_embeddings=True)
    build(arch).to(torch.bfloat16).save_pretrained(tmp_path)
    model, _ = loaded(tmp_path, load_in_4bit=True, llm_int8_skip_modules=["q_proj"])
    with pytest.raises(AssertionError):
        model(torch.ones(1, 4, dtype=torch.long))
    for skipped, runs in ((("q_proj",), False), (("q_proj", "lm_head"), True)):
        budget = small_budget(arch, method="lora", quantization="fp4", skipped_modules=skipped)
        assert any("add lm_head" in why for why in budget.obstacles) != runs
    untied = small_budget(small(), method="lora", quantization="fp4", skipped_modules=("q_proj",))
    assert not untied.obstacles


@pytest.mark.parametrize(("name", "nearest"), [("q_porj", "q_proj"), ("layers.0", "")])
def test_a_module_to_skip_that_there_is_not_is_refused(name, nearest):
    with pytest.raises(UnknownNameError, match=f"no module to skip '{name}'.*{nearest}"):
        small_budget(small(), method="lora", quantization="nf4", skipped_modules=("lm_head", name))
    small_budget(small(), method="lora", quantization="none", skipped_modules=(name,))


PLACES = ["llama-3.2-1b", "llama-3-8b", "llama-3.2-11b-vision", "llama-4-scout-17b-16e"]


@pytest.mark.parametrize("kind", ["none", "nf4", "int8", "gguf-q8_0", "gguf-q4_k_m", "gguf-q2_k"])
@pytest.mark.parametrize("model", PLACES)
def test_places_add_up_to_the_whole(model, kind):
    found = weight_bytes(MODELS[model], Quantization(kind))
    placed = sum(found.layers) + sum(found.experts) + found.ends
    images = sum(
        numbers
        for part, numbers in count_parameters(MODELS[model]).by_component.items()
        if part.startswith(("vision", "projector"))
    )
    if kind == "none" or not images:
        assert found.total - placed == 2 * images
    else:
        assert 0 < found.total - placed < 4 * images


# transformers and bitsandbytes, each layer shape quantized once and written down
@pytest.mark.parametrize(
    ("model", "double", "gib"),
    [
        ("llama-2-7b", False, 4_167_587_840 / 2**30),
        ("llama-3-8b", False, 6_027_761_664 / 2**30),
        ("llama-3.2-1b", False, 1_072_835_584 / 2**30),
        ("llama-3.2-3b", False, 2_373_814_528 / 2**30),
        ("llama-2-7b", True, 3.600),
        ("llama-3-8b", True, 5.311),
        ("llama-3.2-1b", True, 0.957),
        ("llama-3.2-3b", True, 2.089),
        ("llama-4-scout-17b-16e", False, 189.1),
    ],
)
def test_whole_models_weigh_what_was_measured(model, double, gib):
    found = weight_bytes(MODELS[model], Quantization("nf4", double=double))
    assert found.total / 2**30 == pytest.approx(gib, abs=0.0005 if gib < 100 else 0.05)


def test_llama_4s_experts_stay_and_a_sentence_says_why():
    found = weight_bytes(MODELS["llama-4-scout-17b-16e"], Quantization("nf4"))
    assert "96,636,764,160 parameters" in found.kept[0]
    assert "nn.Linear" in found.kept[0]
    assert found.by_part["not quantized"] > 2 * 96_636_764_160


def test_a_skipped_module_stays_as_it_is():
    arch = MODELS["llama-3-8b"]
    whole = weight_bytes(arch, Quantization("nf4"))
    part = weight_bytes(arch, Quantization("nf4", skipped=("lm_head", "q_proj")))
    saved = sum(four_bit_parts(4096 * 4096).values())
    assert part.total - whole.total == 32 * (4096 * 4096 * 2 - saved)
    assert part.kept[-1] == "Left alone as asked: q_proj."


# Files on the Hub: name, bytes. What a file has besides its tensors are its vocabulary and heading.
@pytest.mark.parametrize(
    ("model", "kind", "size", "vocabulary"),
    [
        ("llama-2-7b", "q4_k_m", 4_081_004_224, 741_056),  # TheBloke/Llama-2-7B-Chat-GGUF
        ("llama-2-7b", "q8_0", 7_161_089_728, 741_056),
        ("llama-2-7b", "q3_k_m", 3_298_004_672, 741_056),
        ("llama-3.1-8b", "q4_k_m", 4_920_739_232, 7_841_184),  # bartowski, 4,685 MiB of tensors
    ],
)
def test_gguf_files_have_the_size_of_their_tensors(model, kind, size, vocabulary):
    assert weight_bytes(MODELS[model], Quantization(f"gguf-{kind}")).total + vocabulary == size


def test_gguf_takes_other_blocks_where_rows_do_not_fill_them():
    fills = sum(gguf_parts(small(hidden_size=256, intermediate_size=512), "q4_k_m").values())
    parts = gguf_parts(small(hidden_size=256, intermediate_size=704), "q4_k_m")
    assert set(parts) == {"q4_k", "q5_0", "q6_k", "q8_0", "f32"}  # 704 is 2.75 blocks
    assert sum(parts.values()) > fills


def test_llama_4s_experts_are_quantized_in_gguf():
    whole = weight_bytes(MODELS["llama-4-scout-17b-16e"], Quantization("gguf-q4_k_m"))
    assert whole.total / whole.quantized_parameters * 8 == pytest.approx(4.94, abs=0.05)
