"""The runs behind the table of claims, and the verdicts."""

import itertools
import math
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import torch

from lab_utils.networks import first_conv
from lab_utils.studies import claims, claims_runs, engine, read_claims
from lab_utils.studies.claims_effects import GOAL, Runs, difference_of_gains, final_gain, speed_gain, verdict
from lab_utils.studies.claims_runs import Job, configs, grid, keeps_model, start_network
from lab_utils.studies.kept import network_file


def job(start: str = "random", seed: int = 0, **more) -> Job:
    return Job(**{"network": "resnet10_w16", "start": start, "n": 8, "steps": 2, "seed": seed} | more)


# ---------------------------------------------------------------- the runs


def test_no_training_is_in_the_grid_twice() -> None:
    jobs = grid()
    assert len(set(jobs)) == len(jobs)
    assert len({j.seed for j in jobs}) >= 5


@pytest.mark.parametrize("start", sorted({j.start for j in grid()}))
def test_every_start_has_the_head_of_its_seed_and_its_own_backbone(start: str) -> None:
    first, again, other = (start_network(job(start, seed)).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])
    pretrained = start_network(job("transfer")).state_dict()
    stem = "stem.0.weight"
    keeps_stem = start in ("transfer", "pretrained_conv1", "slim")
    assert torch.equal(first[stem], pretrained[stem]) == keeps_stem


def test_a_scale_multiplies_the_random_weights() -> None:
    plain, scaled = start_network(job()), start_network(job(scale=0.3))
    torch.testing.assert_close(first_conv(scaled).weight, 0.3 * first_conv(plain).weight)


def test_an_unknown_start_is_refused() -> None:
    with pytest.raises(ValueError, match="known start"):
        start_network(job("magic"))


def config_of(job: Job) -> dict:
    more = {"data": "phantoms", "batch_size": 32, "probes": 176}
    return {**more, "pretrained": None if job.start == "random" else "procedural", **asdict(job)}


def test_a_run_is_kept_with_its_network_and_counts_until_its_source_changes(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LAB_PROFILE", "smoke")
    monkeypatch.setattr(claims_runs, "MARKS", (0, 1))
    jobs = [job(n=500), job("transfer", n=500), job("mean_var", side=32)]
    monkeypatch.setattr(engine, "configs_of", lambda *_: list(map(config_of, jobs)))
    task = engine.task_of("claims", {}, {}, tmp_path)
    assert engine.finished(task) == []
    engine.run_study(task, workers=1, progress=False)
    rows = engine.finished(task)
    assert [row["start"] for row in rows] == ["random", "transfer", "mean_var"]
    assert rows[0]["marks"] == [0, 1, 2]
    assert rows[0]["curve"].shape == (3,)
    weights = torch.load(network_file(rows[1]["kept"]), weights_only=True)
    assert weights.keys() == start_network(jobs[1]).state_dict().keys()
    assert not network_file(rows[2]["kept"]).exists()
    monkeypatch.setattr(engine, "_shipped", lambda *_: "of another file")
    assert [row["start"] for row in engine.finished(task)] == ["random"]  # it takes nothing from a source


def test_models_are_kept_where_activations_are_compared() -> None:
    kept = [j for j in grid() if keeps_model(j)]
    assert {j.start for j in kept} == {"random", "transfer"}
    assert {j.network for j in kept} == {"resnet10_w16", "resnet10_w32", "cbr_tiny", "cbr_small"}
    assert all(j.scale == 1 and j.lr == 1e-3 for j in kept)


# ---------------------------------------------------------------- the verdicts


@pytest.mark.parametrize(
    ("interval", "expected", "answer"),
    [
        ((0.05, 0.02, 0.08), "above", "shown"),
        ((0.05, -0.01, 0.11), "above", "open"),
        ((-0.05, -0.08, -0.02), "above", "refuted"),
        ((-0.05, -0.08, -0.02), "below", "shown"),
        ((0.05, 0.02, 0.08), "below", "refuted"),
        ((0.001, -0.004, 0.006), "none", "shown"),
        ((0.005, -0.02, 0.03), "none", "open"),
        ((0.03, 0.02, 0.04), "none", "refuted"),
        ((0.012, 0.005, 0.019), "none", "open"),
        ((-0.05, -0.08, -0.02), "not above", "shown"),
        ((0.005, -0.02, 0.03), "not above", "open"),
        ((0.03, 0.02, 0.04), "not above", "refuted"),
        ((math.nan, math.nan, math.nan), "above", "open"),
    ],
)
def test_a_verdict_needs_the_whole_interval(interval, expected, answer) -> None:
    assert verdict(interval, expected) == answer


def row(start: str, seed: int, auroc: float, curve: list[float], **more) -> dict:
    return asdict(job(start, seed, n=500, **more)) | {"auroc": auroc, "marks": [0, 100, 200], "curve": curve}


def test_gains_are_paired_by_seed_and_need_both_runs() -> None:
    late, early = [0.5, 0.6, GOAL], [0.5, GOAL, 0.9]
    rows = [row("random", seed, 0.7 + 0.05 * seed, late) for seed in range(3)]
    rows += [row("transfer", seed, 0.8 + 0.05 * seed, early) for seed in (2, 0)]
    runs = Runs(rows)
    (mean, low, high), seeds = final_gain(runs.get("transfer"), runs.get("random"))
    assert seeds == 2
    assert (mean, low, high) == pytest.approx((0.1, 0.1, 0.1))
    assert speed_gain(runs.get("transfer"), runs.get("random"))[0] == pytest.approx((-100, -100, -100))


def test_a_run_that_never_arrives_counts_as_its_last_step() -> None:
    rows = [row("random", seed, 0.7, [0.5, 0.6, 0.7]) for seed in range(2)]
    rows += [row("transfer", seed, 0.8, [0.5, GOAL, 0.9]) for seed in range(2)]
    runs = Runs(rows)
    assert speed_gain(runs.get("transfer"), runs.get("random"))[0][0] == pytest.approx(-100)


def test_a_difference_of_gains_is_taken_within_each_seed() -> None:
    def of(*values: float) -> dict:
        return {seed: {"auroc": value} for seed, value in enumerate(values)}

    found, seeds = difference_of_gains((of(0.9, 0.8), of(0.5, 0.5)), (of(0.7, 0.6), of(0.6, 0.5)))
    assert seeds == 2
    assert found == pytest.approx((0.25, 0.25 - 12.706 * 0.05, 0.25 + 12.706 * 0.05), rel=1e-3)


@pytest.fixture
def invented(monkeypatch):
    """All runs of the study, with numbers that nobody trained."""
    rng = np.random.default_rng(0)

    def of_pairs(rows, *_):
        pairs = len(list(itertools.combinations(rows, 2)))
        return {start: rng.random((pairs, 5)) for start in ("random", "transfer", "mixed")}

    monkeypatch.setattr(claims, "probe_images", lambda _: None)
    monkeypatch.setattr(claims, "to_start", lambda rows, _: rng.random((len(rows), 5)))
    monkeypatch.setattr(claims, "between_seeds", of_pairs)
    monkeypatch.setattr(claims, "before_training", of_pairs)
    monkeypatch.setattr(claims, "_oriented", lambda _, rows: rng.random(len(rows)).tolist())
    found = {"marks": [0, 300], "curve": [0.5, GOAL]}
    return pd.DataFrame([config | {"auroc": rng.random()} | found for config in configs(True)])


def test_the_table_has_the_stored_claims_and_judges_each(invented) -> None:
    same = ("claim", "source", "measured", "unit", "seeds", "command")
    made, stored = claims.stored(invented), read_claims()
    assert [[c[key] for key in same] for c in made] == [[c[key] for key in same] for c in stored]
    assert {c["verdict"] for c in made} <= {"shown", "refuted", "open"}


@pytest.mark.parametrize("runs", [0, 1, 40, 70])
def test_the_report_of_a_part_says_which_claims_are_not_there_yet(invented, runs) -> None:
    (table,), (whole,) = claims.tables(invented[:runs]), claims.tables(invented)
    assert [cell.row for cell in table.cells] == [cell.row for cell in whole.cells]
    assert all(cell.effect for cell in whole.cells)
    judged = [cell.effect for cell in table.cells if cell.effect]
    assert bool(judged) == (runs >= 40)
    assert np.isfinite([effect[0] for effect in judged]).all()


def test_what_takes_minutes_is_computed_once_for_the_same_runs(monkeypatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(claims, "_TOLD", {})
    monkeypatch.setattr(claims, "similarity_claims", lambda runs: asked.append(1) or [])
    for effects in ("speed_claims", "gain_claims"):
        monkeypatch.setattr(claims, effects, lambda runs: [])
    for kept in (["a", "b"], ["a", "b"], ["a", "c"]):
        claims.claims_of(pd.DataFrame({"kept": kept}))
    assert len(asked) == 2
