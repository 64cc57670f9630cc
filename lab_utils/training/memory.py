"""Out of memory: recognise it, and find a batch that would have fitted."""

import gc
from collections.abc import Callable

import torch
from torch import Tensor, nn

# What the allocators of the CPU (Linux, Windows) and of MPS say, and oneDNN, which convolves on CPUs, where its own
# buffers do not fit; CUDA has a class of its own.
_MESSAGES = ("can't allocate memory", "not enough memory", "out of memory", "could not create a primitive")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device, or the machine, has no memory left."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in _MESSAGES)


def free_memory() -> None:
    """Give the device's memory that nothing refers to any more back to it."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


def batch_that_fits(model: nn.Module, loss: Callable[[Tensor], Tensor], batch_size: int) -> int:
    """Try `batch_size`, half of it, a quarter ...: forward and backward. The network stays as it is.

    An estimate: an optimizer that has not taken a step yet will need up to twice the memory of the weights on top,
    and other programs come and go.

    Args:
        model: the network; its gradients are lost.
        loss: from positions of images (B,) to the loss of that batch.
        batch_size: where to start.

    Returns:
        The first size that did not run out of memory; 0 if not even one image did.
    """
    gc.collect()  # what failed may be held by a cycle of references
    buffers = [buffer.clone() for buffer in model.buffers()]
    while batch_size >= 1:
        free_memory()
        try:
            loss(torch.arange(batch_size)).backward()
            break
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        finally:
            model.zero_grad()
        batch_size //= 2
    with torch.no_grad():
        for buffer, before in zip(model.buffers(), buffers, strict=True):
            buffer.copy_(before)
    return batch_size


def out_of_memory(batch_size: int, fits: int, doing: str) -> torch.OutOfMemoryError:
    """The error to raise: which batch was too large, and which one fits."""
    advice = (
        f"A batch of {fits} was tried and fits: use batch_size={fits}."
        if fits
        else "Not even one image fits: use smaller images or a smaller network, or close what else uses the memory "
        "(other notebooks keep theirs until their kernel is shut down)."
    )
    return torch.OutOfMemoryError(f"{doing} ran out of memory with a batch of {batch_size} images. {advice}")
