"""What a network computes inside: activations per stage, and the features under its head."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils.arguments import flag, whole
from lab_utils.modes import eval_mode
from lab_utils.names import unknown_name
from lab_utils.networks import Stage, head, preprocess, unwrapped
from lab_utils.networks import stages as stages_of


@contextmanager
def record(model: nn.Module, stages: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Keep the outputs of stages during the forward passes inside the ``with`` block.

    The values are detached copies, on the device of the model, as the network made them
    (Swin: (B, H, W, C), ViT: (B, tokens, C)). They are copies because many networks go on
    with an in-place ReLU, which would overwrite what was kept. Each forward pass replaces
    those of the one before; hooks are removed when the block is left, however it is left.

    Args:
        model: any network with `stages`.
        stages: names of stages, or dotted names of modules (``"layer1.0.bn1"``).

    Yields:
        A dict, empty at first: name -> output of the last forward pass.

    Raises:
        ValueError: if a name is neither a stage nor a module.
    """
    found = stages_of(model)
    with _recording({name: _module(model, found, name) for name in stages}) as kept:
        yield kept


@contextmanager
def _recording(modules: dict[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """Keep a copy of what each of these modules returned last, under its name."""
    kept: dict[str, Tensor] = {}

    def keeper(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if not isinstance(output, Tensor):
                raise TypeError(f"expected {name!r} to output one tensor, got {type(output).__name__}; choose a part")
            kept[name] = output.detach().clone()

        return keep

    handles = [module.register_forward_hook(keeper(name)) for name, module in modules.items()]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


def collect_activations(
    model: nn.Module,
    images: Tensor,
    *,
    stages: Sequence[str] | None = None,
    pooled: bool = True,
    batch_size: int = 64,
    device: torch.device | str | None = None,
) -> dict[str, Tensor]:
    """Outputs of stages for a set of images, in eval mode, gathered on the CPU batch by batch.

    Channels are on axis 1 for every network, also for those that compute with channels last.

    Args:
        model: any network with `stages` and a `preprocessing`.
        images: uint8 (N, C, H, W), not yet normalised; or floats in [0, 1].
        stages: names of stages (or modules, taken to have channels on axis 1); None for all.
        pooled: average over space, or for ViT over all tokens, the class token included.
        batch_size: images per forward pass.
        device: where to compute; the model is moved there. None: where the model is.

    Returns:
        Per stage, from the image upwards, float32: (N, C) pooled or where there is no space;
        else (N, C, H, W), and (N, C, tokens) for ViT, the class token first.

    Raises:
        ValueError: if a name is unknown, or there are no images.
    """
    flag("pooled", pooled)
    names = list(stages_of(model)) if stages is None else list(stages)
    with stage_outputs(model, names, pooled=pooled) as outputs:
        return _stream(model, images, outputs, batch_size, device)


@contextmanager
def stage_outputs(
    model: nn.Module, names: Sequence[str], *, pooled: bool
) -> Iterator[Callable[[Tensor], dict[str, Tensor]]]:
    """A function from a batch of normalised images to the outputs of stages, shaped as by `collect_activations`.

    The stages are looked up once for all batches: a search through a large network takes longer than a small batch.

    Raises:
        ValueError: if a name is neither a stage nor a module.
    """
    found = stages_of(model)
    with _recording({name: _module(model, found, name) for name in names}) as kept:

        def outputs(batch: Tensor) -> dict[str, Tensor]:
            unwrapped(model)(batch)  # a compiled network can pass hooks over
            return {name: _channels_first(kept[name], found.get(name), pooled) for name in names}

        yield outputs


def conv_to_samples(maps: Tensor, *, stride: int = 1) -> Tensor:
    """Every position of a feature map as a datapoint, every channel as a neuron.

    All positions of the first image come first, row by row, then those of the next: rows of two
    networks that saw the same images belong together.

    Args:
        maps: (B, C, H, W).
        stride: take every so many-th position in both directions, from the first on; neighbours tell
            much the same.

    Returns:
        (B * h * w, C), where h and w are H and W over `stride`, rounded up.

    Raises:
        ValueError: if `maps` has not four axes, or `stride` is below 1.
    """
    if maps.ndim != 4 or stride < 1:
        raise ValueError(f"expected maps (B, C, H, W) and a stride of at least 1, got {tuple(maps.shape)} and {stride}")
    return maps[:, :, ::stride, ::stride].permute(0, 2, 3, 1).flatten(0, 2)  # (B, h, w, C) -> (B * h * w, C)


def extract_features(
    model: nn.Module,
    split_or_images: Any,
    *,
    batch_size: int = 64,
    device: torch.device | str | None = None,
) -> Tensor:
    """What enters the head: the features that a linear probe or a kNN classifies.

    The model is in eval mode, without gradients, and afterwards in the modes it was in. Where
    the head is a convolution (SqueezeNet), its input is averaged over space.

    Args:
        model: any network with `stages` and a `preprocessing`.
        split_or_images: a split (anything with `images`), or images uint8 (N, C, H, W).
        batch_size: images per forward pass.
        device: where to compute; the model is moved there. None: where the model is.

    Returns:
        float32 (N, D) on the CPU.

    Raises:
        ValueError: if there are no images, or they do not fit the model.
    """
    images: Tensor = getattr(split_or_images, "images", split_or_images)
    classifier = head(model)
    entered: list[Tensor] = []

    def keep(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        features = inputs[0].detach()
        entered[:] = [(features if features.ndim == 2 else features.flatten(2).mean(dim=2)).clone()]

    def outputs(batch: Tensor) -> dict[str, Tensor]:
        unwrapped(model)(batch)  # a compiled network can pass hooks over
        return {"features": entered[0]}

    handle = classifier.register_forward_pre_hook(keep)
    try:
        return _stream(model, images, outputs, batch_size, device)["features"]
    finally:
        handle.remove()


def _stream(
    model: nn.Module,
    images: Tensor,
    outputs: Callable[[Tensor], dict[str, Tensor]],
    batch_size: int,
    device: torch.device | str | None,
) -> dict[str, Tensor]:
    """Run `outputs` over batches; one result tensor each, so that no list of parts is held twice."""
    check_images(images, batch_size)
    if device is not None:
        model.to(device)
    here = next(model.parameters()).device
    results: dict[str, Tensor] = {}
    with eval_mode(model), torch.no_grad():
        for start in range(0, len(images), batch_size):
            batch = preprocess(model, images[start : start + batch_size].to(here))
            for name, values in outputs(batch).items():
                if name not in results:
                    results[name] = torch.empty(len(images), *values.shape[1:])
                results[name][start : start + len(values)] = values
    return results


def check_images(images: Tensor, batch_size: int) -> None:
    """Refuse what is no set of images, a data loader for instance."""
    if not isinstance(images, Tensor) or images.ndim != 4 or len(images) == 0:
        got = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise ValueError(f"expected a tensor of at least one image, (N, C, H, W), got {got}; pass split.images")
    whole("batch_size", batch_size, 1)


def _channels_first(values: Tensor, stage: Stage | None, pooled: bool) -> Tensor:
    axis = 1 if stage is None else stage.channel_axis
    values = values.movedim(axis, 1)
    return values.flatten(2).mean(dim=2) if pooled and values.ndim > 2 else values


def _module(model: nn.Module, found: dict[str, Stage], name: str) -> nn.Module:
    if name in found:
        return found[name].output
    modules = dict(unwrapped(model).named_modules())
    if not name or name not in modules:
        raise unknown_name(f"stage of {type(model).__name__}", name, [*found, *(m for m in modules if m)])
    return modules[name]
