"""Watch a training run: a progress bar, and TensorBoard when asked."""

import multiprocessing
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tqdm.std import tqdm


def in_notebook() -> bool:
    """Whether this code runs in the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})


def progress_bar(total: int, *, shown: bool, initial: int = 0, title: str = "", unit: str = "step") -> Any:
    """A tqdm bar: a widget in notebooks, text where widgets are missing and in terminals.

    Nothing is shown if `shown` is false, in worker processes (many bars on one line),
    and where the output goes to a file. Use it in a ``with`` block.
    """
    worker = multiprocessing.current_process().name != "MainProcess"
    notebook = in_notebook()
    bar: Any = tqdm
    if notebook and shown and find_spec("ipywidgets") is not None:
        bar = import_module("tqdm.notebook").tqdm
    disable = True if worker or not shown else (False if notebook else None)
    return bar(
        total=total, initial=initial, desc=title or None, unit=unit, disable=disable, mininterval=0.2, leave=False
    )


@contextmanager
def open_log(folder: Path | str | None, *, purge_step: int = 0) -> Iterator[Callable[[dict[str, float]], None]]:
    """A function that writes a row of the history for TensorBoard; without a folder it does nothing.

    Args:
        folder: where to write.
        purge_step: hide what an interrupted run wrote after this step.

    Raises:
        RuntimeError: if a folder is given and TensorBoard is not installed.
    """
    if folder is None:
        yield lambda row: None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise RuntimeError(
            "log_dir= writes for TensorBoard, which is not installed here. Run `pip install tensorboard`, or leave "
            "log_dir out: the history that fit returns has the same numbers."
        ) from error

    def write(row: dict[str, float]) -> None:
        for name, value in row.items():
            if name != "step":
                writer.add_scalar(name, value, int(row["step"]))

    with SummaryWriter(str(folder), purge_step=purge_step + 1 if purge_step else None) as writer:
        yield write
