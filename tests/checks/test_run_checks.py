"""The public checks of a notebook from the command line."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lab_utils.__main__ import main
from lab_utils.checks import lab02
from lab_utils.checks.answers import STUB
from lab_utils.checks.homework4.file import COLUMNS, FILE
from lab_utils.checks.run_checks import run_checks
from lab_utils.staff.grading.assignment import homework_folder, read_assignment

ROOT = Path(__file__).resolve().parents[2]


def write(folder, *cells, name="homework4"):
    path = folder / f"{name}.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in cells]), path)
    return path


def statuses(path):
    return {found.name: found.status for found in run_checks(path)}


def test_the_solution_passes_and_the_lab_is_not_attempted():
    found = statuses(ROOT / "solutions" / "homework4.ipynb")
    assert found.pop(FILE) == "not attempted"  # it is not in the repository
    assert set(found.values()) == {"correct"}
    assert set(statuses(ROOT / "labs" / "homework4.ipynb").values()) == {"not attempted"}


def test_labs_are_checked_too():
    found = statuses(ROOT / "solutions" / "02_freezing.ipynb")
    assert found == dict.fromkeys((exercise.name for exercise in lab02.EXERCISES), "correct")


def test_a_wrong_function_makes_the_command_fail_with_a_hint(tmp_path, capsys):
    path = write(tmp_path, 'def choose_models():\n    return "cbr_tiny", "cbr_tiny"')
    assert main(["check", str(path), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)["outcomes"]
    (wrong,) = [row for row in told if row["status"] == "incorrect"]
    assert wrong["name"] == "choose_models"
    assert wrong["hint"]


def test_training_plots_installations_and_endless_loops_do_not_run(tmp_path):
    mark = tmp_path / "ran"
    path = write(
        tmp_path,
        f"import pathlib\npathlib.Path({str(mark)!r}).touch()",
        "!touch ran2\n%matplotlib inline",
        "while True:\n    pass",
        "model = 1 / 0",
        'NAMES = ("cbr_tiny", "cbr_small")',
        "def choose_models():\n    return NAMES",
        "from lab_utils.checks import homework4\nhomework4.check_choose_models(choose_models)",
    )
    assert statuses(path)["choose_models"] == "correct"
    assert not mark.exists()


def test_a_renamed_notebook_is_known_by_what_it_imports(tmp_path):
    path = write(tmp_path, "from lab_utils.checks import homework4", name="final version (2)")
    assert set(statuses(path).values()) == {"not attempted"}


def test_a_renamed_function_is_suggested(tmp_path):
    found = run_checks(write(tmp_path, "def chose_models():\n    return 1"))
    (about,) = [o for o in found if o.name == "choose_models"]
    assert about.status == "not attempted"
    assert "`chose_models`" in about.hint


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("def choose_models(:\n    return 1", "is no Python"),
        ("NAMES = 1 / 0\ndef choose_models(names=NAMES):\n    return names", "choose_models"),
    ],
)
def test_a_function_that_cannot_be_defined_is_incorrect(tmp_path, cell, words):
    found = {o.name: o for o in run_checks(write(tmp_path, cell))}
    assert found["choose_models"].status == "incorrect"
    assert words in found["choose_models"].hint
    assert found["prepare"].status == "not attempted"


def test_what_the_functions_print_does_not_disturb_the_json(tmp_path, capsys):
    path = write(tmp_path, 'def choose_models():\n    print("hello")\n    return "cbr_tiny", "cbr_small"')
    assert main(["check", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outcomes"][0]["status"] == "correct"


@pytest.mark.parametrize(
    ("columns", "rows", "status"),
    [(COLUMNS, 400, "correct"), (COLUMNS[:2], 400, "not attempted"), (COLUMNS, 399, "incorrect")],
)
def test_the_form_of_the_predictions_is_checked(tmp_path, columns, rows, status):
    path = write(tmp_path, "from lab_utils.checks import homework4")
    lines = [",".join(["image", *columns])]
    lines += [",".join([str(i), *([f"{i / 400:.4f}"] * len(columns))]) for i in range(rows)]
    (tmp_path / FILE).write_text("\n".join(lines) + "\n")
    assert statuses(path)[FILE] == status


def test_predictions_that_are_not_there_are_missed(tmp_path):
    assert statuses(write(tmp_path, "from lab_utils.checks import homework4"))[FILE] == "not attempted"


@pytest.mark.parametrize("text", ["{ cut short", "[]", "{}"])
def test_what_is_no_notebook_is_told(tmp_path, capsys, text):
    (tmp_path / "homework4.ipynb").write_text(text)
    assert main(["check", str(tmp_path / "homework4.ipynb")]) == 2
    assert "Expected a Jupyter notebook" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "nothing.ipynb")]) == 2


def with_answers(folder, **answers):
    path = write(folder, "from lab_utils.checks import homework4")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells += [new_markdown_cell(f"**Answer {name}**\n\n{text}") for name, text in answers.items()]
    nbformat.write(notebook, path)
    return path


def test_written_answers_that_are_still_empty_are_named_and_the_others_are_not(tmp_path, capsys):
    path = with_answers(tmp_path, A2="Because.", D3=STUB)
    found = {o.name: o for o in run_checks(path) if o.name.startswith("answer")}
    assert {name: o.status for name, o in found.items()} == dict.fromkeys(
        ["answer D3", "answer E3", "answer E4"], "not attempted"
    )
    assert "no text below the line `**Answer D3**`" in found["answer D3"].hint
    assert "No text cell has the line `**Answer E3**`" in found["answer E3"].hint
    assert main(["check", str(path)]) == 0  # nothing in it is wrong
    told = capsys.readouterr().out
    assert "answer D3: not attempted" in told
    assert "answer A2" not in told


def test_the_lab_as_released_names_the_written_answers_that_the_homework_asks_for():
    written = [q.name for q in read_assignment(homework_folder(ROOT, "homework4")).of_kind("written")]
    names = [name for name in statuses(ROOT / "labs" / "homework4.ipynb") if name.startswith("answer")]
    assert names == [f"answer {name}" for name in written]


def test_no_criterion_for_a_written_answer_is_told(tmp_path, capsys):
    main(["check", str(with_answers(tmp_path, A2="")), "--json"])
    told = capsys.readouterr().out
    for question in read_assignment(homework_folder(ROOT, "homework4")).questions:
        assert not [line for line in question.rubric if line.partition(": ")[2] in told]


def test_a_notebook_without_checks_is_told(tmp_path, capsys):
    assert main(["check", str(write(tmp_path, "x = 1", name="mine"))]) == 2
    assert "with checks" in capsys.readouterr().err


def test_the_summary_of_a_job_tells_a_student_what_to_do(tmp_path, capsys):
    summary = tmp_path / "summary.md"
    path = write(tmp_path, 'def choose_models():\n    return "cbr_tiny", "cbr_tiny"')
    for _ in range(2):  # a second homework is added below the first
        assert main(["check", str(path), "--summary", str(summary)]) == 1
    text = summary.read_text("utf-8")
    assert text.count("## homework4.ipynb: 0 of 13 checks are correct") == 2
    assert "| `choose_models` | \u274c not right yet | " in text
    assert "| `answer A2` | \u2b1c not attempted | " in text
    assert "this is not your mark" in text
    assert "python -m lab_utils check labs/homework4.ipynb" in text


def test_a_function_that_is_asked_for_is_no_other_one_misspelt(tmp_path):
    found = {o.name: o.hint for o in run_checks(write(tmp_path, "def choose_models():\n    return 1", "x = 1"))}
    assert "the one?" not in found["choose_threshold"]
    found = {o.name: o.hint for o in run_checks(write(tmp_path, "def choose_treshold():\n    return 1"))}
    assert "Is `choose_treshold` the one?" in found["choose_threshold"]


def test_a_summary_holds_no_html_and_no_links_of_a_notebook(tmp_path, capsys):
    summary = tmp_path / "summary.md"
    hostile = "<img src=x> [a](https://e.org) | x\\n| `y` | **b** "
    main(
        [
            "check",
            str(write(tmp_path, f"def choose_models():\n    raise ValueError({hostile!r})")),
            "--summary",
            str(summary),
        ]
    )
    (row,) = [
        line
        for line in summary.read_text("utf-8").splitlines()
        if "choose\\_models" in line or "`choose_models`" in line
    ]
    assert len(re.findall(r"(?<!\\)\|", row)) == 4
    assert not re.search(r"(?<!\\)[<\[*]", row)
    (tmp_path / "homework4.ipynb").write_text("{")
    assert main(["check", str(tmp_path / "homework4.ipynb"), "--summary", str(summary)]) == 2
    assert "## homework4.ipynb cannot be checked" in summary.read_text("utf-8")
