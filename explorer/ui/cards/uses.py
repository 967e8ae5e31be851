"""Uses and limits: areas and challenges with their entries, and where the survey errs."""

from collections.abc import Iterable, Mapping

from markupsafe import Markup

from explorer.catalogue.applications import Entry, Topic
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.survey import Inconsistency, Statement, Survey
from explorer.ui.cards.model import display_name
from explorer.ui.cards.sources import Find, finder, source_line
from explorer.ui.cards.terms import explained
from explorer.ui.markup import element, joined, link


def topics_card(title: str, topics: Mapping[str, Topic], catalogue: Catalogue) -> Markup:
    """A heading and its topics."""
    made = joined(_topic(topic, catalogue) for topic in topics.values())
    return element("section", element("h2", title), made, class_="card topics")


def _topic(topic: Topic, catalogue: Catalogue) -> Markup:
    find = finder(topic.sources)
    entries = joined(_entry(entry, catalogue, find) for entry in topic.entries)
    return element(
        "section",
        element("h3", topic.name),
        element("p", explained(topic.summary), class_="idea"),
        element("div", entries, class_="grid"),
        class_="topic",
        id=f"topic-{topic.id}",
    )


def _entry(entry: Entry, catalogue: Catalogue, find: Find) -> Markup:
    return element(
        "article",
        element("h4", entry.name),
        element("p", explained(entry.text)),
        element("p", joined(_links(entry, catalogue), " "), class_="badges"),
        element("p", joined(_said_by(entry.source, find)), class_="cited"),
        class_="panel",
    )


def _links(entry: Entry, catalogue: Catalogue) -> Iterable[Markup]:
    for name in entry.generations:
        address = f"?tab=generations&view=models&generations={name}"
        yield element("a", catalogue.generation(name).name, href=address, class_="badge")
    for name in entry.models:
        address = f"?tab=generations&view=model&model={name}"
        yield element("a", display_name(catalogue.model(name)), href=address, class_="badge")
    for name in entry.methods:
        address = f"?tab=methods&view=method&method={name}"
        yield element("a", catalogue.method(name).name, href=address, class_="badge")


def _said_by(entries: Iterable[str], find: Find) -> list[Markup]:
    return [element("span", source_line(entry, find), class_="said-by") for entry in entries]


def survey_card(survey: Survey) -> Markup:
    """The survey's record, what is known of what it says, and where that is not so."""
    find = finder(survey.sources)
    rows = [_inconsistency(item, survey, find) for item in survey.inconsistencies]
    heads = ("", "Statement", "How it is known", "Primary sources")
    head = element("tr", joined(element("th", word, scope="col") for word in heads))
    table = element("table", element("thead", head), element("tbody", joined(rows)), class_="plain")
    cited = link(f"arXiv {survey.arxiv}", f"https://arxiv.org/abs/{survey.arxiv}")
    authors = ", ".join(author.name for author in survey.authors)
    return element(
        "section",
        element("h2", "The survey itself"),
        element("p", element("strong", survey.title), ". ", authors, ". ", cited, "."),
        element("p", survey.reach, class_="notice"),
        element("h3", "What it says"),
        _statements(survey.facts, survey, find),
        element("h3", "Where it, or a report of it, differs from primary sources"),
        element("div", table, class_="scroll", tabindex=0),
        _kept_back(survey, find),
        class_="card topics",
    )


def _kept_back(survey: Survey, find: Find) -> Markup | None:
    if not survey.not_to_pass_on:
        return None
    title = element("h3", "Said of it elsewhere, and not to be passed on")
    return joined([title, _statements(survey.not_to_pass_on, survey, find)])


def _statements(statements: Iterable[Statement], survey: Survey, find: Find) -> Markup:
    items = [
        element(
            "li",
            item.text,
            " ",
            _tag(item.evidence, survey),
            joined(_said_by(item.source, find)),
        )
        for item in statements
    ]
    return element("ul", joined(items), class_="notes")


def _tag(evidence: str, survey: Survey) -> Markup:
    return element("abbr", evidence, title=survey.tags[evidence], class_="badge")


def _inconsistency(item: Inconsistency, survey: Survey, find: Find) -> Markup:
    said = joined([_tag(item.evidence, survey), f" {survey.tags[item.evidence]}", _note(item)])
    primary = joined([item.primary, *_said_by(item.source, find)])
    cells = (str(item.number), item.statement, said, primary)
    return element("tr", joined(element("td", cell) for cell in cells))


def _note(item: Inconsistency) -> Markup | None:
    return element("span", f" ({item.evidence_note})") if item.evidence_note else None
