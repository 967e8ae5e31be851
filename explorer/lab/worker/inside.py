"""Looking into an adapter: its gates, its ΔW, what its prompts get, how far it moves each layer."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from peft.tuners.boft.layer import BOFTLayer
from peft.tuners.hira.layer import HiraLayer
from peft.tuners.hra.layer import HRALayer
from peft.tuners.lily.layer import LilyLayer
from peft.tuners.miss.layer import MissLayer
from peft.tuners.oft.layer import OFTLayer
from peft.utils.integrations import dequantize_module_weight
from torch import Tensor, nn

from explorer.lab.inside import Change, Inside, Moved, Prompted
from explorer.lab.worker.decode import autocast
from explorer.lab.worker.sharing import LAYER, full
from explorer.lab.worker.text import Batch
from explorer.methods.attention import split_heads
from explorer.methods.llama_adapter import LlamaAdapterLayer
from explorer.methods.llama_adapter_v2.layer import AffineLinear

# what these call `get_delta_weight` is a rotation, a factor or a block, not what W changes by
NOT_ADDED = (BOFTLayer, HiraLayer, HRALayer, LilyLayer, MissLayer, OFTLayer)


def gates(model: nn.Module) -> dict[str, float]:
    """Mean absolute gate of each layer, for methods that open zero-initialised gates."""
    found: dict[str, list[float]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and "_gate." in name and (layer := LAYER.search(name)):
            found.setdefault(layer[1], []).append(full(parameter.detach()).abs().mean().item())
    return {layer: sum(values) / len(values) for layer, values in found.items()}


@torch.no_grad()
def look_inside(model: nn.Module, base: nn.Module, batch: Batch) -> Inside:
    """Compare what was trained with its base, on the batch's tokens. Leaves both as they were."""
    was_training = model.training
    model.eval()
    with watching_prompts(model) as seen:
        tuned = hidden_states(model, batch)
    plain = hidden_states(base, batch)
    model.train(was_training)
    real = batch.attention_mask.bool()
    moved = tuple(
        Moved(layer=layer, relative=_distance(new[:, -real.shape[1] :][real], old[real]))
        for layer, (new, old) in enumerate(zip(tuned[1:], plain[1:], strict=True))
    )
    return Inside(
        changes=tuple(changes(model, base)),
        moved=moved,
        prompted=tuple(seen(real)),
        tokens=int(real.sum()),
    )


def hidden_states(model: nn.Module, batch: Batch) -> Sequence[Tensor]:
    """The embeddings and every layer's output, [B, M, d] each; the last one is normed."""
    with autocast(model):
        output = model(
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            use_cache=False,
            output_hidden_states=True,
            logits_to_keep=1,
        )
    return output.hidden_states


def _distance(new: Tensor, old: Tensor) -> float:
    old = old.float()
    return ((new.float() - old).norm(dim=-1) / old.norm(dim=-1)).mean().item()


def changes(model: nn.Module, base: nn.Module) -> Iterator[Change]:
    """The weight changes of every linear that the method acts on, by layer."""
    weights = dict(base.named_parameters())
    for name, module in model.named_modules():
        layer = LAYER.search(f"{name}.")
        if layer is None:
            continue
        found = _change(module, weights.get(f"{name}.weight"))
        if found is None:
            continue
        delta, weight, singular = found
        norm = delta.norm().item()
        yield Change(
            layer=int(layer[1]),
            site=name.rpartition(".")[2],
            norm=norm,
            relative=norm / weight.norm().item(),
            singular=singular,
        )


def _change(
    module: nn.Module, before: Tensor | None
) -> tuple[Tensor, Tensor, tuple[float, ...]] | None:
    """ΔW, W and ΔW's singular values, float32; None for a module that changes no weight."""
    if isinstance(module, AffineLinear):
        name = module.running_adapter()
        return None if name is None else (*_affine_change(module, name), ())
    if hasattr(module, "get_delta_weight") and hasattr(module, "get_base_layer"):
        (name, *_) = module.active_adapters
        weight = dequantize_module_weight(module.get_base_layer()).float()
        if isinstance(module, NOT_ADDED):
            delta = _difference(module)
            return None if delta is None else (delta, weight, ())
        delta = module.get_delta_weight(name).float()
        return delta, weight, _singular(module, name)
    trained = isinstance(module, nn.Linear) and module.weight.requires_grad
    if trained and before is not None:
        return module.weight.float() - before.float(), before.float(), ()
    return None


def _difference(module: nn.Module) -> Tensor | None:
    """ΔW of a method that does not add one, read off the unit vectors, in float32.

    None over quantized weights, and where the map depends on its input (Lily), so is no matrix.
    """
    base = module.get_base_layer()
    if type(base) is not nn.Linear or isinstance(module, LilyLayer):
        return None
    wide = copy.deepcopy(module).float().eval()
    units = torch.eye(base.in_features, device=base.weight.device)
    return (wide(units) - wide.get_base_layer()(units)).T


def _affine_change(module: AffineLinear, name: str) -> tuple[Tensor, Tensor]:
    """V2's scale on the input (chat) or the output (paper), and its low-rank part."""
    weight = dequantize_module_weight(module.base_layer).float()
    scale, _ = module.scale_and_bias(name)
    along = scale if module.variant[name] == "chat" else scale[:, None]
    delta = weight * (along - 1)
    if name in module.llama_adapter_v2_lora_A:
        down, up = module.low_rank(name, torch.float32)
        delta = delta + up @ down
    return delta, weight


def _singular(module: Any, name: str) -> tuple[float, ...]:
    """Those of B A times its scale, without making B A: ΔW = Q_B (R_B R_Aᵀ) Q_Aᵀ."""
    if name not in getattr(module, "lora_A", {}):
        return ()
    scale, parts = module.scaling[name], (module.lora_A[name], module.lora_B[name])
    down, up = (getattr(part, "weight", part).float() for part in parts)
    if name in getattr(module, "lora_E", {}):  # AdaLoRA: B (E ⊙ A), over the rank that is left
        down = down * module.lora_E[name].float()
        scale = scale / (module.ranknum[name].item() + 1e-5)
    core = torch.linalg.qr(up).R @ torch.linalg.qr(down.T).R.T
    return tuple((scale * torch.linalg.svdvals(core)).tolist())


@contextmanager
def watching_prompts(model: nn.Module) -> Iterator[Any]:
    """Inside, V1's layers note what each prompt gets; call what is yielded for the means."""
    notes: dict[int, tuple[LlamaAdapterLayer, Tensor]] = {}
    with ExitStack() as stack:
        for module in model.modules():
            if isinstance(module, LlamaAdapterLayer):
                stack.callback(_listen(module, notes))

        def means(real: Tensor) -> Iterator[Prompted]:
            for number, (layer, shares) in sorted(notes.items()):
                yield _prompted(number, layer, shares[real])

        yield means


def _listen(layer: LlamaAdapterLayer, notes: dict[int, Any]) -> Any:
    plain = layer.prompt_term

    def noted(adapter_name: str, query: Tensor, dtype: torch.dtype) -> Tensor:
        notes[layer.base_layer.layer_idx] = (layer, prompt_shares(layer, adapter_name, query))
        return plain(adapter_name, query, dtype)

    layer.prompt_term = noted
    return lambda: delattr(layer, "prompt_term")


def prompt_shares(layer: LlamaAdapterLayer, adapter_name: str, query: Tensor) -> Tensor:
    """softmax(q pkᵀ/√h) averaged over heads, [B, M, K]."""
    attention = layer.base_layer
    prompt = layer.llama_adapter_prompt[adapter_name].to(query.dtype)
    keys = split_heads(attention.k_proj(prompt), attention.head_dim)  # [G, K, h]
    keys = keys.repeat_interleave(query.shape[1] // keys.shape[0], dim=0)
    scores = query.float() @ keys.float().transpose(-1, -2) * attention.scaling
    return scores.softmax(dim=-1).mean(dim=1)


def _prompted(number: int, layer: LlamaAdapterLayer, shares: Tensor) -> Prompted:
    (name, *_) = layer.active_adapters
    gate = layer.llama_adapter_gate[name].float()
    if layer.gate_activation[name] == "tanh":
        gate = torch.tanh(gate)
    size = gate.abs()
    return Prompted(
        layer=number,
        gate=size.mean().item(),
        mass=(size / (1 + size)).mean().item(),
        by_prompt=tuple(shares.mean(dim=0).tolist()),
    )
