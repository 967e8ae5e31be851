"""Floating-point operations of a plan: forward, backward by what trains, and for a whole training.

A product of [n, k] and [k, m] counts 2 n k m. Frozen weights need no weight gradient, and nothing
below the first adapter is differentiated; with checkpointing every layer's forward runs again.
Attention counts the whole square of positions, as torch's own counter does; kernels that skip the
masked half do half of that part.
"""

from dataclasses import dataclass

from explorer.budget.kv import cached_layers
from explorer.budget.memory import setting_of, tail_of
from explorer.budget.params import expert_parameters
from explorer.budget.resolve import Resolved
from explorer.budget.sites import all_sites
from explorer.budget.step import Habit, layer_runs, simulate
from explorer.budget.trace import Trace
from explorer.budget.traffic import runs_every_expert


@dataclass(frozen=True)
class Flops:
    """Operations in floating point.

    In training `forward`, `backward` and `recompute` are those of one micro-batch on one device,
    `per_token` their sum a token and `total` those of the plan's tokens. In inference `forward` is
    the prompt's, `per_token` one generated token's at the full context, `total` a whole answer's.
    `idle` is what transformers spends besides on experts that a token was not sent to (in inference
    while it reads the prompt).
    """

    forward: int
    backward: int
    recompute: int
    attention: int
    idle: int
    per_token: float
    total: float

    @property
    def per_step(self) -> int:
        """Forward, backward and recomputation of a micro-batch."""
        return self.forward + self.backward + self.recompute


def flops_of(resolved: Resolved) -> Flops:
    """Count the operations of a plan."""
    return _inference(resolved) if resolved.plan.mode == "inference" else _training(resolved)


def _training(resolved: Resolved) -> Flops:
    plan, setting = resolved.plan, setting_of(resolved)
    habit = Habit(plan.checkpointing, plan.accumulation > 1)
    runs = layer_runs(resolved.arch, resolved.activity, setting, habit)
    tail = simulate(resolved.arch, resolved.activity, setting, tail_of(resolved), habit).tail.trace
    layers = sum(run.trace.forward_flops * run.count for run in runs)
    forward = layers + tail.forward_flops
    backward = sum(run.trace.backward_flops * run.count for run in runs) + tail.backward_flops
    again = sum(run.trace.rerun_flops * run.count for run in runs)
    recompute = again if plan.checkpointing else 0
    step = forward + backward + recompute
    attention = 4 * setting.tokens * setting.length * resolved.arch.q_dim
    return Flops(
        forward=forward,
        backward=backward,
        recompute=recompute,
        attention=attention * len(resolved.arch.self_attention_layers),
        idle=sum(_idle(run.trace, plan.checkpointing) * run.count for run in runs),
        per_token=step / setting.tokens,
        total=step / setting.tokens * plan.tokens,
    )


def _idle(trace: Trace, checkpointing: bool) -> int:
    return trace.idle_flops * (2 if checkpointing else 1) + trace.idle_backward_flops


def _inference(resolved: Resolved) -> Flops:
    plan, arch = resolved.plan, resolved.arch
    prompt = plan.prompt_length
    answer = max(plan.length - prompt, 1)
    weights = 2 * text_weights(resolved)
    head = 2 * arch.hidden_size * arch.vocab_size
    prefill = plan.batch * (prompt * weights + head + _attention(resolved, prompt) * prompt)
    token = weights + head + _attention(resolved, plan.length)
    middle = weights + head + _attention(resolved, (prompt + plan.length) // 2)
    return Flops(
        forward=prefill,
        backward=0,
        recompute=0,
        attention=plan.batch * _attention(resolved, prompt) * prompt,
        idle=plan.batch * prompt * idle_of_token(resolved),
        per_token=float(token),
        total=float(prefill + plan.batch * answer * middle),
    )


def _attention(resolved: Resolved, context: int) -> int:
    """Scores and weighted values of one token against a context: 4 · positions · width a layer."""
    arch = resolved.arch
    whole, chunked = cached_layers(arch)
    near = min(context, arch.attention_chunk_size or context)
    return 4 * arch.q_dim * (whole * context + chunked * near)


def idle_of_token(resolved: Resolved) -> int:
    """Operations for a generated token in experts that it was not sent to, where these run."""
    arch = resolved.arch
    if not runs_every_expert(resolved):
        return 0
    others = (arch.num_local_experts or 0) - (arch.num_experts_per_tok or 0)
    return 2 * len(arch.moe_layers) * others * expert_parameters(arch)


def text_weights(resolved: Resolved) -> int:
    """Weights that one token of text is multiplied with, head and embedding left out.

    Without an image transformers skips Mllama's cross-attention layers, their MLPs as well.
    """
    arch = resolved.arch
    own = sum(
        site.weight
        for site in all_sites(arch)
        if site.layer is not None
        and not site.in_vision
        and site.layer not in arch.cross_attention_layers
    )
    return own + len(arch.moe_layers) * (arch.num_experts_per_tok or 0) * expert_parameters(arch)
