"""A criterion of the caller's own, brought to where and what the logits are."""

import copy
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lab_utils.training.losses import Criterion

# How PyTorch says that a tensor of the criterion has another type, or lies on another device, than the logits.
_MISFIT = ("expected scalar type", "same dtype", "same device", "not on the expected device", "must be Tensor, not")


class Fitted:
    """A criterion whose tensors (class weights) may be of another type or on another device than the logits.

    It is called as it is. Only where PyTorch refuses the mixture, a copy takes its place, with the tensors in the type
    of the logits and on their device; the caller's own object is not changed.
    """

    def __init__(self, criterion: Criterion) -> None:
        self.criterion = criterion

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch, a scalar.

        Raises:
            ValueError: if the criterion returns something else, or its tensors can not be moved.
        """
        try:
            loss = self.criterion(logits, labels)
        except (RuntimeError, TypeError) as error:
            if not _is_misfit(error):
                raise
            self.criterion = _moved(self.criterion, logits)
            loss = self._once_more(logits, labels)
        return _scalar(loss, logits)

    def _once_more(self, logits: Tensor, labels: Tensor) -> Tensor:
        try:
            return self.criterion(logits, labels)
        except (RuntimeError, TypeError) as error:
            if not _is_misfit(error):
                raise
            raise ValueError(
                f"the tensors of criterion= must be {logits.dtype} on {logits.device}, as the logits are, but PyTorch "
                f"says: {str(error).partition(chr(10))[0]} Make them so with weight.to({str(logits.device)!r}, "
                f"{logits.dtype}), or use class_weights='balanced'."
            ) from error

    def state_dict(self) -> dict[str, Any]:
        """Parameters and buffers of the criterion, which may change while it is used."""
        return self.criterion.state_dict() if isinstance(self.criterion, nn.Module) else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if isinstance(self.criterion, nn.Module):
            self.criterion.load_state_dict(state)


def _is_misfit(error: Exception) -> bool:
    return any(text in str(error) for text in _MISFIT)


def _moved(criterion: Criterion, like: Tensor) -> Criterion:
    """A copy with its tensors where and as `like` is; of a function whose tensors cannot be reached, the function."""

    def move(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(value)
        if not isinstance(value, Tensor):
            return value
        return value.to(like.device, like.dtype if value.is_floating_point() else value.dtype)

    if isinstance(criterion, nn.Module):
        return copy.deepcopy(criterion).to(like.device, like.dtype)
    if isinstance(criterion, partial):
        named = {name: move(value) for name, value in criterion.keywords.items()}
        return partial(_moved(criterion.func, like), *map(move, criterion.args), **named)
    return criterion


def _scalar(loss: Any, logits: Tensor) -> Tensor:
    if not isinstance(loss, Tensor) or loss.numel() != 1 or (logits.requires_grad and not loss.requires_grad):
        came = type(loss).__name__
        if isinstance(loss, Tensor):
            came = f"a tensor of shape {tuple(loss.shape)}" + ("" if loss.requires_grad else " without gradient")
        raise ValueError(
            f"criterion(logits, labels) must return the mean loss: one number, as a tensor that depends on the logits; "
            f"got {came}. Use reduction='mean', make an object of a class first (nn.CrossEntropyLoss()), and compute "
            "with tensors only."
        )
    return loss if loss.ndim == 0 else loss.reshape(())
