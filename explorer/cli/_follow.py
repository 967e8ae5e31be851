"""Wait for a run and tell on stderr how it goes; the underscore says that this is no command."""

import sys
import time
from typing import Any

from explorer.lab.engine import Engine
from explorer.lab.runs import find_run

POLL = 0.2  # seconds
PATIENCE = 5.0  # seconds


def follow(engine: Engine, run_id: str) -> None:
    """Wait for a run's end; an interrupt stops it and is passed on."""
    method, seen = find_run(run_id).job.method, 0
    try:
        while not find_run(run_id).state().over:
            events = engine.events(run_id, seen)
            seen += len(events)
            for event in events:
                tell(method, event)
            time.sleep(POLL)
    except KeyboardInterrupt:
        engine.stop(run_id)
        raise
    _settle(run_id)
    for event in engine.events(run_id, seen):
        tell(method, event)


def _settle(run_id: str) -> None:
    """A worker that died leaves no result: give the engine the time to write why it died."""
    waited = 0.0
    while find_run(run_id).result is None and waited < PATIENCE:
        time.sleep(POLL)
        waited += POLL


def tell(method: str, event: dict[str, Any]) -> None:
    """One event as a line on stderr."""
    kind = event["kind"]
    if kind == "step":
        text = (
            f"step {event['step']:>4}  loss {event['loss']:.4f}  "
            f"{event['tokens_per_second']:.0f} tokens/s  {event['eta_seconds']:.0f} s left"
        )
    elif kind == "eval":
        text = f"{event['when']}: {event['metric']} {event['value']:.2f}"
    elif kind == "started":
        text = f"{event['trainable']:,} parameters train, of {event['total']:,}"
    else:
        text = event.get("what") or event.get("reason") or kind
    sys.stderr.write(f"{method:<18} {text}\n")
