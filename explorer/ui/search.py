"""Search over everything: models, methods, benchmarks, terms, devices, tasks, contradictions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from urllib.parse import urlencode

from explorer.catalogue.applications import load_applications, load_challenges
from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.contradiction import load_contradictions
from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.glossary import load_glossary
from explorer.catalogue.scores import load_scores
from explorer.ui.cards.model import display_name

LONGEST = 200  # characters of a search
LONG_TITLES = ("contradiction", "topic")  # whose titles are sentences, not names
LIKE = 0.7  # how alike a word has to be when nothing matches


@dataclass(frozen=True)
class Thing:
    """Something that can be found, and the address that shows it."""

    kind: str
    id: str
    title: str
    text: str
    address: str
    also: tuple[str, ...] = ()
    more: str = ""  # searched, not shown


@dataclass(frozen=True)
class Index:
    """Everything that can be found in one catalogue."""

    things: tuple[Thing, ...]

    def find(self, words: str, most: int = 12) -> list[Thing]:
        """What has all the words, the best first; else what is spelled most like them."""
        if len(words) > LONGEST:
            raise ExplorerError(f"A search has at most {LONGEST} characters, not {len(words)}.")
        terms = _words(words)
        if not terms:
            return []
        rated = [(_rating(thing, terms, " ".join(terms)), thing) for thing in self.things]
        found = [(rating, thing) for rating, thing in rated if rating > 0]
        if not found:
            named = [thing for thing in self.things if thing.kind not in LONG_TITLES]
            rated = [(_likeness(thing, terms), thing) for thing in named]
            found = [(rating, thing) for rating, thing in rated if rating >= LIKE]
        found.sort(key=lambda item: (-item[0], len(item[1].title), item[1].title.lower()))
        return [thing for _, thing in found[:most]]


def index(catalogue: Catalogue) -> Index:
    """Gather everything of a catalogue."""
    things = (
        *_generations(catalogue), *_models(catalogue), *_methods(catalogue),
        *_benchmarks(catalogue), *_plans(catalogue), *_texts(),
    )  # fmt: skip
    return Index(things)


def _generations(catalogue: Catalogue) -> Iterator[Thing]:
    for found in catalogue.generations.values():
        address = _address("generations", view="models", generations=found.id)
        yield Thing("generation", found.id, found.name, found.summary, address)


def _models(catalogue: Catalogue) -> Iterator[Thing]:
    for model in catalogue.models.values():
        address = _address("generations", view="model", model=model.id)
        parts = (model.official_total_params.value, model.modality.value, model.licence.value)
        text = ", ".join(part for part in parts if part)
        also = (model.huggingface_repo.value or "", catalogue.generation(model.generation).name)
        yield Thing("model", model.id, display_name(model), text, address, also)


def _methods(catalogue: Catalogue) -> Iterator[Thing]:
    for method in catalogue.methods.values():
        address = _address("methods", view="method", method=method.id)
        paper = method.paper
        authors = (paper.title, *paper.authors) if paper else ()
        also = (method.peft_type or "", method.family, *authors)
        yield Thing("method", method.id, method.name, method.idea, address, also)


def _benchmarks(catalogue: Catalogue) -> Iterator[Thing]:
    shown = {score.benchmark for score in load_scores() if score.plot}
    for found in catalogue.benchmarks.values():
        view = {"view": "scores", "benchmark": found.id}
        listed = {"view": "figures", "benchmarks": found.id}
        address = _address("benchmarks", **(view if found.id in shown else listed))
        also = (found.group, *found.names)
        yield Thing("benchmark", found.id, found.name, found.measures, address, also)


def _plans(catalogue: Catalogue) -> Iterator[Thing]:
    for device in catalogue.hardware.values():
        address = _address("budget", hardware=device.id)
        title = device.name.value or device.id
        yield Thing("device", device.id, title, f"{device.vendor}, {device.kind}", address)
    for task in catalogue.tasks.values():
        yield Thing("task", task.id, task.name, task.summary, _address("lab", task=task.id))


def _texts() -> Iterator[Thing]:
    for term in load_glossary().values():
        address = _address("benchmarks", view="terms", term=term.name)
        yield Thing("term", term.id, term.name, term.text, address, term.also)
    for topic in (*load_applications().values(), *load_challenges().values()):
        named = tuple(entry.name for entry in topic.entries)
        yield Thing(
            "topic", topic.id, topic.name, topic.summary, _address("benchmarks", view="uses"), named
        )
    for item in load_contradictions():
        address = _address("benchmarks", view="contradictions", find=item.title)
        sayings = " ".join(saying.says for saying in item.sayings)
        touched = " ".join((*item.models, *item.methods, *item.fields))
        more = f"{sayings} {touched}"
        yield Thing("contradiction", item.id, item.title, item.used, address, (), more)


def _address(tab: str, **values: str) -> str:
    return "?" + urlencode({"tab": tab, **values})


def _words(text: str) -> list[str]:
    return re.findall(r"[\w.²³]+", text.lower().replace("-", " "))


def _rating(thing: Thing, terms: list[str], phrase: str) -> float:
    """0 unless every term is found; more for the title than for the text, more for whole words."""
    title, also = _words(thing.title), _words(" ".join((thing.id, *thing.also)))
    total = 0.0
    text: list[str] | None = None
    for term in terms:
        rating = _best(title, term, 10, 7) or _best(also, term, 5, 3)
        if not rating:
            text = _words(f"{thing.text} {thing.more}") if text is None else text
            rating = _best(text, term, 2, 1)
        if not rating:
            return 0.0
        total += rating
    if " ".join(title) == phrase or thing.id == phrase.replace(" ", "-"):
        total += 20
    if thing.kind in LONG_TITLES:
        total /= 2
    return total + 1 / (1 + len(title))


def _best(words: list[str], term: str, whole: float, start: float) -> float:
    if term in words:
        return whole
    return start if any(word.startswith(term) for word in words) else 0.0


def _likeness(thing: Thing, terms: list[str]) -> float:
    """How alike the least alike of the terms is to some word of the title."""
    words = [word for word in _words(f"{thing.title} {thing.id}") if len(word) > 1]
    return min(
        max((SequenceMatcher(None, term, word).ratio() for word in words), default=0.0)
        for term in terms
    )
