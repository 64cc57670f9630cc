"""Losses: what training makes small, in nats.

Cross-entropy for one class per image; for findings that can occur together a binary
cross-entropy per finding, in which uncertain labels (-1) do not count.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lab_utils.arguments import one_of
from lab_utils.array_input import as_numbers
from lab_utils.data.splits import Split
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
        A scalar. For a batch in which no label is known it is 0, with zero gradients: such a batch teaches nothing,
        and has no weight in the mean over a data set. It is no measure of a network; `score` gives NaN there.
    """
    return _weighted_bce(logits, labels, known=(labels >= 0).to(logits.dtype))


def balanced_bce(logits: Tensor, labels: Tensor, *, absent: Tensor, present: Tensor) -> Tensor:
    """`masked_bce` in which each known label counts as much as its weight.

    Args:
        logits: shape (B, K).
        labels: shape (B, K), float: 1 = present, 0 = absent, -1 = uncertain.
        absent: shape (K,), weight of an absent finding.
        present: shape (K,), weight of a present one.
    """
    weight = torch.where(labels > 0, present, absent).to(logits.dtype) * (labels >= 0)
    return _weighted_bce(logits, labels, known=weight)


def _weighted_bce(logits: Tensor, labels: Tensor, *, known: Tensor) -> Tensor:
    total = F.binary_cross_entropy_with_logits(logits, labels.clamp(min=0), weight=known, reduction="sum")
    weight = known.sum()
    return total / torch.where(weight > 0, weight, torch.ones_like(weight))


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
        ValueError: if the task is unknown, a single column should go through a softmax, which makes it 1, or the
            softmax was already taken.
    """
    one_of("task", task, TASKS)
    logits = as_logits(logits)
    if logits.ndim != 2 or (task != "multilabel" and logits.shape[1] < 2):
        raise ValueError(
            f"expected logits (N, K), one column for each class of a {task} task, got {tuple(logits.shape)}; the "
            "probability that belongs to one logit is torch.sigmoid(logits)"
        )
    if task == "multilabel":
        return torch.sigmoid(logits)
    refuse_probabilities(logits)
    return torch.softmax(logits, dim=1)


def as_logits(logits: Any) -> Tensor:
    """Logits of any container and type as a tensor of floats; a tensor of floats stays as it is.

    Raises:
        ValueError: if something in it is no number.
    """
    tensor = logits if isinstance(logits, Tensor) else torch.from_numpy(as_numbers("logits", logits))
    return tensor if tensor.is_floating_point() else tensor.float()


def refuse_probabilities(logits: Tensor) -> None:
    """Refuse what looks like a softmax (N, K): a second one would bring all probabilities close together.

    Raises:
        ValueError: if all lie in [0, 1], and each row adds up to 1.
    """
    inside = bool(((logits >= 0) & (logits <= 1)).all())
    if inside and bool(((logits.sum(dim=1) - 1).abs() < 0.01).all()):
        raise ValueError(
            "expected logits, got probabilities: all lie in [0, 1], and each row adds up to 1; give what predict "
            "returns, before the softmax, or torch.log of the probabilities"
        )


# ------------------------------------------------------------------ the loss of a training


def training_loss(
    train: Split, criterion: Criterion | None = None, class_weights: str | None = None
) -> tuple[Criterion, Tensor]:
    """The criterion of a training, and the weight of each image in the mean over the data set, float64 (N,), CPU.

    Args:
        train: what to train on.
        criterion: the caller's own, in which every image counts the same; or None.
        class_weights: None, or ``"balanced"``: each class counts as if all had the same number of images, that is by
            N / (K * images of the class); in multilabel, present and absent count the same for every finding.

    Raises:
        ValueError: if these do not fit together, no label is known, or a class to balance has no image.
    """
    if criterion is not None and (isinstance(criterion, type) or not callable(criterion)):
        kind = repr(criterion)
        if isinstance(criterion, type):
            kind = f"the class {criterion.__name__}; make an object of it"
        raise ValueError(
            "criterion must be a function of (logits, labels), such as F.cross_entropy or nn.CrossEntropyLoss(); got "
            f"{kind}."
        )
    if class_weights is None:
        if criterion is None or criterion is masked_bce:  # another one may read uncertain labels in its own way
            require_known(train, "training", "the network learns nothing about it")
        counts = label_counts(train.labels) if criterion is None else torch.ones(len(train), dtype=torch.float64)
        return criterion or criterion_for(train.task), counts
    if not isinstance(class_weights, str) or class_weights != "balanced":
        raise ValueError(
            f"class_weights must be 'balanced' or None; got {class_weights!r}. For weights of your own give "
            "criterion=nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0])), one weight per class."
        )
    if criterion is not None:
        raise ValueError(
            "give either criterion= or class_weights=, not both: the weights belong into a criterion of your own."
        )
    require_known(train, "training", "")
    return _balanced(train)


def _balanced(train: Split) -> tuple[Criterion, Tensor]:
    labels = train.labels.cpu()
    if train.task != "multilabel":
        images = torch.bincount(labels, minlength=train.num_classes).double()  # (K,)
        _require_images(train, {name: int(n) for name, n in zip(train.class_names, images, strict=True)})
        weight = len(train) / (train.num_classes * images)
        return partial(F.cross_entropy, weight=weight.float()), weight[labels]
    absent, present = (labels == 0).sum(dim=0).double(), (labels == 1).sum(dim=0).double()  # (K,)
    for word, having in (("absent", absent), ("present", present)):
        _require_images(train, {f"{word} {name}": int(n) for name, n in zip(train.class_names, having, strict=True)})
    known = absent + present
    weights = {"absent": known / (2 * absent), "present": known / (2 * present)}
    counts = torch.where(labels > 0, weights["present"], weights["absent"]) * (labels >= 0)
    return partial(balanced_bce, **{name: weight.float() for name, weight in weights.items()}), counts.sum(dim=1)


def _require_images(train: Split, images: dict[str, int]) -> None:
    if missing := [name for name, n in images.items() if n == 0]:
        raise ValueError(
            f"class_weights='balanced' needs images of every class; the {len(train)} training images have none of: "
            f"{', '.join(missing)}. Add images, leave the class out, or train without class_weights."
        )


def require_known(split: Split, part: str, so: str) -> None:
    """Refuse a split without one known label; warn of each finding of which no image has one.

    Args:
        split: the images.
        part: what they are, for the text.
        so: what follows for such a finding; empty for no warning.

    Raises:
        ValueError: if no label is known: nothing can be learnt, and nothing measured.
    """
    if split.task != "multilabel":
        return
    known = (split.labels >= 0).any(dim=0)
    if not known.any():
        raise ValueError(
            f"the {part} images need at least one known label (1 or 0); all {split.labels.numel()} labels of the "
            f"{len(split)} {part} images are -1, uncertain. There is nothing to learn from or to measure: look at how "
            "the labels were read, or use other images."
        )
    unknown = [name for name, some in zip(split.class_names, known.tolist(), strict=True) if not some]
    if unknown and so:
        warnings.warn(f"no {part} image has a known label of {', '.join(unknown)}, so {so}.", stacklevel=4)
