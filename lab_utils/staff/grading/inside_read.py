"""Read a notebook inside a sandbox, before any of its code runs."""

import itertools
import json
import re
import sys
from pathlib import Path
from typing import Any

from lab_utils.checks import slices
from lab_utils.staff.grading.inside_answers import Cells, find_answers
from lab_utils.text_files import decoded

LFS = b"version https://git-lfs.github.com/spec/"  # how a pointer begins
SUGGESTED = 500  # functions among which one of nearly the name is looked for
_KINDS = {"code": "code", "markdown": "text", "raw": "text", "heading": "text"}
LONGEST_SOURCE = 4 * 2**20  # characters of code and text in a notebook; outputs do not count


def read(path: str, wanted: list[str], written: list[str], released: Cells) -> dict[str, Any]:
    """Return the code cells of a notebook (format 3 or later), which functions it defines, and its written answers.

    Args:
        path: of the notebook.
        wanted: functions that are asked for.
        written: questions that are answered in words.
        released: (kind, source) of the cells as they were handed out.
    """
    try:
        data = Path(path).read_bytes()
        if data.startswith(LFS):
            return {"invalid": "it is a Git LFS pointer, its content is not in the repository; commit the file itself"}
        half = b"\0" in data[:2]  # UTF-16 without its mark
        text = data.decode(json.detect_encoding(data), "replace") if half else decoded(data, errors="replace")
        notebook = json.loads(text)
        del data, text
        cells = notebook.get("cells")
        if cells is None:  # format 3
            cells = [cell for sheet in notebook["worksheets"] for cell in sheet["cells"]]
        pairs = [(kind, _source(cell)) for cell in cells if (kind := _KINDS.get(cell.get("cell_type")))]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError) as error:
        return {"invalid": f"{type(error).__name__}: {str(error)[:200]}"}
    if sum(len(source) for _, source in pairs) > LONGEST_SOURCE:
        return {"invalid": f"more than {LONGEST_SOURCE // 2**20} million characters of code and text"}
    code = [source for kind, source in pairs if kind == "code"]
    program = slices.read_program(code)
    note = _of_newer_python(notebook)
    all_texts = "\n".join(source for kind, source in pairs if kind == "text")
    return {
        "sources": code,
        "answers": find_answers(pairs, written, released),
        "names": list(program.names),
        "functions": list(program.functions)[:SUGGESTED],
        "stubs": [name for name in program.functions if slices.is_stub(program, name)],
        "broken": {name: why[:200] + note for name, why in program.broken.items()},
        "modules": slices.modules(program, wanted),
        "split": _split(code, wanted),
        "in_texts": [name for name in wanted if re.search(rf"^[ \t>]*def[ \t]+{re.escape(name)}\b", all_texts, re.M)],
    }


def _of_newer_python(notebook: dict[str, Any]) -> str:
    """Return a sentence for cells that are no Python here, if the notebook is of a later one than this."""
    try:
        version = str(notebook["metadata"]["language_info"]["version"])
        newer = tuple(map(int, version.split(".")[:2])) > sys.version_info[:2]
    except (KeyError, TypeError, ValueError):
        return ""
    here = ".".join(map(str, sys.version_info[:2]))
    return (
        f". The notebook is of Python {version[:10]}, and {here} grades it: write it so that both read it"
        if newer
        else ""
    )


def _split(code: list[str], wanted: list[str]) -> list[str]:
    """Return the functions of which a cell holds the beginning, and the next one, indented, the rest."""
    cells = [source.strip("\n") for source in code if source.strip()]
    halves = [first for first, rest in itertools.pairwise(cells) if rest[0] in " \t"]
    last = [re.findall(r"^def[ \t]+(\w+)", first, re.MULTILINE)[-1:] for first in halves]
    return [name for names in last for name in names if name in wanted]


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", cell.get("input", ""))
    return "".join(map(str, source)) if isinstance(source, list) else str(source)
