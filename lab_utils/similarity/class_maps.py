"""Where in an image a stage holds what speaks for a class: Grad-CAM."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lab_utils.modes import eval_mode
from lab_utils.names import unknown_name
from lab_utils.networks import preprocess, stages, unwrapped
from lab_utils.similarity.activations import check_images


def grad_cam(model: nn.Module, images: Tensor, classes: int | Tensor, *, stage: str | None = None) -> Tensor:
    """How much each place of a stage speaks for a class, as a map over the image.

    Each channel of the stage has a weight: the slope of the logit of the class by this channel, averaged over space.
    The map is the weighted sum of the channels, negative values cut off, spread over the image. It has the fineness
    of the stage, not that of the image: where the last stage is 4 x 4, it tells which sixteenth.

    Args:
        model: any network with `stages` and a `preprocessing`; its weights, statistics and modes stay as they are.
        images: uint8 (B, C, H, W), not yet normalised; or floats in [0, 1].
        classes: number of the logit to explain, one for all images or one for each, (B,).
        stage: name of a stage with maps (B, C, h, w); None for the last one.

    Returns:
        float32 (B, H, W) on the CPU, at least 0, in logits: by how much the logit is above that of a stage whose maps
        are 0, if the network goes on linearly from the stage. Maps of several images have one unit.

    Raises:
        ValueError: if there is no such stage or class, or the stage has no maps.

    References:
        Selvaraju et al. (2017), Grad-CAM: Visual Explanations from Deep Networks, arXiv:1610.02391.
    """
    check_images(images, len(images) or 1)
    found = stages(model)
    name = list(found)[-1] if stage is None else stage
    if name not in found:
        raise unknown_name(f"stage of {type(model).__name__}", name, found)
    maps: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        maps.append(output)
        return output.clone()  # what comes next may write into it in place

    here = next(model.parameters()).device
    handle = found[name].output.register_forward_hook(keep)
    try:
        with eval_mode(model), torch.enable_grad():
            batch = preprocess(model, images.to(here)).requires_grad_()  # so that a frozen network has slopes, too
            logits = unwrapped(model)(batch)
            chosen = _chosen(logits, classes)
            (slopes,) = torch.autograd.grad(chosen.sum(), maps[0])
    finally:
        handle.remove()
    axis = found[name].channel_axis
    values, slopes = (tensor.detach().movedim(axis, 1) for tensor in (maps[0], slopes))
    if values.ndim != 4:
        raise ValueError(
            f"expected a stage with maps (B, C, h, w), but {name!r} gives {tuple(values.shape)}; choose "
            "a stage of a convolutional network"
        )
    weighted = (slopes.mean(dim=(2, 3), keepdim=True) * values).sum(dim=1, keepdim=True)  # (B, 1, h, w)
    weighted = weighted.relu() * values.shape[2] * values.shape[3]
    return F.interpolate(weighted.float(), size=tuple(images.shape[2:]), mode="bilinear")[:, 0].cpu()


def _chosen(logits: Tensor, classes: int | Tensor) -> Tensor:
    """The logit of the class of each image, (B,)."""
    index = torch.as_tensor(classes, device=logits.device).expand(len(logits)).long()
    if bool((index < 0).any()) or bool((index >= logits.shape[1]).any()):
        raise ValueError(
            f"expected classes from 0 to {logits.shape[1] - 1}, the logits of this network, got {classes}; count from 0"
        )
    return logits.gather(1, index[:, None])[:, 0]
