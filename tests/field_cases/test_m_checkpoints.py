"""Kind M, checkpoints: odd, damaged and hostile files are noticed, named, and never hang."""

import json
import os
import random
import signal
import socket
import struct
import sys
import zipfile

import pytest
import torch

from lab_utils.training import fine_tune, fit, load_checkpoint, save_checkpoint
from tests.refusals import refuses
from tests.tiny import LinearNet, TinyNet, assert_same, state_of, tiny_split

QUIET = {"progress": False, "device": "cpu", "batch_size": 8, "precision": "fp32", "steps": 2}
unix = pytest.mark.skipif(sys.platform == "win32", reason="has no such files")


def run(path, model=None):
    model = LinearNet() if model is None else model
    fit(model, tiny_split(16), checkpoint=path, **QUIET)
    return model


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.pt"


@pytest.fixture
def written(path):
    """A whole checkpoint, and its settings."""
    run(path)
    return json.loads(torch.load(path, weights_only=True)["settings"])


@pytest.fixture(autouse=True)
def no_hanging():
    """Stop a test that waits for a pipe or reads a device for ever."""
    if hasattr(signal, "SIGALRM"):
        signal.alarm(60)
    yield
    if hasattr(signal, "SIGALRM"):
        signal.alarm(0)


def refusal(path):
    with pytest.raises(ValueError, match=path.name) as caught:
        run(path)
    text = str(caught.value)
    assert "\n" not in text
    assert 60 < len(text) < 900
    for advice in ("weights_only", "trust", "safe_globals", "allowlist"):
        assert advice not in text
    return text


# ---- damaged
def test_a_flipped_bit_in_any_byte_is_noticed(path, written):
    content = path.read_bytes()
    assert load_checkpoint(path, written)
    draws = random.Random(0)
    # in some of all bytes, and in all of the end, where the zip file keeps its table and the seal is
    for place in [*range(0, len(content) - 300, 41), *range(len(content) - 300, len(content))]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << draws.randrange(8)
        path.write_bytes(damaged)
        refuses("should be a checkpoint", load_checkpoint, path, written)


def test_every_bit_of_one_weight_is_noticed_and_the_error_says_damaged(path, written):
    content = path.read_bytes()
    weight = torch.load(path, weights_only=True)["state"]["model"]["head.weight"]
    place = content.index(weight.numpy().tobytes())
    for bit in range(32):
        damaged = bytearray(content)
        damaged[place + bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        assert "is damaged: it can not be read, as its checksum does not fit its content" in refusal(path)


def test_a_file_cut_short_or_made_longer_anywhere_is_noticed(path, written):
    content = path.read_bytes()
    for size in (1, 3, 30, len(content) // 2, len(content) - 94, len(content) - 64, len(content) - 1):
        path.write_bytes(content[:size])
        assert "can not be read" in refusal(path)
    for more in (b"x", bytes(70_000), content):
        path.write_bytes(content + more if more is not content else content[:-1] + content)
        refuses("should be a checkpoint", load_checkpoint, path, written)


def test_a_file_rewritten_by_another_program_is_not_trusted(path, written):
    torch.save(torch.load(path, weights_only=True), path)
    assert "its checksum is missing" in refusal(path)


def test_a_whole_file_still_opens_with_pytorch_and_as_a_zip(path, written):
    content = torch.load(path, weights_only=True)
    assert set(content) == {"format", "settings", "state"}
    assert_same(content["state"]["model"], state_of(run(path)))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.comment.startswith(b"lab_utils checkpoint, SHA-256 ")


# ---- no files at all
@unix
def test_a_pipe_a_socket_a_device_and_a_folder_are_named_and_do_not_hang(path, tmp_path):
    os.mkfifo(path)
    assert "is a device, a pipe or a socket" in refusal(path)
    for device in ("/dev/zero", "/dev/null"):
        link = tmp_path / f"{device[5:]}.pt"
        link.symlink_to(device)
        assert "is a device, a pipe or a socket" in refusal(link)
    with socket.socket(socket.AF_UNIX) as server:
        before = os.getcwd()
        os.chdir(tmp_path)  # names of sockets are short
        try:
            server.bind("socket.pt")
        finally:
            os.chdir(before)
        assert "is a device, a pipe or a socket" in refusal(tmp_path / "socket.pt")
    (tmp_path / "folder.pt").mkdir()
    assert "is a folder" in refusal(tmp_path / "folder.pt")
    with pytest.raises(ValueError, match="is a folder"):
        fine_tune(TinyNet(), tiny_split(16), head_steps=1, checkpoint=tmp_path / "folder.pt", **QUIET)


@unix
@pytest.mark.parametrize("start", [b"", b"PK\x03\x04", b"\x80\x02"])
def test_a_huge_file_of_another_kind_is_not_read_through(path, start):
    with path.open("wb") as file:
        file.write(start)
        file.truncate(1 << 38)  # 256 GiB of nothing, which take no space
    assert "can not be read" in refusal(path)


@pytest.mark.parametrize("given", [3, True, ["run.pt"], b"run.pt"])
def test_a_checkpoint_that_is_no_path_is_refused(given):
    refuses(r"checkpoint to be a path, such as checkpoint='run\.pt', or None, got", run, given)


# ---- other files
class Hostile:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_that_would_run_code_is_refused_and_does_not(path, tmp_path):
    torch.save({"format": 2, "settings": "{}", "state": Hostile(tmp_path / "ran")}, path)
    text = refusal(path)
    assert "holds other Python objects" in text
    assert "is refused: to load it may run code" in text
    assert not (tmp_path / "ran").exists()


def test_an_old_pickle_that_is_no_zip_is_refused_unread(path, tmp_path):
    torch.save(Hostile(tmp_path / "ran"), path, _use_new_zipfile_serialization=False)
    assert "it is of another kind" in refusal(path)
    assert not (tmp_path / "ran").exists()


SOMETHING = "holds something else that PyTorch has saved"
OTHER = {
    "a whole network": (TinyNet, "such as a whole network, and is refused: to load it may run code"),
    "weights": (
        lambda: LinearNet().state_dict(),
        "holds the weights of a network and no state of a training; load it with build_model",
    ),
    "a table": (lambda: {"loss": [1.0, 2.0]}, SOMETHING),
    "a list": (lambda: [torch.ones(2)], SOMETHING),
    "a tensor": (lambda: torch.ones(2), SOMETHING),
    "nothing": (dict, SOMETHING),
    **{
        f"format {n}": (
            lambda n=n: {"format": n, "settings": "{}", "state": {}},
            "written by another version of this pa",
        )
        for n in (1, 3, 99)
    },
    "no bytes": (b"", "it is empty"),
    "text": (b"step,loss\n1,0.5\n", "it is of another kind"),
    "safetensors": (struct.pack("<Q", 2) + b"{}", "it is of another kind"),
    "half a zip": (b"PK\x03\x04 and nothing more", "it was cut short, or is of another kind"),
}


@pytest.mark.parametrize("kind", OTHER)
def test_files_of_other_kinds_are_told_apart(path, kind):
    content, words = OTHER[kind]
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content(), path)
    assert words in refusal(path)


# ---- whole files with something missing
def test_each_missing_part_of_the_state_is_named(path, written):
    state = torch.load(path, weights_only=True)["state"]
    assert len(state) == 15
    for name in state:
        save_checkpoint(path, {key: part for key, part in state.items() if key != name}, written)
        assert f"should hold the state of a training, but lacks {name}:" in refusal(path)


@pytest.mark.parametrize("part", ["model", "optimizer", "schedule", "history", "rng"])
def test_a_part_that_lacks_something_or_is_none_is_refused_in_words(path, written, part):
    state = torch.load(path, weights_only=True)["state"]
    for spoilt in (dict(list(state[part].items())[1:]), {"nonsense": 1}, 3):
        if part == "history" and isinstance(spoilt, dict) and "nonsense" not in spoilt:
            continue  # each of its fields has a default
        save_checkpoint(path, state | {part: spoilt}, written)
        text = refusal(path)
        assert "should hold the state of this training, but it does not fit" in text


def test_a_refused_file_is_left_as_it_was(path, written):
    run(path)
    before = path.read_bytes()
    refuses("another run", run, path, TinyNet())
    assert path.read_bytes() == before
