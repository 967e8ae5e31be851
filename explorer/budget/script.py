"""The plan as a program: transformers, peft and bitsandbytes doing what was budgeted."""

import json
from typing import Any

from explorer.budget.forecast import obstacles
from explorer.budget.optimizer import FLOAT32_STATES
from explorer.budget.plan import OWN_WEIGHTS, Plan
from explorer.budget.quantization import FOUR_BIT
from explorer.budget.resolve import Resolved
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError

OPTIMIZERS = {
    "adamw": "torch.optim.AdamW(trained, lr=LEARNING_RATE, fused=True)",
    "adamw-8bit": "bitsandbytes.optim.AdamW8bit(trained, lr=LEARNING_RATE)",
    "paged-adamw": "bitsandbytes.optim.PagedAdamW32bit(trained, lr=LEARNING_RATE)",
    "paged-adamw-8bit": "bitsandbytes.optim.PagedAdamW8bit(trained, lr=LEARNING_RATE)",
    "sgd": "torch.optim.SGD(trained, lr=LEARNING_RATE)",
    "momentum": "torch.optim.SGD(trained, lr=LEARNING_RATE, momentum=0.9)",
    "lion": "bitsandbytes.optim.Lion(trained, lr=LEARNING_RATE)",
    "adafactor": "torch.optim.Adafactor(trained, lr=LEARNING_RATE)",
}


def training_script(resolved: Resolved, catalogue: Catalogue) -> str:
    """A Python program that trains as the plan says and prints its peak memory.

    Its first argument, where given, is the model's folder or repository instead of the plan's; its
    second a text file to train on. Raises ExplorerError for what no such program can do.
    """
    plan = resolved.plan
    _refuse_what_it_cannot(resolved)
    needs_bitsandbytes = "bitsandbytes" in OPTIMIZERS[plan.optimizer]
    imports = ["import sys", "from pathlib import Path", ""]
    imports += ["import bitsandbytes"] if needs_bitsandbytes else []
    imports += ["import torch", *_method_imports(resolved), *_transformers_imports(resolved)]
    title = f'"""{resolved.method.name} on {plan.model}: the plan of a budget as a program."""'
    parts = [
        "\n".join([title, "", *imports]),
        "\n".join(_constants(resolved, catalogue)),
        _batches(),
        _main(resolved),
        'if __name__ == "__main__":\n    main(*sys.argv[1:])',
    ]
    return "\n\n\n".join(parts) + "\n"


def _refuse_what_it_cannot(resolved: Resolved) -> None:
    plan = resolved.plan
    trained = plan.parameter_dtype if resolved.trains_own_weights else plan.adapter_dtype
    states = "float32" if plan.optimizer in FLOAT32_STATES else trained
    refusals = {
        "The program trains; choose mode training.": plan.mode != "training",
        "The program runs on one device; start it with accelerate for more.": plan.devices > 1,
        "A loss in chunks needs a fused kernel (Liger's, for one), which plain transformers "
        "does not have: set loss_chunk to 0.": plan.loss_chunk > 0,
        "transformers computes the loss in float32: leave loss_float32 on.": not plan.loss_float32,
        "The program packs its text into full sequences: leave padded off.": plan.padded,
        "The program computes in the types of its tensors: leave autocast off.": plan.autocast,
        "Plain torch keeps no float32 copies of what trains: leave master_weights off, or train "
        "in float32.": plan.master_weights,
        f"In the program {plan.optimizer} holds its states in {states}: leave optimizer_dtype "
        "unset.": plan.optimizer_dtype not in (None, states),
        f"transformers asks bitsandbytes for blocks of 64 numbers, not of "
        f"{plan.quantization_block}: set quantization_block to 64.": (
            plan.quantization in FOUR_BIT and plan.quantization_block != 64
        ),
    }
    for why in obstacles(resolved):
        refusals[f"There is no program for what cannot be run. {why}"] = True
    for sentence, applies in refusals.items():
        if applies:
            raise ExplorerError(sentence)


def _method_imports(resolved: Resolved) -> list[str]:
    method = resolved.method
    if method.peft_type is None:
        return []
    if method.origin == "explorer":
        return ["from explorer.methods import build_config", "from peft import get_peft_model"]
    return [
        "from peft import PEFT_TYPE_TO_CONFIG_MAPPING, TaskType, get_peft_model",
    ]


def _loader(resolved: Resolved) -> str:
    sees = resolved.arch.vision is not None
    return "AutoModelForImageTextToText" if sees else "AutoModelForCausalLM"


def _transformers_imports(resolved: Resolved) -> list[str]:
    names = [_loader(resolved), "AutoTokenizer"]
    names += ["BitsAndBytesConfig"] if resolved.plan.is_quantized else []
    return [f"from transformers import {', '.join(names)}"]


def _constants(resolved: Resolved, catalogue: Catalogue) -> list[str]:
    plan = resolved.plan
    rate = resolved.method.lab.learning_rate if resolved.method.lab else 1e-4
    steps = max(1, plan.tokens // plan.tokens_per_step)
    return [
        f"MODEL = {_literal(_repository(plan, catalogue))}  # or a local folder",
        f"BATCH, LENGTH, ACCUMULATION = {plan.batch}, {plan.length}, {plan.accumulation}",
        f"STEPS = {steps}  # updates: {plan.tokens:,} tokens",
        f"LEARNING_RATE = {rate:g}  # found on a model of 135M; large ones want less",
    ]


def _repository(plan: Plan, catalogue: Catalogue) -> str:
    record = catalogue.models.get(plan.model)
    if record is None or not record.huggingface_repo.value:
        return plan.model
    return record.huggingface_repo.value.split()[0]


def _batches() -> str:
    return '''def batches(tokenizer, path):
    """Endless batches of consecutive tokens of a text."""
    ids = tokenizer(Path(path).read_text(encoding="utf-8"), return_tensors="pt").input_ids[0]
    size = BATCH * LENGTH
    ids = ids.repeat(-(-size // len(ids)))
    while True:
        for start in range(0, len(ids) - size + 1, size):
            yield ids[start : start + size].view(BATCH, LENGTH)'''


def _main(resolved: Resolved) -> str:
    plan = resolved.plan
    lines = [
        "def main(model_name=MODEL, text=__file__, steps=STEPS):",
        '    device = "cuda" if torch.cuda.is_available() else "cpu"',
        "    tokenizer = AutoTokenizer.from_pretrained(model_name)",
        f"    model = {_loader(resolved)}.from_pretrained(",
        "        model_name,",
        f"        dtype=torch.{plan.parameter_dtype},",
        f'        attn_implementation="{plan.attention}",',
        "        device_map=device,",
        *_quantization(plan),
        "    )",
        *_method(resolved),
    ]
    if plan.checkpointing:
        lines.append('    model.gradient_checkpointing_enable({"use_reentrant": False})')
    positions = ""
    if plan.loss_positions:
        positions = f", logits_to_keep={plan.loss_positions}"
    labels = f"ids[:, -{plan.loss_positions} :]" if plan.loss_positions else "ids"
    call = f"input_ids=ids, labels={labels}, use_cache=False{positions}"
    lines += [
        "    model.train()",
        "    trained = [p for p in model.parameters() if p.requires_grad]",
        '    print(f"trains {sum(p.numel() for p in trained):,} parameters")',
        f"    optimizer = {OPTIMIZERS[plan.optimizer]}",
        "    source = batches(tokenizer, text)",
        "    for step in range(int(steps)):",
        "        for _ in range(ACCUMULATION):",
        "            ids = next(source).to(device)",
        f"            loss = model({call}).loss",
        "            (loss / ACCUMULATION).backward()",
        "        optimizer.step()",
        "        optimizer.zero_grad()",
        '        print(f"step {step + 1}: loss {loss.item():.4f}")',
        '    if device == "cuda":',
        '        print(f"peak {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB")',
    ]
    return "\n".join(lines)


def _quantization(plan: Plan) -> list[str]:
    if not plan.is_quantized:
        return []
    lines = ["load_in_8bit=True"]
    if plan.quantization in FOUR_BIT:
        lines = [
            "load_in_4bit=True",
            f'bnb_4bit_quant_type="{plan.quantization}"',
            f"bnb_4bit_use_double_quant={plan.double_quantization}",
            f"bnb_4bit_compute_dtype=torch.{plan.compute_dtype}",
        ]
    if plan.skipped_modules != ("lm_head",):
        lines.append(f"llm_int8_skip_modules={_literal(plan.skipped_modules)}")
    inner = [f"            {line}," for line in lines]
    return ["        quantization_config=BitsAndBytesConfig(", *inner, "        ),"]


def _method(resolved: Resolved) -> list[str]:
    method = resolved.method
    if method.id == "full":
        return []
    if method.id in OWN_WEIGHTS:
        return [
            "    for name, parameter in model.named_parameters():",
            '        parameter.requires_grad_("norm" in name or name.endswith(".bias"))',
        ]
    lines = ["    model.requires_grad_(False)"]
    settings = method.fixed | {k: v for k, v in resolved.knobs.items() if v is not None}
    shown = [f"        {name}={_literal(value)}," for name, value in settings.items()]
    if method.origin == "explorer":
        knobs = ", ".join(
            f"{json.dumps(k)}: {_literal(v)}" for k, v in resolved.knobs.items() if v is not None
        )
        lines += [f"    config = build_config({_literal(method.id)}, {{{knobs}}})"]
    else:
        lines += [f'    config = PEFT_TYPE_TO_CONFIG_MAPPING["{method.peft_type}"](']
        lines += ["        task_type=TaskType.CAUSAL_LM,", *shown, "    )"]
    wide = resolved.plan.adapter_dtype == "float32"
    return [*lines, f"    model = get_peft_model(model, config, autocast_adapter_dtype={wide})"]


def _literal(value: Any) -> str:
    """A value as Python source, with double quotes."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(_literal(item) for item in value)}]"
    return json.dumps(value) if isinstance(value, str) else repr(value)
