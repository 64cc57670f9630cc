"""Run a student's function inside a sandbox, in processes that are thrown away."""

import linecache
import os
import shutil
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab_utils.checks import slices
from lab_utils.grading import wire
from lab_utils.grading.cases import plain
from lab_utils.grading.forks import DONE, run_guarded

COPIED = 16 * 2**20  # bytes of files that the student's code may also write; it can read all of them


def serve_question(request: dict[str, Any], connection: socket.socket) -> None:
    """Define the function, say whether that went well, then answer calls, each in a fork."""
    folder = _own_copy(Path(request["root"]).resolve(), request["folder"])
    os.chdir(folder)
    sys.path.append(str(folder))  # at the end: a torch.py beside the notebook is not torch
    sys.argv = [""]
    space, reply = _define(request["sources"], request["name"])
    connection.sendall(wire.encode(reply))
    with connection.makefile("rb") as lines:
        while line := lines.readline():
            pid = os.fork()
            if not pid:
                run_guarded(lambda: connection.sendall(_call(space[request["name"]], line)))
            _, status = os.waitpid(pid, 0)
            if os.waitstatus_to_exitcode(status) != DONE:
                why = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "it left Python"
                connection.sendall(wire.encode({"died": why}))


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
    paths = [path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink()]
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
    failed = slices.run(slices.needed(program, name), space)
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
