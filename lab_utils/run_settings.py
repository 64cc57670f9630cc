"""What makes a training run: the settings that a checkpoint keeps, and that must be the same to go on.

They are values, not names: the weights at the start, the pixels and labels, the code and the tensors of a criterion.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from torch import nn
from torch.optim import Optimizer

from lab_utils.checkpoint import describe_model, describe_split
from lab_utils.data.splits import Split
from lab_utils.fingerprint import Parts, digest_of, fingerprint, network_parts, tensors
from lab_utils.losses import Criterion
from lab_utils.optimizers import Groups
from lab_utils.wrappers import unwrapped

# Who interrupts a cell of a notebook runs it again with the network as it was left, half trained. What this process
# saw of a network: with which weights the run of each file began, and how the last run that was interrupted began and
# ended (the settings that training changes).
_BEGAN: WeakKeyDictionary[nn.Module, dict[Path, Parts]] = WeakKeyDictionary()
_INTERRUPTED: WeakKeyDictionary[nn.Module, tuple[dict[str, Any], dict[str, Any]]] = WeakKeyDictionary()


@contextmanager
def remembering(
    model: nn.Module,
    path: Path,
    settings: dict[str, Any],
    *,
    criterion: Criterion | None,
    optimizer: str | Callable[[Groups], Optimizer],
) -> Iterator[None]:
    """Remember how the run of a file began, so that it can go on with this network after an interruption.

    Args:
        model: the network.
        path: the checkpoint.
        settings: of the run.
        criterion: the caller's own, or None.
        optimizer: its name, or what makes it.
    """
    core = unwrapped(model)
    _BEGAN.setdefault(core, {})[path.absolute()] = settings["weights"]
    _INTERRUPTED.pop(core, None)
    try:
        yield
    except BaseException:
        with suppress(RuntimeError):  # a device that failed does not give the weights either
            _INTERRUPTED[core] = settings, _what_training_changes(model, criterion, optimizer, {})
        raise


def _what_training_changes(
    model: nn.Module,
    criterion: Criterion | None,
    optimizer: str | Callable[[Groups], Optimizer],
    unreadable: Parts,
) -> dict[str, Any]:
    """Settings that are other ones after some steps: the weights, and whatever the objects that take part remember."""
    return {
        "network parts": network_parts(model, unreadable),
        "weights": tensors(unwrapped(model)),
        "optimizer": optimizer if isinstance(optimizer, str) else fingerprint(optimizer, unreadable, "optimizer"),
        "criterion": "that of the task" if criterion is None else fingerprint(criterion, unreadable, "criterion"),
    }


def _as_it_began(core: nn.Module, path: Path, now: dict[str, Any]) -> dict[str, Any]:
    """The same settings; those that an interrupted run left as they are now, as they were when it began."""
    if core not in _INTERRUPTED or not path.exists():  # without a file a new run begins from here
        return now
    began, left = _INTERRUPTED[core]
    settings = {name: began[name] if left[name] == value else value for name, value in now.items()}
    if left["weights"] == now["weights"]:  # the run of another file may have gone before, as in `fine_tune`
        settings["weights"] = _BEGAN[core].get(path.absolute(), now["weights"])
    return settings


def run_settings(
    model: nn.Module,
    train: Split,
    val: Split | None,
    *,
    path: Path,
    groups: Groups,
    optimizer: str | Callable[[Groups], Optimizer],
    criterion: Criterion | None,
    run_name: str | None,
    **plain: Any,
) -> dict[str, Any]:
    """Setting -> value, all of them such as JSON can hold.

    Args:
        model: the network before its first step.
        train: what it is trained on.
        val: what it is measured on.
        path: the checkpoint.
        groups: parameter groups of the optimizer.
        optimizer: its name, or what makes it.
        criterion: the caller's own, or None.
        run_name: the caller's name for the run; it stands for all that cannot be looked into.
        plain: settings that are plain values already.

    Raises:
        ValueError: if something cannot be looked into and the run has no name.
    """
    if run_name is not None and not (isinstance(run_name, str) and run_name.strip()):
        raise ValueError(f"run_name must be a text of your own, such as 'weighted loss, second try'; got {run_name!r}.")
    core = unwrapped(model)
    unreadable: Parts = {}
    settings = plain | {
        "network": describe_model(core),
        "train": describe_split(train),
        "val": describe_split(val),
        "parameter groups": _groups(core, groups, unreadable),
        "weight_decay": [float(group["weight_decay"]) for group in groups],
        "run_name": run_name,
    }
    settings |= _as_it_began(core, path, _what_training_changes(model, criterion, optimizer, unreadable))
    if unreadable and run_name is None:
        shown = "; ".join(f"{where} ({why})" for where, why in list(unreadable.items())[:3])
        more = f" and {len(unreadable) - 3} more" if len(unreadable) > 3 else ""
        raise ValueError(
            "a checkpoint must tell this run from every other one, but what lies in these parts can not be read: "
            f"{shown}{more}. Give the run a name of your own, run_name='...', and another name whenever one of these "
            "parts changes; or leave them out, or train without checkpoint=."
        )
    return settings


def _groups(model: nn.Module, groups: Groups, unreadable: Parts) -> Parts:
    """Which parameters each group has, and its settings; those that it has in common with all are kept elsewhere."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    parts: Parts = {}
    for i, group in enumerate(groups):
        inside = [names[id(parameter)] for parameter in group["params"]]
        parts[f"[{i}]"] = f"{len(inside)} tensors from {inside[0]} to {inside[-1]} {digest_of(inside)}"
        for key in sorted(set(group) - {"params", "lr", "weight_decay", "name"}):
            found = fingerprint(group[key], unreadable, f"parameter groups[{i}].{key}")
            parts |= {f"[{i}].{key}{where}": text for where, text in found.items()}
    return parts
