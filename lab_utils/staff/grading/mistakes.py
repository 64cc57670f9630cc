"""Known mistakes in the text of a notebook, each with an explanation and the student's own line. Nothing is run.

A remark that is wrong does more harm than one that is missing: wherever the text leaves a doubt, nothing is said.
"""

import ast
import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from lab_utils.checks.slices import clean
from lab_utils.staff.grading.mistakes_flow import follow
from lab_utils.staff.grading.mistakes_models import Finding
from lab_utils.staff.grading.result import Remark

LONGEST_CELL = 50_000  # characters; nobody writes such a cell by hand
MOST_STATEMENTS = 4_000  # likewise

NOT_NORMALISED = "The images are scaled to 0 to 1 but not normalised"
TRAINS_FROZEN = "`.train()` over a frozen backbone"
GIVEN_ALL = "The optimizer gets frozen parameters, too"
NEW_CONV = "A new first convolution after the weights were loaded"

_TEXTS = {
    NOT_NORMALISED: "The weights were trained on images from which a mean was subtracted and that were then divided by "
    "a standard deviation, for each channel. Without this step every value reaches the network at another place than "
    "in its training. Use the mean and the standard deviation that belong to the weights.",
    TRAINS_FROZEN: "`requires_grad = False` stops the parameters, not the running mean and variance of batch norm. "
    "After `.train()` every batch changes them, so the backbone does not stay as it was. Put its batch norm "
    "layers back into `.eval()` after each `.train()`.",
    GIVEN_ALL: "Most of these parameters are frozen. The optimizer carries them along, and it is hard to see what "
    "is trained. Give it only the parameters with `requires_grad`.",
    NEW_CONV: "The new layer starts from random weights: the first filters that came with the pretrained network are "
    "lost, and all layers above get something they never saw. Copy the old weights into the new layer, for one "
    "channel their sum over the three colours, or repeat the grey image three times.",
}

_NORMALISES = re.compile(
    r"normali[sz]|standardi[sz]|prepro|processor|create_transform|data_config|z_?score|whiten|stdev|(^|_)stds?(_|$)|sigma",
    re.I,
)
_BATCH_NORM = re.compile(r"batch_?norm|(^|_|\.)bn\d*(_|$|\.)|track_running", re.I)
_HAS_BATCH_NORM = re.compile(
    r"resnet|resnext|densenet|efficientnet|mobilenet|inception|googlenet|regnet|shufflenet|mnasnet|cbr", re.I
)
_HAS_NONE = re.compile(r"(^|_)(vgg\d|alexnet|vit_|swin|deit|convnext|squeezenet|maxvit)", re.I)
_PARTS = re.compile(r"backbone|features|encoder|base|body|extractor|trunk|stem|frozen|layer|stage|block", re.I)
_SHOWS = re.compile(r"show|plot|draw|print|save|grid|hist", re.I)
_IMAGENET = (0.485, 0.456, 0.406, 0.229, 0.224, 0.225)


class Cell(NamedTuple):
    """One code cell that is Python: its number from 1, its syntax tree, its lines."""

    number: int
    tree: ast.Module
    lines: list[str]


def find_mistakes(sources: list[str]) -> tuple[Remark, ...]:
    """Return the known mistakes in a notebook, at most one remark of each kind.

    Args:
        sources: the code cells, in order. Cells that are no Python are passed over.
    """
    try:
        cells = list(_parse(sources))
        if sum(isinstance(node, ast.stmt) for cell in cells for node in ast.walk(cell.tree)) > MOST_STATEMENTS:
            return ()
        findings = [*_not_normalised(cells), *_from_flow(cells)]
    except (RecursionError, MemoryError):
        return ()  # made to be deep, not to be read
    lines = {cell.number: cell.lines for cell in cells}
    first: dict[str, Remark] = {}
    for title, number, line in findings:
        text = lines[number][line - 1].strip()[:300]
        first.setdefault(title, Remark(title, _TEXTS[title], f"line {line} of cell {number}: {text}"))
    return tuple(first.values())


def _parse(sources: list[str]) -> Iterator[Cell]:
    for number, source in enumerate(sources, start=1):
        if len(source) > LONGEST_CELL:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of invalid escapes in the student's texts
                text = clean(source)
                tree = ast.parse(text)
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):  # docstrings say what code does elsewhere
            body = getattr(node, "body", None)
            if isinstance(body, list):
                body[:] = [child for child in body if not _is_text(child)] or [ast.Pass(lineno=1, col_offset=0)]
        yield Cell(number, tree, text.split("\n"))


def _not_normalised(cells: list[Cell]) -> list[tuple[str, int, int]]:
    """Find a division by 255 in a function that leaves its `mean` and `std` alone, or in a notebook without any."""
    found = [(cell.number, node) for cell in cells for node in _without_statistics(cell.tree)]
    words = [word for cell in cells for word in _words(cell.tree)]
    nodes = [(cell.number, node) for cell in cells for node in ast.walk(cell.tree)]
    pretrained = any(re.search(r"^pretrained$|^weights$|_weights(\.|$)|imagenet", word, re.I) for word in words)
    numbers = {node.value for _, node in nodes if isinstance(node, ast.Constant)}
    normalised = any(map(_NORMALISES.search, words)) or numbers & set(_IMAGENET) or any(_shifts(n) for _, n in nodes)
    if pretrained and not normalised:
        calls = [node for _, node in nodes if isinstance(node, ast.Call) and _SHOWS.search(ast.unparse(node.func))]
        shown = {id(part) for call in calls for part in ast.walk(call)}
        found += [(number, node) for number, node in nodes if _scales(node) and id(node) not in shown]
    return [(NOT_NORMALISED, number, node.lineno) for number, node in found if isinstance(node, (ast.expr, ast.stmt))]


def _without_statistics(tree: ast.Module) -> list[ast.AST]:
    """Return the divisions by 255 in functions that are given a mean and a std and use neither."""
    found: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            given = {argument.arg for argument in node.args.args}
            used = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
            if {"mean", "std"} <= given and not used & {"mean", "std", "locals"}:
                found += [child for child in ast.walk(node) if _scales(child)]
    return found


def _scales(node: ast.AST) -> bool:
    """Whether the node divides by 255, itself or as torchvision's ToTensor."""
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.Div):
        return _is_255(node.right if isinstance(node, ast.BinOp) else node.value)
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func).rsplit(".", 1)[-1]
        return name in ("ToTensor", "to_tensor") or (name in ("div", "div_", "divide") and any(map(_is_255, node.args)))
    return False


def _shifts(node: ast.AST) -> bool:
    """Whether the node subtracts something on the way, as any normalisation does, or is `weights.transforms()`."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr == "transforms"
    if isinstance(node, ast.AugAssign):
        return isinstance(node.op, ast.Sub) and not isinstance(node.value, ast.Constant)
    if not isinstance(node, ast.BinOp):
        return False
    if isinstance(node.op, (ast.Div, ast.Mult)):
        return isinstance(node.left, ast.BinOp) and isinstance(node.left.op, ast.Sub)
    return isinstance(node.op, ast.Sub) and any(map(_scales, ast.walk(node.left)))


def _from_flow(cells: list[Cell]) -> list[tuple[str, int, int]]:
    """Find what happens to frozen and to pretrained models, where nothing in the notebook speaks against it."""
    found = follow([(cell.number, cell.tree) for cell in cells])
    words = [word for cell in cells for word in _words(cell.tree)]
    knows = any(map(_BATCH_NORM.search, words)) or any(_puts_back(node) for c in cells for node in ast.walk(c.tree))
    norm = any(map(_HAS_BATCH_NORM.search, words)) and not any(map(_HAS_NONE.search, words))
    copies = any(_copies_weights(node) for cell in cells for node in ast.walk(cell.tree))
    titles = {
        Finding.TRAIN: TRAINS_FROZEN if norm and not knows else "",
        Finding.OPTIMIZER: GIVEN_ALL,
        Finding.CONV: "" if copies else NEW_CONV,
    }
    return [(titles[kind], number, line) for kind, number, line in found if titles[kind]]


def _puts_back(node: ast.AST) -> bool:
    """Whether the node keeps a part of a network: `model.features.eval()`, momentum 0, a class with its own `train`."""
    if isinstance(node, ast.ClassDef):
        return any(isinstance(child, ast.FunctionDef) and child.name in ("train", "eval") for child in node.body)
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Attribute) and target.attr == "momentum" for target in node.targets)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("eval", "train"):
        whole = isinstance(node.func.value, ast.Name) and not _PARTS.search(node.func.value.id)
        off = node.func.attr == "eval" or any(isinstance(a, ast.Constant) and a.value is False for a in node.args)
        return off and not whole and not isinstance(node.func.value, ast.Call)
    return False


def _copies_weights(node: ast.AST) -> bool:
    """Whether the node writes weights into a layer."""
    if isinstance(node, ast.Call):
        return ast.unparse(node.func).rsplit(".", 1)[-1] in ("copy_", "Parameter", "set_conv1", "set_")
    if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(re.search(r"weight(\.data)?(\[.*\])?$", ast.unparse(target)) for target in targets)
    return False


def _words(tree: ast.AST) -> Iterator[str]:
    """Return names, attributes, keywords and short texts that the code uses; not those that it only defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.keyword) and node.arg and not _is_none(node.value):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield node.name
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 80:
            yield node.value


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and not node.value


def _is_255(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 255 and not isinstance(node.value, bool)
