"""Processes inside a sandbox: one per question, and how long the grader waits for them.

What a process may use is processor time, which is the same on a busy machine. Time on the clock is only a backstop: who
meets it has not been too slow, it is not decided.
"""

import math
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO, NoReturn

from lab_utils.staff.grading import wire

DONE = 77  # exit status of a process whose work came to its end: a student's os._exit(0) did not


def backstop(seconds: float) -> float:
    """Return how long to wait, on the clock, for work that may take so many seconds of processor time."""
    return min(20 * seconds, 240.0)


class Question:
    """The process that defines one function, and the socket to it."""

    def __init__(self, work: Callable[[socket.socket], object], private: tuple[BinaryIO, BinaryIO]) -> None:
        """Start it on `work`; it shall not hold the `private` pipes to the grader."""
        here, there = socket.socketpair()
        self.pid = os.fork()
        if not self.pid:
            here.close()
            for file in private:
                os.close(file.fileno())
            os.setsid()
            run_guarded(lambda: work(there))
        there.close()
        self._socket: socket.socket | None = here

    def ask(self, line: bytes, seconds: float) -> bytes:
        """Send one message and return the reply to it, each a line; after a failure the process is gone.

        Args:
            line: the message.
            seconds: of processor time that the work may take.
        """
        if self._socket is None:
            return wire.encode({"closed": True})
        try:
            _drain(self._socket)
            self._socket.settimeout(backstop(seconds))
            self._socket.sendall(line)
        except OSError:
            self.close()
            return wire.encode({"died": "its process ended"})
        return self.answer(seconds)

    def answer(self, seconds: float) -> bytes:
        """Return one line from the process; after a failure the process is gone."""
        if self._socket is None:
            return wire.encode({"closed": True})
        line, failure = _receive(self._socket, backstop(seconds))
        if failure:
            return wire.encode({"timed_out": seconds} if ran_out(self.close()) else failure)
        return line

    def close(self) -> int:
        """End the process and all of its group; return how it ended."""
        status = 0
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            with suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
            with suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)
            with suppress(OSError):
                _, status = os.waitpid(self.pid, 0)
        return status


def _drain(connection: socket.socket) -> None:
    """Throw away what nobody asked for, so that it is not taken for the answer to what is asked next."""
    while select.select([connection], [], [], 0)[0]:
        if not connection.recv(2**20):
            return


def _receive(connection: socket.socket, seconds: float) -> tuple[bytes, dict[str, Any]]:
    """Read one line within `seconds` and nothing after it; return it, or b"" and what went wrong."""
    end = time.monotonic() + seconds
    parts: list[bytes] = []
    size = 0
    while True:
        left = end - time.monotonic()
        if left <= 0 or not select.select([connection], [], [], left)[0]:
            return b"", {"undecided": seconds}
        try:
            part = connection.recv(2**20)
        except OSError:
            part = b""
        if not part:
            return b"", {"died": "its process ended"}
        parts.append(part)
        size += len(part)
        if size > wire.LONGEST:
            return b"", {"died": f"it returned more than {wire.LONGEST // 2**20} MiB"}
        if b"\n" in part:
            return b"".join(parts).partition(b"\n")[0] + b"\n", {}


def first_line(pipe: int, pid: int) -> tuple[bytes, int]:
    """Read a pipe until the process `pid` has ended; return the first line, at most so long, and how it ended.

    Others may hold the pipe for longer: what they write does not count.
    """
    os.set_blocking(pipe, False)
    parts: list[bytes] = []
    size, ended, open_ = 0, 0, True
    while not ended:
        if open_:
            select.select([pipe], [], [], 0.01)
        ended, status = os.waitpid(pid, os.WNOHANG if open_ else 0)
        while open_ and (part := _read_now(pipe)) is not None:
            open_ = bool(part)
            if size <= wire.LONGEST and not (parts and parts[-1].endswith(b"\n")):
                parts.append(part[: part.find(b"\n") + 1 or None])
                size += len(part)
    return b"".join(parts), status


def _read_now(pipe: int) -> bytes | None:
    """Return what there is, b"" at the end of the pipe, None if there is nothing yet."""
    try:
        return os.read(pipe, 2**20)
    except BlockingIOError:
        return None


def write_all(pipe: int, data: bytes) -> None:
    """Write all of it, however little goes at a time."""
    while data:
        data = data[os.write(pipe, data) :]


def limit_cpu(seconds: float | None, *, last: bool = False) -> None:
    """Let this process use so many seconds of processor time from now on, in whole ones; None lifts it again.

    Args:
        seconds: before the system ends the process, see `ran_out`.
        last: also for whoever asks the system to look away.
    """
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = hard
    if seconds is not None:
        soft = math.ceil(time.process_time() + seconds)
        soft = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, soft + 1 if last and soft != hard else hard))


def ran_out(status: int) -> bool:
    """Whether a process ended because its processor time was used up."""
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU


def in_a_fork(work: Callable[[], Any], seconds: float) -> bytes:
    """Return the reply of `work`, run in a process of its own with `seconds` of processor time."""
    here, there = socket.socketpair()
    pid = os.fork()
    if not pid:
        here.close()
        limit_cpu(seconds, last=True)
        run_guarded(lambda: there.sendall(wire.encode(work())))
    there.close()
    line, failure = _receive(here, backstop(seconds))
    here.close()
    with suppress(OSError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return wire.encode(failure) if failure else line


def run_guarded(work: Callable[[], object]) -> NoReturn:
    """Run `work` in a fresh process and end the process, whatever happens."""
    try:
        work()
    except BaseException:
        os._exit(1)
    os._exit(DONE)
