"""Watch a sandbox from outside: limits on one process do not bind a hundred of them.

Looked for is too much memory, and a process that was stopped: that is a student's doing, and nobody would ever hear
from it again.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from lab_utils.staff.grading.isolation import HOME

LOOKS = 0.5  # seconds between two looks
INODE = 1200  # bytes that the kernel keeps for a file in memory, an empty one, too; measured
SOCKET = 212_992  # bytes that wait in one for a reader, at most: net.core.wmem_default
OPEN = 64  # open files of a process for which there is room from its start; any one may be such a socket
PLACES = ("tmp", HOME[1:], "dev/shm")  # of a sandbox, in memory: how many files they hold has no limit of its own


def start(process: "subprocess.Popen[bytes]", most: int, on_end: Callable[[str], None]) -> None:
    """End a process group that uses more than `most` bytes, or was stopped, and say why first; runs beside all else."""
    threading.Thread(target=_watch, args=(process, most, on_end), daemon=True).start()


def _watch(process: "subprocess.Popen[bytes]", most: int, on_end: Callable[[str], None]) -> None:
    while process.poll() is None:
        memory, stopped = _look(process.pid)
        if memory > most or stopped:
            on_end("it stopped a process" if stopped else "it used too much memory")
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
        time.sleep(LOOKS)


def _look(pid: int) -> tuple[int, bool]:
    """Return the bytes that a process and all below it hold for themselves, and whether one of them is stopped.

    Shared memory without a file counts, and what the kernel keeps for them: tables of pages, files in memory,
    and what waits in sockets.
    """
    total, files, stopped = 0, 0, False
    with suppress(psutil.Error):
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            with suppress(psutil.Error, OSError):
                total += _own_memory(process)
                stopped |= process.status() == psutil.STATUS_STOPPED
            with suppress(OSError):
                files = files or _files_in_memory(process.pid)
    return total + INODE * files, stopped


def _files_in_memory(pid: int) -> int:
    """Return how many files the places of a sandbox hold, as a process in it sees them; 0 for one that is in none."""
    root = Path(f"/proc/{pid}/root")
    if root.stat().st_dev == os.stat("/").st_dev:
        return 0
    found = [os.statvfs(root / place) for place in PLACES]
    return sum(place.f_files - place.f_ffree for place in found)


def _own_memory(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status")
    if not status.is_file():  # not Linux
        return int(process.memory_info().rss)
    values = dict(line.split(":", 1) for line in status.read_text("utf-8", "replace").splitlines() if ":" in line)
    kinds = ("RssAnon", "RssShmem", "VmPTE")  # in kB
    kept = sum(int(values[kind].split()[0]) << 10 for kind in kinds if kind in values)
    return kept + SOCKET * max(0, int(values.get("FDSize", 0)) - OPEN)
