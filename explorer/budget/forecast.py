"""The calculator: a plan in, its budget out."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from explorer.budget.activity import KEEPS_MORE
from explorer.budget.adapter_file import adapter_file_bytes
from explorer.budget.fit import Fit, fit_of
from explorer.budget.flops import Flops, flops_of
from explorer.budget.kv import longest_context, token_bytes
from explorer.budget.memory import Memory, memory_of
from explorer.budget.needs import unmet_by_base
from explorer.budget.plan import GRID_INTENSITY, GRID_SOURCE, KV_BYTES, Plan
from explorer.budget.quantization import BITSANDBYTES, swaps_tied_head
from explorer.budget.resolve import Resolved, resolve
from explorer.budget.time import Time, time_of
from explorer.budget.traffic import runs_every_expert
from explorer.catalogue.catalogue import Catalogue, load_catalogue

UNBOUNDED = "no context is too long for the memory: no layer keeps more of it than a chunk"


@dataclass(frozen=True)
class Budget:
    """What a plan costs in parameters, memory, arithmetic, time and money."""

    resolved: Resolved
    memory: Memory
    flops: Flops
    time: Time
    fit: Fit
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def plan(self) -> Plan:
        """The plan that this is the budget of."""
        return self.resolved.plan

    @cached_property
    def obstacles(self) -> list[str]:
        """Why it could not be run, whether it fits or not."""
        return obstacles(self.resolved)

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, as `--json` prints them."""
        return {
            "plan": self.plan.model_dump(exclude={"architecture"}, exclude_none=True),
            "params": self._params(),
            "trainable": self._trainable(),
            "memory": self._memory(),
            "kv": self._kv(),
            "flops": self._flops(),
            "time": self._time(),
            "runs": not self.obstacles,
            "obstacles": self.obstacles,
            "fits": self.fit.fits,
            "verdict": self.fit.verdict,
            "device": {
                "id": self.resolved.hardware.id,
                "name": self.resolved.hardware.name.value,
                "memory": self.fit.memory,
                "usable": self.fit.usable,
                "free": self.fit.free,
            },
            "notes": list(self.notes),
        }

    def _params(self) -> dict[str, Any]:
        count = self.resolved.params
        return {
            "total": count.total,
            "active": count.active,
            "active_with_image": count.active_with_image,
            "by_component": count.by_component,
            "by_layer": list(count.by_layer),
        }

    def _trainable(self) -> dict[str, Any]:
        count = self.resolved.trainable
        return {
            "total": count.total,
            "percent": count.percent,
            "by_site": count.by_site,
            "layers": list(count.layers),
            "exact": count.exact,
            "note": count.note,
            "adapter_file_bytes": adapter_file_bytes(self.resolved),
        }

    def _memory(self) -> dict[str, Any]:
        weights = self.memory.weights
        return {
            **self.memory.terms,
            "not_at_once": self.memory.not_at_once,
            "total": self.memory.total,
            "allocated": self.memory.allocated,
            "phases": self.memory.phases,
            "weights_by_part": weights.by_part if weights else {},
            "not_quantized": list(weights.kept) if weights else [],
        }

    def _kv(self) -> dict[str, Any]:
        plan, arch = self.plan, self.resolved.arch
        size = KV_BYTES[plan.kv_dtype]
        free = self.fit.free + self.memory.terms.get("kv_cache", 0)
        longest = longest_context(arch, free, plan.batch, size)
        return {
            "bytes_per_token": token_bytes(arch, size),
            "longest_context": longest,
            "trained_context": arch.max_position_embeddings,
            "note": UNBOUNDED if longest is None else None,
        }

    def _flops(self) -> dict[str, Any]:
        flops = self.flops
        return {
            "forward": flops.forward,
            "backward": flops.backward,
            "recompute": flops.recompute,
            "attention": flops.attention,
            "idle": flops.idle,
            "per_step": flops.per_step,
            "per_token": flops.per_token,
            "total": flops.total,
        }

    def _time(self) -> dict[str, Any]:
        time = self.time
        return {
            "tokens_per_second": time.tokens_per_second,
            "tokens_per_second_together": time.tokens_per_second_together,
            "step_seconds": time.step_seconds,
            "prefill_seconds": time.prefill_seconds,
            "seconds": time.seconds,
            "hours": time.hours,
            "device_hours": time.device_hours,
            "energy_kwh": time.energy_kwh,
            "cost_usd": time.cost_usd,
            "co2_kg": time.co2_kg,
            "grid_source": GRID_SOURCE if self.plan.grid_intensity == GRID_INTENSITY else None,
            "efficiency": time.efficiency,
            "bound": time.bound,
            "note": time.note,
            "exchange": self._exchange(),
        }

    def _exchange(self) -> dict[str, Any] | None:
        """What several devices exchange between two updates; None where there is one."""
        exchange = self.time.exchange
        if not exchange.bytes:
            return None
        return {
            "bytes": exchange.bytes,
            "bandwidth": exchange.bandwidth,
            "seconds": exchange.seconds,
            "exposed_seconds": exchange.exposed,
            "formula": exchange.formula,
            "filled": exchange.filled,
            "note": exchange.note,
        }


def forecast(plan: Plan, catalogue: Catalogue | None = None) -> Budget:
    """The budget of a plan. Raises ExplorerError where the plan names what does not exist."""
    resolved = resolve(plan, catalogue or load_catalogue())
    memory = memory_of(resolved)
    flops = flops_of(resolved)
    return Budget(
        resolved=resolved,
        memory=memory,
        flops=flops,
        time=time_of(resolved, flops, memory),
        fit=fit_of(memory.total, resolved.hardware),
        notes=notes_of(resolved),
    )


def obstacles(resolved: Resolved) -> list[str]:
    """Why what is forecast could not be run, if so."""
    plan, method, kind = resolved.plan, resolved.method, resolved.arch.model_type
    if method.unsupported:
        return [f"{method.name} does not run on a causal LLaMA: {method.unsupported}"]
    told = []
    if kind in method.not_on:
        told.append(f"{method.name} does not run on {kind}: {method.not_on[kind]}")
    if plan.mode == "training" and not method.trains_on(plan.quantization):
        told.append(
            f"{method.name} does not train on a base in {plan.quantization}: "
            f"{method.why_not_on(plan.quantization)}"
        )
    if plan.mode == "training" and not told:
        skipped = plan.skipped_modules if plan.is_quantized else None
        told += unmet_by_base(resolved.arch, method, resolved.knobs, skipped)
    if plan.quantization in BITSANDBYTES and swaps_tied_head(resolved.arch, plan.skipped_modules):
        told.append(
            "The head shares the embedding's weight, which bitsandbytes does not pack, but its "
            "module takes the head's place and fails: add lm_head to the modules to skip."
        )
    return told


def notes_of(resolved: Resolved) -> tuple[str, ...]:
    """What someone who reads this forecast should know."""
    plan, told = resolved.plan, obstacles(resolved)
    if not resolved.activity.derived:
        more = KEEPS_MORE.get(resolved.method.id)
        held = f" On a small model it kept up to {more:g} times as much." if more else ""
        told.append(
            f"What {resolved.method.name} saves for its backward was not derived; LoRA's tensors "
            f"on the same linears stand in for it.{held}"
        )
    if resolved.trainable.note:
        told.append(resolved.trainable.note)
    lowest = resolved.activity.lowest_layer
    if plan.mode == "training" and plan.checkpointing and lowest:
        told.append(
            f"Nothing trains below layer {lowest}, but transformers asks for the gradient of the "
            "embeddings once checkpointing is on, so the backward runs through all layers."
        )
    narrows = plan.autocast and plan.compute_dtype != "float32"
    if narrows and plan.parameter_dtype == "float32" and plan.mode == "training":
        told.append(
            "Autocast over float32 weights narrows the model's own products as well, with 16-bit "
            "copies of its weights. These are not counted: forecasts of small models were up to a "
            "fifth off."
        )
    if plan.quantization == "int8" and plan.checkpointing:
        told.append("bitsandbytes' int8 linears hold their inputs past checkpointing.")
    if runs_every_expert(resolved):
        told.append(
            "transformers runs every expert on every token: FLOPs count the chosen ones, memory "
            "and time all of them."
        )
    elif resolved.arch.moe_layers:
        told.append(
            "llama.cpp runs the chosen experts alone: a token reads those, and more tokens at once "
            "as many as even choices would meet."
        )
    if plan.mode == "inference" and plan.devices > 1:
        told.append(
            f"Each of the {plan.devices:,} devices runs a whole copy of the model for sequences of "
            "its own: more sequences at once, none of them sooner. One model split over devices "
            "is not forecast."
        )
    if resolved.arch.vision is not None:
        told.append("Text only: the vision tower and its projector weigh, but see no image.")
    return tuple(told)
