"""Watch a training run: a progress bar."""

import multiprocessing
import sys
from importlib import import_module
from importlib.util import find_spec
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
