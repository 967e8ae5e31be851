import pytest
from pydantic import ValidationError

from explorer.catalogue.task import Task

FIELDS = {
    "id": "a-task",
    "name": "A task",
    "summary": "One sentence to one line.",
    "mirrors": "information extraction",
    "teaches": "format",
    "metric": "exact-match",
    "metric_note": "the whole line is right",
    "max_new_tokens": 24,
    "licence": "Apache-2.0",
    "made": "by a seeded generator",
}


def test_a_task_with_its_fields_is_accepted():
    assert Task(**FIELDS).batch_size == 8


@pytest.mark.parametrize(
    "change", [{"metric": "vibes"}, {"max_new_tokens": 0}, {"teaches": "all"}, {"speed": 3}]
)
def test_a_task_with_a_wrong_field_is_refused(change):
    with pytest.raises(ValidationError, match=next(iter(change))):
        Task(**FIELDS | change)
