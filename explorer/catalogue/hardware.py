"""A device that a plan is held against: memory, bandwidth, arithmetic rates, power, price."""

import datetime as dt
from typing import Literal

from pydantic import Field

from explorer.catalogue.record import Fact, Sourced

Kind = Literal["consumer", "workstation", "data centre", "apple", "cpu", "edge"]


class Hardware(Sourced):
    """One device. Rates are dense (no sparsity), in operations a second; memory in bytes."""

    id: str
    kind: Kind
    vendor: str
    name: Fact[str]
    release_date: Fact[dt.date]
    memory_bytes: Fact[int]
    memory_bandwidth: Fact[float] = Field(description="bytes per second")
    bf16_flops: Fact[float]
    fp16_flops: Fact[float]
    fp32_flops: Fact[float]
    fp8_flops: Fact[float]
    int8_ops: Fact[float]
    power_watts: Fact[float]
    price_per_hour_usd: Fact[float] = Field(description="a dated default; an input of the plan")
    interconnect_bandwidth: Fact[float] | None = Field(
        default=None, description="bytes per second to its neighbours, both directions together"
    )
