"""The instructor's commands: ``python -m lab_utils build | count | run | site | release | collect | grade | feedback``.

Every command that works on a class keeps its files in one folder, grading/ in the course. Each returns 0 if all is
well, 1 if not, and 2 if it could not do its work; `build`, `count` and `run` return 1 for both.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lab_utils.staff.collecting import deadline

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

ROOT = Path(__file__).resolve().parents[2]


def add_commands(commands: "Commands") -> None:
    """Add the instructor's commands to the parser."""
    build = _command(commands, "build", "build labs/ from solutions/")
    build.add_argument("--check", action="store_true", help="write nothing; fail where labs/ is out of date")
    _finish(build, _build, "print the changed files, or the problems, as JSON", on_error=1)
    count = _command(commands, "count", "count what a student reads and writes in each lab, beside the aims")
    _finish(count, _count, "print the counts as JSON", on_error=1)
    run = _command(commands, "run", "run the solved labs, write HTML, compare with the published bands")
    run.add_argument("labs", nargs="*", metavar="LAB", help="numbers or names, such as 01; default: all")
    run.add_argument("--root", type=Path, default=ROOT, help="the folder of solutions/; build/ is made there")
    run.set_defaults(command=_run)
    site = _command(commands, "site", "run the students' notebooks, write a web site that needs no server")
    site.add_argument("labs", nargs="*", metavar="LAB", help="numbers or names, such as 01; default: all")
    _finish(site, _site, "print the first page as JSON", on_error=1)
    release = _command(commands, "release", "make what students get: a folder, ready to be a branch, and a zip")
    release.add_argument("target", type=Path, metavar="FOLDER", help="a new folder, or an older release to replace")
    release.add_argument("--new-test-set", action="store_true", help="draw other hidden test images than the last time")
    _add_folder(release)
    _finish(release, _release, "print what was written as JSON")
    collect = _command(commands, "collect", "fetch the repositories of a class and choose the commit that counts")
    collect.formatter_class, collect.epilog = argparse.RawDescriptionHelpFormatter, deadline.__doc__
    collect.add_argument(
        "roster", type=Path, metavar="ROSTER.csv", help="student,name,email,url[,extension][,commit][,penalty][,reason]"
    )
    collect.add_argument("--push-records", type=Path, metavar="CSV", help="the host's records: student,sha,pushed_at")
    collect.add_argument("--workers", type=int, default=4, help="repositories fetched side by side (%(default)s)")
    collect.add_argument("--timeout", type=float, default=120.0, help="seconds for one repository (%(default)s)")
    collect.add_argument("--max-mib", type=int, default=500, help="size of one repository, compressed (%(default)s)")
    collect.add_argument("--homework", help="which homework; default: the only one of course.toml")
    _add_folder(collect)
    _finish(collect, _collect, "print what was collected as JSON")
    grade = _command(commands, "grade", "grade what was collected, each in a sandbox; goes on where it stopped")
    grade.add_argument(
        "students", nargs="*", metavar="STUDENT", help="grade these again; default: all without a result"
    )
    grade.add_argument("--workers", type=int, default=2, help="sandboxes at a time (%(default)s)")
    grade.add_argument("--trust-submissions", action="store_true", help="run them also where nothing isolates them")
    _add_folder(grade)
    _finish(grade, _grade, "print the summary as JSON")
    feedback = _command(commands, "feedback", "write a page for each student, one for the class, the gradebook")
    feedback.add_argument("--nbgrader", action="store_true", help="also write the gradebook in nbgrader's long form")
    _add_folder(feedback)
    _finish(feedback, _feedback, "print a summary as JSON")


def _command(commands: "Commands", name: str, text: str) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, help="the instructor's working folder; default: grading/ in the course")


def _finish(parser: argparse.ArgumentParser, command: object, json_help: str, *, on_error: int = 2) -> None:
    parser.add_argument("--root", type=Path, default=ROOT, help="the course: solutions/, labs/ and course.toml")
    parser.add_argument("--json", action="store_true", help=json_help)
    parser.set_defaults(command=command, on_error=on_error)


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


def _release(arguments: argparse.Namespace) -> int:
    from lab_utils.staff.collecting.released import note_release
    from lab_utils.staff.course.release import release
    from lab_utils.staff.course.settings import read_course, written_out
    from lab_utils.staff.grading.assignment import homework_folder
    from lab_utils.staff.grading.collected import FILE
    from lab_utils.staff.grading.hidden_set import hidden_images
    from lab_utils.staff.grading.key import load_predictions

    if arguments.new_test_set and (_folder(arguments) / FILE).is_file():
        raise ValueError(
            f"Expected --new-test-set before the first collect, but {_folder(arguments)} holds collected work: its "
            "predictions are for the old images, and with new labels they would be graded as chance. Rename that "
            "folder, or name another one with --folder, for a new class; without --new-test-set the old set is kept."
        )
    homeworks = read_course(arguments.root / "course.toml").homeworks
    images, drawn = {}, False
    for name in homeworks:
        if form := load_predictions(homework_folder(arguments.root, name)):
            found = hidden_images(_folder(arguments), name, form.draw, new=arguments.new_test_set)
            images[f"data/{name}_images.npz"] = found[0]
            drawn |= found[1]
    archive, files = release(arguments.root, arguments.target, images)
    note_release(arguments.target, _folder(arguments))
    told = {"folder": str(arguments.target), "zip": str(archive), "test_set": "new" if drawn else "kept"}
    if arguments.json:
        print(json.dumps(told | {"files": files}, indent=1))
    else:
        print(f"wrote {len(files)} files to {told['folder']}, and {told['zip']}")
        print(f"hidden test set: {told['test_set']}; its labels stay in {_folder(arguments)}")
        for homework in homeworks.values():
            print(f"{homework.name}: due {written_out(homework.deadline)}")
        print("next: commit and push the folder as the repository that course.toml names")
        if "https://example.org/" in (arguments.root / "course.toml").read_text("utf-8"):
            print("course.toml still holds the example's repository: the first cells will not find yours on Colab")
    return 0


def _collect(arguments: argparse.Namespace) -> int:
    from lab_utils.staff.collecting.collect import collect, summary
    from lab_utils.staff.collecting.collect_one import COLLECTED

    records = collect(
        arguments.root,
        arguments.roster,
        _folder(arguments),
        homework=arguments.homework,
        push_records=arguments.push_records,
        workers=arguments.workers,
        seconds=arguments.timeout,
        most_mib=arguments.max_mib,
    )
    table = [asdict(record) for record in records]
    print(json.dumps(table, indent=1) if arguments.json else summary(records))
    return int(any(record.status != COLLECTED for record in records))


def _grade(arguments: argparse.Namespace) -> int:
    from lab_utils.staff.grading.grade import grade

    try:
        return grade(
            _folder(arguments),
            arguments.root,
            students=arguments.students,
            workers=arguments.workers,
            trust=arguments.trust_submissions,
            as_json=arguments.json,
        )
    except KeyboardInterrupt:
        print("Stopped. What is graded stays graded; the same command goes on from there.", file=sys.stderr)
        return 130  # as shells say it


def _feedback(arguments: argparse.Namespace) -> int:
    from lab_utils.staff.feedback.feedback import feedback

    return feedback(_folder(arguments), arguments.root, nbgrader=arguments.nbgrader, as_json=arguments.json)


def _folder(arguments: argparse.Namespace) -> Path:
    return arguments.folder or arguments.root / "grading"
