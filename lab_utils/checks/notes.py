"""Boxes of words: help that a student asked for, and what is done so far."""

import html
import re
import sys
import textwrap
from dataclasses import dataclass

COLOUR = "#0173b2"
WIDTH = 96


@dataclass(frozen=True, init=False)
class Note:
    """A title, paragraphs, and code that stays as it is."""

    title: str
    paragraphs: tuple[str, ...]
    code: str = ""
    colour: str = COLOUR

    def __init__(self, title: str, *paragraphs: str, code: str = "", colour: str = COLOUR) -> None:
        for name, value in (("title", title), ("paragraphs", paragraphs), ("code", code), ("colour", colour)):
            object.__setattr__(self, name, value)

    def show(self) -> None:
        """Show it: HTML in a notebook, plain text elsewhere."""
        if not publish(str(self), self._repr_html_()):
            print(self)

    def __str__(self) -> str:
        lines = [line for text in self.paragraphs for line in textwrap.wrap(text, WIDTH, subsequent_indent="  ")]
        return "\n".join([self.title, *lines, *([self.code] if self.code else [])])

    def _repr_html_(self) -> str:
        body = f"<b style='color:{self.colour}'>{code_in_html(self.title)}</b>"
        body += "".join(f"<div>{code_in_html(text)}</div>" for text in self.paragraphs)
        if self.code:
            body += f"<pre style='margin:.4em 0'>{html.escape(self.code)}</pre>"
        return f"<div style='border-left:6px solid {self.colour};padding:.5em 1em;margin:.3em 0'>{body}</div>"


def publish(text: str, page: str) -> bool:
    """Show HTML in a notebook; return whether this is one."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None or not hasattr(shell, "kernel"):
        return False
    shell.display_pub.publish(data={"text/plain": text, "text/html": page}, metadata={})
    return True


def code_in_html(text: str) -> str:
    """Escape a text; what stands between backticks becomes code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
