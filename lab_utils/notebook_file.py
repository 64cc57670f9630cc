"""Notebooks as other programs save them."""

from pathlib import Path

import nbformat
from nbformat import NotebookNode

from lab_utils.text_files import decoded


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook, whatever its format, its line ends, and a mark at its start; UTF-16 with one, too.

    Raises:
        ValueError: if the file holds no notebook.
    """
    try:
        notebook = nbformat.reads(decoded(path.read_bytes()), as_version=4)
        if not isinstance(notebook.get("cells"), list):
            raise ValueError("it has no list of cells")
    except (ValueError, AttributeError, TypeError, KeyError, nbformat.ValidationError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"Expected a Jupyter notebook in {path}, but it cannot be read: {reason}.") from error
    return notebook
