"""Patients of images as numbers, for the bootstrap: an unknown patient is nobody's double."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab_utils.array_input import as_array, column

# What a missing name turns into as text, and what people write for one.
UNKNOWN = ("", "nan", "none", "null", "<na>", "nat", "unknown", "n/a")


def patient_codes(groups: ArrayLike | None, images: int, *, name: str = "groups") -> NDArray[np.int64]:
    """Patients numbered from 0, in the order of their names.

    Args:
        groups: patient of each image, (N,) or (N, 1), numbers or names; None if each image is a patient.
        images: N.
        name: of the argument, for the error.

    Raises:
        ValueError: if there is not one name for each image, one is missing, or all are the same.
    """
    codes = np.arange(images) if groups is None else _numbered(name, column(as_array(name, groups)), images)
    if codes.max() == 0:
        raise ValueError(
            f"expected at least two patients, got one for all {images} images: every draw would be the same, and the "
            "interval would have no width. If patients are unknown, leave groups out, and say so beside the result."
        )
    return codes


def _numbered(name: str, patients: NDArray[np.generic], images: int) -> NDArray[np.int64]:
    if patients.shape != (images,):
        raise ValueError(
            f"{name} must name the patient of each of the {images} images, got shape {patients.shape}. If two columns "
            "name a patient, such as hospital and number, make one of them first."
        )
    unknown = sum(map(_is_unknown, patients.tolist()))
    if patients.dtype.kind in "if" and patients.min() == -1:  # what pandas.factorize makes of a missing name
        unknown += int((patients == -1).sum())
    if unknown:
        raise ValueError(
            f"{name} must name the patient of each image, but {unknown} of {images} are unknown (NaN, None, -1 or an "
            "empty name), and these would count as one patient. Leave them out, or give each a name of its own."
        )
    try:
        return np.unique(patients, return_inverse=True)[1]
    except TypeError as error:
        kinds = sorted({type(patient).__name__ for patient in patients.tolist()})
        raise ValueError(
            f"{name} must be all numbers or all names, got {' and '.join(kinds)}. Take str of each."
        ) from error


def _is_unknown(patient: object) -> bool:
    text = str(patient).strip().lower()
    return text in UNKNOWN or (isinstance(patient, str) and text in ("-1", "-1.0"))
