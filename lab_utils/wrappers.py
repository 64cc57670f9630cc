"""A network inside what people put around it: `DataParallel`, `torch.compile`, a running mean of its weights."""

from typing import Any

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from lab_utils.preprocessing import Preprocessing


def unwrapped(model: nn.Module) -> nn.Module:
    """The network itself, without `DataParallel`, `DistributedDataParallel`, `torch.compile` and `AveragedModel`.

    It is the same object, with the same parameters, that the wrapper runs; any other network is returned as it is,
    also one of your own with a child called ``module``.
    """
    while (inner := _inside(model)) is not None:
        model = inner
    return model


def preprocessing_of(model: nn.Module) -> Preprocessing:
    """What images must go through for `model`; one set on a wrapper goes before that of the network inside.

    Raises:
        ValueError: if there is none.
    """
    part: nn.Module | None = model
    while part is not None:
        own: Any = vars(part).get("preprocessing")
        found = own if own is not None else getattr(type(part), "preprocessing", None)
        if isinstance(found, Preprocessing):
            return found
        if callable(own):  # a function of your own, set on the network, will do
            return own
        if found is not None:
            break
        part = _inside(part)
    network = unwrapped(model)
    raise ValueError(
        f"expected a model with a `preprocessing` attribute, got {type(network).__name__} "
        f"{'without' if part is None else f'where it is a {type(found).__name__}'}; build it with build_model, or set "
        "model.preprocessing = Preprocessing(mean, std, channels) to what it was trained with"
    )


def _inside(model: nn.Module) -> nn.Module | None:
    """The network below the outermost wrapper, if `model` is a wrapper."""
    inner: object = None
    if isinstance(model, DataParallel | DistributedDataParallel | AveragedModel):
        inner = model.module
    elif type(model).__name__ == "OptimizedModule":  # by name: its module takes seconds to import
        inner = vars(model)["_modules"].get("_orig_mod")
    return inner if isinstance(inner, nn.Module) else None
