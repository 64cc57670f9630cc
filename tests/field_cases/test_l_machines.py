"""Issue 10, kind L: other versions, other machines, and what other programs make of a file."""

import ast
import csv
import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from lab_utils import __main__ as command_line
from lab_utils import doctor
from lab_utils.atomic import write_text
from lab_utils.checks.homework4.file import COLUMNS, FORM
from lab_utils.checks.run_checks import run_checks
from lab_utils.notebook_file import read_notebook
from lab_utils.show import Question, explore, multiple_choice
from lab_utils.staff.collecting.collect import collect
from lab_utils.staff.collecting.roster import read_roster
from lab_utils.staff.course.build import build, check
from lab_utils.staff.course.settings import read_time
from lab_utils.staff.feedback.likeness import find_alike
from lab_utils.staff.feedback.submission_code import read_cells
from lab_utils.staff.grading.assignment import read_assignment
from lab_utils.staff.grading.inside_read import read
from lab_utils.staff.grading.safe_text import read_table
from tests.refusals import refuses
from tests.staff.collecting.repositories import commit, course, git, repository, roster
from tests.staff.grading.mini_course import ANSWER, PERFECT, QUESTIONS, STUBS, notebook

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = json.dumps(notebook(*PERFECT), indent=1, ensure_ascii=False) + "\n"


# ---- the text of other programs
SPELLINGS = {
    "as it is": lambda text: text.encode(),
    "a checkout on Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "a mark at the start": lambda text: text.encode("utf-8-sig"),
    "two marks at the start": lambda text: b"\xef\xbb\xbf" + text.encode("utf-8-sig"),
    "a mark and CRLF": lambda text: text.replace("\n", "\r\n").encode("utf-8-sig"),
    "without the last line end": lambda text: text.rstrip("\n").encode(),
    "one line end more": lambda text: (text + "\n").encode(),
    "PowerShell's >": lambda text: text.replace("\n", "\r\n").encode("utf-16"),
    "Unicode big endian": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
}


@pytest.fixture
def desk(tmp_path):
    """A course, and a function that collects one student's repository."""
    root = course(tmp_path / "course")
    (root / "labs" / "homework4.ipynb").write_text(NOTEBOOK, "utf-8", newline="\n")
    repo = repository(tmp_path / "ann")

    def run(content):
        commit(repo, "notes.txt", "plans", date="2026-11-01T12:00:00+08:00")
        (repo / "labs").mkdir(exist_ok=True)
        (repo / "labs" / "homework4.ipynb").write_bytes(content)
        git(repo, "add", "--all")
        git(repo, "commit", "--quiet", "--allow-empty", "-m", "x", date="2026-11-02T12:00:00+08:00")
        path = roster(tmp_path / "roster.csv", {"student": "ann", "url": repo})
        at = read_time("2026-11-09T10:00:00+08:00", "after")
        (record,) = collect(root, path, root / "grading", now=lambda: at)
        return record

    run.root = root
    return run


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("word", ["another hospital", "elsewhere"])
def test_a_released_notebook_is_no_work_whatever_its_line_ends_and_one_changed_word_is(desk, spelling, word):
    flags = desk(SPELLINGS[spelling](NOTEBOOK.replace("another hospital", word))).flags
    assert ("No commit changes the homework." in flags) == (word != "elsewhere")
    assert len(flags) == 1 or word == "elsewhere"


def test_a_released_notebook_in_the_instructors_checkout_on_windows_is_the_same_one(desk):
    (desk.root / "labs" / "homework4.ipynb").write_bytes(SPELLINGS["a checkout on Windows"](NOTEBOOK))
    assert desk(NOTEBOOK.encode()).flags == ("No commit changes the homework.",)


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("cells", [PERFECT, (*STUBS.values(), ("markdown", ANSWER))])
def test_the_grader_reads_the_same_notebook_whatever_program_saved_it(tmp_path, spelling, cells):
    text = json.dumps(notebook(*cells, ("markdown", "größe \u2714")), indent=1, ensure_ascii=False) + "\n"
    (tmp_path / "a.ipynb").write_bytes(SPELLINGS[spelling](text))
    (tmp_path / "b.ipynb").write_bytes(text.encode())
    found = read(str(tmp_path / "a.ipynb"), ["scale", "auroc"], [], [])
    assert "invalid" not in found
    assert found == read(str(tmp_path / "b.ipynb"), ["scale", "auroc"], [], [])


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_public_checks_read_the_same_notebook_and_predictions_whatever_program_saved_them(tmp_path, spelling):
    cells = ("from lab_utils.checks import homework4", "def choose_models():\n    return 'cbr_tiny', 'cbr_small'")
    rows = [",".join(["image", *COLUMNS]), *(f"{i},{', '.join([str(i / 400)] * 4)}" for i in range(400))]
    spell = SPELLINGS[spelling]
    (tmp_path / "homework4.ipynb").write_bytes(
        spell(nbformat.writes(new_notebook(cells=[new_code_cell(cell) for cell in cells])) + "\n")
    )
    (tmp_path / "homework4_predictions.csv").write_bytes(spell("\n".join(rows) + "\n"))
    found = {outcome.name: outcome.status for outcome in run_checks(tmp_path / "homework4.ipynb")}
    assert found["choose_models"] == found["homework4_predictions.csv"] == "correct"


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_solution_is_built_into_the_same_lab_whatever_program_saved_it(tmp_path, spelling):
    text = (ROOT / "solutions" / "homework4.ipynb").read_text("utf-8")
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / "homework4.ipynb").write_bytes(SPELLINGS[spelling](text))
    shutil.copy(ROOT / "course.toml", tmp_path)
    build(tmp_path / "solutions", tmp_path / "labs", tmp_path / "course.toml")
    assert (tmp_path / "labs" / "homework4.ipynb").read_bytes() == (ROOT / "labs" / "homework4.ipynb").read_bytes()
    assert check(tmp_path / "solutions", tmp_path / "labs", tmp_path / "course.toml") == []


@pytest.mark.parametrize("folder", ["labs", "solutions"])
def test_the_check_of_the_labs_allows_line_ends_and_names_what_else_another_program_changed(tmp_path, folder):
    text = (ROOT / folder / "homework4.ipynb").read_text("utf-8")
    shutil.copy(ROOT / "course.toml", tmp_path)
    for name in ("labs", "solutions"):
        (tmp_path / name).mkdir()
        shutil.copy(ROOT / name / "homework4.ipynb", tmp_path / name)
    for spelling in SPELLINGS:
        (tmp_path / folder / "homework4.ipynb").write_bytes(SPELLINGS[spelling](text))
        found = check(tmp_path / "solutions", tmp_path / "labs", tmp_path / "course.toml")
        named = [f"{tmp_path / folder / 'homework4.ipynb'}: differs" in line for line in found]
        assert named == ([] if spelling in ("as it is", "a checkout on Windows") else [True]), spelling


@pytest.mark.parametrize(
    "text", ["", "[]", "3", '"a"', "null", '{"cells": 3, "nbformat": 4}', "<!DOCTYPE html>", "<<<<<<< HEAD\n{}", "{\n"]
)
def test_what_is_no_notebook_is_told_in_words(tmp_path, text):
    (tmp_path / "a.ipynb").write_text(text, "utf-8")
    refuses(r"Expected a Jupyter notebook in .*a\.ipynb, but it cannot be read: ", read_notebook, tmp_path / "a.ipynb")


def test_code_with_other_line_ends_is_the_released_code_all_the_same(tmp_path):
    windows = [source.replace("\n", "\r\n") for source in PERFECT if isinstance(source, str)]
    (tmp_path / "a.ipynb").write_bytes(json.dumps(notebook(*windows)).encode("utf-8-sig"))
    (tmp_path / "b.ipynb").write_bytes(json.dumps(notebook(*PERFECT)).encode())
    own, released = read_cells(tmp_path / "a.ipynb"), read_cells(tmp_path / "b.ipynb")
    assert len(own) == len(windows)
    assert find_alike({"ann": own, "bob": own}, released) == ()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no clone")
def test_a_clone_on_windows_has_the_bytes_that_were_released(tmp_path):
    source = repository(tmp_path / "source")
    shutil.copy(ROOT / ".gitattributes", source)
    names = ("labs/a.ipynb", "course.toml", "kit.py", "labels.csv", "Makefile", "manifest.json")
    for name in names:
        commit(source, name, "one\ntwo\n")
    (source / "weights.safetensors").write_bytes(b"a\r\nb\n")
    commit(source, "")
    git(source, "add", "--all")
    commit(source, "")
    git(tmp_path, "-c", "core.autocrlf=true", "clone", "--quiet", str(source), "clone")
    assert {(tmp_path / "clone" / name).read_bytes() for name in names} == {b"one\ntwo\n"}
    assert (tmp_path / "clone" / "weights.safetensors").read_bytes() == b"a\r\nb\n"


def test_text_is_written_with_the_same_line_ends_on_every_machine(tmp_path, monkeypatch):
    def as_on_windows(path, text, encoding, newline=None):
        return path.write_bytes(text.replace("\n", newline or "\r\n").encode(encoding))

    monkeypatch.setattr(Path, "write_text", as_on_windows)
    write_text(tmp_path / "a.txt", "größe\n")
    assert (tmp_path / "a.txt").read_bytes() == "größe\n".encode()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_questions_of_a_homework_are_read_whatever_program_saved_them(tmp_path, spelling):
    (tmp_path / "questions.toml").write_bytes(SPELLINGS[spelling](QUESTIONS))
    assert len(read_assignment(tmp_path).questions) == 4


@pytest.mark.parametrize("content", ["title = 'größe'".encode("cp1252"), b"title = "])
def test_questions_that_are_no_toml_name_the_file(tmp_path, content):
    (tmp_path / "questions.toml").write_bytes(content)
    refuses(r"questions\.toml, TOML in UTF-8", read_assignment, tmp_path)


# ---- tables that a spreadsheet had
HEAD = "student,name,email,url"
ANN = "ann,Ann,a@b.c,https://x.org/a"


def read_table_of(tmp_path, content, reader=read_roster):
    (tmp_path / "t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return reader(tmp_path / "t.csv")


def test_a_roster_is_read_as_spreadsheets_save_it(tmp_path):
    rows = [["student", "name", "email", "url", "penalty", "reason"], ["ann", "Zoë; Ann", "a@b.c", "https://x.org/a"]]
    rows += [["bob", 'the "one"', "", "https://x.org/b", "12,5%", "a clock"]]
    found = set()
    encodings = ("utf-8", "utf-8-sig", "utf-16")
    for separator, encoding, end in itertools.product((",", ";", "\t"), encodings, ("\r\n", "\n", "\r")):
        text = io.StringIO()
        csv.writer(text, delimiter=separator, lineterminator=end).writerows(rows)
        blank = separator * 7 + end
        found.add(tuple(read_table_of(tmp_path, (text.getvalue() + blank + end).encode(encoding))))
    ((ann, bob),) = found
    assert (ann.name, ann.penalty, ann.reason) == ("Zoë; Ann", None, "")
    assert (bob.name, bob.penalty, bob.reason) == ('the "one"', 0.125, "a clock")


OWN = [f"{HEAD},{column}\nann,Doe,,https://x.org/a,x\n" for column in ("seat", "group", "matriculation", "comment", "")]


@pytest.mark.parametrize(
    "content",
    [
        *(f"{before}student;name;email;url\nann;Doe;a@b.c;https://x.org/a\n" for before in ("\n\n", " \n", "\r\r")),
        "\r\n;;;\r\nstudent;name;email;url\nann;Doe;a@b.c;https://x.org/a\n",
        *(f"\ufeff\ufeff{HEAD}\nann,Doe,a@b.c,https://x.org/a\n".encode(code) for code in ("utf-8", "utf-16")),
        f"{HEAD},extension,commit\nann,Doe,a@b.c,https://x.org/a,,,,,\n",  # cells more than columns
        f"{HEAD},extension,commit\nann,Doe,a@b.c,https://x.org/a\n",  # and fewer
        *OWN,
        OWN[0].replace("seat", "deadline of lab 1"),
    ],
)
def test_what_a_spreadsheet_adds_and_columns_of_ones_own_do_no_harm(tmp_path, content):
    (ann,) = read_table_of(tmp_path, content)
    assert (ann.student, ann.name, ann.url, ann.commit) == ("ann", "Doe", "https://x.org/a", "")


def test_excels_line_about_the_separator_is_no_line_of_the_table(tmp_path):
    written = b"\xef\xbb\xbfsep=;\r\nstudent;points\r\nann;2,5\r\n"
    assert read_table_of(tmp_path, written, read_table) == [(3, {"student": "ann", "points": "2,5"})]


WHOLE_LINES = f'"{HEAD}"\r\n"{ANN}"\r\n'
ROSTERS = {
    f'{HEAD}\nann, "Doe, Ann", a@b.c, https://x.org/a\n': "line 2.*without a blank before the first quote",
    f"{HEAD}\n1.23457E+11,Ann,a@b.c,https://x.org/a\n": r"line 2.*got '1.23457E\+11'",
    f"{HEAD}\n'{ANN}\n": r"line 2.*got \"'ann\"",
    f"{HEAD}\n{ANN.replace(',', '|')}\n": "line 2.*got 1",
    b"sep=;\r\nstudent;name;email;url\r\n../x;a;b;c\r\n": "student in line 3",
    WHOLE_LINES: "whole lines as one cell.*From Text/CSV",
    f"{HEAD},penalty,penalty,reason\nann,,,https://x.org/a,20%,0%,x\n": "column penalty once",  # an exception, twice
    b"PK\x03\x04\x14\x00\x06\x00\x08\x00": "CSV UTF-8",  # a workbook
    "student,url\nann,x\n".encode("utf-16-le"): "CSV UTF-8",
}
for column in ("extention", "Extensions", "penality", "commit_", "reasons"):  # which would lose an extension
    ROSTERS[f"{HEAD},{column}\nann,,,https://x.org/a,x\n"] = f"{column.lower()!r}.*Did you mean"


@pytest.mark.parametrize(("content", "words"), ROSTERS.items())
def test_what_is_not_understood_in_a_roster_is_refused_with_what_to_do(tmp_path, content, words):
    refuses(f"(?s){words}", read_table_of, tmp_path, content)


def test_marks_in_cells_that_slipped_or_became_one_are_refused(tmp_path):
    refuses("whole lines as one cell.*From Text/CSV", read_table_of, tmp_path, WHOLE_LINES, read_table)
    bare = "student,points,comment\nann,3,good\nbob,2,good, but short\n"
    refuses(r"at most 3 cells in line 3 .*got 4.*double quotes", read_table_of, tmp_path, bare, read_table)


def test_a_file_that_excel_keeps_open_is_told(tmp_path, monkeypatch):
    def locked(*arguments, **settings):
        raise PermissionError(13, "The process cannot access the file because it is being used by another process")

    (tmp_path / "written.csv").write_text("student,points\n", "utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", locked)
        with pytest.raises(PermissionError, match=r"read .*written\.csv.*another program, such as Excel, close it"):
            read_table(tmp_path / "written.csv")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", locked)
        with pytest.raises(PermissionError, match=r"replace .*written\.csv.*another program, such as Excel, close it"):
            write_text(tmp_path / "written.csv", "new")
    assert os.listdir(tmp_path) == ["written.csv"]
    assert (tmp_path / "written.csv").read_text("utf-8") == "student,points\n"


PREDICTIONS = f"image,{COLUMNS[0]}\n0,0.25\n1,0.75\n"


@pytest.mark.parametrize(
    "content",
    [
        *(spell(PREDICTIONS) for spell in SPELLINGS.values()),
        PREDICTIONS.replace("\n", "\r").encode(),
        (PREDICTIONS + ",\n ,\n").encode(),
        PREDICTIONS.replace(",", ";").replace(".", ",").encode(),
        PREDICTIONS.replace(",", "\t").encode(),
        f'"{PREDICTIONS}"'.encode(),
    ],
)
def test_predictions_are_read_whatever_program_saved_them(tmp_path, content):
    (tmp_path / "homework4_predictions.csv").write_bytes(content)
    _, told = FORM.describe(tmp_path / "homework4_predictions.csv", 2)
    assert "The form is right: 2 images." in told


# ---- encodings of the machine
def text_files_without_an_encoding(source):
    """Return the line numbers of calls that leave the encoding of a text to the machine."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or any(k.arg in ("encoding", None) for k in node.keywords):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        words = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
        constants = [a.value if isinstance(a, ast.Constant) else None for a in node.args]
        if name == "open":
            method = isinstance(node.func, ast.Attribute)
            mode = words.get("mode", (constants if method else constants[1:] or ["r"])[:1])
            mode = mode[0] if isinstance(mode, list) and mode else mode or "r"
            bad = isinstance(mode, str) and re.fullmatch("[rwax+t]+", mode) is not None
        elif name in ("read_text", "write_text"):
            bad = isinstance(node.func, ast.Attribute) and len(node.args) < (1 if name == "read_text" else 2)
        elif name in ("run", "Popen", "check_output", "NamedTemporaryFile", "TemporaryFile", "fdopen", "TextIOWrapper"):
            mode = str(words.get("mode", (constants[1:] or ["b"])[0] if name == "fdopen" else "b"))
            bad = words.get("text") is True or words.get("universal_newlines") is True or "b" not in mode
        else:
            continue
        if bad:
            found.append(node.lineno)
    return found


def test_the_search_for_missing_encodings_finds_them():
    bad = ["open('a')", "open('a', 'w')", "p.open()", "p.open('w')", "p.open(mode='a')", "p.read_text()"]
    bad += ["p.write_text('x')", "subprocess.run(c, text=True)", "os.fdopen(3, 'w')", "open('a', mode='w')"]
    good = ["open('a', 'rb')", "p.open('rb+')", "p.read_text('utf-8')", "p.write_text('x', encoding='utf-8')"]
    good += ["subprocess.run(c, encoding='utf-8')", "Image.open(path)", "archive.open(f'{key}.npy')"]
    good += ["write_text(p, 'x')", "os.fdopen(3, 'rb')", "p.open('r', encoding='utf-8')", "subprocess.run(c)"]
    assert text_files_without_an_encoding("\n".join(bad)) == list(range(1, len(bad) + 1))
    assert text_files_without_an_encoding("\n".join(good)) == []


def test_no_text_file_is_opened_in_the_encoding_of_the_machine():
    paths = [path for folder in ("lab_utils", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    assert len(paths) > 100
    found = {str(path): text_files_without_an_encoding(path.read_text("utf-8")) for path in paths}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_the_commands_run_where_the_machine_knows_only_ascii(tmp_path):
    """C locale, no UTF-8 mode, and every text file that is opened without an encoding is an error."""
    (tmp_path / "größe.ipynb").write_text(json.dumps(notebook(*PERFECT), ensure_ascii=False), "utf-8")
    script = (
        "import sys, warnings\n"
        "warnings.filterwarnings('error', category=EncodingWarning, module='lab_utils')\n"
        "from pathlib import Path\n"
        "from lab_utils.__main__ import main\n"
        "from lab_utils.staff.grading.assignment import read_assignment\n"
        "from lab_utils.metrics import expected_seconds\n"
        "from lab_utils.staff.feedback.submission_code import read_code\n"
        "from lab_utils.studies import load_results\n"
        "assert main(['build', '--check']) == 0\n"
        "assert read_assignment(Path(sys.argv[1], 'lab_utils/staff/homework4')).points == 100\n"
        "assert expected_seconds('00_start_here') and load_results('lab04_family')\n"
        "assert len(read_code(Path('.')).rest) == 5\n"
        "print('\\u2714')\n"
    )
    machine = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", "-c", script, str(ROOT)],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith(("LAB_", "PYTHON"))} | machine,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    assert done.stdout.endswith(b"\\u2714\n")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_a_sign_that_the_terminal_does_not_have_stops_no_command(monkeypatch, encoding):
    printed = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", printed)
    monkeypatch.setattr(doctor, "main", lambda: print("\u2714 scale") or 0)
    assert command_line.main(["doctor"]) == 0
    printed.flush()
    assert printed.buffer.getvalue().decode(encoding) in ("\u2714 scale\n", "\\u2714 scale\n")


# ---- ipywidgets 7, as on Colab
@pytest.fixture(params=["the version here", "as version 7"])
def ipywidgets(request, monkeypatch):
    """ipywidgets, also as its version 7 shows a widget: by a method of its own, and by no other form."""
    import ipywidgets

    if request.param == "as version 7":
        monkeypatch.delattr(ipywidgets.Widget, "_repr_mimebundle_", raising=False)
        monkeypatch.setattr(ipywidgets.Widget, "_ipython_display_", lambda self, **settings: None, raising=False)
    return ipywidgets


def saved(box):
    """Return what a notebook saves of the last expression of a cell."""
    from IPython.core.formatters import DisplayFormatter

    data, _ = DisplayFormatter().format(box)
    return data


@pytest.mark.usefixtures("ipywidgets")
def test_a_question_is_saved_with_its_answers_and_its_widget():
    data = saved(multiple_choice(Question("Which?", (("a < b", "no"), ("c", "yes")), 1)))
    assert "a &lt; b" in data["text/html"]
    assert "Which?" in data["text/plain"]
    assert len(data["application/vnd.jupyter.widget-view+json"]["model_id"]) == 32


@pytest.mark.usefixtures("ipywidgets")
def test_a_figure_with_a_knob_is_saved_as_a_picture():
    import matplotlib.pyplot as plt

    data = saved(explore(lambda n: plt.figure(figsize=(1, 1)), n=[1, 2]))
    assert data["image/png"].startswith("iVBOR")  # a PNG, in base64
    assert "n = 1" in data["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in data


def test_the_versions_that_run_here_are_those_that_the_kit_admits():
    from packaging.requirements import Requirement

    lines = [line for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines() if line[:1] not in ("", "#")]
    requirements = [Requirement(line) for line in lines]
    wrong = [
        f"{r} but {metadata.version(r.name)}"
        for r in requirements
        if (r.marker is None or r.marker.evaluate()) and not r.specifier.contains(metadata.version(r.name))
    ]
    assert wrong == []
