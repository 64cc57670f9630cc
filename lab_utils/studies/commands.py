"""The command ``python -m lab_utils study``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lab_utils.studies.study import STUDIES

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_commands(commands: Commands) -> None:
    """Add the command to the parser."""
    study = commands.add_parser("study", help="run a source's own experiment, see its numbers beside yours")
    study.add_argument("name", metavar="NAME", help=", ".join(STUDIES))
    study.add_argument("--data", nargs="+", default=[], metavar="SET=FOLDER", help="real images; without: stand-ins")
    study.add_argument("--weights", nargs="+", default=[], metavar="NETWORK=FILE", help="pretrained weights of yours")
    study.add_argument("--plan", action="store_true", help="only say what it will take")
    study.add_argument("--report", action="store_true", help="only write the report of what is done")
    study.add_argument("--only", nargs="+", default=[], metavar="KEY=VALUE", help="only the runs with these values")
    study.add_argument(
        "--workers",
        type=int,
        help="processes (with --plan also: slots of a cluster); default LAB_WORKERS, or one per processor, at most 4",
    )
    study.add_argument(
        "--cluster", metavar="ADDRESS", help="of a Dask scheduler, such as tcp://scheduler:8786; with --keep"
    )
    study.add_argument("--keep", type=Path, metavar="FOLDER", help="of finished runs; default: in the kit's cache")
    study.set_defaults(command=_study, on_error=2)


def _study(arguments: argparse.Namespace) -> int:
    from lab_utils.studies.engine import configs_of, of_other_versions, run_study, task_of
    from lab_utils.studies.grid import FailedRuns
    from lab_utils.studies.plan import plan
    from lab_utils.studies.report import write_report
    from lab_utils.studies.study import left_out, named

    data, weights, only = (_pairs(name, getattr(arguments, name)) for name in ("data", "weights", "only"))
    task = task_of(arguments.name, data, weights, arguments.keep)
    if arguments.cluster and arguments.keep is None:
        raise ValueError(
            "Expected --keep FOLDER with --cluster: a folder that this machine and all workers see under one name. "
            "Runs are kept there; the kit's own cache is on this machine alone."
        )
    if others := of_other_versions(task):
        print(others)
    if arguments.plan:
        print(plan(task, only, workers=arguments.workers))
        return 0
    if not (task.data or named(task.study).drawn):
        print("STAND-INS: phantoms in place of the real images. This proves that the study runs, and nothing else.")
    failed = 0
    if not arguments.report:
        for sentence in left_out(configs_of(task, only), task.weights):
            print(sentence)
        try:
            run_study(task, only, workers=arguments.workers, cluster=arguments.cluster)
        except FailedRuns as error:  # the others are done: the report is due all the same
            print(f"{error}", file=sys.stderr)
            failed = 1
    page, *more = write_report(task, "python -m lab_utils " + " ".join(sys.argv[1:]))
    print(f"open {page}\nbeside it: {', '.join(path.name for path in more)}")
    return failed


def _pairs(option: str, texts: list[str]) -> dict[str, str]:
    pairs = dict(text.split("=", 1) for text in texts if "=" in text.strip("="))
    if len(pairs) != len(texts):
        raise ValueError(f"Expected --{option} NAME=VALUE, each name once, got {' '.join(texts)!r}.")
    return pairs
