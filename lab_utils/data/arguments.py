"""Arguments that all loaders share, checked once where they come in."""

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from lab_utils.arguments import as_whole
from lab_utils.data.validation import check_size


def check_name(name: object) -> None:
    """Refuse what is neither a name nor a path.

    Raises:
        ValueError: saying what was expected.
    """
    if not isinstance(name, str | Path) or not str(name).strip():
        raise ValueError(
            "data must be the name of a set, or the path of a file or a folder, as text or as a Path; got "
            f"{name!r}{_type(name)}. For example load_data('phantoms') or load_data('path/to/folder')."
        )


def check_folders(**folders: object) -> None:
    """Refuse what is neither None nor a path.

    Raises:
        ValueError: naming the argument.
    """
    for argument, folder in folders.items():
        if folder is not None and not isinstance(folder, str | PathLike):
            raise ValueError(f"{argument} must be the path of a folder, or None; got {folder!r}{_type(folder)}.")


def check_numbers(*, size: object, seed: object, **counts: object) -> None:
    """Refuse a side, a seed or a number of images that is no whole number.

    Raises:
        ValueError: naming the argument.
    """
    if size is not None:
        check_size(size)
    if not _whole(seed, least=0):
        raise ValueError(f"seed must be a whole number of at least 0; got {seed!r}{_type(seed)}. For example seed=0.")
    for argument, n in counts.items():
        if n is not None and not _whole(n, least=1):
            raise ValueError(
                f"{argument} must be a number of images, a whole number of at least 1, or None for all that there are; "
                f"got {n!r}{_type(n)}. For example {argument}=100."
            )


def check_options(load: Callable[..., object], options: Mapping[str, Any], what: str, *, fixed: Sequence[str]) -> None:
    """Refuse options that a loader does not have, and `fixed` ones, which are not the user's to give here.

    Raises:
        TypeError: as Python does, with the options there are.
    """
    known = inspect.signature(load).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in known.values()):
        return
    takes = [name for name, one in known.items() if one.kind is inspect.Parameter.KEYWORD_ONLY and name not in fixed]
    for name in options:
        if name not in takes:
            nearest = difflib.get_close_matches(name, [*takes, *fixed[:5]], n=1, cutoff=0.6)
            raise TypeError(
                f"{what!r} takes the options {', '.join(takes) or 'that all data take'}; got {name}=, none of them. "
                + (f"Did you mean {nearest[0]}=?" if nearest else "Leave it out.")
            )


def _whole(value: object, *, least: int) -> bool:
    found = as_whole(value)
    return found is not None and found >= least


def _type(value: object) -> str:
    return "" if value is None else f" ({type(value).__name__})"
