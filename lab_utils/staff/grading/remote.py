"""The grader's end of a sandbox: start it, ask, give up after a time, start it again if the student's code ended it."""

import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from lab_utils.staff.grading import memory_watch, wire
from lab_utils.staff.grading.forks import backstop
from lab_utils.staff.grading.inside_answers import Cells
from lab_utils.staff.grading.isolation import FULL, Limits, command, environment

SPARE = 15.0  # seconds that a sandbox may take longer than the time it was given, before it is ended
STARTING = 600.0  # seconds for imports
ALWAYS = ["torch"]  # imported for whatever work: that which does not name it comes to it by way of the kit or a case
DEFINING = 3  # times the seconds of a call, for defining a function: it may load data
LONGEST_TEXT = 10_000  # characters of a text that a function returns, or of a key
MOST_NUMBERS = 2**20  # in the arrays that a function returns: cases compute with them out here, broadcast to more
STARTS = 40  # how often it may be started anew for one submission


class Failure(Exception):
    """A call gave no value. Its message is for the student."""

    def __init__(self, message: str, line: str = "") -> None:
        super().__init__(message)
        self.line = line


class Crashed(Failure):
    """The student's code raised, or its process ended."""


class TimedOut(Failure):
    """The student's code used up its processor time."""


class Undecided(Failure):
    """The student's code had to end before its processor time was used up: the machine is busy, or the code waits."""


class NotAttempted(Failure):
    """The stub is still there."""


class Missing(Failure):
    """There is no function of that name."""


class Unusable(Failure):
    """The function returned something that is neither a plain value nor an array."""


class Sandbox:
    """One submission's sandbox. Use it in a ``with`` block: everything in it ends with the block."""

    def __init__(self, submission: Path, *, slot: int = 0, limits: Limits | None = None, level: str = FULL) -> None:
        self._level, self._limits = level, limits or Limits()
        self._command, self._where = command(submission, slot, self._limits, level)
        self._process: subprocess.Popen[bytes] | None = None
        self._pipes: tuple[int, ...] = ()  # to the sandbox, from the sandbox
        self._home: tempfile.TemporaryDirectory[str] | None = None
        self._buffer = b""
        self._starts = 0
        self._modules: list[str] = []
        self._ended_for = ""

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def read(
        self, notebook: str, wanted: list[str], written: list[str], released: Cells, *, seconds: float = 60.0
    ) -> dict[str, Any]:
        """Return what `inside_read.py` finds in a notebook; {"invalid": why} if it is none.

        Raises:
            Undecided: if reading it did not come to its end.
        """
        path = f"{self._where}/{notebook}"
        request: dict[str, Any] = {"op": "read", "path": path, "wanted": wanted, "written": written}
        reply = self._ask(request | {"released": released, "seconds": seconds}, backstop(seconds))
        if "sources" in reply or "invalid" in reply:
            return reply
        if "undecided" in reply:
            raise Undecided(f"{notebook} was not read to its end: the grader's computer was busy.")
        return {"invalid": "reading it took too much time or memory"}

    def preload(self, modules: list[str]) -> None:
        """Import torch, and what the functions of the notebook import, before any of its code runs."""
        reply = self._ask({"op": "preload", "modules": [*ALWAYS, *modules]}, STARTING)
        self._modules = modules if reply.get("ok") else []  # what ended a sandbox once would end it again

    def open(self, sources: list[str], name: str, folder: str, *, seconds: float) -> None:
        """Define the function `name` of a notebook, in a process of its own.

        `seconds` are those of processor time that a call may take.

        Raises:
            Failure: of the kind that fits.
        """
        request: dict[str, Any] = {"op": "open", "sources": sources, "name": name, "folder": folder}
        defining = DEFINING * seconds
        request |= {"root": self._where, "seconds": defining, "per_call": seconds}
        reply = self._ask(request, backstop(defining))
        if reply.get("missing"):
            raise Missing(f"There is no function `{name}`.")
        if not reply.get("defined"):
            _raise(name, reply, defining)

    def call(self, name: str, args: tuple[Any, ...], script: str | None, *, seconds: float) -> Any:
        """Call the function that was opened; see `cases.Student`.

        Raises:
            Failure: of the kind that fits.
        """
        reply = self._ask({"op": "call", "args": list(args), "script": script, "seconds": seconds}, backstop(seconds))
        if "value" in reply:
            if _longest_text(reply["value"]) > LONGEST_TEXT:
                raise Unusable(f"`{name}` returned a text of more than {LONGEST_TEXT} characters.")
            if _numbers(reply["value"]) > MOST_NUMBERS:
                raise Unusable(f"`{name}` returned more than {MOST_NUMBERS} numbers.")
            return reply["value"]
        return _raise(name, reply, seconds)

    def end(self) -> None:
        """End the sandbox and all that runs in it."""
        if self._process is not None:
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            for pipe in self._pipes:
                os.close(pipe)
            self._process, self._pipes = None, ()
        if self._home is not None:
            self._home.cleanup()
            self._home = None
        self._buffer = b""

    # ---- private

    def _start(self) -> None:
        self._starts += 1
        variables = None
        if self._level != FULL:
            self._home = tempfile.TemporaryDirectory()
            variables = environment(self._home.name)
        self._ended_for = ""
        # Not standard input and output: bubblewrap's own first process keeps these, and who runs as the same user
        # could reach into them through /proc.
        requests, to_sandbox = os.pipe()
        from_sandbox, replies = os.pipe()
        self._process = subprocess.Popen(
            [*self._command, str(requests), str(replies)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(requests, replies),
            env=variables,
            start_new_session=True,
        )
        self._pipes = (to_sandbox, from_sandbox)
        os.close(requests)
        os.close(replies)
        memory_watch.start(self._process, self._limits.memory, self._on_end)
        if self._modules:
            self.preload(self._modules)

    def _on_end(self, why: str) -> None:
        self._ended_for = why

    def _ask(self, message: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send one message, return the reply; the sandbox is ended if none comes or it makes no sense."""
        if self._process is None:
            if self._starts >= STARTS:
                return {"died": "it ended its sandbox too often"}
            self._start()
        to_sandbox, from_sandbox = self._pipes
        try:
            _send(to_sandbox, wire.encode(message), seconds + SPARE)
            reply = wire.decode(self._line(from_sandbox, seconds + SPARE))
            if not isinstance(reply, dict):
                raise wire.BadMessage("a reply is a table")
            return reply
        except TimeoutError:
            self.end()
            return {"undecided": seconds}
        except (OSError, wire.BadMessage) as error:
            why = self._ended_for or f"its sandbox ended ({type(error).__name__})"
            self.end()
            return {"died": why}

    def _line(self, pipe: int, seconds: float) -> bytes:
        end = time.monotonic() + seconds
        parts = [self._buffer]
        size = len(self._buffer)
        while b"\n" not in parts[-1]:
            left = end - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                raise TimeoutError
            parts.append(os.read(pipe, 2**20))
            size += len(parts[-1])
            if not parts[-1]:
                raise BrokenPipeError
            if size > 2 * wire.LONGEST:
                raise wire.BadMessage("a reply is too long")
        line, _, self._buffer = b"".join(parts).partition(b"\n")
        return line


class Remote:
    """A student's function in a sandbox, as a `cases.Student`."""

    def __init__(self, sandbox: Sandbox, sources: list[str], name: str, folder: str, *, seconds: float) -> None:
        self._sandbox, self._sources, self._name, self._folder = sandbox, sources, name, folder
        self._seconds = seconds
        self._open = False

    def __call__(self, *args: Any) -> Any:
        return self._call(args, None)

    def through(self, script: str) -> Callable[..., Any]:
        return lambda *args: self._call(args, script)

    def _call(self, args: tuple[Any, ...], script: str | None) -> Any:
        if not self._open:
            self._sandbox.open(self._sources, self._name, self._folder, seconds=self._seconds)
            self._open = True
        try:
            return self._sandbox.call(self._name, args, script, seconds=self._seconds)
        except (TimedOut, Undecided, Crashed) as failure:
            # Its process may be gone; a plain exception leaves it, and opening again is cheap.
            self._open = isinstance(failure, Crashed) and failure.line != ""
            raise


def _longest_text(value: Any) -> int:
    """Return the characters of the longest text in a plain value; its depth is that of a message."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return max((max(len(key), _longest_text(entry)) for key, entry in value.items()), default=0)
    return max(map(_longest_text, value), default=0) if isinstance(value, list) else 0


def _numbers(value: Any) -> int:
    """Return how many numbers the arrays of a plain value hold."""
    if isinstance(value, np.ndarray):
        return value.size
    if isinstance(value, dict):
        value = list(value.values())
    return sum(map(_numbers, value)) if isinstance(value, list) else 0


def _send(pipe: int, data: bytes, seconds: float) -> None:
    end = time.monotonic() + seconds
    os.set_blocking(pipe, False)
    while data:
        left = end - time.monotonic()
        if left <= 0 or not select.select([], [pipe], [], left)[1]:
            raise TimeoutError
        data = data[os.write(pipe, data[: 2**16]) :]


def _raise(name: str, reply: dict[str, Any], seconds: float) -> Any:
    """Raise what a reply without a value means."""
    if "timed_out" in reply:
        raise TimedOut(f"`{name}` did not finish within {seconds:g} s.")
    if "undecided" in reply:
        raise Undecided(f"Not decided: `{name}` was waited for {backstop(seconds):g} s, and computed in few of them.")
    if "unusable" in reply:
        what = "numbers, texts, lists, dicts or arrays of at most 32 MiB"
        raise Unusable(f"`{name}` returned something else than {what}.")
    if "error" in reply:
        error = reply["error"] if isinstance(reply["error"], dict) else {}
        kind, message = str(error.get("type", ""))[:80], str(error.get("message", ""))[:400]
        if kind == "NotImplementedError" and error.get("own"):
            raise NotAttempted(f"`{name}` still holds the stub: replace its `raise` by your code.")
        raise Crashed(f"`{name}` stopped with {kind}: {message or 'no message'}", str(error.get("line", ""))[:300])
    why = str(reply.get("died", "it gave no answer"))[:100]
    raise Crashed(f"`{name}` ended its own process: {why}.")
