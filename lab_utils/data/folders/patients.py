"""Whose picture is it? Read from names of files and folders where a known scheme says so, and never guessed.

=======================  ====================================================  =====================================
set                      for example                                           patient
=======================  ====================================================  =====================================
Kermany et al., chest    ``person12_virus_47``, ``IM-0115-0001``,              person12, IM-0115, NORMAL2-IM-1427;
                         ``NORMAL2-IM-1427-0001``                              numbers begin again in the test part
Kermany et al., OCT      ``CNV-81630-1``                                       81630
EyePACS                  ``10_left``, ``10_right``                             10
NIH ChestX-ray14         ``00000013_005``                                      00000013
CheXpert, MURA           ``patient00011/study1/view1_frontal``                 patient00011
MIMIC-CXR                ``p10/p10000032/s50414267/...``                       p10000032
CBIS-DDSM                ``Mass-Training_P_00001_LEFT_CC``                     P_00001
BreaKHis                 ``SOB_B_A-14-22549AB-40-001``                         14-22549AB, the slide
breast histology         ``8863_idx5_x51_y1251_class0``                        8863
OASIS, ADNI              ``OAS1_0028_MR1_100``, ``ADNI_002_S_0413_MR``         OAS1_0028, 002_S_0413
Open-i                   ``CXR12_IM-0130-1001``                                CXR12
BraTS                    ``BraTS20_Training_001_t1_80``                        BraTS20_Training_001
OAI, knees               ``9003175L``, ``9003175R``                            9003175
Montgomery, Shenzhen     ``MCUCXR_0001_0``, ``CHNCXR_0001_0``                  MCUCXR_0001, CHNCXR_0001
TCIA                     ``LIDC-IDRI-0001``, ``TCGA-02-0001-01Z``,             LIDC-IDRI-0001, TCGA-02-0001,
                         ``TCGA_CS_4941_19960909_1``                           TCGA_CS_4941
BIDS                     ``sub-01_ses-02_T1w``                                 sub-01
names that say so        ``patient_012_img_3``, ``subject7/a``, ``pat12-3``    patient_012, subject7, pat12
P and a number           ``P001_1``, ``P001_2``                                P001, if one of them has several images
a folder for each        ``NORMAL/0012/view1``                                 0012: inside the class folder, several,
                                                                               with numbers in their names
=======================  ====================================================  =====================================

Text after the scheme (``10_left_aug3``) does not matter, text before it (``aug_10_left``) makes the name unknown.
Unknown are also sets that publish no patients (ISIC, APTOS, PCam, RSNA, VinDr, BUSI, COVID-19 radiography) and names
that may mean anything (``img_001``, ``scan_12``, ``12_3``).
"""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lab_utils.data.folders.folder_names import part_of
from lab_utils.data.folders.patient_names import (
    FILES,
    FILES_WITHOUT_FOLDER,
    KERMANY,
    NO_PATIENTS,
    ONLY_IF_REPEATED,
    SURE,
    Scheme,
    folders_inside,
    patients_by_folder,
)
from lab_utils.data.folders.patient_rule import PatientRule, names_as_told

FOLDER = "a folder for each patient"

UNKNOWN = (
    "The patients of these images are unknown: every image counts as a patient of its own. Images of one patient may "
    "be in two parts, and then scores are too good."
)
ADVICE = "If names tell the patient, say how: patient=r'^(\\d+)_', for example. If not: patient='unknown'."


class Patients(NamedTuple):
    """The patient of each file.

    Attributes:
        names: one per file, the same for two files only if they are of one patient.
        scheme: how they were found, in words; "" if the patients are unknown.
        note: what has to stay with every result: that all or some patients are unknown. "" if all are known.
    """

    names: list[str]
    scheme: str
    note: str = ""


class Owner(NamedTuple):
    """A patient as one scheme names it."""

    source: str
    name: str


def patients_of(files: Sequence[Path], root: Path, *, patient: PatientRule | None = None) -> Patients:
    """Find the patient of each picture of a set.

    Args:
        files: all pictures of all parts of the set.
        root: the folder that holds them.
        patient: None to look for the schemes above. Or a regular expression with one group, searched in the names of
            the files or, if some do not match, in the paths below the root (``a/b/c.png``); a function of the path; a
            table (a dict, or a column whose index holds the names) from file name, name without suffix, or path below
            the root to the patient; or "unknown", where what looks like a patient is none.

    Raises:
        ValueError: if `patient` does not name one for every file, or if folders may be patients or not.
    """
    below = [_below(path, root) for path in files]
    if isinstance(patient, str) and patient == "unknown":
        return Patients(below, "", UNKNOWN)
    if patient is not None:
        names, scheme = names_as_told(files, below, patient)
        return Patients(names, f"{scheme} ({_people(len(set(names)))})")
    owners = _owners(below)
    return _describe(below, owners)


def _below(path: Path, root: Path) -> str:
    whole, above = (os.path.abspath(one) for one in (path, root))  # strings: sets have hundreds of thousands of files
    return (whole.removeprefix(f"{above.rstrip(os.sep)}{os.sep}")).replace(os.sep, "/")


def _owners(below: Sequence[str]) -> list[Owner | None]:
    """Source and patient of each file; None where nobody knows."""
    stems = [path.removesuffix(Path(path).suffix) for path in below]
    inside = folders_inside(below)
    sure = [_match(stem, SURE) for stem in stems]
    left = [("", "") if owner else place for owner, place in zip(sure, inside, strict=True)]
    folders = patients_by_folder(left)
    named = [
        None if owner else _match(stem, FILES if place[1] else (*FILES, *FILES_WITHOUT_FOLDER))
        for stem, owner, place in zip(stems, sure, left, strict=True)
    ]
    _check_names_within_folders(named, folders)
    by_folder = [Owner(FOLDER, folder) if folder else None for folder in folders]
    owners = [a or b or c for a, b, c in zip(sure, by_folder, named, strict=True)]
    owners = [_of_test(owner, path) for owner, path in zip(owners, below, strict=True)]
    return _without_single_numbers(owners)


def _match(stem: str, schemes: Sequence[Scheme]) -> Owner | None:
    for scheme in schemes:
        if match := scheme.pattern.search(stem):
            return Owner(scheme.source, match[1])
    return None


def _check_names_within_folders(named: Sequence[Owner | None], folders: Sequence[str]) -> None:
    """Refuse names that say one patient where the folders say two."""
    seen: dict[Owner, str] = {}
    for owner, folder in zip(named, folders, strict=True):
        if owner and folder and seen.setdefault(owner, folder) != folder:
            raise ValueError(
                f"names of files and folders should agree about the patients; patient {owner.name} ({owner.source}) is "
                f"in the folders {seen[owner]} and {folder}, which look like two patients. Say which is right with "
                "patient=: r'([^/]+)/[^/]+$' takes the folder that a picture lies in."
            )


def _of_test(owner: Owner | None, path: str) -> Owner | None:
    """Kermany's chest X-rays number the patients of test from 1 again."""
    if owner and owner.source == KERMANY and any(part_of(folder) == ("test", ()) for folder in path.split("/")[:-1]):
        return Owner(owner.source, f"test {owner.name}")
    return owner


def _without_single_numbers(owners: list[Owner | None]) -> list[Owner | None]:
    counts = Counter(owner for owner in owners if owner and owner.source == ONLY_IF_REPEATED)
    if counts and max(counts.values()) == 1:
        return [None if owner in counts else owner for owner in owners]
    return owners


def _describe(below: Sequence[str], owners: Sequence[Owner | None]) -> Patients:
    known: dict[Owner, Owner] = {}
    for found in filter(None, owners):
        known.setdefault(Owner(found.source, found.name.lower()), found)  # spelled as it came first
    clashes = Counter(owner.name for owner in known)
    names = []
    for path, owner in zip(below, owners, strict=True):
        if owner is None:
            names.append(path)
        elif clashes[owner.name.lower()] > 1:  # the same number in two schemes is not the same patient
            names.append(f"{owner.source} {owner.name.lower()}")
        else:
            names.append(known[Owner(owner.source, owner.name.lower())].name)
    scheme = "; ".join(f"{source} ({_people(count)})" for source, count in Counter(o.source for o in known).items())
    return Patients(names, scheme, _note(below, owners))


def _people(count: int) -> str:
    return "1 patient" if count == 1 else f"{count} patients"


def _note(below: Sequence[str], owners: Sequence[Owner | None]) -> str:
    unknown = [path for path, owner in zip(below, owners, strict=True) if owner is None]
    if not unknown:
        return ""
    stem = unknown[0].removesuffix(Path(unknown[0]).suffix)
    reasons = [scheme.source for scheme in NO_PATIENTS if scheme.pattern.search(stem)]
    reason = f" ({unknown[0]}{': ' * bool(reasons)}{''.join(reasons)})"
    if len(unknown) == len(below):
        return f"{UNKNOWN} No name tells them{reason}. {ADVICE}"
    return (
        f"The patients of {len(unknown)} of {len(below)} images are unknown, since their names do not tell "
        f"them{reason}: each counts as a patient of its own, and one patient may be in two parts. {ADVICE}"
    )
