"""Token by token through any model or adapter: one batch, a KV cache, left padding."""

from collections.abc import Sequence
from typing import Any

import torch
from peft import PeftModel, PeftType
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import DynamicCache

CACHED_PROMPTS = (PeftType.PREFIX_TUNING, PeftType.CARTRIDGE)  # prompts that are keys and values


class Decoding:
    """A batch of sequences that grows a token at a time.

    Positions count a row's own tokens, so a padded row gives what it gives alone. Of peft's
    prompt-learning methods the virtual tokens go in once, before the first token: calling such a
    model again with a cache would put them in again.
    """

    def __init__(self, model: nn.Module, pad_id: int) -> None:
        self.model = model
        self.pad_id = pad_id
        self.cache: Any = None
        self.mask = torch.empty(0)  # [B, virtual + tokens so far], 0 at padding

    @torch.no_grad()
    def start(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Take the prompts in; returns the logits [B, V] of the first new token, float32."""
        device = next(self.model.parameters()).device
        longest = max(map(len, rows))
        ids = torch.tensor([[self.pad_id] * (longest - len(r)) + list(r) for r in rows])
        ids = ids.to(device)
        self.mask = torch.tensor([[0] * (longest - len(r)) + [1] * len(r) for r in rows])
        self.mask = self.mask.to(device)
        prompts = self._prompts()
        if prompts is None:
            return self._forward(ids.shape[1], 1, input_ids=ids)[:, -1]
        virtual = torch.ones(len(rows), prompts.num_virtual_tokens, dtype=torch.long)
        self.mask = torch.cat([virtual.to(device), self.mask], dim=1)
        if prompts.peft_type in CACHED_PROMPTS:
            self.cache = self.model.get_prompt(len(rows))
            return self._forward(ids.shape[1], 1, input_ids=ids)[:, -1]
        embedded = self.model.word_embeddings(ids)
        learnt = self.model.get_prompt(len(rows)).to(embedded.dtype)
        whole = torch.cat([learnt, embedded], dim=1)
        return self._forward(whole.shape[1], 1, inputs_embeds=whole)[:, -1]

    @torch.no_grad()
    def losses(self, first: Tensor, answers: Sequence[Sequence[int]]) -> Tensor:
        """Negative log-probability of every token of given answers, [sum of their lengths].

        `first` are the logits that `start` returned. The batch is afterwards where it was.
        """
        device, mask = first.device, self.mask
        longest = max(map(len, answers))
        ids = torch.tensor([[*a, *[self.pad_id] * (longest - len(a))] for a in answers])
        real = torch.tensor([[1] * len(a) + [0] * (longest - len(a)) for a in answers])
        ids, real = ids.to(device), real.to(device)
        logits = first[:, None]
        if longest > 1:
            self.mask = torch.cat([mask, real[:, :-1]], dim=1)
            later = self._forward(longest - 1, longest - 1, input_ids=ids[:, :-1])
            logits = torch.cat([logits, later], dim=1)
            self.cache.crop(1 - longest)  # takes the answers out again
            self.mask = mask
        chosen = real.bool()
        return cross_entropy(logits[chosen], ids[chosen], reduction="none")

    @torch.no_grad()
    def step(self, tokens: Tensor) -> Tensor:
        """Append one token [B] to every row; returns the logits [B, V] of the next."""
        self.mask = torch.cat([self.mask, torch.ones_like(tokens)[:, None]], dim=1)
        return self._forward(1, 1, input_ids=tokens[:, None])[:, -1]

    def _forward(self, new: int, kept: int, **inputs: Tensor) -> Tensor:
        """Take `new` places in; the logits [B, kept, V] of the last ones, float32."""
        if self.cache is None:
            self.cache = DynamicCache()
        positions = (self.mask.cumsum(dim=1) - 1).clamp(min=0)[:, -new:]
        causal = self.model.base_model if self._prompts() is not None else self.model
        with autocast(self.model):
            output = causal(
                **inputs,
                attention_mask=self.mask,
                position_ids=positions,
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=kept,
            )
        return output.logits.float()

    def _prompts(self) -> Any:
        """The active adapter's configuration where it is made of virtual tokens, else None."""
        if not isinstance(self.model, PeftModel):
            return None
        config = self.model.active_peft_config
        return config if config.is_prompt_learning else None


def autocast(model: nn.Module) -> torch.autocast:
    """Compute in the base's 16-bit type although what trains is float32; off for float32 bases."""
    causal = model.get_base_model() if isinstance(model, PeftModel) else model
    dtype = causal.config.dtype
    half = dtype in (torch.bfloat16, torch.float16)
    device = next(model.parameters()).device.type
    return torch.autocast(device, dtype if half else torch.bfloat16, enabled=half)
