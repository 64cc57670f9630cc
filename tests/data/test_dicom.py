"""DICOM files as a screen shows them; values by hand, and by pydicom's own window."""

import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lab_utils.data import dicom, load_folder
from lab_utils.data.decode import count_channels, decode
from lab_utils.data.picture import read_picture
from tests.data import trees

pydicom = pytest.importorskip("pydicom")

SHARED = Path(os.environ.get("LAB_SHARED_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "dicom"
RAMP = np.array([[0, 1000], [2000, 4095]], np.uint16)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))


def shown(path: Path) -> list[list[int]]:
    return np.asarray(dicom.read_dicom(path)).tolist()


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({}, [[0, 62], [125, 255]]),  # 1000 / 4095 * 255 = 62.27
        ({"kind": "MONOCHROME1"}, [[255, 193], [130, 0]]),
        ({"bits": 16}, [[0, 4], [8, 16]]),  # of 65,535
        ({"WindowCenter": 1000, "WindowWidth": 2001}, [[0, 128], [255, 255]]),  # (1000 - 999.5) / 2000 + .5
        ({"WindowCenter": [1000, 9], "WindowWidth": [2001, 9]}, [[0, 128], [255, 255]]),  # the first of two
        ({"WindowCenter": 1000, "WindowWidth": 2001, "kind": "MONOCHROME1"}, [[255, 127], [0, 0]]),
        ({"WindowCenter": 1000, "WindowWidth": 1}, [[0, 255], [255, 255]]),
        ({"WindowCenter": 1000, "WindowWidth": 2000, "VOILUTFunction": "LINEAR_EXACT"}, [[0, 128], [255, 255]]),
        ({"WindowCenter": 1000, "WindowWidth": 2000, "VOILUTFunction": "SIGMOID"}, [[30, 128], [225, 254]]),
        ({"RescaleSlope": 2, "RescaleIntercept": -1000}, [[0, 62], [125, 255]]),  # -1000 ... 7190 is the range
        (
            {"RescaleSlope": 2, "RescaleIntercept": -1000, "WindowCenter": 1000, "WindowWidth": 2001},
            [[0, 128], [255, 255]],  # of -1000, 1000, 3000, 7190
        ),
    ],
)
def test_the_rules_from_stored_values_to_grey_levels(tmp_path, elements, expected):
    assert shown(trees.dicom(tmp_path / "x.dcm", RAMP, **{"bits": 12} | elements)) == expected


def test_eight_bits_stay_as_they_are_and_signed_ones_begin_at_black(tmp_path):
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert (np.asarray(dicom.read_dicom(trees.dicom(tmp_path / "x.dcm", levels))) == levels).all()
    signed = np.array([[-2048, 0], [1024, 2047]], np.int16)
    assert shown(trees.dicom(tmp_path / "y.dcm", signed, bits=12)) == [[0, 128], [191, 255]]


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_are_those_of_pydicom(tmp_path, function):
    values = np.random.default_rng(0).integers(0, 4096, (40, 50), np.uint16)
    window = {"WindowCenter": 1234, "WindowWidth": 1777, "VOILUTFunction": function}
    path = trees.dicom(tmp_path / "x.dcm", values, bits=12, **window)
    reference = pydicom.pixels.apply_windowing(values, pydicom.dcmread(path)) / 4095 * 255
    assert np.abs(np.asarray(dicom.read_dicom(path)) - reference).max() <= 0.5 + 1e-9


def test_a_table_of_display_levels_is_used_where_there_is_no_window(tmp_path):
    levels = pydicom.Dataset()
    levels.LUTDescriptor = [4, 0, 8]
    levels.add_new("LUTData", "US", [200, 100, 50, 0])
    values = np.array([[0, 1], [2, 9]], np.uint16)
    path = trees.dicom(tmp_path / "x.dcm", values, bits=12, VOILUTSequence=[levels])
    assert shown(path) == [[200, 100], [50, 0]]


def test_colour_is_taken_as_it_is(tmp_path):
    colour = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    path = trees.dicom(tmp_path / "x.dcm", colour, kind="RGB")
    assert (np.asarray(dicom.read_dicom(path)) == colour).all()
    grey = trees.dicom(tmp_path / "y.dcm", RAMP, bits=12)
    assert [count_channels([one]) for one in (path, grey)] == [3, 1]


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ({"NumberOfFrames": 3}, r"x\.dcm: a DICOM file of one picture was expected; this one has 3 frames"),
        ({"kind": "PALETTE COLOR"}, "holds PALETTE COLOR of 12 bits"),
        ({"WindowCenter": 1, "WindowWidth": -4}, "a window .* has LINEAR of width -4"),
    ],
)
def test_what_would_have_to_be_guessed_is_refused_in_words(tmp_path, elements, words):
    path = trees.dicom(tmp_path / "x.dcm", RAMP, **{"bits": 12} | elements)
    with pytest.raises(ValueError, match=words):
        decode([path], 8, 1)


def test_files_without_a_picture_or_cut_short_are_refused_in_words(tmp_path):
    path = trees.dicom(tmp_path / "x.dcm", RAMP, bits=12, Modality="SR")
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])
    with pytest.raises(ValueError, match=r"this one cannot be decoded .* cut short"):
        decode([path], 8, 1)
    file = pydicom.dcmread(trees.dicom(path, RAMP, bits=12, Modality="SR"))
    del file.PixelData
    file.save_as(path)
    with pytest.raises(ValueError, match=r"this one \(SR\) holds none"):
        decode([path], 8, 1)


@pytest.mark.parametrize("syntax", ["JPEG2000Lossless", "RLELossless"])
def test_compressed_files_are_what_they_were_before(tmp_path, syntax):
    values = np.random.default_rng(0).integers(0, 4096, (64, 64), np.uint16)
    path = trees.dicom(tmp_path / "x.dcm", values, bits=12)
    plain = shown(path)
    file = pydicom.dcmread(path)
    file.compress(getattr(pydicom.uid, syntax))
    file.save_as(path)
    assert shown(path) == plain


def test_pixels_without_a_decoder_and_a_missing_package_name_what_to_install(tmp_path, monkeypatch):
    path = trees.dicom(tmp_path / "x.dcm", RAMP, bits=12)
    file = pydicom.dcmread(path)
    file.compress(pydicom.uid.RLELossless)
    file.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLosslessSV1
    file.save_as(path)
    with pytest.raises(ValueError, match=r"these are JPEG Lossless.*which needs one of: .*pylibjpeg"):
        decode([path], 8, 1)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    for look in (lambda: decode([path], 8, 1), lambda: count_channels([path])):
        with pytest.raises(ImportError, match=re.escape(f"x.dcm, got: {'import of'}")) as caught:
            look()
        assert str(caught.value).endswith(f"Run: {dicom.PIP}")


def test_dicom_files_in_class_folders_are_read_like_pngs(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(20):
        levels = rng.integers(0, 256, (16, 16), np.uint8)
        trees.dicom(tmp_path / "dicom" / ("well", "sick")[i % 2] / f"{i:02}.dcm", levels)
        (tmp_path / "png" / ("well", "sick")[i % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(levels).save(tmp_path / "png" / ("well", "sick")[i % 2] / f"{i:02}.png")
    one, other = (load_folder(tmp_path / kind, size=16, patient="unknown") for kind in ("dicom", "png"))
    assert all((one[part].images == other[part].images).all() for part in one)


def test_inverted_files_that_say_so_look_the_same_on_the_screen(tmp_path):
    levels = np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)
    plain = read_picture(trees.dicom(tmp_path / "x.dcm", levels), 40, 1)
    assert (read_picture(trees.dicom(tmp_path / "y.dcm", 255 - levels, kind="MONOCHROME1"), 40, 1) == plain).all()


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real files")
def test_a_real_radiograph_and_its_copy_that_is_only_flagged_monochrome1_are_negatives_of_each_other():
    """Both hold the same bytes, so the flag alone decides."""
    files = [SHARED / f"chest_monochrome{kind}_jpeg.dcm" for kind in (1, 2)]
    first, second = (pydicom.dcmread(file) for file in files)
    assert first.PixelData == second.PixelData
    one, two = (np.asarray(dicom.read_dicom(file)) for file in files)
    assert one.shape == (1024, 1024)
    assert (one == 255 - two).all()
    assert (two == first.pixel_array).all()
