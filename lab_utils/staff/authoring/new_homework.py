"""A new homework: files that work as they are, to be made into one's own: ``new-homework NAME``.

One function, one column of predictions, one written answer; the hidden cases, a hidden test set, a test. The guide is
`lab_utils/staff/authoring/guide.md`.
"""

import re
from pathlib import Path

import nbformat

from lab_utils.atomic import write_text
from lab_utils.staff.grading.assignment import homework_folder
from lab_utils.staff.grading.hidden_set import write_images, write_labels
from lab_utils.staff.grading.key import load_predictions

TEMPLATES = Path(__file__).with_name("skeleton")
SEED = 0  # of the test set that comes along; it is public, and `release` draws another one
_CONTRACT = re.compile(r'(layers = \["commands(?: \| \w+)*)(")')


def new_homework(root: Path, name: str, *, title: str = "") -> str:
    """Write the files of a homework and return what is to be done next.

    Args:
        root: the course.
        name: of the homework: that of its notebook, and of two Python modules.
        title: for students; "" for one made of the name.

    Raises:
        ValueError: if the name cannot be used, or something of that name is there.
    """
    _check(root, name)
    title = title or f"{name[0].upper()}{name[1:].replace('_', ' ')}"
    private = homework_folder(root, name)
    contract = root / "pyproject.toml"
    notebook = root / "solutions" / f"{name}.ipynb"
    texts = {
        root / "lab_utils/checks" / f"{name}.py": _filled("checks", name, title),
        private / "__init__.py": f'"""What {name} is graded against. Never in a release."""\n',
        private / "questions.toml": _filled("questions", name, title),
        private / "cases.py": _filled("cases", name, title),
        private / "predictions.py": _filled("predictions", name, title),
        root / "tests/staff" / name / "__init__.py": "",
        root / "tests/staff" / name / f"test_{name}.py": _filled("tests", name, title),
        notebook: _notebook(_filled("notebook", name, title)),
    }
    named = _CONTRACT.sub(rf"\1 | {name}\2", contract.read_text("utf-8")) if contract.is_file() else ""
    if named and named != contract.read_text("utf-8"):
        texts[contract] = named
    for path, text in texts.items():
        write_text(path, text)
    told = [f"wrote {path.relative_to(root)}" for path in [*texts, *_test_set(root, name, private)]]
    if contract not in texts:
        told.append(f"Add {name} beside homework4 to the contract of the staff's rooms in pyproject.toml.")
    return "\n".join([*told, _NEXT.format(name=name)])


_NEXT = """\
Now add its dates to course.toml:

[{name}]
release = "2026-11-30T09:00:00+08:00"
deadline = "2026-12-14T23:59:00+08:00"
late = "none"

then: python -m lab_utils build, and python -m pytest tests/staff/{name}
The guide is lab_utils/staff/authoring/guide.md."""


def _check(root: Path, name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) or name in ("course", "class"):
        raise ValueError(
            f"Expected the name of a homework in small letters, digits and _, such as homework5, because modules are "
            f"named after it; got {name!r}. Choose another."
        )
    checks = root / "lab_utils/checks"
    there = [root / "solutions" / f"{name}.ipynb", homework_folder(root, name), root / "tests/staff" / name]
    there += sorted(checks.glob(f"{name}*"))  # the public part of a homework is all that begins with its name
    if found := [path for path in there if path.exists()]:
        raise ValueError(
            f"Expected nothing of the name {name}, but there is {found[0].relative_to(root)}. Choose another name: no "
            "module of lab_utils/checks may begin with it."
        )


def _filled(template: str, name: str, title: str) -> str:
    text = (TEMPLATES / f"{template}.txt").read_text("utf-8")
    return text.replace("NAME", name).replace("TITLE", title)


def _notebook(text: str) -> str:
    parts = [part.partition("\n") for part in text.split("=== ")[1:]]
    cells = [
        nbformat.v4.new_code_cell(source.strip("\n"))
        if kind == "code"
        else nbformat.v4.new_markdown_cell(source.strip("\n"))
        for kind, _, source in parts
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    return nbformat.writes(notebook) + "\n"


def _test_set(root: Path, name: str, private: Path) -> list[Path]:
    """Write the images and labels that come with the course until a release draws others."""
    form = load_predictions(private)
    assert form is not None
    hidden = form.draw(SEED)
    images, labels = root / "data" / f"{name}_images.npz", private / "labels.csv"
    write_images(images, hidden)
    write_labels(labels, hidden)
    return [images, labels]
