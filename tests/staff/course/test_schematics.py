"""The pictures at the top of the labs: drawn from code, stored, whole, and readable."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from lab_utils.profile import data_root
from lab_utils.staff.course import schematics


@pytest.fixture(autouse=True)
def _defaults():
    yield
    matplotlib.rcdefaults()


@pytest.mark.parametrize("name", schematics.PICTURES)
def test_the_stored_picture_is_what_the_code_draws(name):
    # Letters are drawn a little differently by other versions of FreeType: the picture is the same, not its bytes.
    with Image.open(schematics.folder() / f"{name}.png") as file:
        stored = np.asarray(file.convert("L"), dtype=float)
    drawn = np.asarray(schematics.drawn(name).convert("L"), dtype=float)
    assert stored.shape == drawn.shape == (drawn.shape[0], 1400)
    assert np.abs(stored - drawn).mean() < 2


@pytest.mark.parametrize("name", schematics.PICTURES)
def test_no_word_is_cut_off_or_too_small(name, monkeypatch):
    kept = []
    monkeypatch.setattr(plt, "close", kept.append)
    schematics.drawn(name)
    (figure,) = kept
    renderer, whole = figure.canvas.get_renderer(), figure.bbox
    for text in figure.axes[0].texts:
        if text.get_text():
            box = text.get_window_extent(renderer)
            assert min(box.x0, box.y0, whole.width - box.x1, whole.height - box.y1) >= 0, text.get_text()
            assert text.get_fontsize() >= 9
    monkeypatch.undo()
    plt.close(figure)


def test_every_notebook_has_its_picture():
    notebooks = {path.stem for path in (data_root().parent / "solutions").glob("*.ipynb")}
    assert notebooks == set(schematics.PICTURES)
