"""The quantization bench: what 4 and 8 bits do to a real layer, to perplexity and to size."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from bitsandbytes import functional as bnb
from torch import Tensor, nn

from explorer.budget.quantization import Quantization, weight_bytes
from explorer.catalogue.config import architecture_from_config
from explorer.catalogue.errors import ExplorerError, unknown
from explorer.catalogue.knob import LINEARS
from explorer.lab.events import Progress, Report
from explorer.lab.request import QuantizationRequest
from explorer.lab.worker.forgetting import text_losses
from explorer.lab.worker.shelf import Loaded, Shelf

KINDS = ("nf4", "fp4", "int4")
BLOCKS = (32, 64, 128, 256, 512, 1024, 2048, 4096)
BLOCK = 64  # bitsandbytes' own
NESTED_BLOCK = 256
BINS = 80


@dataclass(frozen=True)
class Form:
    """A way to hold all linears of the layers."""

    name: str
    kind: str
    double: bool = False


FORMS = (
    Form("16-bit", "none"),
    Form("int8", "int8"),
    Form("NF4", "nf4"),
    Form("NF4, double quantization", "nf4", True),
    Form("FP4", "fp4"),
    Form("int4", "int4"),
)


def levels(kind: str) -> Tensor:
    """A 4-bit type's levels, ascending, the largest 1: bitsandbytes' own, and -7 … 7 for int4.

    FP4 has zero twice, and symmetric int4 leaves one of its sixteen codes unused.
    """
    if kind == "int4":
        return torch.arange(-7, 8) / 7
    return bnb.get_4bit_type(kind, device="cpu").float().sort().values


def rounded(weight: Tensor, kind: str, block: int = BLOCK, double: bool = False) -> Tensor:
    """The float32 weight as it comes back: each block over its largest, to the nearest level.

    `double` holds the blocks' scales in 8 bits: less their mean, in blocks of 256, by the dynamic
    map of Dettmers et al. (arXiv:2110.02861). "int8" has a scale a row and no blocks.
    """
    if kind == "int8":
        scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-30) / 127
        return (weight / scale).round() * scale
    flat = weight.flatten()
    blocks = nn.functional.pad(flat, (0, -flat.numel() % block)).view(-1, block)
    scales = blocks.abs().amax(dim=1)
    table = levels(kind)
    bounds = (table[1:] + table[:-1]) / 2
    share = blocks / scales.clamp(min=1e-30)[:, None]
    near = table[torch.bucketize(share, bounds)]
    held = nested(scales) if double else scales
    return (near * held[:, None]).flatten()[: flat.numel()].view_as(weight)


def nested(scales: Tensor) -> Tensor:
    """The scales of the blocks after their own quantization to 8 bits."""
    offset = scales.mean()
    codes, state = bnb.quantize_blockwise(scales - offset, blocksize=NESTED_BLOCK)
    return bnb.dequantize_blockwise(codes, state) + offset


def quantization_bench(request: QuantizationRequest, shelf: Shelf) -> Iterator[Any]:
    """Tells what is being measured, and at last a Report with the keys of `measured`."""
    loaded = None
    for item in shelf.get(request.base, "none"):
        if isinstance(item, str):
            yield Progress(what=item)
        else:
            loaded = item
    weight = chosen_weight(loaded, request.layer, request.site)
    yield Progress(what="rounding the layer's weights")
    layer = measured(weight)
    whole = []
    for form in FORMS:
        yield Progress(what=f"perplexity with {form.name}")
        whole.append(perplexity(loaded, form))
    yield Report(
        values={"base": loaded.base.id, "layer": request.layer, "site": request.site}
        | layer
        | {"whole": whole}
    )


def chosen_weight(loaded: Loaded, layer: int, site: str) -> Tensor:
    """One linear's weight, float32; raises ExplorerError naming what there is."""
    layers = loaded.model.model.layers
    if layer >= len(layers):
        raise ExplorerError(f"layer = {layer}: {loaded.base.id} has layers 0 to {len(layers) - 1}.")
    if site not in LINEARS:
        raise unknown("linear", site, LINEARS)
    found = next(m for n, m in layers[layer].named_modules() if n.rpartition(".")[2] == site)
    return found.weight.detach().float().cpu()


def measured(weight: Tensor) -> dict[str, Any]:
    """`histogram` (of weights over their block's largest), `levels`, `errors` by kind and block."""
    flat = weight.flatten()
    blocks = flat[: flat.numel() // BLOCK * BLOCK].view(-1, BLOCK)
    share = blocks / blocks.abs().amax(dim=1, keepdim=True).clamp(min=1e-30)
    size = weight.norm()
    errors = [
        {
            "kind": kind,
            "block": block,
            "double": double,
            "error": ((rounded(weight, kind, block, double) - weight).norm() / size).item(),
            "bits": bits(block, double),
        }
        for kind in KINDS
        for block in BLOCKS
        for double in (False, True)
    ]
    return {
        "shape": list(weight.shape),
        "histogram": torch.histc(share, BINS, -1, 1).div(share.numel()).tolist(),
        "levels": {kind: levels(kind).tolist() for kind in KINDS},
        "errors": errors,
    }


def bits(block: int, double: bool) -> float:
    """Bits a weight with its share of the scales."""
    return 4 + (8 / block + 32 / (block * NESTED_BLOCK) if double else 32 / block)


@torch.no_grad()
def perplexity(loaded: Loaded, form: Form) -> dict[str, Any]:
    """Perplexity on the probe's neutral text, and the bytes of all weights held that way."""
    model = loaded.view()
    if form.kind != "none":
        for layer in model.model.layers:
            for module in layer.modules():
                if isinstance(module, nn.Linear):
                    back = rounded(module.weight.float().cpu(), form.kind, BLOCK, form.double)
                    module.weight.data = back.to(module.weight)
    losses = [loss for found in text_losses(model, loaded.tokenizer) for loss in found]
    architecture = architecture_from_config(loaded.model.config.to_dict())
    kind = "nf4" if form.kind == "int4" else form.kind  # the same layout, other levels
    held = weight_bytes(architecture, Quantization(kind, form.double))
    return {"name": form.name, "perplexity": math.exp(fmean(losses)), "bytes": held.total}
