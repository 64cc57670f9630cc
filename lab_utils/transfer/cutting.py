"""Networks that end early: for a task to which the top of a pretrained network does not transfer."""

from collections import OrderedDict

import torch
from torch import nn

from lab_utils.names import unknown_name
from lab_utils.networks import preprocessing_of, stages


def cut(model: nn.Module, after: str, *, num_classes: int, seed: int) -> nn.Module:
    """A network of the lower stages of another one, whose maps or tokens are averaged and enter a new, random head.

    Args:
        model: a network, as `build_model` makes it. The new one shares its weights.
        after: name of the last stage to keep.
        num_classes: number of logits.
        seed: draws the weights of the head, and leaves the global random state as it was.

    Returns:
        A network with the preprocessing of `model`, one stage, "backbone", and a head.

    Raises:
        ValueError: if there is no such stage, or the network cannot be cut there.
    """
    from timm.models import create_feature_extractor  # torchvision's, which timm's own layers cannot do without

    found = stages(model)
    if after not in found:
        raise unknown_name(f"stage of {type(model).__name__}", after, found)
    preprocessing = preprocessing_of(model)
    side = preprocessing.size or max(64, preprocessing.min_size or 0)
    body = create_feature_extractor(model, {found[after].paths[-1]: "maps"})
    kept = [found[name] for name in list(found)[: list(found).index(after) + 1]]
    if {id(p) for p in body.parameters()} != {id(p) for stage in kept for p in stage.parameters()}:
        raise ValueError(
            f"expected the layers of {type(model).__name__} up to {after!r} to be found as one piece, but tracing it "
            "gives others; cut one of the kit's networks, or a network of timm"
        )
    with torch.no_grad():
        maps = body.eval()(torch.zeros(1, preprocessing.channels, side, side))["maps"]
    pool = Pool(found[after].channel_axis)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        head = nn.Linear(pool({"maps": maps}).shape[1], num_classes)
    whole = nn.Sequential(OrderedDict(backbone=body, pool=pool, head=head))
    vars(whole)["preprocessing"] = preprocessing
    return whole.train()


class Pool(nn.Module):
    """The average of each channel: ``{"maps": (B, C, H, W)}``, or tokens (B, T, C), channels last, to (B, C)."""

    def __init__(self, channel_axis: int) -> None:
        super().__init__()
        self.channel_axis = channel_axis

    def forward(self, found: dict[str, torch.Tensor]) -> torch.Tensor:
        return found["maps"].movedim(self.channel_axis, 1).flatten(2).mean(dim=2)
