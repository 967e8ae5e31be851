"""How the history looks: the table of runs, and one run in full with its files."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from explorer.catalogue.catalogue import Catalogue
from explorer.lab.derived import MERGED, told_room
from explorer.ui import race, settings
from explorer.ui.downloads import download_url
from explorer.ui.markup import element, joined

HEADERS = ("Run", "Task", "State", "Held out", "Forgets, nats", "Trains", "Time", "Tags")
FILES = {
    "adapter.zip": "Adapter (peft folder)",
    "metrics.csv": "Metrics (CSV)",
    "program.zip": "Program with its data",
    "bundle.zip": "Everything",
}
SHOWN = 200


def runs_table(
    catalogue: Catalogue, records: Sequence[dict[str, Any]], picked: Sequence[str]
) -> Markup:
    """A row a run; a click on its name picks it."""
    if not records:
        return element("p", "No run fits. Start a race above, or search for less.", class_="faint")
    head = element("tr", *(element("th", name, scope="col") for name in HEADERS))
    rows = (_row(catalogue, record, record["run"] in picked) for record in records[:SHOWN])
    more = len(records) - SHOWN
    note = f"{more:,} older runs are not shown: search for them." if more > 0 else None
    table = element(
        "table", element("thead", head), element("tbody", *rows), class_="plain history-table"
    )
    told = element("p", note, class_="faint") if note else None
    return joined([element("div", table, class_="scroll tall card"), told])


def _row(catalogue: Catalogue, record: dict[str, Any], picked: bool) -> Markup:
    when = dt.datetime.fromisoformat(record["created"]).timestamp()
    button = element(
        "button", method_name(catalogue, record), data_run=record["run"], type="button",
        aria_pressed="true" if picked else "false",
    )  # fmt: skip
    below = element("span", f"{race.ago(when)} · seed {record['seed']}", class_="faint below")
    cells = (
        element("th", button, below, scope="row"),
        element("td", task_name(catalogue, record["task"])),
        element("td", element("span", record["state"], class_=f"badge state-{record['state']}")),
        element("td", _held_out(record), class_="num"),
        element("td", _number(record["forgetting"], "+.3f"), class_="num"),
        element("td", _number(record["trainable"], ","), class_="num"),
        element("td", race.duration(record["seconds"]) if record["seconds"] else "–", class_="num"),
        element("td", *(element("span", f"#{tag}", class_="badge") for tag in record["tags"])),
    )
    return element("tr", *cells, class_="picked" if picked else None)


def run_card(catalogue: Catalogue, record: dict[str, Any]) -> Markup:
    """One run in full, with the links that fetch its files."""
    facts = {
        "Base": record["base"] + quantized(record["quantization"]),
        "Steps": f"{record['steps_done'] or 0:,} of {record['steps']:,}",
        "Held out": _held_out(record),
        "Held-out loss, nats": _pair(
            record["heldout_loss_base"], record["heldout_loss_after"], ".3f"
        ),
        "Trains": _number(record["trainable"], ","),
        "Peak memory": race.mebibytes(record["peak_bytes"]),
        "Adapter": race.mebibytes(record["adapter_bytes"]),
        "Where": " ".join(filter(None, (record["device"], record["precision"]))) or "–",
        "Id": record["run"],
    }
    chosen = {name: v for name, v in record["job"]["knobs"].items() if v not in (None, "", [])}
    facts["Knobs"] = settings.write(chosen) or "–"
    rows = (
        element("div", element("dt", name), element("dd", value), class_="fact")
        for name, value in facts.items()
    )
    reason = element("p", record["reason"], class_="notice") if record["reason"] else None
    return element(
        "section",
        element("h3", f"{method_name(catalogue, record)} · {task_name(catalogue, record['task'])}"),
        reason,
        element("dl", *rows, class_="history-facts"),
        _files(record),
        merge_card(record["merge_check"]),
        class_="card opened",
    )


def _files(record: dict[str, Any]) -> Markup:
    kinds = dict(FILES)
    if not record["adapter_bytes"]:
        del kinds["adapter.zip"]
    if record["trainable"] is None:
        del kinds["program.zip"]
    if record["merge_check"]:
        kinds[f"{MERGED}.zip"] = "Merged checkpoint"
    links = (
        element("a", title, href=download_url(record["run"], kind), download=True, class_="badge")
        for kind, title in kinds.items()
    )
    return element("p", element("span", "Download:", class_="faint"), *links, class_="badges files")


def merge_card(check: dict[str, Any] | None) -> Markup | None:
    """Whether the merged checkpoint says what base and adapter said."""
    if check is None:
        return None
    sign, words = ("✓", "The same") if check["passed"] else ("✗", "Not the same")
    sentence = (
        f"{words}: over {check['tokens']:,} held-out tokens the logits of the merged checkpoint "
        f"differ by at most {check['max_difference']:.2g} from those of base and adapter, which "
        f"the adapter moves by up to {check['adapter_moves']:.2g}; "
        f"{100 * check['same_next_token']:.1f} % of the likeliest next tokens agree "
        f"({check['dtype']}, {race.mebibytes(check['bytes'])})."
    )
    over = check["trained_over"]
    note = (
        f" It was trained over {over} weights and merged into the unquantized ones."
        if over != "none"
        else ""
    )
    mark = element("span", sign, class_="sign")
    state = "passed" if check["passed"] else "failed"
    return joined(
        [
            element("p", mark, f" {sentence}{note}", class_=f"check {state}"),
            element("p", told_room(), class_="faint"),
        ]
    )


def method_name(catalogue: Catalogue, record: dict[str, Any]) -> str:
    """The run's own name, else its method's."""
    found = catalogue.methods.get(record["method"])
    return record["label"] or (found.name if found else record["method"])


def task_name(catalogue: Catalogue, task: str) -> str:
    """The task's name; that of own data stands with it, and may be gone."""
    if not task:  # of a damaged run
        return "–"
    found = catalogue.tasks.get(task)
    return found.name if found else f"own data ({task.removeprefix('own-')[:6]})"


def quantized(kind: str) -> str:
    """How a base is held, in words behind its name."""
    return "" if kind == "none" else f", {kind}"


def _held_out(record: dict[str, Any]) -> str:
    return _pair(record["metric_base"], record["metric_after"], ".2f")


def _pair(before: float | None, after: float | None, form: str) -> str:
    if before is None and after is None:
        return "–"
    return f"{_number(before, form)} → {_number(after, form)}"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
