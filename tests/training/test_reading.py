"""Batches of images that lie in a file are read ahead: nothing of a training but its time changes."""

import threading

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lab_utils.data import OnDisk, Split
from lab_utils.data.pool_rows import checksum
from lab_utils.training import fit, lr_range_test, reading
from tests.tiny import TinyNet, tiny_split
from tests.training.test_checkpoint import SETTINGS, assert_same_run, stop


@pytest.fixture
def stored(tmp_path):
    """`tiny_split(40)` in a file, its rows in another order."""
    split, order = tiny_split(40), torch.randperm(40, generator=torch.Generator().manual_seed(1))
    pixels = tmp_path / "pixels"
    pixels.write_bytes(split.images[order].numpy().tobytes())
    sums = torch.from_numpy(np.array([checksum(image.numpy().tobytes()) for image in split.images]))
    images = OnDisk(pixels, tuple(split.images.shape[1:]), order.argsort(), sums)
    return Split(images, split.labels, split.groups, split.task, split.class_names)


def threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


class Watching(nn.Module):
    """A criterion that does something before each step, and knows the number of it."""

    def __init__(self, watch):
        super().__init__()
        self.step, self.watch = 0, watch

    def forward(self, logits, labels):
        self.step += 1
        self.watch(self.step)
        return F.cross_entropy(logits, labels)


def train(split, watch=None, **settings):
    model = TinyNet()
    settings = SETTINGS | {"steps": 12, "eval_every": 5} | settings
    history = fit(model, split, tiny_split(30, seed=1), criterion=watch and Watching(watch), **settings)
    return model, history


def test_training_from_a_file_is_training_in_memory_bit_for_bit(stored):
    assert_same_run(*train(stored), *train(tiny_split(40)))


@pytest.mark.parametrize("at", [3, 4, 5])  # three steps are an epoch: of the next one, a batch was read before it began
def test_a_run_interrupted_anywhere_goes_on_as_if_it_had_not_been(stored, tmp_path, monkeypatch, at):
    stop(monkeypatch, at, lambda: train(stored, checkpoint=tmp_path / "run.pt"))
    continued = train(stored, checkpoint=tmp_path / "run.pt")
    assert_same_run(*continued, *train(tiny_split(40)))


def test_the_next_batch_and_no_other_is_read_while_a_step_is_computed(stored, monkeypatch):
    begun = []
    arrived = threading.Condition()
    read = reading.Reader._read

    def count(self, indices):
        with arrived:
            begun.append(threading.current_thread())
            arrived.notify_all()
        return read(self, indices)

    seen = []

    def look(step):
        with arrived:
            assert arrived.wait_for(lambda: len(begun) > step, timeout=60) or step == 7
            seen.append(len(begun))

    monkeypatch.setattr(reading.Reader, "_read", count)
    train(stored, lambda step: look(step) if step < 7 else None, steps=7)
    assert seen == [2, 3, 4, 5, 6, 7]
    assert len(begun) == 7  # none beyond the last step
    assert threading.main_thread() not in begun


def test_an_error_of_the_thread_is_raised_by_fit(stored):
    def cut(step):
        if step == 2:
            stored.images.file.write_bytes(b"short")

    with pytest.raises(OSError, match="cut short or replaced while it was in use"):
        train(stored, cut)
    assert not threads()


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, torch.OutOfMemoryError, ZeroDivisionError])
def test_the_thread_ends_with_the_run(stored, error):
    there = []

    def fail(step):
        there.append(threads())
        if error is not None and step == 4:
            raise error("out of memory")

    if error is None:
        train(stored, fail)
    else:
        with pytest.raises(error):
            train(stored, fail)
    assert all(len(names) == 1 for names in there[1:4])
    assert not threads()


def test_images_in_memory_are_read_without_a_thread(monkeypatch):
    monkeypatch.setattr(reading, "ThreadPoolExecutor", None)
    train(tiny_split(40))


def test_a_range_test_from_a_file_is_one_in_memory(stored):
    settings = {"steps": 8, "batch_size": 16, "device": "cpu"}
    curves = [lr_range_test(TinyNet(), split, **settings).losses for split in (stored, tiny_split(40))]
    assert curves[0] == curves[1]
    assert not threads()
