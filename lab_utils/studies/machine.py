"""What a run was made with: versions of kit and torch, and the machine. It is kept beside the run's results."""

from __future__ import annotations

import os
import platform
import re
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import lab_utils
from lab_utils.missing_packages import version_of


def versions() -> dict[str, str]:
    """The versions that the numbers of a run depend on: of the kit, and of torch without its build, such as "+cpu"."""
    return {"kit": lab_utils.__version__, "torch": str(version_of("torch")).partition("+")[0]}


def machine() -> dict[str, Any]:
    """Versions, host and processor of this process; and device, precision and card, if it has imported torch."""
    found: dict[str, Any] = {**versions(), "host": platform.node(), "processor": processor()}
    torch: Any = sys.modules.get("torch")
    if torch is not None:  # a run that did without it is not made to wait for it
        from lab_utils.device import default_device, precision_for

        device = default_device()
        found |= {"device": device.type, "precision": precision_for(device)}
        if device.type == "cuda":
            found["card"] = torch.cuda.get_device_name(device)
    return found


@lru_cache(maxsize=1)
def processor() -> str:
    """The name of the processor, where Linux tells it, and how many of it there are."""
    name = platform.processor() or platform.machine()
    with suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
        name = found[1] if found else name
    return f"{name}, {os.cpu_count()} of it"
