"""Weights in a file of the user's, for one network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from lab_utils.names import did_you_mean
from lab_utils.networks import timm_networks
from lab_utils.networks.architectures import is_ours, is_timms, plan
from lab_utils.networks.known_weights import Weights, hash_prefix, of_transforms, preprocessing_from, sha256
from lab_utils.networks.preprocessing import Preprocessing
from lab_utils.networks.torch_files import Refused
from lab_utils.networks.weight_files import WEIGHT_SUFFIXES, Content, float32, read_file
from lab_utils.networks.weight_sets import choose

WRITTEN_BY = "lab_utils"  # the key of the metadata by which files of `save_model` are known


def from_path(
    name: str, path: Path, entry: str | None, given: Preprocessing | None, size: int | None = None
) -> Weights:
    if not path.exists():
        raise FileNotFoundError(
            f"Expected weights of {name} in {path.absolute()}, but the file is not there.{_near(path)}"
        )
    try:
        content = read_file(path)
        check_sum(content)
        if is_timms(name):
            state = float32(_of_timm(name, path, content, entry, size))
        else:
            state = float32(choose(name, path, content, entry))
    except Refused as refused:
        raise ValueError(f"Expected weights of {name} in {path}, but {refused}.") from None
    except OSError as error:
        raise ValueError(f"Expected weights of {name} in {path}, but it cannot be read ({error}).") from error
    found = _recorded(path, content, given)
    digest = sha256(path)
    info = {"sha256": digest, "passed_over": content.foreign, "metadata": content.metadata}
    channels = _channels(name, state)
    if found is None and given is None:
        found = _torchvisions(name, path, digest, channels)
    preprocessing = found or given or _assumed(name, channels)
    if preprocessing.channels != channels:
        raise ValueError(
            f"Expected the preprocessing of {channels} channels, which the first convolution in {path} takes, got one "
            f"of {preprocessing.channels}: {preprocessing}. Pass preprocessing= with one mean and one std per channel."
        )
    return Weights(state, preprocessing, str(path), info, assumed=found is None and given is None)


def _of_timm(name: str, path: Path, content: Content, entry: str | None, size: int | None) -> dict[str, Tensor]:
    """What `choose` finds, for images of another size too, or under names that timm has given up since."""
    recorded = _recorded(path, content, None) if WRITTEN_BY in content.metadata else None
    size = size or (recorded.size if recorded else None)
    try:
        found = choose(name, path, content, entry)
    except ValueError as error:
        sets = {key: timm_networks.renamed(name, tensors, size) for key, tensors in content.sets.items()}
        try:
            return choose(name, path, content._replace(sets=sets), entry)
        except ValueError:
            raise error from None
    return found if recorded and recorded.size == size else timm_networks.renamed(name, found, size)


def check_sum(content: Content) -> None:
    """Refuse a file of `save_model` that is not what was written."""
    wanted = checksum(content.sets.get("", {}), content.metadata) if WRITTEN_BY in content.metadata else None
    if wanted is not None and content.metadata.get("checksum") != wanted:
        raise Refused("it does not have the checksum that was written with it: it is damaged. Copy it again")


def _recorded(path: Path, content: Content, given: Preprocessing | None) -> Preprocessing | None:
    text = content.metadata.get("preprocessing")
    if text is None and content.preprocessing is None:
        return None
    try:
        return preprocessing_from(json.loads(text) if text is not None else content.preprocessing)
    except ValueError as error:
        if given is not None:
            return None
        raise ValueError(
            f"Expected to understand what {path} records of its preprocessing, but {error}. Pass preprocessing=."
        ) from error


def _channels(name: str, state: Mapping[str, Tensor]) -> int:
    """Channels of the images that the weights were trained on."""
    wanted = plan(name)
    return wanted.channels(state[wanted.conv1[0]])


def _torchvisions(name: str, path: Path, digest: str, channels: int) -> Preprocessing | None:
    """The preprocessing of a file that torchvision published for this network, as its name and checksum say."""
    prefix = hash_prefix(path)
    if is_ours(name) or is_timms(name) or not prefix or not digest.startswith(prefix):
        return None
    from torchvision import models

    known = {weights.url.rsplit("/", 1)[1]: weights for weights in models.get_model_weights(name)}
    return of_transforms(known[path.name]) if path.name in known and channels == 3 else None


def _assumed(name: str, channels: int) -> Preprocessing:
    if channels == 3 and is_timms(name):
        return timm_networks.of_config(timm_networks.config(name))
    if channels == 3 and not is_ours(name):
        from torchvision import models

        return of_transforms(models.get_model_weights(name).DEFAULT)
    return Preprocessing((0.5,) * channels, (0.25,) * channels, channels)


def _near(path: Path) -> str:
    """What lies beside a file that is not there."""
    if not path.parent.is_dir():
        return f" There is no folder {path.parent.absolute()} either."
    names = sorted(entry.name for entry in path.parent.iterdir() if entry.suffix.lower() in WEIGHT_SUFFIXES)
    there = f"The weight files in that folder are: {', '.join(names[:5])}."
    return did_you_mean(path.name, names) or f" {there if names else 'Look for it, and pass its path.'}"


def checksum(state_dict: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256 over names, types, shapes and bytes of all tensors, and over the metadata but for the checksum."""
    digest = hashlib.sha256(json.dumps({k: v for k, v in sorted(metadata.items()) if k != "checksum"}).encode())
    for key, value in sorted(state_dict.items()):
        array = value.detach().cpu().contiguous().numpy()
        digest.update(f"{key} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
