"""The Generations tab: every model, every figure with its source, drawings, changes."""

import json
import re
import shutil
from xml.etree import ElementTree

import pytest

from explorer.budget.params import count_parameters
from explorer.catalogue.catalogue import DATA, load_catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.catalogue.record import facts_of
from explorer.ui import changes, drawings, models_table
from explorer.ui.budget.endpoints import Endpoints
from explorer.ui.cards.changes import comparison, lineage_card
from explorer.ui.cards.fields import FIELDS, GROUPS, fact_names, fields_by_group
from explorer.ui.cards.model import model_facts, model_head
from explorer.ui.cards.values import compact, number, share, shown, signed, tokens
from explorer.ui.costs import Cost, cost
from explorer.ui.diagram import part_card
from explorer.ui.generations import compare, config, model, table
from explorer.ui.methods import one
from explorer.ui.search_box import Handlers as Search

CATALOGUE = load_catalogue()
MODELS = list(CATALOGUE.models.values())
SHAPED = [m for m in MODELS if m.architecture is not None]


def visible(html):
    """A card's text without the boxes that tell a source."""
    without = re.sub(r'<span class="tip".*?</span></span>', "", html)
    return re.sub(r"<[^>]+>", " ", without)


def values_without_source(html):
    """Values of a card that are neither sourced, nor unknown with a reason."""
    cells = re.findall(r"<dd>(.*?)</dd>", html, flags=re.S)
    return [c for c in cells if 'class="sourced"' not in c and 'class="unknown"' not in c]


def test_every_field_of_a_model_has_a_label_and_a_group():
    assert {field.name for field in FIELDS} == set(fact_names())
    assert {field.group for field in FIELDS} <= set(GROUPS)
    assert all(field.why for group in changes_groups() for field in group)


def changes_groups():
    return [f for g, f in fields_by_group().items() if g not in changes.UNCOMPARED]


@pytest.mark.parametrize("found", MODELS, ids=lambda m: m.id)
def test_a_card_tells_every_known_field_with_a_source_and_every_unknown_one_with_a_reason(found):
    html = model_head(CATALOGUE, found) + model_facts(found)
    told = set(re.findall(r'data-field="(\w+)"', html))
    held = {n for n, fact in facts_of(found).items() if fact.value is not None}
    assert held <= told
    assert values_without_source(html) == []
    for name, fact in found.disputed.items():
        row = re.search(rf'data-field="{name}".*?</dd>', html, flags=re.S).group()
        assert row.count("also claimed") == len(fact.also)
        assert row.count('class="sourced"') == len(fact.also) + 1
    for source in found.sources.values():
        assert str(source.url).replace("&", "&amp;") in html


@pytest.mark.parametrize("found", MODELS, ids=lambda m: m.id)
def test_every_source_box_names_a_document_or_how_the_value_was_come_by(found):
    html = model_facts(found)
    boxes = re.findall(r'<span class="tip" role="note">(.*?)</span></span>', html, flags=re.S)
    assert boxes
    assert all("href=" in box or "<em>" in box for box in boxes)


def test_the_table_holds_every_model_and_filters_it():
    rows = models_table.rows(CATALOGUE)
    assert {row["id"] for row in rows} == set(CATALOGUE.models)
    experts = models_table.rows(CATALOGUE, kinds=["mixture of experts"])
    assert {row["generation"] for row in experts} == {"llama-4"}
    seeing = models_table.rows(CATALOGUE, ["llama-3.2-vision"], [], ["text and images"])
    assert {row["id"] for row in seeing} >= {"llama-3.2-11b-vision", "llama-3.2-90b-vision"}
    assert len(models_table.HEADERS) == len(models_table.cells(rows)[0])


def test_the_models_endpoint_refuses_an_unknown_generation_with_the_nearest_one():
    handlers = table.Handlers(CATALOGUE)
    assert handlers.models(generation="llama-3.1")
    with pytest.raises(Exception, match=r"llama-3\.1") as told:
        handlers.models(generation="lama-3.1")
    assert type(told.value).__name__ == "Error"


def test_a_model_added_as_one_file_is_found_everywhere(tmp_path):
    shutil.copytree(DATA, tmp_path / "data")
    folder = tmp_path / "data" / "models"
    text = (folder / "llama-3.1-8b.toml").read_text(encoding="utf-8")
    text = text.replace("Llama 3.1 8B", "Llama 9 <b>Nine</b>")
    (folder / "llama-9.toml").write_text(text, encoding="utf-8")
    catalogue = load_catalogue(tmp_path / "data")
    assert "llama-9" in {row["id"] for row in models_table.rows(catalogue)}
    head, facts = model.Handlers(catalogue).card("llama-9")
    assert "<b>Nine</b>" not in head + facts
    assert "Llama 9 &lt;b&gt;Nine" in head
    for level in ("model", "block"):
        svg, _, _ = model.Handlers(catalogue).drawing("llama-9", level, 1)
        assert "Llama 9 &lt;b&gt;Nine" in svg
        assert ElementTree.fromstring(svg).tag.endswith("svg")
    compared, _ = compare.Handlers(catalogue).compare(["llama-2-7b", "llama-9"], False)
    assert "Llama 9" in compared
    figure, _ = table.Handlers(catalogue).timeline("light")
    assert any("Llama 9" in text for trace in figure.data for text in trace.hovertext)
    ask = Endpoints(catalogue)
    budget = ask.budget({"model": "llama-9", "method": "lora", "r": 16})
    assert budget["params"]["total"] == 8_030_261_248
    rows = ask.budget_matrix({"model": "llama-9"}, "models")
    assert "llama-9" in {row["model"] for row in rows}
    on_methods = one.Handlers(catalogue).trainable_parameters("lora", "llama-9", "r=16")
    assert on_methods["total"] == 6_815_744
    found = Search(catalogue).search("llama nine")
    assert found[0]["id"] == "llama-9"
    html = Search(catalogue).hits("nine")
    assert "model=llama-9" in html
    assert "<b>" not in html


@pytest.mark.parametrize("found", SHAPED, ids=lambda m: m.id)
def test_every_model_is_drawn_at_every_level_with_boxes_that_open(found):
    parts = set()
    for level in drawings.levels(found.architecture):
        svg = drawings.draw(found.architecture, found.name.value, level)
        assert ElementTree.fromstring(svg).tag.endswith("svg")
        parts |= set(re.findall(r'data-part="([^"]+)"', svg))
    assert {"embed_tokens", "attention.q_proj", "lm_head"} <= parts
    for part in sorted(parts):
        html = part_card(found.architecture, part)
        assert "parameters" in html or "No weights" in html


def test_a_model_that_reads_text_alone_says_that_it_has_no_vision_tower():
    words, _, _ = model.Handlers(CATALOGUE).drawing("llama-3.1-8b", "vision", 1)
    assert "text alone" in words
    assert "vision" in drawings.levels(CATALOGUE.model("llama-4-scout-17b-16e").architecture)


def test_a_model_without_a_shape_says_why_there_is_no_drawing():
    handlers = model.Handlers(CATALOGUE)
    words, _, _ = handlers.drawing("llama-4-behemoth", "block", 1)
    assert "not published" in words


def test_a_layer_beyond_the_model_is_brought_back_to_its_last():
    _, _, slider = model.Handlers(CATALOGUE).drawing("llama-3.2-1b", "block", 126)
    assert slider["value"] == slider["maximum"] == 16


def test_the_cost_of_a_shape_is_the_budgets_count_and_the_published_cache():
    arch = CATALOGUE.model("llama-3.1-8b").architecture
    found = cost(arch)
    assert found.parameters == count_parameters(arch).total == 8_030_261_248
    assert found.cache == 131_072  # 2 · 32 layers · 1,024 · 2 bytes
    assert found.arithmetic == 2 * (8_030_261_248 - 525_336_576 - 65 * 4096)


def test_an_expert_model_is_charged_for_the_experts_that_a_token_visits():
    arch = CATALOGUE.model("llama-4-scout-17b-16e").architecture
    active = count_parameters(arch).active
    norms, embedding = 97 * 5120, 202_048 * 5120
    assert cost(arch).arithmetic == 2 * (active - norms - embedding)


def test_what_changed_names_what_differs_and_what_it_costs_alone():
    found = changes.pick(CATALOGUE, ["llama-2-7b", "llama-3.1-8b"])
    rows = {c.field.name: c for group in changes.changes(found).values() for c in group}
    assert {"num_key_value_heads", "vocab_size", "intermediate_size", "max_context"} <= set(rows)
    assert "hidden_size" not in rows
    assert rows["vocab_size"].costs[1].parameters == 2 * 4096 * (128_256 - 32_000)
    assert rows["num_key_value_heads"].costs[1].cache == -2 * 32 * 24 * 128 * 2
    assert rows["rope_theta"].costs[1] == Cost(0, 0, 0, 0)
    assert rows["training_tokens"].costs[1] is None
    alike = changes.changes(found, alike=True)
    assert "hidden_size" in {c.field.name for group in alike.values() for c in group}


def test_a_change_of_depth_keeps_what_every_nth_layer_is():
    def alone(first, other, name):
        found = changes.changes(changes.pick(CATALOGUE, [first, other]))
        return next(c for g in found.values() for c in g if c.field.name == name).costs[1]

    layer = 6_738_415_616 - 2 * 32_000 * 4096 - 4096  # all 32 of Llama 2 7B
    dense = alone("llama-2-7b", "llama-4-scout-17b-16e", "num_hidden_layers")
    assert dense.parameters == layer // 2  # 48 dense layers: no experts came with them
    maverick = CATALOGUE.model("llama-4-maverick-17b-128e").architecture
    deeper = alone("llama-4-maverick-17b-128e", "llama-3.1-405b", "num_hidden_layers")
    pairs = (126 - 48) // 2  # of a dense layer and one with experts
    text = count_parameters(maverick.model_copy(update={"vision": None})).total
    blocks = text - 2 * 202_048 * 5120 - 5120
    assert deeper.parameters == pairs * blocks // 24
    blind = alone("llama-4-maverick-17b-128e", "llama-3.1-405b", "vision")
    assert blind.parameters == -(850_960_896 + 20_971_520)
    assert blind.arithmetic == 0


def test_where_a_model_is_as_the_first_its_field_costs_nothing_extra():
    found = changes.pick(CATALOGUE, ["llama-2-7b", "llama-3.1-8b", "llama-4-scout-17b-16e"])
    rows = {c.field.name: c for group in changes.changes(found).values() for c in group}
    assert rows["num_local_experts"].costs[1] is None  # both are dense
    assert rows["hidden_size"].costs[1] is None
    assert rows["hidden_size"].costs[2].parameters > 0


def test_a_comparison_is_a_table_with_a_column_for_each_model_and_no_bare_figure():
    found = changes.pick(CATALOGUE, ["llama-2-70b", "llama-3.1-70b", "llama-4-scout-17b-16e"])
    html = comparison(found, changes.changes(found))
    rows = re.findall(r'<tr><th scope="row" class="label">(.*?)</tr>', html, flags=re.S)
    assert len(rows) > 15
    for row in rows:
        cells = re.findall(r"<td>(.*?)</td>", row, flags=re.S)
        assert len(cells) == 3
        assert all('class="sourced"' in cell or 'class="unknown"' in cell for cell in cells)


def test_the_way_from_one_generation_to_another_is_told():
    first, last = changes.pick(CATALOGUE, ["llama-1-7b", "llama-3.1-8b"])
    path = changes.lineage(CATALOGUE, first, last)
    assert [generation.id for generation in path] == ["llama-2", "llama-3", "llama-3.1"]
    assert changes.lineage(CATALOGUE, last, first) == []
    assert "What Llama 2 changed" in lineage_card(path)


@pytest.mark.parametrize("ids", [["llama-2-7b"], ["llama-2-7b", "llama-2-7b"]])
def test_a_comparison_needs_two_models(ids):
    with pytest.raises(ExplorerError, match="2 to 4 different models"):
        changes.pick(CATALOGUE, ids)


def test_a_pasted_config_is_drawn_and_counted():
    card, svg, _, slider = config.drawing("config", config.json.dumps(config.EXAMPLE), "block", 1)
    assert "1,235,814,400" in card
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert slider["maximum"] == 16


def edited(**changes):
    return json.dumps(config.EXAMPLE | changes)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "not valid JSON"),
        ("", "not valid JSON"),
        ("hello", "not valid JSON"),
        ("[]", "is a JSON object"),
        ('{"model_type": "gpt2"}', "gpt2"),
        ("[" * 100_000, "nested too deeply"),
        ('{"hidden_size": ' + "9" * 5000 + "}", "thousands of digits"),
        ('{"a": "' + "x" * 5_000_000 + '"}', "at most 1,000,000"),
        (edited(hidden_size=float("nan")), "holds NaN"),
        (edited(rope_theta=float("inf")), "holds Infinity"),
        (edited(hidden_size=[2048]), r"hidden_size = \[2048\]: it takes a whole number"),
        (edited(num_hidden_layers={}), "num_hidden_layers"),
        (edited(vocab_size=-1), "vocab_size = -1"),
        (edited(num_attention_heads=0), "num_attention_heads = 0"),
        (edited(num_hidden_layers=True), "num_hidden_layers = True"),
        (edited(num_hidden_layers=10**9), "from 1 to 10000"),
        (edited(rope_scaling=[1, 2]), "an object or null"),
        (edited(rope_scaling={"rope_type": "llama3", "factor": -8}), "factor = -8"),
        (edited(model_type="<script>alert(1)</script>"), "counts LLaMAs only"),
    ],
)
def test_a_broken_config_is_a_sentence(text, sentence):
    with pytest.raises(Exception, match=sentence) as told:
        config.drawing("config", text, "block", 1)
    assert type(told.value).__name__ == "Error"
    assert len(str(told.value)) < 400


def test_html_in_a_pasted_config_reaches_no_page():
    text = edited(rope_scaling={"rope_type": "<img src=x onerror=alert(1)>", "factor": 8.0})
    with pytest.raises(Exception, match="it takes one of default, linear"):
        config.drawing("config", text, "model", 1)


def test_a_layer_that_is_no_whole_number_is_a_sentence():
    with pytest.raises(Exception, match=r"layer = 1\.5: it takes a whole number"):
        config.config_diagram(edited(), "block", 1.5)


def test_values_are_worded_for_readers():
    assert (number(500_000.0), number(1e-5), number(0.1)) == ("500,000", "1e-5", "0.1")
    assert (tokens(131_072), tokens(10_485_760), tokens(1000)) == ("128k", "10M", "1,000")
    assert (compact(8_030_261_248), compact(999), compact(131_072)) == ("8.03 B", "999", "131 k")
    assert (signed(-5), signed(0), signed(7)) == ("−5", "±0", "+7")
    assert (share(1, 1000), share(0, 5), share(1, 1)) == ("0.100 %", "0 %", "100 %")
    assert shown({"a_b": [1, 2]}).striptags() == "a b 1, 2"
