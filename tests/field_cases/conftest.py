"""What every field case starts from: an empty cache of its own."""

from itertools import count

import pytest

numbers = count()


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """The folder in which decoded pictures are kept; it is not there yet."""
    folder = tmp_path_factory.getbasetemp() / "caches" / str(next(numbers))
    monkeypatch.setenv("LAB_CACHE", str(folder))
    return folder / "folders"
