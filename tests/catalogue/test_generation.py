"""The timeline of the generations."""

import pytest
from pydantic import ValidationError

from explorer.catalogue.generation import Change, Generation
from explorer.catalogue.load import DATA, load_folder
from explorer.catalogue.model import Model

GENERATIONS = load_folder(DATA / "generations", Generation)
MODELS = load_folder(DATA / "models", Model).values()


def test_the_timeline_has_one_generation_at_each_place():
    assert sorted(g.order for g in GENERATIONS.values()) == list(range(1, len(GENERATIONS) + 1))


def test_foundation_generations_stand_in_the_order_of_their_release():
    placed = sorted((g for g in GENERATIONS.values() if g.kind != "safety"), key=lambda g: g.order)
    assert [g.released for g in placed] == sorted(g.released for g in placed)


@pytest.mark.parametrize("name", GENERATIONS)
def test_a_generation_comes_after_what_it_was_built_from(name):
    generation = GENERATIONS[name]
    if generation.previous:
        assert GENERATIONS[generation.previous].order < generation.order
    else:
        assert generation.order == 1


@pytest.mark.parametrize("name", GENERATIONS)
def test_a_generation_was_released_with_its_first_model(name):
    dates = [m.release_date.value for m in MODELS if m.generation == name and m.released]
    assert GENERATIONS[name].released == min(dates)


def test_a_change_belongs_to_a_known_group():
    with pytest.raises(ValidationError, match="'attention', 'positions', 'feed-forward'"):
        Change(group="colour", what="Something else.", why="It matters a lot.", source=("a",))


def test_a_change_needs_a_source():
    with pytest.raises(ValidationError, match="source"):
        Change(group="norm", what="Something else.", why="It matters a lot.", source=())
