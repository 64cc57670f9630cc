"""The instructor's commands for a class: release, roster, collect, grade, feedback.

Every one keeps its files in one folder, grading/ in the course, and in it those of each homework in a folder of its
own. Each returns 0 if all is well, 1 if not, and 2 if it could not do its work.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lab_utils.staff.collecting import deadline, push_records, roster_from

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

ROOT = Path(__file__).resolve().parents[2]


def add_class_commands(commands: "Commands") -> None:
    """Add them to the parser."""
    release = command(commands, "release", "make what students get: a folder, ready to be a branch, and a zip")
    release.add_argument("target", type=Path, metavar="FOLDER", help="a new folder, or an older release to replace")
    release.add_argument("--new-test-set", action="store_true", help="draw other hidden test images than the last time")
    _add_folder(release)
    finish(release, _release, "print what was written as JSON")
    roster = command(commands, "roster", "make roster.csv from a file of GitHub Classroom or a list of addresses")
    roster.formatter_class, roster.epilog = argparse.RawDescriptionHelpFormatter, roster_from.__doc__
    roster.add_argument("source", type=Path, metavar="SOURCE", help="a csv of GitHub Classroom, or a text")
    roster.add_argument(
        "--url", default="", help="of the repositories, such as https://github.com/my-course/hw4-{github}.git"
    )
    roster.add_argument("--output", type=Path, help="default: roster.csv in the instructor's folder")
    _add_folder(roster)
    roster.add_argument("--root", type=Path, default=ROOT, help="the course")
    roster.set_defaults(command=_roster, on_error=2)
    collect = command(commands, "collect", "fetch the repositories of a class and choose the commit that counts")
    collect.formatter_class, collect.epilog = (
        argparse.RawDescriptionHelpFormatter,
        f"{deadline.__doc__}\n{push_records.__doc__}",
    )
    collect.add_argument(
        "roster", type=Path, metavar="ROSTER.csv", help="student,name,email,url[,extension][,commit][,penalty][,reason]"
    )
    collect.add_argument("--push-records", type=Path, metavar="CSV", help="the host's records, see below")
    collect.add_argument("--workers", type=int, default=4, help="repositories fetched side by side (%(default)s)")
    collect.add_argument("--timeout", type=float, default=120.0, help="seconds for one repository (%(default)s)")
    collect.add_argument("--max-mib", type=int, default=500, help="size of one repository, compressed (%(default)s)")
    collect.add_argument("--strict", action="store_true", help="return 1 where somebody's work was not collected")
    _add_homework(collect)
    finish(collect, _collect, "print what was collected as JSON")
    grade = command(commands, "grade", "grade what was collected, each in a sandbox; goes on where it stopped")
    grade.add_argument(
        "students", nargs="*", metavar="STUDENT", help="grade these again; default: all without a result"
    )
    grade.add_argument("--workers", type=int, default=2, help="sandboxes at a time (%(default)s)")
    grade.add_argument("--trust-submissions", action="store_true", help="run them also where nothing isolates them")
    _add_homework(grade)
    finish(grade, _grade, "print the summary as JSON")
    feedback = command(commands, "feedback", "write a page for each student, one for the class, the gradebook")
    feedback.add_argument(
        "--also", nargs="+", default=[], choices=("canvas", "moodle", "nbgrader"), help="further gradebooks to write"
    )
    feedback.add_argument(
        "--push",
        nargs="?",
        const="dry run",
        choices=("dry run", "now"),
        metavar="now",
        help="say which pages would go into a branch of each student's repository; with `now`, push them",
    )
    _add_homework(feedback)
    finish(feedback, _feedback, "print a summary as JSON")


def command(commands: "Commands", name: str, text: str) -> argparse.ArgumentParser:
    """Add a command that says what it does."""
    return commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, help="the instructor's working folder; default: grading/ in the course")


def _add_homework(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--homework", metavar="NAME", help="which homework; default: the only one of course.toml")
    _add_folder(parser)


def finish(parser: argparse.ArgumentParser, command: object, json_help: str, *, on_error: int = 2) -> None:
    """Add what all commands have, and what the command does."""
    parser.add_argument("--root", type=Path, default=ROOT, help="the course: solutions/, labs/ and course.toml")
    parser.add_argument("--json", action="store_true", help=json_help)
    parser.set_defaults(command=command, on_error=on_error)


# Each command imports what it needs, so that help does not wait for torch.


def _release(arguments: argparse.Namespace) -> int:
    from lab_utils.staff.collecting.released import note_release
    from lab_utils.staff.course.release import release
    from lab_utils.staff.course.settings import read_course, written_out
    from lab_utils.staff.grading.assignment import homework_folder
    from lab_utils.staff.grading.collected import FILE
    from lab_utils.staff.grading.hidden_set import hidden_images
    from lab_utils.staff.grading.key import load_predictions
    from lab_utils.staff.grading.place import place_of

    homeworks = read_course(arguments.root / "course.toml").homeworks
    places = {name: place_of(_folder(arguments), name) for name in homeworks}
    scored = {name: form for name in homeworks if (form := load_predictions(homework_folder(arguments.root, name)))}
    if begun := [name for name in scored if (places[name] / FILE).is_file()] if arguments.new_test_set else []:
        raise ValueError(
            f"Expected --new-test-set before the first collect, but {places[begun[0]]} holds collected work: its "
            "predictions are for the old images, and with new labels they would be graded as chance. Rename that "
            "folder, or name another one with --folder, for a new class; without --new-test-set the old set is kept."
        )
    images, sets = {}, {}
    for name, form in scored.items():
        images[f"data/{name}_images.npz"], drawn = hidden_images(
            places[name], name, form.draw, new=arguments.new_test_set
        )
        sets[name] = "new" if drawn else "kept"
    archive, files = release(arguments.root, arguments.target, images)
    for place in places.values():
        note_release(arguments.target, place)
    told = {"folder": str(arguments.target), "zip": str(archive), "test_sets": sets}
    if arguments.json:
        print(json.dumps(told | {"files": files}, indent=1))
    else:
        print(f"wrote {len(files)} files to {told['folder']}, and {told['zip']}")
        for name, state in sets.items():
            print(f"{name}: hidden test set {state}; its labels stay in {places[name]}")
        for homework in homeworks.values():
            print(f"{homework.name}: due {written_out(homework.deadline)}")
        print("next: commit and push the folder as the repository that course.toml names")
        if "https://example.org/" in (arguments.root / "course.toml").read_text("utf-8"):
            print("course.toml still holds the example's repository: the first cells will not find yours on Colab")
    return 0


def _roster(arguments: argparse.Namespace) -> int:
    target = arguments.output or _folder(arguments) / "roster.csv"
    count = roster_from.make_roster(arguments.source, target, url=arguments.url)
    print(f"wrote {count} students to {target}; look at it, then: python -m lab_utils collect {target}")
    return 0


def _collect(arguments: argparse.Namespace) -> int:
    from lab_utils.staff.collecting.collect import collect, summary
    from lab_utils.staff.collecting.collect_one import COLLECTED

    records = collect(
        arguments.root,
        arguments.roster,
        _place(arguments),
        homework=arguments.homework,
        push_records=arguments.push_records,
        workers=arguments.workers,
        seconds=arguments.timeout,
        most_mib=arguments.max_mib,
    )
    table = [asdict(record) for record in records]
    print(json.dumps(table, indent=1) if arguments.json else summary(records))
    return int(arguments.strict and any(record.status != COLLECTED for record in records))


def _grade(arguments: argparse.Namespace) -> int:
    from lab_utils.staff.grading.grade import grade

    try:
        return grade(
            _place(arguments),
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

    place = _place(arguments)
    done = feedback(place, arguments.root, also=arguments.also, as_json=arguments.json)
    if not arguments.push:
        return done
    from lab_utils.staff.collecting.push_pages import in_words, push_pages
    from lab_utils.staff.grading.collected import read_collection

    found, really = read_collection(place), arguments.push == "now"
    pushed = push_pages(place, arguments.root, found.homework, found.students, really=really)
    print(in_words(pushed, found.homework, really=really), file=sys.stderr if arguments.json else sys.stdout)
    return int(really and any(entry.failed for entry in pushed))


def _folder(arguments: argparse.Namespace) -> Path:
    return arguments.folder or arguments.root / "grading"


def _place(arguments: argparse.Namespace) -> Path:
    """Return the folder of the homework in the instructor's folder."""
    from lab_utils.staff.course.settings import homework_of, read_course
    from lab_utils.staff.grading.place import place_of

    course = read_course(arguments.root / "course.toml")
    return place_of(_folder(arguments), homework_of(course, arguments.homework).name)
