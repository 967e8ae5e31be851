"""The memory of a plan on each device, term by term, and the most that is alive at once."""

from dataclasses import dataclass, field, replace

from explorer.budget.activity import IDLE
from explorer.budget.formula import ceil_div
from explorer.budget.held import Sizes, held_bytes
from explorer.budget.kv import cache_bytes
from explorer.budget.layer import trace_layer
from explorer.budget.optimizer import optimizer_state
from explorer.budget.plan import BYTES, KV_BYTES, Plan
from explorer.budget.quantization import FOUR_BIT, Quantization, WeightBytes, weight_bytes
from explorer.budget.resolve import Resolved
from explorer.budget.shape import Setting, shapes_of
from explorer.budget.sharding import SHARDED, Gathered
from explorer.budget.step import Habit, StepBytes, simulate
from explorer.budget.tail import Tail
from explorer.budget.tape import FLOAT32

MIB = 2**20
# An allowance, not a measurement of this plan: the driver's context, library workspaces and the
# interpreter on a CPU. What an allocator leaves unused between blocks comes on top of it.
FRAMEWORK = {"cpu": 350 * MIB, "apple": 500 * MIB}
FRAMEWORK_GPU = 600 * MIB


@dataclass(frozen=True)
class Memory:
    """Bytes on one device.

    `terms` are each term's own size; `not_at_once` is what of them is never alive together
    (gradients come as activations go), so that their sum less it is `total`. `phases` holds the
    most that is alive in each part of a step, everything included.
    """

    terms: dict[str, int]
    not_at_once: int
    total: int
    phases: dict[str, int] = field(default_factory=dict)
    weights: WeightBytes | None = None
    step: StepBytes | None = None

    @property
    def allocated(self) -> int:
        """What the allocator would report as its peak: all but the framework's allowance."""
        return self.total - self.terms.get("framework", 0)


def memory_of(resolved: Resolved) -> Memory:
    """Forecast the memory of a plan."""
    if resolved.plan.mode == "inference":
        return _inference(resolved)
    return _training(resolved)


def quantization_of(plan: Plan) -> Quantization:
    """The plan's part about how weights are held."""
    return Quantization(
        plan.quantization,
        plan.double_quantization,
        plan.quantization_block,
        plan.skipped_modules,
        int(BYTES[plan.parameter_dtype]),
    )


def setting_of(resolved: Resolved) -> Setting:
    """The plan's part about how a step runs."""
    plan = resolved.plan
    length = plan.length + resolved.activity.virtual_tokens
    return Setting(
        batch=plan.batch,
        length=length,
        stream=int(BYTES[plan.parameter_dtype]),
        compute=int(BYTES[plan.compute_dtype]),
        adapter=trained_size(resolved),
        low_rank=int(BYTES[plan.compute_dtype]) if plan.autocast else trained_size(resolved),
        own=int(BYTES[plan.parameter_dtype]),
        quantization="4bit" if plan.quantization in FOUR_BIT else plan.quantization,
        attention=plan.attention,
        masked=plan.padded,
        on_gpu=resolved.hardware.kind != "cpu",
    )


# peft leaves what these add in the type of the model, whatever it does to other adapters; V1's
# prompts alone become float32 where the model's own type is an integer.
IN_MODEL_TYPE = {"adaption-prompt", "ln-tuning"}
# Prompts and our own tuners hold float32 whatever type the adapter was asked for.
IN_FLOAT32 = {
    "cartridge", "cpt", "llama-adapter-v1", "llama-adapter-v2", "llama-excitor",
    "multitask-prompt-tuning", "p-tuning", "prefix-tuning", "prompt-tuning",
}  # fmt: skip


def trained_size(resolved: Resolved) -> int:
    """Bytes a trained number is held in."""
    plan, method = resolved.plan, resolved.method.id
    own, adapter = int(BYTES[plan.parameter_dtype]), int(BYTES[plan.adapter_dtype])
    if resolved.trains_own_weights:
        return own
    if method in IN_MODEL_TYPE and not (plan.is_quantized and method == "adaption-prompt"):
        return min(own, adapter)
    # on int8 linears peft finds no type to narrow to
    return FLOAT32 if method in IN_FLOAT32 or plan.quantization == "int8" else adapter


def sizes_of(resolved: Resolved) -> Sizes:
    """Bytes of a number of the model and of one that the method adds and freezes."""
    return Sizes(int(BYTES[resolved.plan.parameter_dtype]), trained_size(resolved))


def adapter_held(resolved: Resolved) -> int:
    """Bytes of what the method adds and does not train."""
    on_gpu = resolved.hardware.kind != "cpu"
    sizes = sizes_of(resolved)
    return held_bytes(resolved.arch, resolved.method, resolved.knobs, sizes, on_gpu)


def tail_of(resolved: Resolved) -> Tail:
    """The plan's part about head and loss."""
    plan, arch, acts = resolved.plan, resolved.arch, resolved.activity
    positions = plan.loss_positions or plan.length + acts.virtual_tokens
    return Tail(
        hidden=arch.hidden_size,
        vocabulary=arch.vocab_size,
        rows=plan.batch * positions,
        chunk=plan.loss_chunk,
        wide=plan.loss_float32,
        norm_trains=acts.final_norm,
        head=acts.head,
        own_rows=plan.batch * (positions - 1) if acts.own_loss else 0,
    )


def framework_bytes(kind: str) -> int:
    """The allowance for what runs beside the plan's own tensors."""
    return FRAMEWORK.get(kind, FRAMEWORK_GPU)


def _training(resolved: Resolved) -> Memory:
    plan, count = resolved.plan, resolved.trainable.total
    weights = weight_bytes(resolved.arch, quantization_of(plan))
    size = trained_size(resolved)
    shards = SHARDED.get(plan.sharding, ())
    spread = plan.devices if "gradients" in shards else 1
    step = simulate(
        resolved.arch,
        resolved.activity,
        setting_of(resolved),
        tail_of(resolved),
        Habit(plan.checkpointing, plan.accumulation > 1),
        spread,
    )
    gradients = count * size
    held = {
        "weights": weights.total,
        "adapter": 0 if resolved.trains_own_weights else gradients,
        "adapter_frozen": adapter_held(resolved),
        "optimizer": optimizer_state(resolved, size, step).bytes,
        "master_copies": 4 * count if plan.master_weights and size < 4 else 0,
        "communication": gradients if plan.sharding == "ddp" else 0,  # its buckets hold them again
    }
    in_layers = sum(run.trace.gradients * run.count for run in step.runs)
    added = (max(run.trace.gradients for run in step.runs), max(0, gradients - in_layers))
    gathered = Gathered.of(plan, weights, *((0, 0) if resolved.trains_own_weights else added))
    moving = {
        "gradients": gradients,
        "whole_gradients": step.whole_gradients,
        "activations": step.saved + step.shared,
        "recomputation": step.recomputed,
        "dequantization": step.buffers,
        "logits": step.logits,
        "temporary": step.temporary,
    }
    for name in shards:
        part = held if name in held else moving
        part[name] = ceil_div(part[name], plan.devices)
    # what trains in front of the layers, or is shared by them, has its gradient last of all
    late = ceil_div(gradients - step.gradients, spread)
    phases = {
        name: value + late * _has_gradients(name, plan) + gathered.during(name)
        for name, value in step.phases.items()
    }
    if gathered.largest:  # in place of what is held throughout
        moving["communication"] = gathered.largest
        before = moving["gradients"] if plan.accumulation > 1 else 0
        below = sum(run.kept * run.count for run in step.runs) - step.runs[-1].kept
        phases["forward"] = max(
            phases["forward"],
            before + gathered.at_first,
            before + step.shared + below + gathered.at_last,
        )
    return _assembled(resolved, held, moving, phases, weights, step)


def _has_gradients(phase: str, plan: Plan) -> bool:
    return plan.accumulation > 1 or phase in ("embedding backward", "update")


def _inference(resolved: Resolved) -> Memory:
    plan, arch = resolved.plan, resolved.arch
    weights = weight_bytes(arch, quantization_of(plan))
    setting = setting_of(resolved)
    passing = replace(setting, length=plan.prompt_length)
    shapes = shapes_of(arch)
    traces = [trace_layer(shape, IDLE, passing, False) for shape in {shapes[0], shapes[-1]}]
    size = trained_size(resolved)
    held = {
        "weights": weights.total,
        "adapter": 0 if resolved.trains_own_weights else resolved.trainable.total * size,
        "adapter_frozen": adapter_held(resolved),
        "kv_cache": cache_bytes(arch, plan.length, plan.batch, KV_BYTES[plan.kv_dtype]),
    }
    logits = plan.batch * arch.vocab_size * (setting.stream + 4)
    moving = {"activations": max(trace.forward for trace in traces), "logits": logits}
    phases = {"prefill": moving["activations"], "decode": logits}
    return _assembled(resolved, held, moving, phases, weights, None)


def _assembled(
    resolved: Resolved,
    held: dict[str, int],
    moving: dict[str, int],
    phases: dict[str, int],
    weights: WeightBytes,
    step: StepBytes | None,
) -> Memory:
    constant = sum(held.values()) + framework_bytes(resolved.hardware.kind)
    total = constant + max(phases.values())
    terms = held | moving | {"framework": framework_bytes(resolved.hardware.kind)}
    beyond = total - sum(terms.values())
    if beyond > 0:  # the peak is outside of the layers, in the backward of the model's end
        terms["temporary"] = terms.get("temporary", 0) + beyond
    return Memory(
        terms=terms,
        not_at_once=sum(terms.values()) - total,
        total=total,
        phases={name: constant + value for name, value in phases.items()},
        weights=weights,
        step=step,
    )
