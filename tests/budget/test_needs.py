"""Knobs that have to divide a width: refused here as peft refuses them."""

import pytest

from explorer.budget.plan import make_plan
from explorer.budget.resolve import resolve
from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.methods import attach
from tests.budget.meta import build
from tests.budget.stepping import small

CATALOGUE = load_catalogue()
WRONG = [
    ("boft", {"boft_block_size": 3}),
    ("c3a", {"block_size": 96}),
    ("gralora", {"gralora_k": 3, "r": 9}),
    ("gralora", {"gralora_k": 4, "r": 6}),
    ("road", {"group_size": 96}),
    ("vblora", {"vector_length": 96}),
]


def resolved(method, knobs):
    plan = make_plan(model="small", architecture=small(), method=method, knobs=knobs)
    return resolve(plan, CATALOGUE)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of peft's, about compilers
@pytest.mark.parametrize(("method", "knobs"), WRONG, ids=str)
def test_what_peft_refuses_is_refused_in_a_sentence(method, knobs):
    with pytest.raises(ExplorerError, match="does not divide"):
        resolved(method, knobs)
    with pytest.raises((ValueError, ExplorerError)):
        attach(build(small()), method, knobs)


def test_the_sentence_names_knob_width_linear_and_one_that_does():
    with pytest.raises(ExplorerError, match=r"block_size = 96 .* 256 of q_proj; 64 does"):
        resolved("c3a", {"block_size": 96})


@pytest.mark.parametrize("method", sorted({method for method, _ in WRONG}))
def test_defaults_divide(method):
    assert resolved(method, {}).trainable.total
