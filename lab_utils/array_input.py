"""Arrays from what people hand in: lists, NumPy, PyTorch, pandas; what is no number is refused in words.

A masked entry of a NumPy array is unknown. Tensors may have any type and device and may need a gradient. Columns of
pandas are taken by position.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def as_numbers(name: str, values: ArrayLike) -> Array:
    """What people hand in as a float64 array; unknown (None, NaN, pandas.NA, masked) becomes NaN.

    Args:
        name: for the error, such as "labels".
        values: numbers, booleans, or numbers written as text.

    Raises:
        ValueError: if something in it is no number.
    """
    array = as_array(name, values)
    if array.dtype.kind not in "biufOUS":
        hint = " Take the real part, or the absolute value." if array.dtype.kind == "c" else ""
        raise ValueError(f"{name} must be real numbers, got {array.dtype}.{hint}")
    try:
        numbers: Array = np.ma.filled(array.astype(np.float64), np.nan)
        return numbers
    except (TypeError, ValueError) as error:
        wrong = next((item for item in array.ravel().tolist() if not _is_number(item)), error)
        text = repr(wrong) if len(repr(wrong)) < 60 else repr(wrong)[:57] + "..."
        hint = ""
        if isinstance(wrong, str) and _is_number(wrong.replace(",", ".")):
            hint = " Write decimals with a point: 0.5."
        elif isinstance(wrong, str) and ("labels" in name or name == "predictions"):
            hint = " Turn names into class numbers: [class_names.index(name) for name in ...]."
        raise ValueError(f"{name} must be numbers, got {text} ({type(wrong).__name__}).{hint}") from error


def as_array(name: str, values: ArrayLike) -> NDArray[Any]:
    """What people hand in as an array of its own type; a masked array stays masked."""
    given: Any = values
    if given is None:
        raise ValueError(f"{name} must be an array with one entry or one row for each image, got None.")
    if isinstance(given, np.ma.MaskedArray):
        return given
    if is_table(given):
        return _of_table(given)
    if isinstance(given, list | tuple) and any(hasattr(item, "detach") for item in given):
        given = [_of_tensor(item) if hasattr(item, "detach") else item for item in given]
    if hasattr(given, "detach"):
        return _of_tensor(given)
    try:
        return np.asarray(given)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} must be an array with one entry or one row for each image, got a {type(given).__name__} with rows "
            "of different lengths. Join batches first, with torch.cat or np.concatenate."
        ) from error


def column(values: NDArray[Any]) -> NDArray[Any]:
    """(N, 1), the shape of a network's one output and of MedMNIST's labels, as (N,)."""
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def check_order(name: str, values: Any, other_name: str, other: Any) -> None:
    """Refuse two pandas objects that name the same rows in another order: nobody can tell which order counts."""
    if not (is_table(values) and is_table(other)):
        return
    left, right = values.index, other.index
    if len(left) == len(right) and not left.equals(right) and not len(left.symmetric_difference(right, sort=False)):
        raise ValueError(
            f"{name} and {other_name} have the same pandas index, but in another order, so it is not clear which "
            f"belong together. Bring them into one order with {other_name}.loc[{name}.index], or give "
            f"{name}.to_numpy() and {other_name}.to_numpy() if they are in one order already."
        )


def check_joined(labels: Any, scores: Any) -> None:
    """Refuse a list of batches of one length, which would be read as a row for each image."""

    def batches(values: Any) -> bool:
        return isinstance(values, list | tuple) and all(getattr(item, "ndim", 0) == 1 for item in values)

    if batches(labels) and batches(scores) and len(labels):
        raise ValueError(
            f"got lists of {len(labels)} arrays of {len(labels[0])} entries as labels and scores: are these batches? "
            f"Join them with torch.cat or np.concatenate; join rows, one for each image, with np.stack."
        )


def is_table(values: Any) -> bool:
    """Whether it is a Series or a DataFrame of pandas, which is not imported for this."""
    return hasattr(values, "iloc") and hasattr(values, "to_numpy") and hasattr(values, "index")


def _of_tensor(tensor: Any) -> NDArray[Any]:
    tensor = tensor.detach().cpu()
    if getattr(tensor, "is_sparse", False):
        tensor = tensor.to_dense()
    array: NDArray[Any] = (tensor.double() if tensor.is_floating_point() else tensor).numpy()  # no bfloat16 in NumPy
    return array


def _of_table(table: Any) -> NDArray[Any]:
    array: NDArray[Any] = table.to_numpy()
    if array.dtype == np.object_:  # columns of several types, or with pandas.NA
        try:
            array = table.to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError):  # names
            return array
    return array


def _is_number(item: Any) -> bool:
    try:
        return np.ndim(item) == 0 and isinstance(float(item), float)
    except (TypeError, ValueError):
        return False
