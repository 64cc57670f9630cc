"""Where to compute, in which precision, and with which random numbers."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from lab_utils.names import nearest
from lab_utils.profile import setting

DEVICE_VARIABLE = "LAB_DEVICE"
OTHER_NAMES = {"gpu": ["cuda", "mps"], "nvidia": ["cuda"], "rocm": ["cuda"], "metal": ["mps"], "apple": ["mps"]}
PRECISIONS = ("bf16", "fp32")
# Values of oneDNN's variable ONEDNN_MAX_CPU_ISA under which it uses no bfloat16 units.
ISA_WITHOUT_BF16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI")


def default_device() -> torch.device:
    """The device to train on: ``LAB_DEVICE`` if set, else CUDA, then MPS, then the CPU.

    Raises:
        ValueError: if ``LAB_DEVICE`` names no device that this machine has.
    """
    name = setting(DEVICE_VARIABLE).lower()
    if name:
        return _named_device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def precision_for(device: torch.device | str) -> str:
    """``"bf16"`` where autocast to bfloat16 is faster on `device`, else ``"fp32"``.

    That is on CUDA from Ampere on, and on CPUs with AMX or AVX512-BF16 units. Other
    processors emulate bfloat16, which is slower than float32; MPS stays in float32.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "fp32"
    if device.type == "cpu":
        return "bf16" if _cpu_has_bf16_units() else "fp32"
    return "fp32"


def _named_device(name: str) -> torch.device:
    kind, _, index = name.partition(":")
    count = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }
    if kind not in count or name.endswith(":") or (index and not (index.isascii() and index.isdecimal())):
        # "gpu" is nearest to "cpu" by its letters, and means another one.
        near = OTHER_NAMES.get(kind) or nearest(kind, count)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(
            f"{DEVICE_VARIABLE} should be cpu, cuda, cuda:<number> or mps, but is "
            f"{name!r}.{hint} Change the variable, or unset it to use the best device."
        )
    if int(index or 0) >= count[kind]:
        here = ", ".join(known for known, number in count.items() if number)
        raise ValueError(
            f"{DEVICE_VARIABLE} asks for {name!r}, but PyTorch finds only {here} on "
            f"this machine. Set {DEVICE_VARIABLE}=cpu, or unset it."
        )
    return torch.device(kind, int(index)) if index else torch.device(kind)


@lru_cache(maxsize=1)
def _cpu_has_bf16_units() -> bool:
    """Ask PyTorch; where it is too old to tell, read Linux's list of CPU flags.

    Units that oneDNN is told not to use do not count: bfloat16 would be emulated.
    """
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    if limit in ISA_WITHOUT_BF16:
        return False
    get_capabilities = getattr(torch.cpu, "get_capabilities", None)
    if get_capabilities is not None:
        found = get_capabilities()
        return any(bool(found.get(flag)) for flag in ("amx_bf16", "avx512_bf16"))
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # not Linux: no Mac has such units, and Windows gives fp32
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags


def rng_state(device: torch.device | str) -> dict[str, Tensor]:
    """State of PyTorch's global random numbers: the CPU's, and those of `device`."""
    device = torch.device(device)
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_rng_state(state: dict[str, Tensor], device: torch.device | str) -> None:
    """Put back what `rng_state` returned."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], torch.device(device))
    if "mps" in state:
        torch.mps.set_rng_state(state["mps"])


@contextmanager
def seeded(seed: int | None, device: torch.device | str) -> Iterator[None]:
    """Seed PyTorch's global random numbers, of the CPU and of `device`, inside the block; restore them after it.

    Without a seed nothing is done: the block draws from the numbers as they are, and they go on.
    """
    if seed is None:
        yield
        return
    device = torch.device(device)
    before = rng_state(device)
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
    try:
        yield
    finally:
        set_rng_state(before, device)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch use one CPU thread inside the block.

    For chains of small operations: on a busy machine more threads mostly wait for each other.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
