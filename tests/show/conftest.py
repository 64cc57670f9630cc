"""What tests of figures share."""

import matplotlib
import matplotlib.pyplot as plt
import pytest

from lab_utils.show import set_style


@pytest.fixture
def course_style():
    """The style of the labs; afterwards no figure is open, and the defaults are back."""
    set_style()
    yield
    plt.close("all")
    matplotlib.rcdefaults()
