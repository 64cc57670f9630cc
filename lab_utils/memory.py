"""Out of memory: recognise it, and find a batch that would have fitted."""

import gc
from collections.abc import Callable

import torch

# What the allocators of the CPU (Linux, Windows) and of MPS say; CUDA has a class of its own.
_MESSAGES = ("can't allocate memory", "not enough memory", "out of memory")


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


def largest_that_fits(attempt: Callable[[int], None], batch_size: int) -> int:
    """Halve the batch until `attempt(batch_size)` does not run out of memory.

    Returns:
        The first size that went through, at most `batch_size`; 0 if not even 1 did.
    """
    gc.collect()  # what failed may be held by a cycle of references
    while batch_size >= 1:
        free_memory()
        try:
            attempt(batch_size)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        else:
            return batch_size
        batch_size //= 2
    return 0


def out_of_memory(batch_size: int, fits: int, doing: str) -> torch.OutOfMemoryError:
    """The error to raise: which batch was too large, and which one fits."""
    advice = (
        f"A batch of {fits} was tried and fits: use batch_size={fits}."
        if fits
        else "Not even one image fits: use smaller images or a smaller network, or close what else uses the memory "
        "(other notebooks keep theirs until their kernel is shut down)."
    )
    return torch.OutOfMemoryError(f"{doing} ran out of memory with a batch of {batch_size} images. {advice}")
