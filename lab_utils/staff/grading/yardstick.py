"""What each question is graded against, as a fingerprint: where it changes, that question is graded again for everyone.

A function's is made of those lines of cases.py that its cases need; so a change of one case touches one question, and
the wording of titles and rubrics none. What every verdict is reached with, the kit's own code, is in all of them.
"""

import ast
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from lab_utils.staff.grading.assignment import Assignment, Question
from lab_utils.staff.grading.isolation import KIT

JUDGING = ("staff/grading", "checks", "data")
NOT_JUDGING = ("staff/authoring", "staff/collecting", "staff/course", "staff/feedback")
KNOWN = ("cases.py", "predictions.py", "__init__.py")  # of a homework's folder; other modules count for all questions


def yardsticks(private: Path, assignment: Assignment, labels: bytes) -> dict[str, str]:
    """Return question -> fingerprint.

    Args:
        private: the homework's folder.
        assignment: its questions.
        labels: the file of the labels of the hidden test set; b"" where there are no predictions.

    Raises:
        FileNotFoundError: if the kit's own code is not where it should be.
    """
    code = [*judging_code(), *(path for path in sorted(private.glob("*.py")) if path.name not in KNOWN)]
    common = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in code)).hexdigest()
    cases = needed_cases((private / "cases.py").read_text("utf-8"))
    scoring = private / "predictions.py"
    predictions = [hashlib.sha256(file).hexdigest() for file in (_content(scoring), labels)]

    def parts(question: Question) -> list[str]:
        if question.kind == "function":
            return [question.function, f"{question.points:g}", cases.get(question.function, "")]
        if question.kind == "predictions":
            return [*question.columns, f"{question.points:g}", *predictions]
        return []  # a person marks it; the answer is only taken out of the notebook

    texts = {q.name: "\0".join([common, q.name, q.kind, *parts(q)]) for q in assignment.questions}
    return {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in texts.items()}


def needed_cases(source: str) -> dict[str, str]:
    """Return function -> the code that its cases need, without comments and layout.

    Args:
        source: of cases.py, with a dict CASES. Where that is anything but a dict written out, each function needs all.
    """
    tree = ast.parse(source)
    bound: defaultdict[str, list[ast.stmt]] = defaultdict(list)
    always: list[ast.stmt] = []
    for node in tree.body:
        names = _bound(node)
        for name in names:
            bound[name].append(node)
        if not names and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            always.append(node)
    table = bound.pop("CASES", [])
    value = table[0].value if len(table) == 1 and isinstance(table[0], (ast.Assign, ast.AnnAssign)) else None
    if not isinstance(value, ast.Dict) or not all(isinstance(key, ast.Constant) for key in value.keys):
        everything = ast.unparse(tree)
        return defaultdict(lambda: everything)
    return {
        str(key.value): "\n".join(map(ast.unparse, [*_closure([entry, *always], bound), *always, entry]))
        for key, entry in zip(value.keys, value.values, strict=True)
        if isinstance(key, ast.Constant)
    }


def judging_code() -> list[Path]:
    """The modules of the kit that verdicts are reached with: all but those that only collect, show and write pages.

    Cases call networks, data, metrics and training; a list of the few that matter would be out of date soon.
    """
    package = KIT / "lab_utils"
    if missing := [name for name in JUDGING if not (package / name).is_dir()]:
        raise FileNotFoundError(
            f"Expected the grader's own code in {package}, found no folder {', '.join(missing)}: results could not be "
            "told from those of another grader. Restore the kit."
        )
    homeworks = [path.parent for path in package.glob("staff/*/questions.toml")]
    aside = [*(package / name for name in NOT_JUDGING), *homeworks]
    modules = sorted(path for path in package.rglob("*.py") if "__pycache__" not in path.parts)
    judging = [path for path in modules if path.parent != package / "staff"]  # nor the commands
    return [path for path in judging if not any(folder in path.parents for folder in aside)]


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _bound(node: ast.stmt) -> list[str]:
    """Return the names that a statement of a module binds and does no more than that; else none."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        flat = [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
        return [part.id for part in flat if isinstance(part, ast.Name)] if _all_names(flat) else []
    return []


def _all_names(parts: Iterable[ast.expr]) -> bool:
    return all(isinstance(part, ast.Name) for part in parts)


def _closure(start: Iterable[ast.AST], bound: Mapping[str, list[ast.stmt]]) -> list[ast.stmt]:
    """Return the statements that bind what `start` uses, and what those use, in the order of the module."""
    todo, found = list(start), dict[int, ast.stmt]()
    while todo:
        for node in ast.walk(todo.pop()):
            for statement in bound.get(node.id, []) if isinstance(node, ast.Name) else []:
                if statement.lineno not in found:
                    found[statement.lineno] = statement
                    todo.append(statement)
    return [found[line] for line in sorted(found)]
