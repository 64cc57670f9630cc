"""The look of figures: as wide as a page, letters that can be read, one colour for one meaning."""

import matplotlib
import pytest
from matplotlib.text import Text

from lab_utils.show import panels, plot_bars, plot_curves, plot_paired, set_style

pytestmark = pytest.mark.usefixtures("course_style")


@pytest.mark.parametrize(("columns", "rows", "inches"), [(1, 1, (5, 2.7)), (2, 1, (7, 2.7)), (4, 2, (7, 5.4))])
def test_a_figure_is_at_most_seven_inches_wide(columns, rows, inches):
    figure, _ = panels(columns, rows)
    assert tuple(figure.get_size_inches()) == pytest.approx(inches)


def test_panels_take_what_subplots_take():
    _, (left, right) = panels(2, sharey=True)
    left.set_ylim(3, 4)
    assert right.get_ylim() == (3, 4)


def test_no_letters_are_smaller_than_nine_points():
    figure, axes = panels(3)
    plot_bars({"a": 0.5}, {"a": (0.4, 0.6)}, ax=axes[0])
    plot_paired({"n = 50": [0.1, 0.2]}, xlabel="images", ax=axes[1])
    plot_curves([50, 100], [[0.5, 0.6], [0.6, 0.7]], label="random", log=True, ax=axes[2])
    figure.canvas.draw()
    sizes = {text.get_fontsize() for text in figure.findobj(Text) if text.get_text()}
    assert min(sizes) >= 9


def test_outside_of_a_notebook_the_format_of_pictures_changes_nothing():
    set_style("svg")
    assert matplotlib.rcParams["figure.dpi"] == 100
