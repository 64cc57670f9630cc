"""A student's repository and its mirror."""

import pytest

from tests.staff.collecting import repositories


@pytest.fixture
def repo(tmp_path):
    """The repository of a student."""
    return repositories.repository(tmp_path / "repo")


@pytest.fixture
def mirror(tmp_path):
    """Where it is fetched into."""
    return tmp_path / "mirrors" / "ann.git"
