"""A column by its own forward pass, for what has no row form; same steps as `RowBatch`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import Cache, DynamicCache, PreTrainedModel

from explorer.lab.worker.decode import autocast
from explorer.lab.worker.rows.prefix import virtual_cache
from explorer.lab.worker.rows.storage import bare, same_storage


class Alone:
    """One sequence through a model of its own: a batch of one row.

    `model` may be a peft model, the base itself, or a model with weights of its own. Between the
    base (0) and the adapter (1), every module that differs from the base's is interpolated.
    """

    def __init__(self, model: nn.Module, base: PreTrainedModel, strength: float = 1.0) -> None:
        self.model, self.base, self.strength = model, base, strength
        self.virtual = isinstance(model, PeftModel) and model.active_peft_config.is_prompt_learning
        self.cache: Cache | None = None
        # weights that were trained whole are float32, beside a base that may have 16 bits
        whole = not isinstance(model, PeftModel) and model is not base
        self.precision = autocast(model) if whole else nullcontext()

    @torch.inference_mode()
    def prefill(
        self, token_ids: Tensor, room: int = 0, chunk: int = 256, padding: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Read the prompt [M], a chunk at a time; the logits [1, V] after each chunk."""
        self.cache = self._new_cache()
        for part in token_ids.split(chunk):
            yield self._forward(part[None])[:, -1]

    @torch.inference_mode()
    def step(self, token_ids: Tensor) -> Tensor:
        """One more token, [1]; the logits [1, V] of the next."""
        return self._forward(token_ids[:, None])[:, -1]

    @torch.inference_mode()
    def score(self, token_ids: Tensor) -> Tensor:
        """Logits [1, M, V] after every token of a text [M]."""
        self.cache = self._new_cache()
        return self._forward(token_ids[None], logits_to_keep=0)

    def keep(self, rows: list[int]) -> None:
        """Free the cache when the one row is not among those to keep."""
        if not rows:
            self.cache = None

    def _new_cache(self) -> Cache:
        if self.virtual:
            return virtual_cache(self.model, self.base)
        return DynamicCache(config=self.base.config)

    def _forward(self, token_ids: Tensor, logits_to_keep: int = 1) -> Tensor:
        # what virtual tokens do stands in the cache; peft would put them in front of every step
        model = bare(self.model) if self.virtual else self.model
        with interpolated(self.model, self.base, self.strength), self.precision:
            output = model(
                input_ids=token_ids,
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=logits_to_keep,
            )
        return output.logits


@contextmanager
def interpolated(
    model: nn.Module,
    base: PreTrainedModel,
    strength: float,
    others: Sequence[tuple[nn.Module, float]] = (),
) -> Iterator[None]:
    """Run `model` with every module on the way from the base's output to its own.

    For all that changes a weight W₀ to W₁ this is the weight W₀ + strength · (W₁ - W₀). What
    `others` change is added, each at its own strength.
    """
    handles = []
    if strength != 1.0 or others:
        own, more = bare(model), [(bare(other), share) for other, share in others]
        leaves = [(n, m) for n, m in base.named_modules() if not next(m.children(), None)]
        for name, shared in leaves:
            mine = own.get_submodule(name)
            added = [(part.get_submodule(name), share) for part, share in more]
            if any(_differs(one, shared) for one in (mine, *(part for part, _ in added))):
                handles.append(mine.register_forward_hook(_towards(shared, strength, added)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _differs(module: nn.Module, shared: nn.Module) -> bool:
    if type(module) is not type(shared):
        return True
    pairs = zip(module.parameters(), shared.parameters(), strict=True)
    return not all(same_storage(one, other) for one, other in pairs)


def _towards(shared: nn.Module, strength: float, others: Sequence[tuple[nn.Module, float]]) -> Any:
    def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        plain = shared(args[0])
        changed = torch.lerp(plain, output.to(plain.dtype), strength)
        return changed + sum(share * (other(args[0]) - plain) for other, share in others)

    return hook
