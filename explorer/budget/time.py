"""How long a plan takes and what it costs: a roofline with a stated efficiency."""

from dataclasses import dataclass

from explorer.budget.exchange import NONE, Exchange, exchange_of
from explorer.budget.flops import Flops, idle_of_token
from explorer.budget.kv import cache_bytes
from explorer.budget.memory import Memory
from explorer.budget.plan import KV_BYTES
from explorer.budget.quantization import FOUR_BIT
from explorer.budget.resolve import Resolved
from explorer.budget.traffic import read_bytes
from explorer.catalogue.hardware import Hardware

# Of the data sheets' rates, what is reached. Arithmetic: Meta reports 38 to 43 % for Llama 3.1 405B
# on H100 (the Herd paper, section 3.3.2). Bandwidth: what copying a large tensor reaches.
TRAINING_EFFICIENCY = 0.40
BANDWIDTH_EFFICIENCY = 0.80
FOUR_BIT_SPEED = 0.80  # dequantizing on the way; torchtune's QLoRA beside its LoRA on one card
# Seconds a layer that a GPU waits for its host to launch kernels, in PyTorch without compilation:
# litgpt's tables on an A100 come to 1.0, 1.5 and 1.75 ms for a token's forward whatever the model's
# size, and to 4.4 and 7 ms for a micro-batch of LoRA. llama.cpp launches a graph at once.
LAUNCH_FORWARD = {"none": 1.0e-3, "4bit": 1.5e-3, "4bit double": 1.75e-3, "int8": 2.0e-3}
LAUNCH_TRAINING = {"none": 4.4e-3, "4bit": 7.0e-3, "4bit double": 7.2e-3, "int8": 8.0e-3}
LAUNCH_GGUF = 3e-5
EAGER_SPEED = 0.75  # attention without a fused kernel
POWER_SHARE = 0.9  # of the rated power while training
HOUR = 3600.0


@dataclass(frozen=True)
class Time:
    """Seconds, speeds, energy and money. Money and emissions are None where no rate is known.

    `bound` says which roof is the lowest: "arithmetic", "memory bandwidth", "kernel launches", or
    "exchange" where several devices wait for each other longest. In inference `tokens_per_second`
    are those that one sequence gets, `seconds` a whole answer's: several devices run a copy of the
    model each, and `tokens_per_second_together` are those of all sequences on all of them.
    """

    tokens_per_second: float | None
    seconds: float | None
    step_seconds: float | None
    efficiency: float
    bound: str | None
    device_hours: float | None
    energy_kwh: float | None
    cost_usd: float | None
    co2_kg: float | None
    prefill_seconds: float | None = None
    note: str | None = None
    exchange: Exchange = NONE
    tokens_per_second_together: float | None = None

    @property
    def hours(self) -> float | None:
        """The whole time in hours."""
        return None if self.seconds is None else self.seconds / HOUR


def time_of(resolved: Resolved, flops: Flops, memory: Memory) -> Time:
    """Forecast the time of a plan on its hardware."""
    plan = resolved.plan
    rate = arithmetic_rate(resolved.hardware, plan.parameter_dtype)
    bandwidth = resolved.hardware.memory_bandwidth.value
    if rate is None or bandwidth is None:
        return _unknown(plan.efficiency or TRAINING_EFFICIENCY)
    if plan.mode == "inference":
        return _inference(resolved, flops, memory, rate)
    return _training(resolved, flops, memory, rate)


def arithmetic_rate(hardware: Hardware, dtype: str) -> float | None:
    """Dense operations a second in this type, or in the nearest one that the device has."""
    order = {
        "bfloat16": (hardware.bf16_flops, hardware.fp16_flops, hardware.fp32_flops),
        "float16": (hardware.fp16_flops, hardware.bf16_flops, hardware.fp32_flops),
        "float32": (hardware.fp32_flops,),
    }[dtype]
    return next((fact.value for fact in order if fact.value is not None), None)


def _training(resolved: Resolved, flops: Flops, memory: Memory, rate: float) -> Time:
    plan = resolved.plan
    efficiency = plan.efficiency or TRAINING_EFFICIENCY
    speed = (FOUR_BIT_SPEED if plan.is_quantized else 1.0) * (
        EAGER_SPEED if plan.attention == "eager" else 1.0
    )
    arithmetic = (flops.per_step + flops.idle) / (rate * efficiency * speed)
    passes = 3 if plan.checkpointing else 2
    bandwidth = resolved.hardware.memory_bandwidth.value or 1.0
    roofs = {
        "arithmetic": arithmetic,
        "memory bandwidth": read_bytes(resolved, memory, plan.batch * plan.length)
        * passes
        / (bandwidth * BANDWIDTH_EFFICIENCY),
        "kernel launches": _launches(resolved, LAUNCH_TRAINING),
    }
    bound = max(roofs, key=lambda name: roofs[name])
    computed = roofs[bound] * plan.accumulation
    exchange = exchange_of(resolved, memory, computed)
    step = computed + exchange.exposed
    return _priced(
        resolved,
        tokens_per_second=plan.tokens_per_step / step,
        tokens_per_second_together=plan.tokens_per_step / step,
        seconds=plan.tokens / plan.tokens_per_step * step,
        step_seconds=step,
        efficiency=efficiency,
        bound="exchange" if exchange.exposed > computed else bound,
        exchange=exchange,
    )


def _inference(resolved: Resolved, flops: Flops, memory: Memory, rate: float) -> Time:
    plan, arch = resolved.plan, resolved.arch
    efficiency = plan.efficiency or BANDWIDTH_EFFICIENCY
    bandwidth = (resolved.hardware.memory_bandwidth.value or 1.0) * efficiency
    arithmetic = rate * TRAINING_EFFICIENCY
    prompt = plan.prompt_length
    middle = (prompt + plan.length) // 2
    cached = cache_bytes(arch, middle, plan.batch, KV_BYTES[plan.kv_dtype])
    launches = _launches(resolved, LAUNCH_FORWARD)
    roofs = {
        "arithmetic": plan.batch * (flops.per_token + idle_of_token(resolved)) / arithmetic,
        "memory bandwidth": (read_bytes(resolved, memory, plan.batch) + cached) / bandwidth,
        "kernel launches": launches,
    }
    bound = max(roofs, key=lambda name: roofs[name])
    read = read_bytes(resolved, memory, plan.batch * prompt)
    prefill = max((flops.forward + flops.idle) / arithmetic, read / bandwidth, launches)
    return _priced(
        resolved,
        tokens_per_second=1 / roofs[bound],
        tokens_per_second_together=plan.devices * plan.batch / roofs[bound],
        seconds=prefill + max(plan.length - prompt, 1) * roofs[bound],
        step_seconds=roofs[bound],
        efficiency=efficiency,
        bound=bound,
        prefill_seconds=prefill,
    )


def _launches(resolved: Resolved, a_layer: dict[str, float]) -> float:
    """Seconds in which the host has launched a pass's kernels; none of them waits on a CPU."""
    plan = resolved.plan
    if resolved.hardware.kind == "cpu":
        return 0.0
    kind = "4bit" if plan.quantization in FOUR_BIT else plan.quantization
    if plan.double_quantization:
        kind += " double"
    # without an image, Mllama's other layers are skipped
    return a_layer.get(kind, LAUNCH_GGUF) * len(resolved.arch.self_attention_layers)


def _priced(resolved: Resolved, **known: float | str | Exchange | None) -> Time:
    plan, hardware = resolved.plan, resolved.hardware
    seconds = known["seconds"]
    assert isinstance(seconds, float)
    device_hours = seconds / HOUR * plan.devices
    watts, price = hardware.power_watts.value, hardware.price_per_hour_usd.value
    price = plan.price_per_hour if plan.price_per_hour is not None else price
    energy = None if watts is None else device_hours * watts * POWER_SHARE / 1000
    return Time(
        **known,  # type: ignore[arg-type]  # the callers name fields of Time
        device_hours=device_hours,
        energy_kwh=energy,
        cost_usd=None if price is None else device_hours * price,
        co2_kg=None if energy is None else energy * plan.grid_intensity,
    )


def _unknown(efficiency: float) -> Time:
    note = "the device's arithmetic rate or bandwidth was not published"
    return Time(None, None, None, efficiency, None, None, None, None, None, note=note)
