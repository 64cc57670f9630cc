"""Pictures of answers: shown anew as small PNGs, or a reason; none from outside of the submission."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from lab_utils.staff.feedback import pictures
from lab_utils.staff.feedback.pictures import pictures_html, small_png


def picture(kind="PNG", size=(40, 30), colour=(200, 10, 10), mode="RGB"):
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, kind)
    return buffer.getvalue()


def decoded(text):
    return [Image.open(io.BytesIO(base64.b64decode(found))) for found in re.findall(r"base64,([^']+)'", text)]


def write(folder, cells):
    made = [
        {"cell_type": "markdown", "metadata": {}, "source": source, "attachments": attached}
        for source, attached in cells
    ]
    (folder / "labs").mkdir(parents=True, exist_ok=True)
    (folder / "labs/h.ipynb").write_text(
        json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )


def attachment(data):
    return {"image.png": {"image/png": base64.b64encode(data).decode()}}


def test_an_attached_picture_is_that_of_the_answers_own_cell(tmp_path):
    """Jupyter calls the first picture of every cell image.png."""
    one, two = "**Answer A2**\n\nRed.\n![image.png](attachment:image.png)", "Green.\n![image.png](attachment:image.png)"
    write(tmp_path, [(two, attachment(picture(colour=(0, 255, 0)))), (one, attachment(picture(colour=(255, 0, 0))))])
    for answer, colour in (("Red.\n![image.png](attachment:image.png)", (255, 0, 0)), (two, (0, 255, 0))):
        (shown,) = decoded(pictures_html(tmp_path, "labs/h.ipynb", answer))
        assert (shown.format, shown.size, shown.getpixel((0, 0))) == ("PNG", (40, 30), colour)


@pytest.mark.parametrize(
    "text", ["![f](figures/my%20plot.jpg)", '<img width=30 src="figures/my plot.jpg">'.replace(" plot", "%20plot")]
)
def test_a_picture_beside_the_notebook_is_shown(tmp_path, text):
    write(tmp_path, [])
    (tmp_path / "labs/figures").mkdir()
    (tmp_path / "labs/figures/my plot.jpg").write_bytes(picture("JPEG", (3000, 1500)))
    (shown,) = decoded(pictures_html(tmp_path, "labs/h.ipynb", text))
    assert (shown.format, shown.size) == ("PNG", (900, 450))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("![a](https://example.org/a.png)", "on the web"),
        ("![a](attachment:other.png)", "no such attachment"),
        ("![a](attachment:image.png)", "cannot be read as one of PNG, JPEG, GIF, WEBP"),
        ("![a](../../secret.png)", "no such file"),
        ("![a](/etc/passwd)", "no such file"),
        ("![a](link.png)", "no such file"),
        ("![a](drawing.svg)", "cannot be read"),
        ("![a](half.png)", "cannot be read"),
        ("![a](huge.png)", "million pixels"),
        ("![a](large.png)", "larger than 8 MiB"),
    ],
)
def test_what_is_not_shown_is_told(tmp_path, text, words):
    (tmp_path / "secret.png").write_bytes(picture())
    work = tmp_path / "work"
    write(work, [("![a](attachment:image.png)", attachment(b"<svg onload=alert(1)>"))])
    labs = work / "labs"
    (labs / "link.png").symlink_to(tmp_path / "secret.png")
    (labs / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    (labs / "half.png").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    (labs / "huge.png").write_bytes(picture(size=(8000, 6000), mode="1", colour=0))
    (labs / "large.png").write_bytes(picture() + b"x" * pictures.LARGEST)
    found = pictures_html(work, "labs/h.ipynb", text)
    assert words in found
    assert "<img" not in found


def test_names_are_text_and_only_so_many_are_shown(tmp_path):
    write(tmp_path, [])
    found = pictures_html(
        tmp_path, "labs/h.ipynb", "![a](<b>'\"onerror=x.png)" + "".join(f"![a](p{i}.png)" for i in range(20))
    )
    assert "13 more, which are not shown" in found
    assert not re.search(r"<(?!/?(p|i)>)", found)
    assert pictures_html(tmp_path, "", "no picture here") == ""


def test_where_nobody_is_to_be_known_pictures_have_numbers_in_place_of_names(tmp_path):
    write(tmp_path, [])
    (tmp_path / "labs/of_ada.png").write_bytes(picture())
    answer = "![a](of_ada.png) ![b](gone_by_ada.png)"
    assert pictures_html(tmp_path, "labs/h.ipynb", answer).count("ada") == 2
    found = pictures_html(tmp_path, "labs/h.ipynb", answer, numbered=True)
    assert "ada" not in found
    assert ">1</figcaption>" in found
    assert "Picture 2 is not shown" in found


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_no_byte_of_the_file_itself_is_shown(kind):
    hidden = picture(kind) + b"<script>alert(1)</script>"
    assert b"<script>" not in base64.b64decode(small_png(hidden).partition(",")[2])
