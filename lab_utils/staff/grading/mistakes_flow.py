"""Follow models through the text of a notebook: which are frozen, which came with weights, and what happens to them.

Statements are taken in order. What a function does to its arguments is noted once and done again at each call. What
happens under an `if` is not sure, so it changes nothing outside of it.
"""

import ast
import re
from collections.abc import Iterable, Sequence

from lab_utils.staff.grading.mistakes_models import (
    Finding,
    Function,
    Model,
    Place,
    comes_with_weights,
    is_new_conv,
    requires_grad,
)

OPTIMIZERS = frozenset(
    ("SGD", "Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "Adagrad", "Adadelta", "Adamax", "ASGD", "LBFGS")
)
BACKBONES = frozenset(("features", "backbone", "encoder", "base", "base_model", "body", "trunk"))
SAME = frozenset(("to", "cuda", "cpu", "float", "train", "eval", "requires_grad_", "DataParallel", "compile"))
_FIRST_CONV = re.compile(r"\.(conv1|conv0|conv_stem|conv_proj|features\[0\](\[0\])?|Conv2d_1a_3x3(\.conv)?)$")
_PHASE = re.compile(r"phase|train", re.I)
_CHOICE = re.compile(r"fine|tun|freez|froz|fix|pre_?train|head|grad|\bnot\b|!=", re.I)
_MAY_THAW = re.compile(r"thaw|unfreeze|trainable|fine_?tun", re.I)


def follow(cells: Sequence[tuple[int, ast.Module]]) -> list[tuple[Finding, int, int]]:
    """Return what was found, as (what, cell, line).

    Args:
        cells: number and syntax tree of each, in order.
    """
    functions: dict[str, Function] = {}
    for _ in range(2):  # the second time every function that another one calls is known
        for number, tree in cells:
            for node in tree.body:
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    scope = _Scope(number, functions)
                    functions[node.name] = (
                        scope.function(node) if isinstance(node, ast.FunctionDef) else scope.cls(node)
                    )
    models: list[Model] = []
    for number, tree in cells:  # within functions
        for inner in ast.walk(tree):
            if isinstance(inner, ast.FunctionDef):
                scope = _Scope(number, functions)
                scope.function(inner)
                models += scope.models
    notebook = _Scope(0, functions)
    for number, tree in cells:
        notebook.cell = number
        notebook.run(tree.body)
    models += notebook.models
    kinds = (
        (Finding.TRAIN, [model.trained for model in models]),
        (Finding.OPTIMIZER, [model.optimized for model in models]),
        (Finding.CONV, [model.replaced for model in models]),
    )
    return [(kind, *place) for kind, places in kinds for place in sorted({place for place in places if place})]


class _Scope:
    """The names of the notebook, or of one function while it is looked at."""

    def __init__(self, cell: int, functions: dict[str, Function]) -> None:
        self.cell = cell
        self.functions = functions
        self.names: dict[str, Model] = {}
        self.models: list[Model] = []
        self.returned: list[Model | None] = []

    def function(self, node: ast.FunctionDef) -> Function:
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        parameters = {argument.arg: Model(parameter=argument.arg) for argument in arguments}
        self.names.update(parameters)
        self.run(node.body)
        # One `return` that is sure is taken at its word; of several, only what they agree on.
        agreed = self.returned[0] if len(set(map(id, self.returned))) == 1 else None
        return Function(list(parameters), {name: model.events for name, model in parameters.items()}, agreed)

    def cls(self, node: ast.ClassDef) -> Function:
        """Return a class as the function that makes its objects: frozen if a part of the object is."""
        whole = Model()
        for child in node.body:
            if isinstance(child, ast.FunctionDef) and child.name == "__init__":
                self.function(child)
                own = [model for name, model in self.names.items() if name == "self" or name.startswith("self.")]
                whole.frozen = any(model.frozen for model in own)
        return Function([], {}, whole)

    def run(self, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            self.step(statement)

    def step(self, node: ast.stmt) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            return
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            self.assign(node)
        elif isinstance(node, ast.Return):
            self.returned.append(self.value(node.value))
        elif isinstance(node, ast.For):
            self.value(node.iter)
            if not self.loop(node):
                self.run(node.body)
        elif isinstance(node, (ast.With, ast.While)):
            self.run(node.body)
        elif isinstance(node, ast.Try):
            self.run(node.body)
            for handler in node.handlers:
                self.perhaps(handler.body)
            self.run(node.finalbody)
        elif isinstance(node, ast.If):
            phase = ast.unparse(node.test)  # `if phase == "train":` comes true in every run
            (self.run if _PHASE.search(phase) and not _CHOICE.search(phase) else self.perhaps)(node.body)
            self.perhaps(node.orelse)
        elif isinstance(node, ast.Expr):
            self.value(node.value)

    def perhaps(self, statements: list[ast.stmt]) -> None:
        """Run a branch that may not run: what it assigns or does to a model is unknown afterwards."""
        branch = _Scope(self.cell, self.functions)
        branch.names = {name: model.copy() for name, model in self.names.items()}
        branch.run(statements)
        self.returned += [None] * len(branch.returned)
        for name, model in list(self.names.items()):
            after = branch.names.get(name)
            if after is not None and after.thawed and statements:
                model.undergo("thaw part", (self.cell, statements[0].lineno))
            if after is None or (after.frozen, after.pretrained) != (model.frozen, model.pretrained):
                self.names[name] = Model()

    def assign(self, node: ast.Assign | ast.AnnAssign) -> None:
        value = self.value(node.value)
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Attribute) and target.attr == "requires_grad":
                continue  # of one parameter, outside of a loop over all
            name = ast.unparse(target)
            owner = self.names.get(name.split(".")[0].split("[")[0])
            if owner is not None and _FIRST_CONV.search(name) and is_new_conv(node.value):
                owner.undergo("replace", (self.cell, node.lineno))
            if isinstance(target, ast.Name):
                for known in [known for known in self.names if known == name or known.startswith(name + ".")]:
                    del self.names[known]
            for part in target.elts if isinstance(target, ast.Tuple) else ():
                self.names.pop(ast.unparse(part), None)
            if value is not None and isinstance(target, (ast.Name, ast.Attribute)):
                self.names[name] = value

    def loop(self, node: ast.For) -> bool:
        """Take a loop over parameters that freezes or thaws them; return whether it was one."""
        iterated = node.iter
        if not (isinstance(iterated, ast.Call) and isinstance(iterated.func, ast.Attribute)):
            return False
        if iterated.func.attr not in ("parameters", "named_parameters"):
            return False
        model, part = self.owner(iterated.func.value)
        settings = [value for child in node.body for value in requires_grad(child)]
        if model is None or not settings:
            return False
        names = {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
        asked = {
            n.id for i in ast.walk(node) if isinstance(i, ast.If) for n in ast.walk(i.test) if isinstance(n, ast.Name)
        }
        if asked and not asked & names:
            return True  # a switch decides: not sure
        place = (self.cell, node.lineno)
        if any(value == "off" for value in settings):
            if not part or part in BACKBONES:
                model.undergo("freeze", place)
        elif "some off" in settings:
            return True  # a part, and which one only running would show
        elif all(value == "on" for value in settings):
            model.undergo("thaw part" if part or asked else "thaw", place)
        else:
            model.undergo("thaw", place)  # a value that only running would show
        return True

    def owner(self, node: ast.expr) -> tuple[Model | None, str]:
        """Return the model that an expression belongs to, and the part of it: `model.features` is (model, features)."""
        name = ast.unparse(node)
        if name in self.names:
            return self.names[name], ""
        root, _, part = name.partition(".")
        return self.names.get(root), part

    def value(self, node: ast.expr | None) -> Model | None:
        """Return what is known of a value; calls in it take effect."""
        if isinstance(node, (ast.Name, ast.Attribute)):
            return self.names.get(ast.unparse(node))
        if isinstance(node, ast.Call):
            return self.call(node)
        own_names = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
        if node is not None and not isinstance(node, own_names):
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    self.value(child)
        return None

    def call(self, node: ast.Call) -> Model | None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        place = (self.cell, node.lineno)
        arguments = [self.value(argument) for argument in node.args]
        keywords = {keyword.arg: self.value(keyword.value) for keyword in node.keywords if keyword.arg}
        if isinstance(node.func, ast.Attribute):
            inner = self.value(node.func.value)
            model, part = self.owner(node.func.value)
            if isinstance(node.func.value, ast.Call):
                model, part = inner, ""
            if model is not None:
                self.method(model, part, name, node, place)
                if name in SAME and not part:
                    return model
        if name in OPTIMIZERS:
            given = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "params"), None)
            self.optimize(given, place)
        if name in self.functions and isinstance(node.func, ast.Name):
            return self.apply(self.functions[name], arguments, keywords)
        if _MAY_THAW.search(name):
            for model in (*arguments, *keywords.values()):
                if model is not None:
                    model.undergo("thaw", place)
        if name in SAME and arguments:
            return arguments[0]
        made = arguments[0].copy() if name == "deepcopy" and arguments and arguments[0] else Model()
        made.pretrained = made.pretrained or comes_with_weights(node)
        self.models.append(made)
        return made

    def method(self, model: Model, part: str, name: str, node: ast.Call, place: Place) -> None:
        value = next((ast.unparse(argument) for argument in (*node.args, *(k.value for k in node.keywords))), "")
        if name == "train" and not part and value in ("", "True"):
            model.undergo("train", place)
        elif name == "load_state_dict" and not part:
            model.undergo("load", place)
        elif name == "requires_grad_":
            if value == "False" and (not part or part in BACKBONES):
                model.undergo("freeze", place)
            elif value != "False":
                model.undergo("thaw part" if part else "thaw", place)
        elif _MAY_THAW.search(name):
            model.undergo("thaw", place)

    def optimize(self, given: ast.expr | None, place: Place) -> None:
        """Take an optimizer that is given all parameters of a model."""
        if isinstance(given, ast.Call) and ast.unparse(given.func) == "list" and given.args:
            given = given.args[0]
        if isinstance(given, ast.Call) and isinstance(given.func, ast.Attribute) and given.func.attr == "parameters":
            model = self.names.get(ast.unparse(given.func.value))
            if model is not None:
                model.undergo("optimize", place)

    def apply(
        self, function: Function, arguments: list[Model | None], keywords: dict[str, Model | None]
    ) -> Model | None:
        """Do what a function does to its arguments; return what it returns."""
        given = dict(zip(function.parameters, arguments, strict=False)) | keywords
        for name, model in given.items():
            for event, place in list(function.done.get(name, ())) if model is not None else ():
                model.undergo(event, place)  # type: ignore[union-attr]
        if function.returned is None:
            return None
        if function.returned.parameter:
            return given.get(function.returned.parameter)
        made = function.returned.copy()
        self.models.append(made)
        return made
