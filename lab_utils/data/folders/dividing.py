"""Pictures of a folder come into train, val and test: as the folders say, and what is missing by patient."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lab_utils.data.duplicates import join_copies
from lab_utils.data.folders.listing import Listed, Said
from lab_utils.data.folders.patient_rule import PatientRule
from lab_utils.data.folders.patients import Patients, patients_of
from lab_utils.data.picture import count_pages
from lab_utils.data.positions import assign_parts

TOO_SMALL = 0.02  # of train: a val part below this cannot tell models apart
PARTS = ("train", "val", "test")


class Picture(NamedTuple):
    """One file: where it is, its class, and whose it is."""

    path: Path
    label: int
    patient: str


def divide(
    listed: Sequence[Listed], root: Path, *, patient: PatientRule | None, redivide: bool, seed: int
) -> tuple[dict[str, list[Picture]], Said]:
    """Pictures of "train", "val" and "test", no patient in two of them, and what has to be said of the patients.

    Raises:
        ValueError: if a patient is in two parts, or the patients do not fill the parts.
    """
    patients = _patients(listed, root, patient)
    pictures = {part: [] for part in ("all", *PARTS)}  # type: dict[str, list[Picture]]
    for one, name in zip(listed, patients.names, strict=True):
        pictures["all" if redivide else one.part].append(Picture(one.path, one.label, name))
    doubts = [patients.note] if patients.note and patient is None else []
    notes = [f"Patients: {patients.scheme}."] if patients.scheme else []
    notes += [patients.note] if patients.note and patient is not None else []
    if not pictures["train"]:
        _check_number(patients)
        train, val, test = _cut(pictures["all"], (0.7, 0.1, 0.2), seed)
        return {"train": train, "val": val, "test": test}, Said(tuple(notes), tuple(doubts))
    train, val, test = (pictures[part] for part in PARTS)
    if val and len(val) < TOO_SMALL * len(train):
        doubts.append(
            f"The val part has {len(val)} images, too few to choose a model by: they join train, and a new val part is "
            "drawn by patient."
        )
        train, val = train + val, []
    _check_patients({"train": train, "val": val, "test": test}, patients)
    if not test:
        train, test = _cut(train, (0.8, 0.2), seed)
    if not val:
        train, val = _cut(train, (0.9, 0.1), seed)
    return {"train": train, "val": val, "test": test}, Said(tuple(notes), tuple(doubts))


def _patients(listed: Sequence[Listed], root: Path, patient: PatientRule | None) -> Patients:
    """Patients by names of files and folders; whoever is unknown is called after the file, with "/" before it."""
    if patient is not None:
        return patients_of([one.path for one in listed], root, patient=patient)
    # Names of parts are written in one way here, and folders around the set are left out.
    patients = patients_of([root / one.below for one in listed], root)
    names = [
        f"/{one.path.relative_to(root)}" if name == one.below else name
        for one, name in zip(listed, patients.names, strict=True)
    ]
    return patients._replace(names=names)


def _cut(pictures: list[Picture], fractions: Sequence[float], seed: int) -> list[list[Picture]]:
    labels = np.array([picture.label for picture in pictures])
    owners = join_copies([picture.path for picture in pictures], [picture.patient for picture in pictures])
    if len(set(owners)) < len(fractions) <= len({picture.patient for picture in pictures}):
        count_pages(pictures[0].path)  # empty files and pages of errors are all the same, too: they are named as such
        raise ValueError(
            f"pictures that differ were expected; the {len(pictures):,} here are copies of {len(set(owners))} (for "
            f"example {pictures[0].path.name}): they are the same in every byte. Copy or download the set again."
        )
    part = assign_parts(labels, np.array(owners), fractions, seed=seed)
    return [[pictures[i] for i in np.flatnonzero(part == number)] for number in range(len(fractions))]


def _check_number(patients: Patients) -> None:
    """Fewer patients than parts are more often numbers of something else."""
    if patients.scheme and len(set(patients.names)) < len(PARTS) <= len(patients.names):
        raise ValueError(
            f"train, val and test need a patient each; these images are of {len(set(patients.names))} as read from "
            f"{patients.scheme}. If that is wrong, say how to tell patients apart with patient=, or patient='unknown'."
        )


def _check_patients(parts: dict[str, list[Picture]], patients: Patients) -> None:
    found = {part: {picture.patient for picture in pictures} for part, pictures in parts.items()}
    pairs, everybody = [], set[str]()
    for left, right in combinations(parts, 2):
        if shared := sorted(found[left] & found[right]):
            who = f"{', '.join(shared[:5])}{', ...' * (len(shared) > 5)}"
            pairs.append(f"{len(shared)} patients are in both {left} and {right}: {who}")
            everybody |= set(shared)
    if pairs:
        in_all = f" ({len(everybody)} of {len(set(patients.names))} patients in all)" * (len(pairs) > 1)
        raise ValueError(
            f"every patient must be in one part only; {'; '.join(pairs)}{in_all}. Patients are read from "
            f"{patients.scheme}. redivide=True forgets the parts and divides all images by patient. Or: Move all "
            "images of a patient to one side. If these are not the same people, say how to tell them apart with "
            "patient=, or patient='unknown'."
        )
