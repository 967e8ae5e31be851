"""The bases that the worker keeps loaded: one copy of the weights each, shared by all tasks."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from explorer.catalogue.errors import ExplorerError
from explorer.lab.base_folder import Base
from explorer.lab.bases import find_base, stored_quantization, verify
from explorer.lab.job import Precision, Quantization
from explorer.lab.setup import converted
from explorer.lab.worker.precision import choose_dtype
from explorer.lab.worker.rows.joined import lay_side_by_side
from explorer.lab.worker.view import view
from explorer.methods.quantization import prepare_quantized, quantized_linears


@dataclass
class Loaded:
    """A base in memory. `model` is never changed: tasks work on `view()`s of it."""

    base: Base
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    quantization: Quantization
    dtype: torch.dtype
    probed: torch.Tensor  # the logits of `probe` when the weights were fresh
    measured: dict[Any, Any] = field(default_factory=dict)  # results that hold as long as it does
    adapters: dict[Any, Any] = field(default_factory=dict)  # parts of rows that were asked last

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.device

    def view(self) -> PreTrainedModel:
        """A private module tree over the same weights."""
        return view(self.model)


class Shelf:
    """Loads bases on first use and keeps them, for `device`; in the memory of `holding` if said."""

    def __init__(self, device: torch.device, holding: torch.device | None = None) -> None:
        self.device, self.holding = device, holding or device
        self.loaded: dict[tuple[Any, ...], Loaded] = {}

    def get(
        self,
        name: str,
        quantization: Quantization = "none",
        double: bool = True,
        precision: Precision = "auto",
    ) -> Iterator[Loaded | str]:
        """Yield what is being waited for, in words, and at last the base itself.

        Raises UnknownNameError, BaseMissingError or UnfitBaseError; ExplorerError for a device that
        is not there.
        """
        demand_device(self.device)
        base = find_base(name, allow_paths=True)
        quantization = stored_quantization(name, quantization)
        dtype = choose_dtype(precision, self.device)
        double = double and quantization == "nf4"
        if base.form == "gguf":
            yield f"converting {base.gguf_file}"
            base = converted(base)
        key = (str(base.folder), quantization, double, dtype)
        if key not in self.loaded:
            called = "" if quantization == "none" else f" in {quantization}"
            yield f"loading {base.id}{called}"
            self.loaded[key] = self._load(base, quantization, double, dtype)
        yield self.loaded[key]

    def _load(
        self, base: Base, quantization: Quantization, double: bool, dtype: torch.dtype
    ) -> Loaded:
        verify(base)
        stored = base.quantization
        options: dict[str, Any] = {}
        if quantization != stored:
            options["quantization_config"] = bitsandbytes_settings(quantization, double, dtype)
        tokenizer = AutoTokenizer.from_pretrained(base.folder)
        model = AutoModelForCausalLM.from_pretrained(
            base.folder,
            dtype=dtype,
            device_map={"": self.holding},
            use_safetensors=True,
            **options,
        )
        model.requires_grad_(False).eval()
        lay_side_by_side(model)
        model.get_output_embeddings().register_forward_pre_hook(in_one_piece)
        if quantization != "none":
            prepare_quantized(model)
        if quantization == stored == "nf4":
            for _, linear in quantized_linears(model):
                linear.compute_dtype = dtype  # the file keeps that of whoever saved it
        return Loaded(base, model, tokenizer, quantization, dtype, probe(model))


def demand_device(device: torch.device) -> None:
    """Raise ExplorerError for a device that this machine, or this torch, does not have."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    there = [f"cuda:{number}" for number in range(gpus)]
    if device.type != "cpu" and str(device) not in (*there, *(["cuda"] if there else [])):
        known = ", ".join(["cpu", *there])
        raise ExplorerError(f"There is no device {str(device)!r} here; there is: {known}.")


def in_one_piece(head: nn.Module, given: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
    """The head's input, copied where it is a slice of the places.

    For a slice, torch multiplies sequence by sequence with a copy of the head's weight each, which
    takes half the time of a whole training step of a small model on a CPU.
    """
    return (given[0].contiguous(),)


@torch.no_grad()
def probe(model: PreTrainedModel) -> torch.Tensor:
    """Logits [V] after a fixed text: as long as the weights are untouched, always the same."""
    ids = torch.arange(1, 25, device=model.device)[None] % model.config.vocab_size
    return model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[0, -1].float()


def bitsandbytes_settings(
    quantization: Quantization, double: bool, dtype: torch.dtype
) -> BitsAndBytesConfig:
    """The settings of a quantized base. Everything that transformers defaults otherwise is said."""
    if quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=double,
        bnb_4bit_compute_dtype=dtype,
    )
