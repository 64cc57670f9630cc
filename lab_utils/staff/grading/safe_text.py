"""Texts of students, made fit for a page or a table: they may hold anything."""

import re

# Control characters but for tab and newline, marks that turn the direction of writing, halves of characters.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
_ENDS_OF_LINES = re.compile(r"\r\n|\r")


def visible(text: str) -> str:
    """Return the text with newlines as ends of lines, and with every character that hides or turns text as its code."""
    return _UNSEEN.sub(lambda match: f"\\u{ord(match.group()):04x}", _ENDS_OF_LINES.sub("\n", text))


def shorten(text: str, length: int) -> str:
    """Return the text made visible, and cut where it is longer than `length` characters."""
    text = visible(text[: length + 1]) if len(text) > length else visible(text)
    return text if len(text) <= length else text[:length].rstrip() + " ..."
