"""A wrong thing to do in one line, with the words in which it has to be refused."""

from collections.abc import Callable
from typing import Any

import pytest


def refuses(words: str, function: Callable[..., Any], /, *args: Any, **settings: Any) -> str:
    """The function raises ValueError with these words, a regular expression; the whole text is returned."""
    with pytest.raises(ValueError, match=words) as caught:
        function(*args, **settings)
    return str(caught.value)
