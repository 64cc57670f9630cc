"""What a trained network says about a split, and how good that is."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lab_utils import metrics
from lab_utils.arguments import whole
from lab_utils.data.splits import Split
from lab_utils.device import default_device
from lab_utils.forward import A_MODEL, check_kind, check_logits, forward, is_fast, to_device
from lab_utils.losses import as_logits, criterion_for, probabilities, refuse_probabilities
from lab_utils.memory import free_memory, is_out_of_memory, out_of_memory
from lab_utils.models import preprocess
from lab_utils.modes import eval_mode


@torch.no_grad()
def predict(
    model: nn.Module,
    split: Split | Tensor,
    *,
    batch_size: int = 64,
    device: torch.device | str | None = None,
    precision: str = "auto",
) -> Tensor:
    """Logits of every image, in order, from the network in eval mode.

    The network is moved to `device`; every module's train or eval mode is put back
    afterwards. Where `batch_size` does not fit in memory, smaller batches are used.

    Args:
        model: a network with `preprocessing`.
        split: a split, or uint8 images of shape (N, C, H, W).
        batch_size: images per forward pass; 64 of 64 px fit in a CPU's cache, which takes half the time of 256.
        device: where to compute; default `default_device()`.
        precision: ``"bf16"``, ``"fp32"``, or ``"auto"``: whichever is faster here.

    Returns:
        float32 of shape (N, K), on the CPU.

    Raises:
        ValueError: if there is no image, or an argument is of another kind.
        torch.OutOfMemoryError: if not even one image fits.
    """
    batch_size = whole("batch_size", batch_size, 1)
    check_kind("model", model, *A_MODEL)
    if not isinstance(split, Split | Tensor) or not len(split):
        came = "none" if isinstance(split, Tensor) else type(split).__name__
        raise ValueError(f"predict needs a split, or images as a tensor (N, C, H, W); got {came}. Try data['test'].")
    device = default_device() if device is None else torch.device(device)
    fast = is_fast(precision, device)
    to_device(model, device, fast=fast)
    images = split.images if isinstance(split, Split) else split
    done: list[Tensor] = []
    start = 0
    with eval_mode(model):
        while start < len(images):
            try:
                batch = images[start : start + batch_size].to(device)
                done.append(forward(model, preprocess(model, batch), fast=fast).cpu())
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if batch_size == 1:
                    raise out_of_memory(1, 0, "the prediction") from error
                batch_size //= 2
            else:
                start += batch_size
                continue
            free_memory()  # outside the except block, which keeps the failed batch alive
    return torch.cat(done)


def evaluate(
    model: nn.Module,
    split: Split,
    *,
    batch_size: int = 64,
    device: torch.device | str | None = None,
    precision: str = "auto",
) -> dict[str, float]:
    """Loss and metrics of a network on a split; see `score` for what they are."""
    logits = predict(model, split, batch_size=batch_size, device=device, precision=precision)
    return score(logits, split)


def score(logits: Tensor, split: Split) -> dict[str, float]:
    """Loss and the metrics that fit the task, from the logits (N, K) of a split.

    Args:
        logits: as `predict` returns them, on any device.
        split: the images that were shown, in this order.

    Returns:
        ``loss``: nats per known label, NaN if no label is known; ``brier``. ``auroc``: of class 1 (binary), else the
        mean over the classes that have one; each of those as ``auroc_<class name>`` too. A
        class without positives or negatives has none and is left out; so is ``auroc``
        if no class has one. One class per image: ``accuracy``, ``balanced_accuracy``;
        ordinal also ``kappa``, quadratic-weighted, where it is defined.

    Raises:
        ValueError: if the logits do not fit the split, or are probabilities already.
        RuntimeError: if a logit is not finite.
    """
    check_kind("split", split, Split, "load_data('phantoms')['test']")
    logits = as_logits(logits).detach().cpu().float()
    check_logits(logits, split)
    if len(logits) != len(split):
        raise ValueError(
            f"expected logits for each of the {len(split)} images, got {len(logits)} rows; score a split with what "
            "predict returned for this split"
        )
    if split.task != "multilabel":
        refuse_probabilities(logits)
    if not torch.isfinite(logits).all():
        raise RuntimeError(
            f"{int((~torch.isfinite(logits)).any(dim=1).sum())} of {len(logits)} images have logits that are NaN or "
            "infinite, so there is nothing to measure. The training has diverged: train again with a smaller lr."
        )
    labels = split.labels.cpu()
    y = labels.numpy()
    # The criterion gives 0 for nothing known, as a batch in training needs it; here that would be a perfect score.
    result = {"loss": float(criterion_for(split.task)(logits, labels)) if (y >= 0).any() else math.nan}
    probs = probabilities(logits.double(), split.task).numpy()
    result |= _aurocs(y, probs, split)
    if split.task != "multilabel":
        result["accuracy"] = metrics.accuracy(y, probs)
        result["balanced_accuracy"] = metrics.balanced_accuracy(y, probs)
    if split.task == "ordinal" and len(np.union1d(y, probs.argmax(axis=1))) > 1:
        result["kappa"] = metrics.quadratic_kappa(y, probs)
    if (y >= 0).any():
        brier = metrics.findings_brier if split.task == "multilabel" else metrics.brier
        result["brier"] = brier(y, probs[:, 1] if split.task == "binary" else probs)
    return result


def _aurocs(y: NDArray[Any], probs: NDArray[Any], split: Split) -> dict[str, float]:
    each = metrics.auroc_per_class(y, probs[:, 1] if split.task == "binary" else probs)
    if np.isnan(each).all():
        return {}
    result = {"auroc": float(np.nanmean(each))}
    if split.task != "binary":
        named = zip(split.class_names, each, strict=True)
        result |= {f"auroc_{name}": float(value) for name, value in named if not np.isnan(value)}
    return result
