"""Self-attention of one layer for a batch of adapters.

Queries, keys and values of all rows come from one pass through the base's projections. The softmax
runs a segment of rows at a time (see `cache`), prompts beside it run for the rows that have any.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from explorer.lab.worker.rows.cache import Grown, SegmentCache
from explorer.lab.worker.rows.extra_keys import padding_mask, small_products, stack_biases
from explorer.lab.worker.rows.form import ExcitorForm, PromptForm, RowForm
from explorer.lab.worker.rows.linears import RowLinears
from explorer.lab.worker.rows.one_token import attend_one, worth_it
from explorer.lab.worker.rows.padding import padded_mask
from explorer.lab.worker.rows.segments import Segment

Rotation = tuple[Tensor, Tensor]  # cosines, and sines with the sign of the half they act on


@dataclass(frozen=True)
class Prompts:
    """Rows `start` to `stop`: keys, values [n, G, K, h], gate [n, H, 1, 1].

    mask [n, 1, 1, K], or None where all rows have as many. On a CPU keys and values are float32
    over a 16-bit base as well (see `small_products`).
    """

    start: int
    stop: int
    keys: Tensor
    values: Tensor
    gate: Tensor
    mask: Tensor | None


@dataclass(frozen=True)
class Excitors:
    """The extra keys of all rows of a segment, with the gate and the two inner products folded in.

    down [n, d, r]; scores [n, r, heads·K] gives the prompts' scores; values [n, heads, K, w] are
    the gated prompts, with heads and w as in `ExcitorForm`; mask [n, 1, 1, K] or None. On a CPU
    they are float32 over a 16-bit base as well (see `small_products`).
    """

    down: Tensor
    scores: Tensor
    values: Tensor
    mask: Tensor | None
    rotate: bool

    def extra_keys(self, x: Tensor, rotation: Rotation, head_dim: int) -> Tensor:
        """g·e for x [n, M, d], as [n, H, M, h] in x's type."""
        rows, heads, length, width = self.values.shape
        inner = torch.bmm(x.to(self.down.dtype), self.down)
        scores = torch.bmm(inner, self.scores).view(rows, -1, heads, length)
        scores = scores.transpose(1, 2)
        if self.mask is not None:
            scores = scores + self.mask
        shares = torch.softmax(scores, dim=-1).flatten(0, 1)
        extra = torch.bmm(shares, self.values.flatten(0, 1)).unflatten(0, (rows, heads))
        if width != head_dim:  # one attention over the full width
            extra = extra.view(rows, extra.shape[2], -1, head_dim).transpose(1, 2)
        return (rotate(extra, rotation) if self.rotate else extra).to(x.dtype).contiguous()


class RowAttention:
    """The attention of the base's layer `index` with the forms of every row."""

    def __init__(self, attention: nn.Module, index: int, forms: Sequence[RowForm]) -> None:
        self.heads = attention.config.num_attention_heads
        self.key_heads = attention.config.num_key_value_heads
        self.groups = attention.num_key_value_groups
        self.head_dim = attention.head_dim
        self.scaling = attention.scaling
        name = f"model.layers.{index}.self_attn."
        self.projections, self.output = (
            RowLinears(
                [getattr(attention, part) for part in parts],
                [[form.linears.get(name + part) for form in forms] for part in parts],
            )
            for parts in (("q_proj", "k_proj", "v_proj"), ("o_proj",))
        )
        self.prompts = stack_prompts([form.prompts.get(index) for form in forms])
        self.excitors = [form.excitors.get(index) for form in forms]
        self.biases = stack_biases(self.excitors, self.heads, self.scaling)
        self.stacks: list[Excitors | None] = []

    def enter(self, segments: Sequence[Segment]) -> None:
        """Stack the rotated extra keys of every segment that has them."""
        self.stacks = [
            stack_excitors(self.excitors[segment.rows], self.heads) if segment.excited else None
            for segment in segments
        ]

    def __call__(
        self,
        x: Tensor,
        rotation: Rotation,
        segments: Sequence[Segment],
        caches: Sequence[SegmentCache],
        shares: Grown,
        padding: Tensor | None = None,
    ) -> Tensor:
        """Normed hidden states [B, M, d] to the attention's output, the caches one step further.

        `shares` is the cache of `biases`. `padding` [B] are the places at the beginning of each
        row's text that hold none.
        """
        batch, length, _ = x.shape
        states = self.projections(x).view(batch, length, -1, self.head_dim).transpose(1, 2)
        turned = rotate(states[:, : self.heads + self.key_heads], rotation)
        query, key = turned[:, : self.heads], turned[:, self.heads :]
        value = states[:, self.heads + self.key_heads :]
        bias = None
        if self.biases is not None:
            bias = self.biases.bias(query, self.biases.read(x, shares))
        parts = []
        for segment, cache, extra in zip(segments, caches, self.stacks, strict=True):
            rows = segment.rows
            keys = key[rows]
            if extra is not None:
                turn = tuple(part[rows] if part.shape[0] > 1 else part for part in rotation)
                added = extra.extra_keys(x[rows], turn, self.head_dim)
                added = added.view(-1, self.key_heads, self.groups, length, self.head_dim)
                keys = (keys[:, :, None] + added).flatten(1, 2)
            keys, values = cache.put(keys, value[rows])
            past = keys.shape[2] - length
            if padding is not None:
                mask = padded_mask(length, past, segment.prefix, padding[rows])
            else:
                mask = causal_mask(length, past, x.device) if length > 1 and past else None
            if bias is not None and segment.start <= self.biases.start < segment.stop:
                parts += self._attend_biased(segment, query, keys, values, mask, bias)
            else:
                parts.append(self._attend(query[rows], keys, values, mask))
        heads = parts[0] if len(parts) == 1 else torch.cat(parts)
        if self.prompts is not None:
            self._add_prompts(heads, query)
        return self.output(heads.transpose(1, 2).reshape(batch, length, -1))

    def tensors(self) -> Iterator[Tensor]:
        """What was stacked."""
        yield from self.projections.tensors()
        yield from self.output.tensors()
        if self.biases is not None:
            yield from self.biases.tensors()
        if self.prompts is not None:
            yield from (self.prompts.keys, self.prompts.values, self.prompts.gate)
        for stack in self.stacks:
            if stack is not None:
                yield from (stack.down, stack.scores, stack.values)

    def _attend_biased(  # what an attention reads
        self,
        segment: Segment,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor | None,
        bias: Tensor,
    ) -> list[Tensor]:
        """The segment's attention with a bias on the scores of some of its rows.

        One token at a time it is one call, in which the others' bias is 0. With more tokens those
        rows are attended apart, as a bias for all of them would be as large as all their scores.
        """
        start, stop = self.biases.start - segment.start, self.biases.stop - segment.start
        own, (length, past) = query[segment.rows], (query.shape[2], keys.shape[2])
        if worth_it(own, keys):
            return [attend_one(own, keys, values, self.scaling, mask, bias, start)]
        if length == 1 and mask is None:
            whole = own.new_zeros(own.shape[0], self.heads, 1, past)
            whole[start:stop] = bias
            grouped = whole.view(own.shape[0], self.key_heads, self.groups, past)
            return [self._attend_by_groups(own, keys, values, grouped)]
        if mask is None:
            mask = causal_mask(length, past - length, own.device)
        parts = []
        for rows, added in (
            (slice(0, start), None),
            (slice(start, stop), bias),
            (slice(stop, None), None),
        ):
            if own[rows].shape[0] == 0:
                continue
            seen = mask[rows] if mask.ndim == 4 else mask
            if added is not None:
                seen = added.to(own.dtype).masked_fill(~seen, float("-inf"))
            parts.append(self._attend_whole(own[rows], keys[rows], values[rows], seen))
        return parts

    def _attend(self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        shape, dtype = query.shape, query.dtype
        if keys.shape[1] == values.shape[1] and worth_it(query, keys):
            return attend_one(query, keys, values, self.scaling, mask)
        if shape[2] == 1 and keys.shape[1] == values.shape[1]:
            return self._attend_by_groups(query, keys, values, mask)
        if keys.shape[1] != values.shape[1]:
            # one key a query head, values shared as in the base: each group of heads becomes a
            # sequence of its own, whose heads read the same values without copying them
            rows = shape[0] * self.key_heads
            query, keys = (
                states.reshape(rows, self.groups, -1, self.head_dim) for states in (query, keys)
            )
            if shape[2] == 1:
                wide = small_products(query.dtype, query.device)
                query, keys, values = (states.to(wide) for states in (query, keys, values))
            values = values.flatten(0, 1)[:, None].expand(-1, self.groups, -1, -1)
            if mask is not None and mask.ndim == 4:
                mask = mask.repeat_interleave(self.key_heads, dim=0)
        return self._attend_whole(query, keys, values, mask).reshape(shape).to(dtype)

    def _attend_whole(
        self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None
    ) -> Tensor:
        return scaled_dot_product_attention(
            query,
            keys,
            values,
            attn_mask=mask,
            is_causal=mask is None and query.shape[2] > 1,
            scale=self.scaling,
            enable_gqa=keys.shape[1] != query.shape[1],
        )

    def _attend_by_groups(
        self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None
    ) -> Tensor:
        """Attention without an order among the queries [n, H, M, h].

        Query heads that share keys stand as further queries of one head: a CPU's kernel takes its
        time by the head, several times as much as for a query.
        """
        grouped = query.reshape(query.shape[0], keys.shape[1], -1, self.head_dim)
        attended = scaled_dot_product_attention(
            grouped, keys, values, attn_mask=mask, scale=self.scaling
        )
        return attended.reshape(query.shape)

    def _add_prompts(self, heads: Tensor, query: Tensor) -> None:
        prompts = self.prompts
        rows = slice(prompts.start, prompts.stop)
        own, keys, values = query[rows], prompts.keys, prompts.values
        if worth_it(query, keys):
            beside = attend_one(own, keys, values, self.scaling, bias=prompts.mask)
        else:
            parts = (keys, values, prompts.mask)
            beside = self._attend_by_groups(
                own, *(p if p is None else p.to(own.dtype) for p in parts)
            )
        heads[rows].addcmul_(beside, prompts.gate)


def causal_mask(length: int, past: int, device: torch.device) -> Tensor:
    """[M, past + M], true where a token may look: all that is cached, and itself and before."""
    seen = torch.ones(length, past + length, dtype=torch.bool, device=device)
    return seen.tril(diagonal=past)


def rotate(states: Tensor, rotation: Rotation) -> Tensor:
    """Rotary positions of [B, heads, M, h]: the two halves of a head turn against each other."""
    cosines, signed_sines = rotation
    return states * cosines + states.roll(states.shape[-1] // 2, dims=-1) * signed_sines


def stack_prompts(forms: Sequence[PromptForm | None]) -> Prompts | None:
    """The prompts of all rows that have any, the rows between them with a gate of 0."""
    given = [row for row, form in enumerate(forms) if form is not None]
    if not given:
        return None
    start, stop = given[0], given[-1] + 1
    first, longest = forms[start], max(forms[row].keys.shape[1] for row in given)
    shape = (stop - start, first.keys.shape[0], longest, first.keys.shape[2])
    dtype = small_products(first.keys.dtype, first.keys.device)
    keys, values = (first.keys.new_zeros(shape, dtype=dtype) for _ in range(2))
    gate = first.gate.new_zeros(stop - start, first.gate.shape[0], 1, 1)
    lengths = [longest] * (stop - start)
    for row in given:
        form, place = forms[row], row - start
        lengths[place] = form.keys.shape[1]
        keys[place, :, : lengths[place]] = form.keys
        values[place, :, : lengths[place]] = form.values
        gate[place] = form.gate[:, None, None]
    return Prompts(start, stop, keys, values, gate, padding_mask(lengths, longest, keys))


def stack_excitors(forms: Sequence[ExcitorForm | None], heads: int) -> Excitors | None:
    """The extra keys of a segment, whose rows all have them or have none."""
    given = [form.rounded() for form in forms if form is not None]
    if not given:
        return None
    own_heads, _, width = given[0].prompt.shape
    ranks, lengths = [f.down.shape[0] for f in given], [f.prompt.shape[1] for f in given]
    rank, longest = max(ranks), max(lengths)
    like = given[0].prompt
    like = like.to(small_products(like.dtype, like.device))
    down = like.new_zeros(len(given), given[0].down.shape[1], rank)
    scores = like.new_zeros(len(given), rank, own_heads, longest)
    values = like.new_zeros(len(given), own_heads, longest, width)
    for row, form in enumerate(given):
        r, length = ranks[row], lengths[row]
        down[row, :, :r] = form.down.t()
        inner = torch.matmul(form.prompt, form.up.view(own_heads, width, r)) / width**0.5
        scores[row, :r, :, :length] = inner.permute(2, 0, 1)  # from [own heads, K, r]
        gate = form.gate.expand(heads).repeat_interleave(own_heads * width // heads)
        values[row, :, :length] = form.prompt * gate.view(own_heads, 1, width)
    return Excitors(
        down=down,
        scores=scores.flatten(2),
        values=values,
        mask=padding_mask(lengths, longest, like),
        rotate=given[0].rotate,
    )
