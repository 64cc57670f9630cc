"""What the features of a layer tell without any training: a vote of the nearest images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from lab_utils.arguments import number, whole
from lab_utils.array_input import Array
from lab_utils.metrics import knn_votes, macro_auroc
from lab_utils.similarity.activations import collect_activations
from lab_utils.similarity.covariance import Acts, matrix


def knn_accuracy(
    bank: Acts,
    bank_labels: ArrayLike,
    features: Acts,
    labels: ArrayLike,
    *,
    k: int = 200,
    temperature: float = 0.1,
) -> float:
    """How well the vote of the nearest images (`knn_votes` of `metrics`) names what is in others.

    Args:
        bank: features (n, D) of images whose labels vote: the training images, never the test images.
        bank_labels: (n,) class numbers, or (n, K) findings: 1, 0, and -1 or NaN for unknown.
        features: (m, D) of the images asked about, of the same network and layer.
        labels: of these, (m,) or (m, K).
        k: number of neighbours; all known ones where there are fewer.
        temperature: above 0; the smaller, the more the nearest one decides.

    Returns:
        For classes the share of right answers; for findings the mean of their AUROCs, as there is no one answer.

    Raises:
        ValueError: if shapes do not fit, labels of one kind come with those of the other, or a value is not finite.
    """
    x, y, truth = matrix("bank", bank).cpu().numpy(), matrix("features", features).cpu().numpy(), np.asarray(labels)
    k, temperature, targets = whole("k", k, 1, example=200), number("temperature", temperature), _targets(bank_labels)
    if x.shape[1] != y.shape[1] or len(targets) != len(x) or not len(y):
        raise ValueError(
            f"Expected features of one layer and a label for each image of the bank, got a bank {x.shape} with "
            f"{len(targets)} labels and features {y.shape}. Take both from one network and stage."
        )
    if not temperature > 0:
        raise ValueError(f"Expected a temperature above 0, got {temperature}. Give for example 0.1.")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("Expected finite features, but some are NaN or infinite. Look at the network first.")
    votes = knn_votes(x, targets, y, k=k, temperature=temperature)
    if truth.shape != (len(votes), *np.shape(bank_labels)[1:]):
        raise ValueError(
            f"Expected labels like those of the bank, {np.shape(bank_labels)}, for {len(votes)} images, got "
            f"{truth.shape}. Take both from one data set."
        )
    return macro_auroc(truth, votes) if truth.ndim == 2 else float((votes.argmax(axis=1) == truth).mean())


def knn_per_stage(
    model: nn.Module,
    bank: Any,
    test: Any,
    *,
    stages: Sequence[str] | None = None,
    k: int = 200,
    temperature: float = 0.1,
    device: torch.device | str | None = None,
) -> dict[str, float]:
    """`knn_accuracy` of each stage: where in a network the images of a class come to lie together.

    Args:
        model: any network with `stages` and a `preprocessing`.
        bank: a split whose labels vote, the training images.
        test: another split.
        stages: names of stages; None for all. Maps are averaged over space, and transformers over all tokens.
        k: number of neighbours; all known ones where there are fewer.
        temperature: of the votes.
        device: where to compute; None: where the model is.

    Returns:
        Stage -> accuracy, or the mean AUROC of findings, from the image upwards.

    Raises:
        ValueError: as `knn_accuracy`, and if a stage is unknown.
    """
    theirs, ours = (collect_activations(model, part.images, stages=stages, device=device) for part in (bank, test))
    return {
        stage: knn_accuracy(theirs[stage], bank.labels, ours[stage], test.labels, k=k, temperature=temperature)
        for stage in ours
    }


def _targets(labels: ArrayLike) -> Array:
    """Class numbers (n,), or findings (n, K) with -1 for unknown."""
    given = np.asarray(labels)
    if given.ndim == 2:
        return np.nan_to_num(given.astype(np.float64), nan=-1.0)
    if given.ndim != 1 or not np.issubdtype(given.dtype, np.integer) or not len(given) or given.min() < 0:
        raise ValueError(
            f"Expected bank_labels (n,) with class numbers 0, 1, ..., or (n, K) findings, got {given.dtype} "
            f"{given.shape}. Leave out images whose class is unknown."
        )
    return given.astype(np.float64)
