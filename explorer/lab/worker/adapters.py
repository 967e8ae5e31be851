"""Learnt adapters to and from disk: a peft folder, or trained tensors where there is no adapter."""

import copy
import shutil
from pathlib import Path

import torch
from peft import PeftConfig, PeftModel, PeftModelForCausalLM, get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.initialization import no_init_weights

from explorer.catalogue.errors import ExplorerError
from explorer.lab.own_adapters.header import Shapes
from explorer.lab.own_adapters.store import settle
from explorer.lab.worker.count import NOT_ON_META
from explorer.lab.worker.shelf import Loaded
from explorer.lab.worker.view import privatize
from explorer.methods.guard import guard_base
from explorer.methods.registry import records

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."  # of a peft model's names
TENSORS = "trained.safetensors"  # of `full` and `norms-and-biases`: names as in the model

CARD = """---
base_model: {base}
library_name: peft
---
An adapter for {base}. Load it with `PeftModel.from_pretrained(base_model, folder)`; the types
LLAMA_ADAPTER, LLAMA_ADAPTER_V2 and LLAMA_EXCITOR need `import explorer.methods` before that.
"""


class AdapterError(ExplorerError):
    """An adapter folder that cannot be put on this base."""


class UnfitAdapterError(AdapterError):
    """An adapter that can never be put on this base."""


def save_adapter(model: nn.Module, folder: Path, base_name: str) -> int:
    """Write what was trained, replacing what was there in one step; returns the bytes on disk."""
    fresh = folder.with_name(f".{folder.name}-new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    if isinstance(model, PeftModel):
        for config in model.peft_config.values():
            config.base_model_name_or_path = base_name
        # "auto" would ask the hub whether the vocabulary was resized; nothing here resizes it.
        model.save_pretrained(fresh, save_embedding_layers=False)
        # peft's own card names the folder on this machine that the base was loaded from.
        (fresh / "README.md").write_text(CARD.format(base=base_name), encoding="utf-8")
    else:
        trained = {
            n: p.detach().contiguous() for n, p in model.named_parameters() if p.requires_grad
        }
        save_file(trained, fresh / TENSORS, {"base": base_name})
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def load_adapter(loaded: Loaded, folder: Path) -> nn.Module:
    """A view of the base with the saved adapter on it, in evaluation mode.

    Raises AdapterError when the folder holds none, or one for a base of another shape; an adapter
    that was brought is then deleted, unless it could be loaded before or may fit the whole base
    where it does not fit the quantized one.
    """
    model = loaded.view()
    if (folder / TENSORS).is_file():
        return _with_tensors(model, loaded.model, folder / TENSORS).eval()
    if not (folder / CONFIG).is_file():
        raise AdapterError(f"{folder.parent.name} has no adapter: it ended before one was saved.")
    try:
        adapted = put_on(model, folder, loaded.base.id)
    except UnfitAdapterError as error:
        if loaded.quantization == "none" and settle(folder, fits=False):
            raise UnfitAdapterError(f"{error} It was deleted.") from error
        raise
    settle(folder, fits=True)
    return adapted


def put_on(model: PreTrainedModel, folder: Path, base: str) -> PeftModel:
    """The peft adapter of a folder on a view of its base, in evaluation mode.

    What the settings would allocate is held against the file's header before anything is, and the
    names before any number is written: peft would write into the base what is named as the base's.
    Raises UnfitAdapterError when it does not fit, AdapterError when there is no memory for it.
    """
    path = folder / WEIGHTS
    try:
        config = PeftConfig.from_pretrained(str(folder))
        config.inference_mode = True
        given = _without_the_base(_shapes(path), model, path)
        if _kind(config) not in NOT_ON_META:
            _demand_same(shapes_on_meta(model, config), given, base)
        guard_base(model, config)
        adapted = PeftModelForCausalLM(model, config)
        wanted = get_peft_model_state_dict(adapted, save_embedding_layers=False)
        _demand_same({name: tuple(t.shape) for name, t in wanted.items()}, given, base)
        tensors = load_file(path)
        for name, tensor in tensors.items():
            _demand_numbers(name, tensor)
        adapted.load_adapter(str(folder), "default")
        _map_tensors(adapted, wanted, tensors)
        return adapted.eval()
    except ExplorerError as error:
        raise UnfitAdapterError(str(error)) from error
    except Exception as error:  # peft and torch refuse with whatever their code stumbles over
        told = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in told:
            raise AdapterError(f"There is no memory for the adapter: {told}.") from error
        raise UnfitAdapterError(f"The adapter does not fit {base}: {told}.") from error


def shapes_on_meta(model: PreTrainedModel, config: PeftConfig) -> Shapes:
    """What an adapter of these settings holds on a model like this, found without its memory."""
    settings = copy.deepcopy(config)
    if hasattr(settings, "init_lora_weights"):
        settings.init_lora_weights = True  # others look at the weights' numbers; shapes are equal
    with torch.device("meta"), no_init_weights():
        twin = type(model)(copy.deepcopy(model.config))
    twin.tie_weights()
    with torch.device("meta"):
        adapted = PeftModelForCausalLM(twin, settings)
    held = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    return {name: tuple(tensor.shape) for name, tensor in held.items()}


def _kind(config: PeftConfig) -> str:
    """The id of the method whose type the adapter has."""
    kind = str(config.peft_type.value)
    return next((m.id for m in records().values() if m.peft_type == kind), "")


def _without_the_base(given: Shapes, model: PreTrainedModel, path: Path) -> Shapes:
    """The shapes less those of base weights that peft saves beside an adapted head or embedding.

    Raises AdapterError where such a weight is another than the base's.
    """
    own = dict(model.named_parameters(remove_duplicate=False))  # a head may be tied
    kept = {}
    for name, shape in given.items():
        base = own.get(name.removeprefix(PREFIX).replace(".base_layer.weight", ".weight"))
        if not name.endswith(".base_layer.weight") or base is None or base.shape != shape:
            kept[name] = shape
            continue
        with safe_open(path, "pt", str(base.device)) as file:
            same = torch.equal(file.get_tensor(name).to(base.dtype), base)
        if not same:
            raise AdapterError(
                f"The adapter brings a weight of the base, {name}, that is another here: it was "
                "made on a base that was changed."
            )
    return kept


def _shapes(path: Path) -> Shapes:
    with safe_open(path, "pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  # not a dict


def _map_tensors(model: PeftModel, wanted: dict[str, Tensor], tensors: dict[str, Tensor]) -> None:
    """Let the adapter's numbers be the file's pages, which the system may drop and read again.

    Rows of a comparison stack the numbers, and then no second copy is held beside the stacks. On
    a GPU the adapter keeps the copy that it needs there.
    """
    own = {parameter.data_ptr(): parameter for parameter in model.parameters()}
    for name, tensor in tensors.items():
        parameter = own.get(wanted[name].data_ptr()) if name in wanted else None
        if parameter is None or parameter.device != tensor.device:
            continue
        if (parameter.shape, parameter.dtype) == (tensor.shape, tensor.dtype):
            parameter.data = tensor


def _demand_numbers(name: str, tensor: Tensor) -> None:
    if not tensor.isfinite().all():
        raise AdapterError(
            f"The adapter's tensor {name} holds NaN or infinite values, so nothing can be computed "
            "with it. A training run whose loss became NaN leaves such an adapter behind."
        )


def _demand_same(wanted: Shapes, given: Shapes, base: str) -> None:
    """peft only warns of tensors that are missing or that nothing takes; here that is refused."""
    for name, shape in wanted.items():
        if given.get(name) != shape:
            found = f"has {list(given[name])}" if name in given else "is missing"
            raise AdapterError(
                f"The adapter does not fit {base}: {name} {found}, {list(shape)} is needed."
            )
    if given.keys() - wanted.keys():
        name = min(given.keys() - wanted.keys())
        raise AdapterError(f"The adapter does not fit {base}: nothing takes its tensor {name}.")


def _with_tensors(model: PreTrainedModel, base: PreTrainedModel, path: Path) -> PreTrainedModel:
    parameters = dict(model.named_parameters())
    tensors = load_file(path)
    for name, tensor in tensors.items():
        if name not in parameters or parameters[name].shape != tensor.shape:
            raise AdapterError(f"The trained tensors do not fit the base: {name} differs.")
        _demand_numbers(name, tensor)
        parameters[name].requires_grad_(True)
    privatize(model, base)
    for name, tensor in tensors.items():
        parameters[name].data.copy_(tensor)
    return model.requires_grad_(False)
