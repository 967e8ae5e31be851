"""Learnt adapters to and from disk: a peft folder, or trained tensors where there is no adapter."""

import json
import shutil
from pathlib import Path

from peft import PeftConfig, PeftModel, get_peft_model_state_dict
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from explorer.catalogue.errors import ExplorerError
from explorer.lab.worker.shelf import Loaded
from explorer.lab.worker.view import privatize
from explorer.methods.unshare import unshare

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
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

    Raises AdapterError when the folder holds none, or one for a base of another shape.
    """
    model = loaded.view()
    if (folder / TENSORS).is_file():
        return _with_tensors(model, loaded.model, folder / TENSORS).eval()
    if not (folder / CONFIG).is_file():
        raise AdapterError(f"{folder.parent.name} has no adapter: it ended before one was saved.")
    return put_on(model, folder, loaded.base.id)


def put_on(model: PreTrainedModel, folder: Path, base: str) -> PeftModel:
    """The peft adapter of a folder on a view of its base, in evaluation mode.

    Raises AdapterError when it does not fit.
    """
    try:
        unshare(model, PeftConfig.from_pretrained(str(folder)))
        adapted = PeftModel.from_pretrained(model, str(folder)).eval()
        wanted = get_peft_model_state_dict(adapted, save_embedding_layers=False)
        _demand_all_tensors(wanted, folder / WEIGHTS, base)
        _map_tensors(adapted, wanted, folder / WEIGHTS)
        return adapted
    except ExplorerError:
        raise
    except (RuntimeError, ValueError, KeyError, SafetensorError, json.JSONDecodeError) as error:
        first = str(error).strip().splitlines()[0]
        raise AdapterError(f"The adapter does not fit {base}: {first}") from error


def _map_tensors(model: PeftModel, wanted: dict[str, Tensor], path: Path) -> None:
    """Let the adapter's numbers be the file's pages, which the system may drop and read again.

    Rows of a comparison stack the numbers, and then no second copy is held beside the stacks. On
    a GPU the adapter keeps the copy that it needs there.
    """
    own = {parameter.data_ptr(): parameter for parameter in model.parameters()}
    for name, tensor in load_file(path).items():
        _demand_numbers(name, tensor)
        parameter = own.get(wanted[name].data_ptr())
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


def _demand_all_tensors(wanted: dict[str, Tensor], path: Path, base: str) -> None:
    """peft only warns of tensors that are missing or that nothing takes; here that is refused."""
    with safe_open(path, "pt") as file:
        given = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  # not a dict
    shapes = {name: tuple(tensor.shape) for name, tensor in wanted.items()}
    for name, shape in shapes.items():
        if given.get(name) != shape:
            found = f"has {list(given[name])}" if name in given else "is missing"
            raise AdapterError(
                f"The adapter does not fit {base}: {name} {found}, {list(shape)} is needed."
            )
    if given.keys() - shapes.keys():
        name = min(given.keys() - shapes.keys())
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
