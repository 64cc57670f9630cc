"""How a submission is kept away from everything: the command that starts `inside.py`.

Full isolation is bubblewrap: new namespaces without a network, system and Python read-only, a private home in memory, a
process space that ends with the grader, a user that owns nothing, and limits on memory, files, processor time and
processes. Where bubblewrap cannot run there is no isolation, and untrusted work is refused.

References:
    bubblewrap, https://github.com/containers/bubblewrap; setrlimit(2); pid_namespaces(7).
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

FULL, NONE = "bubblewrap", "none"
KIT = Path(__file__).resolve().parents[3]
HOME = "/home/student"
SUBMISSION = "/submission"
# Users without a name, another for each grader and sandbox: limits on processes count by user, and do not bind root.
FIRST_UID = 200_000
MOST_SLOTS = 64

_START = "import sys; sys.path.insert(0, {kit!r}); from lab_utils.staff.grading.inside import main; main()"
_ADVICE = """\
Full isolation needs Linux with bubblewrap and unprivileged user namespaces:
- Debian, Ubuntu: sudo apt install bubblewrap; Fedora: sudo dnf install bubblewrap
- Ubuntu 24.04 and newer: AppArmor forbids user namespaces. Load the profile that Ubuntu has for bwrap:
    sudo apt install apparmor-profiles
    sudo ln -s /usr/share/apparmor/extra-profiles/bwrap-userns-restrict /etc/apparmor.d/
    sudo apparmor_parser -r /etc/apparmor.d/bwrap-userns-restrict
  or allow them until the next start: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0
- Windows: grade inside WSL2. macOS: grade inside a Linux container or virtual machine (a container needs
  --security-opt seccomp=unconfined --security-opt apparmor=unconfined, or --privileged).
Work that you trust can be graded without: --trust-submissions."""


class Limits(NamedTuple):
    """What one submission may use.

    Attributes:
        memory: bytes of data of one process, and of all processes together (watched from outside).
        disk: bytes of files in memory (home and shared memory each), and of one file.
        processes: processes and threads.
        cpu_seconds: of one process.
    """

    memory: int = 4 * 2**30
    disk: int = 256 * 2**20
    processes: int = 64
    cpu_seconds: int = 600

    def as_json(self, level: str) -> str:
        """Return them for `inside.py`. Outside of bubblewrap the user's own processes would count too."""
        limits = {"DATA": self.memory, "FSIZE": self.disk, "NOFILE": 256, "CPU": self.cpu_seconds, "CORE": 0}
        return json.dumps(limits | ({"NPROC": self.processes} if level == FULL else {}))


class Isolation(NamedTuple):
    """What this machine can do: `level` is FULL or NONE, `reason` says why, `advice` what to do."""

    level: str
    reason: str
    advice: str


@cache
def isolation() -> Isolation:
    """Find out by trying, once."""
    if shutil.which("bwrap") is None:
        return Isolation(NONE, f"bubblewrap is not installed (system: {sys.platform})", _ADVICE)
    test = [*_bubblewrap(Path(os.devnull).parent, 0, Limits()), sys.executable, "-I", "-c", "print('in')"]
    try:
        done = subprocess.run(test, capture_output=True, encoding="utf-8", errors="replace", timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Isolation(NONE, f"bubblewrap does not start: {error}", _ADVICE)
    if done.stdout.strip() != "in":
        return Isolation(NONE, f"bubblewrap does not start here: {done.stderr.strip()[:300]}", _ADVICE)
    return Isolation(FULL, "bubblewrap works", "")


def command(submission: Path, slot: int, limits: Limits, level: str) -> tuple[list[str], str]:
    """Return the command that starts `inside.py` for one submission, and where it sees the submission.

    The numbers of the two pipes to the grader come behind it.

    Args:
        submission: folder with the student's files.
        slot: number of the sandbox among those that run at the same time.
        limits: what it may use.
        level: FULL or NONE.
    """
    kit = "/kit" if level == FULL else str(KIT)
    python = [sys.executable, "-I", "-c", _START.format(kit=kit), limits.as_json(level)]
    if level == FULL:
        return [*_bubblewrap(submission, slot, limits), *python], SUBMISSION
    return python, str(submission)


def environment(home: str) -> dict[str, str]:
    """Return the variables that the student's code sees: none of the instructor's."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": home,
        "USER": "student",
        "LOGNAME": "student",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "LAB_PROFILE": "smoke",
        "LAB_CACHE": f"{home}/cache",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _bubblewrap(submission: Path, slot: int, limits: Limits) -> list[str]:
    root = os.getuid() == 0
    line = ["bwrap", "--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox"]
    line += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    if root:  # becomes a real user below; a root that is only renamed would not be bound by limits
        line += ["--cap-drop", "ALL"]
        line += [word for cap in ("SETUID", "SETGID", "SETPCAP") for word in ("--cap-add", f"CAP_{cap}")]
    else:
        line += ["--unshare-user", "--uid", "1000", "--gid", "1000", "--disable-userns"]
    line += _system()
    for folder in ("/tmp", HOME):  # before the Python folders, which may lie below them
        line += ["--perms", "1777", "--size", str(limits.disk), "--tmpfs", folder]
    line += _python_folders()
    line += _readable(KIT / "lab_utils", "/kit/lab_utils") + _readable(KIT / "data", "/kit/data")
    line += ["--tmpfs", "/kit/lab_utils/staff"]  # of the staff's folder no more than runs in a sandbox: no cases
    for name in ("__init__.py", "grading"):
        line += ["--ro-bind", str(KIT / "lab_utils/staff" / name), f"/kit/lab_utils/staff/{name}"]
    line += ["--tmpfs", "/kit/data/cache"] if (KIT / "data/cache").is_dir() else []
    line += _readable(submission.resolve(), SUBMISSION)
    line += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--size", str(limits.disk), "--tmpfs", "/dev/shm"]
    # Folders that bubblewrap makes are in memory, without a limit, and belong to whoever runs it: no more files there.
    made = ["/", "/dev", "/kit/lab_utils/staff", *(["/kit/data/cache"] if "/kit/data/cache" in line else [])]
    made += [str(KIT)] if KIT.is_relative_to("/usr") else []
    line += [word for folder in made for word in ("--remount-ro", folder)]
    line += ["--chdir", HOME]
    for name, value in environment(HOME).items():
        line += ["--setenv", name, value]
    line.append("--")
    if root:
        uid = str(FIRST_UID + MOST_SLOTS * os.getpid() + slot % MOST_SLOTS)
        line += ["setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "--no-new-privs"]
        line += ["--bounding-set=-all", "--inh-caps=-all", "--"]
    return line


def _system() -> list[str]:
    line = ["--ro-bind", "/usr", "/usr"]
    for name in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        if os.path.islink(name):
            line += ["--symlink", os.readlink(name), name]
        elif os.path.isdir(name):
            line += ["--ro-bind", name, name]
    for name in ("/etc/ld.so.cache", "/etc/alternatives", "/sys/devices/system/cpu"):
        line += ["--ro-bind-try", name, name]
    # A kit kept below /usr must not be seen through it.
    return [*line, "--tmpfs", str(KIT)] if KIT.is_relative_to("/usr") else line


def _python_folders() -> list[str]:
    """Bind the environment and the Python below it, where they are: both know their own path."""
    line: list[str] = []
    for folder in dict.fromkeys((sys.prefix, sys.base_prefix)):
        if KIT.is_relative_to(folder):
            continue  # it holds the whole course: solutions, too
        line += _readable(Path(folder), folder)
    return line


def _readable(source: Path, target: str) -> list[str]:
    """Bind a folder, read-only; the folders above it can be passed through, and show nothing else."""
    above: Sequence[Path] = list(Path(target).parents)[::-1][1:]
    line = [word for folder in above for word in ("--perms", "0755", "--dir", str(folder))]
    return [*line, "--ro-bind", str(source), target]
