import multiprocessing
import os
import random
import sys
import time
from functools import partial

import pytest
import torch

from lab_utils.data import MILD
from lab_utils.training import checkpoint as checkpoint_module
from lab_utils.training import describe_model, fine_tune, fit, load_checkpoint, save_checkpoint
from lab_utils.training import evaluation as evaluate_module
from lab_utils.training import forward as forward_module
from lab_utils.training.forward import forward
from tests.tiny import TinyNet, assert_same, state_of, tiny_split

# Everything that has a state: dropout, augmentation, momentum, a plateau schedule that drops, the best weights.
SETTINGS = {
    "lr": 0.03,
    "optimizer": "adamw",
    "schedule": "plateau",
    "warmup": 3,
    "batch_size": 16,
    "augment": MILD,
    "seed": 4,
    "progress": False,
    "device": "cpu",
    "checkpoint_seconds": 0,
}


def train(model, path=None, *, steps=12, **changes):
    splits = tiny_split(40), tiny_split(30, seed=1)
    return fit(model, *splits, **SETTINGS | {"steps": steps, "eval_every": 5, "checkpoint": path} | changes)


def without_time(history):
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in history.rows]
    return rows, history.monitor, history.best_step, history.best_value


def assert_same_run(model, history, other_model, other_history):
    assert_same(state_of(model), state_of(other_model))
    assert without_time(history) == without_time(other_history)
    assert_same(history.best_state, other_history.best_state)


class Interrupted:
    """In this block, training stops at the k-th forward pass, as with Ctrl-C; nothing of the run is another."""

    def __init__(self, monkeypatch, at):
        self.patch, self.at, self.calls = monkeypatch, at, 0

    def __enter__(self):
        self.context = self.patch.context()
        patch = self.context.__enter__()
        for module in (forward_module, evaluate_module):
            patch.setattr(module, "forward", self.forward)
        return self

    def __exit__(self, *error):
        self.context.__exit__(None, None, None)

    def forward(self, model, x, *, fast):
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt
        return forward(model, x, fast=fast)


def stop(monkeypatch, at, do):
    with Interrupted(monkeypatch, at), pytest.raises(KeyboardInterrupt):
        do()


def test_checkpoints_do_not_change_the_training(tmp_path):
    plain, kept = TinyNet(), TinyNet()
    assert_same_run(plain, train(plain), kept, train(kept, tmp_path / "run.pt"))


def test_resumes_bit_identically_from_every_step(tmp_path, monkeypatch):
    whole = TinyNet()
    history = train(whole)
    passes = 12 + 3  # steps and validations
    for at in range(1, passes + 1):
        path = tmp_path / f"{at}.pt"
        stop(monkeypatch, at, lambda path=path: train(TinyNet(), path))
        resumed = TinyNet()
        assert_same_run(whole, history, resumed, train(resumed, path))


def test_resumes_bit_identically_after_seldom_saving(tmp_path, monkeypatch):
    whole, resumed = TinyNet(), TinyNet()
    history = train(whole)
    stop(monkeypatch, 9, lambda: train(TinyNet(), tmp_path / "run.pt", checkpoint_seconds=1e9))
    assert_same_run(whole, history, resumed, train(resumed, tmp_path / "run.pt", checkpoint_seconds=1e9))


class Slow(TinyNet):
    def forward(self, x):
        time.sleep(0.004)
        return super().forward(x)


def long_run(folder, stay):
    """In a process of its own: train with a checkpoint, then write what came out, and perhaps wait to be killed."""
    model = Slow()
    history = train(model, folder / "run.pt", steps=60)
    result = {"model": model.state_dict(), "history": repr(without_time(history)), "best": history.best_state}
    save_checkpoint(folder / "result.pt", result, {})
    if stay:
        time.sleep(600)


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_resumes_bit_identically_after_kills_at_random_moments(tmp_path):
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["lab_utils.training.fitting", "tests.training.test_checkpoint"])
    killed, delays = 0, []
    for attempt in range(5):
        process = server.Process(target=long_run, args=(tmp_path, attempt < 2))
        process.start()
        if attempt < 4:
            before = (tmp_path / "run.pt").stat().st_mtime_ns if attempt else None
            while process.is_alive() and written_at(tmp_path / "run.pt") == before:
                time.sleep(0.001)
            delays.append(random.uniform(0, 0.15))
            time.sleep(delays[-1])
            process.kill()
        process.join()
        killed += process.exitcode == -9
        if process.exitcode == 0:
            break
    assert process.exitcode == 0
    assert killed >= 2
    result = load_checkpoint(tmp_path / "result.pt", {})
    whole = TinyNet()
    history = train(whole, steps=60)
    assert result["history"] == repr(without_time(history)), f"killed after {delays} s"
    assert_same(result["model"], state_of(whole))
    assert_same(result["best"], history.best_state)
    assert {path.name for path in tmp_path.iterdir()} == {"run.pt", "result.pt"}


def written_at(path):
    return path.stat().st_mtime_ns if path.exists() else None


def test_finished_run_is_not_trained_again(tmp_path, monkeypatch):
    first, again = TinyNet(), TinyNet()
    history = train(first, tmp_path / "run.pt")
    with Interrupted(monkeypatch, at=1):
        assert_same_run(first, history, again, train(again, tmp_path / "run.pt"))


def test_fine_tune_resumes_in_either_step(tmp_path, monkeypatch):
    def tune(model, path=None):
        shared = SETTINGS | {"warmup": 0, "eval_every": 2}
        data = tiny_split(40), tiny_split(30, seed=1)
        return fine_tune(model, *data, head_steps=6, steps=6, decay=0.5, checkpoint=path, **shared)

    whole = TinyNet()
    history = tune(whole)
    for at in (4, 14):
        path = tmp_path / f"{at}.pt"
        stop(monkeypatch, at, lambda path=path: tune(TinyNet(), path))
        resumed = TinyNet()
        assert_same_run(whole, history, resumed, tune(resumed, path))


def test_seconds_run_on_after_a_stop(tmp_path, monkeypatch):
    stop(monkeypatch, 12, lambda: train(TinyNet(), tmp_path / "run.pt"))
    state = torch.load(tmp_path / "run.pt", weights_only=True)["state"]
    assert state["seconds"] > 0
    assert train(TinyNet(), tmp_path / "run.pt").rows[-1]["seconds"] > state["seconds"]


@pytest.mark.parametrize("moment", ["write", "replace"])
def test_stop_while_writing_leaves_the_last_state_whole(tmp_path, monkeypatch, moment):
    path = tmp_path / "run.pt"
    save_checkpoint(path, {"step": 1}, {})

    def stop(*args):
        if moment == "write":
            args[1].write_bytes(b"half of a file")
        raise KeyboardInterrupt

    target = (torch, "save") if moment == "write" else (os, "replace")
    with monkeypatch.context() as patch:
        patch.setattr(*target, stop)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(path, {"step": 2}, {})
    assert load_checkpoint(path, {}) == {"step": 1}
    save_checkpoint(path, {"step": 3}, {})
    assert load_checkpoint(path, {}) == {"step": 3}
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


@pytest.mark.parametrize("full", [OSError(28, "No space left on device"), RuntimeError("file write failed")])
def test_full_disk_is_an_error_that_says_so_and_leaves_nothing_behind(tmp_path, monkeypatch, full):
    def fail(*args):
        raise full

    monkeypatch.setattr(checkpoint_module.torch, "save", fail)
    with pytest.raises(RuntimeError, match=r"run\.pt can not be written.*space left"):
        train(TinyNet(), tmp_path / "run.pt")
    assert list(tmp_path.iterdir()) == []


def test_folder_that_can_not_be_made_is_an_error_before_the_training(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    with Interrupted(monkeypatch, at=1) as passes, pytest.raises(RuntimeError, match="can not be written"):
        train(TinyNet(), tmp_path / "file" / "run.pt")
    assert passes.calls == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lr": 0.01}, r"lr was \[0.03\], is now \[0.01\]"),
        ({"seed": 5}, "seed was 4, is now 5"),
        ({"batch_size": 8}, "batch_size was 16, is now 8"),
        ({"schedule": "cosine"}, "schedule was plateau, is now cosine"),
        ({"optimizer": "sgd"}, "optimizer was adamw, is now sgd"),
        ({"optimizer": partial(torch.optim.AdamW, amsgrad=True)}, "optimizer was adamw, is now AdamW"),
        ({"augment": None}, "augment was Augment"),
        ({"weight_decay": 0.5}, "weight_decay was"),
        ({"steps": 20}, "steps was 12, is now 20"),
        ({"keep_best": False}, "keep_best was True"),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path, changes, message):
    train(TinyNet(), tmp_path / "run.pt")
    with pytest.raises(ValueError, match=message):
        train(TinyNet(), tmp_path / "run.pt", **changes)


def test_other_images_are_refused(tmp_path):
    shared = SETTINGS | {"steps": 2, "warmup": 0, "checkpoint": tmp_path / "run.pt"}
    fit(TinyNet(), tiny_split(40), **shared)
    with pytest.raises(ValueError, match="train was 40 binary images"):
        fit(TinyNet(), tiny_split(40, seed=8), **shared)
    with pytest.raises(ValueError, match="val was none"):
        fit(TinyNet(), tiny_split(40), tiny_split(40), **shared)


def test_description_tells_networks_apart():
    assert describe_model(TinyNet()) == describe_model(TinyNet(seed=1))
    assert describe_model(TinyNet()) != describe_model(TinyNet(3))
