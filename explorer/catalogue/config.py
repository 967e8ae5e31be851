"""A Hugging Face `config.json`, pasted or uploaded, as an Architecture: checked key by key."""

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from pydantic import ValidationError

from explorer.catalogue.architecture import Architecture, VisionArchitecture
from explorer.catalogue.errors import ExplorerError, nearest

LONGEST_CONFIG = 1_000_000  # bytes; the longest published one has about 10,000
MODEL_TYPES = ("llama", "llama4", "llama4_text", "mllama", "mllama_text_model")
MOST_LAYERS = 10_000
WIDEST = 10**7
REQUIRED = object()

# transformers' own defaults, from its configuration classes
DEFAULT_NORM_EPSILON = {"llama": 1e-6, "llama4": 1e-5, "mllama": 1e-5}
DEFAULT_ROPE_THETA = {"llama": 10_000.0, "llama4": 500_000.0, "mllama": 500_000.0}
DEFAULT_POSITIONS = {"llama": 2048, "llama4": 131_072, "mllama": 131_072}
LLAMA4_HEAD_DIM = 128
MLLAMA_ASPECT_RATIOS = 8
MLLAMA_TAPS = (3, 7, 15, 23, 30)


class ConfigError(ExplorerError):
    """A config that is not one of a LLaMA, or that contradicts itself."""


# what RoPE scaling divides by
POSITIVE = frozenset(
    {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"}
)
# the kinds of RoPE scaling that transformers builds a LLaMA with, and what each cannot do without
ROPE_NEEDS = {
    "default": (),
    "linear": ("factor",),
    "dynamic": ("factor",),
    "yarn": ("factor",),
    "longrope": ("short_factor", "long_factor"),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor"),
    "proportional": (),
}


def architecture_from_text(text: str | bytes) -> Architecture:
    """The Architecture of the text of a `config.json`. Raises ConfigError naming key and range."""
    if len(text) > LONGEST_CONFIG:
        raise ConfigError(
            f"This config has {len(text):,} bytes; a config.json has at most {LONGEST_CONFIG:,}."
        )
    try:
        config = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_once_each)
    except ConfigError:
        raise
    except RecursionError as error:
        raise ConfigError("This config is not valid JSON: it is nested too deeply.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"This config is not valid JSON: {error}.") from error
    except ValueError as error:  # Python reads no number of more than some thousand digits
        told = "This config is not valid JSON: a number in it has thousands of digits."
        raise ConfigError(told) from error
    return architecture_from_config(config)


def architecture_from_config(config: Mapping[str, Any]) -> Architecture:
    """The Architecture that transformers 5 builds from this config (a parsed `config.json`).

    Knows llama, mllama and llama4, whole or text only. Missing optional keys take transformers'
    defaults. Raises ConfigError naming the key, its value and what is allowed.
    """
    if not isinstance(config, Mapping):
        raise ConfigError(f"A config is a JSON object, this is {_shown(config)}.")
    keys = Keys(config)
    model_type = _model_type(config)
    _has_a_language_head(config)
    family = model_type.split("_")[0]
    whole = model_type in {"llama4", "mllama"}
    text = keys.part("text_config") if whole else keys
    vision = _vision(keys.part("vision_config"), family) if whole else None
    fields = _text_fields(text, family)
    if family == "llama4":
        fields |= _llama4_fields(text)
        fields["tie_word_embeddings"] = text.switch("tie_word_embeddings", False)
    elif family == "mllama":
        fields |= _mllama_fields(text)
    try:
        return Architecture(model_type=family, vision=vision, **fields)
    except ValidationError as error:
        detail = error.errors()[0]
        key = ".".join(map(str, detail["loc"]))
        message = detail["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{key}: {message}." if key else f"{message}.") from error


class Keys:
    """Typed access to one object of a config; a wrong value is told with its full key."""

    def __init__(self, values: Mapping[str, Any], prefix: str = "") -> None:
        self.values = values
        self.prefix = prefix

    def part(self, key: str) -> "Keys":
        """The object under `key`."""
        value = self.values.get(key)
        if not isinstance(value, Mapping):
            self.refuse(key, "an object with the sizes of that part")
        return Keys(value, f"{self.prefix}{key}.")

    def whole(self, key: str, default: Any = REQUIRED, high: int = WIDEST, low: int = 1) -> Any:
        """A whole number from `low` to `high`; `default` where the key is missing or null."""
        value = self.values.get(key)
        if value is None and default is not REQUIRED:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.refuse(key, f"a whole number from {low} to {high}")
        return value

    def number(self, key: str, default: float) -> float:
        """A positive, finite number."""
        value = self.values.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(key, "a number above 0")
        if not math.isfinite(value) or value <= 0:
            self.refuse(key, "a number above 0")
        return float(value)

    def switch(self, key: str, default: bool) -> bool:
        """true or false."""
        value = self.values.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.refuse(key, "true or false")
        return value

    def wholes(self, key: str, high: int = MOST_LAYERS) -> tuple[int, ...] | None:
        """A list of whole numbers from 0 to `high`; None where it is missing or null."""
        value = self.values.get(key)
        if value is None:
            return None
        right = isinstance(value, list | tuple) and len(value) <= MOST_LAYERS
        if not right or not all(type(item) is int and 0 <= item <= high for item in value):
            self.refuse(key, f"a list of whole numbers from 0 to {high}")
        return tuple(value)

    def side(self, key: str, default: Any = REQUIRED) -> int:
        """The side of a square, written as a number or as two equal ones."""
        value = self.values.get(key)
        if isinstance(value, list | tuple) and len(value) == 2 and value[0] == value[1]:
            return Keys({key: value[0]}, self.prefix).whole(key)
        return self.whole(key, default)

    def refuse(self, key: str, allowed: str) -> NoReturn:
        """Raise the error for the value under `key`."""
        full = f"{self.prefix}{key}"
        if key in self.values:
            raise ConfigError(f"{full} = {_shown(self.values[key])}: it takes {allowed}.")
        match = nearest(key, self.values)
        hint = f" Did you mean its key {match!r}?" if match else ""
        raise ConfigError(f"The config lacks {full!r}: {allowed}.{hint}")


def _no_constant(name: str) -> NoReturn:
    raise ConfigError(
        f"This config holds {name}, which JSON does not allow; give a number or null."
    )


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON whose keys stand once each: readers differ in which of two counts."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ConfigError(
                f"{_shown(key)} stands twice in one object, as {_shown(found[key])} and as "
                f"{_shown(value)}; leave one."
            )
        found[key] = value
    return found


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _model_type(config: Mapping[str, Any]) -> str:
    value = config.get("model_type")
    if value in MODEL_TYPES:
        return str(value)
    known = ", ".join(MODEL_TYPES)
    if value is None:
        raise ConfigError(f"The config lacks 'model_type': one of {known}.")
    match = nearest(str(value)[:80], MODEL_TYPES)
    hint = f" Did you mean {match!r}?" if match else ""
    raise ConfigError(f"model_type = {_shown(value)}: this counts LLaMAs only ({known}).{hint}")


def _has_a_language_head(config: Mapping[str, Any]) -> None:
    names = config.get("architectures") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"architectures = {_shown(names)}: it takes a list of class names.")
    for name in names:
        if "For" in name and not name.endswith(("ForCausalLM", "ForConditionalGeneration")):
            raise ConfigError(
                f"architectures = {_shown(name)}: this counts language models "
                "(…ForCausalLM or …ForConditionalGeneration)."
            )


def _text_fields(keys: Keys, family: str) -> dict[str, Any]:
    hidden = keys.whole("hidden_size")
    heads = keys.whole("num_attention_heads")
    head_dim = keys.whole("head_dim", None) if family == "llama" else None
    if family == "llama4":  # a missing key takes the default, null is refused
        missing = "head_dim" not in keys.values
        head_dim = keys.whole("head_dim", LLAMA4_HEAD_DIM if missing else REQUIRED)
    if hidden % heads and (head_dim is None or family == "llama"):
        raise ConfigError(
            f"{keys.prefix}hidden_size = {hidden} is not a multiple of "
            f"{keys.prefix}num_attention_heads = {heads}."
        )
    if head_dim is not None and head_dim % 2:
        keys.refuse("head_dim", "an even number, whose halves rotate against each other")
    rope = keys.values.get("rope_parameters")
    if rope is not None and not isinstance(rope, Mapping):
        keys.refuse("rope_parameters", "an object or null")
    scaling = keys.values.get("rope_scaling")
    if scaling is not None and not isinstance(scaling, Mapping):
        keys.refuse("rope_scaling", "an object or null")
    name = "rope_scaling" if scaling else "rope_parameters"
    turns = Keys(dict(scaling or rope or {}), f"{keys.prefix}{name}.")
    theta = turns.number("rope_theta", keys.number("rope_theta", DEFAULT_ROPE_THETA[family]))
    kv_heads = 8 if family != "llama" else heads
    return {
        "hidden_size": hidden,
        "intermediate_size": keys.whole("intermediate_size"),
        "num_hidden_layers": keys.whole("num_hidden_layers", high=MOST_LAYERS),
        "num_attention_heads": heads,
        "num_key_value_heads": keys.whole("num_key_value_heads", kv_heads, high=heads),
        "head_dim": head_dim or hidden // heads,
        "vocab_size": keys.whole("vocab_size"),
        "tie_word_embeddings": keys.switch("tie_word_embeddings", False),
        "attention_bias": keys.switch("attention_bias", False),
        "mlp_bias": keys.switch("mlp_bias", False),
        "rms_norm_eps": keys.number("rms_norm_eps", DEFAULT_NORM_EPSILON[family]),
        "max_position_embeddings": keys.whole(
            "max_position_embeddings", DEFAULT_POSITIONS[family], high=10**9
        ),
        "rope_theta": theta,
        "rope_scaling": _plain_rope(turns),
    }


def _plain_rope(keys: Keys) -> dict[str, Any] | None:
    """RoPE's scaling without its theta; None where there is none."""
    scaling = {key: value for key, value in keys.values.items() if key != "rope_theta"}
    named = "rope_type" if "rope_type" in scaling else "type"
    kind = scaling.get(named, "default")
    if not isinstance(kind, str) or kind not in ROPE_NEEDS:
        keys.refuse(named, f"one of {', '.join(ROPE_NEEDS)}")
    for key in [*ROPE_NEEDS[kind], *(POSITIVE & set(scaling))]:
        value = scaling.get(key)
        if key not in POSITIVE:
            if not isinstance(value, list) or not value:
                keys.refuse(key, f"a list of numbers, for rope_type {kind!r}")
        elif isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            keys.refuse(key, "a number above 0")
    return None if kind == "default" else scaling


def _llama4_fields(keys: Keys) -> dict[str, Any]:
    layers = keys.whole("num_hidden_layers", high=MOST_LAYERS)
    step = keys.whole("interleave_moe_layer_step", 1, high=MOST_LAYERS)
    moe = keys.wholes("moe_layers")
    if moe is None:
        moe = tuple(range(step - 1, layers, step))
    every = keys.whole("no_rope_layer_interval", 4, high=MOST_LAYERS)
    rotates = keys.wholes("no_rope_layers", high=1)
    if not rotates:
        rotates = tuple(int((i + 1) % every != 0) for i in range(layers))
    if len(rotates) < layers:
        keys.refuse("no_rope_layers", f"a 1 (rotates) or a 0 for each of the {layers} layers")
    experts = keys.whole("num_local_experts", 16, high=100_000)
    return {
        "mlp_bias": False,
        "num_local_experts": experts,
        "num_experts_per_tok": keys.whole("num_experts_per_tok", 1, high=experts),
        "moe_layers": tuple(sorted(set(moe))),
        "intermediate_size_mlp": keys.whole("intermediate_size_mlp", 16_384),
        "no_rope_layers": tuple(i for i in range(layers) if not rotates[i]),
        # null means no chunks; only a missing key takes the default
        "attention_chunk_size": keys.whole(
            "attention_chunk_size",
            None if "attention_chunk_size" in keys.values else 8192,
            high=10**9,
        ),
        "use_qk_norm": keys.switch("use_qk_norm", True),
    }


def _mllama_fields(keys: Keys) -> dict[str, Any]:
    crossing = keys.wholes("cross_attention_layers")
    return {
        # transformers builds neither a tied head nor biases for this family
        "tie_word_embeddings": False,
        "attention_bias": False,
        "mlp_bias": False,
        "cross_attention_layers": (3, 8, 13, 18, 23, 28, 33, 38) if crossing is None else crossing,
    }


def _vision(keys: Keys, family: str) -> VisionArchitecture:
    heads = "num_attention_heads" if family == "llama4" else "attention_heads"
    if heads not in keys.values and "num_attention_heads" in keys.values:
        heads = "num_attention_heads"
    shape = {
        "hidden_size": keys.whole("hidden_size"),
        "num_hidden_layers": keys.whole("num_hidden_layers", high=MOST_LAYERS),
        "num_attention_heads": keys.whole(heads, 16),
        "intermediate_size": keys.whole("intermediate_size"),
        "image_size": keys.side("image_size"),
        "patch_size": keys.side("patch_size", 14),
        "num_channels": keys.whole("num_channels", 3, high=64),
        "vision_output_dim": keys.whole("vision_output_dim", 7680),
    }
    if shape["hidden_size"] % shape["num_attention_heads"]:
        raise ConfigError(
            f"{keys.prefix}hidden_size = {shape['hidden_size']} is not a multiple of "
            f"{keys.prefix}{heads} = {shape['num_attention_heads']}."
        )
    if shape["image_size"] < shape["patch_size"]:
        keys.refuse("image_size", f"at least the patch_size, {shape['patch_size']}")
    extra = _mllama_vision(keys) if family == "mllama" else _llama4_vision(keys)
    return VisionArchitecture(**shape, **extra)


def _mllama_vision(keys: Keys) -> dict[str, Any]:
    ratios = keys.values.get("supported_aspect_ratios")
    if ratios is not None and not (isinstance(ratios, list) and 0 < len(ratios) <= 4096):
        keys.refuse("supported_aspect_ratios", "a list of pairs")
    return {
        "num_global_layers": keys.whole("num_global_layers", 8, high=MOST_LAYERS),
        "max_num_tiles": keys.whole("max_num_tiles", 4, high=64),
        "max_aspect_ratio_id": MLLAMA_ASPECT_RATIOS if ratios is None else len(ratios),
        "intermediate_layers_indices": keys.wholes("intermediate_layers_indices") or MLLAMA_TAPS,
    }


def _llama4_vision(keys: Keys) -> dict[str, Any]:
    ratio = keys.number("pixel_shuffle_ratio", 0.5)
    if ratio > 1:
        keys.refuse("pixel_shuffle_ratio", "a number above 0 and at most 1")
    return {
        "pixel_shuffle_ratio": ratio,
        "projector_input_dim": keys.whole("projector_input_dim", 4096),
        "projector_output_dim": keys.whole("projector_output_dim", 4096),
    }
