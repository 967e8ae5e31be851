"""The data files together: all load, ids resolve, every number has a source, titles agree."""

import shutil
from collections import Counter, defaultdict

import pytest

from explorer.catalogue.applications import Entry, Topic
from explorer.catalogue.benchmark import Benchmark
from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.contradiction import Contradiction, Saying
from explorer.catalogue.errors import UnknownNameError
from explorer.catalogue.generation import Change, Generation
from explorer.catalogue.glossary import Term
from explorer.catalogue.load import DATA, DataFileError, read_toml
from explorer.catalogue.model import Model
from explorer.catalogue.record import REASONS, facts_of, source_key

CATALOGUE = load_catalogue()
GATHERED = {
    "llama-1": 4,
    "llama-2": 4,
    "code-llama": 4,
    "llama-3": 2,
    "llama-3.1": 3,
    "llama-3.2": 2,
    "llama-3.2-vision": 2,
    "llama-3.2-quantized": 4,
    "llama-3.3": 1,
    "llama-4": 3,
    "llama-guard": 7,
}


def tables(value, path=""):
    """Every table in a data file with the path to it."""
    if isinstance(value, dict):
        yield path, value
        for key, inner in value.items():
            yield from tables(inner, f"{path}.{key}".strip("."))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from tables(inner, f"{path}.{index}")


def sources_in_data():
    """Every source table of every data file."""
    for path in sorted(DATA.rglob("*.toml")):
        for place, table in tables(read_toml(path)):
            if "url" in table and "title" in table:
                yield f"{path.relative_to(DATA)}: {place}", table


def test_every_model_that_was_gathered_is_there():
    assert Counter(model.generation for model in CATALOGUE.models.values()) >= Counter(GATHERED)


def test_every_model_belongs_to_a_generation_and_every_generation_has_a_model():
    used = {model.generation for model in CATALOGUE.models.values()}
    assert used == set(CATALOGUE.generations)


@pytest.mark.parametrize("name", CATALOGUE.models)
def test_every_value_of_a_model_names_a_document_or_its_reasoning(name):
    model = CATALOGUE.models[name]
    for field, fact in facts_of(model).items():
        said = [fact.source] if fact.value is not None else []
        for entries in [*said, *(claim.source for claim in fact.also)]:
            assert entries, field
            assert all(source_key(entry) in {*model.sources, *REASONS} for entry in entries)


def test_the_same_address_has_the_same_title_everywhere():
    titles = defaultdict(lambda: defaultdict(list))
    for place, table in sources_in_data():
        titles[table["url"].rstrip("/")][table["title"]].append(place)
    differing = {url: dict(found) for url, found in titles.items() if len(found) > 1}
    assert not differing


def test_every_source_was_accessed_on_a_day_after_it_was_published():
    for place, table in sources_in_data():
        assert table["accessed"] >= table.get("published", table["accessed"]), place


def test_a_source_of_a_repository_names_the_version_that_was_read():
    floating = {table["url"] for _, table in sources_in_data() if "/blob/main/" in table["url"]}
    convert = "src/transformers/models/llama/convert_llama_weights_to_hf.py"
    assert floating <= {f"https://github.com/huggingface/transformers/blob/main/{convert}"}


def test_no_text_of_the_data_holds_a_doubled_space_or_a_placeholder():
    for path in sorted(DATA.rglob("*.toml")):
        text = path.read_text(encoding="utf-8")
        assert "???" not in text, path
        assert "TODO" not in text, path


@pytest.mark.parametrize(
    "record",
    [Model, Generation, Change, Benchmark, Topic, Entry, Term, Contradiction, Saying],
    ids=lambda record: record.__name__,
)
def test_the_guide_to_the_data_names_every_key(record):
    guide = (DATA / "README.md").read_text(encoding="utf-8")
    for key in set(record.model_fields) - {"id", "sources"}:
        assert f"`{key}`" in guide or f"`{key} =" in guide or f"`[[{key}]]`" in guide, key


def test_the_guide_names_every_folder_and_file_of_the_data():
    guide = (DATA / "README.md").read_text(encoding="utf-8")
    for path in DATA.iterdir():
        if path.name != "README.md":
            assert f"`{path.name}" in guide or f"{path.name}/" in guide, path.name


def test_an_unknown_id_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match=r"Did you mean 'llama-3\.1-8b'\?"):
        CATALOGUE.model("llama-3.1-8")


@pytest.fixture
def data(tmp_path):
    """A copy of the data that a test may change."""
    shutil.copytree(DATA, tmp_path / "data")
    return tmp_path / "data"


def test_adding_a_model_is_one_file(data):
    text = (data / "models" / "llama-3.1-8b.toml").read_text(encoding="utf-8")
    text = text.replace('"Llama 3.1 8B"', '"Llama 3.1 9B"').replace("value = 32,", "value = 36,", 1)
    (data / "models" / "llama-3.1-9b.toml").write_text(text, encoding="utf-8")
    added = load_catalogue(data).model("llama-3.1-9b")
    assert added.name.value == "Llama 3.1 9B"
    assert added.architecture.num_hidden_layers == 36
    assert len(load_catalogue(data).models) == len(CATALOGUE.models) + 1


def test_a_model_of_an_unknown_generation_is_told_with_the_nearest(data):
    path = data / "models" / "llama-3.1-8b.toml"
    path.write_text(path.read_text("utf-8").replace('"llama-3.1"', '"lama-3.1"', 1), "utf-8")
    told = r"models/llama-3\.1-8b\.toml: generation: .*'lama-3\.1'. Did you mean 'llama-3\.1'\?"
    with pytest.raises(DataFileError, match=told):
        load_catalogue(data)


def test_a_generation_built_from_an_unknown_one_is_told_with_the_nearest(data):
    path = data / "generations" / "llama-3.toml"
    path.write_text(path.read_text("utf-8").replace('"llama-2"', '"lama-2"', 1), "utf-8")
    with pytest.raises(DataFileError, match=r"generations/llama-3\.toml: previous: .*'llama-2'\?"):
        load_catalogue(data)
