"""A network as an ordered list of named stages and a head.

Freezing, learning rates by depth, cached features and activations per layer are all
small functions of this list. It works for the networks of this package, for every
torchvision classification model (also one built by torchvision directly), and for any
network of your own whose children are its stages and whose classifier is called `head`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from torch import Tensor, nn

from lab_utils.networks import families, timm_stages
from lab_utils.networks.wrappers import unwrapped


@dataclass(frozen=True, eq=False)
class Stage:
    """A named, contiguous part of a backbone.

    Attributes:
        name: for example ``"layer2"``.
        paths: dotted names, in the network, of the modules and loose parameters it holds.
        channel_axis: axis of the channels in its output: 1 for (B, C, H, W) maps, -1 for
            the (B, H, W, C) maps of Swin and the (B, tokens, C) of ViT.
    """

    name: str
    paths: tuple[str, ...]
    channel_axis: int = 1
    model: nn.Module = field(repr=False, kw_only=True)

    @property
    def output(self) -> nn.Module:
        """The module whose output is the output of the stage."""
        return self.model.get_submodule(self.paths[-1])

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Names as in ``model.named_parameters()``."""
        for path in self.paths:
            part = _get(self.model, path)
            if isinstance(part, nn.Parameter):
                yield path, part
            elif isinstance(part, nn.Module):
                yield from part.named_parameters(prefix=path)

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """Names as in ``model.named_buffers()``."""
        for path in self.paths:
            part = _get(self.model, path)
            if isinstance(part, nn.Module):
                yield from part.named_buffers(prefix=path)

    def parameters(self) -> Iterator[nn.Parameter]:
        return (parameter for _, parameter in self.named_parameters())

    def buffers(self) -> Iterator[Tensor]:
        return (buffer for _, buffer in self.named_buffers())

    def modules(self) -> Iterator[nn.Module]:
        parts = (_get(self.model, path) for path in self.paths)
        return chain.from_iterable(p.modules() for p in parts if isinstance(p, nn.Module))


def stages(model: nn.Module) -> dict[str, Stage]:
    """The stages of the backbone of `model`, from the image upwards.

    Together they hold every parameter and buffer outside the head exactly once. Hidden
    fully connected layers below the head (VGG, AlexNet, MobileNetV3, MaxViT) are a last
    stage called ``"hidden"``; auxiliary classifiers belong to the stage they hang on. Those of timm
    have the stages that timm groups them into, and ViT, Swin and mixers one for each block.

    Raises:
        ValueError: if `model` is no classifier of torchvision or timm and has no child named `head`,
            or has parameters that belong to none of its children, or does not run in stages.
    """
    model = unwrapped(model)
    if families.timm_config(model) is not None:
        parts = timm_stages.parts(model, head_path(model))
        of_timm = {name: Stage(name, tuple(paths), axis, model=model) for name, (paths, axis) in parts.items()}
        _check_cover(model, of_timm.values())
        return of_timm
    plan = families.plan(model) or _children(model)
    below = _below_head(model)
    if any(isinstance(_get(model, path), nn.Linear) for path in below):
        plan["hidden"] = below
    elif below:  # ConvNeXt's last norm: part of the last stage, which still outputs its map
        last = plan[list(plan)[-1]]
        last[:0] = below
    axis = families.channel_axis(model)
    found = {
        name: Stage(
            name,
            tuple(p for p in paths if _get(model, p) is not None),
            1 if name == "hidden" else axis,
            model=model,
        )
        for name, paths in plan.items()
    }
    _check_cover(model, found.values())
    return found


def head(model: nn.Module) -> nn.Module:
    """The classifier: the layer (or the block put in its place) that gives the logits.

    Raises:
        ValueError: if there is none that can be recognised.
    """
    model = unwrapped(model)
    return model.get_submodule(head_path(model))


def head_path(model: nn.Module) -> str:
    """Dotted name of the head in `model` (in `unwrapped(model)`), for example ``"fc"`` or ``"classifier.6"``."""
    model = unwrapped(model)
    config = families.timm_config(model)
    if config is not None and isinstance(_get(model, str(config["classifier"])), nn.Module):
        return str(config["classifier"])
    for name in ("head", "heads", "fc", "classifier") if config is None else ():
        child = getattr(model, name, None)
        if not isinstance(child, nn.Module):
            continue
        if name in ("head", "fc") or not isinstance(child, nn.Sequential):
            return name
        inner = [k for k, c in child.named_children() if any(True for _ in c.parameters())]
        if inner:
            return f"{name}.{inner[-1]}"
    children = [name for name, _ in model.named_children()]
    raise ValueError(
        f"expected a network whose classifier is a child named 'head' (or one built by "
        f"torchvision or timm), got {type(model).__name__} with children {children}; "
        "rename its last layer to `head`, or build it with build_model"
    )


def _children(model: nn.Module) -> families.Plan:
    """One stage per child that has parameters or buffers: our networks and your own."""
    top = head_path(model).split(".")[0]
    return {
        name: [name]
        for name, child in model.named_children()
        if name != top and any(True for _ in chain(child.parameters(), child.buffers()))
    }


def _below_head(model: nn.Module) -> list[str]:
    """Parts of a sequential classifier below its last layer that hold parameters.

    Dropout right before the head regularises the head, so it is not among them.
    """
    top, _, inner = head_path(model).partition(".")
    if not inner:
        return []
    names = [name for name, _ in model.get_submodule(top).named_children()]
    below = [f"{top}.{name}" for name in names[: names.index(inner)]]
    while below and isinstance(_get(model, below[-1]), nn.Dropout):
        below.pop()
    has_parameters = any(True for path in below for _ in model.get_submodule(path).parameters())
    return below if has_parameters else []


def _get(model: nn.Module, path: str) -> nn.Module | nn.Parameter | None:
    part: object = model
    for name in path.split("."):
        part = getattr(part, name, None)
    return part if isinstance(part, nn.Module | nn.Parameter) else None


def _check_cover(model: nn.Module, found: Iterable[Stage]) -> None:
    top = head_path(model) + "."
    names = [n for s in found for n, _ in chain(s.named_parameters(), s.named_buffers())]
    wanted = [n for n, _ in chain(model.named_parameters(), model.named_buffers())]
    missing = sorted({n for n in wanted if not n.startswith(top)} - set(names))
    if missing or len(names) != len(set(names)):
        raise ValueError(
            f"expected every parameter and buffer of {type(model).__name__} below its head "
            f"in exactly one stage; in none: {', '.join(missing[:5]) or '-'}; put loose "
            "parameters and added layers into one of the children that are stages"
        )
