"""How long a run lasts: options that `train` and `race` share. No command, says the underscore."""

import argparse
from typing import Any

from explorer.lab.race import DURATIONS, duration_settings

# Settings of a run that hold whatever the duration says.
LASTING = ("steps", "seconds", "watch_every", "patience")


def add_lasting(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument(
        "--for", dest="duration", default="steps", metavar="|".join(DURATIONS),
        help="the task's steps (the default), a time for each run, or until it stops improving",
    )  # fmt: skip
    parser.add_argument("--steps", type=int, help="with a duration, the most")
    parser.add_argument(
        "--seconds", type=float,
        help="of each run, questions included; the steps that fit are found from the first ones",
    )  # fmt: skip
    parser.add_argument(
        "--watch-every", type=int, metavar="STEPS", help="between looks at held-out loss"
    )
    parser.add_argument(
        "--patience", type=int, metavar="LOOKS", help="without a better held-out loss, then stop"
    )


def lasting(args: argparse.Namespace) -> dict[str, Any]:
    """The settings of every job; raises UnknownNameError for a duration that is none."""
    asked = {name: getattr(args, name) for name in LASTING}
    if args.seconds is not None and args.steps is None and args.duration == "steps":
        asked["steps"] = DURATIONS["five-minutes"]["steps"]  # the time decides, not the task
    return duration_settings(args.duration) | {k: v for k, v in asked.items() if v is not None}
