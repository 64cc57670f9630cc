"""A half-solved homework goes on: what a student's function cannot do yet is left out, and said."""

import re
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def attempt(function: Callable[..., T], *args: Any, **settings: Any) -> T | None:
    """Call a function of yours; where it is not written yet or fails, say so in a line and go on.

    Returns:
        What the function returns, or None.
    """
    try:
        return function(*args, **settings)
    except Exception as error:  # a half-solved notebook goes on, whatever is wrong
        root: BaseException = error
        while root.__cause__ is not None:
            root = root.__cause__
        frames = [frame.name for frame in traceback.extract_tb(root.__traceback__)]
        within = (re.findall(r", in (\w+)", str(root)) or frames)[-1]  # a worker sends its traceback as text
        if isinstance(root, NotImplementedError) or "NotImplementedError" in str(root):
            print(f"Left out here: `{within}` has no code yet.")
        else:
            reason = str(root).strip().splitlines()[0] if str(root).strip() else "no message"
            print(f"Left out here: {getattr(function, '__name__', 'your function')} stopped in `{within}` with")
            print(f"  {type(root).__name__}: {reason[:1000]}")
        return None
