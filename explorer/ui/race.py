"""What the lab shows of a race: its runs as a table, their state in words, examples of answers."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from explorer.catalogue.catalogue import Catalogue
from explorer.figures.training import Curve
from explorer.lab.eta import Wait
from explorer.lab.race import beats_base
from explorer.lab.runs import Result, Run, State
from explorer.ui.markup import element, joined

HEADERS = (
    "Method",
    "Held out",
    "Trains",
    "Peak memory",
    "Forgets",
    "Time",
    "Adapter",
)
COLUMNS_TOLD = (
    "Held out: the score on the held-out questions before → after, and its 95 % interval. Forgets: "
    "by how many nats a token neutral text became more surprising, and the share of a short quiz "
    "answered rightly before → after."
)
EXAMPLES = 4


@dataclass(frozen=True)
class Entry:
    """A run as it stands on disk at one moment."""

    run: Run
    state: State
    events: Sequence[dict[str, Any]]
    result: Result | None

    @property
    def steps(self) -> int:
        """How many steps there will be, as far as is decided."""
        planned = self.last("planned")
        return planned["steps"] if planned else self.run.job.steps

    @classmethod
    def read(cls, run: Run) -> "Entry":
        """Everything of a run that the page shows."""
        _ = run.job  # raises DamagedFileError where nothing can be told of the run
        state = run.state()  # before the rest: events and result are then at least as new
        return cls(run, state, run.events(), run.result)

    def last(self, kind: str) -> dict[str, Any] | None:
        """The newest event of a kind."""
        return next((event for event in reversed(self.events) if event["kind"] == kind), None)

    def evaluation(self, when: str) -> dict[str, Any] | None:
        """The held-out evaluation before or after training."""
        found = (e for e in self.events if e["kind"] == "eval" and e["when"] == when)
        return next(found, None)


def version(entries: Sequence[Entry]) -> str:
    """Changes whenever there is something new to show."""
    return ";".join(f"{e.run.id}:{e.state.name}:{len(e.events)}" for e in entries)


def name_of(catalogue: Catalogue, entry: Entry) -> str:
    """The run's own name where it has one, else its method's, with the seed where it is not 0."""
    job = entry.run.job
    if job.label:
        return job.label
    name = catalogue.methods[job.method].name if job.method in catalogue.methods else job.method
    return name if job.seed == 0 else f"{name}, seed {job.seed}"


def curves(catalogue: Catalogue, entries: Sequence[Entry]) -> list[Curve]:
    """The runs as the training figures take them; names are made to differ."""
    names = [name_of(catalogue, entry) for entry in entries]
    return [
        Curve(
            name if names.count(name) == 1 else f"{name} · {entry.run.id[-8:]}",
            entry.run.job.method,
            entry.events,
        )
        for name, entry in zip(names, entries, strict=True)
    ]


def table(catalogue: Catalogue, entries: Sequence[Entry]) -> Markup:
    """One row a run."""
    if not entries:
        return element(
            "p", "No run is chosen. Start one, or pick from the history.", class_="faint"
        )
    head = element("tr", *(element("th", name, scope="col") for name in HEADERS))
    rows = (_row(catalogue, entry) for entry in entries)
    body = element(
        "table", element("thead", head), element("tbody", *rows), class_="plain race-table"
    )
    boxed = element("div", body, class_="scroll card", tabindex=0)
    return joined([boxed, element("p", COLUMNS_TOLD, class_="faint columns-told")])


def _row(catalogue: Catalogue, entry: Entry) -> Markup:
    result = entry.result
    cells = (
        element("th", name_of(catalogue, entry), element("div", _state(entry)), scope="row"),
        element("td", _held_out(entry), class_="num"),
        element("td", _trains(entry), class_="num"),
        element("td", _peak(entry), class_="num"),
        element("td", _forgets(result), class_="num"),
        element("td", _time(entry), class_="num"),
        element("td", mebibytes(result and result.adapter_bytes), class_="num"),
    )
    return element("tr", *cells)


def _state(entry: Entry) -> Markup:
    step, steps = entry.last("step"), entry.steps
    name, reason = entry.state.name, entry.state.reason
    if name == "running":
        done = step["step"] if step else 0
        fill = element("span", style=f"width: {100 * done / steps:.1f}%")
        told = f"{done} of {steps} steps"
        bar = element("span", fill, class_="step-bar", role="img", aria_label=told)
        return joined([bar, element("span", _doing(entry, done, steps), class_="faint nowrap")])
    words = {"queued": "waiting", "done": "done", "stopped": "stopped", "failed": "failed"}[name]
    badge = element("span", words, class_=f"badge state-{name}")
    told = element("span", reason, class_="faint reason") if reason else None
    return joined([badge, told])


def _doing(entry: Entry, done: int, steps: int) -> str:
    last = entry.events[-1] if entry.events else None
    if entry.state.reason == "stopping":
        return "stopping"
    if last and last["kind"] == "loading":
        return last["what"]
    if done >= steps:
        return "asking the held-out questions"
    return f"step {done} of {steps}"


def _trains(entry: Entry) -> Markup | str:
    """Measured beside forecast: they are the same, or it says so."""
    started = entry.last("started")
    if not started:
        return "–"
    count, said = started["trainable"], started["forecast"].get("trainable")
    words = "as forecast" if said == count else "no forecast" if said is None else f"not {said:,}"
    share = 100 * count / started["total"]
    return two_lines(f"{count:,}", f"{share:.3g} %, {words}")


def _peak(entry: Entry) -> Markup | str:
    step, started = entry.last("step"), entry.last("started")
    said = started["forecast"].get("bytes") if started else None
    if not step:
        return "–" if said is None else two_lines("", f"forecast {mebibytes(said)}")
    peak = step["memory_bytes"]
    if said is None:
        return two_lines(mebibytes(peak), "no forecast")
    error = round(100 * (said / peak - 1), 1) + 0.0  # no minus before a zero
    return two_lines(mebibytes(peak), f"forecast {error:+.1f} %".replace("-", "−"))


def _forgets(result: Result | None) -> Markup | str:
    """How much more surprising neutral text became, and the quiz before and after."""
    if result is None or result.forgetting is None:
        return "–"
    quiz = f"quiz {result.quiz_base:.2f} → {result.quiz_after:.2f}"
    return two_lines(f"{round(result.forgetting, 2) + 0.0:+.2f} nats", quiz)


def two_lines(first: str, second: str) -> Markup:
    """A value with what is to be said of it below."""
    return joined([element("span", first), element("span", second, class_="faint below")])


def _held_out(entry: Entry) -> Markup | str:
    before, after = entry.evaluation("before"), entry.evaluation("after")
    if not before:
        return "–"
    if not after:
        return f"{before['value']:.2f} →"
    shown = element("strong", f"{before['value']:.2f} → {after['value']:.2f}")
    wins = beats_base(before["value"], after["value"], (after["low"], after["high"]))
    words = f"{after['low']:.2f}–{after['high']:.2f}" + ("" if wins else ", base not beaten")
    return joined([shown, element("span", words, class_="faint below")])


def _time(entry: Entry) -> Markup | str:
    step = entry.last("step")
    if entry.result:
        seconds, speed = entry.result.seconds, entry.result.tokens_per_second
        if seconds is None or speed is None:
            return "–"
        return two_lines(duration(seconds), f"{speed:,.0f} tokens/s")
    if step and entry.state.name == "running":
        speed = f"{step['tokens_per_second']:,.0f} tokens/s"
        return two_lines(f"{duration(step['eta_seconds'])} left", speed)
    return "–"


def duration(seconds: float) -> str:
    """Seconds in words: 4 s, 1 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def mebibytes(count: int | None) -> str:
    """Bytes in MiB (or KiB below one), or a dash for none."""
    if count is None:
        return "–"
    return f"{count / 2**20:,.1f} MiB" if count >= 2**20 else f"{count / 2**10:,.0f} KiB"


def headline(entries: Sequence[Entry], queue: Sequence[Wait] = ()) -> str:
    """The race in one sentence: what goes on, what waits, when all of it will be done."""
    if not entries:
        return ""
    names = [entry.state.name for entry in entries]
    mine = [wait for wait in queue if wait.run in {entry.run.id for entry in entries}]
    if not mine:
        parts = [f"{names.count(word)} {word}" for word in ("done", "stopped", "failed")]
        return ", ".join(part for part in parts if not part.startswith("0 ")) + "."
    last = mine[-1].seconds
    until = "" if last is None else f"; all done in about {duration(last)}"
    if "running" in names:
        waiting = names.count("queued")
        after = f", {waiting} waiting" if waiting else ""
        return f"Run {names.index('running') + 1} of {len(names)}{after}{until}."
    first = mine[0].before
    ahead = "next in the queue" if first == 0 else f"{first} ahead in the queue"
    return f"{names.count('queued')} waiting, {ahead}{until}."


def examples(catalogue: Catalogue, entries: Sequence[Entry]) -> Markup:
    """Held-out prompts with the expected answer, the base's and each run's, side by side."""
    asked = [entry for entry in entries if entry.evaluation("after")]
    if not asked:
        return Markup("")
    first = asked[0].evaluation("before") or asked[0].evaluation("after")
    blocks = []
    for example in first["examples"][:EXAMPLES]:
        rows = [_answer("expected", example["expected"], None)]
        base = asked[0].evaluation("before")
        rows += _answers("base", base, example["prompt"])
        for entry in asked:
            name = name_of(catalogue, entry)
            rows += _answers(name, entry.evaluation("after"), example["prompt"])
        asking = element("p", example["prompt"], class_="example-prompt")
        blocks.append(element("div", asking, element("dl", *rows), class_="example"))
    head = element("h3", "Held-out examples")
    return element("div", head, element("div", *blocks, class_="examples"), class_="card")


def _answers(name: str, evaluation: dict[str, Any] | None, prompt: str) -> list[Markup]:
    found = (e for e in (evaluation or {"examples": ()})["examples"] if e["prompt"] == prompt)
    return [_answer(name, example["answer"], example["score"]) for example in found]


def _answer(name: str, text: str, score: float | None) -> Markup:
    mark = None
    if score is not None:
        words = "right" if score == 1 else "wrong" if score == 0 else f"{score:.2f}"
        sign = "✓" if score == 1 else "✗" if score == 0 else words
        mark = element("span", sign, class_=f"mark {words}", title=words)
    said = element("dd", text if text.strip() else "(nothing)", mark)
    return element("div", element("dt", name), said)


def ago(moment: float) -> str:
    """How long ago a time since the epoch was."""
    return f"{duration(max(time.time() - moment, 0))} ago"
