"""What the features of a layer tell without any training: a vote of the nearest images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from lab_utils.arguments import number, whole
from lab_utils.metrics import macro_auroc
from lab_utils.similarity.activations import collect_activations
from lab_utils.similarity.covariance import Acts, matrix

ROWS = 1024  # images asked about at a time


def knn_votes(
    bank: Acts, bank_labels: ArrayLike, features: Acts, *, k: int = 200, temperature: float = 0.1
) -> NDArray[np.float64]:
    """Shares of the votes of the `k` nearest images of the bank, for each image asked about.

    Near means a large cosine s between features; a neighbour's vote weighs exp(s / temperature). With several findings
    each is a vote of its own, among the neighbours whose label is known; where none is, the share in the bank stands.

    Args:
        bank: features (n, D) of images whose labels vote: the training images, never the test images.
        bank_labels: (n,) class numbers, or (n, K) findings: 1, 0, and -1 or NaN for unknown.
        features: (m, D) of the images asked about, of the same network and layer.
        k: number of neighbours, at most n.
        temperature: above 0; the smaller, the more the nearest one decides.

    Returns:
        (m, K) in [0, 1]; the shares of classes add up to 1.

    Raises:
        ValueError: if shapes do not fit, `k` is larger than the bank, or a value is not finite.

    References:
        Wu et al. (2018), arXiv:1805.01978; as used by Matsoukas et al. (2022), arXiv:2203.01825: k = 200, 0.1.
    """
    x, y = matrix("bank", bank), matrix("features", features)
    k, temperature = whole("k", k, 1, example=200), number("temperature", temperature, example=0.1)
    targets, known = _targets(bank_labels)
    if x.shape[1] != y.shape[1] or len(targets) != len(x) or not len(y):
        raise ValueError(
            f"Expected features of one layer and a label for each image of the bank, got a bank {tuple(x.shape)} with "
            f"{len(targets)} labels and features {tuple(y.shape)}. Take both from one network and stage."
        )
    if k > len(x) or not temperature > 0:
        raise ValueError(
            f"Expected k of at most the {len(x)} images of the bank and a temperature above 0, got k={k} and "
            f"temperature={temperature}. Give a smaller k, for example k={max(1, min(20, len(x) // 10))}."
        )
    if not bool(x.isfinite().all() and y.isfinite().all()):
        raise ValueError("Expected finite features, but some are NaN or infinite. Look at the network first.")
    targets, known = targets.to(x.device), known.to(x.device)
    x = nn.functional.normalize(x, dim=1)
    prior = (targets * known).sum(dim=0) / known.sum(dim=0).clamp_min(1)
    votes = []
    for rows in nn.functional.normalize(y, dim=1).split(ROWS):
        similar, nearest = (rows @ x.T).topk(k, dim=1)
        weights = ((similar - similar[:, :1]) / temperature).exp()[:, :, None]  # shares need no common factor
        heard = (weights * known[nearest]).sum(dim=1)
        share = (weights * known[nearest] * targets[nearest]).sum(dim=1) / heard
        votes.append(torch.where(heard > 0, share, prior))
    return torch.cat(votes).cpu().numpy()


def knn_accuracy(
    bank: Acts,
    bank_labels: ArrayLike,
    features: Acts,
    labels: ArrayLike,
    *,
    k: int = 200,
    temperature: float = 0.1,
) -> float:
    """How well the vote of the nearest images names what is in others: `knn_votes`, measured.

    Args:
        bank: features (n, D) of the training images.
        bank_labels: (n,) class numbers, or (n, K) findings.
        features: (m, D) of the images asked about.
        labels: of these, (m,) or (m, K).
        k: number of neighbours, at most n.
        temperature: of the votes.

    Returns:
        For classes the share of right answers; for findings the mean of their AUROCs, as there is no one answer.

    Raises:
        ValueError: as `knn_votes`, and if labels of one kind come with those of the other.
    """
    votes, truth = knn_votes(bank, bank_labels, features, k=k, temperature=temperature), np.asarray(labels)
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
        k: number of neighbours.
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


def _targets(labels: ArrayLike) -> tuple[Tensor, Tensor]:
    """What each image of the bank votes for, and whether it knows: both float64 (n, K)."""
    given = np.asarray(labels)
    if given.ndim == 2:
        known = torch.from_numpy(np.nan_to_num(given.astype(np.float64), nan=-1.0))
        return known.clamp_min(0), (known >= 0).double()
    if given.ndim != 1 or not np.issubdtype(given.dtype, np.integer) or not len(given) or given.min() < 0:
        raise ValueError(
            f"Expected bank_labels (n,) with class numbers 0, 1, ..., or (n, K) findings, got {given.dtype} "
            f"{given.shape}. Leave out images whose class is unknown."
        )
    hot = nn.functional.one_hot(torch.from_numpy(given.astype(np.int64))).double()
    return hot, torch.ones_like(hot)
