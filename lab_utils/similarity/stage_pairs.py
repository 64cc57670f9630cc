"""Two networks, stage by stage, on the same images: the covariances of their activations."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lab_utils.arguments import one_of, whole
from lab_utils.modes import eval_mode
from lab_utils.networks import preprocess, stages
from lab_utils.similarity.activations import check_images, conv_to_samples, stage_outputs
from lab_utils.similarity.covariance import Covariances, covariances, merged

CONV = ("positions", "pooled")
Pair = tuple[str, str]


def stage_covariances(
    model_x: nn.Module,
    model_y: nn.Module,
    images: Tensor,
    *,
    pairs: Sequence[Pair] | None = None,
    conv: str = "positions",
    per_side: int | None = None,
    parts: int = 1,
    permute: int | None = None,
    batch_size: int = 256,
    device: torch.device | str | None = None,
) -> dict[Pair, list[Covariances]]:
    """Show the images to both networks, in one order, and sum up what their stages answer.

    No activations are kept beyond their batch, so the images may be many and the maps large. Give
    the result to a similarity, ``mean_cca(merged(found[pair]))``, or `bootstrap_parts` for its interval.

    Args:
        model_x: any network with `stages` and a `preprocessing`.
        model_y: another one, or the same.
        images: uint8 (N, C, H, W), not yet normalised; a tensor and no loader, which might shuffle.
        pairs: a stage (or module) of `model_x` with one of `model_y`; None pairs stages of one name.
        conv: ``"positions"``: every position of a map is a datapoint; both maps of a pair must then
            have the same size. ``"pooled"``: every image is one, its maps averaged over space.
        per_side: take about so many positions per side, evenly spaced, in the place of all.
        parts: sets of images, in order, to sum up apart; 20 for `bootstrap_parts`.
        permute: a seed: show `model_y` the images in another order and mix the positions, so that
            the result is a draw of the null.
        batch_size: images per forward pass.
        device: where to compute; both models are moved there. None: where they are.

    Returns:
        For each pair, one `Covariances` per part.

    Raises:
        ValueError: if a name, `conv`, `per_side` or `parts` is out of range, there are no images,
            or the maps of a pair differ in size.
    """
    check_images(images, batch_size)
    chosen = _same_names(model_x, model_y) if pairs is None else [(x, y) for x, y in pairs]
    _check(conv, per_side, parts, len(images), chosen)
    rng = torch.Generator().manual_seed(permute) if permute is not None else None
    order = torch.arange(len(images)) if rng is None else torch.randperm(len(images), generator=rng)
    found: dict[Pair, list[Covariances]] = {pair: [] for pair in chosen}
    with (
        eval_mode(model_x),
        eval_mode(model_y),
        torch.no_grad(),
        _sampler(model_x, [x for x, _ in chosen], conv, per_side, device) as sample_x,
        _sampler(model_y, [y for _, y in chosen], conv, per_side, device) as sample_y,
    ):
        for part in torch.arange(len(images)).tensor_split(parts):
            sums: dict[Pair, list[Covariances]] = {pair: [] for pair in chosen}
            for index in part.split(batch_size):
                acts_x, acts_y = sample_x(images[index]), sample_y(images[order[index]])
                for x, y in chosen:
                    batch = covariances([_aligned(acts_x[x], acts_y[y], (x, y), rng)])
                    sums[x, y] = [merged([*sums[x, y], batch])]
            for pair in chosen:
                found[pair] += sums[pair]
    return found


@contextmanager
def _sampler(
    model: nn.Module,
    names: Sequence[str],
    conv: str,
    per_side: int | None,
    device: torch.device | str | None,
) -> Iterator[Callable[[Tensor], dict[str, Tensor]]]:
    """From images to (b, positions, channels) per name; one position where there is no space, or none is wanted."""
    if device is not None:
        model.to(device)
    with stage_outputs(model, list(dict.fromkeys(names)), pooled=conv == "pooled") as outputs:

        def samples(images: Tensor) -> dict[str, Tensor]:
            here = next(model.parameters()).device
            kept = outputs(preprocess(model, images.to(here)))
            return {name: _positions(values, per_side) for name, values in kept.items()}

        yield samples


def _positions(values: Tensor, per_side: int | None) -> Tensor:
    """Outputs of a stage, channels on axis 1, as (b, positions, channels)."""
    if values.ndim == 4:
        stride = 1 if per_side is None else max(1, -(-max(values.shape[2:]) // per_side))
        return conv_to_samples(values, stride=stride).unflatten(0, (len(values), -1))
    return values.flatten(2).transpose(1, 2) if values.ndim > 2 else values[:, None]


def _aligned(x: Tensor, y: Tensor, pair: Pair, rng: torch.Generator | None) -> tuple[Tensor, Tensor]:
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"expected maps of the same size from {pair[0]!r} and {pair[1]!r}, got {x.shape[1]} and {y.shape[1]} "
            'positions per image; average over space with conv="pooled"'
        )
    flat_x, flat_y = x.flatten(0, 1), y.flatten(0, 1)
    if rng is not None:
        flat_y = flat_y[torch.randperm(len(flat_y), generator=rng).to(flat_y.device)]
    return flat_x, flat_y.to(flat_x.device)


def _same_names(model_x: nn.Module, model_y: nn.Module) -> list[Pair]:
    names_x, names_y = list(stages(model_x)), list(stages(model_y))
    if names_x != names_y:
        raise ValueError(
            f"expected networks with the same stages, got {', '.join(names_x)} and {', '.join(names_y)}; say which to "
            f"compare, for example pairs=[({names_x[-1]!r}, {names_y[-1]!r})]"
        )
    return [(name, name) for name in names_x]


def _check(conv: str, per_side: int | None, parts: int, images: int, pairs: Sequence[Pair]) -> None:
    one_of("conv", conv, CONV)
    if per_side is not None:
        whole("per_side", per_side, 1, example=7)
    if not 1 <= parts <= images:
        raise ValueError(f"expected parts from 1 to the number of images, {images}, got {parts}")
    if not pairs:
        raise ValueError("expected at least one pair of stages, got none; leave pairs out to compare all stages")
