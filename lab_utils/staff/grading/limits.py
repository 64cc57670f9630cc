"""JSON of anybody, read outside of a sandbox: what it may cost is known before it is parsed."""

import json
from collections.abc import Callable
from typing import Any


def read_json(
    data: bytes, *, most_bytes: int, most_values: int, object_hook: Callable[[dict[str, Any]], Any] | None = None
) -> Any:
    """Return the value of a JSON document in UTF-8.

    Size and number of values are bounded before anything is parsed, and with them time and memory: an empty list in a
    list has three bytes and becomes seventy. Depth is bounded by the parser itself.

    Args:
        data: the document.
        most_bytes: that it may have.
        most_values: that it may hold, counted as signs that begin or separate values; those in texts count, too.
        object_hook: as of `json.loads`.

    Raises:
        ValueError: if it is larger, holds more values, is nested too deeply, or is no JSON.
    """
    if len(data) > most_bytes:
        raise ValueError(f"expected at most {most_bytes / 2**20:g} MiB of JSON, got {len(data) / 2**20:.1f} MiB")
    if (values := sum(map(data.count, (b",", b"[", b"{")))) > most_values:
        raise ValueError(f"expected JSON with at most {most_values} values, got {values}")
    try:
        return json.loads(data.decode("utf-8"), object_hook=object_hook)
    except (RecursionError, MemoryError) as error:
        raise ValueError(f"expected JSON that is not nested deeply, got {type(error).__name__}") from error
