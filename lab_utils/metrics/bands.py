"""Published bands: between which bounds the results of a lab should lie, per profile.

data/bands.json holds, for each lab, a note on how its bands were derived, and for each profile the seconds the lab
takes and a band for each value. The seconds are those of a machine with two cores of a known pace, in images per second
(see `lab_utils.training.measure_pace`). The work says which share of them goes with the pace of which network; what is
left is the same on all machines::

    {"schema": 1, "pace": {"resnet10_w16": 345, "cbr_tiny": 60},
     "labs": {"01_feature_extraction": {"note": "...", "quick": {
        "seconds": 95, "work": {"resnet10_w16": 0.7},
        "values": {"procedural - random, n = 100": {"low": 0.02, "high": 0.15}}
    }}}}

With ImageNet weights a lab has other numbers, and bands of its own, under its name and that of the network:
"01_feature_extraction efficientnet_lite0".
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab_utils.atomic import write_text
from lab_utils.profile import data_root, profile, restore, results_folder, strict

SCHEMA = 1


@dataclass(frozen=True)
class Row:
    """One line of the table: a value, its band and whether it lies inside (None: no band is published)."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    met: bool | None

    @property
    def verdict(self) -> str:
        if self.met is None:
            return "no band"
        if self.value is None:
            return "NOT COMPUTED"
        return "in the band" if self.met else "OUTSIDE"


def expected_seconds(lab: str) -> float | None:
    """Return how long the lab takes in the profile in use, in seconds, or None where nothing is published."""
    seconds = _entry(lab).get("seconds")
    return None if seconds is None else float(seconds)


def predicted_seconds(lab: str, pace: Mapping[str, float]) -> float | None:
    """Return how long a lab takes on a machine of this pace, in seconds; None where nobody has measured it anywhere.

    Args:
        lab: name of the notebook.
        pace: network -> images per second, measured there.

    Raises:
        ValueError: if bands.json names a network in the work that has no pace.
    """
    entry, reference = _entry(lab), reference_pace()
    if (seconds := expected_seconds(lab)) is None:
        return None
    work = entry.get("work", {})
    try:
        slower = {name: reference[name] / pace[name] for name in work}
        return seconds * (1 - sum(work.values()) + sum(share * slower[name] for name, share in work.items()))
    except (KeyError, TypeError, AttributeError) as error:
        raise _unreadable(error) from error


def published_labs() -> list[str]:
    """Return the names of the labs whose seconds are published for the profile in use."""
    return [lab for lab in _content()["labs"] if expected_seconds(lab) is not None]


def reference_pace() -> dict[str, float]:
    """Return the pace of the machine that the published seconds belong to: network -> images per second; often empty.

    Raises:
        ValueError: if bands.json holds one that is none.
    """
    try:
        return {str(name): float(images) for name, images in _content().get("pace", {}).items()}
    except (TypeError, AttributeError, ValueError) as error:
        raise _unreadable(error) from error


def rows(lab: str, values: Mapping[str, float]) -> list[Row]:
    """Put every value beside its band; a published band without a value counts as missed."""
    bands = _entry(lab).get("values", {})
    table = []
    for name in [*values, *(name for name in bands if name not in values)]:
        value = float(values[name]) if name in values else None
        band = bands.get(name)
        if band is None:
            table.append(Row(name, value, None, None, None))
            continue
        low, high = float(band["low"]), float(band["high"])
        met = value is not None and math.isfinite(value) and low <= value <= high
        table.append(Row(name, value, low, high, met))
    return table


def compare(
    lab: str,
    values: Mapping[str, float],
    *,
    data: str | Path = "phantoms",
    model: str = "",
    weights: str | Path | None = "procedural",
) -> None:
    """Print each value of a lab beside its published band; call it once, at the end of the lab.

    In the smoke profile, which only tests the machinery, nothing is said about the values; they are still held to the
    bands where LAB_STRICT asks for it. Bands are published for the phantoms, with procedural weights or with ImageNet's
    for some networks; other data and weights have none. With the environment variable LAB_RESULTS set to a folder, the
    table is also written there as <lab>.json.

    Args:
        lab: the name of the notebook without ``.ipynb``.
        values: name to value, all the lab's published numbers at once.
        data: what the lab looked at.
        model: name of its network.
        weights: where these came from.

    Raises:
        ValueError: if LAB_STRICT=1 and a value lies outside its band or was not computed.
    """
    entry = lab
    if (data, weights) != ("phantoms", "procedural"):
        entry += f" {model}" if (data, weights) == ("phantoms", "imagenet") else f" {model}, {weights}, {data}"
    table = rows(entry, values)
    _print(entry, table)
    if folder := results_folder():
        _write(folder / f"{lab}.json", {"lab": lab, "profile": profile(), "rows": [asdict(row) for row in table]})
    missed = [f"{row.name} = {row.value} ({row.low} to {row.high})" for row in table if row.met is False]
    if missed and strict():
        raise ValueError(
            f"Expected the values of {entry} inside their published bands (profile {profile()}), but "
            f"{len(missed)} are not: {'; '.join(missed)}. If the change is meant, publish new bands in data/bands.json."
        )


def _print(entry: str, table: Sequence[Row]) -> None:
    if profile() == "smoke":
        computed = sum(row.value is not None for row in table)
        print(f"{entry}, smoke mode: {computed} numbers computed. They mean nothing, and nothing is compared.")
        return
    print(f"{entry}, profile {profile()}: value, published band, verdict")
    width = max((len(row.name) for row in table), default=0)
    for row in table:
        value = "" if row.value is None else f"{row.value:.3f}"
        band = "" if row.low is None or row.high is None else f"{row.low:.3f} to {row.high:.3f}"
        print(f"  {row.name:<{width}}  {value:>9}  {band:^18}  {row.verdict}")


def _entry(lab: str) -> Mapping[str, Any]:
    try:
        return _content()["labs"].get(lab, {}).get(profile(), {})
    except (KeyError, TypeError, AttributeError) as error:
        raise _unreadable(error) from error


def _content() -> Any:
    path = data_root() / "bands.json"
    if not path.is_file():
        raise FileNotFoundError(f"Expected the published bands in {path}, found no file. {restore('bands.json')}")
    try:
        content = json.loads(path.read_bytes())
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema {content['schema']}, expected {SCHEMA}")
        return content
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> ValueError:
    return ValueError(
        f"Expected {data_root() / 'bands.json'} to hold bands as described in lab_utils/metrics/bands.py, but it "
        f"cannot be read ({type(error).__name__}: {error}). {restore('bands.json')}"
    )


def _write(path: Path, content: object) -> None:
    text = json.dumps(content, indent=1) + "\n"
    write_text(path, text)
