"""What is known of a model in the text of a notebook, and what single statements say about one."""

import ast
from dataclasses import dataclass, field
from enum import Enum


class Finding(Enum):
    """What can be found."""

    TRAIN = "train"
    OPTIMIZER = "optimizer"
    CONV = "conv"


MOST_EVENTS = 100  # that a function does to one parameter; functions of functions could make it many
Place = tuple[int, int]  # cell, line
Event = tuple[str, Place]


@dataclass(eq=False)
class Model:
    """What is known of a value: everything False for what may be no model at all.

    Attributes:
        thawed: whether it, or a part of it, was ever allowed to learn again.
        parameter: the name of the function's parameter that it came in by, or "".
        events: what was done to it, in order; noted for parameters only.
    """

    frozen: bool = False
    pretrained: bool = False
    optimized: Place | None = None
    replaced: Place | None = None
    trained: Place | None = None
    thawed: bool = False
    parameter: str = ""
    events: list[Event] = field(default_factory=list)

    def copy(self) -> "Model":
        """Return a model of its own in the same state; what was found stays with this one."""
        return Model(frozen=self.frozen, pretrained=self.pretrained)

    def undergo(self, event: str, place: Place) -> None:
        """Do one thing to the model, and keep where it was a mistake."""
        if self.parameter and len(self.events) < MOST_EVENTS:
            self.events.append((event, place))
        self.thawed = self.thawed or event.startswith("thaw")
        if event == "freeze":
            self.frozen = True
        elif event == "thaw":
            self.frozen, self.optimized = False, None
        elif event == "thaw part":
            self.optimized = None  # frozen parameters may be in the optimizer for later
        elif event == "load":
            self.pretrained, self.replaced = True, None
        elif event == "replace" and self.pretrained:
            self.replaced = self.replaced or place
        elif event == "train" and self.frozen:
            self.trained = self.trained or place
        elif event == "optimize" and self.frozen:
            self.optimized = self.optimized or place


@dataclass
class Function:
    """What a function does to its parameters, and what it returns."""

    parameters: list[str]
    done: dict[str, list[Event]]
    returned: Model | None


def requires_grad(node: ast.AST) -> list[str]:
    """Return what a statement sets `requires_grad` to: "on", "off", "some off" (those named), or "?"."""
    if isinstance(node, ast.If):
        negative = any(isinstance(part, (ast.Not, ast.NotIn, ast.NotEq)) for part in ast.walk(node.test))
        inner = [[value for child in branch for value in requires_grad(child)] for branch in (node.body, node.orelse)]
        named, others = inner if not negative else inner[::-1]
        return ["some off" if value == "off" else value for value in named] + others
    found = []
    for child in ast.walk(node):
        value: ast.expr | None = None
        if isinstance(child, ast.Assign) and any(ast.unparse(t).endswith(".requires_grad") for t in child.targets):
            value = child.value
        elif (
            isinstance(child, ast.Call)
            and isinstance(child.func, ast.Attribute)
            and child.func.attr == "requires_grad_"
        ):
            value = child.args[0] if child.args else ast.Constant(True)
        if isinstance(value, ast.Constant):
            found.append("on" if value.value else "off")
        elif (isinstance(value, ast.Call) and value.args) or (isinstance(value, ast.Compare) and _is_in(value)):
            found.append("off")  # by name: the backbone is off, the head is on
        elif value is not None:
            found.append("?")
    return found


def _is_in(node: ast.Compare) -> bool:
    return all(isinstance(operator, (ast.In, ast.Eq)) for operator in node.ops)


def is_new_conv(node: ast.expr | None) -> bool:
    """Say whether an expression makes a convolution, whose weights are random."""
    return isinstance(node, ast.Call) and ast.unparse(node.func).rsplit(".", 1)[-1] == "Conv2d"


def comes_with_weights(node: ast.Call) -> bool:
    """Say whether a call that makes a network also asks for pretrained weights."""
    values = {keyword.arg: keyword.value for keyword in node.keywords}
    for name in ("pretrained", "weights"):
        value = values.get(name)
        if value is not None:
            return not isinstance(value, ast.Constant) or bool(value.value)
    return bool(node.args) and "_Weights." in ast.unparse(node.args[0])
