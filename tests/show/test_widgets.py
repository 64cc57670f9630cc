"""Widgets: immediate feedback, knobs that redraw, and what is left without a kernel."""

import base64
import io

import pytest

pytest.importorskip("ipywidgets")
import ipywidgets as widgets
import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from lab_utils.progress_file import Progress, progress_now
from lab_utils.show import Question, explore, multiple_choice

QUESTION = Question(
    "Which AUROC is chance, if a < b?",
    (("0", "That ranks every pair wrong."), ("0.5", "A coin does that."), ("1", "That is <perfect>.")),
    correct=1,
)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def parts(box):
    title, buttons, feedback = box.children
    return title, buttons, feedback


def test_nothing_is_chosen_or_given_away_at_first():
    _, buttons, feedback = parts(multiple_choice(QUESTION))
    assert buttons.value is None
    assert feedback.value == ""


@pytest.mark.parametrize(("choice", "verdict"), [(0, "Not quite"), (1, "Correct"), (2, "Not quite")])
def test_a_choice_shows_its_own_feedback_at_once(choice, verdict):
    _, buttons, feedback = parts(multiple_choice(QUESTION))
    buttons.index = choice
    assert verdict in feedback.value
    assert QUESTION.options[choice][1].replace("<perfect>", "&lt;perfect&gt;") in feedback.value


def test_a_right_choice_is_kept_and_a_wrong_one_is_not(monkeypatch):
    monkeypatch.setattr("lab_utils.progress_file._current", Progress())
    _, buttons, _ = parts(multiple_choice(QUESTION))
    buttons.value = next(number for number in range(len(QUESTION.options)) if number != QUESTION.correct)
    assert progress_now().questions == []
    buttons.value = QUESTION.correct
    assert progress_now().questions == [QUESTION.text]


def test_a_choice_can_be_changed():
    _, buttons, feedback = parts(multiple_choice(QUESTION))
    buttons.index = 0
    buttons.index = 1
    assert "Correct" in feedback.value
    assert "wrong" not in feedback.value


def test_question_without_a_kernel_lists_its_answers_but_not_the_feedback():
    box = multiple_choice(QUESTION)
    bundle, size = box._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert size == {}
    for text in (repr(box), bundle["text/plain"], bundle["text/html"]):
        assert "Which AUROC is chance" in text
        assert "0.5" in text
        assert "coin" not in text
    assert "a &lt; b" in bundle["text/html"]


@pytest.mark.parametrize(("options", "correct"), [((("a", "b"),), 0), (QUESTION.options, 3), (QUESTION.options, -1)])
def test_question_without_a_right_answer_is_refused(options, correct):
    with pytest.raises(ValueError, match="number of the right one"):
        Question("?", options, correct)


def colour(png):
    return tuple(plt.imread(io.BytesIO(png))[0, 0, :3])


def paint(shade, init="random"):
    plt.figure(figsize=(1, 1), facecolor=str(shade))


def test_turning_the_knob_redraws_the_figure():
    box = explore(paint, shade=[0.0, 0.5, 1.0])
    slider, picture = box.children
    assert isinstance(slider, widgets.SelectionSlider)
    assert colour(picture.value) == (0, 0, 0)
    slider.value = 1.0
    assert colour(picture.value) == (1, 1, 1)


def test_a_slider_rises_and_begins_at_the_first_value_given():
    slider, _ = explore(paint, shade=[0.5, 1.0, 0.0]).children
    assert [value for _, value in slider.options] == [0.0, 0.5, 1.0]
    assert slider.value == 0.5


def test_the_picture_is_shown_at_half_its_dots():
    def draw(inches):
        plt.figure(figsize=(inches, 1))

    slider, picture = explore(draw, inches=[3, 7]).children
    for inches in (3, 7):
        slider.value = inches
        assert plt.imread(io.BytesIO(picture.value)).shape[1] == 200 * inches
        assert picture.layout.width == f"{100 * inches}px"


def test_names_get_a_menu_and_every_knob_is_passed_on():
    seen = []

    def draw(shade, init):
        seen.append((shade, init))
        paint(shade)

    shade, init, _ = explore(draw, shade=[0.0, 1.0], init=["random", "procedural"]).children
    assert isinstance(init, widgets.Dropdown)
    init.value = "procedural"
    shade.value = 1.0
    assert seen == [(0.0, "random"), (0.0, "procedural"), (1.0, "procedural")]


def test_first_state_is_a_picture_without_a_kernel():
    box = explore(paint, shade=[1.0, 0.0])
    bundle, size = box._repr_mimebundle_()
    assert colour(base64.b64decode(bundle["image/png"])) == (1, 1, 1)
    assert "shade = 1.0" in bundle["text/plain"]
    assert "shade: 1.0, 0.0" in bundle["text/plain"]
    assert size == {"image/png": {"width": 100}}  # the figure is an inch wide


def test_explore_closes_its_figures_and_leaves_others_open():
    mine = plt.figure()
    slider, _ = explore(paint, shade=[0.0, 1.0]).children
    slider.value = 1.0
    assert plt.get_fignums() == [mine.number]


def test_explore_refuses_no_options_and_a_draw_that_draws_nothing():
    with pytest.raises(ValueError, match="at least one value"):
        explore(paint)
    with pytest.raises(ValueError, match="at least one value"):
        explore(paint, shade=[])
    with pytest.raises(ValueError, match="no new Matplotlib figure"):
        explore(lambda shade: None, shade=[1])
