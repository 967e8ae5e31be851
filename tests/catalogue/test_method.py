"""Methods as records: strict, sourced, and knobs that read what people type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.catalogue.capability import Capability
from explorer.catalogue.catalogue import DATA
from explorer.catalogue.errors import ExplorerError, UnknownNameError
from explorer.catalogue.knob import LINEARS, Knob
from explorer.catalogue.load import DataFileError, load_folder, load_record
from explorer.catalogue.method import Method
from explorer.catalogue.paper import Paper

METHODS = load_folder(DATA / "methods", Method)
SMALLEST = """
name = "A method"
family = "low-rank"
peft_type = "LORA"
idea = "Something is done to the model that is small, and here it is told in a sentence or two."
equation = "y = x"
initialisation = "zero"
saved = "all"
extra_latency = "none"
starts_as_base = true
sites = ["q_proj"]
[knobs.target_modules]
type = "sites"
help = "where"
[knobs.r]
type = "int"
default = 4
min = 1
max = 8
help = "rank"
[trainable]
per_site = "r"
source = ["derived: by hand"]
[lab]
learning_rate = 1e-3
source = ["inferred: from nothing"]
[capability]
versions = "peft 0.21"
source = ["measured: once"]
"""


def written(tmp_path, text, name="mine"):
    path = tmp_path / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_smallest_file_is_a_method(tmp_path):
    method = load_record(written(tmp_path, SMALLEST), Method)
    assert method.id == "mine"
    assert method.read_knobs({}) == {"target_modules": ("q_proj",), "r": 4}
    assert method.merges
    assert method.works_on_4bit


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("per_site = ", "per_sight = "), "unknown key 'trainable.per_sight'.*'per_site'"),
        (
            ('"derived: by hand"', '"card: page 3"'),
            "trainable: source 'card: page 3' names no known",
        ),
        (('"derived: by hand"', '"derived"'), "must say where or how, after a colon"),
        (('source = ["derived: by hand"]', "source = []"), "trainable.source"),
        (('per_site = "r"\n', ""), "at least one of per_site"),
        (("default = 4", "default = 9"), "default = 9: it takes a whole number from 1 to 8"),
        (("max = 8\n", ""), "an int knob needs min and max"),
        (('sites = ["q_proj"]\n', ""), "a knob of type sites needs sites"),
        (("[capability]", "[capability]\nmerges = false"), "merges = false needs its reason"),
        (("learning_rate = 1e-3", "learning_rate = 1e-3\nknobs = { r = 99 }"), "r = 99: it takes"),
        (("[lab]", "[fixed]\nr = 3\n[lab]"), "'r' is both fixed and a knob"),
        (('family = "low-rank"', 'family = "lowrank"'), "family"),
        (("[lab]\nlearning_rate = 1e-3\nsource", "[labs]\nsource"), "unknown key 'labs'"),
    ],
)
def test_a_wrong_file_is_refused_with_the_key_and_the_reason(tmp_path, change, says):
    text = SMALLEST.replace(*change)
    assert text != SMALLEST
    with pytest.raises(DataFileError, match=rf"mine\.toml: .*{says}"):
        load_record(written(tmp_path, text), Method)


def test_every_false_capability_has_its_reason():
    for method in METHODS.values():
        if method.capability:
            no = {a for a in Capability.abilities() if not getattr(method.capability, a)}
            assert no == set(method.capability.why), method.id


def test_every_method_but_the_references_names_its_paper_or_says_where_it_is_described():
    for method in METHODS.values():
        assert method.paper or method.sources or method.origin == "torch", method.id
        for entry in method.trainable.source:
            document = method.source_of(entry)
            assert (document is None) == entry.startswith(("derived", "measured")), entry


def test_the_idea_of_every_method_is_three_sentences():
    for method in METHODS.values():
        sentences = [part for part in method.idea.replace("\n", " ").split(". ") if part.strip()]
        assert len(sentences) == 3, (method.id, len(sentences))


def test_the_families_hold_all_methods_and_the_survey_is_five():
    assert {m.family for m in METHODS.values()} == set(
        Method.model_fields["family"].annotation.__args__
    )
    assert sum(m.survey for m in METHODS.values()) == 5


@pytest.mark.parametrize(
    ("method_id", "published", "same"),
    [
        ("lora", "LORA (rank32)", True),
        ("lora", "LoRA", True),
        ("lora", "LoRA-FA", False),
        ("qlora", "LoRA", False),
        ("llama-adapter-v1", "LLaMA-Adapter V1 (text only)", True),
        ("llama-adapter-v1", "LLaMA-Adapter V2", False),
        ("full", "Vicuna (full fine-tuning)", True),
    ],
)
def test_published_results_find_their_method(method_id, published, same):
    assert METHODS[method_id].goes_by(published) == same


def test_bibtex_has_every_author_and_the_identifier():
    paper = Paper(
        title="A Title: of Sorts", authors=("Ada Lovelace", "Alan Turing"), year=2021,
        venue="ICLR 2022", arxiv="2106.09685", url="https://arxiv.org/abs/2106.09685",
        accessed="2026-11-24",
    )  # fmt: skip
    assert paper.bibtex == (
        "@misc{lovelace2021title,\n"
        "  title = {{A Title: of Sorts}},\n"
        "  author = {Ada Lovelace and Alan Turing},\n"
        "  year = {2021},\n"
        "  howpublished = {ICLR 2022},\n"
        "  url = {https://arxiv.org/abs/2106.09685},\n"
        "  eprint = {2106.09685},\n"
        "  archivePrefix = {arXiv}\n"
        "}"
    )


def test_an_unknown_knob_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="no knob 'rank'"):
        METHODS["lora"].read_knobs({"rank": 8})
    with pytest.raises(UnknownNameError, match="Did you mean 'lora_alpha'"):
        METHODS["lora"].read_knobs({"lora_alfa": 8})


RANK = Knob(type="int", help="rank", default=8, min=1, max=64)
EVEN = Knob(type="int", help="rank", default=8, min=2, max=64, even=True)
SHARE = Knob(type="float", help="share", min=0.0, max=1.0)
SWITCH = Knob(type="bool", help="switch", default=False)
INIT = Knob(type="choice", help="start", default=True, choices=(True, "gaussian"))
SITES = Knob(type="sites", help="where")
TOKENS = Knob(type="ints", help="tokens", min=0)


@pytest.mark.parametrize(
    ("knob", "raw", "value"),
    [
        (RANK, "16", 16),
        (RANK, 16.0, 16),
        (EVEN, 6, 6),
        (SHARE, "0.5", 0.5),
        (SHARE, 1, 1.0),
        (SHARE, None, None),
        (SWITCH, "true", True),
        (SWITCH, "No", False),
        (INIT, "true", True),
        (INIT, True, True),
        (INIT, "Gaussian", "gaussian"),
        (SITES, "q_proj, v_proj,q_proj", ("q_proj", "v_proj")),
        (SITES, ["o_proj"], ("o_proj",)),
        (SITES, "all-linear", LINEARS),
        (TOKENS, "3, 4", (3, 4)),
        (TOKENS, 5, (5,)),
    ],
)
def test_a_knob_reads_values_and_text(knob, raw, value):
    read = knob.read("knob", raw)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("knob", "raw", "says"),
    [
        (RANK, 0, "knob = 0: it takes a whole number from 1 to 64."),
        (RANK, 65, "knob = 65: it takes a whole number from 1 to 64."),
        (RANK, "8.5", "knob = 8.5: it takes a whole number from 1 to 64."),
        (RANK, True, "knob = true: it takes a whole number from 1 to 64."),
        (RANK, None, "knob = None: it takes a whole number from 1 to 64."),
        (EVEN, 7, "knob = 7: it takes an even whole number from 2 to 64."),
        (SHARE, "nan", "knob = nan: it takes a number from 0.0 to 1.0."),
        (SHARE, "inf", "knob = inf: it takes a number from 0.0 to 1.0."),
        (SWITCH, "maybe", "knob = maybe: it takes true or false."),
        (SWITCH, 1, "knob = 1: it takes true or false."),
        (INIT, "zeros", "knob = zeros: it takes one of true, gaussian."),
        (SITES, "", "knob = : it takes names of linears such as q_proj"),
        (SITES, "q proj", "knob = q proj: it takes names of linears"),
        (SITES, {"a": 1}, "it takes names of linears"),
        (TOKENS, "3,x", "knob = 3,x: it takes a list of whole numbers of at least 0."),
        (TOKENS, [-1], "knob = -1: it takes a list of whole numbers of at least 0."),
        (TOKENS, "", "it takes a list of whole numbers"),
    ],
)
def test_a_knob_refuses_with_the_value_and_what_is_allowed(knob, raw, says):
    with pytest.raises(ExplorerError) as refusal:
        knob.read("knob", raw)
    assert says in str(refusal.value)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()))
def test_whatever_is_typed_is_read_or_refused_in_a_short_sentence(raw):
    refusals = []
    for knob in (RANK, EVEN, SHARE, SWITCH, INIT, SITES, TOKENS):
        try:
            knob.read("knob", raw)
        except ExplorerError as refusal:
            refusals.append(str(refusal))
    assert all(len(sentence) < 300 for sentence in refusals)
