"""The Methods tab: every method with its card, its drawing, its count and its code."""

import csv
import io
import json
import re
from xml.etree import ElementTree

import gradio as gr
import peft
import pytest
from markupsafe import escape
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

import explorer.methods
from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.methods.registry import build_config
from explorer.ui import method_list, settings
from explorer.ui.cards.method import method_facts, method_figures, method_head
from explorer.ui.cards.methods_grid import capability_table
from explorer.ui.knob_form import knob_inputs
from explorer.ui.methods import browse, matrix, one, survey
from explorer.ui.snippets import CONFIGS, snippet

CATALOGUE = load_catalogue()
METHODS = list(CATALOGUE.methods.values())
EIGHT = CATALOGUE.model("llama-3.1-8b").architecture


def test_the_surveys_five_come_first_and_everything_is_there():
    ordered = method_list.ordered(CATALOGUE)
    assert tuple(method.id for method in ordered[:5]) == method_list.SURVEY
    assert {method.id for method in ordered} == set(CATALOGUE.methods)


def test_filters_narrow_the_list_together():
    low_rank = method_list.filtered(CATALOGUE, ["low-rank"], ["merges", "four-bit"])
    assert low_rank
    assert all(m.family == "low-rank" and m.merges and m.works_on_4bit for m in low_rank)
    assert [m.id for m in method_list.filtered(CATALOGUE, words="dettmers")] == ["qlora"]
    assert method_list.filtered(CATALOGUE, words="no such thing anywhere") == []


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.id)
def test_a_card_says_all_that_the_file_says(method):
    html = method_head(method) + method_facts(method)
    for knob in method.knobs:
        assert f"<code>{knob}</code>" in html
    for note in (*method.caveats, *method.published):
        assert note.text[:20].replace("'", "&#39;").replace('"', "&#34;") in html
    if method.capability:
        for reason in method.capability.why.values():
            assert reason[:20].replace("'", "&#39;") in html
    if method.unsupported:
        assert "does not run here" in html


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.id)
def test_the_view_of_a_method_gives_numbers_a_drawing_and_code(method):
    figures, svg, _, slider, code = one.Handlers(CATALOGUE).drawing(
        method.id, "llama-3.1-8b", "", 0
    )
    counted = method_list.counted(EIGHT, method)
    assert f"{counted.total:,}" in figures
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert slider["maximum"] == 32
    compile(code, "snippet", "exec")


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.id)
def test_figures_are_sourced(method):
    counted = method_list.counted(EIGHT, method)
    html = method_figures(method, counted, 8_030_261_248, "Llama 3.1 8B")
    assert html.count('class="figure"') == html.count('class="sourced"') == 4


def test_knobs_move_the_number_the_drawing_and_the_code():
    handlers = one.Handlers(CATALOGUE)
    _, usual, _, _, _ = handlers.drawing("lora", "llama-3.1-8b", "", 0)
    figures, svg, _, _, code = handlers.drawing("lora", "llama-3.1-8b", "r=64; use_dora=true", 0)
    assert svg != usual
    assert "r=64" in code
    assert "use_dora=True" in code
    expected = 32 * (64 * (4096 + 4096) + 4096 + 64 * (4096 + 1024) + 1024)
    assert f"{expected:,}" in figures


@pytest.mark.parametrize("text", ["r=0", "rank=8", "r", "target_modules=bogus"])
def test_a_wrong_setting_is_a_sentence(text):
    with pytest.raises(Exception, match=r"r |r=|rank|bogus|setting") as told:
        one.Handlers(CATALOGUE).trainable_parameters("lora", "llama-3.1-8b", text)
    assert type(told.value).__name__ == "Error"


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.id)
def test_settings_survive_the_form(method):
    values = method.read_knobs()
    inputs = knob_inputs(method, values)
    assert list(inputs) == list(method.knobs)
    typed = {name: part.value for name, part in inputs.items()}
    assert settings.changed(method, typed) == ""


def test_settings_are_read_back_as_written():
    method = CATALOGUE.method("lora")
    text = settings.changed(method, {"r": 16, "use_dora": True, "target_modules": ["k_proj"]})
    assert settings.read(text) == {"r": "16", "use_dora": "true", "target_modules": "k_proj"}
    assert settings.values(method, text)["target_modules"] == ("k_proj",)
    assert settings.fitting(CATALOGUE.method("vera"), text) == "r=16; target_modules=k_proj"
    with pytest.raises(ExplorerError, match="is no setting"):
        settings.read("r16")


def test_the_lab_gets_the_method_and_its_settings():
    assert one.for_the_lab("lora", "r=16; use_dora=true") == (
        ["lora"],
        "lora.r=16; lora.use_dora=true",
    )
    with pytest.raises(gr.Error, match="'plenty' is no setting"):  # from a link
        one.for_the_lab("lora", "plenty")


def test_the_configuration_classes_are_those_that_peft_registers():
    registered = {str(key): found.__name__ for key, found in PEFT_TYPE_TO_CONFIG_MAPPING.items()}
    registered = {key.rpartition(".")[2]: name for key, name in registered.items()}
    assert {m.peft_type for m in METHODS if m.peft_type} <= set(CONFIGS)
    assert {key: registered[key] for key in CONFIGS} == CONFIGS


@pytest.mark.parametrize(
    "method", [m for m in METHODS if m.peft_type and not m.unsupported], ids=lambda m: m.id
)
def test_the_code_makes_the_configuration_that_the_lab_would_use(method):
    code = snippet(method, method.read_knobs())
    call = re.search(r"config = .*?\n\)", code, flags=re.S).group()
    names = {**vars(peft), **vars(explorer.methods)}
    exec(call, names)  # our own text, made from the data file
    assert names["config"].to_dict() == build_config(method.id).to_dict()


def test_abilities_stand_in_one_table_with_a_reason_for_each_no():
    html = capability_table(method_list.ordered(CATALOGUE))
    assert html.count("<tr>") == len(METHODS) + 1
    rows = matrix.Handlers(CATALOGUE).capabilities()
    assert all(row["why"] is not None for row in rows)


def test_the_surveys_table_is_saved_exactly_as_shown():
    handlers = survey.Handlers(CATALOGUE)
    shown = handlers.survey_methods("llama-1-7b")
    text, name = handlers.export("csv", "llama-1-7b")
    assert name == "survey-methods-llama-1-7b.csv"
    assert list(csv.DictReader(io.StringIO(text))) == shown
    assert json.loads(handlers.export("json", "llama-1-7b")[0]) == shown
    lora, v1 = shown[0], shown[2]
    assert (lora["Trainable parameters"], v1["Trainable parameters"]) == ("4,194,304", "1,229,760")
    html = handlers.table("llama-1-7b")
    assert all(column["Trainable parameters"] in html for column in shown)


def test_browsing_on_a_model_without_a_shape_is_a_sentence():
    with pytest.raises(Exception, match="hidden_size is not published, and so on"):
        browse.Handlers(CATALOGUE).browse("", [], [], "llama-4-behemoth")


def test_a_card_says_which_generations_a_method_does_not_run_on():
    method = CATALOGUE.method("llama-adapter-v2")
    card = str(method_facts(method))
    assert "Runs on the text model of Llama 4" in card
    assert escape(method.not_on["llama4"]) in card
    assert "✗" not in str(method_facts(CATALOGUE.method("ln-tuning"))).split("Llama 4")[1]


@pytest.mark.parametrize("name", [m.id for m in CATALOGUE.methods.values() if m.needs])
def test_a_card_says_where_alone_a_method_runs(name):
    method = CATALOGUE.method(name)
    shown = method_facts(method)
    assert "Runs only where" in shown
    for need in method.needs:
        assert escape(need.holds) in shown
