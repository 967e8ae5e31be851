"""Search finds everything by name, other name, word and near spelling, and leads to it."""

from urllib.parse import parse_qs

import pytest

from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.glossary import load_glossary
from explorer.ui.search import LONGEST, index
from explorer.ui.search_box import Handlers

CATALOGUE = load_catalogue()
INDEX = index(CATALOGUE)


def first(words):
    return INDEX.find(words)[0]


@pytest.mark.parametrize("kind", ["models", "methods", "generations", "benchmarks", "tasks"])
def test_everything_is_found_by_its_own_name(kind):
    singular = kind.removesuffix("s")
    for name in getattr(CATALOGUE, kind):
        thing = next(t for t in INDEX.things if t.kind == singular and t.id == name)
        assert thing in INDEX.find(thing.title, 20), name


def test_every_term_is_found_by_each_of_its_spellings():
    for term in load_glossary().values():
        for spelling in (term.name, *term.also):
            assert any(t.id == term.id for t in INDEX.find(spelling, 40)), spelling


def test_the_name_itself_comes_first():
    assert (first("llama 3.1 8b").kind, first("llama 3.1 8b").id) == ("model", "llama-3.1-8b")
    assert first("MMLU").id == "mmlu"
    assert first("lora").id == "lora"
    assert first("llama-adapter-v2").id == "llama-adapter-v2"


def test_authors_and_near_spellings_lead_somewhere():
    assert first("dettmers").id == "qlora"
    assert first("excitr").id == "llama-excitor"
    assert first("lama 3.1 8b").id == "llama-3.1-8b"
    assert INDEX.find("zzzzzz qqqq") == []
    assert INDEX.find("  ") == []


def test_a_hit_leads_to_an_address_of_a_tab():
    for thing in INDEX.things:
        query = parse_qs(thing.address.removeprefix("?"))
        assert query["tab"][0] in {"generations", "methods", "budget", "benchmarks", "lab"}


def test_a_search_that_is_too_long_is_a_sentence():
    with pytest.raises(ExplorerError, match=f"at most {LONGEST}"):
        INDEX.find("a" * (LONGEST + 1))


@pytest.mark.parametrize(
    "words",
    [
        "<img src=x onerror=alert(1)>",
        "\u202elora",
        "مرحبا",
        "🦙🦙",
        "' OR 1=1",
        "((((",
        "\x00",
        "\ud800",
    ],
)
def test_whatever_is_typed_is_answered_and_stays_text(words):
    html = Handlers(CATALOGUE).hits(words)
    html.encode("utf-8")
    assert "<img" not in html
    assert html.startswith(("<ul", "<p"))


def test_a_search_of_many_characters_is_a_sentence_in_the_box_too():
    with pytest.raises(Exception, match=f"at most {LONGEST}") as told:
        Handlers(CATALOGUE).hits("a" * 100_000)
    assert type(told.value).__name__ == "Error"


def test_the_box_shows_hits_as_links_and_escapes_what_was_typed():
    handlers = Handlers(CATALOGUE)
    html = handlers.hits("adapter")
    assert html.count("<a ") == html.count('href="?tab=') > 3
    assert "<script" not in handlers.hits("<script>alert(1)</script>")
    assert handlers.hits(" ") == ""
    found = handlers.search("adapter", most=3)
    assert len(found) == 3
    assert set(found[0]) == {"kind", "id", "title", "text", "address"}
