"""Legends lie on no line and within the figure, whatever they name."""

import pytest

from lab_utils.show import legend_above, one_legend, panels, plot_curves, plot_paired
from lab_utils.show.legends import spread

pytestmark = pytest.mark.usefixtures("course_style")


def box(artist):
    """What an artist covers when it is drawn, in pixels of its figure."""
    artist.figure.canvas.draw()
    return artist.get_window_extent()


def names(legend):
    return [text.get_text() for text in legend.get_texts()]


def test_one_legend_names_what_is_alike_once_and_replaces_those_of_the_panels():
    figure, axes = panels(2)
    for ax in axes:
        plot_paired({"50": [0.1, 0.2], "100": [0.0, 0.1]}, ax=ax)
    legend = one_legend(figure)
    assert names(legend) == ["each seed", "mean, 95% interval"]
    assert [ax.get_legend() for ax in axes] == [None, None]


def test_one_legend_keeps_the_title_or_takes_a_new_one():
    for title, expected in ((None, "mean; bars: sd of 2 seeds"), ("3 seeds", "3 seeds")):
        figure, ax = panels()
        plot_curves([1, 2], [[0.5, 0.6], [0.6, 0.7]], label="random", ax=ax)
        assert one_legend(figure, title).get_title().get_text() == expected


@pytest.mark.parametrize("letters", [4, 18, 60])
@pytest.mark.parametrize("count", [1, 3, 4])
def test_one_legend_lies_in_the_figure_and_on_no_panel(letters, count):
    figure, axes = panels(2, height=3)
    for ax in axes:
        for number in range(count):
            plot_curves([1, 2], [[0.5, 0.6], [0.6, 0.7]], label=f"{number}{'n' * letters}", ax=ax)
        ax.set_title("a title\nof two lines")
    legend = box(one_legend(figure))
    assert 0 <= legend.x0 < legend.x1 <= figure.bbox.x1
    assert legend.y1 <= figure.bbox.y1 + 1
    assert all(legend.y0 >= box(ax.title).y1 for ax in axes)


def test_one_legend_of_more_than_four_curves_says_what_their_bars_are_and_leaves_their_names():
    figure, ax = panels()
    for number in range(6):
        plot_curves([1, 2], [[0.5, 0.6], [0.6, 0.7 + number / 20]], label=f"network {number}", ax=ax)
    legend = one_legend(figure)
    assert names(legend) == []
    assert legend.get_title().get_text() == "mean; bars at the ends: sd of 2 seeds"
    assert [text.get_text() for text in ax.texts] == [f"network {number}" for number in range(6)]
    assert box(legend).y0 >= box(ax).y1


def test_names_of_curves_keep_apart_and_move_as_little_as_need_be():
    assert spread([0.0, 0.1, 5.0], 1.0) == pytest.approx([-0.45, 0.55, 5.0])
    assert spread([1.0, 1.0, 1.5], 1.0) == pytest.approx([1 / 6, 7 / 6, 13 / 6])
    assert spread([0.0, 3.0], 1.0) == [0.0, 3.0]


def test_more_than_four_curves_have_bars_at_their_ends_only():
    _, ax = panels()
    for number in range(5):
        plot_curves([1, 2], [[0.5, 0.6], [0.6, 0.7]], label=f"network {number}", ax=ax)
    assert ax.get_legend().get_title().get_text() == "mean; bars at the ends: sd of 2 seeds"
    assert {x for bars in ax.collections for segment in bars.get_segments() for x in segment[:, 0]} == {2}


def test_a_legend_above_keeps_its_title_and_lies_on_no_line():
    _, ax = panels()
    plot_curves([1, 2], [[0.5, 0.6], [0.6, 0.7]], label="random", ax=ax)
    legend_above(ax)
    assert ax.get_legend().get_title().get_text() == "mean; bars: sd of 2 seeds"
    assert box(ax.get_legend()).y0 >= box(ax).y1 - 1
