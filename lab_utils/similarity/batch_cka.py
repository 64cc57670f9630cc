"""Debiased CKA of whole feature maps, stage by stage, as a mean over small batches."""

import torch
from torch import Tensor, nn

from lab_utils.arguments import whole
from lab_utils.modes import eval_mode
from lab_utils.networks import preprocess, stages
from lab_utils.similarity.activations import check_images, stage_outputs
from lab_utils.similarity.cka import linear_cka

COLUMNS = 65_536  # numbers of each map that are summed up at a time


def cka_per_stage(model_x: nn.Module, model_y: nn.Module, images: Tensor, *, batch_size: int = 64) -> dict[str, float]:
    """Linear debiased CKA of each stage of two networks, an image with its whole map being one datapoint.

    A map has far more numbers than a batch has images, so the debiased estimator is needed, and all goes through the
    products of the images with one another. The values of the batches are averaged, as published; a last batch of fewer
    than 4 images is left out.

    Args:
        model_x: any network with `stages` and a `preprocessing`, such as one before training.
        model_y: one with the same stages, such as the trained one.
        images: uint8 (N, C, H, W), not yet normalised, at least 4.
        batch_size: images of a batch, at least 4.

    Returns:
        Stage -> about 0 (nothing alike) to 1, from the image upwards; NaN where a layer has no similarity with itself.

    Raises:
        ValueError: if the stages differ, there are fewer than 4 images, or a stage answers the same to every image.

    References:
        Song et al. (2012), JMLR 13, equation 5; in batches as Matsoukas et al. (2022), arXiv:2203.01825.
    """
    check_images(images, batch_size)
    whole("batch_size", batch_size, 4, example=64)
    names = list(stages(model_x))
    if names != list(stages(model_y)) or len(images) < 4:
        raise ValueError(
            f"Expected two networks with the same stages and at least 4 images, got {', '.join(names)} with "
            f"{', '.join(stages(model_y))} and {len(images)} images. Build both networks by one name."
        )
    found: dict[str, list[float]] = {name: [] for name in names}
    with (
        eval_mode(model_x),
        eval_mode(model_y),
        torch.no_grad(),
        stage_outputs(model_x, names, pooled=False) as of_x,
        stage_outputs(model_y, names, pooled=False) as of_y,
    ):
        for batch in images.split(batch_size):
            if len(batch) < 4:
                continue
            x, y = (of(preprocess(net, batch.to(_place(net)))) for of, net in ((of_x, model_x), (of_y, model_y)))
            for name in names:
                found[name].append(linear_cka(_with_products(x[name]), _with_products(y[name]), debiased=True))
    return {name: sum(values) / len(values) for name, values in found.items()}


def _place(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def _with_products(values: Tensor) -> Tensor:
    """(n, n) numbers whose rows have the same products with one another as those of (n, ...): CKA needs no more."""
    flat = values.flatten(1)
    products = sum(part.double() @ part.double().T for part in flat.split(COLUMNS, dim=1))
    assert isinstance(products, Tensor)
    lengths, directions = torch.linalg.eigh(products.cpu())
    return directions * lengths.clamp_min(0).sqrt()
