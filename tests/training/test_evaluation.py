import math

import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, cohen_kappa_score, roc_auc_score
from torch import nn

from lab_utils.training import evaluate, masked_bce, predict, score
from lab_utils.transfer import freeze, train_mode
from tests.tiny import LinearNet, TinyNet, assert_same, state_of, tiny_split


def logits_for(split, seed=0):
    return torch.randn(len(split), split.num_classes, generator=torch.Generator().manual_seed(seed))


def test_predict_gives_logits_in_order_whatever_the_batch_size():
    split, model = tiny_split(37), LinearNet()
    expected = model((split.images / 255 - 0.5) / 0.25).detach()
    for batch_size in (1, 10, 37, 1000):
        logits = predict(model, split, batch_size=batch_size, device="cpu", precision="fp32")
        torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(predict(model, split.images, device="cpu", precision="fp32"), expected)


def test_predict_uses_eval_mode_and_puts_every_mode_back():
    model = TinyNet()
    freeze(model, upto="stem")
    train_mode(model)
    modes = {name: module.training for name, module in model.named_modules()}
    before = state_of(model)
    first, second = (predict(model, tiny_split(), device="cpu") for _ in range(2))
    assert torch.equal(first, second), "dropout was on"
    assert_same(state_of(model), before)
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert set(modes.values()) == {True, False}


def test_predict_needs_no_gradient_and_its_logits_can_be_trained_on():
    logits = predict(TinyNet(), tiny_split(), device="cpu")
    assert not logits.requires_grad
    nn.Linear(2, 2)(logits).sum().backward()


class Small(LinearNet):
    """Out of memory above 3 images."""

    def forward(self, x):
        if len(x) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().forward(x)


def test_predict_goes_on_with_smaller_batches_when_memory_is_short():
    split = tiny_split(21)
    assert torch.allclose(predict(Small(), split, device="cpu"), predict(LinearNet(), split, device="cpu"))


def test_predict_gives_up_at_one_image():
    class Full(LinearNet):
        def forward(self, x):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes.")

    with pytest.raises(torch.OutOfMemoryError, match="Not even one image fits"):
        predict(Full(), tiny_split(), device="cpu")


def test_predict_passes_other_errors_on():
    class Broken(LinearNet):
        def forward(self, x):
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match=r"^shapes do not match$"):
        predict(Broken(), tiny_split(), device="cpu")


def test_binary_metrics_agree_with_scikit_learn():
    split = tiny_split(50)
    logits = logits_for(split)
    found, y = score(logits, split), split.labels.numpy()
    assert found["auroc"] == pytest.approx(roc_auc_score(y, logits[:, 1] - logits[:, 0]))
    assert found["accuracy"] == pytest.approx(accuracy_score(y, logits.argmax(1)))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, logits.argmax(1)))
    assert found["loss"] == pytest.approx(nn.functional.cross_entropy(logits, split.labels).item())
    assert found["brier"] == pytest.approx(((logits.softmax(1)[:, 1] - split.labels) ** 2).mean().item(), rel=1e-5)
    assert "kappa" not in found


def test_multiclass_and_ordinal_metrics_agree_with_scikit_learn():
    for task in ("multiclass", "ordinal"):
        split = tiny_split(60, task)
        logits = logits_for(split)
        found, y = score(logits, split), split.labels.numpy()
        each = [roc_auc_score(y == k, logits.softmax(1)[:, k]) for k in range(3)]
        assert found["auroc"] == pytest.approx(sum(each) / 3)
        assert [found[f"auroc_class{k}"] for k in range(3)] == pytest.approx(each)
        assert found["accuracy"] == pytest.approx(accuracy_score(y, logits.argmax(1)))
        assert ("kappa" in found) == (task == "ordinal")
    assert found["kappa"] == pytest.approx(cohen_kappa_score(y, logits.argmax(1), weights="quadratic"))


def test_multilabel_metrics_mask_unknown_labels():
    split = tiny_split(60, "multilabel")
    logits = logits_for(split)
    found = score(logits, split)
    each = []
    for k in range(3):
        known = split.labels[:, k] >= 0
        assert not known.all()
        each.append(roc_auc_score(split.labels[known, k], logits[known, k]))
        assert found[f"auroc_class{k}"] == pytest.approx(each[k])
    assert found["auroc"] == pytest.approx(sum(each) / 3)
    assert found["loss"] == pytest.approx(masked_bce(logits, split.labels).item())
    assert "accuracy" not in found


def test_absent_class_is_left_out_and_not_counted():
    split = tiny_split(60, "multiclass")
    without = split.take((split.labels != 2).nonzero().squeeze(1))
    found = score(logits_for(without), without)
    assert "auroc_class2" not in found
    assert found["auroc"] == pytest.approx((found["auroc_class0"] + found["auroc_class1"]) / 2)


def test_auroc_is_missing_where_no_class_has_one():
    split = tiny_split(60)
    one = split.take((split.labels == 1).nonzero().squeeze(1))
    assert "auroc" not in score(logits_for(one), one)


def test_saturated_logits_keep_their_ranking():
    split = tiny_split(40)
    logits = torch.zeros(40, 2)
    logits[:, 1] = 20 + split.labels  # float32 probabilities of both classes round to 1
    assert score(logits, split)["auroc"] == 1.0


def test_logits_that_are_not_finite_are_an_error():
    split = tiny_split(10)
    logits = logits_for(split)
    logits[3, 1] = math.nan
    with pytest.raises(RuntimeError, match="1 of 10 images have logits that are NaN"):
        score(logits, split)


def test_logits_of_another_shape_are_an_error():
    with pytest.raises(ValueError, match="num_classes=2"):
        score(torch.zeros(10, 5), tiny_split(10))


def test_evaluate_is_the_score_of_the_prediction():
    split, model = tiny_split(), TinyNet()
    assert evaluate(model, split, device="cpu") == score(predict(model, split, device="cpu"), split)
