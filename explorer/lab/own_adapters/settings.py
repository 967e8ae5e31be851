"""An adapter's settings: those that are safe to load, each of its type, none left out that counts.

What decides how the adapter acts is kept or refused. Left out is only what peft needs for the start
of training, which the adapter's tensors replace.
"""

import math
from collections.abc import Mapping
from typing import Any

from explorer.catalogue.method import Method
from explorer.lab.own_adapters.header import Shapes
from explorer.lab.own_adapters.names import named_targets, read_keys, read_names
from explorer.lab.own_adapters.unpack import AdapterUploadError

# Settings that would fetch, read or run something, or that act in training alone.
LEFT_OUT = frozenset({
    "auto_mapping", "corda_config", "eva_config", "loftq_config", "lora_ga_config",
    "megatron_core", "prompt_tuning_init_state_dict_path", "prompt_tuning_init_text",
    "qalora_group_size", "revision", "runtime_config", "tokenizer_kwargs", "tokenizer_name_or_path",
})  # fmt: skip

# Settings that change what the adapter does in a way that is not done here, and why.
NOT_HERE = {
    "alora_invocation_tokens": "it acts after its invocation tokens alone",
    "arrow_config": "it chooses among other adapters, which are not here",
    "kasa_config": "KaSA cuts the base's weights",
    "layer_replication": "it acts on a base whose layers are repeated",
    "megatron_config": "it acts on layers that are spread over GPUs by Megatron",
    "monteclora_config": "MonteCLoRA draws its weights",
    "use_bdlora": "BD-LoRA is laid out for several GPUs",
    "use_qalora": "QA-LoRA acts on weights quantized by GPTQ",
    "velora_config": "VeLoRA keeps its inputs in another form",
}

# What the settings are that are no knobs of their method.
KINDS = {
    "bool": (
        "ensure_weight_tying", "fan_in_fan_out", "inference_mode", "init_ia3_weights", "lora_bias",
        "progressbar", "proportional_parameters", "rank_dropout_scale",
        "runtime_offload_base_weight", "sample_at_inference", "save_indices",
        "save_only_topk_weights", "save_precomputed_indices", "save_projection",
        "share_embeddings", "use_asa", "use_cayley_neumann", "use_dora", "use_dynamic_rank",
        "use_effective_conv2d", "use_rslora", "very_sparse",
    ),
    "int": (
        "asa_target_subspaces", "boft_block_num", "boft_n_butterfly_factor", "final_warmup",
        "generator_seed", "init_warmup", "mask_interval", "num_attention_heads",
        "num_cayley_neumann_terms", "num_layers", "num_transformer_submodules",
        "num_virtual_tokens", "projection_prng_key", "psoft_svd_lowrank_niter", "r", "random_seed",
        "shadow_hidden_size", "shadow_intermediate_size", "shadow_num_attention_heads",
        "token_dim", "update_hidden_size",
    ),
    "float": (
        "alpha", "asa_importance_beta", "asa_schedule_exponent", "asa_uncertainty_beta",
        "auxiliary_loss_weight", "beta1", "beta2", "cayley_neumann_eps", "deft_dropout",
        "encoder_dropout", "eps", "frod_dropout", "init_logits_std", "init_scale", "init_v_bound",
        "init_vector_bank_bound", "lora_alpha", "lora_dropout", "opt_loss_decay_factor",
        "opt_projection_format_epsilon", "orth_reg_weight", "svd_threshold", "tinylora_dropout",
    ),
    "word": (
        "ab_svd_init", "base_model_name_or_path", "bias", "init_lora_weights", "init_weights",
        "mask_type", "opt_weighted_loss_type", "peft_type", "peft_version", "prompt_tuning_init",
        "psoft_svd", "shadow_model", "task_type",
    ),
    "ints": ("cpt_mask", "layers_to_transform", "trainable_token_indices"),
    "sites": (
        "exclude_modules", "feedforward_modules", "layers_pattern", "modules_to_save",
        "target_modules", "target_parameters",
    ),
    "keys": (
        "alpha_pattern", "block_size_pattern", "lambda_pattern", "n_frequency_pattern",
        "rank_pattern", "target_svd_config",
    ),
}  # fmt: skip
KIND = {name: kind for kind, names in KINDS.items() for name in names}
NEEDED = {
    "bool": "true or false is needed",
    "int": "a whole number is needed",
    "float": "a number is needed",
    "word": "a word is needed",
    "ints": "whole numbers are needed",
}

LONGEST_WORD = 300
MOST_SAVED = 64  # modules kept whole beside the adapter
ORDINARY = 1024  # a size up to this is let pass, whatever the tensors measure
REPEATED = {  # how often something is done in each layer
    "boft_n_butterfly_factor": 4, "num_cayley_neumann_terms": 64,
    "num_transformer_submodules": 2, "psoft_svd_lowrank_niter": 64,
}  # fmt: skip
# What a method lays out for each linear beside its tensors, as a product of settings.
BESIDE = {"tinylora": ("u", "r", "r")}
MOST_BESIDE = 2**20  # numbers
TIMES = {
    "deltaT", "final_warmup", "init_warmup", "mask_interval", "tfinal", "tinit", "total_step",
}  # fmt: skip

# LoRA's starts that leave the base as it is; the tensors replace what they drew.
PLAIN_STARTS = (True, False, "gaussian", "orthogonal", "eva", "mica")
KEPT_STARTS = ("pissa", "olora")  # these take from the base what can be taken again
CONVERT = "; saved by peft with path_initial_model_for_weight_conversion it is plain LoRA"
LOST_STARTS = {
    "pissa_niter": "draws random numbers to take a part out of the base, and they are not known"
    + CONVERT,
    "corda": "takes a part out of the base by what its data was, which is not here" + CONVERT,
    "lora_ga": "takes a part out of the base by gradients that are not here" + CONVERT,
    "loftq": "rounds the base anew, and the base that it made is not here",
}


def safe_settings(config: Mapping[str, Any], method: Method, shapes: Shapes) -> dict[str, Any]:
    """The settings to load the adapter with; raises AdapterUploadError, naming the setting."""
    largest = max((number for shape in shapes.values() for number in shape), default=0)
    kept = {}
    for name, value in config.items():
        if name in NOT_HERE and value:
            raise AdapterUploadError(f"{name} is set, which does not run here: {NOT_HERE[name]}.")
        if name in LEFT_OUT or name in NOT_HERE:
            continue
        if name not in KIND and name not in method.knobs:
            _demand_unset(name, value)
        elif value is None or name in ("target_modules", "exclude_modules"):
            kept[name] = value
        else:
            kept[name] = _read(name, value, method, largest)
    _demand_room(method, kept)
    kept |= named_targets(kept, shapes)
    if "init_lora_weights" in kept:
        kept["init_lora_weights"] = _start(kept["init_lora_weights"])
    if "prompt_tuning_init" in kept:
        kept["prompt_tuning_init"] = "RANDOM"
    if kept.get("shadow_model", "mirror") != "mirror":
        raise AdapterUploadError("shadow_model names a model of its own: it is not fetched here.")
    return kept | {"inference_mode": True, "task_type": "CAUSAL_LM"}


def _demand_unset(name: str, value: Any) -> None:
    if value:
        raise AdapterUploadError(
            f"peft 0.21 has no setting {name!r:.60}, so what it changes ({value!r:.40}) is unknown."
        )


def _read(name: str, value: Any, method: Method, largest: int) -> Any:
    """The value, if it is of the setting's type and no larger than the tensors can tell."""
    knob = method.knobs.get(name)
    kind = KIND.get(name) or (knob.type if knob else "")
    kind = {"choice": "word", "text": "word"}.get(kind, kind)
    if kind == "sites":
        if name == "modules_to_save" and isinstance(value, list) and len(value) > MOST_SAVED:
            raise AdapterUploadError(f"{name} has {len(value):,} names; at most {MOST_SAVED}.")
        return read_names(name, value)
    if kind == "keys":
        return read_keys(name, value)
    if name == "trainable_token_indices" and isinstance(value, dict):
        read_names(name, list(value))
        return {key: _read(name, tokens, method, largest) for key, tokens in value.items()}
    if not _is(kind, value) and not (name.endswith("alpha") and _is("float", value)):
        raise AdapterUploadError(f"{name} = {value!r:.60}: {NEEDED[kind]}.")
    if kind == "int":
        if knob and knob.min is not None and value < knob.min and not _no_size(name):
            raise AdapterUploadError(f"{name} = {value!r:.60}: at least {knob.min:,} is needed.")
        most = knob.max if knob and knob.max is not None else 2**31 - 1
        if value > min(most, REPEATED.get(name, most)):
            raise AdapterUploadError(f"{name} = {value!r:.60}: at most {most:,} is taken.")
        if value > max(ORDINARY, largest) and not _no_size(name):
            raise AdapterUploadError(
                f"{name} = {value:,}, and the longest side of any of its tensors is {largest:,}."
            )
    return value


def _is(kind: str, value: Any) -> bool:
    if kind == "ints":
        return type(value) is int or (
            isinstance(value, list) and all(type(number) is int for number in value)
        )
    if kind == "float":
        return type(value) in (int, float) and abs(value) < 1e300 and math.isfinite(value)
    if kind == "word":
        return isinstance(value, bool) or (isinstance(value, str) and len(value) <= LONGEST_WORD)
    return type(value) is {"bool": bool, "int": int}[kind]


def _no_size(name: str) -> bool:
    scales = name.endswith("alpha") or "lambda" in name
    return scales or name in TIMES or "seed" in name or "prng" in name


def _demand_room(method: Method, kept: Mapping[str, Any]) -> None:
    names = BESIDE.get(method.id, ())
    sizes = [kept.get(name) or method.knobs[name].default for name in names]
    if names and math.prod(sizes) > MOST_BESIDE:
        told = " · ".join(f"{name} {size:,}" for name, size in zip(names, sizes, strict=True))
        raise AdapterUploadError(f"{told} numbers for each linear: at most {MOST_BESIDE:,} fit.")


def _start(value: bool | str | None) -> bool | str:
    if value in KEPT_STARTS:
        return value
    if value is None or value in PLAIN_STARTS:
        return True
    for name, why in LOST_STARTS.items():
        if isinstance(value, str) and value.lower().startswith(name):
            raise AdapterUploadError(f"init_lora_weights = {value!r:.40}: this start {why}.")
    raise AdapterUploadError(f"init_lora_weights = {value!r:.40}: peft 0.21 has no such start.")
