"""Questions with immediate feedback, and figures with a knob.

Both also carry what a page without a kernel can show: the question with its answers as
text, the figure in its first state as a picture.
"""

import base64
import html
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import matplotlib.pyplot as plt

from lab_utils.progress_file import progress_now

COLORS = {True: "#029e73", False: "#d55e00"}  # green and orange-red of the colour-blind palette


@dataclass(frozen=True)
class Question:
    """A multiple-choice question.

    Attributes:
        text: the question.
        options: (answer, feedback) pairs; the feedback says why the answer is right or wrong.
        correct: number of the right answer, from 0.
    """

    text: str
    options: tuple[tuple[str, str], ...]
    correct: int

    def __post_init__(self) -> None:
        if len(self.options) < 2 or not 0 <= self.correct < len(self.options):
            raise ValueError(
                f"a question needs at least two options and the number of the right one, got {len(self.options)} "
                f"options and correct={self.correct}."
            )


class _Shown(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A box of widgets that also knows how to show itself where widgets can not be drawn."""

    def __init__(self, children: Sequence[widgets.Widget], static: dict[str, str], pixels: int = 0) -> None:
        super().__init__(children)
        self.static, self.pixels = static, pixels

    def __repr__(self) -> str:
        return self.static["text/plain"]

    # ipywidgets 7 (Colab) shows a widget by this method and then asks for no other form; version 8 has none of it.
    _ipython_display_ = None

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        size = {"image/png": {"width": self.pixels}} if self.pixels else {}  # a page shows a picture at half its dots
        return {"application/vnd.jupyter.widget-view+json": view, **self.static}, size


def multiple_choice(question: Question) -> _Shown:
    """The question with radio buttons; choosing one shows its feedback at once.

    Make it the last expression of a cell.
    """
    answers = [answer for answer, _ in question.options]
    buttons = widgets.RadioButtons(
        options=list(zip(answers, range(len(answers)), strict=True)),
        index=None,
        layout=widgets.Layout(width="auto"),
    )
    feedback = widgets.HTML()

    def answer(change: dict[str, Any]) -> None:
        if change["new"] is None:
            return
        right = change["new"] == question.correct
        if right and question.text not in progress_now().questions:
            progress_now().questions.append(question.text)
            progress_now().save()
        verdict = "Correct." if right else "Not quite."
        reason = html.escape(question.options[change["new"]][1])
        feedback.value = f'<span style="color: {COLORS[right]}"><b>{verdict}</b></span> {reason}'

    buttons.observe(answer, names="value")
    lines = [question.text, *(f"  ( ) {text}" for text in answers)]
    items = "".join(f"<li>{html.escape(text)}</li>" for text in answers)
    static = {
        "text/plain": "\n".join(lines),
        "text/html": f'<p><b>{html.escape(question.text)}</b></p><ol type="a">{items}</ol>',
    }
    title = widgets.HTML(f"<b>{html.escape(question.text)}</b>")
    return _Shown([title, buttons, feedback], static)


def explore(draw: Callable[..., Any], **options: Sequence[Any]) -> _Shown:
    """A figure with a knob for each option: `explore(draw, n=[50, 100], init=["random"])`.

    Numbers get a slider, in rising order; anything else gets a drop-down menu. Each begins at the first value given.
    The figure is drawn anew at each turn, so `draw` should draw what was computed before.

    Args:
        draw: called as draw(n=50, init="random"); draws one new Matplotlib figure.
        options: name -> the values to choose from; the first one given is shown first.

    Raises:
        ValueError: if an option has no value, or there is no option.
    """
    choices = {name: list(values) for name, values in options.items()}
    if not choices or not all(choices.values()):
        raise ValueError(f"explore needs options with at least one value each, got {choices}")
    knobs = {name: _knob(name, values) for name, values in choices.items()}
    picture = widgets.Image(format="png", layout=widgets.Layout(max_width="100%", object_fit="contain"))

    def redraw(_: Any = None) -> None:
        picture.value, inches = _png(draw, {name: knob.value for name, knob in knobs.items()})
        picture.layout.width = f"{100 * inches:.0f}px"  # half its dots: sharp on screens with many dots, and in zoom

    for knob in knobs.values():
        knob.observe(redraw, names="value")
    redraw()
    state = ", ".join(f"{name} = {knob.value}" for name, knob in knobs.items())
    others = "; ".join(f"{name}: {', '.join(map(str, values))}" for name, values in choices.items())
    static = {
        "text/plain": f"Figure for {state}. With a kernel you can choose {others}.",
        "image/png": base64.b64encode(picture.value).decode("ascii"),
    }
    return _Shown([*knobs.values(), picture], static, int(picture.layout.width.removesuffix("px")))


def _knob(name: str, values: list[Any]) -> widgets.Widget:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    settings = {"options": [(str(value), value) for value in values], "description": name.replace("_", " ")}
    if numbers and len(values) > 1:
        settings["options"] = [(str(value), value) for value in sorted(values)]
        return widgets.SelectionSlider(**settings, value=values[0], continuous_update=False)
    return widgets.Dropdown(**settings, value=values[0])


def _png(draw: Callable[..., Any], values: dict[str, Any]) -> tuple[bytes, float]:
    """The figure that `draw` makes as a PNG of 200 dots per inch, and its width in inches; others stay open."""
    before = set(plt.get_fignums())
    with plt.ioff():
        draw(**values)
    new = [number for number in plt.get_fignums() if number not in before]
    if not new:
        raise ValueError(f"draw({values}) made no new Matplotlib figure. Begin it with plt.subplots().")
    buffer = io.BytesIO()
    figure = plt.figure(new[-1])
    figure.savefig(buffer, format="png", dpi=200)
    width = float(figure.get_figwidth())
    for number in new:
        plt.close(number)
    return buffer.getvalue(), width
