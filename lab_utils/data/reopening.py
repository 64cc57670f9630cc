"""Large sets that were opened before: what was found then is kept, and taken again as long as nothing has changed.

To list, label and divide 200,000 pictures takes half a minute, however fast their pixels are there. So the parts of a
set whose pixels lie in a pool (see `pool`) are kept beside it, one file for each combination of options, and one file
for each folder says how the folder looked. What a later call notices:

* pictures, tables and folders that were added, removed or renamed, by the date of every folder of the set;
* tables, lists and HDF5 files that were changed, by size and date of every file that is no picture;
* pictures that were changed in place, by size and date of `LOOKED_AT` of them, each time others;
* pixels of the pool that were damaged, as `pool` does; other options; and another version of the code of this room.

Then everything is done anew, which looks at every picture. **Not noticed** is that a few pictures among many were
overwritten in place, with their old names: after that, change the date of a folder (``touch``), or of a table.
"""

import json
import os
import secrets
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lab_utils.data.cache import Unreadable, read_tensors, write_tensors
from lab_utils.data.on_disk import OnDisk
from lab_utils.data.pool import holds_what_was_written
from lab_utils.data.splits import Split
from lab_utils.data.tables.pictures import walk
from lab_utils.profile import cache_root

LOOKED_AT = 1000
SETTLED = 2.0  # seconds: what has changed so shortly before may change once more and keep its date
PLAIN = (str, int, float, bool, type(None), Path)


def reopened(
    root: Path | str, what: str, options: Mapping[str, Any], load: Callable[[], dict[str, Split]]
) -> dict[str, Split]:
    """The parts that `load` gives, from what is kept of an earlier call if they lie in a pool.

    Args:
        root: the folder of the pictures.
        what: what loads them.
        options: with what; if one of them is a function or a table in memory, nothing is kept.
        load: lists, decodes and divides them; its warnings are given again.
    """
    root = Path(root).expanduser().absolute()
    key = _key(root, what, options)
    if key is None or not root.is_dir():
        return load()
    watched = _file(f"folder {root}")
    state = _unchanged(watched, root)
    if state and (splits := _kept(_file(key), f"{key} {state}")):
        return splits
    start = time.time()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        splits = load()
    for warning in said:
        warnings.warn(warning.message, warning.category, stacklevel=3)
    if all(isinstance(split.images, OnDisk) for split in splits.values()):
        with suppress(OSError):  # of a full disk: it will take as long again
            if state or (state := _watch(watched, root, before=start - SETTLED)):
                _keep(_file(key), splits, [str(one.message) for one in said], key=f"{key} {state}")
    return splits


def _key(root: Path, what: str, options: Mapping[str, Any]) -> str | None:
    """All that decides about the parts besides the folder; None if it cannot be written down."""
    table = options.get("table", "")
    if not isinstance(table, str | Path) or not _is_plain(list(options.values())):
        return None
    if table:
        table = os.path.abspath(Path(table).expanduser())
        with suppress(OSError):  # it lies in the folder, then, or is not there
            table += f" {_looks(table)}"
    return f"{_code()} {root} {what} {sorted(options.items())!r} {table}"


def _is_plain(value: object) -> bool:
    if isinstance(value, Mapping):
        return _is_plain(list(value.items()))
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, PLAIN)


@cache
def _code() -> str:
    """Of the modules that read sets: what they find depends on them."""
    digest = blake2b(digest_size=8)
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _file(key: str) -> Path:
    return cache_root() / "pools" / f"opened-{blake2b(key.encode(), digest_size=8).hexdigest()}"


def _looks(path: str) -> tuple[int, int]:
    """Date and length of a file or folder."""
    status = os.stat(path)
    return status.st_mtime_ns, status.st_size


def _unchanged(file: Path, root: Path) -> str:
    """What the present state of a folder is called, "" if it is another than the one that is kept."""
    try:
        kept = read_tensors(file, key=str(root))
        count, (dates, lengths) = int(kept["watched"]), kept["looks"].T.tolist()
        names = os.fsdecode(kept["names"].numpy().tobytes()).split("\0")
        chosen = np.random.default_rng().choice(len(names) - count, min(LOOKED_AT, len(names) - count), replace=False)
        for i in (*range(count), *(count + chosen).tolist()):
            if _looks(f"{root}{os.sep}{names[i]}") != (dates[i], lengths[i]):
                return ""
        return str(int(kept["state"]))
    except (Unreadable, OSError):
        return ""


def _watch(file: Path, root: Path, *, before: float) -> str:
    """Keep how a folder looks: its folders and all files but pictures, then the pictures. "" if it has just changed."""
    watched, pictures = [], []
    for folder, files, others in walk(root):
        watched += [folder, *others]
        pictures += files
    looks = [_looks(f"{root}{os.sep}{name}") for name in (*watched, *pictures)]
    if max(date for date, _ in looks[: len(watched)]) > before * 1e9:
        return ""
    state = secrets.randbits(62)
    tensors = {"watched": torch.tensor(len(watched)), "state": torch.tensor(state), "looks": torch.tensor(looks)}
    write_tensors(file, tensors | {"names": _bytes(os.fsencode("\0".join([*watched, *pictures])))}, key=str(root))
    return str(state)


def _bytes(text: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(text, np.uint8).copy())


def _keep(file: Path, splits: Mapping[str, Split], said: list[str], *, key: str) -> None:
    parts = {}
    tensors: dict[str, Tensor] = {}
    for part, split in splits.items():
        images = split.images
        assert isinstance(images, OnDisk)
        of_part = {"rows": images.rows, "checksums": images.checksums, "labels": split.labels, "groups": split.groups}
        tensors |= {f"{part} {name}": tensor for name, tensor in of_part.items()}
        parts[part] = {
            "pool": images.file.parent.name,
            "shape": list(images.shape[1:]),
            "task": split.task,
            "class_names": split.class_names,
            "notes": split.notes,
        }
    words = json.dumps({"said": said, "parts": parts}).encode()
    write_tensors(file, tensors | {"words": _bytes(words)}, key=key)


def _kept(file: Path, key: str) -> dict[str, Split]:
    """The parts, with their warnings; none if they are not kept, or their pixels are not what they were."""
    try:
        kept = read_tensors(file, key=key)
    except Unreadable:
        return {}
    words = json.loads(kept["words"].numpy().tobytes())
    splits = {}
    for part, one in words["parts"].items():
        rows, checksums, labels, groups = (
            kept[f"{part} {name}"].clone() for name in ("rows", "checksums", "labels", "groups")
        )
        images = OnDisk(cache_root() / "pools" / one["pool"] / "pixels", tuple(one["shape"]), rows, checksums)
        if not holds_what_was_written(images):
            return {}
        task, names, notes = (one[name] for name in ("task", "class_names", "notes"))
        splits[part] = Split(images, labels, groups, task, tuple(names), tuple(notes))
    for message in words["said"]:
        warnings.warn(message, stacklevel=4)
    return splits
