"""A method's card: the figures on a chosen model, then everything that its file says."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from explorer.budget.trainable import TrainableCount
from explorer.catalogue.capability import Capability
from explorer.catalogue.method import Method, Note
from explorer.catalogue.paper import Paper
from explorer.catalogue.record import source_key
from explorer.ui.cards.sources import Find, computed, source_line, sourced
from explorer.ui.cards.terms import explained
from explorer.ui.cards.values import bytes_words, number, share
from explorer.ui.markup import element, joined, link

LABELS = {
    "trains": "trains",
    "uses_all": "uses all it trains",
    "generates": "generates with a cache",
    "merges": "merges into the base",
    "four_bit": "works on a 4-bit base",
    "eight_bit": "works on an 8-bit base",
    "several": "several on one base",
    "disables": "can be switched off",
    "left_padding": "takes left padding",
    "saves": "saves and loads",
}
ABILITIES = {n: LABELS.get(n, n.replace("_", " ")) for n in Capability.abilities()}
TEXT_OF = {"llama4": "text model of Llama 4", "mllama": "text model of Llama 3.2 Vision"}
ORIGINS = {
    "peft": "in peft",
    "explorer": "a peft tuner of this project",
    "torch": "plain PyTorch",
}

KNOBS = "Defaults and limits are this page's; the names and what they do are from "


def finder_of(method: Method) -> Find:
    """Looks up the document that a source entry of this method names."""
    return method.source_of


def documents(method: Method) -> list[str]:
    """What describes the method: its paper, and the code that it was read in."""
    cited = {source_key(entry) for entry in method.trainable.source} | {"peft", "code", "page"}
    named = ["paper"] if method.paper else []
    named += [key for key in method.sources if key in cited]
    return named or ["derived: from what the method is called"]


def method_head(method: Method) -> Markup:
    """Name, family, paper and the idea."""
    badges = [element("span", method.family, class_="badge")]
    if method.survey:
        badges.append(element("span", "in the survey", class_="badge accent"))
    badges.append(element("span", ORIGINS[method.origin], class_="badge"))
    if method.unsupported:
        badges.append(element("span", "described, does not run here", class_="badge warn"))
    warning = element("p", method.unsupported, class_="notice") if method.unsupported else None
    return element(
        "article",
        element(
            "header",
            element("h2", method.name),
            element("p", joined(badges), class_="badges"),
            element("p", _cited(method.paper), class_="faint") if method.paper else None,
            class_="card-head",
        ),
        element("p", explained(method.idea), class_="idea"),
        warning,
        class_="card one-source",
    )


def _cited(paper: Paper) -> Markup:
    first = paper.authors[0] + (" and others" if len(paper.authors) > 1 else "")
    return joined([link(paper.title, paper.url), f", {first}, {paper.venue}, {paper.year}"])


def method_figures(method: Method, counted: TrainableCount, total: int, model_name: str) -> Markup:
    """What it trains on the chosen model."""
    find = finder_of(method)
    entries = method.trainable.source
    size = f"{bytes_words(2 * counted.total)} / {bytes_words(4 * counted.total)}"
    told = None if counted.exact else counted.note
    tiles = (
        ("trainable parameters", sourced(number(counted.total), entries, find, told)),
        (
            f"of {model_name}",
            sourced(share(counted.total, total), ["derived: trainable over all parameters"], find),
        ),
        ("saved in 16 / 32 bits", sourced(size, ["derived: two or four bytes a parameter"], find)),
        ("layers that hold any of it", sourced(str(len(counted.layers)), entries, find)),
    )
    how = f"Counted with the formula below on the shape of {model_name}."
    made = [
        element(
            "div",
            element("span", v, class_="figure-value"),
            element("span", k, class_="figure-label"),
            class_="figure",
        )
        for k, v in tiles
    ]
    parts = ", ".join(f"{name} {number(n)}" for name, n in counted.by_site.items())
    return computed(
        how,
        element("div", joined(made), class_="figures"),
        element("p", "Together: ", element("code", method.trainable.formula), class_="formula"),
        element("p", f"That is {parts}.", class_="faint") if len(counted.by_site) > 1 else None,
        element("p", told, class_="notice") if told else None,
        tag="article",
        class_="card",
    )


def method_facts(method: Method) -> Markup:
    """Start, saved, latency, what was measured, knobs, caveats, results, differences."""
    find = finder_of(method)
    left = [_plain_facts(method, find), _measured(method, find)]
    right = [
        _notes("Published", method.published, find),
        _notes("Caveats", method.caveats, find),
    ]
    columns = (joined(left), joined(right))
    return element(
        "article",
        element("div", joined(element("div", column) for column in columns), class_="fact-groups"),
        _knobs(method, find),
        _differences(method, find),
        class_="card",
    )


def _plain_facts(method: Method, find: Find) -> Markup:
    sites = ", ".join(method.sites) or "no linears of its own choosing"
    read_in = documents(method)
    rows = {
        "Acts on": sites,
        "At the start": sourced(method.initialisation, read_in, find),
        "Equals the base when untrained": "yes" if method.starts_as_base else "no",
        "What is saved": sourced(method.saved, read_in, find),
        "Extra latency": sourced(method.extra_latency, read_in, find),
    }
    if method.needs:
        needs = [sourced(element("code", need.holds), need.source, find) for need in method.needs]
        rows["Runs only where"] = joined(element("div", need) for need in needs)
    return _section("How it works", rows)


def _section(title: str, rows: Mapping[str, Any]) -> Markup:
    listed = [
        element("div", element("dt", label), element("dd", value), class_="fact")
        for label, value in rows.items()
    ]
    return element(
        "section", element("h3", title), element("dl", joined(listed)), class_="fact-group"
    )


def _measured(method: Method, find: Find) -> Markup | None:
    capability = method.capability
    if capability is None:
        return None
    rows = {label: ability(capability, name, find) for name, label in ABILITIES.items()}
    rows |= {f"runs on the {text}": _on(method, kind, text, find) for kind, text in TEXT_OF.items()}
    return _section(
        "Measured on a tiny LLaMA",
        {label[:1].upper() + label[1:]: value for label, value in rows.items()},
    )


def _on(method: Method, kind: str, text: str, find: Find) -> Markup:
    reason = method.not_on.get(kind)
    source = [f"measured: tests/methods/test_generations.py on a tiny {text}"]
    return _answer(reason is None, reason, source, method.capability.versions, find)


def ability(capability: Capability, name: str, find: Find) -> Markup:
    """Yes or no with its source, and the reason for a no."""
    able, reason = getattr(capability, name), capability.why.get(name)
    return _answer(able, reason, capability.source, capability.versions, find)


def _answer(
    able: bool, reason: str | None, source: Sequence[str], versions: str, find: Find
) -> Markup:
    mark = element("span", "✓ yes" if able else "✗ no", class_="able" if able else "unable")
    shown = sourced(mark, source, find, versions)
    if not reason:
        return shown
    return element(
        "span", shown, element("span", f" {reason}", class_="claim-note"), class_="one-source"
    )


def _notes(title: str, notes: Sequence[Note], find: Find) -> Markup | None:
    if not notes:
        return None
    items = [element("li", sourced(note.text, note.source, find)) for note in notes]
    return element(
        "section",
        element("h3", title),
        element("ul", joined(items), class_="notes"),
        class_="fact-group",
    )


def _knobs(method: Method, find: Find) -> Markup | None:
    if not method.knobs:
        return None
    rows = [
        element(
            "tr",
            element("td", element("code", name)),
            element("td", knob.range),
            element("td", "unset" if knob.default is None else _default(knob.default)),
            element("td", sourced(knob.help, knob.source, find) if knob.source else knob.help),
        )
        for name, knob in method.knobs.items()
    ]
    read_in = joined((source_line(entry, find) for entry in documents(method)), "; ")
    told = element("p", KNOBS, read_in, class_="said-by")
    return table("Knobs", ("Knob", "Takes", "Default", "What it does"), rows, told)


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _differences(method: Method, find: Find) -> Markup | None:
    held = method.differences
    if held is None:
        return None
    rows = [
        element(
            "tr", element("th", aspect, scope="row"), joined(element("td", cell) for cell in cells)
        )
        for aspect, cells in held.rows.items()
    ]
    title = sourced("How implementations differ", held.source, find)
    return table(title, ("", *held.columns), rows)


def table(
    title: Any, heads: Sequence[str], rows: Sequence[Markup], told: Markup | None = None
) -> Markup:
    """A section with a table that scrolls in its own box; `told` stands above it."""
    named = (element("th", word, scope="col") if word else element("td") for word in heads)
    head = element("tr", joined(named))
    body = element("table", element("thead", head), element("tbody", joined(rows)), class_="plain")
    return element(
        "section",
        element("h3", title),
        told,
        element("div", body, class_="scroll", tabindex=0),
        class_="fact-group wide-table",
    )
