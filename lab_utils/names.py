"""What errors have in common: a value in them, and the name that was probably meant.

Their grammar is: ``Expected <what>, got <what came>. <What to do.>``
"""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Any

LIKE = 0.5  # so like a known name, and it is suggested
MISSPELT = 0.8  # so like one that it is taken for it, where other names than the known ones would be in order


def unexpected(name: str, wanted: str, value: Any, advice: str = "") -> ValueError:
    """``Expected steps to be a whole number, such as steps=100, got 2.5 (float).``; to be raised by the caller."""
    kind = "" if value is None else f" ({type(value).__name__})"
    return ValueError(f"Expected {name} to be {wanted}, got {shown(value)}{kind}. {advice}".rstrip())


def shown(value: Any) -> str:
    """A value as an error shows it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."


def nearest(name: object, known: Iterable[str], likeness: float = LIKE) -> list[str]:
    """The known names that `name` is likest to: one, or up to three that are equally like it, or none.

    Capital letters, blanks and signs between letters make no difference.
    """
    plain = _plain(str(name)[:100])
    alike = {one: SequenceMatcher(None, plain, _plain(one), autojunk=False).ratio() for one in known}
    best = max(alike.values(), default=0.0)
    return [one for one, ratio in alike.items() if ratio == best >= likeness][:3]


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """The end of an error, with a blank before it: `` Did you mean 'layer1'?``; "" where no known name is like it."""
    near = nearest(name, known)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def unknown_name(kind: str, name: object, known: Iterable[str]) -> ValueError:
    """An error that names the nearest of the known and lists them; to be raised by the caller."""
    known = list(known)
    listed = known if len(known) <= 12 else [*known[:11], f"... ({len(known)} in all)"]
    came = shown(name) if isinstance(name, str) else f"{type(name).__name__}, which is no name"
    return ValueError(f"Expected a {kind}, got {came}.{did_you_mean(name, known)} Choose one of: {', '.join(listed)}.")


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
