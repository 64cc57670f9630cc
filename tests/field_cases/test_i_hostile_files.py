"""Kind I, security: what a hostile file of weights names is never imported, and its content has an end."""

import io
import struct
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from lab_utils.networks import build_model
from tests.refusals import refuses


def read(path: Path) -> nn.Module:
    return build_model("cbr_tiny", weights=path, num_classes=2, seed=0)


def pickled(*parts: bytes) -> bytes:
    """What torch.save writes, with such opcodes for the content."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("w/data.pkl", b"\x80\x02" + b"".join(parts) + b".")
        archive.writestr("w/version", b"3\n")
    return file.getvalue()


def text(word: str) -> bytes:
    return b"X" + struct.pack("<I", len(word)) + word.encode()


def network(name: bytes, *children: bytes, number: int) -> bytes:
    """A network under `number` with earlier ones in it, each by its number."""
    inside = b"".join(text(f"child{k}") + b"h" + child + b"s" for k, child in enumerate(children))
    parts = text("_parameters") + b"}s" + text("_buffers") + b"}s" + text("_modules") + b"}" + inside + b"s"
    return b"c" + name + b"\n)\x81q" + bytes([number]) + b"}" + parts + b"b"


HOSTILE = {
    "a module that is there": b"czz_imported\nRun\n" + text("x") + b"\x85R",
    "a gadget of torch": b"ctorch.hub\nload\n" + text("/tmp") + b"\x85R",
    "a class that is filled": b"cfoo\nBar\n)\x81" + text("a") + b"K\x01s",
    "a class that is changed": b"cfoo\nBar\n}" + text("state") + b"K\x01sb",
    "an object that is called": b"cfoo\nBar\n)\x81)R",
    "another class for an object": b"cfoo\nBar\n)\x81}" + text("__class__") + b"ctorch\nTensor\nsb",
    "a tensor of another class": b"ctorch._tensor\n_rebuild_from_type_v2\n(cfoo\nBar\ncfoo\nBar\n)}tR",
    "a storage that is none": text("anything") + b"Q",
    "a name that no class can have": b"cfoo\nB\0r\n)\x81",
    "a name in no alphabet": b"cfoo\nB\xe4r\n)\x81",
    "a key without end": b"})" + b"\x85" * 20_000 + b"K\x01s",
    "dictionaries in dictionaries": b"}" + (text("a") + b"}") * 20_000 + b"s" * 20_000,
    "one dictionary very often": b"}q\0"
    + b"".join(
        b"}q" + bytes([i]) + b"(" + b"".join(text(f"k{j}") + b"h" + bytes([i - 1]) for j in range(99)) + b"u"
        for i in range(1, 9)
    ),
    "a network in itself": network(b"foo\nNet", b"\0", b"\0", number=0),
    "a network wrapped in itself": network(b"foo\nNet", b"\0", number=0).replace(text("child0"), text("module")),
    "one network very often": network(b"foo\nNet", number=0)
    + b"".join(network(b"foo\nNet", *[bytes([i - 1])] * 2, number=i) for i in range(1, 49)),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_name_in_a_file_is_imported_and_none_keeps_the_reader_busy(tmp_path, monkeypatch, kind):
    (tmp_path / "zz_imported.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)  # type: ignore[no-untyped-call]
    (tmp_path / "w.pth").write_bytes(pickled(HOSTILE[kind]))
    refuses(r"Expected weights of .*w\.pth", read, tmp_path / "w.pth")
    assert "zz_imported" not in sys.modules


def test_a_file_that_grows_when_it_is_read_is_refused_before(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data.pkl", b"\x80\x02}.")
        archive.writestr("w/data/0", bytes(300 << 20))
    refuses(r"it would unpack to 0\.3 GB", read, tmp_path / "w.pth")
    state = build_model("cbr_tiny", num_classes=2, seed=0).state_dict()
    torch.save(state | {"head.weight": torch.zeros(1, 1).expand(1 << 22, 1 << 18)}, tmp_path / "w.pth")
    refuses(r"head.weight has 1,099,511,627,776 numbers by its shape", read, tmp_path / "w.pth")


def test_a_class_in_a_folder_of_the_name_of_a_python_module_is_no_attack(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(pickled(b"ccode.networks\nNet\n)\x81"))
    with pytest.raises(ValueError, match="there is none") as error:
        read(tmp_path / "w.pth")
    assert "could run code" not in str(error.value)
