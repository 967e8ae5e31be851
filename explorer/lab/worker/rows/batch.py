"""A LLaMA's forward pass for a batch of adapters over one base, with a cache of its own."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from explorer.lab.worker.rows.attention import RowAttention
from explorer.lab.worker.rows.cache import Grown, SegmentCache
from explorer.lab.worker.rows.form import NoRowFormError, RowForm
from explorer.lab.worker.rows.linears import RowLinears, stacked
from explorer.lab.worker.rows.segments import Segment, kept_segments, segments_of


class RowNorm:
    """A root-mean-square norm whose weight is each row's own where a row has one."""

    def __init__(self, norm: nn.Module, weights: Sequence[Tensor | None]) -> None:
        self.norm = norm
        self.weight: Tensor | None = None
        if any(weight is not None for weight in weights):
            own = [norm.weight if weight is None else weight for weight in weights]
            self.weight = stacked(own, norm.weight.dtype)

    def __call__(self, x: Tensor) -> Tensor:
        if self.weight is None and x.shape[0] == 1:
            return self.norm(x)
        # the same steps as the module's, so that a row without a weight is the base bit for bit
        wide = x.to(torch.float32)
        variance = wide.pow(2).mean(-1, keepdim=True)
        normed = (wide * torch.rsqrt(variance + self.norm.variance_epsilon)).to(x.dtype)
        return normed.mul_(self.norm.weight if self.weight is None else self.weight)


class RowLayer:
    """One layer of the base with the forms of every row."""

    def __init__(self, layer: nn.Module, index: int, forms: Sequence[RowForm]) -> None:
        name = f"model.layers.{index}."
        self.attention = RowAttention(layer.self_attn, index, forms)
        self.before, self.between = (
            RowNorm(getattr(layer, part), [form.norms.get(name + part) for form in forms])
            for part in ("input_layernorm", "post_attention_layernorm")
        )
        self.activation = layer.mlp.act_fn
        self.into, self.out_of = (
            RowLinears(
                [getattr(layer.mlp, part) for part in parts],
                [[form.linears.get(f"{name}mlp.{part}") for form in forms] for part in parts],
            )
            for parts in (("gate_proj", "up_proj"), ("down_proj",))
        )

    def __call__(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor],
        segments: Sequence[Segment],
        caches: Sequence[SegmentCache],
        shares: Grown,
        padding: Tensor | None,
    ) -> Tensor:
        x = x + self.attention(self.before(x), rotation, segments, caches, shares, padding)
        gate, up = self.into(self.between(x)).chunk(2, dim=-1)
        return x + self.out_of(self.activation(gate).mul_(up))

    def tensors(self) -> Iterator[Tensor]:
        """What was stacked."""
        for part in (self.attention, self.into, self.out_of):
            yield from part.tensors()
        yield from (n.weight for n in (self.before, self.between) if n.weight is not None)


class RowBatch:
    """Rows that decode together: `prefill` with the prompt, then `step` by step.

    The base's modules and weights are read and never changed. Raises NoRowFormError for a base
    that is no LlamaForCausalLM.
    """

    def __init__(self, base: LlamaForCausalLM, forms: Sequence[RowForm]) -> None:
        if type(base) is not LlamaForCausalLM:
            raise NoRowFormError(
                f"A batch of adapters runs over a LlamaForCausalLM, not a {type(base).__name__}."
            )
        self.base = base
        self.forms: list[RowForm] = []
        self.layers: list[RowLayer] = []
        self.segments: list[list[Segment]] = []
        self.caches: list[list[SegmentCache]] = []
        self.shares: list[Grown] = []  # of the layers' extra keys; empty where there are none
        self.length = 0  # positions of text in the cache
        self.padding: Tensor | None = None  # [B], places of each row's text that hold none
        self._stack(list(forms))
        self.segments = [segments_of(self.forms, index) for index in range(len(self.layers))]
        self._enter()

    def _stack(self, forms: list[RowForm]) -> None:
        """Stack what the rows add; done again when a row leaves, a layer at a time in place."""
        self.forms = forms
        model = self.base.model
        for index, layer in enumerate(model.layers):
            self.layers[index : index + 1] = [RowLayer(layer, index, forms)]
        self.norm = RowNorm(model.norm, [form.norms.get("model.norm") for form in forms])
        self.head = RowLinears(
            [self.base.lm_head], [[form.linears.get("lm_head") for form in forms]]
        )
        prefixes = [form.prefix.length if form.prefix else 0 for form in forms]
        if len(set(prefixes)) == 1:  # one set of positions serves all rows
            prefixes = prefixes[:1]
        self.offsets = torch.tensor(prefixes, device=self.base.device)[:, None]

    def _enter(self) -> None:
        for layer, segments in zip(self.layers, self.segments, strict=True):
            layer.attention.enter(segments)

    @torch.inference_mode()
    def prefill(
        self, token_ids: Tensor, room: int = 0, chunk: int = 256, padding: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Read a prompt, a chunk at a time, with room for `room` more tokens.

        One [M] for every row, or each row's own [B, M], of which the first `padding` [B] places
        hold nothing.

        Yields the logits [B, V] after each chunk's last token; those of the last chunk are the
        answer's first. Between two chunks the caller may stop.
        """
        self._open_caches(token_ids.shape[-1] + room)
        self.padding = padding
        for part in token_ids.split(chunk, dim=-1):
            yield self.forward(part.expand(len(self.forms), -1))[:, -1]

    @torch.inference_mode()
    def step(self, token_ids: Tensor) -> Tensor:
        """One more token a row, [B]; the logits [B, V] of the next."""
        return self.forward(token_ids[:, None])[:, -1]

    @torch.inference_mode()
    def score(self, token_ids: Tensor) -> Tensor:
        """Logits [B, M, V] after every token of one text [M], without anything cached before."""
        self._open_caches(token_ids.shape[0])
        return self.forward(token_ids.expand(len(self.forms), -1), every=True)

    def forward(self, token_ids: Tensor, every: bool = False) -> Tensor:
        """Tokens [B, M] on top of the cache; logits [B, M or 1, V] of every or the last one."""
        x = self.base.model.embed_tokens(token_ids)
        here = torch.arange(self.length, self.length + token_ids.shape[1], device=x.device)
        positions = self.offsets + here
        if self.padding is not None:
            positions = (positions - self.padding[:, None]).clamp(min=0)
        rotation = self._rotation(x, positions)
        for index, layer in enumerate(self.layers):
            held = self.segments[index], self.caches[index], self.shares[index]
            x = layer(x, rotation, *held, self.padding)
        self.length += token_ids.shape[1]
        return self.head(self.norm(x if every else x[:, -1:]))

    def _rotation(self, x: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        cosines, sines = self.base.model.rotary_emb(x, positions)  # [1 or B, M, h]
        first, second = sines.chunk(2, dim=-1)
        return cosines[:, None], torch.cat((-first, second), dim=-1)[:, None]

    def _open_caches(self, room: int) -> None:
        self.length, self.padding = 0, None
        self.caches = [
            [SegmentCache(segment.prefix + room) for segment in segments]
            for segments in self.segments
        ]
        # shares are computed in float32, and kept in the type that keys are kept in
        self.shares = [Grown(room, self.base.dtype) for _ in self.layers]
        for index, (segments, caches) in enumerate(zip(self.segments, self.caches, strict=True)):
            for segment, cache in zip(segments, caches, strict=True):
                if segment.prefix:
                    prefixes = [form.prefix for form in self.forms[segment.rows]]
                    cache.put(
                        torch.stack([prefix.keys[index] for prefix in prefixes]),
                        torch.stack([prefix.values[index] for prefix in prefixes]),
                    )

    def keep(self, rows: list[int]) -> None:
        """Drop all rows but these, which are given in rising order."""
        if not rows:
            self.caches, self.shares, self.layers = [], [], []
            return
        if self.padding is not None:
            self.padding = self.padding[rows]
        for index, segments in enumerate(self.segments):
            left = []
            moved = kept_segments(segments, rows)
            for segment, after, cache in zip(segments, moved, self.caches[index], strict=True):
                if after is None:
                    continue
                own = [row - segment.start for row in rows if segment.start <= row < segment.stop]
                if len(own) < segment.stop - segment.start:
                    cache.keep(own)
                left.append((after, cache))
            self.segments[index] = [segment for segment, _ in left]
            self.caches[index] = [cache for _, cache in left]
        biases = [layer.attention.biases for layer in self.layers]
        starts = [old.start if old else 0 for old in biases]
        del biases  # or they would be held beside the new ones
        self._stack([self.forms[row] for row in rows])
        self._enter()
        for layer, start, shares in zip(self.layers, starts, self.shares, strict=True):
            new = layer.attention.biases
            shares.keep([row - start for row in rows[new.start : new.stop]] if new else [])

    def rewind(self, length: int) -> None:
        """Forget all positions of text but the first `length`."""
        for segments, caches in zip(self.segments, self.caches, strict=True):
            for segment, cache in zip(segments, caches, strict=True):
                cache.rewind(segment.prefix + length)
        for shares in self.shares:
            shares.length = min(shares.length, length)
        self.length = length

    @property
    def stack_bytes(self) -> int:
        """Bytes of what the adapters' tensors were stacked into."""
        stacks = [*self.head.tensors(), *(t for layer in self.layers for t in layer.tensors())]
        return sum(tensor.nbytes for tensor in stacks)

    @property
    def cache_bytes(self) -> int:
        """Bytes of all keys and values, the room for further tokens included."""
        keys_and_values = sum(cache.nbytes for caches in self.caches for cache in caches)
        return keys_and_values + sum(shares.nbytes for shares in self.shares)
