"""Grids of runs: order, results, threads, failures, with and without workers."""

import os

import numpy as np
import pytest

from lab_utils.studies import combinations, run_grid
from lab_utils.studies import grid as study

WORKERS = pytest.mark.parametrize("workers", [1, 2])


def test_combinations_vary_the_last_choice_fastest():
    assert combinations(n=(50, 100), seed=range(2)) == [
        {"n": 50, "seed": 0},
        {"n": 50, "seed": 1},
        {"n": 100, "seed": 0},
        {"n": 100, "seed": 1},
    ]


@WORKERS
def test_rows_come_in_the_order_of_the_grid(workers):
    def run(seconds_to_sleep, name):
        import time

        time.sleep(seconds_to_sleep)
        return {"upper": name.upper(), "points": np.arange(3)}

    grid = [
        {"seconds_to_sleep": 0.4, "name": "slow"},
        {"seconds_to_sleep": 0.0, "name": "fast"},
        *[{"seconds_to_sleep": 0.0, "name": f"fast{i}"} for i in range(6)],
        {"seconds_to_sleep": 0.0, "name": "last"},
    ]
    names = [row["name"] for row in grid]
    table = run_grid(run, grid, workers=workers, progress=False)
    assert list(table) == ["seconds_to_sleep", "name", "seconds", "upper", "points"]
    assert list(table["name"]) == names
    assert list(table["upper"]) == [name.upper() for name in names]
    assert table["seconds"][0] >= 0.4 > table["seconds"][1:].min()  # a busy machine does not hold up all of them
    np.testing.assert_array_equal(table["points"][2], [0, 1, 2])


def test_results_do_not_depend_on_the_number_of_workers():
    import torch

    weight = torch.randn(256, 256, generator=torch.Generator().manual_seed(0))

    def run(seed):  # long sums, whose last bits depend on the number of threads
        images = torch.randn(500, 256, generator=torch.Generator().manual_seed(seed))
        for _ in range(3):
            images = torch.tanh(images @ weight)
        return {
            "sum": images.sum(),
            "rows": images.mean(dim=1),
            "threads": torch.get_num_threads(),
        }

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        grid = combinations(seed=range(4))
        here = run_grid(run, grid, workers=1, progress=False)
        there = run_grid(run, grid, workers=2, progress=False)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert list(here["sum"]) == list(there["sum"])
    np.testing.assert_array_equal(np.stack(here["rows"]), np.stack(there["rows"]))
    assert set(here["threads"]) == set(there["threads"]) == {1}
    assert isinstance(here["sum"][0], float)


@WORKERS
def test_arrays_a_function_uses_stay_writable(workers):
    big = np.zeros(300_000)  # joblib would map an array of this size read-only

    def run(seed):
        big[seed] = 1
        return {"written": big[seed]}

    table = run_grid(run, combinations(seed=range(2)), workers=workers, progress=False)
    assert list(table["written"]) == [1, 1]


def test_ctrl_c_stops_the_workers_and_the_next_grid_starts(monkeypatch):
    class Interrupted:
        def __init__(self, **_):
            pass

        def update(self):
            raise KeyboardInterrupt

        def close(self):
            pass

    def run(seed):
        return {"pid": os.getpid()}

    with monkeypatch.context() as patch:
        patch.setattr(study, "tqdm", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_grid(run, combinations(seed=range(8)), workers=2)
    table = run_grid(run, combinations(seed=range(4)), workers=2, progress=False)
    assert os.getpid() not in set(table["pid"])


@WORKERS
def test_failed_run_names_its_configuration_and_ends_the_grid(workers, tmp_path):
    class Odd(Exception):  # can be pickled, but not unpickled
        def __init__(self, a, b):
            super().__init__(f"{a} of {b}")

    def run(seed, init):
        import time

        if seed == 1:
            raise Odd("no", "where")
        time.sleep(0.2 * (seed > 1))
        (tmp_path / f"{seed}").touch()
        return {}

    grid = combinations(seed=range(60), init=["random"])
    with pytest.raises(RuntimeError, match="Odd: no of where") as caught:
        run_grid(run, grid, workers=workers, progress=False)
    assert "run 2 of 60 failed with seed=1, init='random'" in str(caught.value)
    assert not (tmp_path / "59").exists()


@WORKERS
@pytest.mark.parametrize(
    ("result", "message"),
    [
        (0.5, "dict of results from run, got float"),
        ({"seed": 3}, r"returns \['seed'\]"),
    ],
)
def test_result_that_does_not_fit_is_refused(result, message, workers):
    def run(seed):
        return result

    with pytest.raises(RuntimeError, match=message):
        run_grid(run, [{"seed": 0}, {"seed": 1}], workers=workers, progress=False)


def test_own_seconds_win():
    table = run_grid(lambda n: {"seconds": n}, [{"n": 7}], workers=1, progress=False)
    assert list(table["seconds"]) == [7]


def test_number_of_workers(monkeypatch):
    count = study.worker_count
    monkeypatch.delenv("LAB_WORKERS", raising=False)
    monkeypatch.setattr(study.joblib, "cpu_count", lambda: 16)
    assert count(None, 100, on_cpu=True) == study.MOST_WORKERS
    assert count(None, 100, on_cpu=False) == 1  # a GPU is used by one process
    assert count(8, 100, on_cpu=True) == 8
    assert count(8, 3, on_cpu=True) == 3  # never more than runs
    monkeypatch.setenv("LAB_WORKERS", "2")
    assert count(None, 100, on_cpu=True) == 2
    assert count(3, 100, on_cpu=True) == 3  # the argument wins
    monkeypatch.setenv("LAB_WORKERS", "two")
    with pytest.raises(ValueError, match="LAB_WORKERS should be a number"):
        count(None, 100, on_cpu=True)


def test_empty_grid_and_no_workers_are_refused():
    with pytest.raises(ValueError, match="the grid is empty"):
        run_grid(lambda: {}, [])
    with pytest.raises(ValueError, match="workers to be a whole number of at least 1"):
        run_grid(lambda: {}, [{}], workers=0)
