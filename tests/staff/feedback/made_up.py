"""A made-up class: collected.json, results, a released notebook and submissions, the same for the same seed."""

import json
import random
from pathlib import Path

from lab_utils.staff.grading import result as status
from lab_utils.staff.grading.assignment import Assignment, homework_folder, read_assignment
from lab_utils.staff.grading.result import CaseResult, QuestionResult, Result, question_result, write_result

QUESTIONS = (
    ("A1", "Choose two networks", 5, "function", 'function = "choose_models"'),
    ("A2", "Why these two", 15, "written", 'rubric = ["5: names both", "5: a reason from the data", "5: the cost"]'),
    ("B1", "Prepare the images", 6, "function", 'function = "prepare"'),
    ("B2", "Adapt the first convolution", 4, "function", 'function = "first_conv"'),
    ("B3", "Predictions, fine-tuned", 20, "predictions", 'columns = ["model_1_fine_tuned", "model_2_fine_tuned"]'),
    ("C1", "Freeze the backbone", 4, "function", 'function = "freeze_backbone"'),
    ("C2", "The right mode", 6, "function", 'function = "train_mode"'),
    ("C3", "What the optimizer gets", 5, "function", 'function = "optimizer_parameters"'),
    ("C4", "Predictions, fixed", 15, "predictions", 'columns = ["model_1_fixed", "model_2_fixed"]'),
    ("D1", "A paired difference", 5, "function", 'function = "paired_difference"'),
    ("D2", "What it says", 5, "written", 'rubric = ["5: reads the interval"]'),
    ("E1", "Explain the gap", 4, "function", 'function = "explain_gap"'),
    ("E2", "Why test is lower", 6, "written", 'rubric = ["3: another site", "3: evidence"]'),
)
CASES = {
    "A1": (("two different names", 2), ("names that torchvision knows", 1)),
    "B1": (("grey images become three equal channels", 1), ("mean 0 and standard deviation 1 per channel", 2)),
    "B2": (("the sum over the colours is kept", 1), ("bias is kept", 1)),
    "C1": (("only the head is trained", 1), ("buffers stay", 1)),
    "C2": (("dropout is on", 1), ("batch norm of the backbone does not move", 2)),
    "C3": (("no parameter that is frozen", 1), ("each parameter once", 1)),
    "D1": (("equal scores count one half", 1), ("sign: second minus first", 1), ("one image only", 1)),
    "E1": (("finds the site", 1), ("works with no difference", 1)),
}
HINTS = {
    "B1": "After `prepare` each channel should have the mean and the spread that the weights expect.",
    "C2": "After `train_mode(model)` a batch changes `running_mean` in the backbone. Which modules still learn?",
    "C3": "`optimizer_parameters` also returns parameters with `requires_grad=False`.",
}
FIRST = ("Ada", "Ben", "Chen", "Dana", "Elif", "Femi", "Grace", "Hugo", "Ines", "Jun", "Kofi", "Lena", "Mina")
LAST = ("Okafor", "Silva", "Wang", "Meyer", "Kaya", "Adeyemi", "Novak", "Laurent", "Costa", "Sato", "Mensah", "Rossi")


def make_assignment(root: Path) -> Assignment:
    """Write the questions and labs/homework4.ipynb below `root`."""
    text = 'name = "homework4"\ntitle = "Homework 4: two networks, two ways"\n'
    for name, title, points, kind, detail in QUESTIONS:
        text += f'[[question]]\nname = "{name}"\ntitle = "{title}"\npoints = {points}\nkind = "{kind}"\n{detail}\n'
    private = homework_folder(root, "homework4")
    private.mkdir(parents=True, exist_ok=True)
    (private / "questions.toml").write_text(text, "utf-8")
    write_notebook(root / "labs/homework4.ipynb", RELEASED)
    return read_assignment(private)


def write_notebook(path: Path, cells) -> None:
    """Write code cells as a notebook."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": cell} for cell in cells]
    path.write_text(json.dumps({"cells": table, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), "utf-8")


def make_class(folder: Path, assignment: Assignment, n: int, seed: int = 0) -> None:
    """Write what `collect` and `grade` would leave for `n` students: good and weak, late, missing, crashed."""
    draw = random.Random(seed)
    entries = []
    for number in range(n):
        name = f"{FIRST[number % len(FIRST)]} {LAST[(number * 7) % len(LAST)]}"
        entry = _entry(number, name, draw)
        entries.append(entry)
        if entry["folder"]:
            skill = draw.betavariate(5, 2)
            notebook = folder / entry["folder"] / "homework4.ipynb"
            write_notebook(notebook, [*RELEASED, *_solution(draw)])
        if entry["status"] != "collected":
            result = _empty(assignment, entry, status.MISSING, f"Nothing was collected ({entry['status']}).")
        elif number % 17 == 11:
            result = _empty(assignment, entry, status.INVALID, "homework4.ipynb cannot be read as a notebook.")
        else:
            result = _result(assignment, entry, skill, draw)
        write_result(folder / "results" / f"{entry['student']}.json", result)
    text = json.dumps({"homework": assignment.name, "students": entries}, indent=1)
    (folder / "collected.json").write_text(text + "\n", "utf-8")


def _entry(number, name, draw):
    student = f"s{1001 + number}"
    gone = {5: "no commit", 13: "unreachable"}.get(number % 19)
    late = draw.choice([0, 0, 0, 0, 0, 0, 1830, 93_600])
    entry = {
        "student": student,
        "name": name,
        "email": f"{student}@example.org",
        "url": f"https://example.org/{student}/homework4.git",
        "sha": "" if gone else f"{draw.getrandbits(160):040x}",
        "status": gone or "collected",
        "evidence": "" if gone else draw.choice(["seen", "seen", "pushed", "claimed"]),
        "submitted": "" if gone else f"2026-11-0{6 + late // 80_000}T1{draw.randrange(6)}:2{draw.randrange(10)}:41Z",
        "late_seconds": 0 if gone else late,
        "penalty": 0 if gone else {0: 0.0, 1830: 0.1, 93_600: 0.2}[late],
        "flags": [],
        "folder": "" if gone else f"submissions/{student}",
    }
    if number % 10 == 4 and not gone:
        entry["flags"] = ["Author and committer dates of commit 4be81f2 are 9 days apart."]
    return entry


def _empty(assignment, entry, kind, message):
    questions = tuple(QuestionResult(q.name, 0.0, q.points, kind, hint=message) for q in assignment.questions)
    return Result(entry["student"], entry["sha"], "", kind, questions, message=message)


def _result(assignment, entry, skill, draw):
    questions, metrics, answers = [], {}, {}
    for question in assignment.questions:
        if question.kind == "written":
            answers[question.name] = f"I chose them because of reason {draw.randrange(1000)}.\n\nSecond paragraph."
            questions.append(QuestionResult(question.name, 0.0, question.points, status.WAITING))
        elif question.kind == "predictions":
            cases = []
            for column in question.columns:
                auroc = min(0.6 + 0.35 * skill + draw.gauss(0, 0.03), 0.99)
                metrics[column] = {"auroc": auroc, "accuracy": auroc - 0.08, "sensitivity": 0.9, "specificity": 0.61}
                passed = auroc > 0.8
                hint = "" if passed else "The AUROC on the test set is close to what chance and a blurred image give."
                cases.append(CaseResult(f"column {column}", 1, status.PASSED if passed else status.WRONG, hint))
            questions.append(question_result(question.name, question.points, tuple(cases)))
        else:
            questions.append(_function(question, skill, draw))
    return Result(entry["student"], entry["sha"], "homework4.ipynb", status.GRADED, tuple(questions), metrics, answers)


def _function(question, skill, draw):
    kind = draw.random()
    cases = []
    for name, weight in CASES[question.name]:
        if kind < 0.04:
            hint = f"`{question.function}` still holds the stub: replace its `raise` by your code."
            cases.append(CaseResult(name, weight, status.NOT_ATTEMPTED, hint))
        elif kind < 0.08:
            hint = "`ValueError`: operands could not be broadcast together with shapes (8,) (7,)"
            cases.append(CaseResult(name, weight, status.CRASHED, hint, "line 6 of cell 9:     return a - b"))
        elif draw.random() < skill + 0.15:
            cases.append(CaseResult(name, weight, status.PASSED))
        else:
            hint = HINTS.get(question.name, f"`{question.function}` gives another value than the text asks for.")
            cases.append(CaseResult(name, weight, status.WRONG, hint))
    return question_result(question.name, question.points, tuple(cases))


RELEASED = (
    "import numpy as np\nimport torch\nfrom lab_utils import checks\n\nSEED = 0\nimages = np.load('images.npy')\n"
    "labels = np.load('labels.npy')\nprint(images.shape, labels.shape, images.min(), images.max(), labels.mean())",
    "def run_epoch(model, batches, optimizer):\n    total = 0.0\n    for images, labels in batches:\n"
    "        optimizer.zero_grad()\n        loss = torch.nn.functional.cross_entropy(model(images), labels)\n"
    "        loss.backward()\n        optimizer.step()\n        total += loss.item() * len(labels)\n"
    "    return total / sum(len(labels) for _, labels in batches)",
)


def _solution(draw):
    """Code that nobody else has: a random expression in many statements."""
    names = ["np.exp", "np.sqrt", "abs", "sum", "max", "min", "sorted", "len", "np.mean", "np.std", "np.abs", "round"]
    cells = []
    for name in ("prepare", "train_mode", "paired_difference"):
        lines = [f"def {name}(a, b):"]
        for _ in range(12):
            f, g = draw.choice(names), draw.choice(names)
            sign, other = draw.choice("+-*/"), draw.choice(["[0]", ".shape", ".T", "[1:]", ".copy()", ""])
            line = draw.choice(
                [f"c = {f}(a{other}) {sign} b", f"b = {f}({g}(b{other}))", f"a{other or '[0]'} = b {sign} {g}(c)"]
            )
            if draw.random() < 0.3:
                line = f"if {g}(a) {draw.choice(['<', '>', '!='])} b: {line}"
            lines.append("    " + line)
        cells.append("\n".join([*lines, "    return c"]))
    return cells
