"""The worst class: names, texts, numbers and states that a page must bear, all in one folder, the same every time."""

import base64
import io
import json
from pathlib import Path

from PIL import Image, ImageDraw

from lab_utils.staff.grading import result as status
from lab_utils.staff.grading.assignment import Assignment, homework_folder, read_assignment
from lab_utils.staff.grading.result import CaseResult, QuestionResult, Result, question_result, write_result
from lab_utils.staff.grading.written import NAME, Mark, update_written, write_written

LONG = "a_name_of_a_function_that_somebody_chose_to_make_as_long_as_it_can_be_without_any_place_to_break_it"
NAMES = (
    "Ada Lovelace",
    "محمد عبد الرحمن بن خالد الفارسي أبو القاسم الأنصاري",
    "👩🏽‍🔬🧑‍🚀 Robin 🏳️‍🌈 O'Connor-Łukaszewicz 👨‍👩‍👧‍👦",
    '<script>alert(1)</script><b>Bobby</b> "Tables" & Sons',
    "Wolfeschlegelsteinhausenbergerdorff" * 6,
    "Hubert Blaine " + "Adolph Bernhard Cuthbert Dominik Eduard Friedrich Gotthilf " * 5,
    "王小明 一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十",
    "Z̸̡̢̛͓̼̗̗̟̺͇̈́̓̓͗͂͛͘͝a̵̧̛̩̦͎̱̹̾̐̍͑͝l̷̢̧̛̘̫͎̭̿̌͂g̶̡̛̫̱̯̏̂͋͛͑o̴̢̢̨͎̽́̑̋ ‮gnp.exe",
    "",
    "=cmd|' /C calc'!A0",
    "Ἀριστοτέλης Σταγειρίτης",
    "नरेन्द्र कुमार शर्मा",
)
WIDE_TABLE = (
    "| "
    + " | ".join(f"column {i}" for i in range(30))
    + " |\n|"
    + "---|" * 30
    + "\n| "
    + " | ".join("0.123456789" for _ in range(30))
    + " |"
)
COMMENT = f"""# A heading of the marker's

Good, *but* see `prepare({LONG}={LONG})` and <script>alert(1)</script> <img src=x onerror=alert(2)>.

* one
  * two
    1. three, with a [link](https://example.org/{"a/" * 60}) and [another](javascript:alert(3))

> quoted
> > twice

```
{"x = 1; " * 60}
```

{WIDE_TABLE}

![picture](https://example.org/a.png) {"W" * 400} $\\frac{{1}}{{2}}$

---
مرحبا، هذا تعليق من اليمين إلى اليسار (abc) 123.
"""
ANSWER = f"""**Answer W1**

<script>alert(1)</script><style>* {{display: none}}</style><h1>BIG</h1>
{WIDE_TABLE}

![own](attachment:image.png) ![big](figures/wide.png) ![gone](gone.png) ![web](https://example.org/x.png)
<img src="figures/tall.png" width=9000> ![bad](figures/bad.png)

{"W" * 500}

مرحبا، كتبت هذا الجواب من اليمين إلى اليسار. أنا محمد.
I am Ada Lovelace (s000, s000@example.org). ‮desrever
"""
QUESTIONS = f"""
name = "homework9"
title = "Homework 9: {"a title that goes on and on " * 4}and an_identifier_{"x" * 60}"
[[question]]
name = "A1"
title = "Short"
points = 4
kind = "function"
function = "{LONG}"
[[question]]
name = "A2"
title = "A title of a question that is as long as a sentence with a subordinate clause which explains too much of it"
points = 6.25
kind = "function"
function = "scale"
[[question]]
name = "B1"
title = "Predictions"
points = 8
kind = "predictions"
columns = ["model_1_fine_tuned", "{"model_2_" + "x" * 50}"]
[[question]]
name = "B2"
title = "Extra"
points = 3
kind = "function"
function = "extra"
extra = true
[[question]]
name = "W1"
title = "In words"
points = 10
kind = "written"
rubric = ["4: {"names what differs, " * 25}", "3: <b>tags</b> & `code`", "3: {"W" * 120}"]
[[question]]
name = "W2"
title = "More words, for extra credit"
points = 2
kind = "written"
extra = true
rubric = ["2: says why"]
"""
STATES = (
    "graded",
    "graded",
    "graded",
    "graded",
    "no commit",
    "unreachable",
    "invalid",
    "undecided",
    "ungraded",
    "stale",
)


def picture(width: int, height: int, text: str = "picture") -> bytes:
    """Return a PNG."""
    made = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(made)
    draw.rectangle((0, 0, width - 1, height - 1), outline="black", width=5)
    draw.line((0, 0, width, height), fill="red", width=5)
    draw.text((20, 20), text, fill="black")
    buffer = io.BytesIO()
    made.save(buffer, "PNG")
    return buffer.getvalue()


def make_worst_class(root: Path, students: int = 200, *, marked: bool = True) -> tuple[Path, Assignment]:
    """Write a course with homework9, and what `collect`, `grade` and a marker would leave for so many students.

    Returns:
        The folder of the homework, and its questions.
    """
    private = homework_folder(root, "homework9")
    private.mkdir(parents=True, exist_ok=True)
    (private / "questions.toml").write_text(QUESTIONS, "utf-8")
    (root / "labs").mkdir(exist_ok=True)
    cells = [{"cell_type": "code", "metadata": {}, "source": "import numpy as np", "outputs": []}]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (root / "labs/homework9.ipynb").write_text(json.dumps(notebook), "utf-8")
    assignment = read_assignment(private)
    folder = root / "grading/homework9"
    entries = [_entry(number) for number in range(students)]
    results = {}
    for number, entry in enumerate(entries):
        found = _result(entry, assignment, number)
        if found is not None:
            write_result(folder / "results" / f"{entry['student']}.json", found)
            results[entry["student"]] = found
        for other in entry["others"]:
            if (late := _result(entry | other, assignment, number)) is not None:
                write_result(folder / "results/late" / f"{entry['student']}.{other['sha'][:12]}.json", late)
        if entry["folder"] and number < 30:
            _hand_in(folder / entry["folder"], number)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "collected.json").write_text(json.dumps({"homework": "homework9", "students": entries}), "utf-8")
    names = [entry["student"] for entry in entries]
    rows = update_written(folder, assignment, names, results)
    if marked:
        given = [m if i % 3 else Mark(m.student, m.question, m.answer, 1.255, COMMENT) for i, m in enumerate(rows)]
        given += [Mark(names[0], "A2", "", 6, "By hand: " + COMMENT)] if names else []
        write_written(folder / NAME, assignment, given)
    return folder, assignment


def _entry(number):
    student = (
        f"s{number:03d}"
        if number % 25
        else f"{number:03d}{('-an-identifier' if number % 50 else 'anidentifier') * 8}"[:90]
    )
    state = STATES[number % len(STATES)]
    here = state not in ("no commit", "unreachable")
    late = (0, 0, 0, 1830, 93_600, 40 * 86_400)[number % 6] if here else 0
    entry = {
        "student": student,
        "name": NAMES[number % len(NAMES)],
        "email": f"{student}@example.org",
        "url": f"https://example.org/{'group/' * 12}{student}/homework9.git",
        "sha": f"{(number + 1) * 0x9E3779B97F4A7C15:040x}" if here else "",
        "status": "collected" if here else state,
        "evidence": ("seen", "pushed", "bounded", "claimed")[number % 4] if here else "",
        "submitted": f"2026-11-06T1{number % 10}:20:41Z" if here else "",
        "late_seconds": late,
        "penalty": {0: 0.0, 1830: 0.1, 93_600: 0.2, 40 * 86_400: 1.0}[late],
        "by_hand": number % 7 == 3,
        "reason": "A reason of the roster: " + "ill, with a certificate; " * 15 if number % 7 == 3 else "",
        "due": "2026-11-06T23:59:00+08:00",
        "open": number % 50 == 12,
        "flags": [],
        "left_out": [],
        "folder": f"submissions/{student}" if here else "",
        "others": [],
        "members": [],
    }
    if number % 9 == 1:
        entry["flags"] = [
            "Commit 4be81f2 is dated 2026-11-06T12:29:00Z, and the fetch of 2026-11-06T12:41:00Z did not find it: it "
            "counts as of then.",
            f"Author and committer dates of commit {'4be81f2' * 8} are 9 days apart.",
            *(f"Files left out: {'folder/' * 20}file_{i}.bin is larger than 50 MiB." for i in range(6)),
        ]
        entry["left_out"] = [
            f"labs/{'very_long_folder_name/' * 8}Homework9 (copy).ipynb of 65 MB was not taken: it is larger than 50 "
            "MB. Clear its outputs, save it, and push again.",
            "labs/homework9_predictions.csv is a Git LFS pointer: the file itself was never pushed. Run `git lfs "
            "push --all origin`.",
        ]
    if here and number % 11 == 3:
        entry["others"] = [
            {
                "sha": f"{number + 1000 + i:040x}",
                "evidence": "seen",
                "submitted": f"2026-11-0{7 + i}T10:20:41Z",
                "late_seconds": 40_000.0 * (i + 1),
                "penalty": 0.1 * (i + 1),
                "folder": f"late/{student}/{number + 1000 + i:012x}",
            }
            for i in range(2)
        ]
    if number % 13 == 2:
        entry["members"] = [
            {"student": f"m{number:03d}{i}", "name": NAMES[(number + i) % len(NAMES)], "email": "m@example.org"}
            for i in range(5)
        ]
    return entry


def _result(entry, assignment, number):
    state = STATES[number % len(STATES)]
    if state in ("unreachable", "ungraded", "no commit"):
        return None
    if state == "invalid":
        message = f"labs/{'deep/' * 30}homework9.ipynb cannot be read as a notebook: Expecting value: line 1 column 1."
        questions = tuple(
            QuestionResult(q.name, 0.0, q.points, status.INVALID, hint=message) for q in assignment.questions
        )
        return Result(entry["student"], entry["sha"], "", status.INVALID, questions, message=message)
    questions, metrics, answers = [], {}, {}
    for place, question in enumerate(assignment.questions):
        if question.kind == "written":
            answers[question.name] = ANSWER if number % 4 else ""
            kind = status.WAITING if number % 4 else status.NOT_ATTEMPTED
            questions.append(
                QuestionResult(question.name, 0.0, question.points, kind, hint="It was found by its place: " * 8)
            )
        elif question.kind == "predictions":
            cases = tuple(
                CaseResult(f"{column}: as good as a trained network (AUROC at least 0.88)", 2, kind, hint)
                for column in question.columns
                for kind, hint in (
                    (status.PASSED, ""),
                    (status.WRONG, "The AUROC on the hidden test set is 0.61; ask *why*. " * 6),
                )
            )
            for column in question.columns:
                metrics[column] = {"auroc": 0.61, "accuracy": float("nan"), "sensitivity": 1.0, "specificity": 0.0}
                metrics[column] |= {f"a_metric_of_a_long_name_{i}": 0.123456 for i in range(6)}
            questions.append(question_result(question.name, question.points, cases))
        else:
            questions.append(question_result(question.name, question.points, _cases(question, number, place, state)))
    sha = "f" * 40 if state == "stale" else entry["sha"]
    doubtful = {"W1": "The line `**Answer W1**` is not there; this text stands where it was. " * 3}
    path = f"labs/{'deep folder name/' * 6}homework9 - Kopie (2) final FINAL.ipynb"
    return Result(
        entry["student"], sha, path, status.GRADED, tuple(questions), metrics, answers, "", path, {}, doubtful
    )


def _cases(question, number, place, state):
    long_line = f"line 6 of cell 9:     return {LONG}({', '.join(['value'] * 60)})"
    kinds = (
        (status.PASSED, "", ""),
        (status.WRONG, f"`{LONG}` returned {'9' * 300}. What is `x / 0`? *Think* of **this**.", ""),
        (status.CRASHED, f"`{LONG}` stopped with ValueError: <img src=x onerror=alert(1)> {'boom ' * 80}", long_line),
        (status.TIMED_OUT, "`scale` did not finish within 10 s.", ""),
        (status.NOT_ATTEMPTED, "`scale` still holds the stub: replace its `raise` by your code.", ""),
        (status.MISSING, f"There is no function `{LONG}`. There is `{LONG}s`: is it meant?", ""),
    )
    count = 2 + (number + place) % 5
    cases = []
    for i in range(count):
        kind, hint, line = kinds[(number + i * (place + 1)) % len(kinds)]
        if state == "undecided" and i == 0:
            kind, hint, line = status.UNDECIDED, f"Not decided: `{LONG}` was waited for 200 s.", ""
        name = (
            "a case whose name is a whole sentence, because somebody wanted to say exactly what it holds"
            if i % 2
            else "ties"
        )
        cases.append(CaseResult(name, 1 + i % 3, kind, hint, line))
    return tuple(cases)


def _hand_in(folder, number):
    attached = base64.b64encode(picture(2400, 300, "attached")).decode()
    code = (
        f"def scale(x):\n    y = {'x + ' * 50}1\n    return [{', '.join('abs(x)' for _ in range(40))}]  # {'c' * 300}"
    )
    cells = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": code if number % 2 else f"x = {number}"},
        {
            "cell_type": "markdown",
            "metadata": {},
            "source": ANSWER,
            "attachments": {"image.png": {"image/png": attached}},
        },
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path = folder / f"labs/{'deep folder name/' * 6}"
    (path / "figures").mkdir(parents=True, exist_ok=True)
    (path / "homework9 - Kopie (2) final FINAL.ipynb").write_text(json.dumps(notebook), "utf-8")
    (path / "figures/wide.png").write_bytes(picture(6000, 400, "wide"))
    (path / "figures/tall.png").write_bytes(picture(200, 4000, "tall"))
    (path / "figures/bad.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"no picture" * 99)
