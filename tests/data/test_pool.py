"""Sets of many pictures: decoded once, kept, and read from their file."""

import copy
import errno
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lab_utils.data import load_data, load_folder, pool, pool_rows, split_by_patient
from lab_utils.data.decode import decode
from lab_utils.data.duplicates import describe_duplicates
from lab_utils.data.on_disk import OnDisk, read_rows
from lab_utils.data.picture import read_picture
from lab_utils.data.pool import decode_large, decode_parts
from lab_utils.data.pool_folder import pool_of
from lab_utils.networks import build_model
from lab_utils.training import fit, predict


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "set").mkdir()
    rng = np.random.default_rng(0)
    for i in range(150):
        Image.fromarray(rng.integers(0, 255, (20, 24), dtype=np.uint8)).save(tmp_path / "set" / f"{i:03}.png")
    return tmp_path / "set"


def files(root: Path) -> list[Path]:
    return sorted(root.iterdir())


@pytest.fixture
def decoded(monkeypatch):
    """The names of the pictures that are decoded, in this process."""
    names: list[str] = []

    def here(pool, rows, paths):
        names.extend(path.name for path in paths)
        for i in range(0, len(rows), 10):
            yield write_rows(pool.pixels, rows[i : i + 10], paths[i : i + 10], pool.size, pool.channels)

    write_rows = pool.write_rows
    monkeypatch.setattr(pool, "_in_workers", here)
    return names


@pytest.mark.parametrize("processes", [True, False])
def test_worker_processes_and_threads_decode_what_one_thread_decodes(root, capsys, monkeypatch, processes):
    if processes:
        monkeypatch.setattr(pool, "LARGE", 1000)
    images = decode_large(files(root), 16, 1, root=root)
    told = capsys.readouterr().out
    assert "Decoding 150 pictures to 16 px: 0.0 MB in" in told
    assert re.search(r"are free\), about \d+ seconds on \d+ processors?\. It may be stopped", told)
    assert torch.equal(images, decode(files(root), 16, 1))


def test_nothing_is_decoded_twice_whatever_pictures_are_asked_for(root, decoded):
    paths = files(root)
    decode_large(paths[:100], 16, 1, root=root)
    order = np.random.default_rng(0).permutation(150)
    images = decode_large([paths[i] for i in order], 16, 1, root=root)
    assert decoded == [path.name for path in paths[:100]] + [paths[i].name for i in order if i >= 100]
    assert torch.equal(images, decode(paths, 16, 1)[torch.from_numpy(order)])
    decode_large([paths[3], paths[3]], 16, 1, root=root)
    assert len(decoded) == 150


def test_a_damaged_picture_is_named_and_only_its_copy_is_decoded_then(root, decoded):
    whole, bad = files(root)[70].read_bytes(), files(root)[70]
    bad.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        ValueError, match=r"1 of 150 pictures cannot be read, and the others are decoded and kept\. .*070"
    ):
        decode_large(files(root), 16, 1, root=root)
    bad.write_bytes(whole)
    decoded.clear()
    images = decode_large(files(root), 16, 1, root=root)
    assert decoded == ["070.png"]
    assert torch.equal(images, decode(files(root), 16, 1))
    bad.unlink()
    assert len(decode_large(files(root), 16, 1, root=root)) == 149
    assert decoded == ["070.png"]


def test_a_picture_cut_short_among_hundreds_of_a_folder_that_fits_into_memory_loses_none_of_them(
    root, monkeypatch, capsys
):
    """All by the public loader, with the threads that decode such a set."""
    rng = np.random.default_rng(1)
    for i in range(150, 300):
        Image.fromarray(rng.integers(0, 255, (20, 24), dtype=np.uint8)).save(root / f"{i:03}.png")
    whole, bad = files(root)[170].read_bytes(), files(root)[170]
    bad.write_bytes(whole[: len(whole) // 2])
    table = {"image": [path.name for path in files(root)], "label": [str(i % 2) for i in range(300)]}
    names: list[str] = []
    read = pool_rows.read_picture
    monkeypatch.setattr(pool_rows, "read_picture", lambda path, *rest: (names.append(path.name), read(path, *rest))[1])
    options = {"root": root, "size": 16, "table": table, "file": "image", "label": "label", "patient": "unknown"}
    with pytest.raises(ValueError, match=r"^1 of 300 pictures cannot be read, and the others are decoded.*170\.png: a"):
        load_data("folder", **options)
    assert "Decoding 300 pictures to 16 px: 0.1 MB in" in capsys.readouterr().out
    assert sorted(names) == [path.name for path in files(root)]
    bad.write_bytes(whole)
    names.clear()
    splits = load_data("folder", **options)
    assert names == ["170.png"]
    assert {type(split.images) for split in splits.values()} == {torch.Tensor}
    monkeypatch.setattr(pool, "MANY", 1000)
    shutil.rmtree(root.parent / "cache")
    capsys.readouterr()
    for part, split in load_data("folder", **options).items():
        assert torch.equal(split.images, splits[part].images)
        assert torch.equal(split.labels, splits[part].labels)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("why", ["full", "not writable"])
def test_a_set_that_fits_into_memory_is_there_without_a_cache(root, monkeypatch, cache, why, capsys):
    monkeypatch.setattr(pool, "MANY", 100)
    if why == "full":
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**9, 10**9, 5000))
    else:
        cache.write_text("a file")
    found = decode_parts({"train": files(root)}, 16, 1, root=root)["train"]
    assert torch.equal(found[7, 0], torch.from_numpy(read_picture(files(root)[7], 16, 1)[0]))
    assert ("should be written but could not be" in capsys.readouterr().out) == (why == "not writable")
    monkeypatch.setattr(pool, "LARGE", 1000)
    with pytest.raises(OSError, match="LAB_CACHE"):
        decode_parts({"train": files(root)}, 16, 1, root=root)


def test_a_full_disk_stops_with_words_and_loses_nothing(root, decoded, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**9, 10**9, 5000))
    with pytest.raises(OSError, match=r"150 pictures of 16 px need 0\.0 MB of disk.*LAB_CACHE.*Nothing was decoded"):
        decode_large(files(root), 16, 1, root=root)
    monkeypatch.undo()
    monkeypatch.setenv("LAB_CACHE", str(root.parent / "cache"))

    def fills_up(pool_, rows, paths):
        yield pool.write_rows(pool_.pixels, rows[:60], paths[:60], 16, 1)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(pool, "_in_workers", fills_up)
        with pytest.raises(OSError, match=r"cannot be written further \(No space.*What was decoded is kept"):
            decode_large(files(root), 16, 1, root=root)
    _, checksums = pool_of(root, 16, 1).load()
    assert np.flatnonzero(checksums).tolist() == list(range(60))
    assert torch.equal(decode_large(files(root), 16, 1, root=root), decode(files(root), 16, 1))


KILLED = """
import sys, time
from pathlib import Path
from lab_utils.data import pool

def slowly(one, rows, paths):
    for i in range(0, len(rows), 10):
        yield pool.write_rows(one.pixels, rows[i : i + 10], paths[i : i + 10], one.size, one.channels)
        print("ten", flush=True)
        time.sleep(0.05 if i < 50 else 60)

pool._in_workers, pool.SAVE_EVERY = slowly, 0.0
pool.decode_large(sorted(Path(sys.argv[1]).iterdir()), 16, 1, root=Path(sys.argv[1]))
"""


def test_after_a_kill_the_rest_is_decoded(root, decoded):
    worker = subprocess.Popen([sys.executable, "-c", KILLED, str(root)], stdout=subprocess.PIPE, text=True)
    for line in worker.stdout:
        if line == "ten\n" and np.count_nonzero(pool_of(root, 16, 1).load()[1]) >= 40:
            break
    worker.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    worker.communicate()
    images = decode_large(files(root), 16, 1, root=root)
    assert 0 < len(decoded) <= 110
    assert torch.equal(images, decode(files(root), 16, 1))


@pytest.mark.parametrize("damage", ["pixels", "cut", "table", "gone"])
def test_a_damaged_file_is_noticed_and_mended(root, decoded, damage):
    whole = decode_large(files(root), 16, 1, root=root).clone()
    one = pool_of(root, 16, 1)
    content = one.pixels.read_bytes()
    if damage == "pixels":
        one.pixels.write_bytes(bytes(len(content) // 2) + content[len(content) // 2 :])
    elif damage == "cut":
        one.pixels.write_bytes(content[:-3000])
    elif damage == "table":
        (one.folder / "table").write_bytes(b"junk")
    else:
        one.pixels.unlink()
    decoded.clear()
    assert torch.equal(decode_large(files(root), 16, 1, root=root), whole)
    assert len(decoded) == {"pixels": 75, "cut": 12, "table": 150, "gone": 150}[damage]


def test_a_second_process_waits_for_the_first(root, decoded, capsys):
    one = pool_of(root, 16, 1)
    one.folder.mkdir(parents=True)
    code = f"from filelock import FileLock\nimport time\nwith FileLock({str(one.folder / 'lock')!r}):\n"
    code += "    print('held', flush=True)\n    time.sleep(0.5)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        start = time.monotonic()
        decode_large(files(root), 16, 1, root=root)
    assert time.monotonic() - start > 0.2
    assert "waiting for it" in capsys.readouterr().out


def test_a_cache_that_cannot_be_written_gets_words(root, cache):
    cache.write_text("a file")
    with pytest.raises(OSError, match=r"should be a folder for decoded pictures.*LAB_CACHE"):
        decode_large(files(root), 16, 1, root=root)


@pytest.fixture
def both(root, decoded):
    """The same images in the file and in memory."""
    return decode_large(files(root), 16, 1, root=root), decode(files(root), 16, 1)


def test_choosing_images_reads_none_of_them(both, monkeypatch):
    stored, images = both
    mask, order = images[:, 0, 0, 0] > 100, torch.randperm(150, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr("lab_utils.data.on_disk.read_rows", None)
    chosen = [stored[5:50], stored[::3], stored[mask], stored[order][:7], stored.split(64)[1], stored[[4, 2]]]
    monkeypatch.undo()
    expected = [images[5:50], images[::3], images[mask], images[order][:7], images.split(64)[1], images[[4, 2]]]
    for left, right in zip(chosen, expected, strict=True):
        assert type(left) is OnDisk
        assert torch.equal(left, right)


def test_everything_else_gives_ordinary_tensors(both):
    stored, images = both
    at = torch.tensor([3, 149, 3])
    for compute in (
        lambda x: x.index_select(0, at),
        lambda x: x[-1],
        lambda x: x[3:9].float().mean(dim=1),
        lambda x: x.permute(0, 2, 3, 1)[:, 2],
        lambda x: torch.cat([x[:3], x[100:]]),
        lambda x: x.clone(),
    ):
        assert type(compute(stored)) is torch.Tensor
        assert torch.equal(compute(stored), compute(images))
    assert np.array_equal(stored.cpu().contiguous().numpy(), images.numpy())
    assert torch.equal(pickle.loads(pickle.dumps(stored)), images)
    assert torch.equal(copy.deepcopy(stored), images)
    assert (stored.shape, stored.numel(), stored.device, stored.dtype) == (
        images.shape,
        images.numel(),
        images.device,
        images.dtype,
    )
    with pytest.raises(RuntimeError, match="cannot be changed in place"):
        stored[0] = 3


def test_a_file_that_was_cut_short_while_in_use_is_an_error(both):
    stored, _ = both
    stored.file.write_bytes(b"short")
    with pytest.raises(OSError, match="cut short or replaced while it was in use"):
        read_rows(stored.file, stored.rows, (1, 16, 16))


def as_folder(root: Path) -> Path:
    for i, path in enumerate(files(root)):
        target = root / ("sick" if i % 2 else "well") / f"patient{i // 3}" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    (root / "sick" / "patient0" / "copy.png").write_bytes((root / "well" / "patient0" / "000.png").read_bytes())
    return root


def test_a_large_folder_is_the_same_split_as_a_small_one(root, monkeypatch):
    as_folder(root)
    with pytest.warns(UserWarning, match="with different labels"):
        small = load_folder(root, size=16)
    monkeypatch.setattr(pool, "LARGE", 1000)
    with pytest.warns(UserWarning, match="with different labels"):
        large = load_folder(root, size=16)
    assert all(type(split.images) is OnDisk for split in large.values())
    for part, split in small.items():
        assert torch.equal(split.images, large[part].images)
        assert torch.equal(split.labels, large[part].labels)
        assert split.notes == large[part].notes
    assert describe_duplicates(large) == describe_duplicates(small) != ""
    halves = split_by_patient(large["train"], (0.5, 0.5), seed=0)
    assert all(type(half.images) is OnDisk for half in halves)


def test_training_on_a_file_gives_the_weights_of_training_in_memory(root, monkeypatch, tmp_path):
    as_folder(root)
    monkeypatch.setattr(pool, "LARGE", 1000)
    with pytest.warns(UserWarning, match="with different labels"):
        train = load_folder(root, size=16)["train"]
    logits = []
    for split in (train, train.take(range(len(train)))):
        resident = (
            split
            if not logits
            else type(split)(split.images.clone(), split.labels, split.groups, split.task, split.class_names)
        )
        model = build_model("resnet10_w16", num_classes=2, seed=0)
        path = tmp_path / f"run{len(logits)}.pt"
        fit(model, resident, steps=7, batch_size=20, checkpoint=path, progress=False)
        logits.append(predict(model, resident))
    assert torch.equal(*logits)


def test_parts_of_a_small_set_stay_in_memory(root):
    found = decode_parts({"train": files(root)[:9], "val": files(root)[9:]}, 8, 1, root=root)
    assert [type(images) for images in found.values()] == [torch.Tensor, torch.Tensor]
    assert not (root.parent / "cache" / "pools").exists()
