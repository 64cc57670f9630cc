"""Kind E: orientation, depth, transparency, size, pages and colour of picture files."""

import os
import socket
import struct
import tarfile
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, ImageOps

from lab_utils.data import decode as decode_module
from lab_utils.data import load_folder
from lab_utils.data.decode import count_channels, decode, later_pages
from tests.field_cases.drawing import SHARED
from tests.refusals import refuses

GREY = np.add.outer(np.arange(0, 160, 10), np.arange(16)).astype(np.uint8)  # no two sides alike
COLOUR = np.stack([GREY, GREY // 2, 255 - GREY], axis=-1)


def grey_of(path: Path) -> np.ndarray:
    return decode([path], 16, 1)[0, 0].numpy()


def refused(path: Path, words: str) -> None:
    """Refused in one paragraph with the file's name, by both functions that look at pixels."""
    with pytest.raises(ValueError, match=words) as caught:
        decode([path], 16, 1)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    refuses(words, decode, [path], 16, 3)


def png(path: Path, pixels: np.ndarray, kind: int) -> Path:
    """A PNG as other programs write it, which Pillow cannot: kind is 0 grey, 2 RGB, 4 grey and alpha, 6 RGBA."""

    def chunk(name: bytes, content: bytes) -> bytes:
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    height, width = pixels.shape[:2]
    depth = 8 * pixels.dtype.itemsize
    rows = b"".join(b"\0" + row.astype(f">u{pixels.dtype.itemsize}").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def tiff(path: Path, pixels: np.ndarray, **options: object) -> Path:
    pytest.importorskip("tifffile").imwrite(path, pixels, **options)
    return path


# ---- orientation
def turned(path: Path, orientation: int, **options: object) -> Path:
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(GREY).save(path, exif=exif, **options)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "jpg"])
def test_pictures_of_every_orientation_come_upright(tmp_path, orientation, suffix):
    path = turned(
        tmp_path / f"x.{suffix}", orientation, **({"lossless": True} if suffix == "webp" else {"quality": 95})
    )
    stored = np.array(Image.open(turned(tmp_path / "plain.png", 1)))
    turns = {  # by hand: what the eight values of the standard mean
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.T,
        6: stored[::-1].T,
        7: stored[::-1, ::-1].T,
        8: stored.T[::-1],
    }
    assert np.abs(grey_of(path).astype(int) - turns[orientation]).max() <= (4 if suffix in ("jpg", "webp") else 0)


def test_a_large_jpeg_that_is_decoded_at_a_fraction_comes_upright_too(tmp_path):
    large = Image.fromarray(np.kron(GREY, np.ones((20, 12), np.uint8)))
    exif = Image.Exif()
    exif[274] = 6
    large.save(tmp_path / "x.jpg", exif=exif, quality=95)
    expected = ImageOps.exif_transpose(Image.open(tmp_path / "x.jpg")).resize((16, 16), Image.Resampling.BILINEAR)
    assert np.abs(grey_of(tmp_path / "x.jpg").astype(int) - np.array(expected)).max() <= 6


# ---- depth, colours and transparency
def saved(pixels, suffix="png", mode=None, **options):
    """How to save a picture by Pillow, in another mode if one is named."""

    def save(folder):
        picture = Image.fromarray(pixels)
        (picture.convert(mode) if mode else picture).save(folder / f"x.{suffix}", **options)
        return folder / f"x.{suffix}"

    return save


def with_alpha(pixels, alpha, suffix="png", **options):
    pixels = pixels.reshape(16, 16, -1)
    return saved(
        np.concatenate([pixels, np.full((16, 16, 1), 255, np.uint8) if alpha is None else alpha], axis=2),
        suffix,
        **options,
    )


def wide(kind, channels, depth=np.uint16):
    pixels = np.repeat(GREY[..., None].astype(depth) * (257 if depth == np.uint16 else 1), channels, axis=2)
    return lambda folder: png(folder / "x.png", pixels, kind)


def as_tiff(pixels, **options):
    return lambda folder: tiff(folder / "x.tif", pixels, **options)


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
BLOCKS = (b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"x" * 9)
READ = {  # how it was saved, and which levels it shows
    **{f"orientation {n}": (lambda f, n=n: turned(f / "x.png", n), GREY) for n in (0, 9, 65535)},  # which are none
    **{f"damaged EXIF {i}": (saved(GREY, "jpg", exif=block, quality=95), GREY) for i, block in enumerate(BLOCKS)},
    **{f"8 bits, kind {kind}": (wide(kind, n, np.uint8), GREY) for kind, n in ((0, 1), (2, 3))},
    **{f"two levels, {suffix}": (saved(GREY > 80, suffix), 255 * (GREY > 80)) for suffix in ("png", "tif", "bmp")},
    "white is zero": (as_tiff(255 - GREY, photometric="miniswhite"), GREY),
    "white is zero, packed": (as_tiff(255 - GREY, photometric="miniswhite", compression="zlib"), GREY),
    **{f"palette, {suffix}": (saved(GREY, suffix, "P"), GREY) for suffix in ("png", "gif")},
    "a transparent level that no pixel has": (saved(GREY, mode="P", transparency=255), GREY),
    "opaque grey": (with_alpha(GREY, None), GREY),
    "a colour profile": (saved(GREY, icc_profile=PROFILE), GREY),
}


@pytest.mark.parametrize("kind", READ)
def test_grey_levels_come_as_they_were_meant(tmp_path, kind):
    save, levels = READ[kind]
    path = save(tmp_path)
    assert np.abs(grey_of(path).astype(int) - levels).max() <= (4 if path.suffix == ".jpg" else 0)


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_is_not_inverted(tmp_path, suffix):
    shown = decode([saved(COLOUR, suffix, "CMYK", quality=95)(tmp_path)], 16, 3)[0].permute(1, 2, 0).numpy()
    assert np.abs(shown.astype(int) - COLOUR).mean() < 6


def test_a_transparency_that_hides_nothing_is_left_out(tmp_path):
    opaque = decode([with_alpha(COLOUR, None)(tmp_path)], 16, 3)
    assert torch.equal(opaque, decode([saved(COLOUR, "bmp")(tmp_path)], 16, 3))


def twelve_bits(folder):
    content = bytearray(saved(GREY, "jpg")(folder).read_bytes())
    content[content.index(b"\xff\xc0") + 4] = 12
    (folder / "x.jpg").write_bytes(content)
    return folder / "x.jpg"


def long_text(folder):
    """Text beside the pixels, more than Pillow reads; the picture is not damaged."""
    content = png(folder / "x.png", GREY, 0).read_bytes()
    text = b"zTXtxmp\0\0" + zlib.compress(bytes(3_000_000))
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    (folder / "x.png").write_bytes(content[:33] + chunk + content[33:])  # after the header
    return folder / "x.png"


RGB, FLAT = {"photometric": "rgb"}, {"photometric": "minisblack", "planarconfig": "contig"}
DEEP_TIFFS = [
    *((np.uint16, (16, 16), options) for options in ({}, {"photometric": "miniswhite"}, {"byteorder": ">"})),
    *((np.uint16, (16, 16, 3), RGB | options) for options in ({}, {"byteorder": ">"}, {"compression": "zlib"})),
    (np.uint16, (16, 16, 4), RGB | {"extrasamples": ["unassalpha"]}),
    *((kind, (16, 16), {}) for kind in (np.int16, np.uint32, np.int8, np.float32)),
]
OTHER_TIFFS = [
    (np.float64, (16, 16), {}),
    (np.float32, (16, 16, 3), RGB),
    (np.uint8, (16, 16, 5), FLAT),
    (np.uint8, (16, 16, 5), RGB | {"extrasamples": [0, 0]}),
    (np.uint8, (16, 16, 2), FLAT | {"extrasamples": [0]}),
    (np.uint8, (16, 16, 3), {"photometric": "cielab"}),
]
DEEP = "8-bit picture was expected.*same range for all"
ALPHA = np.full((16, 16, 1), 255, np.uint8)
ALPHA[3, 4] = 254
TRANSPARENT = {
    "RGBA": with_alpha(COLOUR, ALPHA),
    "RGBA, webp": with_alpha(COLOUR, 0 * ALPHA, "webp", lossless=True, exact=True),
    "RGBA, tif": with_alpha(COLOUR, ALPHA, "tif"),
    "LA": with_alpha(GREY, ALPHA),
    "a key": saved(GREY, transparency=10),
    "a key of colours": saved(COLOUR, transparency=tuple(COLOUR[3, 3].tolist())),
    **{f"a palette, {suffix}": saved(GREY, suffix, "P", transparency=10) for suffix in ("png", "gif")},
}
REFUSED = {
    **{f"16 bits, kind {kind}": (wide(kind, n), DEEP) for kind, n in ((0, 1), (2, 3), (4, 2), (6, 4))},
    **{f"deep tiff {i}": (as_tiff(np.full(t[1], 100, t[0]), **t[2]), DEEP) for i, t in enumerate(DEEP_TIFFS)},
    **{f"other tiff {i}": (as_tiff(np.zeros(t[1], t[0]), **t[2]), "expected") for i, t in enumerate(OTHER_TIFFS)},
    "12-bit JPEG": (twelve_bits, "8-bit picture was expected; this JPEG has 12 bits"),
    **{name: (save, "hides nothing was expected; .*%.* transparent.*same b") for name, save in TRANSPARENT.items()},
    "long text": (long_text, "more than Pillow reads .*without metadata, or raise PIL.PngImagePlugin.MAX_TEXT_CHUNK"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_pictures_that_cannot_be_shown_rightly_are_refused(tmp_path, kind):
    save, words = REFUSED[kind]
    refused(save(tmp_path), words)


def test_one_colour_picture_anywhere_makes_the_set_colour(tmp_path):
    for i in range(100):
        Image.fromarray(COLOUR if i == 61 else np.stack([GREY] * 3, axis=-1)).save(tmp_path / f"{i}.png")
    paths = [tmp_path / f"{i}.png" for i in range(100)]
    assert count_channels(paths) == 3
    assert count_channels(paths[:61] + paths[62:]) == 1


def test_grey_written_as_colour_jpeg_or_rgba_is_grey_and_a_small_coloured_part_is_colour(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    Image.fromarray(np.stack([noise] * 3, axis=-1)).save(tmp_path / "grey.jpg", quality=40)
    Image.fromarray(np.stack([noise] * 3 + [0 * noise + 255], axis=-1)).save(tmp_path / "grey.png")
    doppler = np.stack([noise] * 3, axis=-1)
    doppler[:8, :8] = (250, 0, 0)
    Image.fromarray(doppler).save(tmp_path / "doppler.png")
    assert count_channels([tmp_path / "grey.jpg", tmp_path / "grey.png"]) == 1
    assert count_channels([tmp_path / "grey.jpg", tmp_path / "doppler.png"]) == 3


# ---- size and pages
def test_a_picture_beyond_the_limit_is_called_too_large_and_the_limit_can_be_raised(tmp_path, monkeypatch):
    Image.new("1", (20_000, 10_000)).save(tmp_path / "x.png")  # 200 megapixels in 25 kB
    refused(tmp_path / "x.png", r"at most 178,956,970 pixels.*200000000 pixels.*MAX_IMAGE_PIXELS = 89,478,485")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    refused(turned(tmp_path / "small.png", 1), "at most 200 pixels")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)  # Pillow warns of such a picture, the kit reads it
    assert (grey_of(tmp_path / "small.png") == GREY).all()
    assert count_channels([tmp_path / "small.png"]) == 1
    assert later_pages([tmp_path / "small.png"]) == {}


@pytest.mark.parametrize("shape", [(1, 50), (50, 1), (1, 1), (3, 2000)])
def test_thin_pictures_are_squeezed_like_others(tmp_path, shape):
    Image.fromarray(np.full(shape, 77, np.uint8)).save(tmp_path / "x.png")
    assert (grey_of(tmp_path / "x.png") == 77).all()


def test_later_pages_and_frames_are_counted_and_previews_are_none(tmp_path):
    first, others = Image.fromarray(GREY), [Image.fromarray(255 - GREY), Image.fromarray(GREY // 2)]
    for suffix in ("tif", "png", "gif", "webp"):
        first.save(tmp_path / f"x.{suffix}", save_all=True, append_images=others, lossless=True)
    first.save(tmp_path / "x.jpg", format="MPO", save_all=True, append_images=others)
    first.save(tmp_path / "single.tif")
    paths = sorted(path for path in tmp_path.iterdir() if path.is_file())
    found = later_pages(paths)
    assert {path.name: count for path, count in found.items()} == {f"x.{s}": 2 for s in ("tif", "png", "gif", "webp")}
    assert later_pages(paths) == found  # from the cache
    for path in found:
        assert np.abs(grey_of(path).astype(int) - GREY).max() <= 1


# ---- files that are none
def not_there(folder: Path) -> Path:
    (folder / "x.png").symlink_to(folder / "moved.png")
    return folder / "x.png"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "x.png")
    return folder / "x.png"


def device(folder: Path) -> Path:
    (folder / "x.png").symlink_to("/dev/zero")
    return folder / "x.png"


def plug(folder: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(folder)  # names of sockets are short
        server.bind("x.png")
        os.chdir(here)
    return folder / "x.png"


def holding(content: bytes):
    def make(folder: Path) -> Path:
        (folder / "x.png").write_bytes(content)
        return folder / "x.png"

    return make


def folder_of_that_name(folder: Path) -> Path:
    (folder / "x.png").mkdir()
    return folder / "x.png"


@pytest.mark.skipif(os.name == "nt", reason="no pipes and devices with names")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (pipe, "a pipe, socket or device"),
        (device, "a pipe, socket or device"),
        (plug, "a pipe, socket or device"),
        (not_there, "a link to nothing"),
        (lambda folder: folder / "x.png", "not there"),
        (folder_of_that_name, "it is a folder"),
        (holding(b""), "the file is empty"),
        (holding(b"<!DOCTYPE html><html>Not found</html>"), "a text that begins '<!DOCTYPE html>"),
        (holding("Größe;1\n".encode()), "a text that begins 'Größe"),
        (holding(bytes(128) + b"DICM" + bytes(100)), "a DICOM file .*was expected"),
        (holding(b"\x89PNG\r\n\x1a\n" + bytes(50)), "whole picture was expected"),
        (holding(b"II*\0" + bytes(50)), "TIFF"),
        (holding(bytes(range(7, 256))), "no picture"),
        (holding(b"P5 2 2 65535\n" + bytes(8)), "this is a PPM file"),
        (holding(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50)), "this is a HEIC or AVIF picture.*Save it as PNG"),
    ],
)
def test_what_is_no_picture_is_refused_by_name_and_never_waited_for(tmp_path, make, words):
    path = make(tmp_path)
    refused(path, words)
    for look in (count_channels, later_pages):
        if look is count_channels or not ("PPM" in words or "DICOM" in words):
            refuses(words, look, [path])


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "the file is empty"), (b"<html>404", "this is a text that begins '<html>404'"), (None, "are copies of 1")],
)
def test_a_set_of_which_every_file_is_the_same_is_called_so_and_not_too_small(tmp_path, content, words):
    for name in ("normal", "sick"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for k in range(10):
            path = tmp_path / "set" / name / f"person{name}{k}_1.png"
            path.write_bytes(content) if content is not None else Image.fromarray(GREY).save(path)
    refuses(words, load_folder, tmp_path / "set", size=16, patient="unknown")


@pytest.mark.parametrize("coloured", ["train", "val", "test"])
def test_colour_in_any_part_is_read_as_colour_and_said_if_the_training_had_none(tmp_path, coloured, recwarn):
    for part in ("train", "val", "test"):
        for name in ("normal", "sick"):
            (tmp_path / "set" / part / name).mkdir(parents=True)
            for k in range(3):
                pixels = np.roll(COLOUR if part == coloured else GREY, k + 3 * len(part) + len(name), axis=0)
                Image.fromarray(pixels).save(tmp_path / "set" / part / name / f"{part}{k}.png")
    splits = load_folder(tmp_path / "set", size=16, patient="unknown")
    assert {split.in_channels for split in splits.values()} == {3}
    said = f"All pictures of train are grey, and some of {coloured} have colour"
    assert any(said in note for note in splits["test"].notes) == (coloured != "train")
    assert any(said in str(warning.message) for warning in recwarn) == (coloured != "train")
    assert load_folder(tmp_path / "set", size=16, patient="unknown", channels=1)["test"].in_channels == 1


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    path = turned(tmp_path / "x.png", 1)

    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)  # a test that runs as root may read everything
    refused(path, "you may not read this file")


@pytest.mark.skipif(not SHARED.exists(), reason="the real files are not here")
def test_a_real_dicom_with_the_suffix_of_a_picture_is_read_as_what_it_is(tmp_path):
    real = SHARED / "dicom" / "chest_monochrome2_jpeg.dcm"
    (tmp_path / "x.png").symlink_to(real)
    assert (decode([tmp_path / "x.png"], 32, 1) == decode([real], 32, 1)).all()


@pytest.mark.skipif(not SHARED.exists(), reason="the real files are not here")
def test_real_nih_pngs_with_an_opaque_alpha_channel_are_read_as_grey(tmp_path):
    with tarfile.open(SHARED / "nih" / "NIH1000.tar.gz") as archive:
        members = [member for member in archive.getmembers() if member.name.endswith(".png")]
        archive.extractall(tmp_path, members[:200], filter="data")
    paths = sorted(tmp_path.rglob("*.png"))
    modes = []
    for path in paths:
        with Image.open(path) as picture:
            modes.append(picture.mode)
    assert modes.count("RGBA") >= 1
    assert count_channels(paths) == 1
    images = decode(paths, 64, 1)[:, 0].numpy()
    with_alpha = modes.index("RGBA")
    with Image.open(paths[with_alpha]) as picture:
        expected = np.array(picture.convert("RGB").convert("L"))
    assert (images[with_alpha] == expected).all()


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp", "gif"])
def test_damaged_files_are_read_or_refused_by_name_and_raise_nothing_else(tmp_path, suffix):
    Image.fromarray(COLOUR).save(tmp_path / f"whole.{suffix}")
    whole = (tmp_path / f"whole.{suffix}").read_bytes()
    rng = np.random.default_rng(0)
    for trial in range(60):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        path = tmp_path / f"{trial}.{suffix}"
        path.write_bytes(damaged[: rng.integers(1, len(damaged))] if trial % 3 == 0 else damaged)
        try:
            assert decode([path], 16, 3).shape == (1, 3, 16, 16)
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017


# ---- the cache
def test_pictures_decoded_by_older_rules_are_decoded_again(tmp_path, monkeypatch, cache):
    path = turned(tmp_path / "x.png", 3)
    monkeypatch.setattr(decode_module, "RULES", 1)
    monkeypatch.setattr(decode_module, "read_picture", lambda path, size, channels: GREY[None])  # as before: not turned
    assert (grey_of(path) == GREY).all()
    monkeypatch.undo()
    monkeypatch.setenv("LAB_CACHE", str(cache.parent))
    assert (grey_of(path) == GREY[::-1, ::-1]).all()
    assert len(list(cache.iterdir())) == 2


def test_reading_leaves_the_filters_of_warnings_as_they_were(tmp_path):
    before = list(warnings.filters)
    Image.fromarray(COLOUR).save(tmp_path / "x.png")
    assert count_channels([tmp_path / "x.png"] * 50) == 3
    assert warnings.filters == before


@pytest.mark.parametrize("size", [0, -3, 2.5, "64", True, None, 16.0])
def test_odd_sizes_are_refused_in_words(tmp_path, size):
    refuses("a side in pixels, a whole number", decode, [turned(tmp_path / "x.png", 1)], size, 1)
