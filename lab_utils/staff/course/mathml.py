"""Formulas as MathML, which every browser draws by itself: no script, no network. An extension of Sphinx."""

from typing import Any


def setup(app: Any) -> dict[str, bool]:
    """Tell Sphinx that there is a way to write formulas, by the name of mathml."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(translator: Any, node: Any) -> None:
    _write(translator, node, "inline")


def _display(translator: Any, node: Any) -> None:
    _write(translator, node, "block")


def _write(translator: Any, node: Any, display: str) -> None:
    from docutils.nodes import SkipNode
    from latex2mathml.converter import convert

    translator.body.append(convert(node.astext(), display=display))
    raise SkipNode
