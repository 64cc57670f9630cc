"""Fractal categories: reproducible, prefix-stable, different from each other, safely cached."""

from pathlib import Path

import numpy as np
import pytest

from lab_utils.data import load_fractals, make_fractals, sources
from lab_utils.data.sources import fractal_system


def test_images_are_uint8_squares_with_balanced_categories() -> None:
    images, labels = make_fractals(60, size=32, categories=20)
    assert images.dtype == np.uint8
    assert images.shape == (60, 32, 32)
    assert np.bincount(labels).tolist() == [3] * 20


def test_the_same_seed_draws_the_same_images_and_another_seed_does_not() -> None:
    first, _ = make_fractals(40, size=32, categories=10, seed=3)
    again, _ = make_fractals(40, size=32, categories=10, seed=3)
    other, _ = make_fractals(40, size=32, categories=10, seed=4)
    np.testing.assert_array_equal(first, again)
    assert not (first == other).all(axis=(1, 2)).any()


@pytest.mark.parametrize("n", [1, 99, 100, 101])
def test_a_smaller_set_is_the_beginning_of_a_larger_one(n: int) -> None:
    images, labels = make_fractals(n, size=16, categories=7)
    more_images, more_labels = make_fractals(205, size=16, categories=7)
    np.testing.assert_array_equal(images, more_images[:n])
    np.testing.assert_array_equal(labels, more_labels[:n])


def test_every_image_shows_something() -> None:
    images, _ = make_fractals(200, size=32)
    assert images.std(axis=(1, 2)).min() > 3


def test_maps_shrink_the_plane_so_that_every_game_stays_bounded() -> None:
    for category in range(30):
        stretch = np.linalg.svd(fractal_system(category).matrices, compute_uv=False)[:, 0]
        assert stretch.max() <= 0.85 + 1e-9
        assert 2 <= (stretch > 0).sum() <= 7


def test_every_slot_names_a_map_that_exists() -> None:
    for category in range(30):
        system = fractal_system(category)
        used = np.abs(system.matrices).sum(axis=(1, 2)) > 0
        assert used[system.slots].all()


def test_the_chaos_game_of_one_map_converges_to_its_fixed_point() -> None:
    matrices, offsets = np.zeros((1, 7, 2, 2)), np.zeros((1, 7, 2))
    matrices[0, 0] = [[0.0, -0.5], [0.5, 0.0]]  # a quarter turn that halves
    offsets[0, 0] = [1.0, 0.0]
    slots = np.zeros((1, 256), dtype=np.intp)
    marks = sources._chaos_game(matrices, offsets, slots, np.random.default_rng(0))
    # x = 1 - y / 2 and y = x / 2 give (0.8, 0.4).
    np.testing.assert_allclose(marks[0, 0, -1], 0.8, atol=1e-9)
    np.testing.assert_allclose(marks[1, 0, -1], 0.4, atol=1e-9)


def test_categories_can_be_told_apart_by_a_simple_classifier() -> None:
    # Share of pixels that differ from the background is one number, yet it separates categories
    # far better than chance: the categories differ in more than their labels.
    images, labels = make_fractals(2_000, size=32, categories=10)
    background = np.median(images, axis=(1, 2), keepdims=True)
    filled = (np.abs(images - background) > 40).mean(axis=(1, 2))
    train, test = slice(0, 1_000), slice(1_000, 2_000)
    centres = np.array([filled[train][labels[train] == k].mean() for k in range(10)])
    guesses = np.abs(filled[test][:, None] - centres).argmin(axis=1)
    assert (guesses == labels[test]).mean() > 0.2  # chance is 0.1, its sd 0.01


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": 5, "size": 0}, {"n": 5, "categories": 0}])
def test_sizes_that_make_no_sense_are_named(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="Expected a positive number of images"):
        make_fractals(**wrong)


def test_the_cache_returns_what_was_drawn_and_leaves_no_other_file(tmp_path: Path) -> None:
    drawn, labels = make_fractals(30, size=16, categories=5, seed=2)
    for _ in range(2):
        images, again = load_fractals(30, cache_folder=tmp_path / "new", size=16, categories=5, seed=2)
        np.testing.assert_array_equal(images, drawn)
        np.testing.assert_array_equal(again, labels)
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_a_cache_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="No space left"):
        load_fractals(10, cache_folder=tmp_path, size=16, categories=5)
    assert list(tmp_path.iterdir()) == []
