"""A study that is killed, at any moment, loses at most what lies between two checkpoints, and leaves nothing behind."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from lab_utils.device import one_thread
from lab_utils.studies import engine, run_grid
from lab_utils.studies.machine import versions
from lab_utils.studies.study import Study
from lab_utils.training import fit
from tests.tiny import TinyNet, tiny_split

KILLS = 30
pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has other ways to end a process")


def grid(whole):
    return [{"data": "eyepacs", "network": "tiny", "start": "random", "seed": seed, "n": None, "steps": 40,
             "batch_size": 8} for seed in range(4)]  # fmt: skip


def run(splits, *, checkpoint, seed, steps, batch_size, **_):
    model, train = TinyNet(seed=seed), splits["train"]
    history = fit(model, train, train, steps=steps, batch_size=batch_size, seed=seed, eval_every=20, progress=False,
                  checkpoint=checkpoint, checkpoint_seconds=0.005)  # fmt: skip
    weights = torch.cat([value.flatten().double() for value in model.state_dict().values()])
    return {"weights": weights, "curve": np.array(history.column("val_auroc"))}


TINY = Study("tiny", "A tiny study", "nobody", ("eyepacs",), 8, grid, run, lambda runs: [], ())


def study(folder):
    """The process that gets killed: the study's engine, with a network that trains in milliseconds."""
    torch.set_num_threads(1)
    engine.named = lambda _: TINY
    engine.images_of = lambda *_: {"train": tiny_split(40)}
    engine.fingerprint = lambda *_: "of no images"
    task = engine.Task("tiny", {}, {}, whole=False, keep=Path(folder))
    engine.run_study(task, workers=1, progress=False)


def results(folder):
    """What the files say, without the time that it took."""
    from lab_utils.studies.kept import kept_rows

    rows = kept_rows(grid(False), folder, lambda **_: {"images": "of no images", "weights": None, **versions()})
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.fixture(scope="module")
def started():
    """Start the study in a process of its own, forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "pandas", "sklearn.metrics", "scipy.stats", "torch._dynamo"])

    def start(folder):
        process = context.Process(target=study, args=(str(folder),))
        process.start()
        return process

    return start


def test_thirty_kills_change_no_bit_and_leave_no_file(started, tmp_path):
    undisturbed = started(tmp_path / "undisturbed")
    undisturbed.join()
    begin = time.perf_counter()
    again = started(tmp_path / "timed")
    again.join()
    seconds = time.perf_counter() - begin  # of a whole study, without imports
    expected = results(tmp_path / "undisturbed")
    assert len(expected) == 4
    moments, kills, studies, half_done = random.Random(0), 0, 0, 0
    while kills < KILLS:
        folder = tmp_path / f"killed{studies}"
        studies += 1
        while True:
            process = started(folder)
            if kills % 2:  # in the middle of a training: as soon as a checkpoint is there
                _soon(lambda: [*folder.glob("*.pt")] or process.exitcode is not None, bool, every=0.001)  # noqa: B023
            else:
                process.join(moments.uniform(0.02, 0.5) * seconds if kills < KILLS else None)
            if process.exitcode is not None:
                break
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            kills += 1
            half_done += len(list(folder.glob("*.pt")))
        assert process.exitcode == 0
        np.testing.assert_equal(results(folder), expected)
        assert {path.suffix for path in folder.iterdir()} == {".json"}
        assert len(list(folder.iterdir())) == len(expected)
    assert half_done >= KILLS // 4  # these were in the middle of a training, which then went on


def with_workers(folder):
    """The same study in two worker processes; the first training that gets so far is killed with its process."""

    def once(splits, *, checkpoint, seed, **more):
        mark = Path(folder) / "mark"
        if seed == 1 and not mark.exists():
            threading.Thread(target=_kill_when, args=(checkpoint, mark), daemon=True).start()
        return run(splits, checkpoint=checkpoint, seed=seed, **more)

    def tried(**config):
        engine.named, engine.images_of = (lambda _: replace(TINY, run=once)), lambda *_: {"train": tiny_split(40)}
        engine.fingerprint = lambda *_: "of no images"
        return engine.run_one(task, **config)

    task = engine.Task("tiny", {}, {}, whole=False, keep=Path(folder))
    depends = partial(dict, images="of no images", weights=None, **versions())
    return run_grid(tried, grid(False), keep=folder, depends=lambda **_: depends(), workers=2, progress=False)


def _kill_when(checkpoint, mark):
    """Kill this process in the middle of a training, as soon as its checkpoint has been written twice."""
    seen = set()
    while len(seen) < 2:
        if checkpoint.exists():
            seen.add(checkpoint.stat().st_mtime_ns)
        time.sleep(0.0005)
    mark.write_bytes(checkpoint.read_bytes())
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.filterwarnings("ignore")  # what loky says of a dead worker depends on its version
def test_a_worker_process_that_is_killed_in_a_training_costs_one_repeat_and_changes_no_bit(tmp_path, monkeypatch):
    for name in ("named", "images_of", "fingerprint"):
        monkeypatch.setattr(engine, name, getattr(engine, name))  # put back what `study` sets
    with one_thread():
        study(tmp_path / "undisturbed")
    rows = with_workers(tmp_path / "killed")
    assert (tmp_path / "killed" / "mark").exists()
    assert rows["seed"].tolist() == [0, 1, 2, 3]
    np.testing.assert_equal(results(tmp_path / "killed"), results(tmp_path / "undisturbed"))
    assert not list((tmp_path / "killed").glob("*.pt"))


WITH_WORKERS = """
import os, sys, time
from lab_utils.studies import run_grid

def run(seed):
    open(os.path.join(sys.argv[1], f"{os.getpid()}.worker"), "w").close()
    time.sleep(600)
    return {}

run_grid(run, [{"seed": seed} for seed in range(6)], workers=2, keep=os.path.join(sys.argv[1], "kept"), progress=False)
"""


def test_a_study_that_is_killed_takes_its_workers_with_it(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", WITH_WORKERS.replace("sys.argv[1]", repr(str(tmp_path)))])
    try:
        workers = _soon(
            lambda: sorted(int(path.stem) for path in tmp_path.glob("*.worker")), lambda pids: len(pids) == 2
        )
        assert all(psutil.pid_exists(pid) for pid in workers)
    finally:
        parent.kill()
        parent.wait()
    assert _soon(lambda: [pid for pid in workers if psutil.pid_exists(pid)], lambda left: not left) == []


def _soon(look, enough, every=0.05):
    """What `look` sees as soon as it is enough, or after a minute."""
    end = time.monotonic() + 60
    while not enough(seen := look()) and time.monotonic() < end:
        time.sleep(every)
    return seen
