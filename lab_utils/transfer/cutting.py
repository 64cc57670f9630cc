"""Networks that end early: for a task to which the top of a pretrained network does not transfer."""

from collections import OrderedDict

import torch
from torch import nn

from lab_utils.names import unknown_name
from lab_utils.networks import preprocessing_of, stages


def cut(model: nn.Module, after: str, *, num_classes: int, seed: int) -> nn.Module:
    """A network of the lower stages of another one, whose maps are averaged and enter a new, random head.

    Args:
        model: a network of maps (B, C, H, W), as `build_model` makes it. The new one shares its weights.
        after: name of the last stage to keep.
        num_classes: number of logits.
        seed: draws the weights of the head, and leaves the global random state as it was.

    Returns:
        A network with the preprocessing of `model`, one stage, "backbone", and a head.

    Raises:
        ValueError: if there is no such stage, or what it puts out are no maps with channels on axis 1.
    """
    from timm.models import create_feature_extractor  # torchvision's, which timm's own layers cannot do without

    found = stages(model)
    if after not in found:
        raise unknown_name(f"stage of {type(model).__name__}", after, found)
    preprocessing = preprocessing_of(model)
    side = preprocessing.size or max(64, preprocessing.min_size or 0)
    body = create_feature_extractor(model, {found[after].paths[-1]: "maps"})
    with torch.no_grad():
        maps = body.eval()(torch.zeros(1, preprocessing.channels, side, side))["maps"]
    if found[after].channel_axis != 1 or maps.ndim != 4:
        raise ValueError(
            f"expected maps (B, C, H, W) after {after!r}, got {tuple(maps.shape)}; cut a convolutional network"
        )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        head = nn.Linear(maps.shape[1], num_classes)
    whole = nn.Sequential(OrderedDict(backbone=body, pool=Pool(), head=head))
    vars(whole)["preprocessing"] = preprocessing
    return whole.train()


class Pool(nn.Module):
    """The average of each map: ``{"maps": (B, C, H, W)}`` to (B, C)."""

    def forward(self, found: dict[str, torch.Tensor]) -> torch.Tensor:
        return found["maps"].mean(dim=(2, 3))
