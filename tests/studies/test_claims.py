"""The runs behind the table of claims, and the verdicts."""

import itertools
import math
from dataclasses import asdict

import numpy as np
import pytest
import torch

from lab_utils.metrics import jackknife
from lab_utils.networks import first_conv
from lab_utils.studies import claims, claims_runs, read_claims, run_grid
from lab_utils.studies.claims_effects import GOAL, Runs, difference_of_gains, final_gain, speed_gain, verdict
from lab_utils.studies.claims_runs import Job, finished, grid, keeps_model, model_file, start_network
from lab_utils.studies.claims_similarity import oriented
from lab_utils.transfer import gabor_bank


def job(start: str = "random", seed: int = 0, **more) -> Job:
    return Job(**{"model": "resnet10_w16", "start": start, "n": 8, "steps": 2, "seed": seed} | more)


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


def test_a_run_is_kept_with_its_network_and_counts_until_its_source_changes(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path))
    monkeypatch.setattr(claims_runs, "COUNTS", {"n_train": 24, "n_val": 24, "n_test": 24})
    monkeypatch.setattr(claims_runs, "MARKS", (0, 1))
    monkeypatch.setattr(claims_runs, "keeps_model", lambda _: True)
    jobs = [job(), job("transfer"), job("mean_var", side=32)]
    assert finished(jobs) == []
    run_grid(
        claims_runs.train_and_keep,
        list(map(asdict, jobs)),
        workers=1,
        progress=False,
        keep=claims_runs.folder(),
        depends=claims_runs.depends,
    )
    rows = finished(jobs)
    assert [row["start"] for row in rows] == ["random", "transfer", "mean_var"]
    assert rows[0]["marks"] == [0, 1, 2]
    assert rows[0]["curve"].shape == (3,)
    weights = torch.load(model_file(jobs[1]), weights_only=True)
    assert weights.keys() == start_network(jobs[1]).state_dict().keys()
    monkeypatch.setattr(claims_runs, "_sha256", lambda *_: "of another file")
    assert [row["start"] for row in finished(jobs)] == ["random"]  # it takes nothing from a source
    assert not model_file(jobs[1]).exists()


def test_models_are_kept_where_activations_are_compared() -> None:
    kept = [j for j in grid() if keeps_model(j)]
    assert {j.start for j in kept} == {"random", "transfer"}
    assert {j.model for j in kept} == {"resnet10_w16", "resnet10_w32", "cbr_tiny", "cbr_small"}
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


def test_the_table_has_the_stored_claims_and_judges_each(tmp_path, monkeypatch) -> None:
    rng = np.random.default_rng(0)
    rows = [asdict(j) | {"auroc": rng.random(), "marks": [0, 300], "curve": [0.5, GOAL]} for j in grid()]
    monkeypatch.setattr(claims, "finished", lambda _: rows)
    monkeypatch.setattr(claims, "probe_images", lambda: None)
    monkeypatch.setattr(claims, "to_start", lambda *_: rng.random((5, 5)))
    pairs = {start: rng.random((10, 5)) for start in ("random", "transfer", "mixed")}
    monkeypatch.setattr(claims, "between_seeds", lambda *_: pairs)
    monkeypatch.setattr(claims, "before_training", lambda *_: pairs)
    filters = {start: rng.random(5).tolist() for start in ("random", "transfer", "before")}
    monkeypatch.setattr(claims, "filter_orientation", lambda _: filters)
    claims.write_table(tmp_path / "claims.json")
    same = ("claim", "source", "measured", "unit", "seeds", "command")
    made, stored = read_claims(tmp_path), read_claims()
    assert [[c[key] for key in same] for c in made] == [[c[key] for key in same] for c in stored]
    assert {c["verdict"] for c in made} <= {"shown", "refuted", "open"}


# ---------------------------------------------------------------- similarity


def test_the_jackknife_of_a_mean_over_pairs_agrees_with_the_mean_where_seeds_add_up() -> None:
    # A value that is the mean of what its two seeds bring: then the mean over pairs is the mean over seeds.
    parts = np.array([0.1, 0.4, 0.2, 0.7, 0.3])
    values = np.array([(parts[a] + parts[b]) / 2 for a, b in itertools.combinations(range(5), 2)])
    mean, low, high = jackknife(values, 5)
    half = 2.776 * parts.std(ddof=1) / math.sqrt(5)
    assert mean == pytest.approx(parts.mean())
    assert (high - low) / 2 == pytest.approx(half, rel=1e-3)


def test_stripes_are_oriented_and_noise_is_not() -> None:
    count = torch.arange(40)
    stripes = gabor_bank(7, count * 0.1, torch.full((40,), 0.2), count * 0.3, torch.full((40,), 1.0))
    noise = torch.randn(200, 1, 7, 7, generator=torch.Generator().manual_seed(0))
    assert oriented(stripes[:, None]) > 0.75
    assert 0.25 < oriented(noise) < 0.5


def test_the_orientation_of_a_filter_does_not_depend_on_its_size_and_mean() -> None:
    noise = torch.randn(20, 1, 7, 7, generator=torch.Generator().manual_seed(0))
    assert oriented(3 * noise + 2) == pytest.approx(oriented(noise))
