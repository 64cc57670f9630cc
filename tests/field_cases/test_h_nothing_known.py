"""Kind H: "nothing known" is no perfect loss. It is refused, or NaN, and NaN is never the best."""

import math
from dataclasses import replace

import pytest
import torch

from lab_utils.training import History, evaluate, fine_tune, fit, lr_range_test, masked_bce, score
from lab_utils.training.loop import mean_loss
from tests.refusals import refuses
from tests.tiny import LinearNet, TinyNet, assert_same, state_of, tiny_split

QUIET = {"progress": False, "device": "cpu", "batch_size": 8, "precision": "fp32"}


def unknown(split, *, images=slice(None), findings=slice(None)):
    labels = split.labels.clone()
    labels[images, findings] = -1
    return replace(split, labels=labels)


def findings(n=40, seed=0):
    return tiny_split(n, "multilabel", seed=seed)


# ---- refused at the start
@pytest.mark.parametrize("part", ["training", "validation"])
def test_a_part_without_one_known_label_is_refused_before_anything_happens(part):
    parts = {"training": findings(), "validation": findings(30, seed=1)}
    parts[part] = unknown(parts[part])
    model = TinyNet(3)
    before = state_of(model)
    words = rf"the {part} images need at least one known label .*; all \d+ labels of the \d+ {part} images are -1"
    refuses(words, fit, model, parts["training"], parts["validation"], steps=2, **QUIET)
    refuses(words, fine_tune, model, parts["training"], parts["validation"], head_steps=1, steps=1, **QUIET)
    assert_same(state_of(model), before)
    if part == "training":
        refuses(words, lr_range_test, model, parts["training"], steps=5, device="cpu")


def test_the_earliest_weights_are_not_kept_as_the_best_of_a_loss_of_zero():
    # One known label in all: the loss is a true one, and the best is where it is lowest, not at the start.
    val = unknown(findings(30, seed=1))
    val.labels[4, 1] = 1
    with pytest.warns(UserWarning, match="no validation image has a known label of class0, class2"):
        history = fit(TinyNet(3), findings(), val, steps=12, eval_every=1, lr=0.01, **QUIET)
    assert history.monitor == "val_loss"
    assert min(history.column("val_loss")) > 0
    assert history.best_value == min(history.column("val_loss"))
    assert history.best_step > 1


def test_own_criterion_may_read_uncertain_labels_as_it_likes():
    def absent_if_uncertain(logits, labels):
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, labels.clamp(min=0))

    history = fit(TinyNet(3), unknown(findings()), steps=2, criterion=absent_if_uncertain, **QUIET)
    assert history.rows[-1]["train_loss"] > 0
    with pytest.raises(ValueError, match="the validation images need"):  # which the kit's own loss measures
        fit(TinyNet(3), findings(), unknown(findings()), steps=2, criterion=absent_if_uncertain, **QUIET)
    refuses("the training images need", fit, TinyNet(3), unknown(findings()), steps=2, criterion=masked_bce, **QUIET)


# ---- said, and fine
@pytest.mark.parametrize("part", ["training", "validation"])
def test_one_finding_that_nobody_knows_is_fine_but_said(part):
    parts = {"training": findings(), "validation": findings(30, seed=1)}
    parts[part] = unknown(parts[part], findings=1)
    with pytest.warns(UserWarning, match=f"no {part} image has a known label of class1, so") as said:
        history = fit(TinyNet(3), parts["training"], parts["validation"], steps=4, **QUIET)
    assert len(said) == 1
    assert history.monitor == "val_auroc"
    assert math.isfinite(history.best_value)
    assert ("val_auroc_class1" in history.rows[0]) == (part == "training")


def test_a_batch_without_a_known_label_teaches_nothing_and_has_no_weight(monkeypatch):
    # 8 of 40 images are known: most batches of 4 hold none of them.
    split = unknown(findings(), images=slice(8, None))
    model = LinearNet(3)
    with torch.no_grad():
        logits = model((split.images[:8] / 255 - 0.5) / 0.25)
    known = masked_bce(logits, split.labels[:8]).item()
    settings = QUIET | {"batch_size": 4}
    history = fit(model, split, epochs=1, lr=1e-12, weight_decay=0, **settings)
    assert history.rows[-1]["train_loss"] == pytest.approx(known, rel=1e-5)


def test_a_row_in_which_nothing_was_known_has_no_training_loss():
    split = unknown(findings(), images=slice(4, None))
    history = fit(LinearNet(3), split, epochs=1, eval_every=1, **QUIET | {"batch_size": 4})
    losses = history.column("train_loss")
    assert any(map(math.isnan, losses))
    assert all(loss > 0 for loss in losses if not math.isnan(loss))
    assert math.isnan(mean_loss([(0.0, 0.0), (0.0, 0.0)]))
    assert mean_loss([(0.0, 0.0), (3.0, 2.0)]) == 3.0


def test_a_batch_of_nothing_is_not_the_lowest_loss_of_a_range_test():
    split = unknown(findings(), images=slice(6, None))
    found = lr_range_test(LinearNet(3), split, steps=30, batch_size=4, device="cpu", lr_max=1e-3)
    assert len(found.losses) == 30
    assert min(found.losses) > 0
    assert not found.diverged


# ---- measured
def test_score_and_evaluate_give_nan_where_nothing_is_known_and_measure_one_label():
    split = unknown(findings())
    found = score(torch.randn(40, 3), split)
    assert math.isnan(found["loss"])
    assert found.keys() == {"loss"}
    assert math.isnan(evaluate(TinyNet(3), split, device="cpu")["loss"])
    split.labels[2, 1] = 1
    assert score(torch.zeros(40, 3), split)["loss"] == pytest.approx(math.log(2))


# ---- NaN is never the best
@pytest.mark.parametrize(("monitor", "better"), [("val_loss", 0.5), ("val_auroc", 0.9)])
def test_nan_never_wins_whenever_it_comes(monitor, better):
    history = History(monitor=monitor)
    assert not history.better(math.nan)
    assert history.better(0.7)
    history.best_value = 0.7
    assert not history.better(math.nan)
    assert history.better(better)
    history.best_value = math.nan  # as an older file may have it
    assert history.better(0.7)


def measured(monkeypatch, values):
    """Let validation give these dictionaries, one after the other."""
    given = iter(values)
    monkeypatch.setattr("lab_utils.training.fitting.evaluate", lambda *args, **settings: next(given))


def test_a_first_value_of_nan_does_not_block_the_later_ones(monkeypatch):
    measured(monkeypatch, [{"loss": math.nan}, {"loss": 0.5}, {"loss": math.nan}, {"loss": 0.6}])
    history = fit(TinyNet(), tiny_split(), tiny_split(), steps=4, eval_every=1, **QUIET)
    assert (history.best_step, history.best_value) == (2, 0.5)


def test_a_column_that_comes_and_goes_is_never_compared_with_another(monkeypatch):
    rows = [{"loss": 0.5, "auroc": 0.7}, {"loss": 0.4}, {"loss": 0.9, "auroc": 0.8}]
    measured(monkeypatch, rows)
    history = fit(TinyNet(), tiny_split(), tiny_split(), steps=3, eval_every=1, **QUIET)
    assert (history.monitor, history.best_step, history.best_value) == ("val_auroc", 3, 0.8)
    measured(monkeypatch, [{"loss": 0.5}, {"loss": 0.4, "auroc": 0.9}, {"loss": 0.6, "auroc": 0.99}])
    history = fit(TinyNet(), tiny_split(), tiny_split(), steps=3, eval_every=1, **QUIET)
    assert (history.monitor, history.best_step, history.best_value) == ("val_loss", 2, 0.4)


def test_without_any_value_the_last_weights_stay(monkeypatch):
    measured(monkeypatch, [{"loss": math.nan}] * 3)
    kept, alone = TinyNet(), TinyNet()
    history = fit(kept, tiny_split(), tiny_split(), steps=3, eval_every=1, **QUIET)
    assert (history.best_step, history.best_value, history.best_state) == (None, None, None)
    fit(alone, tiny_split(), steps=3, **QUIET)
    assert_same(state_of(kept), state_of(alone))


ROW = {"step": 1, "epoch": 0, "seconds": 0.0}
LOSS = History([ROW], "val_loss", 1, 0.5, {"w": torch.tensor(1.0)})
AUROC = History([ROW], "val_auroc", 1, 0.6, {"w": torch.tensor(2.0)})
NOTHING = History([ROW], "val_loss")


@pytest.mark.parametrize(
    ("first", "second", "best"),
    [
        (LOSS, AUROC, ("val_auroc", 2, 0.6)),
        (AUROC, LOSS, ("val_loss", 2, 0.5)),
        (LOSS, NOTHING, ("val_loss", 1, 0.5)),
        (NOTHING, LOSS, ("val_loss", 2, 0.5)),
    ],
)
def test_two_runs_chosen_by_different_columns_are_not_compared(first, second, best):
    both = first.then(second)
    assert (both.monitor, both.best_step, both.best_value) == best
