"""Losses: what training makes small, in nats.

Cross-entropy for one class per image; for findings that can occur together a binary
cross-entropy per finding, in which uncertain labels (-1) do not count.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from lab_utils.data.validation import TASKS

Criterion = Callable[[Tensor, Tensor], Tensor]


def criterion_for(task: str) -> Criterion:
    """The loss that fits a task: f(logits, labels) -> mean loss, a scalar tensor."""
    return masked_bce if task == "multilabel" else F.cross_entropy


def masked_bce(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean binary cross-entropy over the labels that are known, in nats.

    Args:
        logits: shape (B, K).
        labels: shape (B, K), float: 1 = present, 0 = absent, -1 = uncertain.

    Returns:
        A scalar; 0 if no label of the batch is known.
    """
    known = (labels >= 0).to(logits.dtype)
    total = F.binary_cross_entropy_with_logits(logits, labels.clamp(min=0), weight=known, reduction="sum")
    return total / known.sum().clamp(min=1)


def label_counts(labels: Tensor) -> Tensor:
    """Number of known labels of each image, float64 of shape (N,), on the CPU.

    A mean over a data set is the mean of its batches weighted by these, not the mean of
    its batches: the last one is smaller, and uncertain labels are spread unevenly.
    """
    if labels.ndim == 1:
        return torch.ones(len(labels), dtype=torch.float64)
    return (labels >= 0).sum(dim=1).cpu().double()  # MPS has no float64


def probabilities(logits: Tensor, task: str) -> Tensor:
    """Turn logits (N, K) into probabilities (N, K).

    A softmax where exactly one class is right (each row adds up to 1); a sigmoid for
    multilabel, where every finding is a yes-or-no question of its own.

    Raises:
        ValueError: if the task is unknown, or a single column should go through a softmax, which makes it 1.
    """
    if task not in TASKS:
        raise ValueError(f"expected a task out of {', '.join(TASKS)}, got {task!r}")
    if logits.ndim != 2 or (task != "multilabel" and logits.shape[1] < 2):
        raise ValueError(
            f"expected logits (N, K), one column for each class of a {task} task, got {tuple(logits.shape)}; the "
            "probability that belongs to one logit is torch.sigmoid(logits)"
        )
    return torch.sigmoid(logits) if task == "multilabel" else torch.softmax(logits, dim=1)
