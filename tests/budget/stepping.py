"""One real training step of a plan on a small model: what the forecast is held against."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import bitsandbytes as bnb
import torch
from torch import nn

from explorer.budget.forecast import Budget, forecast
from explorer.budget.plan import Plan, make_plan
from explorer.catalogue.architecture import Architecture
from explorer.catalogue.catalogue import load_catalogue
from explorer.methods import attach
from tests.budget.meta import build
from tests.budget.tracing import Timeline, saved_bytes, timeline


def small(**changes) -> Architecture:
    """A LLaMA with grouped-query attention, of three layers."""
    shape = {
        "hidden_size": 256,
        "intermediate_size": 704,
        "num_hidden_layers": 3,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 32,
        "vocab_size": 256,
    }
    return Architecture(**(shape | changes))


def llama_4() -> Architecture:
    """A Llama 4 of three layers: experts, a dense layer, one that does not rotate, chunks."""
    return small(
        model_type="llama4",
        num_local_experts=4,
        num_experts_per_tok=1,
        moe_layers=(0, 2),
        intermediate_size=192,
        intermediate_size_mlp=320,
        no_rope_layers=(2,),
        use_qk_norm=True,
        attention_chunk_size=64,
    )


def mllama() -> Architecture:
    """The text part of a Llama 3.2 Vision, whose second layer would look at an image."""
    return small(model_type="mllama", cross_attention_layers=(1,))


def small_budget(arch: Architecture, **values) -> Budget:
    """The budget of a plan for that model on a CPU."""
    settings = {"model": "small", "architecture": arch, "hardware": "cpu-2core", "batch": 2}
    return forecast(make_plan(**(settings | {"length": 128} | values)), load_catalogue())


def quantized(model: nn.Module, plan: Plan) -> nn.Module:
    """The model with its linears as bitsandbytes holds them, the head left alone."""
    if plan.quantization == "none":
        return model
    for name, module in list(model.named_modules()):
        if type(module) is nn.Linear and name != "lm_head":
            model.set_submodule(name, quantized_linear(module.weight.data, plan))
    return model


def quantized_linear(weight: torch.Tensor, plan: Plan) -> nn.Module:
    """One weight as bitsandbytes holds it."""
    rows, columns = weight.shape
    if plan.quantization == "int8":
        linear = bnb.nn.Linear8bitLt(columns, rows, bias=False, has_fp16_weights=False)
        linear.weight = bnb.nn.Int8Params(weight.half(), False, has_fp16_weights=False)
        return linear.to("cpu")
    linear = bnb.nn.Linear4bit(
        columns, rows, bias=False, compute_dtype=getattr(torch, plan.compute_dtype)
    )
    linear.weight = bnb.nn.Params4bit(
        weight,
        requires_grad=False,
        blocksize=plan.quantization_block,
        compress_statistics=plan.double_quantization,
        quant_type=plan.quantization,
    )
    return linear.to("cpu")


@dataclass
class Step:
    """A model set up as its plan says, ready to be measured."""

    model: nn.Module
    forward: Callable[[], torch.Tensor]
    optimizer: torch.optim.Optimizer

    def saved(self) -> int:
        """Bytes that autograd's hooks see."""
        return saved_bytes(self.model, self.forward)

    def timeline(self) -> Timeline:
        """Live bytes by phase of a step, after the optimizer's states have come into being."""
        for _ in range(2):
            self.update()
        return timeline(self.forward, self._step, lambda loss: loss)

    def update(self) -> None:
        """A whole step."""
        self.forward().backward()
        self._step()

    def _step(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad()


def step_of(budget: Budget) -> Step:
    """The real thing for a budget: transformers, peft, bitsandbytes, AdamW."""
    plan, arch = budget.plan, budget.resolved.arch
    torch.manual_seed(0)
    model = build(arch).to(getattr(torch, plan.parameter_dtype))
    model.set_attn_implementation(plan.attention)
    model = attach(quantized(model, plan), plan.method, plan.knobs)
    model.train()
    if plan.checkpointing:
        with warnings.catch_warnings():  # newer releases of transformers call it otherwise
            warnings.simplefilter("ignore", FutureWarning)
            model.gradient_checkpointing_enable({"use_reentrant": False})
    ids = torch.randint(3, arch.vocab_size, (plan.batch, plan.length))
    mask = torch.ones_like(ids)
    mask[0, : plan.length // 4] = 0
    inputs = {"input_ids": ids, "labels": ids, "attention_mask": mask if plan.padded else None}

    narrow = torch.autocast("cpu", getattr(torch, plan.compute_dtype), enabled=plan.autocast)

    def forward() -> torch.Tensor:
        with narrow:
            return model(**inputs, use_cache=False).loss

    trained = [p for p in model.parameters() if p.requires_grad]
    return Step(model, forward, torch.optim.AdamW(trained, fused=True))
