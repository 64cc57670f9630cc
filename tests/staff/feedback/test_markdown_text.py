"""Comments: what a marker means is set, what a file of marks could smuggle in is text."""

import re

import pytest

from lab_utils.staff.feedback.markdown_text import markdown


def test_emphasis_lists_code_links_and_ends_of_lines_are_set():
    text = "Say *more*, **much** more,\nabout `x < y`.\n\n- a\n- b\n\n```\nif a < b:\n    pass\n```\n[page](https://e.org/?a=1&b=2)"
    assert markdown(text) == (
        "<p>Say <em>more</em>, <strong>much</strong> more,<br>\nabout <code>x &lt; y</code>.</p>\n"
        "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n<pre>if a &lt; b:\n    pass\n</pre>\n"
        '<p><a href="https://e.org/?a=1&amp;b=2" rel="noopener noreferrer">page</a></p>'
    )


TAGS = {"p", "b", "br", "em", "strong", "ul", "ol", "li", "code", "pre", "blockquote", "a"}


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script> <b onclick=x>y</b>",
        "<div\n\nonmouseover=x>\n\n</div>",
        "[a](javascript:alert(1)) [b](JaVaScRiPt:x) [c](data:text/html,x) [d](vbscript:x) [e](file:///etc/passwd)",
        "[x]: javascript:alert(2)\n\n[x] [y][x]",
        "![p](https://e.org/a.png) ![q](data:image/png;base64,x)",
        '[a](https://e.org/"onmouseover=alert(1)) [a](https://e.org "t\\"onclick=1")',
        '<https://e.org/"onclick=x> <javascript:x>',
        "# Title\n\nTitle\n=====\n\n---\n",
        '```html"onclick=x\n</pre><script>\n```',
        "&lt;script&gt; &#60;script&#62;",
        "\u202egnp \x00 \ud800",
    ],
)
def test_nothing_of_it_runs_or_is_fetched(text):
    found = str(markdown(text))
    tags = re.findall(r"<(/?)(\w+)([^>]*)>", found)
    assert {name for _, name, _ in tags} <= TAGS
    for _, name, attributes in tags:
        assert (
            re.fullmatch(
                r' href="(https?|mailto):[^"<>]*" rel="noopener noreferrer"' if name == "a" else "", attributes
            )
            or not attributes
        )
    assert found.count("<") == len(tags)


@pytest.mark.parametrize(
    "text", ["*" * 9000, "[" * 9000, "> " * 4500, "`" * 9001, "a](" * 3000, "- " * 4500, "_a" * 4500]
)
def test_a_text_made_to_be_hard_gives_a_page_of_ordinary_size(text):
    assert len(markdown(text)) < 10 * len(text)
