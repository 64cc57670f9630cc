"""The stages of a network of timm: its parameters as timm groups them, in the order in which one pass runs them."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lab_utils.networks.preprocessing import Preprocessing

_OF_HEAD = re.compile(r"(^|\.)(head|global_pool|flatten|fc_norm)")  # ends no stage, where it has no weights
_LAST = 99_998  # a group of its own; timm's own number, one more, adds what is above the blocks to the last of them


class Part(NamedTuple):
    """Paths of a stage, that of its output last, and the axis of the channels in the output."""

    paths: list[str]
    axis: int


class Output(NamedTuple):
    """A module that ended, in one pass, and the shape of its output; None if that is not one tensor."""

    path: str
    shape: tuple[int, ...] | None


_known: dict[object, dict[str, Part]] = {}


def parts(model: nn.Module, top: str) -> dict[str, Part]:
    """Stages below the head `top`. The first is "stem", the others are called as the largest module in them.

    Raises:
        ValueError: If a pass does not run them one after the other.
    """
    key = (type(model), top, tuple((name, value.shape) for name, value in model.state_dict().items()))
    if key not in _known:
        _known[key] = _found(model, top)
    return _known[key]


def _found(model: nn.Module, top: str) -> dict[str, Part]:
    group = {name: k for name, k in _groups(model).items() if not name.startswith(f"{top}.")}
    inside: dict[str, set[int]] = {path: set() for path, _ in model.named_modules()}
    for name, k in group.items():
        for dot in [0, *(found.start() for found in re.finditer(r"\.", name))]:
            inside[name[:dot]].add(k)
    pieces = list(_pieces(model, "", top, inside))
    ended = _one_pass(model, pieces)
    ran = _in_order(model, ended, inside)
    if lost := [name for name, k in group.items() if k not in ran]:
        raise ValueError(_unfit(model, f"a pass does not run {lost[0]}"))
    # what holds numbers and is no module that runs: tokens, position embeddings, masks
    loose = [*group.items(), *((name, next(iter(ran))) for name, _ in model.named_buffers())]
    placed = {path for paths in ran.values() for path in paths}
    for name, k in loose:
        path = next((piece for piece in pieces if name.startswith(f"{piece}.")), name)
        if path not in placed and not name.startswith(f"{top}."):
            ran[k].insert(0, path)
            placed.add(path)
    return _named(model, list(ran.values()), {output.path: output.shape for output in ended})


def _groups(model: Any) -> dict[str, int]:
    """Name of each parameter -> number of its group, in timm's words.

    A network whose only convolution makes patches (ViT, Swin, mixers) is counted block by block, as the literature
    does; others by their stages.
    """
    from timm.models import group_parameters

    convolutions = sum(isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) for module in model.modules())
    try:
        matcher = model.group_matcher(coarse=convolutions > 1)
    except (AttributeError, AssertionError, NotImplementedError):  # some have none
        return _by_features(model)
    if isinstance(matcher, Mapping):
        entries = {key: [(one, None)] if isinstance(one, str) else one for key, one in matcher.items() if one}
        matcher = {
            key: [(pattern, (_LAST,) if end == (_LAST + 1,) else end) for pattern, end in one]
            for key, one in entries.items()
        }
    found: dict[str, int] = group_parameters(model, matcher, reverse=True)
    return found


def _by_features(model: Any) -> dict[str, int]:
    """One group up to the end of each module that timm lists as a feature, and one for the rest."""
    ends = [f"{part['module']}." for part in model.feature_info]
    found, k, within = {}, 0, False
    for name, _ in model.named_parameters():
        if within and not name.startswith(ends[k]):
            k, within = k + 1, False
        within = within or (k < len(ends) and name.startswith(ends[k]))
        found[name] = k
    return found


def _pieces(model: nn.Module, path: str, top: str, inside: Mapping[str, set[int]]) -> Iterator[str]:
    """The largest modules that belong to one group, or to none, and not to the head."""
    if path and len(inside[path]) <= 1 and not f"{top}.".startswith(f"{path}."):
        yield path
    elif path != top:
        for name, _ in model.get_submodule(path).named_children():
            yield from _pieces(model, f"{path}.{name}" if path else name, top, inside)


def _one_pass(model: Any, pieces: list[str]) -> list[Output]:
    """Run a copy, with shapes and no numbers, or with them where a layer cannot do without."""
    try:
        return _ended(model, pieces, "meta")
    except (NotImplementedError, RuntimeError):
        return _ended(model, pieces, "cpu")


def _ended(model: Any, pieces: list[str], device: str) -> list[Output]:
    twin = copy.deepcopy(model).to(device).eval()
    for module in twin.modules():
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    ended: list[Output] = []

    def note(path: str, output: object) -> None:
        ended.append(Output(path, tuple(output.shape) if isinstance(output, Tensor) else None))

    for path in pieces:
        twin.get_submodule(path).register_forward_hook(lambda _module, _inputs, output, path=path: note(path, output))
    channels, *sides = model.pretrained_cfg["input_size"]
    own = vars(model).get("preprocessing")
    if isinstance(own, Preprocessing):
        channels, sides = own.channels, [own.size] * 2 if own.size else sides
    with torch.no_grad(), torch.device(device):
        twin(torch.zeros(2, channels, *sides))
    return ended


def _in_order(model: nn.Module, ended: list[Output], inside: Mapping[str, set[int]]) -> dict[int, list[str]]:
    """Group -> its modules as they run; what has no weights goes with the weights before it."""
    often = Counter(output.path for output in ended)
    ran: dict[int, list[str]] = {}
    before: list[str] = []
    for path, _ in ended:
        if inside[path]:
            (k,) = inside[path]
            if k in list(ran)[:-1]:
                raise ValueError(_unfit(model, f"a pass comes back to {path} after {list(ran.values())[-1][-1]}"))
            ran.setdefault(k, before if not ran else [])
        elif often[path] > 1 or _OF_HEAD.search(path):
            continue
        now = list(ran.values())[-1] if ran else before
        if path not in now:
            now.append(path)
    return ran


def _named(model: nn.Module, found: list[list[str]], shapes: Mapping[str, tuple[int, ...] | None]) -> dict[str, Part]:
    named = {}
    for k, paths in enumerate(found):
        paths.sort(key=lambda path: path in shapes and shapes[path] is not None)  # stable: a tensor is last, if any
        modules = [path for path in paths if path in shapes]
        largest = max(modules, key=lambda path: sum(p.numel() for p in model.get_submodule(path).parameters()))
        named["stem" if k == 0 else largest] = Part(paths, _axis(shapes[paths[-1]]))
    return named


def _axis(shape: tuple[int, ...] | None) -> int:
    """Of the channels in (B, C, H, W), (B, H, W, C), (B, tokens, C) or (B, C), where maps are square."""
    maps = shape is not None and len(shape) == 4
    return 1 if shape is None or len(shape) == 2 or (maps and shape[1] != shape[2]) else -1


def _unfit(model: nn.Module, why: str) -> str:
    return (
        f"expected a network of timm whose groups of parameters run one after the other, as stages do, but in "
        f"{type(model).__name__} {why}; choose another one of list_models()"
    )
