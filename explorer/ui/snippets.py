"""The few lines of Python that attach a method with peft, from its data file."""

from collections.abc import Mapping
from typing import Any

from explorer.catalogue.method import Method

# peft's configuration classes by peft type; those of "explorer" are registered when it is imported.
CONFIGS = {
    "ADALORA": "AdaLoraConfig",
    "ADAMSS": "AdamssConfig",
    "ADAPTION_PROMPT": "AdaptionPromptConfig",
    "BEFT": "BeftConfig",
    "BOFT": "BOFTConfig",
    "C3A": "C3AConfig",
    "CARTRIDGE": "CartridgeConfig",
    "CPT": "CPTConfig",
    "DEFT": "DeftConfig",
    "DELORA": "DeloraConfig",
    "FOURIERFT": "FourierFTConfig",
    "FROD": "FrodConfig",
    "GLORA": "GloraConfig",
    "GRALORA": "GraloraConfig",
    "HIRA": "HiraConfig",
    "HRA": "HRAConfig",
    "IA3": "IA3Config",
    "LILY": "LilyConfig",
    "LLAMA_ADAPTER": "LlamaAdapterConfig",
    "LLAMA_ADAPTER_V2": "LlamaAdapterV2Config",
    "LLAMA_EXCITOR": "LlamaExcitorConfig",
    "LN_TUNING": "LNTuningConfig",
    "LOHA": "LoHaConfig",
    "LOKR": "LoKrConfig",
    "LORA": "LoraConfig",
    "MISS": "MissConfig",
    "MULTITASK_PROMPT_TUNING": "MultitaskPromptTuningConfig",
    "OFT": "OFTConfig",
    "OSF": "OSFConfig",
    "PEANUT": "PeanutConfig",
    "POLY": "PolyConfig",
    "PREFIX_TUNING": "PrefixTuningConfig",
    "PROMPT_TUNING": "PromptTuningConfig",
    "PSOFT": "PsoftConfig",
    "PVERA": "PveraConfig",
    "P_TUNING": "PromptEncoderConfig",
    "RANDLORA": "RandLoraConfig",
    "ROAD": "RoadConfig",
    "SHADOW": "ShadowConfig",
    "SHIRA": "ShiraConfig",
    "SUPERTUNING": "SupertuningConfig",
    "TINYLORA": "TinyLoraConfig",
    "TRAINABLE_TOKENS": "TrainableTokensConfig",
    "UNILORA": "UniLoraConfig",
    "VBLORA": "VBLoRAConfig",
    "VERA": "VeraConfig",
    "WAVEFT": "WaveFTConfig",
    "XLORA": "XLoraConfig",
}
BASE = "meta-llama/Llama-3.1-8B"
FREE = {
    "full": "model.requires_grad_(True)",
    "norms-and-biases": (
        "model.requires_grad_(False)\n"
        "for name, parameter in model.named_parameters():\n"
        '    parameter.requires_grad_("norm" in name or name.endswith(".bias"))'
    ),
}


def snippet(method: Method, knobs: Mapping[str, Any], repository: str = BASE) -> str:
    """Python that loads a base model and attaches the method with these knobs (read values)."""
    if method.peft_type is None:
        return f"{_load(method, repository)}\n{FREE[method.id]}\n"
    if method.unsupported:
        return (
            f"# {method.name} cannot be attached to a base model alone.\n# {method.unsupported}\n"
        )
    name = CONFIGS[method.peft_type]
    lines = [_load(method, repository), f"config = {name}(", '    task_type="CAUSAL_LM",']
    lines += [f"    {key}={_literal(value)}," for key, value in settings(method, knobs).items()]
    lines += [")", "model = get_peft_model(model, config)", "model.print_trainable_parameters()"]
    return "\n".join(lines) + "\n"


def settings(method: Method, knobs: Mapping[str, Any]) -> dict[str, Any]:
    """What goes into the configuration: what is fixed, and every knob that is set."""
    given = {key: value for key, value in knobs.items() if value is not None}
    return method.fixed | {
        key: list(value) if isinstance(value, tuple) else value for key, value in given.items()
    }


def _load(method: Method, repository: str) -> str:
    lines = ["from transformers import AutoModelForCausalLM"]
    if method.recipe:
        lines[0] += ", BitsAndBytesConfig"
    imported = ["get_peft_model"] if method.peft_type else []
    if method.recipe:
        imported.append("prepare_model_for_kbit_training")
    config = CONFIGS.get(method.peft_type or "")
    if config and method.origin == "peft":
        imported.insert(0, config)
    if imported:
        lines.append(f"from peft import {', '.join(imported)}")
    if config and method.origin == "explorer":
        lines.append(f"from explorer.methods import {config}  # registers it with peft")
    return "\n".join([*lines, "", *_base(method, repository)])


def _base(method: Method, repository: str) -> list[str]:
    if not method.recipe:
        return [f'model = AutoModelForCausalLM.from_pretrained("{repository}")']
    return [
        "quantization = BitsAndBytesConfig(",
        "    load_in_4bit=True,",
        f'    bnb_4bit_quant_type="{method.recipe.quantization}",',
        f"    bnb_4bit_use_double_quant={method.recipe.double_quantization},",
        '    bnb_4bit_compute_dtype="bfloat16",',
        ")",
        "model = AutoModelForCausalLM.from_pretrained(",
        f'    "{repository}", quantization_config=quantization',
        ")",
        "model = prepare_model_for_kbit_training(model)",
    ]


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_literal(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)
