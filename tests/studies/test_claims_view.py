import json
import math
from pathlib import Path

import pytest

from lab_utils.data import GENERATOR_VERSION
from lab_utils.metrics import compare_steps, paired_difference
from lab_utils.notebook_file import read_notebook
from lab_utils.studies import as_stored, claims_markdown, read_claims

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


def test_smoke_mode_has_no_verdict_and_no_interval(stored, monkeypatch):
    monkeypatch.setenv("LAB_PROFILE", "smoke")
    own = {
        "Transfer is faster": compare_steps([10, 20], [True, True], [40, 60], [True, False], horizon=60),
        "Transfer | better": (0.02, 0.01, 0.03),
    }
    lines = claims_markdown(read_claims(stored), own, seeds=2).splitlines()
    assert lines[0] == "| claim | effect (stored study) | seeds | yours, 2 seeds |"
    assert {line.replace(r"\|", "").count("|") for line in lines[:4]} == {5}
    assert lines[2].endswith("| -52 steps | 6 | -35 steps |")
    assert lines[3].endswith("| +0.031 AUROC | 6 | +0.020 AUROC |")
    assert lines[-1].endswith("Smoke mode: no intervals, no verdicts.")


@pytest.mark.parametrize(
    ("data", "model", "weights", "alike"),
    [
        ("phantoms", "resnet10_w16", "procedural", True),
        ("pneumoniamnist", "resnet10_w16", "procedural", False),
        ("phantoms", "resnet10_w32", "procedural", False),
        ("phantoms", "resnet10_w16", None, False),
        (Path("phantoms.npz"), "efficientnet_lite0", "imagenet", False),
    ],
)
def test_in_lab_6_own_numbers_stand_only_beside_rows_of_the_same_data_and_network(data, model, weights, alike, capsys):
    notebook = read_notebook(Path(__file__).resolve().parents[2] / "solutions/06_weight_transfusion.ipynb")
    (cell,) = (cell.source for cell in notebook.cells if "claims_markdown(" in cell.source)
    arrived, shown = ([10, 20], [True, True]), []
    names = {
        "DATA": data, "MODEL": model, "WEIGHTS": weights, "STEPS": 60, "SEEDS": range(2), "STARTS": ["random"],
        "arrivals": {"permuted": arrived, "Mean Var": arrived}, "bottom": [0.3, 0.4], "top": [0.1, 0.1],
        "reuse_bottom": (0.3, 0.2, 0.4), "reuse_top": (0.1, 0.0, 0.2), "compare_steps": compare_steps,
        "speed": dict.fromkeys(("transfer", "Mean Var"), (-5.0, -9.0, -1.0)), "paired_difference": paired_difference,
        "read_claims": read_claims, "claims_markdown": claims_markdown, "as_stored": as_stored,
        "display": shown.append, "Markdown": str,
    }  # fmt: skip
    exec(cell, names)
    assert ("yours, 2 seeds" in shown[0]) is alike
    assert ("Your numbers are left out" in capsys.readouterr().out) is not alike


def test_another_row_may_have_another_network():
    assert as_stored("phantoms", "small_vit", "procedural", network="small_vit")
    assert not as_stored("phantoms", "resnet10_w16", "procedural", network="small_vit")


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
