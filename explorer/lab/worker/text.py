"""Prompts and answers to token ids: the chat template, and which tokens the loss counts."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerBase

from explorer.catalogue.errors import ExplorerError

IGNORED = -100  # the label of a token that the loss does not count
MARK = "\ue000{}\ue001"  # private-use characters: they stand in for a message's text

Message = dict[str, str]


@dataclass(frozen=True)
class Encoded:
    """One training row: prompt and answer, the answer beginning at `answer_start`."""

    input_ids: tuple[int, ...]
    answer_start: int

    @property
    def labels(self) -> tuple[int, ...]:
        """The token at each place, IGNORED where it belongs to the prompt."""
        return (IGNORED,) * self.answer_start + self.input_ids[self.answer_start :]


def messages_of(prompt: str, system: str | None, history: Sequence[Message] = ()) -> list[Message]:
    """A conversation that ends with a question.

    `system` opens it, unless the history brings its own system message.
    """
    begun = bool(history) and history[0]["role"] == "system"
    opening = [] if system is None or begun else [{"role": "system", "content": system}]
    return [*opening, *history, {"role": "user", "content": prompt}]


def encode_prompt(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[int]:
    """Ids of the conversation up to where the assistant's answer begins.

    Text that looks like a special token (`<|im_end|>`) stays text: it cannot end a turn.
    """
    # `all_special_tokens` lists a few of them: not those of code, of issues, of notebooks
    added = tokenizer.added_tokens_decoder.values()
    special = {*filter(None, tokenizer.all_special_tokens)}
    special |= {token.content for token in added if token.special}
    if not any(token in message["content"] for message in messages for token in special):
        return _ids(tokenizer, render(tokenizer, messages))
    marked = [
        {**message, "content": MARK.format(number)} for number, message in enumerate(messages)
    ]
    rest, ids = render(tokenizer, marked), []
    for number, message in enumerate(messages):
        before, _, rest = rest.partition(MARK.format(number))
        ids += _ids(tokenizer, before)
        ids += _ids(tokenizer, message["content"], split_special_tokens=True)
    return ids + _ids(tokenizer, rest)


def encode_row(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    answer: str,
    max_length: int,
) -> Encoded:
    """Prompt and answer as one sequence that ends with the template's end of turn.

    Raises ExplorerError with the length where the sequence is longer than `max_length`.
    """
    prompt = encode_prompt(tokenizer, messages)
    ids = (*prompt, *_answer_ids(tokenizer, messages, answer))
    return _limited(Encoded(ids, len(prompt)), max_length)


def encode_plain(tokenizer: PreTrainedTokenizerBase, text: str, max_length: int) -> Encoded:
    """Text without a template: every token but the first is learnt, and the end of the text."""
    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    ids = (*start, *_ids(tokenizer, text, split_special_tokens=True), tokenizer.eos_token_id)
    return _limited(Encoded(ids, 1), max_length)


def _limited(row: Encoded, max_length: int) -> Encoded:
    if len(row.input_ids) > max_length:
        raise ExplorerError(
            f"it has {len(row.input_ids):,} tokens, more than max_length = {max_length:,}."
        )
    return row


def render(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> str:
    """The text that the assistant's answer follows. Bases without a template get plain lines."""
    if not tokenizer.chat_template:
        return (tokenizer.bos_token or "") + "".join(f"{m['content']}\n" for m in messages)
    return tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)


def end_ids(tokenizer: PreTrainedTokenizerBase, model: torch.nn.Module) -> set[int]:
    """Tokens that end an answer: the tokenizer's and those of the generation settings."""
    settings = getattr(model, "generation_config", None)
    told = getattr(settings, "eos_token_id", None)
    listed = told if isinstance(told, list) else [told]
    return {token for token in [*listed, tokenizer.eos_token_id] if token is not None}


def _answer_ids(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], answer: str
) -> list[int]:
    """The answer as the template writes it behind the prompt, up to the end of turn."""
    prompt, following = render(tokenizer, messages), answer
    if tokenizer.chat_template:
        reply = {"role": "assistant", "content": answer}
        whole = tokenizer.apply_chat_template([*messages, reply], tokenize=False)
        if whole.startswith(prompt):
            following = whole[len(prompt) :]
    ids = _ids(tokenizer, following)
    end = tokenizer.eos_token_id
    return [*ids[: ids.index(end) if end in ids else len(ids)], end]


def _ids(
    tokenizer: PreTrainedTokenizerBase, text: str, split_special_tokens: bool = False
) -> list[int]:
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=split_special_tokens)
    return encoded["input_ids"]


@dataclass(frozen=True)
class Batch:
    """Rows padded on the right. Only the last `kept` places can hold answer tokens' logits."""

    input_ids: torch.Tensor  # [B, M]
    attention_mask: torch.Tensor  # [B, M], 1 where a row has a token
    labels: torch.Tensor  # [B, kept]: what the logits at places M - kept … M - 1 predict
    kept: int
    tokens: int

    @property
    def size(self) -> tuple[int, int]:
        """Places, and places with logits: what memory grows with."""
        return self.input_ids.numel(), self.input_ids.shape[0] * self.kept


def collate(rows: Sequence[Encoded], pad_id: int, device: torch.device) -> Batch:
    """Rows as one batch, padded to the longest."""
    longest = max(len(row.input_ids) for row in rows)
    kept = longest - min(row.answer_start for row in rows) + 1

    def padded(values: Sequence[int], filler: int) -> list[int]:
        return [*values, *[filler] * (longest - len(values))]

    ids = torch.tensor([padded(row.input_ids, pad_id) for row in rows], device=device)
    mask = torch.tensor([padded([1] * len(row.input_ids), 0) for row in rows], device=device)
    # Nothing follows the last place.
    following = [padded((*row.labels[1:], IGNORED), IGNORED) for row in rows]
    labels = torch.tensor(following, device=device)[:, longest - kept :]
    return Batch(ids, mask, labels, kept, int(mask.sum()))


def batches(count: int, size: int, seed: int) -> Iterator[list[int]]:
    """Row numbers of one batch after another, for ever: a new shuffle each time through.

    The order depends on the number of rows and the seed alone, so all methods see the same.
    """
    shuffler = random.Random(seed)
    waiting: list[int] = []
    while True:
        while len(waiting) < size:
            waiting += shuffler.sample(range(count), count)
        yield waiting[:size]
        waiting = waiting[size:]


def pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """A token to pad with; the attention mask hides it, so any will do."""
    return tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
