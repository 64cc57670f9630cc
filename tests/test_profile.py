from pathlib import Path

import pytest

from lab_utils.profile import PROFILES, by_profile, cache_root, data_root, profile
from tests.refusals import refuses


def test_profile_is_quick_unless_the_variable_says_otherwise(monkeypatch):
    monkeypatch.delenv("LAB_PROFILE", raising=False)
    assert profile() == "quick"
    monkeypatch.setenv("LAB_PROFILE", "")
    assert profile() == "quick"
    monkeypatch.setenv("LAB_PROFILE", "full")
    assert profile() == "full"


@pytest.mark.parametrize("name", PROFILES)
def test_by_profile_picks_the_value_of_the_profile_in_use(monkeypatch, name):
    monkeypatch.setenv("LAB_PROFILE", name)
    assert by_profile(smoke=1, quick=3, full=5) == {"smoke": 1, "quick": 3, "full": 5}[name]


@pytest.mark.parametrize(("typed", "meant"), [("quik", "quick"), ("FULLL", "full"), ("smok", "smoke")])
def test_unknown_profile_names_the_nearest(monkeypatch, typed, meant):
    monkeypatch.setenv("LAB_PROFILE", typed)
    refuses(f"{typed!r}.*Did you mean {meant!r}", profile)


def test_folders_follow_the_environment_and_are_not_created(monkeypatch, tmp_path):
    monkeypatch.setenv("LAB_DATA", str(tmp_path / "shipped"))
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    assert data_root() == tmp_path / "shipped"
    assert cache_root() == tmp_path / "cache"
    assert list(tmp_path.iterdir()) == []


def test_folders_default_to_the_repository(monkeypatch):
    monkeypatch.delenv("LAB_DATA", raising=False)
    monkeypatch.delenv("LAB_CACHE", raising=False)
    root = Path(__file__).resolve().parent.parent
    assert data_root() == root / "data"
    assert cache_root() == root / "data" / "cache"
