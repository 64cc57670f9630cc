"""Read a notebook inside a sandbox, before any of its code runs."""

import json
from pathlib import Path
from typing import Any

from lab_utils.checks import slices
from lab_utils.text_files import decoded

LONGEST_SOURCE = 4 * 2**20  # characters of code and text in a notebook; outputs do not count


def read(path: str, wanted: list[str]) -> dict[str, Any]:
    """Return the cells of a notebook (format 3 or later), and which functions it defines."""
    try:
        text = decoded(Path(path).read_bytes(), errors="replace")
        notebook = json.loads(text)
        del text
        cells = notebook.get("cells")
        if cells is None:  # format 3
            cells = [cell for sheet in notebook["worksheets"] for cell in sheet["cells"]]
        code = [_source(cell) for cell in cells if cell.get("cell_type") == "code"]
        texts = [_source(cell) for cell in cells if cell.get("cell_type") in ("markdown", "raw", "heading")]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError) as error:
        return {"invalid": f"{type(error).__name__}: {str(error)[:200]}"}
    if sum(map(len, code)) + sum(map(len, texts)) > LONGEST_SOURCE:
        return {"invalid": f"more than {LONGEST_SOURCE // 2**20} million characters of code and text"}
    program = slices.read_program(code)
    return {
        "sources": code,
        "texts": texts,
        "names": list(program.names),
        "functions": list(program.functions),
        "stubs": [name for name in program.functions if slices.is_stub(program, name)],
        "broken": program.broken,
        "modules": slices.modules(program, wanted),
    }


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", cell.get("input", ""))
    return "".join(map(str, source)) if isinstance(source, list) else str(source)
