import numpy as np
import pytest
import torch
from PIL import Image

from lab_utils.data import decode as decode_module
from lab_utils.data.decode import count_channels, decode, later_pages


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def paths(tmp_path):
    found = [tmp_path / f"{i}.png" for i in range(7)]
    for i, path in enumerate(found):
        Image.fromarray(np.full((5 + i, 9), 10 * i, np.uint8)).save(path)
    return found


def test_pictures_come_in_the_order_of_the_files(paths):
    images = decode(paths[::-1], 6, 3)
    assert images.shape == (7, 3, 6, 6)
    assert images[:, 2, 5, 5].tolist() == [60, 50, 40, 30, 20, 10, 0]


def test_resizing_is_the_antialiased_one_of_pillow(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (50, 40), np.uint8)
    Image.fromarray(noise).save(tmp_path / "x.png")
    expected = np.array(Image.fromarray(noise).resize((16, 16), Image.Resampling.BILINEAR))
    assert (decode([tmp_path / "x.png"], 16, 1)[0, 0].numpy() == expected).all()


def test_what_was_found_once_is_not_looked_for_again(paths, monkeypatch):
    first = decode(paths, 6, 1), count_channels(paths), later_pages(paths)

    def never(*args: object) -> None:
        raise AssertionError("the cache should have been used")

    for name in ("read_picture", "looks_grey", "count_pages"):
        monkeypatch.setattr(decode_module, name, never)
    assert torch.equal(decode(paths, 6, 1), first[0])
    assert (count_channels(paths), later_pages(paths)) == first[1:]


def test_a_damaged_picture_among_grey_ones_loses_no_look_but_those_of_its_batch(paths, monkeypatch):
    monkeypatch.setattr(decode_module, "BATCH", 2)
    seen: list[str] = []
    look = decode_module.looks_grey
    monkeypatch.setattr(decode_module, "looks_grey", lambda path: (seen.append(path.name), look(path))[1])
    whole = paths[5].read_bytes()
    paths[5].write_bytes(b"junk" * 9)
    with pytest.raises(ValueError, match=r"5\.png: a picture was expected"):
        count_channels(paths)
    paths[5].write_bytes(whole)
    seen.clear()
    assert count_channels(paths) == 1
    assert sorted(seen) == ["4.png", "5.png", "6.png"]
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (9, 9, 3), np.uint8)).save(paths[6])
    assert count_channels(paths) == 3


def test_no_files_are_no_pictures():
    assert decode([], 6, 1).shape == (0, 1, 6, 6)
    assert count_channels([]) == 1
    assert later_pages([]) == {}


@pytest.mark.parametrize("channels", [0, 2, 4, None])
def test_other_numbers_of_channels_are_refused(paths, channels):
    with pytest.raises(ValueError, match="channels must be 1 for grey or 3 for colour; got"):
        decode(paths, 6, channels)
