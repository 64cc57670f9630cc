"""The instructor's commands: build, count, run, site, new-homework, and those for a class.

Each returns 0 if all is well, and 1 if not or if it could not do its work; `new-homework` returns 2 for the latter.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lab_utils.staff.class_commands import ROOT, add_class_commands, command, finish

if TYPE_CHECKING:
    from lab_utils.staff.class_commands import Commands


def add_commands(commands: "Commands") -> None:
    """Add the instructor's commands to the parser."""
    build = command(commands, "build", "build labs/ from solutions/")
    build.add_argument("--check", action="store_true", help="write nothing; fail where labs/ is out of date")
    finish(build, _build, "print the changed files, or the problems, as JSON", on_error=1)
    count = command(commands, "count", "count what a student reads and writes in each lab, beside the aims")
    finish(count, _count, "print the counts as JSON", on_error=1)
    run = command(commands, "run", "run the solved labs, write HTML, compare with the published bands")
    run.add_argument("labs", nargs="*", metavar="LAB", help="numbers or names, such as 01; default: all")
    run.add_argument("--root", type=Path, default=ROOT, help="the folder of solutions/; build/ is made there")
    run.set_defaults(command=_run)
    site = command(commands, "site", "run the students' notebooks, write a web site that needs no server")
    site.add_argument("labs", nargs="*", metavar="LAB", help="numbers or names, such as 01; default: all")
    finish(site, _site, "print the first page as JSON", on_error=1)
    work = command(commands, "work", "from runs at different paces: seconds and work of each lab, for bands.json")
    work.add_argument("files", nargs="+", type=Path, metavar="TAKEN.json", help="build/taken.json of each run")
    work.set_defaults(command=_work, on_error=2)
    new = command(commands, "new-homework", "write a small homework that works, to be made into yours")
    new.add_argument("name", metavar="NAME", help="such as homework5: small letters, digits and _")
    new.add_argument("--title", default="", help="the heading; default: from the name")
    new.add_argument("--root", type=Path, default=ROOT, help="the course")
    new.set_defaults(command=_new_homework, on_error=2)
    add_class_commands(commands)


# Each command imports what it needs, so that `build` does not wait for torch.


def _build(arguments: argparse.Namespace) -> int:
    from lab_utils.staff.course.build import build, check

    folders = (arguments.root / "solutions", arguments.root / "labs", arguments.root / "course.toml")
    if not arguments.check:
        changed = [str(path) for path in build(*folders)]
        print(json.dumps({"wrote": changed}, indent=1) if arguments.json else "\n".join(f"wrote {p}" for p in changed))
        return 0
    problems = check(*folders)
    fine = "labs/ is what build makes of solutions/, and shows no solution"
    print(json.dumps({"problems": problems}, indent=1) if arguments.json else "\n".join(problems) or fine)
    return int(bool(problems))


def _work(arguments: argparse.Namespace) -> int:
    from lab_utils.staff.course.work import main

    return main(arguments.files)


def _count(arguments: argparse.Namespace) -> int:
    from lab_utils.staff.course.counts import count, table

    found = count(arguments.root / "solutions")
    rows = [asdict(counts) | {"share": counts.share, "missed": counts.missed} for counts in found]
    print(json.dumps(rows, indent=1) if arguments.json else table(found))
    return int(any(counts.missed for counts in found))


def _run(arguments: argparse.Namespace) -> int:
    from lab_utils.staff.course.run import run

    return run(arguments.root / "solutions", arguments.root / "build", arguments.labs)


def _site(arguments: argparse.Namespace) -> int:
    from lab_utils.staff.course.site import site

    root = arguments.root
    page = site(root / "labs", root / "build", root / "course.toml", arguments.labs)
    print(json.dumps({"page": str(page)}) if arguments.json else f"open {page}")
    return 0


def _new_homework(arguments: argparse.Namespace) -> int:
    from lab_utils.staff.authoring.new_homework import new_homework

    print(new_homework(arguments.root, arguments.name, title=arguments.title))
    return 0
