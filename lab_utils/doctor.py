"""Look at the machine: ``python -m lab_utils doctor``, and `start` for the first cell of every lab."""

import hashlib
import importlib
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

import psutil
import torch

import lab_utils
from lab_utils.checks.notes import Note
from lab_utils.device import default_device, precision_for
from lab_utils.metrics import expected_seconds, predicted_seconds, published_labs, reference_pace
from lab_utils.profile import (
    cache_root,
    data_root,
    file_in_the_way,
    profile,
    results_folder,
    setting,
    strict,
    unknown_variables,
)
from lab_utils.progress_file import begin_progress
from lab_utils.studies import workers_asked_for
from lab_utils.training import measure_pace
from lab_utils.versions import kit_root

MEMORY_GB = 4.0
DISK_GB = 2.0
OLDEST_TORCH = (2, 6)
TAKEN = "taken.json"  # profile -> lab -> seconds of the last run
WARNING = "#d55e00"
BANNERS = {
    "smoke": (
        "SMOKE MODE: only a test of the machinery",
        "One seed, few images, few steps: the lab runs through, but its numbers and figures mean nothing, and what the "
        "text says about them does not fit. There are no intervals and no verdicts. For the real lab, unset "
        "LAB_PROFILE and restart the kernel.",
    ),
    "full": (
        "FULL MODE: more seeds, more images, more steps",
        "The text was written for the usual size (quick). Here intervals are narrower and numbers differ, so read your "
        "own numbers first. It takes hours without a GPU.",
    ),
}


class Finding(NamedTuple):
    """One line of the doctor's report; `advice` says what to do where `state` is not "ok"."""

    what: str
    state: Literal["ok", "warning", "problem"]
    text: str
    advice: str = ""

    def __str__(self) -> str:
        mark = {"ok": "ok     ", "warning": "WARNING", "problem": "PROBLEM"}[self.state]
        advice = f"\n{'':22}-> {self.advice}" if self.advice else ""
        return f"{mark}  {self.what:<12} {self.text}{advice}"


def start(lab: str) -> None:
    """Say in words what the lab runs on and how long it will take; warn of what will stand in its way.

    A profile that is not the usual one gets a banner. What the student has done so far is read, too.
    """
    device = default_device()
    if banner := BANNERS.get(profile()):
        Note(*banner, colour=WARNING).show()
    print(f"The course is ready. {lab} runs on your {_device_name(device)}. {_prediction(lab, device)}")
    print(f"({_versions()}, lab_utils {lab_utils.__version__}, {_settings(device)})")
    for finding in examine():
        if finding.state != "ok":
            print(finding)
    begin_progress(lab)


def main() -> int:
    """Print every finding; return 1 if one of them is a problem."""
    findings = examine()
    for finding in findings:
        print(finding)
    problems = sum(finding.state == "problem" for finding in findings)
    if not problems:
        print(_times())
    print("The labs can run." if not problems else f"{problems} to mend before the labs can run.")
    return int(problems > 0)


def examine() -> list[Finding]:
    """Return the findings about this machine, in the order to read them."""
    checks: tuple[Callable[[], Finding], ...] = (
        check_python,
        check_kit,
        check_torch,
        check_device,
        check_profile,
        check_variables,
        check_memory,
        check_disk,
        check_cache,
        check_weights,
    )
    return [_survive(check) for check in checks]


def check_python() -> Finding:
    """Say which interpreter runs: a kernel of another environment is the usual surprise."""
    return Finding("Python", "ok", f"{platform.python_version()} at {sys.executable}")


def check_kit() -> Finding:
    """Say which kit runs: the folder of another course is the next surprise."""
    return Finding("kit", "ok", f"lab_utils {lab_utils.__version__} in {Path(lab_utils.__file__).resolve().parents[1]}")


def check_torch() -> Finding:
    """PyTorch is new enough, and torchvision was built for it."""
    release = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if release < OLDEST_TORCH:
        return Finding("PyTorch", "problem", _versions(), "install torch 2.6 or newer, with its torchvision")
    try:
        importlib.import_module("torchvision")  # a build for another torch fails here
    except (ImportError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        return Finding("PyTorch", "problem", first, "install torch and torchvision anew, both from one index")
    return Finding("PyTorch", "ok", _versions())


def check_device() -> Finding:
    """Say where the labs will compute."""
    device = default_device()
    text = f"{_device_name(device)}, precision {precision_for(device)}, {torch.get_num_threads()} threads"
    if setting("LAB_PROFILE").lower() == "full" and device.type == "cpu":  # a wrong profile is told once, below
        return Finding("device", "warning", text, "the full profile takes hours without a GPU; use LAB_PROFILE=quick")
    return Finding("device", "ok", text)


def check_profile() -> Finding:
    """The profile is one of the three."""
    return Finding("profile", "ok", f"{profile()} (LAB_PROFILE)")


def check_variables() -> Finding:
    """The variables that only count later hold what the kit understands, and none is misspelt."""
    for read in (workers_asked_for, results_folder, strict):
        read()
    if unknown := unknown_variables():
        return Finding("variables", "warning", " ".join(unknown), "correct the name, or unset it")
    return Finding("variables", "ok", "no unknown ones")


def check_memory() -> Finding:
    """There is memory for a lab and its worker processes."""
    free = psutil.virtual_memory().available / 1e9
    text = f"{free:.1f} GB free"
    if free < MEMORY_GB:
        return Finding("memory", "warning", text, f"the labs want {MEMORY_GB:.0f} GB; close other kernels and programs")
    return Finding("memory", "ok", text)


def check_disk() -> Finding:
    """There is room for the caches."""
    folder = next(f for f in (cache_root(), *cache_root().parents) if f.exists())
    free = shutil.disk_usage(folder).free / 1e9
    text = f"{free:.1f} GB free at {folder}"
    if free < DISK_GB:
        return Finding("disk", "warning", text, "make room, or set LAB_CACHE to a folder on a larger disk")
    return Finding("disk", "ok", text)


def check_cache() -> Finding:
    """The cache folder can be written to."""
    folder = cache_root()
    advice = "set LAB_CACHE to a folder that you may write to"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        blocking = file_in_the_way(folder)
        reason = f"{folder}: {error.strerror or error}" if blocking is None else f"{blocking} is a file, not a folder"
        return Finding("cache", "problem", reason, advice)
    return Finding("cache", "ok", str(folder))


def check_weights() -> Finding:
    """The source weights that ship with the kit are there, byte for byte."""
    folder = data_root() / "weights"
    advice = "restore the folder from the repository: git checkout -- data/weights"
    if setting("LAB_DATA"):
        advice += "; or unset LAB_DATA, if it should not be another folder"
    try:
        entries = json.loads((folder / "manifest.json").read_text("utf-8")).values()
        wrong = [str(entry["file"]) for entry in entries if not _is_whole(folder / entry["file"], entry["sha256"])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Finding("weights", "problem", f"{folder / 'manifest.json'}: {type(error).__name__}", advice)
    if not entries:
        return Finding("weights", "problem", f"{folder / 'manifest.json'} lists no files", advice)
    if wrong:
        return Finding("weights", "problem", f"missing or damaged in {folder}: {', '.join(wrong)}", advice)
    return Finding("weights", "ok", f"{len(entries)} files in {folder}")


def _is_whole(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256.lower()


def _survive(check: Callable[[], Finding]) -> Finding:
    """A check that fails, on a wrong environment variable for example, is a finding too."""
    try:
        return check()
    except (ValueError, OSError) as error:
        return Finding(check.__name__.removeprefix("check_"), "problem", str(error), "correct it and start again")


def _prediction(lab: str, device: torch.device) -> str:
    """Say how long the computer will work, after a second of measuring where that helps."""
    seconds = expected_seconds(lab)
    if seconds is None:
        return "Nobody has measured how long the computer takes in this profile."
    if profile() != "smoke" and reference_pace():
        seconds = predicted_seconds(lab, measure_pace()) or seconds
    less = "" if device.type == "cpu" else " without the GPU, less with it"
    return f"The computer needs about {_duration(seconds)} for the whole lab{less}."


def _times() -> str:
    """Return a table: how long each lab will take here, and how long the last `run` took, if there was one."""
    pace, taken = measure_pace(), _taken()
    shown = ", ".join(f"{name} {images:.0f}" for name, images in pace.items())
    lines = [f"pace: {shown} images per second and core; so the labs take"]
    for lab in published_labs():
        last = f", the last run took {taken[lab]:.0f} s" if lab in taken else ""
        lines.append(f"  {lab:<24} about {_duration(predicted_seconds(lab, pace) or 0)}{last}")
    return "\n".join(lines)


def _taken() -> dict[str, float]:
    """Return the seconds that the last runs took in this profile, from build/, where `run` leaves them."""
    try:
        content = json.loads((kit_root() / "build" / TAKEN).read_text("utf-8"))
        return {lab: float(seconds) for lab, seconds in content[profile()].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # nothing was run, or something else lies there


def _settings(device: torch.device) -> str:
    return f"profile {profile()}, precision {precision_for(device)}, {torch.get_num_threads()} threads"


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"GPU ({torch.cuda.get_device_name(device)})"
    return {"mps": "GPU (Apple)", "cpu": f"CPU ({os.cpu_count()} cores)"}[device.type]


def _versions() -> str:
    return (
        f"Python {platform.python_version()}, torch {torch.__version__}, torchvision {metadata.version('torchvision')}"
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
