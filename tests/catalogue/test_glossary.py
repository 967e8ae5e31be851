"""The glossary: enough terms, each explained, none leading nowhere."""

import pytest

from explorer.catalogue.glossary import load_glossary
from explorer.catalogue.load import DataFileError

TERMS = load_glossary()
TEXT = "An explanation that is long enough to explain something to a reader."


def test_it_explains_what_the_explorer_speaks_of():
    assert len(TERMS) >= 60
    for term in ("rank", "site", "knob", "kv-cache", "nf4", "mixture-of-experts", "rope", "gate"):
        assert term in TERMS


def test_every_related_term_exists_and_is_another_one():
    for term in TERMS.values():
        assert set(term.related) <= set(TERMS) - {term.id}


def test_terms_stand_in_the_order_of_their_names():
    names = [term.name.lower() for term in TERMS.values()]
    assert names == sorted(names)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f'[rank]\nname = "rank"\ntext = "{TEXT}"\nrelated = ["lroa"]', "no term 'lroa'"),
        (f'[rank]\nname = "rank"\ntxet = "{TEXT}"', "unknown key 'txet', did you mean 'text'?"),
        ('[rank]\nname = "rank"\ntext = "short"', "text = 'short'"),
        (
            f'[a]\nname = "rank"\ntext = "{TEXT}"\n'
            f'[b]\nname = "r"\nalso = ["Rank"]\ntext = "{TEXT}"',
            "'rank' means both 'a' and 'b'",
        ),
    ],
)
def test_a_mistake_is_told_with_the_term(tmp_path, text, told):
    (tmp_path / "glossary.toml").write_text(text, encoding="utf-8")
    with pytest.raises(DataFileError, match=r"glossary\.toml: ") as error:
        load_glossary(tmp_path)
    assert told in str(error.value)
