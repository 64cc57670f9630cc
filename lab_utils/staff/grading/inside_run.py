"""Run a student's function inside a sandbox, in processes that are thrown away."""

import linecache
import os
import shutil
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from lab_utils.checks import slices
from lab_utils.staff.grading import wire
from lab_utils.staff.grading.cases import plain
from lab_utils.staff.grading.forks import DONE, first_line, limit_cpu, ran_out, run_guarded, write_all

COPIED = 16 * 2**20  # bytes of files that the student's code may also write; it can read all of them


def serve_question(request: dict[str, Any], connection: socket.socket) -> None:
    """Define the function, say whether that went well, then answer calls, each in a fork."""
    folder = _own_copy(Path(request["root"]).resolve(), request["folder"])
    os.chdir(folder)
    sys.path.append(str(folder))  # at the end: a torch.py beside the notebook is not torch
    sys.argv = [""]
    limit_cpu(request["seconds"])
    space, reply = _define(request["sources"], request["name"])
    limit_cpu(None)
    connection.sendall(wire.encode(reply))
    with connection.makefile("rb") as lines:
        while line := lines.readline():
            work = partial(_call, space[request["name"]], line)
            connection.sendall(_answer(work, request["per_call"], lines, connection))


def _answer(work: Callable[[], bytes], seconds: float, lines: BinaryIO, connection: socket.socket) -> bytes:
    """Return what `work` gives in a process of its own, with `seconds` of processor time, as one line.

    That process does not hold the socket to the grader, and its answer is the first line that it writes: what else it
    writes, and what it leaves running, comes to nobody's ears.
    """
    here, there = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(here)
        for file in (lines, connection):
            file.close()
        limit_cpu(seconds, last=True)
        run_guarded(lambda: write_all(there, work()))
    os.close(there)
    line, status = first_line(here, pid)
    os.close(here)
    if len(line) > wire.LONGEST:
        return wire.encode({"died": f"it returned more than {wire.LONGEST // 2**20} MiB"})
    if os.waitstatus_to_exitcode(status) == DONE and line.endswith(b"\n"):
        return line
    if ran_out(status):
        return wire.encode({"timed_out": seconds})
    why = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "it left Python"
    return wire.encode({"died": why})


def _own_copy(root: Path, folder: str) -> Path:
    """Copy the small files of a submission to where the student's code may also write, and link the others.

    Returns:
        The copy of `folder`, which holds the notebook.
    """
    home = Path(os.environ.get("HOME", "/tmp"))
    for earlier in home.glob("work*"):  # what the question before this one has left
        shutil.rmtree(earlier, ignore_errors=True)
    target = home / f"work{os.getpid()}"
    (target / folder).mkdir(parents=True)
    room = COPIED
    # Links first: to ask where one leads can be forbidden, and then no question of this submission could be run.
    paths = [path for path in sorted(root.rglob("*")) if not path.is_symlink() and path.is_file()]
    for path in sorted(paths, key=lambda path: path.stat().st_size):
        copy = target / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        room -= path.stat().st_size
        if room >= 0:
            shutil.copyfile(path, copy)
        else:
            copy.symlink_to(path)
    return target / folder


def _define(sources: list[str], name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    program = slices.read_program(sources)
    sys.modules["__main__"] = type(sys)("__main__")
    space = slices.new_space(sys.modules["__main__"].__dict__)
    failed = slices.run(slices.needed(program, name), space, name)
    if callable(space.get(name)):
        space["__failed__"] = failed
        return space, {"defined": True}
    if name in failed:
        return space, {"error": _describe(failed[name])}
    return space, {"missing": True}


def _call(function: Callable[..., Any], line: bytes) -> bytes:
    request = wire.decode(line)
    try:
        if request["script"]:
            space: dict[str, Any] = {"__name__": "script"}
            exec(compile(request["script"], "<script>", "exec"), space)
            value = space["probe"](function, *request["args"])
        else:
            value = function(*request["args"])
    except BaseException as error:
        return wire.encode({"error": _describe(error)})
    try:
        return wire.encode({"value": plain(value)})
    except BaseException as error:
        return wire.encode({"unusable": f"{type(error).__name__}: {error}"[:300]})


def _describe(error: BaseException) -> dict[str, Any]:
    """Return type, message and the student's own line of an error; its text may be anything."""
    line, own = "", False
    with suppress(Exception):
        frames = traceback.extract_tb(error.__traceback__)
        mine = [frame for frame in frames if frame.filename.startswith("<cell ")]
        if mine:
            source = linecache.getline(mine[-1].filename, mine[-1].lineno or 0).strip()
            line = f"cell {mine[-1].filename[6:-1]}, line {mine[-1].lineno}: {source}"[:300]
            own = frames[-1] is mine[-1]
    try:
        message = str(error)[:500]
    except BaseException:
        message = ""
    return {"type": type(error).__name__[:80], "message": message, "line": line, "own": own}
