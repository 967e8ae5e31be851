"""One training step in bytes: the most alive in its forward, loss, backward and update."""

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby

from explorer.budget.activity import Activity, LayerAct
from explorer.budget.formula import ceil_div
from explorer.budget.front import trace_front
from explorer.budget.layer import trace_layer
from explorer.budget.shape import Setting, Shape, shapes_of
from explorer.budget.sites import embedding_rows
from explorer.budget.tail import Tail, TailTrace, trace_tail
from explorer.budget.trace import Trace
from explorer.catalogue.architecture import Architecture


@dataclass(frozen=True)
class Run:
    """Neighbouring layers of one kind, from the bottom."""

    first: int
    count: int
    shape: Shape
    act: LayerAct
    trace: Trace
    kept: int  # bytes that each of them keeps until its backward


@dataclass(frozen=True)
class StepBytes:
    """Bytes beside the weights and the optimizer's state.

    `saved` is what all layers keep, `shared` what they keep together, `logits` what is alive over
    the vocabulary at the loss. `gradients` are those of the whole model, `whole_gradients` those
    that one device holds before they are scattered over several. `phases` holds the most that is
    alive in each part of the step; gradients are among them as far as they exist by then.
    """

    saved: int
    shared: int
    logits: int
    gradients: int
    whole_gradients: int
    recomputed: int
    buffers: int
    temporary: int
    runs: tuple[Run, ...]
    front: Trace
    tail: TailTrace
    phases: dict[str, int] = field(default_factory=dict)

    @property
    def peak(self) -> int:
        """The most that is alive at once in forward and backward."""
        return max(self.phases.values())


@dataclass(frozen=True)
class Habit:
    """What the training loop does: checkpointing, and whether gradients outlive a micro-batch."""

    checkpointing: bool = False
    accumulates: bool = False


@lru_cache(maxsize=2048)
def layer_runs(
    arch: Architecture, activity: Activity, setting: Setting, habit: Habit
) -> tuple[Run, ...]:
    """The model's layers with their traces, neighbours of one kind together."""
    lowest = first_reached(arch, activity, habit.checkpointing)
    reached = activity.embeds or habit.checkpointing

    shapes = shapes_of(arch)

    def kind(layer: int) -> tuple[Shape, LayerAct, bool, bool]:
        needs = layer > lowest or (reached and layer >= lowest)
        return shapes[layer], activity.layers[layer], needs, layer >= lowest

    runs = []
    for (shape, act, needs, kept), layers in groupby(range(arch.num_hidden_layers), kind):
        members = list(layers)
        trace = trace_layer(shape, act, setting, needs)
        held = trace.total
        if habit.checkpointing:
            held = setting.tokens * shape.hidden * setting.stream + trace.pinned
        idle = shape.crossing or (habit.checkpointing and not kept)
        runs.append(Run(members[0], len(members), shape, act, trace, 0 if idle else held))
    return tuple(runs)


def first_reached(arch: Architecture, activity: Activity, checkpointing: bool) -> int:
    """The lowest layer that the backward comes to; the number of layers when it comes to none.

    Switching checkpointing on makes transformers ask for the gradient of the embedding's output,
    so that the backward then runs through every layer, whatever trains.
    """
    lowest = activity.lowest_layer
    if checkpointing:
        return 0
    return arch.num_hidden_layers if lowest is None else lowest


def simulate(
    arch: Architecture,
    activity: Activity,
    setting: Setting,
    tail: Tail,
    habit: Habit,
    spread: int = 1,
) -> StepBytes:
    """Follow a step through the layers and read off its peaks.

    `spread` is the number of devices that gradients are scattered over, a layer at a time.
    """
    runs = layer_runs(arch, activity, setting, habit)
    reaches = first_reached(arch, activity, habit.checkpointing) < arch.num_hidden_layers
    ends = trace_tail(tail, setting, reaches)
    positions = 2 * setting.length * arch.head_dim * setting.stream
    tokens_in = setting.tokens * 8  # token ids and labels
    embedded = setting.tokens * arch.hidden_size * setting.stream
    turned = habit.checkpointing or any(run.trace.rotates for run in runs)
    front = trace_front(activity.virtual_tokens, arch.hidden_size, activity.encoder, setting)
    shared = (positions if turned else 0) + 2 * tokens_in + front.total
    saved = sum(run.kept * run.count for run in runs)
    table = 0
    if activity.embeddings:
        table = embedding_rows(arch) * arch.hidden_size * setting.own
    copied = activity.copies_table * embedding_rows(arch) * arch.hidden_size * setting.stream
    layer_gradients = sum(run.trace.gradients * run.count for run in runs)
    # one table for both ends: autograd holds the gradient of each beside their sum
    ties = arch.tie_word_embeddings and ends.gradients > 0
    own_table = 0 if ties else table
    gradients = ends.trace.gradients + layer_gradients + own_table
    summed = 2 * table if ties else 0
    made = Gradients(gradients, ends.trace.gradients, habit.accumulates, spread)
    start = made.share(gradients) if habit.accumulates else 0
    base = shared + saved + start
    tail_kept = ends.trace.total - ends.saved
    lowest = runs[0].trace.gradients
    phases = {
        "forward": max(
            _forward(runs, shared + start, habit, embedded), shared + start + embedded + copied
        ),
        "loss": base + tail_kept + ends.logits_forward,
        "loss backward": base + ends.trace.backward,
        "layers backward": _layers_backward(runs, shared, habit, made),
        "embedding backward": shared
        + made.beside(layer_gradients, lowest)
        + (own_table if spread > 1 or not habit.accumulates else 0)
        + embedded
        + summed
        + copied
        if table + copied
        else 0,
        "update": made.share(gradients) + sum(run.trace.pinned * run.count for run in runs),
    }
    highest = max(runs, key=lambda run: run.trace.backward)
    return StepBytes(
        saved=saved + tail_kept,
        shared=shared,
        logits=max(ends.logits_forward, ends.logits_backward),
        gradients=gradients,
        whole_gradients=made.whole(runs, own_table),
        recomputed=highest.trace.rerun if habit.checkpointing else 0,
        buffers=_buffers(runs, setting),
        temporary=highest.trace.backward - highest.trace.total,
        runs=runs,
        front=front,
        tail=ends,
        phases=phases,
    )


@dataclass(frozen=True)
class Gradients:
    """The gradients of a step as they come about, in bytes: all of them, and those of the end.

    With `spread` over several devices a layer's are whole while they are made and once more in the
    buffer that is scattered while the next layer's come; those of the model's ends stay whole until
    the backward is through. That is how torch's FSDP2 does it; DeepSpeed's buckets are as large.
    """

    total: int
    ends: int
    accumulates: bool
    spread: int

    def share(self, size: int) -> int:
        """What one device keeps of so many."""
        return ceil_div(size, self.spread)

    def beside(self, below: int, layer: int) -> int:
        """What is there when those of the layers above, `below` in all, are made.

        The last of these layers had `layer` bytes, which may still be on their way.
        """
        if self.spread == 1:
            return self.total if self.accumulates else self.ends + below
        kept = self.total if self.accumulates else below
        return self.share(kept) + self.ends + layer

    def whole(self, runs: tuple[Run, ...], table: int) -> int:
        """The most that is whole on a device; nothing where gradients are not scattered."""
        if self.spread == 1:
            return 0
        return self.ends + table + 2 * max(run.trace.gradients for run in runs)


def _forward(runs: tuple[Run, ...], held: int, habit: Habit, embedded: int) -> int:
    """The most alive while the layers run forward, the output of the embedding with it."""
    peak = 0
    below = held + embedded
    for run in runs:
        top = below + run.kept * (run.count - 1)
        trace = run.trace
        passing = trace.forward - (trace.total - trace.pinned if habit.checkpointing else 0)
        peak = max(peak, top + passing)
        below += run.kept * run.count
    return peak


def _layers_backward(runs: tuple[Run, ...], shared: int, habit: Habit, made: Gradients) -> int:
    """The most that is alive while the backward goes down through the layers.

    Within a run every layer below frees what it kept and leaves its weights' gradients, so the most
    is at one of the run's ends.
    """
    below = shared + sum(run.kept * run.count for run in runs)
    pinned = peak = done_before = last = 0
    for run in reversed(runs):
        trace = run.trace
        if not trace.saved and not trace.gradients:
            continue
        for done in sorted({0, min(1, run.count - 1), run.count - 1}):
            left = below - run.kept * (done + 1) + pinned + trace.pinned * done
            here = trace.rerun_backward if habit.checkpointing else trace.backward
            if habit.checkpointing:
                # run again beside the gradient of its output; its input is kept besides, unless it
                # is saved itself
                inputs = run.kept - trace.pinned
                here = max(here, trace.rerun_forward + inputs) + run.kept - trace.carried
            gradients = made.beside(
                done_before + done * trace.gradients, trace.gradients if done else last
            )
            # those of other micro-batches are there already, and are added to in place
            own = trace.gradients if made.accumulates and made.spread == 1 else 0
            peak = max(peak, left + here + gradients - own)
        below -= run.kept * run.count
        done_before += trace.gradients * run.count
        pinned += trace.pinned * run.count
        last = trace.gradients
    return peak


def _buffers(runs: tuple[Run, ...], setting: Setting) -> int:
    """The largest weight that has to be dequantized."""
    if setting.quantization == "none":
        return 0
    shapes = [run.shape for run in runs]
    widest = max(max(s.hidden * s.feed_forward, s.hidden * s.q_dim) for s in shapes)
    return widest * setting.compute
