"""Linear probes on the features of every stage of a network."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab_utils.metrics import macro_auroc
from lab_utils.training import linear_probe


def probe_stages(
    features: Sequence[Mapping[str, ArrayLike]], labels: Sequence[ArrayLike], *, sizes: Sequence[int], l2: float = 10.0
) -> NDArray[np.float64]:
    """Macro AUROC of a linear probe on every stage, trained on the first n images for every n.

    Args:
        features: of the training images, then of each set to score: stage -> (N, D), all with the same stages.
        labels: of the same sets, (N, K) with a column per finding: 1 present, 0 absent, -1 unknown.
        sizes: numbers of training images.
        l2: strength of the penalty, see `linear_probe`.

    Returns:
        Array (sets to score, stages, sizes).
    """
    (train, *others), (truth, *truths) = features, [np.asarray(part) for part in labels]
    found = np.empty((len(others), len(train), len(sizes)))
    for i, stage in enumerate(train):
        seen = np.concatenate([np.asarray(part[stage]) for part in others])
        for j, n in enumerate(sizes):
            scores = linear_probe(np.asarray(train[stage])[:n], truth[:n], seen, task="multilabel", l2=l2)
            parts = np.split(scores, np.cumsum([len(part) for part in truths])[:-1])
            found[:, i, j] = [macro_auroc(*pair) for pair in zip(truths, parts, strict=True)]
    return found
