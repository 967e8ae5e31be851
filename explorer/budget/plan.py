"""A plan: what to fine-tune or run, how, and on what. The calculator's whole input."""

from typing import Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from explorer.budget.quantization import BLOCK_SIZES, GGUF_FILES
from explorer.catalogue.architecture import Architecture
from explorer.catalogue.errors import ExplorerError, unknown
from explorer.catalogue.record import Record

Dtype = Literal["float32", "bfloat16", "float16"]
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "float8": 1, "int8": 1, "int4": 0.5}
QUANTIZATIONS = ("none", "int8", "nf4", "fp4", *(f"gguf-{name}" for name in GGUF_FILES))
OPTIMIZERS = (
    "adamw",
    "adamw-8bit",
    "paged-adamw",
    "paged-adamw-8bit",
    "sgd",
    "momentum",
    "lion",
    "adafactor",
)
SHARDINGS = ("none", "ddp", "zero-1", "zero-2", "zero-3", "fsdp")
KV_BYTES = {
    "bfloat16": 2.0,
    "float16": 2.0,
    "float32": 4.0,
    "float8": 1.0,
    "int8": 1.0,
    "int4": 0.5,
}
MOST_TOKENS = 100_000_000
# The world's electricity in 2024, kg CO2e a kWh, and where that is said.
GRID_INTENSITY = 0.445
GRID_SOURCE = "https://www.iea.org/reports/electricity-2025/emissions"
OWN_WEIGHTS = {"full", "norms-and-biases"}  # methods that train the model's own numbers


class Plan(Record):
    """Everything that a forecast depends on. A wrong value is refused in a sentence.

    `model` is an id of the catalogue or, with `architecture`, just a name. `length` is the tokens
    of a sequence in training and of the context in inference. `loss_positions` are those per
    sequence that logits are made for (all of them unless said), `loss_chunk` rows at a time where
    head and loss are fused (0: not fused).
    """

    model: str
    architecture: Architecture | None = None
    mode: Literal["training", "inference"] = "training"
    method: str = "lora"
    knobs: dict[str, Any] = Field(default_factory=dict)
    # weights
    quantization: str = "none"
    double_quantization: bool = False
    quantization_block: int = 64
    skipped_modules: tuple[str, ...] = ("lm_head",)
    parameter_dtype: Dtype = "bfloat16"
    compute_dtype: Dtype = "bfloat16"
    adapter_dtype: Dtype = "float32"
    autocast: bool = False  # low-rank products of float32 adapters in the compute type
    # training
    optimizer: str = "adamw"
    optimizer_dtype: Dtype | None = None  # of its states; as the trained weights unless said
    master_weights: bool = False  # float32 copies of 16-bit trained weights
    batch: int = Field(default=1, ge=1, le=1_000_000)
    length: int = Field(default=2048, ge=1, le=MOST_TOKENS)
    accumulation: int = Field(default=1, ge=1, le=1_000_000)
    checkpointing: bool = False
    attention: Literal["sdpa", "eager"] = "sdpa"
    padded: bool = False
    loss_positions: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    loss_chunk: int = Field(default=0, ge=0, le=1_000_000)
    loss_float32: bool = True
    tokens: int = Field(default=10_000_000, ge=1, le=10**15)  # seen in the whole training
    # inference
    prompt: int | None = Field(
        default=None, ge=1, le=MOST_TOKENS
    )  # of the context; half unless said
    kv_dtype: str = "bfloat16"
    # hardware
    hardware: str = "a100-80gb"
    devices: int = Field(default=1, ge=1, le=100_000)
    sharding: str = "none"
    # GB/s between two devices, both directions together; as the device's data says unless given
    interconnect: float | None = Field(default=None, gt=0, le=100_000)
    efficiency: float | None = Field(default=None, gt=0, le=1)
    price_per_hour: float | None = Field(default=None, ge=0, le=1_000_000)  # US dollars a device
    grid_intensity: float = Field(default=GRID_INTENSITY, ge=0, le=5)  # kg CO2e a kWh

    @field_validator("*", mode="before")
    @classmethod
    def _is_finite(cls, value: Any, info: ValidationInfo) -> Any:
        if (
            isinstance(value, bool)
            and cls.model_fields[str(info.field_name)].annotation is not bool
        ):
            raise ValueError("a number or a word, not true or false")
        numeric = isinstance(value, float | str)
        if numeric and str(value).strip().lower().lstrip("+-") in ("nan", "inf", "infinity"):
            raise ValueError("a finite number")
        return value

    @model_validator(mode="after")
    def _names_are_known(self) -> "Plan":
        _one_of("quantization", self.quantization, QUANTIZATIONS)
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _one_of("sharding", self.sharding, SHARDINGS)
        _one_of("KV dtype", self.kv_dtype, KV_BYTES)
        if self.quantization_block not in BLOCK_SIZES:
            sizes = ", ".join(map(str, BLOCK_SIZES))
            raise ValueError(f"quantization_block = {self.quantization_block}: it takes {sizes}")
        if self.quantization.startswith("gguf-") and self.mode == "training":
            raise ValueError(
                f"quantization = {self.quantization}: GGUF weights run and do not train; "
                "training takes none, int8, nf4 or fp4"
            )
        if self.double_quantization and self.quantization not in ("nf4", "fp4"):
            raise ValueError("double_quantization needs quantization nf4 or fp4")
        if self.sharding != "none" and self.devices == 1:
            raise ValueError(f"sharding = {self.sharding} needs more than one device")
        if self.sharding != "none" and self.mode == "inference":
            raise ValueError(
                f"sharding = {self.sharding} is for training: in inference every device runs a "
                "copy, so that it takes none"
            )
        if self.loss_positions is not None and self.loss_positions > self.length:
            raise ValueError(
                f"loss_positions = {self.loss_positions} is more than length = {self.length}"
            )
        if self.prompt is not None and self.prompt > self.length:
            raise ValueError(f"prompt = {self.prompt} is more than length = {self.length}")
        return self

    @property
    def is_quantized(self) -> bool:
        """Whether any linear is held in fewer than 16 bits."""
        return self.quantization != "none"

    def with_values(self, **values: Any) -> "Plan":
        """The plan with other values that are known to be right; `changed` checks them."""
        return self.model_copy(update=values)

    @property
    def prompt_length(self) -> int:
        """Tokens of the prompt in inference: half of the context unless said."""
        return self.prompt or max(1, self.length // 2)

    @property
    def tokens_per_step(self) -> int:
        """Tokens between two updates, on all devices together."""
        return self.batch * self.length * self.accumulation * self.devices


def make_plan(**values: Any) -> Plan:
    """The Plan of these values; raises ExplorerError with every fault in one sentence each."""
    for name in values:
        if name not in Plan.model_fields:
            raise unknown("plan setting", name, Plan.model_fields)
    try:
        return Plan(**values)
    except ValidationError as error:
        told = [_told(detail) for detail in error.errors()[:4]]
        sentence = "; ".join(told)
        end = "" if sentence.endswith("?") else "."
        raise ExplorerError(sentence.rstrip(".") + end) from error


def changed(plan: Plan, **values: Any) -> Plan:
    """The plan with other values, checked anew."""
    return make_plan(**(dict(plan) | values))


def _told(detail: Any) -> str:
    message = detail["msg"].removeprefix("Value error, ")
    key = ".".join(str(part) for part in detail["loc"])
    if not key:
        return message
    shown = str(detail["input"])[:60]
    return f"{key} = {shown}: it takes {_allowed(key, detail, message)}"


# what a value has to be, by the fault that pydantic finds
KINDS = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "a text",
    "dict_type": "an object",
    "tuple_type": "a list",
    "model_type": "a model's shape",
}


def _allowed(key: str, detail: Any, message: str) -> str:
    """What the setting takes: its choices, or its kind of number and its range."""
    if "expected" in (detail.get("ctx") or {}):
        return str(detail["ctx"]["expected"])
    field = Plan.model_fields.get(key)
    limits = {
        name: getattr(limit, name)
        for limit in (field.metadata if field else ())
        for name in ("ge", "gt", "le")
        if hasattr(limit, name)
    }
    if not limits:
        return KINDS.get(detail["type"], message[:1].lower() + message[1:])
    kind = "a whole number" if "int" in str(field.annotation) else "a number"
    low = f"from {limits['ge']:,}" if "ge" in limits else f"above {limits['gt']:,}"
    return f"{kind} {low} to {limits['le']:,}"


def _one_of(kind: str, value: str, known: Any) -> None:
    if value not in known:
        raise ValueError(str(unknown(kind, value, known)).rstrip("."))
