"""Where the files of a homework are: grading/<homework>/, so that no homework writes over another's."""

import json
import shutil
from pathlib import Path

# What versions up to 0.4 wrote into grading/ itself; the last one tells whose the others are, so it moves last.
LOOSE = [
    *("ledger.jsonl", "mirrors", "submissions", "late", "results", "written.csv", "feedback"),
    *("gradebook.csv", "gradebook_nbgrader.csv", "collected.json"),
]


def place_of(folder: Path, homework: str) -> Path:
    """Return the folder of a homework in the instructor's folder.

    What earlier versions left beside it and belongs to this homework moves into it: marks are not lost by an update.

    Raises:
        ValueError: if something of it is in both places.
    """
    place = folder / homework
    for name in _loose(folder, homework):
        if (place / name).exists():
            raise ValueError(
                f"Expected the files of {homework} in {place}, but there are {folder / name}, as earlier versions "
                f"wrote it, and {place / name}. Keep the one that you want there, and put the other elsewhere."
            )
        place.mkdir(parents=True, exist_ok=True)
        (folder / name).rename(place / name)
    notes = folder / "released.json"
    if notes.is_file() and not (place / notes.name).exists():  # of all homeworks
        place.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(notes, place / notes.name)
    return place


def _loose(folder: Path, homework: str) -> list[str]:
    """Return the names of what lies in the instructor's folder itself, in the order in which it is moved."""
    ours = sorted(path.name for pattern in ("_labels*.csv", "_images.npz") for path in folder.glob(homework + pattern))
    try:
        table = json.loads((folder / "collected.json").read_text("utf-8"))
        owner = table.get("homework")
    except FileNotFoundError:
        owner = homework  # a first collect that did not come to its end
    except (ValueError, AttributeError):
        owner = None
    return [*ours, *(name for name in LOOSE if owner == homework and (folder / name).exists())]
