"""Each method's own learning rate, and how it was found: by a kept sweep, or not."""

from collections.abc import Sequence

from markupsafe import Markup

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.method import Method
from explorer.catalogue.rates import (
    RateRun,
    RateSweep,
    load_rate_runs,
    load_rate_sweep,
    mean_losses,
)
from explorer.ui.markup import element, joined

HEADERS = ("Method", "Rate", "Held-out loss at the rates that were tried")


def rates_card(catalogue: Catalogue, methods: Sequence[str]) -> Markup:
    """A row for each of these methods, and where the sweep was made."""
    chosen = [catalogue.methods[name] for name in methods or () if name in catalogue.methods]
    if not chosen:
        return Markup("")
    runs = load_rate_runs()
    rows = (_row(method, [r for r in runs if r.method == method.id]) for method in chosen)
    head = element("tr", *(element("th", name, scope="col") for name in HEADERS))
    table = element("table", element("thead", head), element("tbody", *rows), class_="plain rates")
    return element(
        "details",
        element("summary", "Each method's own learning rate, and how it was found"),
        element("div", table, class_="scroll"),
        element("p", made(load_rate_sweep()), class_="faint"),
    )


def _row(method: Method, runs: Sequence[RateRun]) -> Markup:
    rate = method.lab.learning_rate if method.lab else None
    return element(
        "tr",
        element("th", method.name, scope="row"),
        element("td", f"{rate:g}" if rate else "–", class_="num"),
        element("td", tried(method, runs)),
    )


def tried(method: Method, runs: Sequence[RateRun]) -> Markup | str:
    """The rates of the method's sweep with their mean losses, the method's own marked."""
    if not runs:
        why = "; ".join(method.lab.source) if method.lab else ""
        return f"Not swept. {why}" if why else "Not swept."
    losses = mean_losses(runs)
    rates = sorted({run.learning_rate for run in runs})
    diverged = {run.learning_rate for run in runs if run.diverged}
    parts = []
    for rate in rates:
        said = "diverged" if rate in diverged else "–"
        if rate in losses:
            said = f"{losses[rate]:.3f}"
        own = method.lab is not None and rate == method.lab.learning_rate
        parts.append(element("strong" if own else "span", f"{rate:g}: {said}", class_="rate"))
    tasks = len({run.task for run in runs})
    over = f" (mean of {tasks} tasks)" if tasks > 1 else ""
    kept = f". {method.lab.kept}" if method.lab and method.lab.kept else ""
    return joined([joined(parts, " · "), over, kept])


def made(sweep: RateSweep) -> str:
    """Where and when the sweep was made, and how it is made again."""
    versions = f"torch {sweep.versions['torch']}, peft {sweep.versions['peft']}"
    return (
        f"Losses are in nats an answer token. Not measured here: {sweep.device}, "
        f"{sweep.precision}, {versions}, {sweep.date:%d %B %Y}. {sweep.about} "
        f"{sweep.batch_size} rows a step, {sweep.heldout_rows} held-out rows. {sweep.command} "
        "makes the sweep again."
    )
