"""Peak memory of the runs, term by term: what was forecast beside what was measured."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from explorer.catalogue.catalogue import Catalogue
from explorer.ui.markup import element, joined
from explorer.ui.race import Entry, name_of, two_lines

PARTS = ("base", "trainable", "gradients", "optimizer", "master_copies", "activations")
NOTE = (
    "In MiB, measured above and forecast below. Measured activations are what is left of the peak "
    "once the other parts are taken away, so that they come out small where the peak was at a "
    "moment without all of the gradients."
)


def memory_table(catalogue: Catalogue, entries: Sequence[Entry]) -> Markup:
    """One row a run that is over and was forecast; nothing where there is none."""
    shown = [e for e in entries if e.result and e.result.memory and e.result.forecast.get("terms")]
    if not shown:
        return Markup("")
    heads = ("Method", *(name.replace("_", " ") for name in PARTS), "peak")
    head = element("tr", *(element("th", name, scope="col") for name in heads))
    rows = [_row(name_of(catalogue, entry), entry.result) for entry in shown]
    table = element(
        "table", element("thead", head), element("tbody", *rows), class_="plain race-table"
    )
    return joined([element("p", NOTE, class_="faint"), element("div", table, class_="scroll card")])


def _row(name: str, result: Any) -> Markup:
    held, said = result.memory, forecast_parts(result.forecast)
    pairs = [(held.get(part, 0), said[part]) for part in PARTS]
    pairs.append((result.peak_bytes, result.forecast["bytes"]))
    cells = (element("td", two_lines(_mib(m), _mib(f)), class_="num") for m, f in pairs)
    return element("tr", element("th", name, scope="row"), *cells)


def forecast_parts(forecast: dict[str, Any]) -> dict[str, int]:
    """The calculator's terms under the names of what is measured; together they are its peak."""
    terms = forecast["terms"]
    own = terms["adapter"] == 0  # the method trains the base's own weights
    trained = terms["gradients"] if own else terms["adapter"]
    parts = {
        "base": terms["weights"] - (trained if own else 0),
        "trainable": trained,
        "gradients": terms["gradients"],
        "optimizer": terms["optimizer"],
        "master_copies": terms["master_copies"],
    }
    return parts | {"activations": forecast["bytes"] - sum(parts.values())}


def _mib(count: int) -> str:
    return f"{count / 2**20:,.1f}"
