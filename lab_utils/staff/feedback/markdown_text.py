"""Markdown of a comment as HTML that can do nothing: no HTML of its own, no pictures, links to web pages only."""

import html
from functools import cache

import mistune
from markupsafe import Markup, escape
from mistune.renderers.html import HTMLRenderer

from lab_utils.staff.grading.safe_text import shorten

LONGEST = 5000  # characters of a comment that a page shows
_LINKS = ("https://", "http://", "mailto:")


class _Renderer(HTMLRenderer):
    """Escapes every text that it is given; headings would stand beside those of the page."""

    def __init__(self) -> None:
        super().__init__(escape=True)

    def heading(self, text: str, level: int, **attrs: object) -> str:
        return f"<p><b>{text}</b></p>\n"

    def link(self, text: str, url: str, title: str | None = None) -> str:
        if not url.lower().startswith(_LINKS):
            return f"{text} ({_quoted(url)})"
        return f'<a href="{_quoted(url)}" rel="noopener noreferrer">{text}</a>'

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return f"{text} ({_quoted(url)})"

    def block_code(self, code: str, info: str | None = None) -> str:
        return f"<pre>{escape(code)}</pre>\n"

    def softbreak(self) -> str:
        return "<br>\n"

    def linebreak(self) -> str:
        return "<br>\n"

    def thematic_break(self) -> str:
        return "<p>\u2013</p>\n"


def _quoted(url: str) -> Markup:
    return escape(html.unescape(url))  # some versions of mistune hand it on escaped


@cache
def _parser() -> mistune.Markdown:
    return mistune.Markdown(renderer=_Renderer())


def markdown(text: str) -> Markup:
    """Return a comment as HTML: paragraphs, emphasis, lists, quotes, code and links; all else is text.

    Single ends of lines stay ends of lines, as whoever wrote the comment into a form saw them.
    """
    return Markup(str(_parser()(shorten(text, LONGEST))).strip())
