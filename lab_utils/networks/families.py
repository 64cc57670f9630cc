"""Which part of each torchvision family is which stage. The table behind `stages.py`.

torchvision takes longer to import than PyTorch itself: it is looked at only for a network of its own.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from torch import nn

# stage name -> dotted paths of its modules (or single parameters), as they are executed;
# the last one is the module whose output is the output of the stage. Paths that a network
# does not have (auxiliary classifiers, the last norm of Swin) are passed over.
Plan = dict[str, list[str]]


def plan(model: nn.Module) -> Plan | None:
    """The stages of a torchvision classifier, but for its classifier; None for any other network."""
    if not _made_by(model, "torchvision"):
        return None
    for family, make in _families().items():
        if isinstance(model, family):
            return make(model)
    return None


def channel_axis(model: nn.Module) -> int:
    """Axis of the channels in what the stages give: 1 in maps (B, C, H, W), -1 in Swin's maps and ViT's tokens.

    A network of one's own says it by an attribute of this name.
    """
    if not _made_by(model, "torchvision"):
        return int(getattr(model, "channel_axis", 1))
    from torchvision import models as tv

    return -1 if isinstance(model, tv.VisionTransformer | tv.SwinTransformer) else 1


def timm_config(model: nn.Module) -> dict[str, Any] | None:
    """What timm says of a network that it built: names of its head and first convolution; None for any other."""
    config = vars(model).get("pretrained_cfg")
    return config if isinstance(config, dict) and _made_by(model, "timm") else None


def timm_inputs(config: dict[str, Any]) -> list[str]:
    """Names of the convolutions that see the image: more than one where branches are parallel."""
    names = config["first_conv"]
    return [names] if isinstance(names, str) else list(names or [])


def _made_by(model: nn.Module, library: str) -> bool:
    """Whether the class of `model`, or one that it inherits from, is of this library."""
    return any(base.__module__.partition(".")[0] == library for base in type(model).__mro__)


def _resnet(_: nn.Module) -> Plan:
    layers = {f"layer{k}": [f"layer{k}"] for k in (1, 2, 3, 4)}
    return {"stem": ["conv1", "bn1", "relu", "maxpool"], **layers}


def _densenet(_: nn.Module) -> Plan:
    plan = {"stem": [f"features.{part}0" for part in ("conv", "norm", "relu", "pool")]}
    for k in (1, 2, 3):
        plan[f"block{k}"] = [f"features.denseblock{k}", f"features.transition{k}"]
    plan["block4"] = ["features.denseblock4", "features.norm5"]
    return plan


def _googlenet(_: nn.Module) -> Plan:
    return {
        "stem": ["conv1", "maxpool1", "conv2", "conv3", "maxpool2"],
        "inception3": ["inception3a", "inception3b", "maxpool3"],
        "inception4": ["aux1", "aux2", *(f"inception4{k}" for k in "abcde"), "maxpool4"],
        "inception5": ["inception5a", "inception5b"],
    }


def _inception(_: nn.Module) -> Plan:
    convs = ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")
    return {
        "stem": [*(f"Conv2d_{k}" for k in convs), "maxpool1", "maxpool2"],
        "mixed5": [f"Mixed_5{k}" for k in "bcd"],
        "mixed6": ["AuxLogits", *(f"Mixed_6{k}" for k in "abcde")],
        "mixed7": [f"Mixed_7{k}" for k in "abc"],
    }


def _regnet(_: nn.Module) -> Plan:
    return {"stem": ["stem"], **{f"block{k}": [f"trunk_output.block{k}"] for k in (1, 2, 3, 4)}}


def _shufflenet(_: nn.Module) -> Plan:
    rest = {name: [name] for name in ("stage2", "stage3", "stage4", "conv5")}
    return {"stem": ["conv1", "maxpool"], **rest}


def _maxvit(model: nn.Module) -> Plan:
    blocks = list(model.get_submodule("blocks").named_children())
    return {"stem": ["stem"], **{f"block{i + 1}": [f"blocks.{k}"] for i, (k, _) in enumerate(blocks)}}


def _pyramid(_: nn.Module) -> Plan:
    """ConvNeXt and Swin: patches, then blocks, each but the first after a downsampling."""
    plan = {"stem": ["features.0"], "stage1": ["features.1"]}
    for k in (2, 3, 4):
        plan[f"stage{k}"] = [f"features.{2 * k - 2}", f"features.{2 * k - 1}"]
    plan["stage4"].append("norm")  # Swin only
    return plan


def _vit(model: nn.Module) -> Plan:
    """Patch and position embedding, then the encoder layers in four equal parts."""
    layers = [k for k, _ in model.get_submodule("encoder.layers").named_children()]
    plan = {"embed": ["conv_proj", "class_token", "encoder.pos_embedding", "encoder.dropout"]}
    for k in range(4):
        part = layers[len(layers) * k // 4 : len(layers) * (k + 1) // 4]
        plan[f"blocks{k + 1}"] = [f"encoder.layers.{name}" for name in part]
    plan["blocks4"].append("encoder.ln")
    return plan


def _by_resolution(model: nn.Module) -> Plan:
    """Cut a plain sequence before every strided module and after every max-pooling."""
    top = "features" if hasattr(model, "features") else "layers"  # MNASNet's
    blocks: list[list[str]] = [[]]
    for name, child in model.get_submodule(top).named_children():
        strided = any(isinstance(m, nn.Conv2d) and m.stride[0] > 1 for m in child.modules())
        if blocks[-1] and strided:
            blocks.append([])
        blocks[-1].append(f"{top}.{name}")
        if isinstance(child, nn.MaxPool2d):
            blocks.append([])
    return {f"block{k}": paths for k, paths in enumerate(filter(None, blocks), start=1)}


@cache
def _families() -> dict[type[nn.Module], Callable[[nn.Module], Plan]]:
    from torchvision import models as tv

    plain = (tv.AlexNet, tv.VGG, tv.SqueezeNet, tv.MobileNetV2, tv.MobileNetV3, tv.EfficientNet, tv.MNASNet)
    return {
        tv.ResNet: _resnet,
        tv.DenseNet: _densenet,
        tv.GoogLeNet: _googlenet,
        tv.Inception3: _inception,
        tv.RegNet: _regnet,
        tv.ShuffleNetV2: _shufflenet,
        tv.MaxVit: _maxvit,
        tv.ConvNeXt: _pyramid,
        tv.SwinTransformer: _pyramid,
        tv.VisionTransformer: _vit,
        **dict.fromkeys(plain, _by_resolution),
    }
