"""A shelf with the tiny base on it."""

import pytest
import torch

from explorer.lab.worker.shelf import Loaded, Shelf


@pytest.fixture(scope="session")
def shelf():
    """One shelf for all tests: what is on it must stay as it is, and tests check that."""
    return Shelf(torch.device("cpu"))


@pytest.fixture(scope="session")
def loaded(shelf, tiny_base):
    """The tiny base in float32."""
    return take(shelf, tiny_base)


def take(shelf, name, **options) -> Loaded:
    """The base, after what is said while it loads; in float32 unless told."""
    *said, found = shelf.get(name, **{"precision": "float32"} | options)
    assert all(isinstance(words, str) for words in said)
    return found
