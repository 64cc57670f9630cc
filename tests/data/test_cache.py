import errno
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from lab_utils.data.cache import Unreadable, cached_tensors, read_tensors, write_tensors

TENSORS = {
    "images": torch.arange(2 * 1 * 5 * 7, dtype=torch.uint8).view(2, 1, 5, 7),
    "labels": torch.tensor([[0.0, 1.0, -1.0], [1.0, 0.0, 0.5]]),
    "groups": torch.tensor([7, 2**40]),
}


def never() -> dict[str, torch.Tensor]:
    raise AssertionError("the file should have been used")


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_what_is_written_is_read(tmp_path):
    write_tensors(tmp_path / "new" / "set.bin", TENSORS, key="k")
    found = read_tensors(tmp_path / "new" / "set.bin", key="k")
    assert same(found, TENSORS)
    assert {name: tensor.dtype for name, tensor in found.items()} == {
        name: tensor.dtype for name, tensor in TENSORS.items()
    }


def test_tensors_from_a_file_can_be_changed_without_changing_the_file(tmp_path):
    write_tensors(tmp_path / "set.bin", TENSORS)
    read_tensors(tmp_path / "set.bin")["labels"][:] = 9
    assert same(read_tensors(tmp_path / "set.bin"), TENSORS)


def test_second_call_reads_the_file(tmp_path):
    assert same(cached_tensors(tmp_path / "set.bin", lambda: TENSORS), TENSORS)
    assert same(cached_tensors(tmp_path / "set.bin", never), TENSORS)


def test_a_file_cut_anywhere_is_rebuilt_not_read(tmp_path):
    path = tmp_path / "set.bin"
    write_tensors(path, TENSORS)
    whole = path.read_bytes()
    for length in (0, 1, 11, 12, 40, 51, 52, 60, 200, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(Unreadable):
            read_tensors(path)
        assert same(cached_tensors(path, lambda: TENSORS), TENSORS)
        assert path.read_bytes() == whole


@pytest.mark.parametrize("place", [0, 15, 46, 55, 80, -70, -1])
def test_one_changed_byte_is_noticed(tmp_path, place):
    path = tmp_path / "set.bin"
    write_tensors(path, TENSORS)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(Unreadable):
        read_tensors(path)


def test_a_longer_file_is_not_read(tmp_path):
    path = tmp_path / "set.bin"
    write_tensors(path, TENSORS)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(Unreadable):
        read_tensors(path)


def test_a_file_made_for_another_key_is_rebuilt(tmp_path):
    path = tmp_path / "set.bin"
    write_tensors(path, TENSORS, key="version 1")
    other = {"images": torch.zeros(3)}
    assert same(cached_tensors(path, lambda: other, key="version 2"), other)
    assert same(read_tensors(path, key="version 2"), other)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "set.bin"
    write_tensors(path, TENSORS)

    def disk_full(source: object, target: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", disk_full)
    with pytest.raises(OSError, match="No space"):
        write_tensors(path, {"images": torch.zeros(3)})
    assert os.listdir(tmp_path) == ["set.bin"]
    assert same(read_tensors(path), TENSORS)


def test_a_folder_that_cannot_be_written_is_a_note_unless_it_was_asked_for(tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    path = blocked / "set.bin"
    assert same(cached_tensors(path, lambda: TENSORS), TENSORS)
    printed = capsys.readouterr().out
    assert str(path) in printed
    assert "LAB_CACHE" in printed
    with pytest.raises(OSError, match=r"should be written but could not.*LAB_CACHE"):
        cached_tensors(path, lambda: TENSORS, required=True)


def test_several_writers_of_one_file_never_show_half_of_it(tmp_path):
    path = tmp_path / "set.bin"
    write_tensors(path, {"images": torch.full((50_000,), 0)})

    def write_often(value: int) -> None:
        for _ in range(30):
            write_tensors(path, {"images": torch.full((50_000,), value)})

    # Threads, not processes, only because they start at once: what a reader may see is the same.
    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write_often, value) for value in (1, 2)]
        while not all(writer.done() for writer in writers):
            assert read_tensors(path)["images"].unique().numel() == 1
        for writer in writers:
            writer.result()
    assert os.listdir(tmp_path) == ["set.bin"]
