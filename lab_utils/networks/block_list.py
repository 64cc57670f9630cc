"""The stages of a network, cut finer."""

from collections.abc import Iterator

from torch import nn

from lab_utils.networks.stage_list import Stage, head_path, stages


def blocks(model: nn.Module) -> dict[str, Stage]:
    """The backbone of `model` as its blocks, from the image upwards: each convolution, norm, residual block alone.

    A stage is cut where it is a plain sequence; what holds no numbers (ReLU, pooling) goes with the block before it, a
    token or a table with the block that it is made for. A stage that is one block keeps its name; other blocks have
    the dotted name of their module. So ResNet-50 has ``conv1, bn1, layer1.0 ... layer4.2``, the kit's ViT
    ``embed, blocks1.0, blocks1.1 ...``, and one that timm's `stages` already gives block by block stays as it is.

    Returns:
        Name -> block; together they hold what the stages hold.

    Raises:
        ValueError: as `stages`.
    """
    return {block.name: block for stage in stages(model).values() for block in _cut(stage)}


def _cut(stage: Stage) -> Iterator[Stage]:
    groups: list[list[str]] = []
    open_group = True  # the last group has no module with numbers yet
    top = head_path(stage.model).partition(".")[0] + "."
    paths = sorted(stage.paths, key=lambda path: path.startswith(top))  # ConvNeXt's last norm is above its blocks
    for path in (piece for whole in paths for piece in _pieces(stage.model, whole)):
        part = _part(stage.model, path)
        starts = isinstance(part, nn.Module) and _holds_numbers(part)
        if not groups or (starts and not open_group):
            groups.append([])
            open_group = True
        groups[-1].append(path)
        open_group = open_group and not starts
    for group in groups:
        named = [path for path in group if _holds_numbers(_part(stage.model, path))]
        name = stage.name if len(groups) == 1 else next(p for p in named if not _is_parameter(stage.model, p))
        yield Stage(name, tuple(group), stage.channel_axis, model=stage.model)


def _pieces(model: nn.Module, path: str) -> Iterator[str]:
    """The modules that follow each other in this one."""
    part = _part(model, path)
    if type(part) is nn.Sequential:  # those that inherit from it, as torchvision's convolution with norm, are one block
        for name, _ in part.named_children():
            yield from _pieces(model, f"{path}.{name}")
    else:
        yield path


def _part(model: nn.Module, path: str) -> nn.Module | nn.Parameter:
    owner, _, name = path.rpartition(".")
    part: nn.Module | nn.Parameter = getattr(model.get_submodule(owner), name)
    return part


def _is_parameter(model: nn.Module, path: str) -> bool:
    return isinstance(_part(model, path), nn.Parameter)


def _holds_numbers(part: nn.Module | nn.Parameter) -> bool:
    return isinstance(part, nn.Parameter) or any(True for _ in part.parameters()) or any(True for _ in part.buffers())
