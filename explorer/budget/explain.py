"""The arithmetic behind a budget: each term's formula, with its numbers filled in."""

from dataclasses import dataclass

from explorer.budget.forecast import Budget
from explorer.budget.held import PER_MODEL, PER_NAME, PER_SITE, UNWRITTEN
from explorer.budget.kv import cached_layers
from explorer.budget.memory import setting_of, tail_of, trained_size
from explorer.budget.optimizer import optimizer_state
from explorer.budget.plan import KV_BYTES
from explorer.budget.quantization import FOUR_BIT
from explorer.budget.shape import Setting
from explorer.budget.sharding import SHARDED, gathered_layers
from explorer.budget.step import Run


@dataclass(frozen=True)
class Explained:
    """One term: what it is, how it is computed, the same with numbers, and the bytes."""

    term: str
    meaning: str
    formula: str
    filled: str
    bytes: int


def explain(budget: Budget) -> list[Explained]:
    """Every memory term of a budget that is not zero, in the order of the waterfall."""
    writers = _INFERENCE if budget.plan.mode == "inference" else _TRAINING
    told = []
    for term, size in budget.memory.terms.items():
        if size:
            meaning, formula, filled = writers[term](budget)
            if term in SHARDED.get(budget.plan.sharding, ()):
                formula, filled = f"({formula}) / devices", f"({filled}) / {budget.plan.devices}"
            told.append(Explained(term, meaning, formula, filled, size))
    if budget.memory.not_at_once:
        told.append(
            Explained(
                "not_at_once",
                "what is never alive together: gradients come as activations go",
                "the most alive at once - sum of the terms",
                f"{budget.memory.total:,} - {sum(budget.memory.terms.values()):,}",
                -budget.memory.not_at_once,
            )
        )
    return told


def saved_tensors(budget: Budget) -> list[dict[str, str | int]]:
    """What each kind of layer keeps for its backward, tensor by tensor, in bytes a layer."""
    step = budget.memory.step
    runs: tuple[Run, ...] = step.runs if step is not None else ()
    return [
        {"layers": _layers(run), "tensor": label, "bytes": size}
        for run in runs
        for label, size in run.trace.saved.items()
    ]


def _layers(run: Run) -> str:
    last = run.first + run.count - 1
    return str(run.first) if run.count == 1 else f"{run.first} to {last}"


Written = tuple[str, str, str]


def _weights(budget: Budget) -> Written:
    plan, weights = budget.plan, budget.memory.weights
    parts = weights.by_part if weights else {}
    filled = " + ".join(f"{size:,} ({name})" for name, size in parts.items())
    if plan.quantization == "none":
        total = budget.resolved.params.total
        size = parts["weights"] // total
        return "the model's weights", "parameters · bytes a number", f"{total:,} · {size}"
    if plan.quantization in FOUR_BIT:
        formula = (
            f"packed n/2 + scales n/{plan.quantization_block} (4 bytes, or 1 + nested) + tables"
        )
        return "the model's weights, linears in 4 bits", formula, filled
    if plan.quantization == "int8":
        return "the model's weights, linears in 8 bits", "n + 4 · rows + the rest", filled
    return "the file's tensors", "numbers / block · bytes a block", filled


def _adapter(budget: Budget) -> Written:
    return "the weights that the method adds", "trained · bytes a number", _trained(budget)


def _adapter_frozen(budget: Budget) -> Written:
    method, size = budget.resolved.method, budget.memory.terms["adapter_frozen"]
    tables = (
        ("at each linear", PER_SITE),
        ("unwritten at each linear", UNWRITTEN),
        ("a name", PER_NAME),
        ("a model", PER_MODEL),
    )
    formula = "; ".join(
        f"{where}: {told[method.id]}" for where, told in tables if method.id in told
    )
    return "what the method adds and does not train: bases, indices", formula, f"{size:,}"


def _gradients(budget: Budget) -> Written:
    return "a gradient for each trained number", "trained · bytes a number", _trained(budget)


def _trained(budget: Budget) -> str:
    return f"{budget.resolved.trainable.total:,} · {trained_size(budget.resolved)}"


def _optimizer(budget: Budget) -> Written:
    resolved, step = budget.resolved, budget.memory.step
    assert step is not None  # a budget of training has one
    state = optimizer_state(resolved, trained_size(resolved), step)
    return f"the states of {budget.plan.optimizer}", state.formula, state.filled


def _master(budget: Budget) -> Written:
    return (
        "float32 copies of what trains",
        "trained · 4",
        f"{budget.resolved.trainable.total:,} · 4",
    )


def _communication(budget: Budget) -> Written:
    meaning, weights = "what devices exchange at a time", budget.memory.weights
    if budget.plan.sharding == "ddp" or weights is None:
        return f"{meaning}: the gradients once more", "trained · bytes", _trained(budget)
    first, second = gathered_layers(weights)
    parts = f"{first:,} + {second:,} + {weights.ends:,}"
    formula = "two layers + embedding, head and last norm"
    if added := budget.memory.terms["communication"] - first - second - weights.ends:
        formula, parts = f"{formula} + of the adapter", f"{parts} + {added:,}"
    return f"{meaning}: gathered weights", formula, parts


def _whole_gradients(budget: Budget) -> Written:
    step = budget.memory.step
    layer = max(run.trace.gradients for run in step.runs) if step else 0
    rest = budget.memory.terms["whole_gradients"] - 2 * layer
    return (
        "gradients that are still whole, before each device keeps its part",
        "2 · a layer's + embedding's and head's",
        f"2 · {layer:,} + {rest:,}",
    )


def _activations(budget: Budget) -> Written:
    step, setting = budget.memory.step, setting_of(budget.resolved)
    parts = [f"{run.count} · {run.kept:,}" for run in step.runs if run.kept] if step else []
    if step is not None:
        rest = step.saved + step.shared - sum(run.kept * run.count for run in step.runs)
        parts.append(f"{rest:,} (last norm, log-probabilities' input, positions, tokens)")
    kept = "their inputs" if budget.plan.checkpointing else "what autograd saves"
    formula = f"layers · {kept} for {_micro_batch(setting)} tokens"
    return f"tensors kept for the backward pass: {kept} of the layers", formula, " + ".join(parts)


def _micro_batch(setting: Setting) -> str:
    return f"{setting.batch} · {setting.length}"


def _recomputation(budget: Budget) -> Written:
    meaning = "one layer's tensors, built again during the backward"
    return meaning, "what autograd saves in a layer", f"{budget.memory.terms['recomputation']:,}"


def _dequantization(budget: Budget) -> Written:
    size = budget.memory.terms["dequantization"]
    return "the widest weight, dequantized to multiply", "rows · columns · bytes", f"{size:,}"


def _logits(budget: Budget) -> Written:
    tail = tail_of(budget.resolved)
    rows, vocabulary = tail.rows, tail.vocabulary
    if budget.plan.mode == "inference":
        rows = budget.plan.batch
        return (
            "logits of the last position",
            "batch · vocabulary · (bytes + 4 in float32)",
            f"{rows} · {vocabulary:,} · ({setting_of(budget.resolved).stream} + 4)",
        )
    wide = 4 if tail.wide else setting_of(budget.resolved).stream
    if tail.chunk and tail.chunk < rows:
        return (
            "logits and their gradients, a chunk at a time",
            "chunk · vocabulary · (bytes + 2 · 4)",
            f"{tail.chunk:,} · {vocabulary:,} · {setting_of(budget.resolved).stream + 8}",
        )
    return (
        "log-probabilities, their gradient and that of the logits",
        "positions · vocabulary · 3 · bytes",
        f"{rows:,} · {vocabulary:,} · 3 · {wide}",
    )


def _temporary(budget: Budget) -> Written:
    memory = budget.memory
    size = memory.terms["temporary"]
    meaning = "gradients of activations inside one layer"
    if memory.step is not None and size > memory.step.temporary:
        fullest = max(memory.phases, key=lambda phase: memory.phases[phase])
        meaning = f"what the fullest part of the step ({fullest}) holds besides, for a moment"
    return meaning, "the most alive at once", f"{size:,}"


def _framework(budget: Budget) -> Written:
    size = budget.memory.terms["framework"]
    return "driver, libraries, interpreter: an allowance, not a forecast", "stated", f"{size:,}"


def _cache(budget: Budget) -> Written:
    plan, arch = budget.plan, budget.resolved.arch
    whole, chunked = cached_layers(arch)
    size = KV_BYTES[plan.kv_dtype]
    filled = f"2 · {plan.batch} · {whole} · {plan.length:,} · {arch.kv_dim:,} · {size:g}"
    if chunked:
        near = min(plan.length, arch.attention_chunk_size or plan.length)
        filled += f" + 2 · {plan.batch} · {chunked} · {near:,} · {arch.kv_dim:,} · {size:g}"
    return (
        "keys and values of the context",
        "2 · batch · layers · tokens · kv width · bytes",
        filled,
    )


def _passing(budget: Budget) -> Written:
    size = budget.memory.terms["activations"]
    return "one layer's tensors while the prompt passes", "the most alive at once", f"{size:,}"


_TRAINING = {
    "weights": _weights,
    "adapter": _adapter,
    "adapter_frozen": _adapter_frozen,
    "optimizer": _optimizer,
    "master_copies": _master,
    "communication": _communication,
    "gradients": _gradients,
    "whole_gradients": _whole_gradients,
    "activations": _activations,
    "recomputation": _recomputation,
    "dequantization": _dequantization,
    "logits": _logits,
    "temporary": _temporary,
    "framework": _framework,
}
_INFERENCE = {
    "weights": _weights,
    "adapter": _adapter,
    "adapter_frozen": _adapter_frozen,
    "kv_cache": _cache,
    "activations": _passing,
    "logits": _logits,
    "framework": _framework,
}
