"""What each peft tuner runs at a linear, recorded operation by operation."""

from collections.abc import Callable, Mapping

from explorer.budget.engine import Value
from explorer.budget.recorded import low_rank, shared, turned, whole
from explorer.budget.recorded.spot import Spot

Recorder = Callable[[Spot], Value]

# By method id. Each was read in peft 0.21's forward and is held against a real step in the tests.
RECORDERS: Mapping[str, Recorder] = {
    "adalora": low_rank.adalora,
    "adamss": low_rank.adamss,
    "beft": turned.beft,
    "boft": turned.boft,
    "c3a": turned.c3a,
    "deft": low_rank.deft,
    "delora": low_rank.delora,
    "fourierft": whole.fourierft,
    "frod": whole.frod,
    "glora": whole.glora,
    "gralora": low_rank.gralora,
    "hira": whole.hira,
    "hra": whole.hra,
    "lily": low_rank.lily,
    "loha": whole.loha,
    "lokr": whole.lokr,
    "miss": low_rank.miss,
    "oft": turned.oft,
    "osf": low_rank.osf,
    "peanut": whole.peanut,
    "psoft": low_rank.psoft,
    "pvera": shared.pvera,
    "randlora": shared.randlora,
    "road": turned.road,
    "shira": whole.shira,
    "supertuning": whole.supertuning,
    "tinylora": low_rank.tinylora,
    "trainable-tokens": whole.tokens,
    "unilora": shared.unilora,
    "vblora": shared.vblora,
    "vera": shared.vera,
    "waveft": whole.waveft,
}

__all__ = ["RECORDERS", "Recorder", "Spot"]
