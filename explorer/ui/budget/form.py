"""The plan as a form: a few fields first, the rest folded; shown is what the method has."""

import json
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from explorer.budget.plan import GRID_INTENSITY, KV_BYTES, OPTIMIZERS, SHARDINGS, Plan
from explorer.budget.quantization import BLOCK_SIZES, GGUF_FILES
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.knob import ALL_LINEAR, LINEARS
from explorer.ui import method_list, models_table, views
from explorer.ui.budget import config_file
from explorer.ui.budget.links import LONGEST_TEXT
from explorer.ui.budget.reading import AUTO, sites_knob
from explorer.ui.cards.model import display_name

MODES = {"training": "Fine-tune", "inference": "Run"}
DTYPES = ["bfloat16", "float16", "float32"]
RANK_MOST = 512
QUANTIZATIONS = [
    ("as the method's recipe asks", AUTO),
    ("none: all weights as they are", "none"),
    ("int8 (bitsandbytes)", "int8"),
    ("NF4, 4 bits (bitsandbytes)", "nf4"),
    ("FP4, 4 bits (bitsandbytes)", "fp4"),
    *((f"GGUF {name.upper()} (to run, not to train)", f"gguf-{name}") for name in GGUF_FILES),
]
SWITCH = [("as the method's recipe asks", AUTO), ("on", "true"), ("off", "false")]
OPTIMIZER_NAMES = {
    "adamw": "AdamW",
    "adamw-8bit": "AdamW, 8-bit states",
    "paged-adamw": "paged AdamW",
    "paged-adamw-8bit": "paged AdamW, 8-bit states",
    "sgd": "SGD",
    "momentum": "SGD with momentum",
    "lion": "Lion",
    "adafactor": "Adafactor",
}
SHARDING_NAMES = {
    "none": "none",
    "ddp": "DDP (copies)",
    "zero-1": "ZeRO-1 (optimizer)",
    "zero-2": "ZeRO-2 (+ gradients)",
    "zero-3": "ZeRO-3 (+ weights)",
    "fsdp": "FSDP (all)",
}
TRAINING_ONLY = ("checkpointing", "optimizer_fold", "loss_fold")
INFERENCE_ONLY = ("inference_fold",)


@dataclass(frozen=True)
class Form:
    """The plan's inputs by URL name, and the folds among them that come and go with the mode."""

    inputs: dict[str, Component]
    folds: dict[str, gr.Accordion]

    def coming_and_going(self) -> list[Component | gr.Accordion]:
        """What `show_what_applies` shows and hides, in its order."""
        names = ("r", "targets", "double_quantization", *TRAINING_ONLY, *INFERENCE_ONLY)
        return [self.inputs.get(name) or self.folds[name] for name in names]


def lay_out(catalogue: Catalogue) -> Form:
    """The whole form."""
    inputs = {"mode": views.chooser(MODES, "What to do")} | _first(catalogue)
    folds = {
        "optimizer_fold": gr.Accordion("Optimizer and length of training", open=False),
        "loss_fold": gr.Accordion("Loss", open=False),
        "inference_fold": gr.Accordion("Context and cache", open=False, visible=False),
    }
    with folds["optimizer_fold"]:
        inputs |= _optimizer()
    with folds["loss_fold"]:
        inputs |= _loss()
    with folds["inference_fold"]:
        inputs |= _inference()
    with gr.Accordion("Number types and attention", open=False):
        inputs |= _types()
    with gr.Accordion("Several devices, speed, price, grid", open=False):
        inputs |= _devices()
    with gr.Accordion("Other knobs of the method", open=False):
        inputs["knobs"] = gr.Textbox(
            "", label="Knobs", max_length=2000, placeholder="use_dora=true; r=1024",
            info="name=value, parted by semicolons; the Methods tab describes each",
        )  # fmt: skip
    return Form(inputs, folds)


def _first(catalogue: Catalogue) -> dict[str, Component]:
    models = [m for m in models_table.ordered(catalogue) if m.architecture is not None]
    methods = [(m.name, m.id) for m in method_list.ordered(catalogue)]
    inputs: dict[str, Component] = {
        "model": gr.Dropdown(
            [(display_name(m), m.id) for m in models], value="llama-3.1-8b", label="Model"
        ),
        "method": gr.Dropdown(methods, value="lora", label="Method"),
        "r": gr.Slider(0, RANK_MOST, value=0, step=1, label="Rank r", info=_rank_info(catalogue)),
        "targets": gr.Dropdown(
            [*((name, name) for name in LINEARS), ("all linears", ALL_LINEAR)],
            value=[], multiselect=True, label="Target modules",
            info=_targets_info(catalogue),
        ),
        "quantization": gr.Dropdown(QUANTIZATIONS, value=AUTO, label="Quantization"),
        "double_quantization": gr.Checkbox(
            False, label="Double quantization (the scales too)", visible=False
        ),
    }  # fmt: skip
    with gr.Row(elem_classes="pair-row"):
        inputs["batch"] = gr.Number(
            _usual("batch"), precision=0, step=1, label="Batch", min_width=110
        )
        inputs["length"] = gr.Number(
            _usual("length"), precision=0, step=256, label="Tokens a sequence", min_width=110
        )
    inputs["checkpointing"] = gr.Dropdown(SWITCH, value=AUTO, label="Gradient checkpointing")
    inputs["hardware"] = gr.Dropdown(
        device_choices(catalogue), value=_usual("hardware"), label="Device"
    )
    with gr.Accordion("Your own config.json", open=False):
        inputs["config"] = gr.Textbox(
            "", label="config.json", lines=5, max_lines=10, max_length=LONGEST_TEXT,
            placeholder='{"model_type": "llama", "hidden_size": 2048, …}',
            info="Of a llama, mllama or llama4; stands in for the model above.",
        )  # fmt: skip
        config_file.wire(inputs["config"])
    return inputs


def device_choices(catalogue: Catalogue) -> list[tuple[str, str]]:
    """Devices with their memory, from small to large."""
    devices = sorted(
        catalogue.hardware.values(), key=lambda d: (d.memory_bytes.value or 0, d.name.value or "")
    )
    return [
        (f"{d.name.value} · {(d.memory_bytes.value or 0) / 2**30:.0f} GiB", d.id) for d in devices
    ]


def _optimizer() -> dict[str, Component]:
    names = [(OPTIMIZER_NAMES[name], name) for name in OPTIMIZERS]
    return {
        "optimizer": gr.Dropdown([SWITCH[0], *names], value=AUTO, label="Optimizer"),
        "optimizer_dtype": gr.Dropdown(
            [("as the trained weights", AUTO), *((d, d) for d in DTYPES)],
            value=AUTO, label="Type of its states",
        ),
        "master_weights": gr.Checkbox(False, label="float32 copies of 16-bit trained weights"),
        "accumulation": gr.Number(
            _usual("accumulation"), precision=0, step=1, label="Gradient accumulation, steps"
        ),
        "tokens": gr.Number(
            _usual("tokens"), precision=0, step=1_000_000, label="Tokens in the whole training"
        ),
    }  # fmt: skip


def _loss() -> dict[str, Component]:
    return {
        "loss_positions": _unless_given(
            "Positions with a loss, a sequence",
            "empty: all of them; fewer where only answers count and logits are cut",
        ),
        "loss_chunk": gr.Number(
            _usual("loss_chunk"), precision=0, step=128,
            label="Fused head and loss, rows at a time",
            info="0: the whole matrix of logits at once",
        ),
        "loss_float32": gr.Checkbox(True, label="Logits go to float32 for the loss"),
    }  # fmt: skip


def _inference() -> dict[str, Component]:
    return {
        "prompt": _unless_given(
            "Prompt, tokens",
            "of the tokens above; the rest is the answer. Empty: half",
        ),
        "kv_dtype": gr.Dropdown(
            list(KV_BYTES), value=_usual("kv_dtype"), label="Type of the KV cache"
        ),
    }  # fmt: skip


def _types() -> dict[str, Component]:
    blocks = [(str(size), str(size)) for size in BLOCK_SIZES]
    return {
        "parameter_dtype": gr.Dropdown(
            DTYPES, value=_usual("parameter_dtype"), label="Weights"
        ),
        "compute_dtype": gr.Dropdown(
            DTYPES, value=_usual("compute_dtype"), label="Compute type of 4 bits"
        ),
        "adapter_dtype": gr.Dropdown(
            DTYPES, value=_usual("adapter_dtype"), label="Adapter",
            info="peft holds adapters in float32",
        ),
        "quantization_block": gr.Dropdown(
            blocks, value=str(_usual("quantization_block")), label="Quantization block"
        ),
        "skipped_modules": gr.Textbox(
            ",".join(_usual("skipped_modules")), label="Modules left unquantized",
            max_length=1000, info="parted by commas",
        ),
        "attention": gr.Dropdown(
            [("SDPA (fused)", "sdpa"), ("eager (scores in memory)", "eager")],
            value=_usual("attention"), label="Attention",
        ),
        "padded": gr.Checkbox(False, label="Batches are padded (a mask comes along)"),
        "autocast": gr.Checkbox(False, label="Autocast: a float32 adapter multiplies in 16 bits"),
    }  # fmt: skip


def _devices() -> dict[str, Component]:
    return {
        "devices": gr.Number(_usual("devices"), precision=0, step=1, label="Devices"),
        "sharding": gr.Dropdown(
            [(SHARDING_NAMES[name], name) for name in SHARDINGS],
            value=_usual("sharding"), label="Sharding",
            info="of training; to run, each device holds a copy",
        ),
        "interconnect": _unless_given(
            "GB/s between devices",
            "both directions together; empty: the device's own link",
        ),
        "efficiency": _unless_given(
            "Share of the rated speed",
            "0 to 1; empty: what published runs reach",
        ),
        "price_per_hour": _unless_given(
            "Price of a device, US dollars an hour",
            "empty: the catalogue's dated price, where it has one",
        ),
        "grid_intensity": gr.Number(
            _usual("grid_intensity"), step=0.05, label="Grid, kg CO₂e a kWh",
            info=f"{GRID_INTENSITY:g}, the world's in 2024, unless you know yours",
        ),
    }  # fmt: skip


def _usual(name: str) -> Any:
    """What a plan takes that does not say."""
    return Plan.model_fields[name].default


def _unless_given(label: str, info: str) -> gr.Textbox:
    """A number that may be left empty: gr.Number turns an empty one into 0 as its fold opens."""
    return gr.Textbox("", label=label, info=info, max_length=30, max_lines=1)


def _rank_info(catalogue: Catalogue) -> str:
    return rank_words(catalogue.method("lora").knobs["r"].default)


def rank_words(default: int | None) -> str:
    """What 0 means."""
    return f"0 takes the method's own, {default}" if default else "0 takes the method's own"


def _targets_info(catalogue: Catalogue) -> str:
    return targets_words(catalogue.method("lora").sites)


def targets_words(sites: tuple[str, ...]) -> str:
    """What an empty choice means."""
    return f"none takes the method's own: {', '.join(sites)}" if sites else "none: the method's own"


def show_what_applies(catalogue: Catalogue) -> str:
    """JavaScript that shows of r, targets, … what this method, mode and quantization have.

    It runs in the browser with (method, mode, quantization) and gives updates for r, targets,
    double_quantization, checkpointing and the three folds.
    """
    facts = {
        method.id: {
            "rank": rank_words(method.knobs["r"].default) if "r" in method.knobs else None,
            "sites": targets_words(method.sites) if sites_knob(method) else None,
        }
        for method in catalogue.methods.values()
    }
    return f"""(method, mode, quantization) => {{
      const found = {json.dumps(facts)}[method] || {{}};
      const update = (visible, info) =>
        ({{ __type__: "update", visible, ...(info && {{ info }}) }});
      const trains = mode === "training";
      return [
        update(Boolean(found.rank), found.rank),
        update(Boolean(found.sites), found.sites),
        update(["nf4", "fp4"].includes(quantization)),
        update(trains), update(trains), update(trains), update(!trains),
      ];
    }}"""
