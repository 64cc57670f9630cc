"""Command line: ``python -m lab_utils doctor | check | phantoms | data | study``, and what an instructor needs."""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0 if all is well, 1 if not, 2 if it could not do its work (argparse's number too)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a pipe of Windows has no sign for "correct"
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.command(arguments))
    except (NotImplementedError, RecursionError, ModuleNotFoundError):  # faults of the kit, which are to be seen
        raise
    except (ValueError, OSError, RuntimeError, ImportError) as error:  # in the words of whoever raised them
        print(f"{error}", file=sys.stderr)
        return int(arguments.on_error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab_utils", description="Labs for transfer learning.")
    parser.set_defaults(on_error=1)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    doctor = commands.add_parser("doctor", help="look at this machine and say what to do")
    doctor.set_defaults(command=_doctor)
    check = commands.add_parser("check", help="run the public checks of a notebook, without its training")
    check.add_argument("notebook", type=Path, metavar="NOTEBOOK", help="such as labs/homework4.ipynb")
    check.add_argument("--json", action="store_true", help="print the outcomes as JSON")
    check.add_argument("--summary", type=Path, metavar="FILE", help="also add them to this file, as Markdown")
    check.set_defaults(command=_check, on_error=2)
    phantoms = commands.add_parser("phantoms", help="draw the phantoms that the labs use, once")
    phantoms.set_defaults(command=_phantoms)
    data = commands.add_parser("data", help="decode a public set once, or say what that will take")
    data.add_argument("name", metavar="NAME", help="such as chexpert")
    data.add_argument("--root", type=Path, required=True, help="the folder that the set was unpacked to")
    data.add_argument("--size", type=int, default=64, help="side in pixels")
    data.add_argument("--plan", action="store_true", help="only say images, patients, disk and time")
    data.set_defaults(command=_data)
    from lab_utils.studies import add_commands as add_study

    add_study(commands)
    if Path(__file__).with_name("staff").is_dir():  # students get the kit without it
        from lab_utils.staff.commands import add_commands

        add_commands(commands)
    return parser


# Each command imports what it needs, so that `build` does not wait for torch.


def _doctor(arguments: argparse.Namespace) -> int:
    from lab_utils import doctor

    return doctor.main()


def _check(arguments: argparse.Namespace) -> int:
    from lab_utils.checks.run_checks import main as run_checks

    return run_checks(arguments.notebook, as_json=arguments.json, summary=arguments.summary)


def _phantoms(arguments: argparse.Namespace) -> int:
    from lab_utils.data import load_data

    for n_train, n_val in ((1000, 300), (2000, 300), (2000, 400)):  # what the labs ask for in quick
        splits = load_data("phantoms", n_train=n_train, n_val=n_val)
        print(", ".join(f"{name}: {len(split)} phantoms" for name, split in splits.items()))
    return 0


def _data(arguments: argparse.Namespace) -> int:
    from lab_utils.data import load_data, plan_data

    if arguments.plan:
        print(plan_data(arguments.name, arguments.root, size=arguments.size))
        return 0
    for name, split in load_data(arguments.name, root=arguments.root, size=arguments.size).items():
        print(f"{name}: {split}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
