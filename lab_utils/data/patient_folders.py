"""A folder for each patient inside the class folders: when it is one, and when it may be anything."""

from collections import defaultdict
from collections.abc import Sequence

from lab_utils.data.patient_names import NOT_A_PATIENT, part_of

FEW = 10  # folders: that many may be modalities, devices or folds


def folders_inside(below: Sequence[str]) -> list[tuple[str, str]]:
    """The class folder of each file, and the folder inside it that may be the patient's ("" where there is none).

    Args:
        below: paths below the root. What all of them share, and the folders of parts, are passed over; the next folder
            is that of the class. Folders such as ``images`` are passed over inside it.
    """
    parents = [path.split("/")[:-1] for path in below]
    shared = next(
        (depth for depth, level in enumerate(zip(*parents, strict=False)) if len(set(level)) > 1),
        min(map(len, parents), default=0),
    )
    found = []
    for folders in parents:
        inside = [folder for folder in folders[shared:] if not part_of(folder)]
        likely = [folder for folder in inside[1:] if not NOT_A_PATIENT.fullmatch(folder)]
        found.append((inside[0] if inside else "", likely[0] if likely else ""))
    return found


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
