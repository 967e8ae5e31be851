"""Virtual tokens as cached keys and values in front of the text: prefix and prompt tuning."""

import torch
from peft import PeftModel, PeftType
from torch import Tensor, nn
from transformers import Cache, DynamicCache, PreTrainedModel

from explorer.lab.worker.rows.form import PrefixForm


def read_prefix(model: nn.Module, base: PreTrainedModel) -> PrefixForm | None:
    """The virtual tokens of a prompt-learning method, None for every other method.

    A virtual token is a position like any other, so what the base caches for it is all that the
    text after it ever sees.
    """
    if not (isinstance(model, PeftModel) and model.active_peft_config.is_prompt_learning):
        return None
    cache = virtual_cache(model, base)
    keys = torch.stack([layer.keys[0] for layer in cache.layers])
    values = torch.stack([layer.values[0] for layer in cache.layers])
    return PrefixForm(keys, values)


@torch.inference_mode()
def virtual_cache(model: PeftModel, base: PreTrainedModel) -> Cache:
    """The base's cache after the virtual tokens of `model`, one sequence."""
    config = model.active_peft_config
    if config.peft_type in (PeftType.PREFIX_TUNING, PeftType.CARTRIDGE):
        return model.get_prompt(batch_size=1)
    embeddings = _embeddings(model).to(base.get_input_embeddings().weight.dtype)
    cache = DynamicCache(config=base.config)
    base(inputs_embeds=embeddings, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return cache


def _embeddings(model: PeftModel) -> Tensor:
    """The virtual tokens' embeddings [1, K, d]; of several tasks the first."""
    first_task = torch.zeros(1, dtype=torch.long, device=model.device)
    several = model.active_peft_config.peft_type == PeftType.MULTITASK_PROMPT_TUNING
    return model.get_prompt(batch_size=1, task_ids=first_task if several else None)
