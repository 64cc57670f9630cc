"""Plots: what is drawn, on the Axes given, without showing or computing anything else."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

from lab_utils.show import pictures, plots, score_plots

pytestmark = pytest.mark.usefixtures("course_style")


@pytest.fixture
def ax():
    return plt.subplots()[1]


ROWS = [
    {"step": 0, "train_loss": 0.7, "val_loss": 0.6, "val_auroc": 0.5},
    {"step": 5, "train_loss": 0.5, "val_loss": float("nan")},
    {"step": 9, "train_loss": 0.4, "val_loss": 0.3, "val_auroc": 0.8},
]

ON_ONE_AXES = {
    "prevalence": lambda ax: score_plots.plot_prevalence({"train": [0, 1, 1]}, ["no", "yes"], ax=ax),
    "history": lambda ax: plots.plot_history(ROWS, ax=ax),
    "curves": lambda ax: plots.plot_curves([1, 2], [[0.5, 0.6]], ax=ax),
    "paired": lambda ax: plots.plot_paired({"n = 50": [0.1, 0.2]}, xlabel="images", ax=ax),
    "roc": lambda ax: score_plots.plot_roc([0, 0, 1], [0, 1, 1], ax=ax),
    "calibration": lambda ax: score_plots.plot_calibration([0, 1], [0.2, 0.7], ax=ax),
    "lr range": lambda ax: plots.plot_lr_range([1e-3, 1e-2], [0.7, 0.5], 3e-3, ax=ax),
    "filters": lambda ax: pictures.plot_filters(np.ones((4, 1, 3, 3)), ax=ax),
    "bars": lambda ax: plots.plot_bars({"a": 0.7}, {"a": (0.6, 0.8)}, ax=ax),
    "heatmap": lambda ax: plots.plot_stage_heatmap([[0.5, 0.6]], ["random"], ["stem", "layer1"], ax=ax),
}


@pytest.mark.parametrize("name", ON_ONE_AXES)
def test_draws_on_the_axes_given_and_labels_it(name, ax):
    _, other = plt.subplots()  # now the current Axes
    assert ON_ONE_AXES[name](ax) is ax
    assert not other.has_data()
    assert ax.has_data()
    ax.figure.canvas.draw()  # nothing warns when it is rendered
    if name != "filters":
        assert ax.get_xlabel() or ax.get_ylabel()


@pytest.mark.parametrize("name", ON_ONE_AXES)
def test_draws_on_the_current_axes_by_default(name):
    assert ON_ONE_AXES[name](None) is plt.gca()


def curve(ax, label):
    (line,) = [line for line in ax.lines if line.get_label() == label]
    return line.get_xydata().tolist()


def test_history_skips_what_was_not_measured(ax):
    plots.plot_history(ROWS, ax=ax)
    assert curve(ax, "training loss") == [[0, 0.7], [5, 0.5], [9, 0.4]]
    assert curve(ax, "validation loss") == [[0, 0.6], [9, 0.3]]
    assert ax.get_ylabel() == "loss (nats per example)"


def test_history_of_a_metric_is_named_after_it(ax):
    plots.plot_history(ROWS, ["val_auroc"], ax=ax)
    assert curve(ax, "validation AUROC") == [[0, 0.5], [9, 0.8]]
    assert ax.get_ylabel() == "validation AUROC"


def test_history_marks_the_best_step(ax):
    class History:
        rows = ROWS
        best_step = 9

    plots.plot_history(History(), ax=ax)
    assert curve(ax, "best: step 9")[0][0] == 9


def test_curves_show_mean_and_standard_deviation(ax):
    plots.plot_curves([50, 100], [[0.6, 0.7], [0.7, 0.9], [0.8, 0.8]], label="random", ax=ax)
    np.testing.assert_allclose(curve(ax, "random"), [[50, 0.7], [100, 0.8]])
    (bars,) = ax.collections
    np.testing.assert_allclose([segment[:, 1] for segment in bars.get_segments()], [[0.6, 0.8], [0.7, 0.9]])
    assert ax.get_legend().get_title().get_text() == "mean; bars: sd of 3 seeds"


def test_a_long_curve_has_its_bar_at_the_end_only(ax):
    steps = np.arange(40)
    plots.plot_curves(steps, np.stack([steps * 1.0, steps + 2.0]), label="random", ax=ax)
    (bars,) = ax.collections
    ((place, _),) = {tuple(segment[:, 0]) for segment in bars.get_segments()}
    assert place == 39
    assert np.ptp(bars.get_segments()[0][:, 1]) == pytest.approx(2 * 2**0.5)  # of 39 and 41, around their mean


def test_more_than_four_curves_are_named_at_their_ends_and_do_not_overlap(ax):
    for number in range(6):
        plots.plot_curves([1, 2], [0.5, 0.8 + number / 1000], label=f"network {number}", ax=ax)
    assert not ax.get_legend().get_texts()
    names = {text.get_text(): text.xyann[1] for text in ax.texts}
    assert list(names) == [f"network {number}" for number in range(6)]
    low, high = ax.get_ylim()
    assert np.diff(list(names.values())).min() > 0.05 * (high - low)


def test_one_seed_has_no_bars(ax):
    plots.plot_curves([50, 100], [0.6, 0.7], ax=ax)
    assert not ax.collections


def test_log_curves_have_a_tick_at_every_size(ax):
    plots.plot_curves([50, 100, 2000], [0.6, 0.7, 0.8], log=True, ax=ax)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["50", "100", "2,000"]


def test_paired_interval_is_the_t_interval(ax):
    values = np.array([0.01, 0.05, 0.03])
    plots.plot_paired({"n = 50": values, "n = 100": [0.02]}, ax=ax)
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    segments = ax.containers[0].lines[2][0].get_segments()[0]
    np.testing.assert_allclose(segments[:, 1], [expected.low, expected.high])
    assert not ax.containers[1].has_yerr  # one seed: no interval
    dots = ax.collections[0].get_offsets()
    np.testing.assert_allclose(np.sort(dots[:, 1]), np.sort(values))


def test_prevalence_counts_known_labels_only(ax):
    labels = [[1, 0], [0, -1], [1, np.nan], [-1, 0]]
    score_plots.plot_prevalence({"train": labels, "grades": [0, 1, 1, 1]}, ["Edema", "Effusion"], ax=ax)
    widths = [bar.get_width() for bar in ax.patches]
    assert widths == pytest.approx([2 / 3, 0, 1 / 4, 3 / 4])
    assert [text.get_text() for text in ax.get_yticklabels()] == ["Edema", "Effusion"]


def test_lr_range_marks_the_suggestion_if_there_is_one(ax):
    plots.plot_lr_range([1e-4, 1e-3], [0.7, 0.6], 3e-4, smoothed=[0.7, 0.65], ax=ax)
    assert curve(ax, "suggestion: 3.0e-04")[0][0] == 3e-4
    assert curve(ax, "smoothed") == [[1e-4, 0.7], [1e-3, 0.65]]
    assert ax.get_xscale() == "log"
    _, bare = plt.subplots()
    plots.plot_lr_range([1e-4, 1e-3], [0.7, 0.6], float("nan"), ax=bare)
    assert len(bare.lines) == 1


def test_calibration_dots_grow_with_the_images(ax):
    score_plots.plot_calibration([0, 1, 1, 0], [0.2, 0.7, 0.7, 0.7], ax=ax)
    small, large = ax.collections[0].get_sizes()
    assert small < large


def test_bars_start_at_zero_and_tell_their_value(ax):
    plots.plot_bars({"all": 0.8125, "head": 0.7}, {"all": (0.79, 0.83)}, chance=0.5, ax=ax)
    assert ax.get_xlim()[0] == 0
    assert [text.get_text() for text in ax.texts] == ["0.812", "0.700"]
    assert len(ax.containers) == 3  # two bars, one interval


def test_a_heatmap_writes_its_numbers_and_no_minus_before_a_zero(ax):
    values = [[-0.004, -0.006], [float("nan"), 1.0]]
    plots.plot_stage_heatmap(values, ["random", "transfer"], ["stem", "layer1"], ax=ax)
    assert [text.get_text() for text in ax.texts] == ["0.00", "-0.01", "1.00"]


def test_filters_show_zero_as_grey_and_each_at_its_own_scale(ax):
    weight = np.zeros((3, 1, 2, 2))
    weight[0, 0, 0, 0], weight[1, 0, 1, 1] = 5.0, -0.01
    pictures.plot_filters(weight, columns=2, ax=ax)
    mosaic = ax.images[0].get_array()
    assert mosaic.shape == (5, 5, 3)
    np.testing.assert_allclose(mosaic[:2, :2, 0], [[1, 0.5], [0.5, 0.5]])  # first filter
    np.testing.assert_allclose(mosaic[:2, 3:, 0], [[0.5, 0.5], [0.5, 0]])  # second, black
    np.testing.assert_allclose(mosaic[3:, :2], 0.5)  # a dead filter
    np.testing.assert_allclose(mosaic[2], 1)  # white between rows


def test_rgb_filters_keep_their_colours_and_others_are_summed(ax):
    rgb = np.zeros((1, 3, 1, 1))
    rgb[0, 0] = 1
    pictures.plot_filters(rgb, columns=1, ax=ax)
    np.testing.assert_allclose(ax.images[0].get_array()[0, 0], [1, 0.5, 0.5])
    pictures.plot_filters(np.array([1.0, -1.0]).reshape(1, 2, 1, 1), columns=1, ax=ax)
    np.testing.assert_allclose(ax.images[1].get_array()[0, 0], 0.5)


def test_contact_sheet_shares_one_grey_scale():
    images = np.stack([np.full((1, 4, 4), 51), np.full((1, 4, 4), 204)]).astype(np.uint8)
    axes = pictures.plot_images(images, ["dark", "bright"], columns=3, row_labels=["site A"], heading="Data")
    assert len(axes) == 2
    assert len(axes[0].figure.axes) == 3
    for ax, grey, title in zip(axes, (0.2, 0.8), ("dark", "bright"), strict=True):
        np.testing.assert_allclose(ax.images[0].get_array(), grey)
        assert ax.images[0].get_clim() == (0, 1)
        assert ax.get_title() == title
    axes[0].figure.canvas.draw()


def test_contact_sheet_takes_rgb_and_tensors():
    torch = pytest.importorskip("torch")
    (ax,) = pictures.plot_images(torch.zeros(1, 3, 4, 5))
    assert ax.images[0].get_array().shape == (4, 5, 3)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((4, 4)), r"images\[:1\]"),
        (np.zeros((2, 4, 4, 3)), "1 or 3, H, W"),
        (np.full((1, 4, 4), 2.0), "before they are normalised"),
        (np.full((1, 4, 4), np.nan), "nan"),
        (np.zeros((0, 1, 4, 4)), "N > 0"),
    ],
)
def test_contact_sheet_refuses(images, message):
    with pytest.raises(ValueError, match=message):
        pictures.plot_images(images)
