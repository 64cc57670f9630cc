"""Runs on a Dask cluster: a scheduler and two workers on this machine."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import lab_utils
from lab_utils.__main__ import main
from lab_utils.studies import cluster, engine, run_grid

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def address():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, protocol="tcp", host="127.0.0.1"
    ) as local:
        yield local.scheduler_address


def train(seed):
    import os

    import torch

    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(50, 50, generator=generator)
    for _ in range(20):
        weights = torch.tanh(weights @ weights.T / 10)
    return {"sum": float(weights.sum()), "weights": weights, "process": os.getpid()}


GRID = [{"seed": seed} for seed in range(6)]


def test_results_are_bit_for_bit_those_of_this_process(address, capsys):
    there = run_grid(train, GRID, cluster=address, progress=False)
    here = run_grid(train, GRID, workers=1, progress=False)
    assert there["seed"].tolist() == here["seed"].tolist()
    assert there["sum"].tolist() == here["sum"].tolist()
    for a, b in zip(there["weights"], here["weights"], strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(set(there["process"])) == 2
    assert os.getpid() not in set(there["process"])
    assert "2 workers" in capsys.readouterr().out


def test_what_is_done_is_kept_and_not_sent_again(address, tmp_path):
    first = run_grid(train, GRID[:3], cluster=address, keep=tmp_path, progress=False)
    both = run_grid(train, GRID, cluster=address, keep=tmp_path, progress=False)
    assert both["seconds"].tolist()[:3] == first["seconds"].tolist()
    assert len(list(tmp_path.glob("*.json"))) == 6


def test_a_worker_that_is_killed_costs_one_repeat(address, tmp_path):
    def once(seed, mark):
        if seed == 1 and not os.path.exists(mark):
            with open(mark, "w"):
                pass
            os.kill(os.getpid(), signal.SIGKILL)
        return {"twice": 2 * seed}

    rows = run_grid(
        once, [{"seed": s, "mark": str(tmp_path / "mark")} for s in range(4)], cluster=address, progress=False
    )
    assert rows["twice"].tolist() == [0, 2, 4, 6]
    assert (tmp_path / "mark").exists()


def test_a_run_that_fails_names_its_configuration(address):
    def fails(seed):
        raise KeyError("no such thing")

    with pytest.raises(RuntimeError, match=r"run 1 of 1 failed with seed=7.*KeyError"):
        run_grid(fails, [{"seed": 7}], cluster=address, progress=False)


def test_a_worker_with_another_version_is_refused(address, monkeypatch):
    monkeypatch.setattr(lab_utils, "__version__", "99.0")
    with pytest.raises(ValueError, match=r"Expected the kit of version 99\.0 on every worker"):
        run_grid(train, GRID, cluster=address, progress=False)


def test_a_worker_that_joins_later_with_another_version_is_refused(address, monkeypatch):
    monkeypatch.setattr(lab_utils, "__version__", "99.0")
    monkeypatch.setattr(cluster, "_version", lambda: "99.0")  # those that were there at the start had it
    with pytest.raises(ValueError, match=r"Expected a worker with the kit 99\.0 .*, but .* has .*start it again"):
        run_grid(train, GRID, cluster=address, progress=False)


def test_a_worker_with_other_images_than_those_of_the_name_is_refused(address, tmp_path):
    here = os.getpid()

    def depends(seed):
        return {"images": "of the client" if os.getpid() == here else "of another folder"}

    settings = {"cluster": address, "keep": tmp_path / "kept", "depends": depends, "progress": False}
    with pytest.raises(ValueError, match=r"Expected a worker with the images of the client .*of another folder"):
        run_grid(train, GRID, **settings)
    assert not list((tmp_path / "kept").glob("*"))


@pytest.mark.filterwarnings("ignore")  # what Dask says of dead workers
def test_a_run_that_ends_its_worker_each_time_is_named_and_the_others_are_done(address, tmp_path):
    def deadly(seed):
        if seed == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.1)
        return {"twice": 2 * seed}

    with distributed.Client(address) as client:
        client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 1))
    with pytest.raises(RuntimeError, match=r"failed with seed=1\. Its process died, most often because memory ran out"):
        run_grid(deadly, [{"seed": s} for s in range(4)], cluster=address, keep=tmp_path, progress=False)
    run_grid(deadly, [{"seed": s} for s in (0, 2, 3)], cluster=address, keep=tmp_path, progress=False)
    assert len(list(tmp_path.glob("*.json"))) == 3


def test_a_real_study_gives_the_same_numbers_on_a_cluster_and_here(address, tmp_path):
    only = ["--only", "network=cbr_tiny", "start=random", "seed=0", "n=16"]
    for place, more in (("there", ["--cluster", address]), ("here", ["--workers", "1"])):
        assert main(["study", "transfusion", "--keep", str(tmp_path / place), *more, *only]) == 0
    there, here = (
        engine.finished(engine.task_of("transfusion", {}, {}, tmp_path / place)) for place in ("there", "here")
    )
    assert len(there) == len(here) == 1
    assert there[0]["kept"].name == here[0]["kept"].name
    apart = dict.fromkeys(("seconds", "kept", "made"))
    np.testing.assert_equal({**there[0], **apart}, {**here[0], **apart})
    assert there[0]["curve"].dtype == np.float64
    assert not list(tmp_path.rglob("*.pt"))


def test_a_scheduler_that_goes_away_is_said_and_the_rest_is_done_later(tmp_path, monkeypatch):
    grid = [{"seed": s, "mark": str(tmp_path / "mark")} for s in range(4)]

    def slow(seed, mark):
        if seed == 3:
            with open(mark, "w"):
                pass
            time.sleep(60 if not os.path.exists(f"{mark}.second") else 0)
        return {"twice": 2 * seed, "process": os.getpid()}

    scheduler = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
         "--no-dashboard", "--scheduler-file", str(tmp_path / "scheduler.json")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    worker = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(tmp_path / "scheduler.json"),
         "--nthreads", "1", "--no-dashboard", "--death-timeout", "30", "--local-directory", str(tmp_path)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(300):
            if (tmp_path / "scheduler.json").is_file():
                break
            time.sleep(0.1)
        where = json.loads((tmp_path / "scheduler.json").read_text())["address"]
        with distributed.Client(where) as client:
            client.wait_for_workers(1, timeout=60)

        def kill():
            while not (tmp_path / "mark").exists():
                time.sleep(0.1)
            time.sleep(0.5)
            scheduler.kill()

        monkeypatch.setattr(cluster, "SECONDS", 3)  # also for how long a lost connection is tried again
        threading.Thread(target=kill, daemon=True).start()
        with pytest.raises(RuntimeError, match="went away in the middle"):
            run_grid(slow, grid, cluster=where, keep=tmp_path / "kept", progress=False)
    finally:
        scheduler.kill()
        worker.kill()
        scheduler.wait()
        worker.wait()
    assert len(list((tmp_path / "kept").glob("*.json"))) == 3
    (tmp_path / "mark.second").touch()
    assert run_grid(slow, grid, keep=tmp_path / "kept", workers=1, progress=False)["twice"].tolist() == [0, 2, 4, 6]


def test_nobody_at_the_address_is_said(monkeypatch):
    monkeypatch.setattr(cluster, "SECONDS", 1)
    with pytest.raises(ValueError, match="nobody answers"):
        run_grid(train, GRID, cluster="tcp://127.0.0.1:9", progress=False)
