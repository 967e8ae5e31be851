"""Answers that stream together: the tokens of `generate`, fair draws, ends, groups by base."""

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import Llama4ForCausalLM, Llama4TextConfig, PreTrainedTokenizerFast

from explorer.lab.worker.rows import (
    Column,
    Finished,
    NoNumberError,
    Part,
    PromptError,
    Read,
    Request,
    Sampling,
    Token,
    decode,
)
from explorer.lab.worker.rows.lanes import make_lanes
from explorer.lab.worker.rows.sampling import SamplingError, draw
from explorer.lab.worker.rows.text import TextStream
from explorer.lab.worker.view import storages, view
from explorer.methods.attach import attach
from tests.lab.worker.rows_models import adapted, column, text, tiny_base
from tests.methods import contract

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
METHODS = (
    "lora",
    "llama-adapter-v1",
    "llama-adapter-v2",
    "llama-excitor",
    "prefix-tuning",
    "hra",  # has no row form
)


@pytest.fixture(scope="module")
def base():
    return tiny_base()


@pytest.fixture(scope="module")
def columns(base):
    return [Column("base", base), *(column(base, method) for method in METHODS)]


@pytest.fixture(scope="module")
def tokenizer():
    """Words w0 to w96, and nothing that ends an answer."""
    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(97)}, unk_token="w0"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words)


@pytest.fixture(scope="module")
def bytes_tokenizer():
    """One token a byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    model = models.BPE({letter: i for i, letter in enumerate(alphabet)}, [])
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def answers(columns, request, tokenizer):
    """{column: token ids}, and the events by kind."""
    events = list(decode(columns, request, tokenizer))
    told = {place: [] for place in range(len(columns))}
    for event in events:
        if isinstance(event, Token):
            told[event.column].append(event.token_id)
    return told, events


def without_end(base):
    base.generation_config.eos_token_id = None
    return base


def test_greedy_tokens_are_those_of_generate(base, columns, tokenizer):
    without_end(base)
    ids = text(11)
    told, _ = answers(columns, Request(ids.tolist(), Sampling(max_new_tokens=12)), tokenizer)
    for place, one in enumerate(columns):
        model = one.parts[0].model if one.parts else base
        generated = model.generate(
            input_ids=ids[None],
            attention_mask=torch.ones(1, 11, dtype=torch.long),
            max_new_tokens=12,
            do_sample=False,
            eos_token_id=-1,
        )
        assert told[place] == generated[0, -12:].tolist(), one.name
    assert len({tuple(tokens) for tokens in told.values()}) > 3  # the adapters do something


def test_the_penalty_on_repetition_is_that_of_generate(base, columns, tokenizer):
    without_end(base)
    ids = text(11)
    sampling = Sampling(max_new_tokens=12, repetition_penalty=1.7)
    told, _ = answers(columns[:3], Request(ids.tolist(), sampling), tokenizer)
    for place, one in enumerate(columns[:3]):
        model = one.parts[0].model if one.parts else base
        generated = model.generate(
            input_ids=ids[None],
            attention_mask=torch.ones(1, 11, dtype=torch.long),
            max_new_tokens=12,
            do_sample=False,
            repetition_penalty=1.7,
            eos_token_id=-1,
        )
        assert told[place] == generated[0, -12:].tolist(), one.name


def test_a_column_draws_the_same_whatever_stands_beside_it(base, columns, tokenizer):
    without_end(base)
    sampling = Sampling(temperature=1.3, top_p=0.9, top_k=40, max_new_tokens=10)
    request = Request(text().tolist(), sampling, seed=5)
    together, _ = answers(columns, request, tokenizer)
    for place, one in enumerate(columns):
        assert answers([one], request, tokenizer)[0][0] == together[place]
    again, _ = answers([columns[0], columns[0]], request, tokenizer)
    assert again[0] == again[1] == together[0]
    other = Request(text().tolist(), sampling, seed=6)
    assert answers(columns[:1], other, tokenizer)[0][0] != together[0]


@pytest.mark.parametrize("penalty", [1.0, 1.4])
def test_columns_with_prompts_of_their_own_answer_as_each_does_alone(
    base, columns, tokenizer, penalty
):
    without_end(base)
    own = tuple(text(length, seed=length).tolist() for length in (9, 3, 14, 9, 5, 11, 4))
    sampling = Sampling(max_new_tokens=10, repetition_penalty=penalty)
    together, _ = answers(columns, Request((), sampling, own=own, chunk=4), tokenizer)
    for place, one in enumerate(columns):
        expected, _ = answers([one], Request(own[place], sampling), tokenizer)
        assert together[place] == expected[0], one.name


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({}, 5),
        ({"top_k": 2}, 2),
        ({"top_p": 0.7}, 2),
        ({"top_p": 0.71}, 3),
        ({"top_p": 0.0}, 1),
        ({"top_k": 3, "top_p": 0.5}, 1),  # 0.5 / 0.85 reaches it already
    ],
)
def test_tokens_are_drawn_with_their_probabilities(settings, kept):
    probabilities = torch.tensor([0.1, 0.5, 0.15, 0.2, 0.05])
    logits = 2 * probabilities.log()[None]
    sampling = Sampling(temperature=2.0, **settings)
    grid = (torch.arange(2000, dtype=torch.float64) + 0.5) / 2000
    drawn = torch.tensor([draw(logits, sampling, u.item()).item() for u in grid])
    best = probabilities.topk(kept)
    expected = torch.zeros(5).scatter(0, best.indices, best.values / best.values.sum())
    shares = torch.bincount(drawn, minlength=5) / 2000
    torch.testing.assert_close(shares, expected, rtol=0, atol=1e-3)


def test_a_draw_never_falls_on_a_token_without_probability():
    logits = torch.tensor([[0.0, float("-inf"), 0.0, float("-inf")]])
    for uniform in (0.0, 0.4999, 0.5, 1 - 1e-16):
        for settings in ({}, {"top_p": 0.999999}, {"top_k": 3}):
            chosen = draw(logits, Sampling(temperature=1.0, **settings), uniform)
            assert chosen.item() in (0, 2)


def test_log_probabilities_and_alternatives_are_the_column_s_own(base, columns, tokenizer):
    without_end(base)
    ids = text()
    request = Request(ids.tolist(), Sampling(max_new_tokens=3, temperature=0.8), 3, alternatives=5)
    _, events = answers(columns, request, tokenizer)
    tokens = [event for event in events if isinstance(event, Token) and event.column == 2]
    whole = torch.cat((ids, torch.tensor([token.token_id for token in tokens])))
    with torch.no_grad():
        logits = columns[2].parts[0].model(input_ids=whole[None]).logits[0]
    expected = torch.log_softmax(logits[len(ids) - 1 : -1], dim=-1)
    for token, row in zip(tokens, expected, strict=True):
        assert token.logprob == pytest.approx(row[token.token_id].item(), abs=1e-4)
        best = row.topk(5)
        assert [i for i, _ in token.alternatives] == best.indices.tolist()
        told = torch.tensor([logprob for _, logprob in token.alternatives])
        torch.testing.assert_close(told, best.values, rtol=0, atol=1e-4)


def test_answers_end_each_in_its_own_way_and_the_others_go_on(base, columns, tokenizer):
    without_end(base)
    request = Request(text().tolist(), Sampling(max_new_tokens=12))
    free, _ = answers(columns, request, tokenizer)
    # a token that one column says ends it, a word that another says is a stop string
    end = next(t for t in free[1] if t not in free[0])
    base.generation_config.eos_token_id = [end, 1]
    word = next(t for t in free[3][1:] if t > 9 and t not in (*free[0], end))
    stop = f" w{word}"
    sampling = Sampling(max_new_tokens=12, stop=(stop,))
    told, events = answers(columns, Request(text().tolist(), sampling), tokenizer)
    reasons = {e.column: e.reason for e in events if isinstance(e, Finished)}
    texts = {e.column: e.text for e in events if isinstance(e, Finished)}
    assert reasons[0] == "length"
    assert told[0] == free[0]
    assert reasons[1] == "end"
    assert told[1] == free[1][: free[1].index(end) + 1]
    assert f"w{end}" not in texts[1].split()
    assert reasons[3] == "stop"
    assert stop not in texts[3]
    for place in range(len(columns)):  # every column's text is what its tokens said
        pieces = [e.text for e in events if isinstance(e, Token) and e.column == place]
        assert "".join(pieces) == texts[place]
        assert told[place] == free[place][: len(told[place])]


def test_characters_of_several_tokens_come_whole(bytes_tokenizer):
    said = "Zürich 🏔️ → łódź"
    stream = TextStream(bytes_tokenizer)
    pieces = [stream.add(i) for i in bytes_tokenizer.encode(said)] + [stream.finish()]
    assert "".join(pieces) == stream.text == said
    assert "\ufffd" not in "".join(pieces)
    assert "" in pieces


def test_a_character_that_is_never_finished_is_told_at_the_end(bytes_tokenizer):
    stream = TextStream(bytes_tokenizer)
    first = bytes_tokenizer.encode("é")[0]
    assert stream.add(first) == ""
    assert stream.finish() == "\ufffd"


def test_a_stop_string_over_several_tokens_leaves_no_trace(bytes_tokenizer):
    stream = TextStream(bytes_tokenizer, ["###", "\nQ:"])
    pieces = []
    for token in bytes_tokenizer.encode("a # b\n## c\nQ: d"):
        pieces.append(stream.add(token))
        if stream.stopped:
            break
    assert "".join(pieces) == stream.text == "a # b\n## c"
    assert stream.finish() == ""


def test_a_long_prompt_is_read_in_chunks_with_the_hand_back_between(base, columns, tokenizer):
    without_end(base)
    ids = text(40).tolist()
    told, events = answers(columns, Request(ids, Sampling(max_new_tokens=5), chunk=16), tokenizer)
    reads = [event for event in events if isinstance(event, Read)]
    assert [read.tokens for read in reads] == [16, 32, 40, 56, 72, 80]  # a batch, and one alone
    assert {read.of for read in reads} == {80}
    assert told == answers(columns, Request(ids, Sampling(max_new_tokens=5)), tokenizer)[0]


@pytest.mark.parametrize(
    ("length", "sentence"),
    [
        (0, "The prompt is empty: there is nothing to continue."),
        (128, "The prompt has 128 tokens, and this base takes at most 127."),
    ],
)
def test_a_prompt_that_cannot_be_answered_is_refused(base, tokenizer, length, sentence):
    with pytest.raises(PromptError) as refusal:
        next(decode([Column("base", base)], Request([5] * length), tokenizer))
    assert str(refusal.value) == sentence


def test_an_answer_ends_where_the_base_has_no_more_positions(base, tokenizer):
    without_end(base)
    _, events = answers([Column("base", base)], Request(text(120).tolist()), tokenizer)
    assert events[-1].tokens == 8
    assert events[-1].reason == "length"


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"temperature": -1}, r"temperature = -1: it takes a number from 0\.0 to 10\.0\."),
        ({"temperature": float("nan")}, "temperature = nan: it takes"),
        ({"top_p": 1.5}, r"top_p = 1\.5: it takes"),
        ({"max_new_tokens": 0}, "max_new_tokens = 0: it takes"),
        ({"stop": ("",)}, "A stop string is empty"),
    ],
)
def test_a_setting_out_of_range_is_refused(setting, sentence):
    with pytest.raises(SamplingError, match=sentence):
        Sampling(**setting)


def test_bases_in_different_precision_have_a_batch_each(base, tokenizer):
    four_bit = contract.ready("qlora")
    quantized = Part(contract.stir(attach(view(four_bit), "qlora", {"r": 4})).eval())
    columns = [
        Column("base", base),
        Column("base in 4 bits", four_bit),
        column(base, "lora"),
        Column("qlora", four_bit, (quantized,)),
    ]
    lanes = make_lanes(columns)
    assert sorted(sorted(lane.columns) for lane in lanes) == [[0, 2], [1, 3]]
    assert not any(lane.why_alone for lane in lanes)
    for one in (base, four_bit):
        without_end(one)
    ids = text()
    told, _ = answers(columns, Request(ids.tolist(), Sampling(max_new_tokens=6)), tokenizer)
    for place, model in ((1, four_bit), (3, quantized.model)):
        generated = model.generate(
            input_ids=ids[None],
            attention_mask=torch.ones(1, 9, dtype=torch.long),
            max_new_tokens=6,
            do_sample=False,
            eos_token_id=-1,
        )
        assert told[place] == generated[0, -6:].tolist()


def test_a_base_of_another_architecture_runs_its_columns_one_by_one(tokenizer):
    torch.manual_seed(0)
    sizes = contract.SIZES | {"intermediate_size_mlp": 64, "num_local_experts": 2}
    config = Llama4TextConfig(**sizes, num_experts_per_tok=1, attention_chunk_size=64)
    base = Llama4ForCausalLM(config).eval().requires_grad_(False)
    columns = [Column("base", base), column(base, "llama-adapter-v1"), column(base, "lora")]
    lanes = make_lanes(columns)
    assert [lane.columns for lane in lanes] == [[0], [1], [2]]
    assert lanes[0].why_alone == "A Llama4ForCausalLM runs its columns one by one."
    ids = text()
    for lane in lanes:
        one = columns[lane.columns[0]]
        with torch.no_grad():
            expected = (one.parts[0].model if one.parts else base)(input_ids=ids[None]).logits
        torch.testing.assert_close(lane.runner.score(ids), expected, rtol=0, atol=1e-4)


def test_the_base_is_held_once_and_the_caches_are_as_long_as_needed(base):
    columns = [Column(str(i), base) for i in range(5)] + [column(base, "lora")]
    (lane,) = make_lanes(columns)
    list(lane.runner.prefill(text(20), room=30))
    held = {storage.data_ptr() for storage in storages(base)}
    for one in columns[5].parts:
        shared = [p for n, p in one.model.named_parameters() if "lora" not in n]
        assert all(p.untyped_storage().data_ptr() in held for p in shared)
    caches = sum(cache.nbytes for caches in lane.runner.caches for cache in caches)
    heads, width, layers = 2, 16, 3
    assert caches == 6 * layers * 2 * heads * width * (20 + 30) * 4


def test_columns_may_share_an_adapter(base, tokenizer):
    without_end(base)
    model = adapted(base, "llama-adapter-v2")
    columns = [Column(str(s), base, (Part(model, s),)) for s in (0.0, 1.0, 1.0, 2.0)]
    request = Request(text().tolist(), Sampling(max_new_tokens=8))
    told, _ = answers([*columns, Column("base", base)], request, tokenizer)
    assert told[0] == told[4]
    assert told[1] == told[2]
    assert told[1] != told[3]


def test_a_column_that_overflows_is_named_instead_of_told_as_numbers(base, tokenizer):
    huge = column(base, "lora")
    for name, parameter in huge.parts[0].model.named_parameters():
        if "lora_" in name:
            parameter.data.fill_(3e38)
    with pytest.raises(NoNumberError, match=r"'lora' gives no numbers at token 1"):
        answers([Column("b", base), huge], Request(text().tolist()), tokenizer)


def test_a_column_with_a_long_prompt_does_not_cut_the_others_short(base, tokenizer):
    positions = base.config.max_position_embeddings
    own = ([5] * (positions - 4), [5, 6, 7])
    request = Request((), Sampling(max_new_tokens=20), own=own)
    together = list(decode([Column("a", base), Column("b", base)], request, tokenizer))
    tokens = {event.column: event.tokens for event in together if isinstance(event, Finished)}
    alone = Request(own[1], Sampling(max_new_tokens=20))
    expected = [e.token_id for e in decode([Column("b", base)], alone, tokenizer)
                if isinstance(e, Token)]  # fmt: skip
    assert tokens[0] <= 4
    assert tokens[1] == len(expected) > 4
    assert [e.token_id for e in together if isinstance(e, Token) and e.column == 1] == expected


@pytest.mark.parametrize("temperature", [5e-324, 1e-39, 1e-12])
@pytest.mark.parametrize("limits", [{}, {"top_p": 0.9}, {"top_k": 5}])
def test_the_smallest_temperature_is_greedy(temperature, limits):
    logits = torch.randn(4, 600) * 5
    chosen = draw(logits, Sampling(temperature=temperature, **limits), 0.7)
    assert torch.equal(chosen, logits.argmax(dim=-1))
