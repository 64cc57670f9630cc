"""Which of the tensors in a file are the weights of a network: one set, one prefix, no guess."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from lab_utils.networks.architectures import AUXILIARY, OURS, Plan, plan, torchvisions
from lab_utils.networks.weight_files import Content

# torchvision's files still say norm.1 where its networks have long said norm1
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.")
# A classifier under another name than the network's own is still only a classifier.
_HEADS = ("head", "heads", "fc", "classifier", "linear", "last_linear", "output", "logits", "cls_head")
# Numbers beside a network, outside of it: class weights of a loss, in Lightning files, and a counter of AveragedModel.
_BESIDE = re.compile(r"n_averaged|(\w*loss\w*|\w*criterion\w*)\.(\w+\.)*(weight|pos_weight)")
# The names of other libraries, by a name that only theirs have.
_LIBRARIES = {
    "timm's": re.compile(r"(^|\.)(patch_embed\.proj|conv_stem|stem_conv|blocks\.\d+\.attn\.qkv|stages\.\d+\.blocks)\."),
    "Hugging Face's": re.compile(
        r"(^|\.)(embedder\.embedder|embeddings\.patch_embeddings|encoder\.layer\.\d+\.attention)\."
    ),
    "a segmentation network's": re.compile(r"(^|\.)(decoder|aux_classifier|segmentation_head|up\d)\."),
}


class Match(NamedTuple):
    """How a set of tensors fits a network; empty lists mean that it does."""

    state: dict[str, Tensor]
    missing: list[str]
    unexpected: list[str]
    reshaped: list[str]

    @property
    def fits(self) -> bool:
        return not (self.missing or self.unexpected or self.reshaped)


def choose(name: str, path: Path, content: Content, entry: str | None) -> dict[str, Tensor]:
    """The weights of the network in a file, under the network's own names; its head as it is in the file.

    One prefix that all names of a set have in common is taken off if the rest then fits.

    Args:
        name: Of the network.
        path: Of the file, for the errors.
        content: What is in the file.
        entry: Which part of the file; None where only one fits.

    Raises:
        ValueError: If none fits, or several that differ; says what the file contains.
    """
    sets = content.sets if entry is None else _named(path, content, entry)
    matches = {key: match(tensors, plan(name)) for key, tensors in sets.items()}
    fitting = {key: found.state for key, found in matches.items() if found.fits}
    if not fitting:
        raise ValueError(_no_fit(name, path, content, sets, matches))
    first, *others = fitting.values()
    if not all(_same(first, other) for other in others):
        shown = " or ".join(f"entry={key!r}" for key in fitting)
        raise ValueError(
            f"Expected one set of weights of {name} in {path}, but it holds {len(fitting)} that fit and differ. Say "
            f"which one you mean: {shown}. (Often one is the running mean of the other's training, or its teacher.)"
        )
    return first


def match(tensors: Mapping[str, Tensor], wanted: Plan) -> Match:
    """Compare names and shapes, without the common prefix if only that is in the way."""
    state = {key: value for key, value in renamed(tensors).items() if not _BESIDE.fullmatch(key)}
    best = _compare(state, wanted)
    while not best.fits and (prefix := _common_prefix(state)):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
        found = _compare(state, wanted)
        if len(found.missing) < len(best.missing):
            best = found
    return best


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The names that torchvision's networks have today."""
    return {_OLD_DENSENET.sub(r"\1\2.", key): value for key, value in tensors.items()}


def _compare(state: dict[str, Tensor], wanted: Plan) -> Match:
    # old files lack this counter, which matters to nothing here
    missing = [key for key in wanted.backbone() if key not in state and not key.endswith("num_batches_tracked")]
    shared = [key for key in wanted.backbone() if key in state]
    reshaped = [key for key in shared if not wanted.fits(key, state[key])]
    own = {key.split(".")[0] for key in wanted.backbone()} - {"classifier"}
    extra = [key for key in state if key not in wanted.shapes and not key.startswith((wanted.head, *AUXILIARY))]
    tops = {key.split(".")[0] for key in extra}
    if len(tops) == 1 and tops <= set(_HEADS) - own and not (missing or reshaped):
        extra = []  # the backbone is whole, and what is left is a classifier
    return Match(state, missing, extra, reshaped)


def _common_prefix(state: Iterable[str]) -> str:
    """The first part that all dotted names share, with its dot; "" if there is none."""
    tops = {key.split(".")[0] if "." in key else "" for key in state}
    return f"{tops.pop()}." if len(tops) == 1 and tops != {""} else ""


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return set(one) == set(other) and all(torch.equal(value, other[key]) for key, value in one.items())


def _named(path: Path, content: Content, entry: str) -> dict[str, dict[str, Tensor]]:
    """The part of the file that `entry` names: a mapping in it, or the names in one that begin so."""
    found = {}
    for key, tensors in content.sets.items():
        if key == entry:
            found[entry] = tensors
        elif not key or entry.startswith(f"{key}."):
            prefix = entry[len(key) + 1 if key else 0 :] + "."
            below = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            if below:
                found[entry] = below
    if not found:
        raise ValueError(f"Expected entry= to name a part of {path} with tensors, got {entry!r}. {describe(content)}")
    return found


# ------------------------------------------------------------------------------- what to say


def describe(content: Content) -> str:
    """What a file holds, in two sentences or three."""
    parts = [f"{key or 'at the top'} {_tensors(tensors)}" for key, tensors in _largest(content.sets)]
    more = len(content.sets) - len(parts)
    rest = [key for key in content.keys if not any(k.split(".")[0] == key or not k for k in content.sets)]
    text = f"The file holds {'; '.join(parts) if parts else 'no tensors under names'}"
    text += f"; and {more} smaller sets" if more else ""
    text += f"; beside it {', '.join(rest[:6])}{', ...' if len(rest) > 6 else ''}" if rest else ""
    if content.foreign:
        text += f"; objects that were not read ({', '.join(content.foreign[:3])})"
    return text + "."


def looks_like(sets: Mapping[str, Mapping[str, Tensor]]) -> str:
    """The network of the kit that the largest set fits, or the library that its names come from."""
    if not sets:
        return ""
    tensors = _largest(sets)[0][1]
    found = identify(tensors)
    if found is not None:
        return f"By their names and shapes they are weights of {found}: build_model({found!r}, ...) takes them."
    library = next((k for k, names in _LIBRARIES.items() if any(names.search(key) for key in tensors)), None)
    if library is not None:
        return f"Names and shapes fit no network of the kit; the names are {library}."
    return "Names and shapes fit no network of the kit."


def identify(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the network of ours or torchvision's whose backbone these are, or None."""
    size = sum(value.numel() for value in tensors.values() if value.is_floating_point())
    for name in [*OURS, *torchvisions()]:
        if _may_be(name, size, tensors) and match(tensors, plan(name)).fits:
            return name
    return None


def _may_be(name: str, size: int, tensors: Mapping[str, Tensor]) -> bool:
    """Leave out what is far too large or too small: building even the plan of every network takes seconds."""
    if name in OURS:
        return size < 20e6
    if name.startswith("regnet") and not any("trunk_output." in key for key in tensors):
        return False
    from torchvision import models as tv

    expected = tv.get_model_weights(name).DEFAULT.meta["num_params"]
    return bool(0.3 * expected < size < 1.5 * expected + 1e6)  # with or without a head of many classes


def _no_fit(
    name: str,
    path: Path,
    content: Content,
    sets: Mapping[str, Mapping[str, Tensor]],
    matches: Mapping[str, Match],
) -> str:
    if not sets:
        return (
            f"Expected weights of {name}, a mapping from names to tensors, in {path}, but there is none. "
            f"{describe(content)} Write one with torch.save(model.state_dict(), path) or "
            "lab_utils.networks.save_model(model, path)"
        )
    best = min(matches.values(), key=lambda found: (len(found.missing), -len(found.state)))
    parts = _parts_that_fit(name, sets)
    text = (
        f"Expected weights of {name} in {path}, but they do not fit: missing {_some(best.missing)}; unexpected "
        f"{_some(best.unexpected)}; of another shape {_some(best.reshaped)}. {describe(content)} "
    )
    if parts:
        shown = " or ".join(f"entry={part!r}" for part in parts[:4])
        return text + f"Only some of the names have a prefix under which they fit. If that part is meant, pass {shown}"
    if re.search(r"-\d{5}-of-\d{5}", path.name):
        return text + "The name says that this is one part of several: join their tensors into one file"
    if best.missing and all("running_" in key for key in best.missing) and not best.unexpected:
        return text + "It has the parameters only; save model.state_dict(), which has the statistics of batch norm too"
    hint = looks_like(sets)
    return f"{text}{hint} Build the network that they belong to, or pass weights=None for a random start"


def _parts_that_fit(name: str, sets: Mapping[str, Mapping[str, Tensor]]) -> list[str]:
    """The prefixes, as `entry` names them, below which some of the names fit."""
    found = []
    for entry, tensors in sets.items():
        prefixes = {key[: dot.start()] for key in tensors for dot in list(re.finditer(r"\.", key))[:3]}
        for prefix in sorted(prefixes, key=lambda p: (p.count("."), p)):
            below = {key[len(prefix) + 1 :]: v for key, v in tensors.items() if key.startswith(prefix + ".")}
            if len(below) < len(tensors) and _compare(below, plan(name)).fits:
                found.append(f"{entry}.{prefix}" if entry else prefix)
    return found


def _largest(sets: Mapping[str, Mapping[str, Tensor]]) -> list[tuple[str, Mapping[str, Tensor]]]:
    return sorted(sets.items(), key=lambda item: -sum(value.numel() for value in item[1].values()))[:3]


def _tensors(tensors: Mapping[str, Tensor]) -> str:
    shown = [f"{key} {'x'.join(map(str, value.shape)) or 'one number'}" for key, value in list(tensors.items())[:3]]
    return f"({len(tensors)} tensors: {', '.join(shown)}{', ...' if len(tensors) > 3 else ''})"


def _some(keys: list[str]) -> str:
    return f"{len(keys)} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})" if keys else "0"
