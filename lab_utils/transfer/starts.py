"""Other ways to start: the scale of pretrained weights without their features, Gabor filters, one stage anew.

All change a network in place and leave its head alone. To combine them with pretrained
stages, call `transfusion.transfuse` afterwards.

References:
    Raghu, Zhang, Kleinberg, Bengio (2019), Transfusion, arXiv:1902.07208, section 4 and appendix.
    Matsoukas et al. (2022), What makes transfer learning work for medical images,
    arXiv:2203.01825, section 3.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from lab_utils.names import unknown_name
from lab_utils.networks import blocks, first_conv, preprocess, stages
from lab_utils.transfer.gabor import gabor_bank
from lab_utils.transfer.transfusion import same_tensors

_DRAWN = (_ConvNd, nn.Linear, nn.MultiheadAttention)
_NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm)
LOWEST_WAVES = 0.5  # in a Gabor filter's side: half a wave is an edge
HIGHEST_FREQUENCY = 0.35  # cycles per pixel; pixels can show up to 0.5
BANDWIDTHS = (1.0, 2.0)  # octaves


def mean_var_init(model: nn.Module, source: nn.Module, *, seed: int) -> None:
    """Draw all weights anew, with the mean and the variance that they have in `source`.

    Each tensor is drawn i.i.d. from N(mean, variance) of the same tensor of the pretrained
    network, so the scale of each layer is kept and every feature is destroyed. That goes
    for weights and biases of convolutions and linear layers, and for embeddings. Norm layers
    start fresh: scale 1, shift 0, running mean 0, running variance 1. Statistics are never
    drawn (a drawn variance can be negative).

    Args:
        model: the network to change, in place; its head and its `preprocessing` stay.
        source: a pretrained network, built alike; it stays as it is.
        seed: the same seed draws the same weights; use a new one for each run.

    Raises:
        ValueError: if a stage is built differently in the two networks.
    """

    def draw(values: Tensor, generator: torch.Generator, parameter: nn.Parameter) -> Tensor:
        std, mean = torch.std_mean(values.double(), correction=0)
        return torch.randn(values.shape, generator=generator, dtype=torch.float64) * std + mean

    _from_source(model, source, draw, seed)


def permuted_init(model: nn.Module, source: nn.Module, *, seed: int) -> None:
    """Shuffle the weights of `source` within each tensor: a control for `mean_var_init`.

    The whole distribution of each tensor is kept, not only its mean and variance; norm
    layers start fresh, and features are destroyed just as well. Arguments and errors are
    those of `mean_var_init`.
    """

    def shuffle(values: Tensor, generator: torch.Generator, parameter: nn.Parameter) -> Tensor:
        return values.flatten()[torch.randperm(values.numel(), generator=generator)].view(values.shape)

    _from_source(model, source, shuffle, seed)


def st_init(model: nn.Module, source: nn.Module, *, seed: int) -> None:
    """Start from the statistics of pretrained weights, as the paper's code does (its "ST").

    Each weight *and bias* of a convolution or linear layer (projections of attention among them) is drawn i.i.d. from
    N(mean, sd) of the same tensor of `source`, with the unbiased sd (n - 1). Norm layers start fresh. Everything else
    stays *pretrained*: class token, position embedding, Swin's tables of relative positions. This is where it differs
    from `mean_var_init`, which draws those too and takes the sd over n. With `transfuse(model, source, upto=...)`
    afterwards it becomes WT-ST-n: ``upto`` is a stage, or one of the finer `blocks`.

    Args:
        model: the network to change, in place; its head and its `preprocessing` stay.
        source: a pretrained network, built alike; it stays as it is.
        seed: the same seed draws the same weights. One draw belongs to one run, for all n of WT-ST-n.

    Raises:
        ValueError: if a stage is built differently in the two networks.

    References:
        Matsoukas et al. (2022), arXiv:2203.01825, section 3, and its code.
    """
    layers = [m for stage in stages(model).values() for m in stage.modules() if isinstance(m, _DRAWN)]
    drawn = {id(p) for layer in layers for p in layer.parameters(recurse=False)}

    def draw(values: Tensor, generator: torch.Generator, parameter: nn.Parameter) -> Tensor:
        if id(parameter) not in drawn:
            return values
        wide = values.double()
        std = wide.std() if wide.numel() > 1 else torch.zeros(())  # one number has no spread
        return torch.randn(values.shape, generator=generator, dtype=torch.float64) * std + wide.mean()

    _from_source(model, source, draw, seed)


def scale_weights(model: nn.Module, factor: float) -> None:
    """Multiply the weights of the backbone, those with two axes or more outside norm layers, by `factor`.

    Before a batch norm this does not change what the network computes, only how much a step
    of the optimizer turns it: a weight of half the size is turned twice as far.

    Raises:
        ValueError: if `factor` is not above 0.
    """
    if not 0 < factor < math.inf:
        raise ValueError(f"expected a factor above 0, got {factor}; 1 leaves the weights as they are")
    norms = {id(p) for norm in _norms(model) for p in norm.parameters()}
    with torch.no_grad():
        for stage in stages(model).values():
            for parameter in stage.parameters():
                if parameter.ndim > 1 and id(parameter) not in norms:
                    parameter.mul_(factor)


def gabor_init(model: nn.Module, *, seed: int, std: float | None = None) -> None:
    """Put random Gabor filters into the first convolution; nothing else changes.

    Orientation is uniform over all directions, phase over the circle, bandwidth over 1 to 2
    octaves, frequency log-uniform from half a wave per filter to 0.35 cycles per pixel. Each
    filter has its mean taken off, so that plain grey gives nothing, and all have the same
    length. With several input channels each gets the same filter.

    Args:
        model: any network with a first convolution of at least 3 px.
        seed: of the draw.
        std: root mean square of the new weights; None for the standard deviation of those that
            the layer has now. To match another network, pass that of its first layer.

    Raises:
        ValueError: if the filters are smaller than 3 px, or not square, or `std` is not above 0.

    References:
        Raghu et al. (2019), appendix: synthetic Gabor filters in place of a pretrained conv1.
    """
    weight = first_conv(model).weight
    count, channels, size, other = weight.shape
    if size < 3 or size != other:
        raise ValueError(f"expected a first convolution of square filters of at least 3 px, got {size} x {other}")
    scale = float(weight.detach().cpu().double().std(correction=0)) if std is None else std
    if not 0 < scale < math.inf:
        raise ValueError(f"expected a std above 0 for the filters, got {scale}; pass std=")
    generator = _generator(seed)
    draws = torch.rand(4, count, generator=generator, dtype=torch.float64)
    lowest = LOWEST_WAVES / size
    frequency = lowest * (HIGHEST_FREQUENCY / lowest) ** draws[1]
    bandwidth = BANDWIDTHS[0] + (BANDWIDTHS[1] - BANDWIDTHS[0]) * draws[3]
    bank = gabor_bank(size, math.pi * draws[0], frequency, 2 * math.pi * draws[2], bandwidth)
    bank = bank - bank.mean(dim=(1, 2), keepdim=True)
    bank = scale * bank / bank.square().mean(dim=(1, 2), keepdim=True).sqrt()
    with torch.no_grad():
        weight.copy_(bank[:, None].expand(-1, channels, -1, -1).to(weight.dtype))


def reinit_stage(model: nn.Module, stage: str, start: nn.Module) -> None:
    """Put one stage back to what it is in `start`; all others stay trained.

    If accuracy hardly falls, training did not need to change this stage. `start` is the
    network before training, or a new random one.

    Args:
        model: a trained network, changed in place.
        stage: name of the stage, or of one of its `blocks`; no other name that begins with it is touched.
        start: a network whose stage is built alike.

    Raises:
        ValueError: if there is no such stage or it is built differently.

    References:
        Zhang, Bengio, Singer (2019), Are all layers created equal?, arXiv:1902.01996.
    """
    cut = stages if stage in stages(model) else blocks
    if stage not in cut(model):
        raise unknown_name(f"stage of {type(model).__name__}", stage, [*stages(model), *cut(model)])
    with torch.no_grad():
        for _, _, mine, theirs in same_tensors(model, start, [stage], cut=cut):
            mine.copy_(theirs)


def renew_statistics(model: nn.Module, images: Tensor, *, batch_size: int = 256) -> None:
    """Measure the running mean and variance of every batch norm anew, for the weights there are now.

    After `reinit_stage` the stages above see inputs of another scale than their stored
    statistics say. Without this step one measures mostly that. No weight changes.

    Args:
        model: any network with a `preprocessing`; in eval mode afterwards.
        images: uint8 (N, C, H, W), training images.
        batch_size: images per forward pass; the statistics are averages over the batches.

    Raises:
        ValueError: if there are fewer than two images.
    """
    if len(images) < 2:
        raise ValueError(f"expected at least two images to measure statistics on, got {len(images)}")
    norms = [m for m in model.modules() if isinstance(m, _NormBase) and m.track_running_stats]
    before = [norm.momentum for norm in norms]
    here = next(model.parameters()).device
    model.eval()  # dropout stays off
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain average over the batches
            norm.train()
        with torch.no_grad():
            for batch in images.split(batch_size):
                if len(batch) > 1:
                    model(preprocess(model, batch.to(here)))
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
        model.eval()


def _from_source(
    model: nn.Module, source: nn.Module, make: Callable[[Tensor, torch.Generator, nn.Parameter], Tensor], seed: int
) -> None:
    """Fill every parameter outside norm layers with what `make` makes of that of `source`; renew norm layers."""
    pairs = same_tensors(model, source, list(stages(model)))
    norms = _norms(model)
    of_norms = {id(p) for norm in norms for p in norm.parameters()}
    generator = _generator(seed)
    with torch.no_grad():
        for _, _, mine, theirs in pairs:
            if isinstance(mine, nn.Parameter) and id(mine) not in of_norms:
                mine.copy_(make(theirs.detach().cpu(), generator, mine).to(mine.dtype))
        for norm in norms:
            norm.reset_parameters()


def _norms(model: nn.Module) -> list[_NormBase | nn.LayerNorm | nn.GroupNorm]:
    """The norm layers of the backbone."""
    return [m for stage in stages(model).values() for m in stage.modules() if isinstance(m, _NORMS)]


def _generator(seed: int) -> torch.Generator:
    """Random numbers that differ from those with which `build_model` drew a network of the same seed."""
    return torch.Generator().manual_seed(seed ^ 0x2545F491)
