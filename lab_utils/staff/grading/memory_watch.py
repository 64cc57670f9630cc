"""Watch the memory of a sandbox from outside: limits on one process do not bind a hundred of them."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

LOOKS = 0.5  # seconds between two looks


def start(process: "subprocess.Popen[bytes]", most: int, on_too_much: Callable[[], None]) -> None:
    """End a process group when it uses more than `most` bytes, and say so first; runs beside the caller."""
    threading.Thread(target=_watch, args=(process, most, on_too_much), daemon=True).start()


def _watch(process: "subprocess.Popen[bytes]", most: int, on_too_much: Callable[[], None]) -> None:
    while process.poll() is None:
        if _memory(process.pid) > most:
            on_too_much()
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
        time.sleep(LOOKS)


def _memory(pid: int) -> int:
    """Return the bytes that a process and all below it hold for themselves, shared memory without a file included."""
    total = 0
    with suppress(psutil.Error):
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            with suppress(psutil.Error, OSError):
                total += _own_memory(process)
    return total


def _own_memory(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status")
    if not status.is_file():  # not Linux
        return int(process.memory_info().rss)
    kinds = ("RssAnon:", "RssShmem:")  # in kB
    return sum(
        int(line.split()[1]) << 10
        for line in status.read_text("utf-8", "replace").splitlines()
        if line.startswith(kinds)
    )
