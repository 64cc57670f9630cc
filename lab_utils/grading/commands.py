"""The instructor's commands: ``python -m lab_utils build | run | release | collect | grade | feedback``.

Every command that works on a class keeps its files in one folder, grading/ in the course. Each returns 0 if all is
well, 1 if not, and 2 if it could not do its work.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

ROOT = Path(__file__).resolve().parent.parent.parent
HOMEWORK = "homework4"


def add_commands(commands: "Commands") -> None:
    """Add the instructor's commands to the parser."""
    build = commands.add_parser("build", help="build labs/ from solutions/")
    build.add_argument("--check", action="store_true", help="write nothing; fail where labs/ is out of date")
    _finish(build, _build, "print the changed files, or the problems, as JSON", on_error=1)
    run = commands.add_parser("run", help="run the solved labs, write HTML, compare with the published bands")
    run.add_argument("labs", nargs="*", metavar="LAB", help="numbers or names, such as 01; default: all")
    run.add_argument("--root", type=Path, default=ROOT, help="the folder of solutions/; build/ is made there")
    run.set_defaults(command=_run)


def _finish(parser: argparse.ArgumentParser, command: object, json_help: str, *, on_error: int = 2) -> None:
    parser.add_argument("--root", type=Path, default=ROOT, help="the course: solutions/, labs/ and course.toml")
    parser.add_argument("--json", action="store_true", help=json_help)
    parser.set_defaults(command=command, on_error=on_error)


# Each command imports what it needs, so that `build` does not wait for torch.


def _build(arguments: argparse.Namespace) -> int:
    from lab_utils.course.build import build, check

    folders = (arguments.root / "solutions", arguments.root / "labs", arguments.root / "course.toml")
    if not arguments.check:
        changed = [str(path) for path in build(*folders)]
        print(json.dumps({"wrote": changed}, indent=1) if arguments.json else "\n".join(f"wrote {p}" for p in changed))
        return 0
    problems = check(*folders)
    fine = "labs/ is what build makes of solutions/, and shows no solution"
    print(json.dumps({"problems": problems}, indent=1) if arguments.json else "\n".join(problems) or fine)
    return int(bool(problems))


def _run(arguments: argparse.Namespace) -> int:
    from lab_utils.course.run import run

    return run(arguments.root / "solutions", arguments.root / "build", arguments.labs)
