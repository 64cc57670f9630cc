"""The names that public sets give their patients, and folders that are patients or something else.

Patterns are searched in the path below the root, with "/" between folders and without the suffix of the file; their
one group is the patient. Text before a pattern is never passed over inside a name: ``my_10_left`` may be anything.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from lab_utils.data.folders.folder_names import part_of


class Scheme(NamedTuple):
    """One way of naming: who uses it, and the pattern whose group is the patient."""

    source: str
    pattern: re.Pattern[str]


def _file(pattern: str) -> re.Pattern[str]:
    """The name of the file begins so, and no letter or digit follows."""
    return re.compile(rf"(?:^|/){pattern}(?![A-Za-z0-9])[^/]*$", re.IGNORECASE)


def _any(pattern: str) -> re.Pattern[str]:
    """The name of a folder or of the file begins so, and no letter or digit follows."""
    return re.compile(rf"(?:^|/){pattern}(?![A-Za-z0-9])", re.IGNORECASE)


WORDS = r"(?:patient|pat|person|subject|subj|participant|pid|pt)[-_ ]?\d+"
WRITTEN_OUT = "names that say patient, person or subject"

KERMANY = "names as in Kermany et al., chest; their numbers begin again in test, which has patients of its own"

# Names of folders or files that can be nothing else.
SURE = (
    Scheme("names as in MIMIC-CXR", re.compile(r"(?:^|/)p\d\d/(p\d{8})/")),
    Scheme("names as in CBIS-DDSM", _any(r"(?:Mass|Calc)-(?:Training|Test)_(P_\d{5})_(?:LEFT|RIGHT)")),
    Scheme(
        "names as in TCIA", _any(r"(LIDC-IDRI-\d{4}|LUNG1-\d{3}|Breast_MRI_\d{3}|TCGA[-_][A-Z0-9]{2}[-_][A-Z0-9]{4})")
    ),
    Scheme("names as in BIDS", _any(r"(sub-[A-Za-z]*\d[A-Za-z0-9]*)")),
    Scheme("names as in OASIS", _any(r"(OAS\d_\d{4,5})")),
    Scheme("names as in BraTS", _any(r"(BraTS\d\d_Training_\d{3}|BraTS2021_\d{5}|BraTS-[A-Z]+-\d{5})")),
    Scheme("names as in ADNI", _any(r"(?:ADNI_)?(\d{3}_S_\d{4})")),
    Scheme(f"folders for {WRITTEN_OUT}", re.compile(rf"(?:^|/)({WORDS})(?![A-Za-z0-9])[^/]*/", re.IGNORECASE)),
    Scheme(
        "names as in NIH ChestX-ray14", _file(r"(000\d{5})_\d{3}")
    ),  # 30,805 patients: eight digits may be a date elsewhere
    Scheme("names as in Kermany et al., OCT", _file(r"(?:CNV|DME|DRUSEN|NORMAL)-(\d+)-\d+")),
    Scheme("names as in BreaKHis", _file(r"SOB_[BM]_[A-Z]+-(\d\d-\d+[A-Z]*)-\d+-\d+")),
    Scheme("names as in breast histology patches", _file(r"(\d+)_idx\d+_x\d+_y\d+_class\d")),
    Scheme("names as in Open-i", _file(r"(CXR\d+)(?:_\d+)?_IM-\d+-\d+")),
    Scheme("names as in Montgomery and Shenzhen", _file(r"((?:MCUCXR|CHNCXR)_\d{4})_[01]")),
    Scheme(KERMANY, _file(r"(person\d+)_(?:virus|bacteria)_\d+")),
)
# Names of files that a folder for each patient has to agree with.
FILES = (
    Scheme("names as in EyePACS", _file(r"(\d+)_(?:left|right)")),
    Scheme("names as in Osteoarthritis Initiative", _file(r"(9\d{6})[LR]")),
    Scheme(WRITTEN_OUT, _file(rf"({WORDS})")),
)
# The same, of files that lie in no folder that may be the patient's: other programs write such names too.
FILES_WITHOUT_FOLDER = (
    Scheme(KERMANY, _file(r"((?:NORMAL2-)?IM-\d{4})-\d{4}")),
    Scheme("a P and a number, several images of one", _file(r"(P\d+)")),
)
ONLY_IF_REPEATED = FILES_WITHOUT_FOLDER[1].source  # P1 ... P90, each once, may just as well be numbers of pictures

# Names that are known and say nothing of the patient.
NO_PATIENTS = (
    Scheme(
        "ISIC numbers images, not patients; lesion_id or patient_id of its metadata can be given as patient=",
        _file(r"(ISIC_\d{7})"),
    ),
    Scheme(
        "such identifiers (RSNA, VinDr) are one per image",
        _file(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})"),
    ),
    Scheme("such names (APTOS, PCam) are one per image", _file(r"([0-9a-f]{12}|[0-9a-f]{40})")),
)

# Folders that people make inside class folders, none of them for a patient.
NOT_A_PATIENT = re.compile(
    r"""
    (?:images?|imgs?|pictures?|pics?|photos?|files?|data|dataset|raw|originals?|orig|processed|resized|cropped
    |pngs?|jpe?gs?|tiff?s?|bmps?|dicoms?|dcms?|masks?|labels?|annotations?|segmentations?|seg|gt|ground_?truth
    |left|right|l|r|od|os|cc|mlo|ap|pa|ll|lat|lateral|frontal|axial|coronal|sagittal|male|female|m|f
    |new|old|good|bad|all|misc|others?|unknown|temp|tmp|backup|copy|augmented|aug|crops?|patch(?:es)?|tiles?|rois?
    |frames?|slices?|slides?|scans?|views?|study|studies|series|sessions?|ses|visits?|days?|weeks?|months?|years?
    |parts?|batch(?:es)?|folds?|splits?|sets?|subsets?|groups?|clusters?|class(?:es)?|grades?|stages?|levels?|types?
    |sites?|hospitals?|cent(?:er|re)s?|clinics?|scanners?|cameras?|devices?|machines?|vendors?
    |magnifications?|mag|zoom|resolution|res|sizes?|version|ver|v|runs?|experiments?|exp|sequences?|seq|phases?
    |folders?|dirs?|director(?:y|ies)|sub-?folders?|sub-?dirs?|cxr|x-?rays?|ct|mri?|us|oct|t1|t2|flair|pd)
    (?:[-_ ]?(?:\d+|[a-z]|part[-_ ]?\d+))?
    |\d+x\d*(?:px)?|\d+px          # magnification, size
    |\d+(?:\.\d+){3,}                # DICOM's identifier of a study or series
    |(?:19|20)\d\d(?:[-_.]\d\d?){0,2}  # year, date
    """,
    re.VERBOSE | re.IGNORECASE,
)

FEW = 10  # folders: that many may be modalities, devices or folds


def folders_inside(below: Sequence[str]) -> list[tuple[str, str]]:
    """The class folder of each file, and the folder inside it that may be the patient's ("" where there is none).

    Args:
        below: paths below the root. What all of them share, and the folders of parts, are passed over; the next folder
            is that of the class. Folders such as ``images``, and one of the same name, are passed over inside it.
    """
    parents = [path.split("/")[:-1] for path in below]
    shared = next(
        (depth for depth, level in enumerate(zip(*parents, strict=False)) if len(set(level)) > 1),
        min(map(len, parents), default=0),
    )
    found = []
    for folders in parents:
        inside = [folder for folder in folders[shared:] if not _is_part(folder)]
        likely = [name for name in inside[1:] if not NOT_A_PATIENT.fullmatch(name) and name != inside[0]]
        found.append((inside[0] if inside else "", likely[0] if likely else ""))
    return found


def _is_part(folder: str) -> bool:
    meaning = part_of(folder)
    return meaning is not None and not meaning[1]


def patients_by_folder(inside: Sequence[tuple[str, str]]) -> list[str]:
    """The folder of each file if it is the patient's, else "".

    They are patients if there are several, if at least half of their names hold a number, and if they are not just a
    few that come again in every class. One folder alone is none.

    Raises:
        ValueError: if there are several that may be patients or not.
    """
    classes = defaultdict(set)
    for class_folder, folder in inside:
        if folder:
            classes[folder].add(class_folder)
    if len(classes) < 2:
        return [""] * len(inside)
    numbered = sum(any(letter.isdigit() for letter in folder) for folder in classes)
    everywhere = {class_folder for class_folder, _ in inside}
    come_again = len(everywhere) > 1 and len(classes) <= FEW and all(seen == everywhere for seen in classes.values())
    if 2 * numbered < len(classes) or come_again:
        names = sorted(classes)
        raise ValueError(
            f"the pictures lie in {len(names)} kinds of folders inside the class folders ({', '.join(names[:5])}"
            f"{', ...' * (len(names) > 5)}), which may be patients or something else"
            f"{', since each class has all of them' * come_again}. Say which with patient=: r'([^/]+)/[^/]+$' takes "
            "the folder that a picture lies in for its patient, 'unknown' says that nobody knows the patients."
        )
    return [folder for _, folder in inside]
