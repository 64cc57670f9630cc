"""Stored results of the study of the paper's claims, as a table beside the student's own numbers."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_utils.convergence import Comparison
from lab_utils.profile import data_root

FIELDS = {"claim", "source", "effect", "low", "high", "unit", "seeds", "verdict", "command"}

Interval = tuple[float, float, float]


def read_claims(path: Path | None = None) -> list[dict[str, Any]]:
    """The stored claims, one dict each with at least `FIELDS`.

    Args:
        path: default data/results/claims.json.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no list of claims.
    """
    path = data_root() / "results" / "claims.json" if path is None else path
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected the stored results in {path}, found no file. Restore it from the repository, or point the "
            "environment variable LAB_DATA to the folder that holds results/."
        )
    try:
        claims = json.loads(path.read_text("utf-8"))
        missing = sorted({field for claim in claims for field in FIELDS - set(claim)})
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"Expected a JSON list of claims in {path}, but {error}. Restore it from the repository."
        ) from None
    if missing or not claims:
        raise ValueError(
            f"Expected claims with {', '.join(sorted(FIELDS))} in {path}, but "
            f"{'some lack ' + ', '.join(missing) if missing else 'there are none'}. Make the file again, or restore "
            "it from the repository."
        )
    return list(claims)


def claims_markdown(
    claims: Sequence[Mapping[str, Any]], own: Mapping[str, Comparison | Interval] | None = None, *, seeds: int = 0
) -> str:
    """A Markdown table: what was claimed, what the stored study found, and what the student saw.

    Args:
        claims: as `read_claims` gives them.
        own: claim -> the student's (mean, low, high) or comparison of steps; other claims get an empty cell,
            and without any there is no such column.
        seeds: of the student's numbers.

    Returns:
        The table, with the commands that made the stored results below it.

    Raises:
        ValueError: if `own` names a claim that is not in `claims`.
    """
    own = own or {}
    if unknown := sorted(set(own) - {claim["claim"] for claim in claims}):
        raise ValueError(f"expected own numbers for stored claims only, got {unknown}; the texts must be the same")
    header = ["claim", "effect (stored study)", "95 % interval", "seeds", "verdict"]
    header += [f"yours, {seeds} seed{'s' * (seeds != 1)}"] if own else []
    lines = [_row(header), _row(["---"] * len(header))]
    for claim in claims:
        unit = str(claim["unit"])
        what = f"<br><small>{claim['measured']}</small>" if claim.get("measured") else ""
        cells = [
            f"{claim['claim']} ({claim['source']}){what}",
            f"{_signed(claim['effect'], unit)} {unit}",
            _between(claim["low"], claim["high"], unit),
            str(claim["seeds"]),
            f"**{claim['verdict']}**",
        ]
        if own:
            cells.append(_own(own[claim["claim"]], unit) if claim["claim"] in own else "")
        lines.append(_row(cells))
    commands = ", ".join(f"`{command}`" for command in dict.fromkeys(str(claim["command"]) for claim in claims))
    return "\n".join([*lines, "", f"Stored results, made by {commands}."])


def _own(found: Comparison | Interval, unit: str) -> str:
    mean, low, high = (found.difference, found.low, found.high) if isinstance(found, Comparison) else found
    return f"{_signed(mean, unit)} {unit} ({_between(low, high, unit)})"


def _between(low: float | None, high: float | None, unit: str) -> str:
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return "no interval"
    return f"{_signed(low, unit)} to {_signed(high, unit)}"


def _signed(value: float, unit: str) -> str:
    return f"{value:+.0f}" if unit == "steps" else f"{value:+.3f}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
