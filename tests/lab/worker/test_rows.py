"""Rows of one batch against each model by itself: logits, tokens, mixes, strength, the base."""

import pytest
import torch

from explorer.lab.worker.rows import Column, Part
from explorer.lab.worker.rows.lanes import make_lanes
from explorer.lab.worker.rows.padding import left_padded
from explorer.lab.worker.rows.storage import bare
from explorer.methods import registry
from tests.lab.worker.rows_models import adapted, alone, column, text, tiny_base

CLOSE = 1e-4  # of logits, in float32
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),  # what peft says of defaults and extensions
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
AS_ROWS = {
    "adalora",
    "adaption-prompt",
    "beft",
    "cartridge",
    "cpt",
    "ia3",
    "llama-adapter-v1",
    "llama-adapter-v2",
    "llama-excitor",
    "ln-tuning",
    "lora",
    "norms-and-biases",
    "p-tuning",
    "prefix-tuning",
    "prompt-tuning",
    "qlora",
}
KINDS = [
    ("lora", {}),
    ("lora", {"target_modules": ("q_proj", "o_proj", "down_proj"), "r": 3}),
    ("lora", {"use_dora": True}),
    ("lora", {"use_rslora": True, "r": 5}),
    ("llama-adapter-v1", {"adapter_len": 3}),
    ("llama-adapter-v1", {"adapter_len": 5, "adapter_layers": 1, "gate_activation": "none"}),
    ("llama-adapter-v2", {}),
    ("llama-adapter-v2", {"variant": "paper", "adapter_len": 4, "r": 2}),
    ("llama-excitor", {"adapter_len": 5}),
    ("llama-excitor", {"adapter_len": 3, "adapter_layers": 3, "gate_per_head": False, "r": 2}),
    ("llama-excitor", {"per_head": False, "rotate": True, "activation": "tanh"}),
    ("ia3", {}),
    ("norms-and-biases", {}),
    ("prefix-tuning", {}),
    ("prompt-tuning", {}),
]


@pytest.fixture(scope="module")
def base():
    return tiny_base()


@pytest.fixture(scope="module")
def untouched(base):
    return {name: tensor.clone() for name, tensor in base.state_dict().items()}


def scored(columns, ids):
    """{place: logits [M, V]} of all columns run together."""
    together = {}
    for lane in make_lanes(columns):
        together |= dict(zip(lane.columns, lane.runner.score(ids), strict=True))
    return together


@pytest.mark.parametrize("method", registry.names())
def test_every_method_runs_beside_the_base_as_it_runs_alone(base, untouched, method):
    columns = [Column("base", base), column(base, method)]
    ids = text()
    lanes = make_lanes(columns)
    assert (len(lanes) == 1) == (method in AS_ROWS), [lane.why_alone for lane in lanes]
    together = scored(columns, ids)
    expected = alone(columns[1].parts[0].model, ids)
    torch.testing.assert_close(together[1], expected, rtol=0, atol=CLOSE)
    torch.testing.assert_close(together[0], alone(base, ids), rtol=0, atol=CLOSE)
    assert (expected - together[0]).abs().max() > 10 * CLOSE  # or the check would see nothing
    for name, tensor in base.state_dict().items():
        assert torch.equal(tensor, untouched[name]), name


@pytest.mark.parametrize("shape", ["mha", "gqa", "wide"])
def test_all_kinds_of_rows_at_once_are_what_each_is_alone(shape):
    base = tiny_base(shape)
    columns = [column(base, method, **knobs) for method, knobs in KINDS]
    columns.insert(4, Column("base", base))
    assert len(make_lanes(columns)) == 1
    ids = text()
    together = scored(columns, ids)
    for place, one in enumerate(columns):
        expected = alone(one.parts[0].model if one.parts else base, ids)
        torch.testing.assert_close(together[place], expected, rtol=0, atol=CLOSE, msg=one.name)


def test_the_base_alone_is_the_untouched_model_bit_for_bit(base):
    ids = text()
    assert torch.equal(scored([Column("base", base)], ids)[0], alone(base, ids))


def test_token_by_token_gives_what_the_whole_text_gives(base):
    columns = [column(base, method, **knobs) for method, knobs in KINDS] + [Column("b", base)]
    (lane,) = make_lanes(columns)
    ids = text(14)
    whole = lane.runner.score(ids)
    *_, logits = lane.runner.prefill(ids[:10], chunk=4)
    torch.testing.assert_close(logits, whole[:, 9], rtol=0, atol=CLOSE)
    for place in range(10, 14):
        logits = lane.runner.step(ids[place].expand(len(columns)))
        torch.testing.assert_close(logits, whole[:, place], rtol=0, atol=CLOSE)


def test_prompts_of_different_lengths_give_what_each_gives_alone(base):
    columns = [column(base, method, **knobs) for method, knobs in KINDS] + [Column("b", base)]
    (lane,) = make_lanes(columns)
    prompts = [text(4 + 3 * (row % 4), seed=row) for row in range(len(lane.columns))]
    ids, padding = left_padded(prompts)
    *_, logits = lane.runner.prefill(ids, chunk=5, padding=padding)
    for step in range(2):
        for row, place in enumerate(lane.columns):
            one = columns[place]
            expected = alone(one.parts[0].model if one.parts else base, prompts[row])[-1]
            torch.testing.assert_close(logits[row], expected, rtol=0, atol=CLOSE, msg=one.name)
        if not step:
            following = torch.arange(3, 3 + len(prompts))
            prompts = [torch.cat((p, f[None])) for p, f in zip(prompts, following, strict=True)]
            logits = lane.runner.step(following)


def test_rewinding_forgets_the_text_after_and_nothing_else(base):
    columns = [Column("b", base), column(base, "prefix-tuning"), column(base, "llama-excitor")]
    (lane,) = make_lanes(columns)
    list(lane.runner.prefill(text(8)))
    step = text(1, seed=2).expand(3)
    first = lane.runner.step(step)
    lane.runner.step(text(1, seed=3).expand(3))
    lane.runner.rewind(8)
    torch.testing.assert_close(lane.runner.step(step), first)


def test_rows_that_leave_take_nothing_with_them(base):
    columns = [column(base, method, **knobs) for method, knobs in KINDS] + [Column("b", base)]
    (lane,) = make_lanes(columns)
    ids = text(14)
    whole = dict(zip(lane.columns, lane.runner.score(ids), strict=True))
    list(lane.runner.prefill(ids[:10]))
    for length, kept in ((10, range(1, 16)), (11, range(0, 15, 2)), (12, (2, 3, 5)), (13, (1,))):
        lane.keep(list(kept))
        logits = lane.runner.step(ids[length].expand(len(lane.columns)))
        for row, place in enumerate(lane.columns):
            expected = whole[place][length]
            torch.testing.assert_close(logits[row], expected, rtol=0, atol=CLOSE)
    lane.keep([])


@pytest.mark.parametrize(
    "method", ["lora", "hra", "ia3", "llama-adapter-v1", "llama-adapter-v2", "llama-excitor"]
)
def test_strength_goes_from_the_base_to_the_adapter_and_beyond(base, method):
    model = adapted(base, method)
    strengths = (0.0, 0.5, 1.0, 2.0)
    columns = [Column(str(s), base, (Part(model, s),)) for s in strengths]
    ids = text()
    logits = scored(columns, ids)
    assert (logits[0] - alone(base, ids)).abs().max() < 1e-5
    torch.testing.assert_close(logits[2], alone(model, ids), rtol=0, atol=CLOSE)
    far = [(logits[place] - logits[0]).norm() for place in range(4)]
    assert far[0] < far[1] < far[2] < far[3]


def test_half_strength_is_half_of_the_weights_change(base):
    for method in ("lora", "hra"):  # as a row, and alone
        model = adapted(base, method)
        halved = bare(adapted(base, "full"))
        merged = bare(adapted(base, method).merge_and_unload(safe_merge=True))
        own = dict(merged.named_parameters())
        for name, parameter in halved.named_parameters():
            parameter.data = torch.lerp(base.get_parameter(name), own[name], 0.5)
        ids = text()
        half = scored([Column("half", base, (Part(model, 0.5),))], ids)[0]
        torch.testing.assert_close(half, alone(halved, ids), rtol=0, atol=CLOSE)


def test_two_loras_mix_as_their_weights_add(base):
    one, other = adapted(base, "lora", seed=1), adapted(base, "lora", seed=2, r=3)
    mixed = adapted(base, "lora", seed=1)
    mixed.add_adapter("other", other.peft_config["default"])
    tensors = other.state_dict()
    for name, parameter in mixed.named_parameters():
        if ".other." in name:
            parameter.data = tensors[name.replace(".other.", ".default.")]
    mixed.add_weighted_adapter(["default", "other"], [0.7, 1.5], "sum", combination_type="cat")
    mixed.set_adapter("sum")
    ids = text()
    columns = [Column("sum", base, (Part(one, 0.7), Part(other, 1.5)))]
    torch.testing.assert_close(scored(columns, ids)[0], alone(mixed, ids), rtol=0, atol=CLOSE)


def test_what_does_not_add_up_is_not_mixed(base):
    parts = (Part(adapted(base, "lora")), Part(adapted(base, "ia3")))
    with pytest.raises(ValueError, match="Only adapters of plain LoRA matrices can be mixed"):
        make_lanes([Column("sum", base, parts)])


def test_virtual_tokens_have_no_strength_between(base):
    with pytest.raises(ValueError, match=r"it takes 0 or 1, and 0\.5 was asked"):
        make_lanes([column(base, "prefix-tuning", strength=0.5)])
