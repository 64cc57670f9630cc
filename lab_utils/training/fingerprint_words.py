"""What differs between two fingerprints, in words."""

from typing import Any

from lab_utils.training.fingerprint_code import SOURCE

_FIRST = 3  # so many differences of one setting are said


def differences(written: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """One phrase for each setting that differs.

    Args:
        written: setting -> value, or its parts as `fingerprint` gives them.
        now: the same of the run that wants to go on.
    """
    phrases: list[str] = []
    for name in sorted({*written, *now}):
        before, after = written.get(name), now.get(name)
        if before == after:
            continue
        if not isinstance(before, dict) or not isinstance(after, dict):
            phrases.append(f"{name} was {_title(before)}, is now {_title(after)}")
        elif name == "weights":
            phrases += _of_weights(before, after)
        else:
            phrases += _of_parts(name, before, after)
    other_network = any(phrase.startswith("network was") for phrase in phrases)
    # Another network has other weights and parts, which need not be said.
    return [p for p in phrases if not (other_network and p.startswith(("the starting weights", "network parts")))]


def _of_weights(before: dict[str, str], after: dict[str, str]) -> list[str]:
    names = [*before, *(name for name in after if name not in before)]
    differ = [name for name in names if before.get(name) != after.get(name)]
    return [f"the starting weights differ: {len(differ)} of {len(names)} tensors, first {differ[0]}"]


def _of_parts(name: str, before: dict[str, str], after: dict[str, str]) -> list[str]:
    differ = [w for w in {**before, **after} if before.get(w) != after.get(w) and not w.endswith(SOURCE)]
    if "" in differ:
        return [f"{name} was {before.get('', 'none')}, is now {after.get('', 'none')}"]
    said = [f"{name}{where} {_change(where, before, after)}" for where in differ[:_FIRST]]
    more = [f"{len(differ) - _FIRST} more parts of it"] if len(differ) > _FIRST else []
    return [", ".join(said + more)] if said else []


def _change(where: str, before: dict[str, str], after: dict[str, str]) -> str:
    if where.endswith(" code"):
        source = where.removesuffix("code") + f"source{SOURCE}"
        texts = [parts[source].strip("'\"") for parts in (before, after) if parts.get(source, "''") != "''"]
        if len(set(texts)) == 2:
            return f"was `{texts[0]}`, is now `{texts[1]}`"
        return "differs"
    return f"was {_short(before.get(where))}, is now {_short(after.get(where))}"


def _short(text: str | None) -> str:
    """A part without its digest, where something else is there to be read."""
    if text is None:
        return "not there"
    words = text.split(" ")
    return " ".join([*words[:-1], words[-1][:8]]) if len(words) > 1 and len(words[-1]) == 32 else text


def _title(value: Any) -> str:
    return str(value.get("", "none") if isinstance(value, dict) else value)
