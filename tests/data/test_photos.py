"""Patches of photographs: which cells, which patches, and that a set is the beginning of a larger one."""

import numpy as np
import pytest

from lab_utils.data import cells, make_photos, photos
from lab_utils.data.photos import photographs


def test_photographs_are_grey_and_in_range() -> None:
    shapes = [tuple(picture.shape) for picture in photographs(False)]
    assert shapes == [(1, 1, 427, 640), (1, 1, 427, 640), (1, 1, 600, 512)]
    assert all(0 <= float(p.min()) < 0.2 and 0.7 < float(p.max()) <= 1 for p in photographs(False))


def test_empty_sky_is_no_category_and_the_temple_is() -> None:
    found = {tuple(cell) for cell in cells().tolist()}
    assert (0, 0, 4) not in found  # sky in the upper right corner of the first photograph
    assert (0, 2, 1) in found  # the roof of the temple
    assert len(found) == len(cells()) > 40


def test_a_smaller_set_is_the_beginning_of_a_larger_one() -> None:
    small, labels = make_photos(30, size=16, seed=2)
    large, more = make_photos(130, size=16, seed=2)
    assert np.array_equal(large[:30], small)
    assert np.array_equal(more[:30], labels)
    assert (small.dtype, small.shape, labels.dtype) == (np.uint8, (30, 16, 16), np.int64)


def test_another_seed_cuts_other_patches_of_the_same_categories() -> None:
    first, labels = make_photos(60, size=16, seed=0)
    other, same = make_photos(60, size=16, seed=1)
    assert np.array_equal(labels, same)
    assert (first != other).any(axis=(1, 2)).all()


def test_a_patch_comes_from_its_own_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    # Photographs in which the grey level tells the cell; no turn of light, so the middle pixel tells it too.
    level = np.kron(np.arange(25).reshape(5, 5) * 10, np.ones((40, 40)))
    picture = photos.torch.from_numpy(level / 255).float()[None, None]
    monkeypatch.setattr(photos, "photographs", lambda colour: (picture,))
    monkeypatch.setattr(photos, "cells", lambda: np.array([(0, i, j) for i in range(5) for j in range(5)]))
    monkeypatch.setattr(photos, "_expose", lambda grey, rng: (grey * 255).round().astype(np.uint8))
    images, labels = make_photos(100, size=15)
    assert np.array_equal(images[:, 7, 7], labels * 10)


def test_patches_in_colour_are_the_same_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "_expose", lambda patches, rng: (patches * 255).round().astype(np.uint8))
    grey, labels = make_photos(60, size=16, seed=2)
    colour, same = make_photos(60, size=16, seed=2, colour=True)
    assert colour.shape == (60, 3, 16, 16)
    assert np.array_equal(labels, same)
    luminance = np.tensordot([0.299, 0.587, 0.114], colour, axes=(0, 1))
    assert np.abs(luminance - grey).max() < 1.5  # rounded once here, three times there
    assert colour.astype(int).std(axis=1).mean() > 5  # and it is colour


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": 5, "size": 0}])
def test_a_set_of_nothing_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="Pass at least 1"):
        make_photos(**wrong)
