"""Command line: ``python -m lab_utils doctor | build | run | phantoms``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0 if all is well, 1 if not."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.command(arguments))
    except (ValueError, OSError) as error:
        print(f"{error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab_utils", description="Labs for transfer learning.")
    commands = parser.add_subparsers(required=True, metavar="doctor | build | run | phantoms")
    doctor = commands.add_parser("doctor", help="look at this machine and say what to do")
    doctor.set_defaults(command=_doctor)
    build = commands.add_parser("build", help="build labs/ from solutions/")
    build.add_argument("--check", action="store_true", help="write nothing; fail where labs/ is out of date")
    build.add_argument("--root", type=Path, default=ROOT, help="the folder of solutions/, labs/ and course.toml")
    build.set_defaults(command=_build)
    run = commands.add_parser("run", help="run the solved labs, write HTML, compare with the published bands")
    run.add_argument("labs", nargs="*", metavar="LAB", help="numbers or names, such as 01; default: all")
    run.add_argument("--root", type=Path, default=ROOT, help="the folder of solutions/; build/ is made there")
    run.set_defaults(command=_run)
    phantoms = commands.add_parser("phantoms", help="draw the phantoms that the labs use, once")
    phantoms.set_defaults(command=_phantoms)
    return parser


# Each command imports what it needs, so that `build` does not wait for torch.


def _doctor(arguments: argparse.Namespace) -> int:
    from lab_utils import doctor

    return doctor.main()


def _build(arguments: argparse.Namespace) -> int:
    from lab_utils.course.build import build, check

    folders = (arguments.root / "solutions", arguments.root / "labs", arguments.root / "course.toml")
    if not arguments.check:
        for path in build(*folders):
            print(f"wrote {path}")
        return 0
    problems = check(*folders)
    print("\n".join(problems) or "labs/ is what build makes of solutions/, and shows no solution")
    return int(bool(problems))


def _run(arguments: argparse.Namespace) -> int:
    from lab_utils.course.run import run

    return run(arguments.root / "solutions", arguments.root / "build", arguments.labs)


def _phantoms(arguments: argparse.Namespace) -> int:
    from lab_utils.data import load_data

    for n_train, n_val in ((1000, 300), (2000, 300), (2000, 400)):  # what the labs ask for in quick
        splits = load_data("phantoms", n_train=n_train, n_val=n_val)
        print(", ".join(f"{name}: {len(split)} phantoms" for name, split in splits.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
