import json
import math

import pytest

from lab_utils.data import GENERATOR_VERSION
from lab_utils.metrics import compare_steps
from lab_utils.studies import claims_markdown, read_claims

FASTER = {
    "claim": "Transfer is faster",
    "source": "Somebody 2019",
    "measured": "transfer - random",
    "effect": -52.4,
    "low": -60.0,
    "high": -44.8,
    "unit": "steps",
    "seeds": 6,
    "verdict": "shown",
    "command": "python -m some.study",
    "phantoms": GENERATOR_VERSION,
}
BETTER = {**FASTER, "claim": "Transfer | better", "effect": 0.0312, "low": -0.001, "high": 0.0634, "unit": "AUROC"}
BETTER = {key: value for key, value in BETTER.items() if key != "measured"}


@pytest.fixture
def stored(tmp_path):
    (tmp_path / "claims.json").write_text(json.dumps([FASTER, BETTER]))
    return tmp_path


def test_each_claim_is_a_row_with_effect_interval_seeds_and_verdict(stored):
    lines = claims_markdown(read_claims(stored)).splitlines()
    assert lines[0] == "| claim | effect (stored study) | 95 % interval | seeds | verdict |"
    assert lines[2] == (
        "| Transfer is faster (Somebody 2019)<br><small>transfer - random</small> | -52 steps | -60 to -45 | 6 | "
        "**shown** |"
    )
    assert lines[3] == (
        r"| Transfer \| better (Somebody 2019) | +0.031 AUROC | -0.001 to +0.063 | 6 | **shown** |"  # no new column
    )
    assert lines[-1] == "Stored results, made by `python -m some.study`."


def test_steps_that_round_to_zero_keep_their_sign_and_a_digit(tmp_path):
    (tmp_path / "claims.json").write_text(json.dumps([{**FASTER, "effect": 0.0, "low": -0.31, "high": 0.26}, BETTER]))
    assert "| +0 steps | -0.3 to +0.3 |" in claims_markdown(read_claims(tmp_path))


def test_results_on_phantoms_of_an_earlier_version_say_so(tmp_path):
    (tmp_path / "claims.json").write_text(json.dumps([FASTER, {**BETTER, "phantoms": GENERATOR_VERSION - 1}]))
    last = claims_markdown(read_claims(tmp_path)).splitlines()[-1]
    assert f"on version {GENERATOR_VERSION - 1} of the phantoms, today's are version {GENERATOR_VERSION}" in last


def test_own_numbers_stand_beside_their_claim_and_nowhere_else(stored):
    own = {"Transfer is faster": compare_steps([10, 20], [True, True], [40, 60], [True, False], horizon=60)}
    lines = claims_markdown(read_claims(stored), own, seeds=2).splitlines()
    assert lines[0].endswith("| verdict | yours, 2 seeds |")
    # 30 and 40 steps earlier: mean 35, half width 12.7 * sd 7.07 / sqrt 2 = 63.5
    assert lines[2].endswith("| -35 steps (-99 to +29) |")
    assert lines[3].endswith("| **shown** |  |")


def test_where_no_run_reaches_the_goal_there_is_no_difference_to_tell(stored):
    own = {"Transfer is faster": compare_steps([60, 60], [False, False], [60, 60], [False, False], horizon=60)}
    assert claims_markdown(read_claims(stored), own, seeds=2).splitlines()[2].endswith("| no seed decides |")


def test_one_seed_has_no_interval(stored):
    own = {"Transfer | better": (0.02, math.nan, math.nan)}
    lines = claims_markdown(read_claims(stored), own, seeds=1).splitlines()
    assert lines[0].endswith("| yours, 1 seed |")
    assert lines[3].endswith("| +0.020 AUROC (no interval) |")


def test_a_number_for_no_claim_is_refused(stored):
    with pytest.raises(ValueError, match="Transfer is slower"):
        claims_markdown(read_claims(stored), {"Transfer is slower": (0.0, 0.0, 0.0)})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "Expected JSON"),
        ("[]", "there are none"),
        ('[{"claim": "a"}]', "some lack command"),
        ("[1]", "list of claims"),
        ("{}", "list of claims"),
    ],
)
def test_a_file_that_holds_no_claims_is_refused(tmp_path, content, message):
    (tmp_path / "claims.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_claims(tmp_path)


def test_a_missing_file_says_where_it_should_be(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"results/claims\.json"):
        read_claims()
