"""What usual mistakes make of an AUROC, so that a hint can name the one that was made."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from lab_utils.metrics import auroc, balanced_accuracy


def hint_for(labels: NDArray[Any], scores: NDArray[Any], value: float) -> str:
    """The hint that fits, where `value` is what a known mistake gives."""
    known = (hint for wrong, hint in known_mistakes(labels, scores) if abs(wrong - value) < 1e-6)
    return next(known, "")


def known_mistakes(labels: NDArray[Any], scores: NDArray[Any]) -> list[tuple[float, str]]:
    """What usual mistakes give on this input, each with its hint."""
    positive, negative = scores[labels == 1][:, None], scores[labels == 0]
    above, equal = int((positive > negative).sum()), int((positive == negative).sum())
    pairs, n = positive.size * negative.size, len(labels)
    called = (scores >= 0.5).astype(np.int64)
    threshold = "AUROC needs no threshold: compare the scores themselves, pair by pair."
    mistakes = [
        (1 - auroc(labels, scores), "You counted the pairs in which the NEGATIVE image has the higher score."),
        (float(np.mean(called == labels)), f"This is the accuracy at threshold 0.5. {threshold}"),
        (balanced_accuracy(labels, called), f"This is the balanced accuracy at threshold 0.5. {threshold}"),
        (
            float(average_precision_score(labels, scores)),
            "This is the average precision, the area under another curve. Its value depends on the prevalence.",
        ),
        (above + equal / 2, "This is a number of pairs. A probability is a fraction: of how many pairs?"),
    ]
    for denominator in (n * n, n * (n - 1) / 2):
        wrong = "You divided by too many pairs. Only pairs of one positive and one negative image count."
        mistakes.append(((above + equal / 2) / denominator, wrong))
    if equal:
        coin = "A tie is like a coin toss: look at the formula again."
        mistakes.append((above / pairs, f"You gave pairs with equal scores nothing. {coin}"))
        mistakes.append(((above + equal) / pairs, f"You gave pairs with equal scores a full point. {coin}"))
    return mistakes
