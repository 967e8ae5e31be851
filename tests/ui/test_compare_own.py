"""Adapters of one's own, over an engine that says whether they fit."""

import json
import struct

import pytest

from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.lab import question
from explorer.lab.events import Failed, SelfCheck
from explorer.lab.own_adapters.store import list_adapters, settle
from explorer.lab.own_adapters.unpack import CONFIG, WEIGHTS
from explorer.ui.compare.own import AdapterActions
from explorer.ui.compare_actions import CompareActions
from tests.lab.conftest import runs_here  # noqa: F401  # a fixture

pytestmark = pytest.mark.usefixtures("runs_here")


@pytest.fixture
def brought(tmp_path, monkeypatch):
    monkeypatch.setattr(question, "find_base", lambda name, allow_paths: None)
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (tmp_path / CONFIG).write_text('{"peft_type": "LORA"}')
    (tmp_path / WEIGHTS).write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    return [str(tmp_path / CONFIG), str(tmp_path / WEIGHTS)]


class Worker:
    """One that finds that no adapter fits, and deletes it at once or leaves that to the page."""

    def __init__(self, deletes=False, fits=False):
        self.deletes, self.fits = deletes, fits

    def generate(self, request):
        (kept,) = list_adapters()
        if self.fits:
            yield SelfCheck(
                column=kept.id, passed=True, max_difference=1.0, alone_difference=0.0, kl=0.5
            )
            return
        if self.deletes:
            settle(kept.files, fits=False)
        yield Failed(reason="It does not fit.")


def taking(brought, **says):
    actions = CompareActions(load_catalogue(), Worker(**says))
    return list(AdapterActions(actions).take(brought, "", "mine", ""))


@pytest.mark.parametrize("deletes", [True, False])
def test_what_does_not_fit_is_told_by_its_reason_and_gone(brought, deletes):
    with pytest.raises(ExplorerError, match="It does not fit"):
        taking(brought, deletes=deletes)
    assert list(list_adapters()) == []


def test_what_fits_is_kept(brought):
    taking(brought, fits=True)
    assert [kept.about.name for kept in list_adapters()] == ["mine"]
