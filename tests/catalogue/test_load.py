"""The strictness of load.py: what is wrong is told with file, key and the nearest valid one."""

import pytest

from explorer.catalogue.generation import Generation
from explorer.catalogue.load import DATA, DataFileError, load_folder, load_record, read_toml
from explorer.catalogue.model import Model

MODEL = (DATA / "models" / "llama-3.2-1b.toml").read_text(encoding="utf-8")
GENERATION = (DATA / "generations" / "llama-3.2.toml").read_text(encoding="utf-8")


def model_file(folder, old="", new="", name="my-model.toml"):
    """The file of a real model with one thing changed."""
    assert not old or old in MODEL
    path = folder / name
    path.write_text(MODEL.replace(old, new, 1) if old else MODEL, encoding="utf-8")
    return path


def test_the_stem_of_the_file_is_the_id(tmp_path):
    assert load_record(model_file(tmp_path), Model).id == "my-model"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("hidden_size =", "hiden_size =", "unknown key 'hiden_size', did you mean 'hidden_size'?"),
        ("hidden_size =", "# hidden_size =", "missing key 'hidden_size'"),
        (
            "value = 2048, source",
            "valeu = 2048, source",
            "unknown key 'hidden_size.valeu', did you mean 'value'?",
        ),
        (
            "[sources.sku_list]\ntitle",
            "[sources.sku_list]\ntitel",
            "unknown key 'sources.sku_list.titel', did you mean 'title'?",
        ),
        (
            'value = 2048, source = ["sku_list: arch_args"]',
            "value = 2048",
            "hidden_size: a value needs a source",
        ),
        (
            'value = 2048, source = ["sku_list: arch_args"]',
            'value = 2048, source = ["sku_lits: arch_args"]',
            "names no known key, did you mean 'sku_list'?",
        ),
        (
            'value = 2048, source = ["sku_list: arch_args"]',
            'value = 2048, source = ["derived"]',
            "must say how, after a colon",
        ),
        (
            'hidden_size = { value = 2048, source = ["sku_list: arch_args"] }',
            "hidden_size = {}",
            "hidden_size: a value that is left out needs a note that says why it is unknown",
        ),
        ("value = 2048, source", 'value = "wide", source', "hidden_size.value"),
        ("value = true, source", 'value = "maybe", source', "tie_word_embeddings.value"),
        ("https://github", "ftp://github", "url"),
        ("accessed = 2026-08-22", "accessed = 2026-13-22", "not valid TOML"),
        (
            "accessed = 2026-08-22",
            'accessed = "last summer"',
            "accessed = 'last summer'",
        ),
        (
            'generation = "llama-3.2"',
            'id = "other"\ngeneration = "llama-3.2"',
            "'id' is the file's name and is not written inside it",
        ),
        ('generation = "llama-3.2"', 'generation = "llama-3.2', "not valid TOML"),
        (
            'generation = "llama-3.2"',
            'generation = "llama-3.2"\narchitecture_type = "lama"',
            "architecture_type = 'lama'",
        ),
    ],
)
def test_a_mistake_is_told_with_its_file_and_key(tmp_path, old, new, told):
    path = model_file(tmp_path, old, new)
    with pytest.raises(DataFileError) as error:
        load_record(path, Model)
    assert str(error.value).startswith("my-model.toml: ")
    assert told in str(error.value)


def test_a_source_that_nothing_names_is_a_mistake(tmp_path):
    path = model_file(tmp_path)
    with path.open("a", encoding="utf-8") as file:
        file.write(
            '\n[sources.spare]\ntitle = "Spare"\nurl = "https://a.org"\naccessed = 2026-01-01\n'
        )
    with pytest.raises(DataFileError, match=r"sources\.spare is named by nothing in this file"):
        load_record(path, Model)


def test_a_source_of_another_opinion_must_resolve_too(tmp_path):
    path = model_file(tmp_path, '["llama3_code: apply_scaling"]', '["llama4_code: apply_scaling"]')
    with pytest.raises(DataFileError, match="rope_scaling: source 'llama4_code: apply_scaling'"):
        load_record(path, Model)


def test_a_dangling_source_of_a_change_names_the_change(tmp_path):
    path = tmp_path / "llama-9.toml"
    path.write_text(GENERATION.replace('source = ["trans', 'source = ["tarns', 1), encoding="utf-8")
    with pytest.raises(DataFileError, match=r"llama-9\.toml: changes\.0\.source: .* did you mean"):
        load_record(path, Generation)


def test_a_file_that_is_not_utf8_says_where(tmp_path):
    path = tmp_path / "latin.toml"
    path.write_bytes("name = 'Málaga'".encode("latin-1"))
    with pytest.raises(DataFileError, match=r"latin\.toml: not UTF-8 text \(byte 9\)\."):
        read_toml(path)


def test_a_missing_file_names_its_folder(tmp_path):
    with pytest.raises(DataFileError, match=r"absent\.toml: there is no such file in "):
        read_toml(tmp_path / "absent.toml")


def test_broken_toml_says_in_which_line(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text('name = "a"\nname = "b"\n', encoding="utf-8")
    with pytest.raises(DataFileError, match=r"broken\.toml: not valid TOML: .*line 2"):
        read_toml(path)


def test_a_folder_is_read_in_the_order_of_ids(tmp_path):
    for name in ("b.toml", "a-2.toml", "a.toml"):
        model_file(tmp_path, name=name)
    assert list(load_folder(tmp_path, Model)) == ["a", "a-2", "b"]


def test_an_absent_folder_holds_nothing(tmp_path):
    assert load_folder(tmp_path / "none", Model) == {}
