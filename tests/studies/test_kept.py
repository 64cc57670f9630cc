"""A grid that is stopped goes on from the files of its finished runs."""

import json
import math
import os
import warnings

import numpy as np
import pytest
import torch

from lab_utils.studies import combinations, run_grid

WORKERS = pytest.mark.parametrize("workers", [1, 2])


@pytest.fixture
def run(tmp_path):
    """A run that leaves a trace of each call in a folder, and ends the process, or fails, where a file asks for it."""
    calls = tmp_path / "calls"
    calls.mkdir()

    def run(seed, n=1):
        import time

        (calls / f"{seed}.{len(list(calls.iterdir()))}").touch()
        if seed == 3 and (calls.parent / "stop").exists():
            while len(list((calls.parent / "runs").glob("*.json"))) < 3:
                time.sleep(0.01)  # the other worker
            if (calls.parent / "stop").read_text() == "kill":
                os._exit(1)
            raise RuntimeError("no more")
        return {"twice": 2 * n * seed}

    run.calls = lambda: sorted(int(path.stem) for path in calls.iterdir())
    return run


@pytest.mark.parametrize(("how", "workers"), [("fail", 1), ("fail", 2), ("kill", 2)])
def test_a_grid_that_was_stopped_does_only_what_is_missing(run, tmp_path, workers, how):
    (tmp_path / "stop").write_text(how)
    settings = {"workers": workers, "progress": False, "keep": tmp_path / "runs"}
    grid = combinations(seed=range(5))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what loky says of a dead worker depends on its version
        why = "Its process died, most often because memory ran out" if how == "kill" else "RuntimeError: no more"
        with pytest.raises(RuntimeError, match=f"1 of 5 runs failed.*\nrun 4 of 5 failed with seed=3. {why}"):
            run_grid(run, grid, **settings)
    done = {json.loads(path.read_text())["config"]["seed"] for path in (tmp_path / "runs").glob("*.json")}
    assert done == {0, 1, 2, 4}  # also the one after it
    (tmp_path / "stop").unlink()
    table = run_grid(run, grid, **settings)
    assert list(table["twice"]) == [0, 2, 4, 6, 8]
    assert all(run.calls().count(seed) == 1 for seed in done - {4})  # 4 may have run beside 3, and again by itself
    calls = run.calls()
    assert run_grid(run, grid, **settings).equals(table)
    assert run.calls() == calls


@WORKERS
def test_results_are_the_same_from_the_function_and_from_the_file(tmp_path, workers):
    def run(seed):
        values = np.random.default_rng(seed).normal(size=(2, 3))
        return {
            "double": values,
            "float": torch.from_numpy(values).float(),
            "none": np.zeros((0, 4), dtype=np.int16),
            "number": values[0, 0],
            "pair": (1, 2),
            "nested": {"a": [float(values[1, 1]), None, True, "é"], "nan": math.nan, "inside": values[0] > 0},
        }

    settings = {"workers": workers, "progress": False}
    plain, first, again = (
        run_grid(run, combinations(seed=[1, 2]), **settings, **keep).to_dict("records")
        for keep in ({}, {"keep": tmp_path}, {"keep": tmp_path})
    )
    for expected, *kept in zip(plain, first, again, strict=True):
        for row in kept:
            np.testing.assert_equal({**row, "seconds": 0}, {**expected, "seconds": 0})
            assert [row[key].dtype for key in ("double", "float", "none")] == [np.float64, np.float32, np.int16]
            assert type(row["pair"]) is list
        assert kept[0]["seconds"] == kept[1]["seconds"]


def test_a_run_of_another_configuration_or_from_something_else_counts_as_missing(run, tmp_path):
    def go(grid, source=None):
        run_grid(run, grid, workers=1, progress=False, keep=tmp_path / "runs", depends=lambda seed, **_: source or {})
        return run.calls()

    weights = {"sha256": "abc"}
    assert go([{"seed": 0}]) == [0]
    assert go([{"seed": 0, "n": 2}]) == [0, 0]
    assert go([{"seed": 0}], weights) == [0, 0, 0]
    assert go([{"n": 2, "seed": 0}, {"seed": 0}]) == [0, 0, 0]  # the order of the keys is nothing
    assert go([{"seed": 0}], weights) == [0, 0, 0]


@pytest.mark.parametrize("damage", ["cut", "changed", "copied", "other", "empty"])
def test_a_file_that_is_not_that_run_is_refused_and_left_alone(run, tmp_path, damage):
    settings = {"workers": 1, "progress": False, "keep": tmp_path / "runs"}
    run_grid(run, [{"seed": 7}], **settings)
    (path,) = (tmp_path / "runs").iterdir()
    text = path.read_text()
    run_grid(run, [{"seed": 8}], **settings)
    (other,) = set((tmp_path / "runs").iterdir()) - {path}
    damaged = {"cut": text[:-20], "changed": text.replace("14", "15"), "copied": other.read_text(), "other": "[1]"}
    path.write_text(before := damaged.get(damage, ""))
    with pytest.raises(ValueError, match=r"finished run with seed=7 in .*json, but the file is damaged.*Delete it"):
        run_grid(run, [{"seed": 8}, {"seed": 7}], **settings)
    assert path.read_text() == before


@pytest.mark.parametrize(("value", "kind"), [(print, "builtin_function"), ({1: 2}, "dict"), (np.array([print]), "nd")])
def test_what_json_can_not_hold_is_refused(tmp_path, value, kind):
    settings = {"workers": 1, "progress": False, "keep": tmp_path}
    with pytest.raises(RuntimeError, match=rf"failed with seed=0.*keep= stores must be numbers.*of type {kind}"):
        run_grid(lambda seed: {"value": value}, [{"seed": 0}], **settings)
    with pytest.raises(ValueError, match=f"keep= stores must be numbers.*of type {kind}"):
        run_grid(lambda value: {}, [{"value": value}], **settings)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_is_refused_before_the_first_run(run, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"keep= must name a folder, but .*file is a file"):
        run_grid(run, [{"seed": 0}], keep=tmp_path / "file" / "runs")
    with pytest.raises(ValueError, match="give keep=, a folder, too"):
        run_grid(run, [{"seed": 0}], depends=lambda seed: {})
    assert run.calls() == []
