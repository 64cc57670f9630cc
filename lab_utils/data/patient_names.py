"""The names that public sets give their patients, and the names of folders that are no patients.

Patterns are searched in the path below the root, with "/" between folders and without the suffix of the file; their
one group is the patient. Text before a pattern is never passed over inside a name: ``my_10_left`` may be anything.
"""

import re
from typing import NamedTuple


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

KERMANY = "Kermany et al., chest; the numbers of its test part begin again, so test has patients of its own"

# Names of folders or files that can be nothing else.
SURE = (
    Scheme("MIMIC-CXR", re.compile(r"(?:^|/)p\d\d/(p\d{8})/")),
    Scheme("CBIS-DDSM", _any(r"(?:Mass|Calc)-(?:Training|Test)_(P_\d{5})_(?:LEFT|RIGHT)")),
    Scheme("TCIA", _any(r"(LIDC-IDRI-\d{4}|LUNG1-\d{3}|Breast_MRI_\d{3}|TCGA-[A-Z0-9]{2}-[A-Z0-9]{4})")),
    Scheme("BIDS", _any(r"(sub-[A-Za-z]*\d[A-Za-z0-9]*)")),
    Scheme("OASIS", _any(r"(OAS\d_\d{4,5})")),
    Scheme("BraTS", _any(r"(BraTS\d\d_Training_\d{3}|BraTS2021_\d{5}|BraTS-[A-Z]+-\d{5})")),
    Scheme("ADNI", _any(r"(?:ADNI_)?(\d{3}_S_\d{4})")),
    Scheme(f"folders for {WRITTEN_OUT}", re.compile(rf"(?:^|/)({WORDS})(?![A-Za-z0-9])[^/]*/", re.IGNORECASE)),
    Scheme("NIH ChestX-ray14", _file(r"(000\d{5})_\d{3}")),  # 30,805 patients: eight digits may be a date elsewhere
    Scheme("Kermany et al., OCT", _file(r"(?:CNV|DME|DRUSEN|NORMAL)-(\d+)-\d+")),
    Scheme("BreaKHis", _file(r"SOB_[BM]_[A-Z]+-(\d\d-\d+[A-Z]*)-\d+-\d+")),
    Scheme("breast histology patches", _file(r"(\d+)_idx\d+_x\d+_y\d+_class\d")),
    Scheme("Open-i", _file(r"(CXR\d+)(?:_\d+)?_IM-\d+-\d+")),
    Scheme("Montgomery and Shenzhen", _file(r"((?:MCUCXR|CHNCXR)_\d{4})_[01]")),
    Scheme(KERMANY, _file(r"(person\d+)_(?:virus|bacteria)_\d+")),
)
# Names of files that a folder for each patient has to agree with.
FILES = (
    Scheme("EyePACS", _file(r"(\d+)_(?:left|right)")),
    Scheme("Osteoarthritis Initiative", _file(r"(9\d{6})[LR]")),
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

PART = re.compile(
    r"(?P<test>test|testing)|train|training|val|valid|validation|dev"  # then set, images ... may follow
)


def part_of(folder: str) -> str:
    """Say "test" or "other" for the name of a folder that is a part of a set, "" for any other name."""
    word = re.sub(r"[-_ ]?(set|images?|imgs?|data|pictures?)$", "", folder.lower())
    match = PART.fullmatch(word)
    return "" if match is None else "test" if match["test"] else "other"


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
