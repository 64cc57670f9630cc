"""What `build` notes of each lab beside its notebook: the exercises and questions of each section, and solutions.

data/labs/<lab>.json holds::

    {"sections": [{"title": "1 ...", "exercises": ["auroc"], "questions": ["lab00_questions.SCALE"], "written": ["A"]}],
     "solutions": {"auroc": "def auroc(labels, scores): ..."}, "answers": {"A": "Markdown"}}

Solutions and answers are null where the instructor keeps them: ``solutions = false`` in course.toml.
"""

import json
from dataclasses import dataclass
from typing import Any

from lab_utils.profile import data_root, restore


@dataclass(frozen=True)
class Guide:
    """One lab; see above."""

    sections: list[dict[str, Any]]
    solutions: dict[str, str] | None
    answers: dict[str, str] | None

    @property
    def written(self) -> list[str]:
        """Names of the written questions, in order."""
        return [name for section in self.sections for name in section["written"]]


def read_guide(lab: str) -> Guide:
    """Read what is noted of a lab.

    Raises:
        FileNotFoundError: if there is no file of this lab.
        ValueError: if it cannot be read.
    """
    name = f"labs/{lab}.json"
    path = data_root() / name
    if not path.is_file():
        raise FileNotFoundError(f"Expected a list of the exercises of this lab in {path}, found none. {restore(name)}")
    try:
        content = json.loads(path.read_bytes())
        return Guide(content["sections"], content["solutions"], content["answers"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"Expected {path} as `build` writes it, but it cannot be read ({type(error).__name__}). {restore(name)}"
        ) from error
