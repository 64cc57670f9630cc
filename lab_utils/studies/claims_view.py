"""Stored results of the study of the paper's claims, as a table beside the student's own numbers."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_utils.metrics import Comparison, Interval
from lab_utils.profile import profile
from lab_utils.studies.results import drawn_before, load_results

STORED_NETWORK = "resnet10_w16"  # of the rows that name no other
FIELDS = {"claim", "source", "effect", "low", "high", "unit", "seeds", "verdict", "command", "phantoms"}


def read_claims(folder: Path | None = None, *, name: str = "claims") -> list[dict[str, Any]]:
    """The stored claims, one dict each with at least `FIELDS`.

    Args:
        folder: where the file is; default data/results.
        name: of the file: "claims", of *Transfusion*, or "claims_transfer", of *What makes transfer learning work*.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no list of claims.
    """
    claims = load_results(name, folder)
    if not isinstance(claims, list) or not all(isinstance(claim, dict) for claim in claims):
        raise ValueError(
            f"Expected a list of claims in {name}.json, found something else. Restore it from the repository."
        )
    missing = sorted({field for claim in claims for field in FIELDS - set(claim)})
    if missing or not claims:
        raise ValueError(
            f"Expected claims with {', '.join(sorted(FIELDS))} in {name}.json, but "
            f"{'some lack ' + ', '.join(missing) if missing else 'there are none'}. Make the file again, or restore "
            "it from the repository."
        )
    return list(claims)


def as_stored(data: str | Path, model: str, weights: str | Path | None, *, network: str = STORED_NETWORK) -> bool:
    """Whether own numbers may stand beside a stored row: both of phantoms, and of the row's network and weights.

    Args:
        data: what the lab looked at.
        model: name of its network.
        weights: where these came from.
        network: of the row.
    """
    return (str(data), model, str(weights)) == ("phantoms", network, "procedural")


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
        The table, with the commands that made the stored results below it; in the smoke profile, which only tests the
        machinery, without intervals and verdicts.

    Raises:
        ValueError: if `own` names a claim that is not in `claims`.
    """
    own = own or {}
    if unknown := sorted(set(own) - {claim["claim"] for claim in claims}):
        raise ValueError(f"expected own numbers for stored claims only, got {unknown}; the texts must be the same")
    decides = profile() != "smoke"
    header = ["claim", "effect (stored study)", *["95 % interval"] * decides, "seeds", *["verdict"] * decides]
    header += [f"yours, {seeds} seed{'s' * (seeds != 1)}"] if own else []
    lines = [_row(header), _row(["---"] * len(header))]
    for claim in claims:
        unit = str(claim["unit"])
        what = f"<br><small>{claim['measured']}</small>" if claim.get("measured") else ""
        cells = [
            f"{claim['claim']} ({claim['source']}){what}",
            f"{_signed(claim['effect'], unit)} {unit}",
            *[_between(claim["low"], claim["high"], unit)] * decides,
            str(claim["seeds"]),
            *[f"**{claim['verdict']}**"] * decides,
        ]
        if own:
            cells.append(_own(own[claim["claim"]], unit) if claim["claim"] in own else "")
        lines.append(_row(cells))
    commands = ", ".join(f"`{command}`" for command in dict.fromkeys(str(claim["command"]) for claim in claims))
    notes = dict.fromkeys(drawn_before(claim["phantoms"]) for claim in claims)
    notes |= {} if decides else {" Smoke mode: no intervals, no verdicts.": None}
    return "\n".join([*lines, "", f"Stored results, made by {commands}.{''.join(notes)}"])


def _own(found: Comparison | Interval, unit: str) -> str:
    if isinstance(found, Comparison) and not found.faster + found.slower:
        return "no seed decides"  # where no run arrives, all differences are 0
    mean, low, high = (found.difference, found.low, found.high) if isinstance(found, Comparison) else found
    between = "" if profile() == "smoke" else f" ({_between(low, high, unit)})"
    return f"{_signed(mean, unit)} {unit}{between}"


def _between(low: float | None, high: float | None, unit: str) -> str:
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return "no interval"
    return f"{_signed(low, unit)} to {_signed(high, unit)}"


def _signed(value: float, unit: str) -> str:
    """A difference with its sign; steps are whole, but for those that would become "-0", which hides the side."""
    digits = 0 if unit == "steps" and (abs(value) >= 0.5 or value == 0) else 1 if unit == "steps" else 3
    return f"{value:+.{digits}f}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
