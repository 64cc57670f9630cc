import math

import pytest
import torch

from lab_utils.training import History
from lab_utils.training.history import row_steps


def rows(*steps):
    return [{"step": s, "epoch": s // 2, "seconds": s / 10, "lr": 0.1, "val_auroc": 0.5 + s / 100} for s in steps]


def test_column_is_nan_where_a_row_lacks_it_and_unknown_names_are_refused():
    history = History([{"step": 1, "val_kappa": 0.5}, {"step": 2}])
    assert history.column("step") == [1, 2]
    assert math.isnan(history.column("val_kappa")[1])
    with pytest.raises(KeyError, match="there are step, val_kappa"):
        history.column("val_auroc")


def test_frame_has_a_row_per_row():
    frame = History(rows(1, 2, 3)).frame()
    assert list(frame["step"]) == [1, 2, 3]


def test_rows_are_wanted_at_whatever_gives_their_numbers_once():
    assert row_steps(9, None, iter([0, 4]), 3) == {0, 4, 9}
    with pytest.raises(ValueError, match=r"got \[10\]"):
        row_steps(9, None, iter([4, 10]), 3)


def test_then_runs_steps_epochs_and_seconds_on():
    both = History(rows(2, 4)).then(History(rows(1, 3)))
    assert both.column("step") == [2, 4, 5, 7]
    assert both.column("epoch") == [1, 2, 2, 3]
    assert both.column("seconds") == pytest.approx([0.2, 0.4, 0.5, 0.7])


@pytest.mark.parametrize(
    ("monitor", "first", "second", "step"),
    [("val_auroc", 0.8, 0.7, 2), ("val_auroc", 0.7, 0.8, 5), ("val_loss", 0.8, 0.7, 5), ("val_loss", 0.7, 0.7, 2)],
)
def test_then_keeps_the_better_of_the_two(monitor, first, second, step):
    a = History(rows(2, 4), monitor, 2, first, {"w": torch.zeros(1)})
    b = History(rows(1), monitor, 1, second, {"w": torch.ones(1)})
    both = a.then(b)
    assert (both.best_step, both.best_value) == (
        step,
        min(first, second) if monitor == "val_loss" else max(first, second),
    )
    assert both.best_state is (b if step == 5 else a).best_state
