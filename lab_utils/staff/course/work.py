"""Which share of a lab's time goes with the pace of which network: from runs at different paces.

Run all labs on machines that are idle, or on one with its processor cut down, and keep build/taken.json of each::

    python -m lab_utils run; cp build/taken.json /tmp/all.json
    ONEDNN_MAX_CPU_ISA=AVX512_CORE python -m lab_utils run; cp build/taken.json /tmp/avx512.json
    ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 python -m lab_utils run; cp build/taken.json /tmp/avx2.json
    python -m lab_utils work /tmp/all.json /tmp/avx512.json /tmp/avx2.json

What is printed goes into data/bands.json.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from lab_utils.metrics import reference_pace
from lab_utils.profile import profile


def fit_work(runs: Sequence[Mapping[str, Any]], reference: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Return seconds and work of each lab that all runs hold, as bands.json has them, and how far the fit is off.

    The seconds of a run are a sum: a part that is always the same, and one for each network that grows as its pace
    falls. No part is below 0 (non-negative least squares).

    Args:
        runs: what `run` leaves in taken.json, at least two, of different paces.
        reference: the pace that the seconds are to belong to.

    Raises:
        ValueError: if there are fewer than two runs.
    """
    if len(runs) < 2:
        raise ValueError(f"Expected taken.json of two runs or more, at different paces, got {len(runs)}.")
    slower = np.array([[1.0, *(reference[name] / run["pace"][name] for name in reference)] for run in runs])
    found: dict[str, dict[str, Any]] = {}
    for lab in sorted(set.intersection(*(set(run[profile()]) for run in runs))):
        taken = np.array([float(run[profile()][lab]) for run in runs])
        parts, _ = nnls(slower / taken[:, None], np.ones(len(runs)))  # relative errors count, not seconds
        total = float(parts.sum())
        work = {name: round(float(part) / total, 2) for name, part in zip(reference, parts[1:], strict=True)}
        off = float(np.abs(slower @ parts / taken - 1).max())
        shares = {name: share for name, share in work.items() if share}
        found[lab] = {"seconds": round(total), "work": shares, "off": round(off, 2)}
    return found


def main(files: Sequence[Path]) -> int:
    """Print what `fit_work` finds for bands.json, and how far it is off at worst; return 0.

    Raises:
        ValueError, OSError: if a file cannot be read.
    """
    try:
        found = fit_work([json.loads(file.read_text("utf-8")) for file in files], reference_pace())
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"Expected files as `run` leaves them in build/taken.json, got others ({error!r}). Run the labs again."
        ) from error
    for lab, entry in found.items():
        print(f'{lab}: "seconds": {entry["seconds"]}, "work": {json.dumps(entry["work"])}  (off by {entry["off"]:.0%})')
    return 0
