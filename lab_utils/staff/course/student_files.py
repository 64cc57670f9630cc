"""The files of a release that are written for students: README, settings, and the checks in their own CI."""

import re
from collections.abc import Sequence

from lab_utils.staff.course.bootstrap import deadline_text
from lab_utils.staff.course.settings import Course, Homework

GITIGNORE = """\
.venv*/
__pycache__/
*.egg-info/
.ipynb_checkpoints/
build/
data/cache/
*_progress.json
*_progress_damaged*.json
"""

_README = """\
# {title}

Hands-on labs in Jupyter. You train networks on chest X-rays, from random and from pretrained weights, and see for
yourself when transfer learning helps, why, and how it goes wrong. Everything runs on a laptop with two CPU cores.

| notebook | |
|---|---|
{labs}

## Set up, once

You need Python 3.10 or newer and about 6 GB of disk. In this folder, on Linux and macOS:

```
python3 -m venv .venv
.venv/bin/python -m pip install -c constraints.txt -r requirements.txt -e .
.venv/bin/python -m lab_utils phantoms
```

On Windows, in PowerShell:

```
py -m venv .venv
.venv\\Scripts\\python -m pip install -c constraints.txt -r requirements.txt -e .
.venv\\Scripts\\python -m lab_utils phantoms
```

Linux without an NVIDIA card: put `--extra-index-url https://download.pytorch.org/whl/cpu` behind `install`, and pip
fetches 0.3 instead of 2.7 GB. A Mac with an Intel processor has no PyTorch new enough: take Colab.

Then open the labs with `.venv/bin/python -m jupyterlab --notebook-dir=labs --LabApp.news_url=None`
(`.venv\\Scripts\\python` on Windows).
On Colab and Kaggle you need no set-up: open a notebook and run its first cell.

Something does not work? `python -m lab_utils doctor` looks at the machine and says what to do.

## Work

An exercise is a function that you write; the cell after it checks the function and answers *correct*, *incorrect* with
a hint, or *not attempted*. A check never stops a notebook. Keep the names of the functions: they are found by name.
"""

_HOMEWORK = """
## Hand in {name}

{due}

1. Work in a repository of your own: a copy of this one, at the link that you gave to your course. The notebook is
   `labs/{name}.ipynb`. Save it, and commit it together with `labs/{name}_predictions.csv`, which it writes.
2. Push to the default branch of your repository before the deadline. The newest commit at the deadline is graded; one
   second later is late. Push early: the date of a commit proves little, a push shows that your work was there.
3. Look at the checks of your push (tab *Actions* on GitHub), or run them yourself:
   `.venv/bin/python -m lab_utils check labs/{name}.ipynb`. It runs your functions, without your training, and names
   the written answers that are still empty. The grader tries other inputs than these checks.
"""

_WORKFLOW = """\
# Runs the public checks of the homework on every push. It takes your functions out of the notebook, without training.
name: checks
on: [push, workflow_dispatch]
permissions:
  contents: read
jobs:
  checks:
    runs-on: ubuntu-latest
    timeout-minutes: 20
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.11"
          cache: pip
          cache-dependency-path: requirements.txt
      - run: python -m pip install --requirement requirements.txt --editable .
{steps}
"""


def readme(course: Course, notebooks: Sequence[tuple[str, str]]) -> str:
    """Return the students' README.

    Args:
        course: its settings.
        notebooks: (name, title) of each notebook, in order.
    """
    title = ", ".join(part for part in (course.name or "Transfer learning in medical imaging", course.term) if part)
    table = "\n".join(f"| `{name}` | {text} |" for name, text in notebooks)
    names = {name for name, _ in notebooks}
    sections = [
        _HOMEWORK.format(name=homework.name, due=deadline_text(homework))
        for homework in course.homeworks.values()
        if homework.name in names
    ]
    return _README.format(title=title, labs=table) + "".join(sections)


def workflow(homeworks: Sequence[str]) -> str:
    """Return the workflow that checks these notebooks on GitHub."""
    steps = [f"      - run: python -m lab_utils check labs/{name}.ipynb" for name in homeworks]
    return _WORKFLOW.format(steps="\n".join(steps))


def course_file(course: Course) -> str:
    """Return course.toml with what students may see; comments and settings that the kit does not know stay behind."""
    about = {key: getattr(course, key) for key in ("name", "term", "repository", "branch", "folder")}
    lines = ["[course]", *(f'{key} = "{value}"' for key, value in about.items() if value)]
    lines += [] if course.solutions else ["solutions = false"]
    for homework in course.homeworks.values():
        lines += ["", f"[{homework.name}]", *_dates(homework)]
    return "\n".join(lines) + "\n"


def pyproject(text: str) -> str:
    """Return pyproject.toml with what an installation needs, without what only contributors run."""
    kept = ("[build-system]", "[project]", "[tool.setuptools]")
    sections = re.split(r"\n(?=\[)", text.strip())
    lines = "\n\n".join(section.strip() for section in sections if section.startswith(kept)).splitlines()
    return (
        "\n".join(line for line in lines if "lab_utils.staff.feedback" not in line and not line.startswith("#")) + "\n"
    )


def _dates(homework: Homework) -> list[str]:
    late = homework.late
    lines = [f'release = "{homework.release.isoformat()}"', f'deadline = "{homework.deadline.isoformat()}"']
    lines.append(f'late = "{late.rule}"')
    if late.rule == "percent":
        lines += [f"percent = {late.percent:g}", f'per = "{late.per}"']
    if late.grace:
        lines.append(f"grace_minutes = {late.grace.total_seconds() / 60:g}")
    return lines
