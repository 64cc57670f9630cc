import math

import pytest
import torch
import torch.nn.functional as F

from lab_utils.training import criterion_for, masked_bce, probabilities
from lab_utils.training.losses import label_counts


def test_masked_bce_is_the_mean_over_known_labels_not_over_images():
    logits = torch.tensor([[0.0, 0.0], [math.log(3.0), 7.0]])
    labels = torch.tensor([[1.0, 0.0], [0.0, -1.0]])
    assert masked_bce(logits, labels).item() == pytest.approx((2 * math.log(2) + math.log(4)) / 3, rel=1e-6)


def test_uncertain_labels_have_no_gradient():
    logits = torch.tensor([[0.3, -2.0, 9.0]], requires_grad=True)
    masked_bce(logits, torch.tensor([[1.0, -1.0, -1.0]])).backward()
    assert logits.grad[0, 0] != 0
    assert logits.grad[0, 1:].tolist() == [0.0, 0.0]


def test_batch_without_a_known_label_has_zero_loss_and_gradient():
    logits = torch.randn(2, 3, requires_grad=True)
    loss = masked_bce(logits, torch.full((2, 3), -1.0))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def test_without_uncertain_labels_it_is_the_usual_bce():
    logits, labels = torch.randn(20, 5), torch.randint(0, 2, (20, 5)).float()
    expected = F.binary_cross_entropy_with_logits(logits, labels)
    torch.testing.assert_close(masked_bce(logits, labels), expected)


@pytest.mark.parametrize("task", ["binary", "multiclass", "ordinal"])
def test_one_class_per_image_means_cross_entropy(task):
    loss = criterion_for(task)(torch.tensor([[math.log(3.0), 0.0]]), torch.tensor([0]))
    assert loss.item() == pytest.approx(math.log(4 / 3), rel=1e-6)


def test_label_counts_count_what_is_known():
    assert label_counts(torch.tensor([[1.0, 0.0, -1.0], [-1.0, -1.0, -1.0]])).tolist() == [2, 0]
    assert label_counts(torch.tensor([3, 1, 0])).tolist() == [1, 1, 1]


def test_probabilities_of_findings_are_independent_and_of_classes_add_up():
    logits = torch.tensor([[0.0, math.log(3.0)]])
    torch.testing.assert_close(probabilities(logits, "multilabel"), torch.tensor([[0.5, 0.75]]))
    torch.testing.assert_close(probabilities(logits, "binary"), torch.tensor([[0.25, 0.75]]))
