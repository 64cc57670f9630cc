import pytest

from lab_utils.profile import PROFILES, by_profile


@pytest.mark.parametrize("name", PROFILES)
def test_by_profile_picks_the_value_of_the_profile_in_use(monkeypatch, name):
    monkeypatch.setenv("LAB_PROFILE", name)
    assert by_profile(smoke=1, quick=3, full=5) == {"smoke": 1, "quick": 3, "full": 5}[name]
