"""The part of the grader that runs inside a sandbox: it reads a notebook and runs a student's functions.

It imports what the notebook imports once, then forks: one process per question, which defines the function, and from
that one process per call. So a call that hangs, crashes or kills its process takes nothing else with it, and this
process never runs a student's line. It knows no expected value: it gets arguments and sends back what came of them.

Started by `remote.py` with two pipes to the grader; see `wire.py` for the messages.
"""

import ctypes
import importlib
import json
import os
import resource
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

from lab_utils.staff.grading import seccomp, wire
from lab_utils.staff.grading.forks import Question, in_a_fork
from lab_utils.staff.grading.inside_read import read
from lab_utils.staff.grading.inside_run import serve_question

# Imported before the student's code runs, so that they are imported once. None of them is the student's.
TRUSTED = {"IPython", "PIL", "lab_utils", "matplotlib", "numpy", "pandas"}
TRUSTED |= {"scipy", "seaborn", "sklearn", "torch", "torchvision", "tqdm"}


def main() -> None:
    """Serve requests until they end.

    Arguments of the command: the limits, as JSON, and the numbers of two pipes, to read from and to write to.
    """
    limits = json.loads(sys.argv[1])
    requests, replies = os.fdopen(int(sys.argv[2]), "rb"), os.fdopen(int(sys.argv[3]), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # whatever a student prints, also two million lines of it, goes nowhere
        os.dup2(nothing, stream)
    _protect_this_process()
    _limit(limits)
    seccomp.install()
    question: Question | None = None
    while line := requests.readline():
        request = wire.decode(line)
        if request["op"] == "read":
            asked = (request[name] for name in ("path", "wanted", "written", "released"))
            reply = in_a_fork(partial(read, *asked), request["seconds"])
        elif request["op"] == "preload":
            reply = _preload(request["modules"])
        elif request["op"] == "open":
            if question is not None:
                question.close()
            question = Question(partial(serve_question, request), (requests, replies))
            reply = question.answer(request["seconds"])
        elif question is None:
            reply = wire.encode({"closed": True})
        else:
            reply = question.ask(line, request["seconds"])
        replies.write(reply)
        replies.flush()


def _protect_this_process() -> None:
    with suppress(OSError, AttributeError):
        # PR_SET_DUMPABLE: processes of the same user cannot trace this one or reach into its pipes.
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "utf-8")  # when memory ends, the student's work goes first


def _limit(limits: dict[str, int]) -> None:
    for name in ("DATA", "FSIZE", "NPROC", "NOFILE", "CPU", "CORE"):
        if name in limits:
            with suppress(ValueError, OSError):
                resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limits[name], limits[name]))


def _preload(modules: list[str]) -> bytes:
    """Import modules of well-known packages, each if it is there."""
    for name in modules:
        if name.split(".")[0] in TRUSTED:
            with suppress(Exception):
                importlib.import_module(name)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)  # threads do not survive a fork
    return wire.encode({"ok": True})


if __name__ == "__main__":
    main()
