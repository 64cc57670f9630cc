"""Judge a student's function: correct, incorrect with a hint, or not attempted.

A check never raises and never stops a notebook. If the student's function did not pass, the lab goes on
with the kit's own version and says so.
"""

import ast
import contextlib
import html
import inspect
import sys
import textwrap
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from lab_utils.checks.notes import code_in_html, publish
from lab_utils.checks.sandbox import OutOfTime, same_random_numbers, time_limit, with_copies
from lab_utils.checks.wrong import Wrong

__all__ = ["Case", "Outcome", "Wrong", "examine", "show"]

Function = Callable[..., Any]
Case = Callable[[Function], None]
Status = Literal["correct", "incorrect", "not attempted"]

SECONDS_PER_CASE = 20.0
_COLOURS = {"correct": "#029e73", "incorrect": "#d55e00", "not attempted": "#56606b"}
_SIGNS = {"correct": "\u2714", "incorrect": "\u2718", "not attempted": "\u2026"}
_TERMINAL = {"correct": "\033[32m", "incorrect": "\033[31m", "not attempted": "\033[33m"}


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Attributes:
        name: of the function.
        status: one of three.
        hint: what to look at.
        line: where the student's own code failed.
        note: takes the place of the notice.
        offer: what can be asked for next.
    """

    name: str
    status: Status
    hint: str = ""
    line: str = ""
    note: str | None = None
    offer: str = ""

    @property
    def notice(self) -> str:
        """Say which version the lab goes on with."""
        if self.note is not None:
            return self.note
        if self.status == "correct":
            return "The lab goes on with your function."
        return f"THE LAB GOES ON WITH THE KIT'S OWN `{self.name}`, not with yours."

    def __str__(self) -> str:
        parts = [f"{_SIGNS[self.status]} {self.name}: {self.status}", self.hint, self.line, self.offer, self.notice]
        lines = [line for part in parts if part for line in _wrap(part)]
        width = max(map(len, lines))
        rule = "+" + "-" * (width + 2) + "+"
        return "\n".join([rule, *(f"| {line:<{width}} |" for line in lines), rule])

    def _repr_html_(self) -> str:
        colour = _COLOURS[self.status]
        body = f"<b style='color:{colour}'>{_SIGNS[self.status]} {html.escape(self.name)}: {self.status}</b>"
        if self.hint:
            body += f"<br>{code_in_html(self.hint)}"
        if self.line:
            body += f"<pre style='margin:.4em 0'>{html.escape(self.line)}</pre>"
        if self.offer:
            body += f"<div>{code_in_html(self.offer)}</div>"
        weight = "normal" if self.status == "correct" else "bold"
        body += f"<div style='font-weight:{weight}'>{code_in_html(self.notice)}</div>"
        return f"<div style='border-left:6px solid {colour};padding:.5em 1em;margin:.3em 0'>{body}</div>"


def report(name: str, student: object, cases: Sequence[Case]) -> None:
    """Run the cases of a homework on the student's function and print the outcome; the kit has no version of it."""
    outcome = examine(name, student, None, cases)
    show(replace(outcome, note="The grader tries other inputs." if outcome.status == "correct" else ""))


def examine(
    name: str,
    student: object,
    kit: Function | None,
    cases: Sequence[Case],
    *,
    seconds: float = SECONDS_PER_CASE,
) -> Outcome:
    """Run the cases on the student's function and return the outcome.

    Args:
        name: the name the student's function has in the lab.
        student: what the student wrote; anything may arrive here.
        kit: the kit's own version, which passes every case; None in a homework.
        cases: each takes a function, calls it, and raises `Wrong(hint)` if the answer is wrong. Arrays,
            tensors and splits reach the student's function as copies; models, parameters and
            generators reach it as they are, because it may be its task to change them.
        seconds: time limit of one case, where the platform has one (main thread, POSIX).
    """
    if student is kit and kit is not None:
        hint = f"This is the kit's own version. Run the cell with your `{name}` again, then this check."
        return Outcome(name, "not attempted", hint)
    if student is None or student is ... or _is_stub(student):
        return Outcome(name, "not attempted", f"Write `{name}` above, run its cell, then this check.")
    if not callable(student):
        hint = f"`{name}` should be a function, but it is a {type(student).__name__}."
        return Outcome(name, "incorrect", hint)
    for case in cases:
        outcome = _run_case(name, student, kit, case, seconds)
        if outcome is not None:
            return outcome
    return Outcome(name, "correct")


def show(outcome: Outcome) -> None:
    """Show the outcome as a box: HTML in a notebook, plain text elsewhere."""
    if publish(str(outcome), outcome._repr_html_()):
        return
    if sys.stdout.isatty():
        print(f"{_TERMINAL[outcome.status]}{outcome}\033[0m")
    else:
        print(outcome)


def _run_case(name: str, student: Function, kit: Function | None, case: Case, seconds: float) -> Outcome | None:
    """Return None if the case passes, else the outcome."""
    returned: list[object] = []
    try:
        with same_random_numbers(), time_limit(seconds):
            case(with_copies(student, returned))
        return None
    except OutOfTime:
        line = _students_line(sys.exc_info()[1], student)
        return Outcome(name, "incorrect", f"`{name}` did not finish within {seconds:g} s.", line)
    except NotImplementedError as error:
        if _raised_by(error, student):
            return Outcome(name, "not attempted", f"Replace the `raise` in `{name}` by your code.")
        return _crashed(name, student, error)
    except Wrong as wrong:
        return _unfinished(name, kit, case, returned) or Outcome(name, "incorrect", wrong.hint)
    except (Exception, SystemExit) as error:
        if _students_line(error, student):
            return _crashed(name, student, error)
        unfinished = _unfinished(name, kit, case, returned)
        return unfinished or Outcome(name, "incorrect", _unusable(name, returned, error))


def _crashed(name: str, student: Function, error: BaseException) -> Outcome:
    hint = f"`{name}` stopped with {type(error).__name__}: {str(error) or 'no message'}"
    return Outcome(name, "incorrect", _shorten(hint), _students_line(error, student))


def _unusable(name: str, returned: list[object], error: BaseException) -> str:
    if not returned:
        return _shorten(f"`{name}` cannot be called: {error}. Keep its arguments as the text has them.")
    kind = type(returned[-1]).__name__
    return _shorten(
        f"`{name}` returned a {kind} that the check cannot use ({type(error).__name__}: {error}). "
        "Look at the type and shape that the text asks for."
    )


def _unfinished(name: str, kit: Function | None, case: Case, returned: list[object]) -> Outcome | None:
    """Tell a forgotten ``return`` (and ``return ...``) from a wrong value: the kit returns one, they do not."""
    if not returned or not (returned[-1] is None or returned[-1] is ...):
        return None
    if returned[-1] is ...:
        return Outcome(name, "not attempted", f"Replace the `...` in `{name}` by your code.")
    if kit is None:
        return None  # the case itself says so, where a function has to return something
    expected: list[object] = []
    with contextlib.suppress(Exception), same_random_numbers():
        case(with_copies(kit, expected))
    if expected and expected[-1] is not None:
        return Outcome(name, "incorrect", f"`{name}` returned None. Does it end with a `return` of its result?")
    return None


def _is_stub(student: object) -> bool:
    """Say whether the function has no code yet: only a docstring, ``pass``, ``...`` or ``return None``."""
    try:
        source = textwrap.dedent(inspect.getsource(inspect.unwrap(student)))  # type: ignore[arg-type]
        (function,) = ast.parse(source).body
    except (TypeError, ValueError, OSError, SyntaxError):
        return False  # no source to look at, or not a lone function: let the cases decide
    if not isinstance(function, ast.FunctionDef):
        return False
    return all(
        isinstance(statement, ast.Pass)
        or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        or (isinstance(statement, ast.Return) and _is_empty(statement.value))
        for statement in function.body
    )


def _is_empty(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value in (None, ...))


def _own_frames(error: BaseException | None, student: Function) -> list[traceback.FrameSummary | None]:
    """Return the frames from the student's function inwards; None stands for a frame in another file."""
    code = getattr(inspect.unwrap(student), "__code__", None)
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)] if error is not None else []
    first = next((i for i, frame in enumerate(frames) if code is not None and frame.f_code is code), None)
    if error is None or code is None or first is None:
        return []
    inwards = traceback.extract_tb(error.__traceback__)[first:]
    return [frame if frame.filename == code.co_filename else None for frame in inwards]


def _raised_by(error: BaseException, student: Function) -> bool:
    """Say whether the error was raised in the student's own code, not in a library that it called."""
    frames = _own_frames(error, student)
    return bool(frames) and frames[-1] is not None


def _students_line(error: BaseException | None, student: Function) -> str:
    """Return the last line of the student's own code on the way to the error, or ''."""
    own = [frame for frame in _own_frames(error, student) if frame is not None]
    return f"line {own[-1].lineno} of your cell: {own[-1].line}" if own else ""


def _shorten(text: str) -> str:
    return textwrap.shorten(text, 400, placeholder=" ...")


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, 96, subsequent_indent="  ") or [""]
