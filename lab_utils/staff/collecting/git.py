"""Git as a reader of repositories that nobody trusts.

Nothing is ever checked out: no hook, filter, attribute, submodule or LFS pointer of a repository gets a chance to act.
Objects are fetched into bare mirrors and read from the object store. Git runs with a configuration of ours alone, an
environment made from scratch, two protocols, no questions, a time limit, and limits on what it may write and say.
Names and passwords for private repositories are read from ~/.netrc.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from lab_utils.atomic import write_text

SECONDS = 60.0  # for one command that reads what is already here
MOST_OUTPUT = 64 << 20  # bytes: some 500,000 files of a tree

CONFIG = """\
[core]
    hooksPath = /dev/null
    attributesFile = /dev/null
    fsmonitor = false
    bigFileThreshold = 16m
[safe]
    directory = *
[protocol]
    allow = never
[protocol "file"]
    allow = always
[protocol "https"]
    allow = always
[credential]
    helper =
[fetch]
    unpackLimit = 1
    recurseSubmodules = false
[submodule]
    recurse = false
[gc]
    auto = 0
[maintenance]
    auto = false
[pack]
    threads = 1
[http]
    lowSpeedLimit = 1000
    lowSpeedTime = 30
"""
_KEPT = ("PATH", "HOME", "TMPDIR", "TEMP", "SYSTEMROOT", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO")
_PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")


class GitError(Exception):
    """A git command failed, took too long or wrote too much; the text says which, in one line."""


def git(
    repository: Path,
    *arguments: str,
    stdin: bytes = b"",
    seconds: float = SECONDS,
    most_output: int = MOST_OUTPUT,
    packs: tuple[Path, int] | None = None,
) -> bytes:
    """Run one git command in a bare repository and return what it printed.

    Args:
        repository: the working directory; its parent holds the configuration.
        arguments: of git.
        stdin: what the command reads.
        seconds: time limit.
        most_output: bytes.
        packs: a folder and how many bytes of files may lie in it.

    Raises:
        GitError: if the exit status is not 0, or a limit was passed.
    """
    with running(repository, *arguments, stdin=stdin, seconds=seconds, packs=packs) as output:
        printed = output.read(most_output + 1)
        if len(printed) > most_output:
            raise GitError(f"git {arguments[0]} printed more than {most_output >> 20} MiB")
    return printed


@contextlib.contextmanager
def running(
    repository: Path,
    *arguments: str,
    stdin: bytes = b"",
    seconds: float = SECONDS,
    packs: tuple[Path, int] | None = None,
) -> Iterator[IO[bytes]]:
    """Run a git command as `git` does, with its output as a stream; it is stopped where the block ends early.

    Raises:
        GitError: as `git`, when the block has read all.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
        given.write(stdin)
        given.seek(0)
        process = subprocess.Popen(
            ["git", *arguments],
            cwd=repository,
            env=environment(repository.parent),
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,
        )
        over = threading.Event()
        reasons: list[str] = []
        guard = threading.Thread(target=_guard, args=(process, over, reasons, seconds, packs, said), daemon=True)
        guard.start()
        assert process.stdout is not None
        try:
            yield process.stdout
            process.stdout.read(1)  # waits until the command has closed its output
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
        finally:
            over.set()
            _stop(process)
            guard.join()
            process.stdout.close()
        if reason := reasons[0] if reasons else _passed(packs, said):  # also by what came between two looks
            raise GitError(reason)
        if process.returncode:
            raise GitError(_complaint(said, arguments[0]))


def environment(folder: Path) -> dict[str, str]:
    """Return the environment for git; the configuration is written into `folder` if it is not there."""
    config = (folder / "git.config").resolve()
    if not config.is_file() or config.read_text("utf-8") != CONFIG:
        write_text(config, CONFIG)
    return {name: os.environ[name] for name in (*_KEPT, *_PROXIES) if name in os.environ} | {
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_ALLOW_PROTOCOL": "file:https",  # whatever a repository's own configuration allows
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_LFS_SKIP_SMUDGE": "1",
    }


def text(printed: bytes) -> str:
    """Return one line of output as text."""
    return printed.decode("utf-8", "replace").strip()


def _guard(
    process: "subprocess.Popen[bytes]",
    over: threading.Event,
    reasons: list[str],
    seconds: float,
    packs: tuple[Path, int] | None,
    said: IO[bytes],
) -> None:
    """Stop the command when it passes a limit, and say which in `reasons`."""
    end = time.monotonic() + seconds
    while not over.wait(0.05):
        if reason := f"no answer within {seconds:.0f} s" if time.monotonic() > end else _passed(packs, said):
            reasons.append(reason)
            return _stop(process)


def _passed(packs: tuple[Path, int] | None, said: IO[bytes]) -> str:
    """Return which limit on size was passed, or ""."""
    if packs is not None and _bytes_in(packs[0]) > packs[1]:
        return f"larger than {packs[1] >> 20} MiB"
    return "more than 1 MiB of messages" if os.fstat(said.fileno()).st_size > 1 << 20 else ""


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End the command and all that it started."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        elif process.poll() is None:
            process.kill()
    process.wait()


def _bytes_in(folder: Path) -> int:
    total = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):  # a file got its last name meanwhile
                total += entry.stat().st_size
    return total


def _complaint(said: IO[bytes], command: str) -> str:
    """Return git's own words for what went wrong, in one line."""
    said.seek(max(0, os.fstat(said.fileno()).st_size - 4000))
    lines = [line.strip() for line in said.read().decode("utf-8", "replace").splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
    words = (fatal or lines or [f"git {command} failed"])[0].split(":", 1)[-1].strip()
    return "".join(character for character in words if character.isprintable())[:300]
