"""Messages between the grader and a sandbox: one JSON document per line.

Arrays travel as type, shape and base64 of their bytes, and these are checked against each other before a byte is used.
Nothing is unpickled, nothing is evaluated: a message can be wrong, but it cannot do anything.
"""

import base64
import binascii
import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.staff.grading.limits import read_json

DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
LONGEST = 64 * 2**20  # bytes of one message
MOST_VALUES = 1_000_000  # of one message, each entry of a list being one; an array is a few
_ARRAY = "__array__"


class BadMessage(ValueError):
    """What came is no message of this kind."""


def encode(value: Any) -> bytes:
    """Return a plain value (see `cases.plain`) as one line.

    Raises:
        TypeError: if something in it is neither plain nor an array of a type in `DTYPES`.
    """
    return json.dumps(value, default=_array, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes, most_bytes: int = 2 * LONGEST) -> Any:
    """Return the value of one line; the line may come from anybody.

    Raises:
        BadMessage: if it is no JSON, too deeply nested, or holds an array whose parts do not fit together.
    """
    try:
        value = read_json(line, most_bytes=most_bytes, most_values=MOST_VALUES, object_hook=_restore)
        return _without_halves(value) if b"\\ud" in line.lower() else value
    except (ValueError, RecursionError, MemoryError) as error:
        raise BadMessage(f"expected one line of JSON, got {type(error).__name__}: {str(error)[:200]}") from error


def _without_halves(value: Any) -> Any:
    """Return a value whose texts can be written into files: JSON can also name halves of characters, Unicode cannot."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_without_halves(entry) for entry in value]
    if isinstance(value, dict):
        return {_without_halves(key): _without_halves(entry) for key, entry in value.items()}
    return value


def _array(value: Any) -> dict[str, Any]:
    if isinstance(value, np.ndarray) and value.dtype.name in DTYPES:
        if value.nbytes > LONGEST // 2:
            raise TypeError(f"expected arrays of at most {LONGEST // 2**21} MiB, got {value.nbytes / 2**20:.0f} MiB")
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {_ARRAY: {"dtype": value.dtype.name, "shape": list(value.shape), "data": data}}
    raise TypeError(f"expected plain values and arrays of numbers, got a {type(value).__name__}")


def _restore(table: dict[str, Any]) -> Any:
    return _read_array(table[_ARRAY]) if set(table) == {_ARRAY} else table


def _read_array(parts: Any) -> NDArray[Any]:
    if not isinstance(parts, dict) or set(parts) != {"dtype", "shape", "data"}:
        raise BadMessage("an array needs dtype, shape and data")
    dtype, shape, data = parts["dtype"], parts["shape"], parts["data"]
    good_shape = isinstance(shape, list) and len(shape) <= 8 and all(type(n) is int and 0 <= n < 2**31 for n in shape)
    if dtype not in DTYPES or not good_shape or not isinstance(data, str):
        raise BadMessage(f"an array of type {str(dtype)[:20]!r} and shape {str(shape)[:60]} is not one")
    try:
        raw = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise BadMessage("the bytes of an array are not base64") from error
    if len(raw) != math.prod(shape) * np.dtype(dtype).itemsize:
        raise BadMessage(f"an array of type {dtype} and shape {shape} does not have {len(raw)} bytes")
    if dtype == "bool" and not set(raw) <= {0, 1}:
        raise BadMessage("an array of truth values holds other bytes than 0 and 1")
    return np.frombuffer(bytearray(raw), dtype=dtype).reshape(shape)  # of a bytearray: it can be changed in place
