"""What students get: everything that they need, and nothing that they must not see."""

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lab_utils.__main__ import main
from lab_utils.staff.course.build import build
from lab_utils.staff.course.leaks import STAFF, tree_leaks
from lab_utils.staff.course.release import release
from lab_utils.staff.course.settings import read_course
from lab_utils.staff.course.student_files import course_file, pyproject
from lab_utils.staff.grading.assignment import read_assignment
from lab_utils.staff.homework4 import cases

ROOT = Path(__file__).resolve().parents[3]
IMAGES = "data/homework4_images.npz"
COURSE = """\
# our private note
[course]
repository = "https://example.org/a.git"
folder = "a"
[homework4]
release = "2026-10-01T09:00:00+08:00"
deadline = "2026-11-06T23:59:00+08:00"
late = "percent"
percent = 12.5
per = "hour"
grace_minutes = 5
"""
EXERCISE = """\
def double(x):
    ### BEGIN SOLUTION
    twice_of_it = x + x
    return twice_of_it
    ### END SOLUTION"""


@pytest.fixture
def course(tmp_path):
    """A course with everything that a release needs, in small."""
    root = tmp_path / "course"
    for name, text in {
        "course.toml": COURSE,
        ".gitattributes": "* text=auto eol=lf\n",
        "requirements.txt": "numpy\n",
        "constraints.txt": "numpy==2\n",
        "pyproject.toml": '[project]\nname = "x"\n\n[tool.ruff]\nline-length = 120\n',
        "data/bands.json": "{}\n",
        "data/results/a.json": "{}\n",
        "data/weights/a.log": "x\n",
        "data/pictures/a.png": "x",
        "data/cache/big": "x",
        "lab_utils/__init__.py": "",
        "lab_utils/networks.py": "layers_of_the_kit = 3\n",
        "lab_utils/checks/homework4.py": "def check_double(student): ...\n",
        "lab_utils/staff/course/build.py": "x = 1\n",
        "lab_utils/staff/collecting/git.py": "x = 1\n",
        "lab_utils/staff/feedback/pages.py": "x = 1\n",
        "lab_utils/staff/grading/grade.py": "x = 1\n",
        "lab_utils/staff/commands.py": "x = 1\n",
        "lab_utils/__pycache__/x.pyc": "x",
        "lab_utils/checks/notes.txt": "x",
        "data/weights/.DS_Store": "x",
        "lab_utils/staff/homework4/cases.py": "SECRET_INPUTS = [3, 1, 4, 1, 5]\nlayers_of_the_kit = 3\n",
        "lab_utils/staff/homework4/questions.toml": 'rubric = ["names the share of positives"]\n',
        "lab_utils/staff/homework4/predictions.py": "threshold_of_the_grader = 0.8\n",
        "lab_utils/staff/homework4/labels.csv": "image,label,patient\n0,1,0\n",
        "tests/test_a.py": "x = 1\n",
        "notes.txt": "who copied last year",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    cells = [
        new_markdown_cell("# Homework 4. Small"),
        new_code_cell(EXERCISE),
        new_markdown_cell("`this is shown here`"),
    ]
    (root / "solutions").mkdir()
    nbformat.write(new_notebook(cells=cells), root / "solutions" / "homework4.ipynb")
    build(root / "solutions", root / "labs", root / "course.toml")
    return root


def put_out(root, target=None, images=b"images"):
    return release(root, target or root.parent / "out", {IMAGES: images})


def test_only_what_is_named_goes_out(course):
    _, files = put_out(course)
    assert files == [
        ".gitattributes",
        ".github/workflows/checks.yml",
        ".gitignore",
        "README.md",
        "constraints.txt",
        "course.toml",
        "data/bands.json",
        "data/homework4_images.npz",
        "data/results/a.json",
        "data/weights/a.log",
        "lab_utils/__init__.py",
        "lab_utils/checks/homework4.py",
        "lab_utils/networks.py",
        "labs/homework4.ipynb",
        "pyproject.toml",
        "requirements.txt",
    ]
    out = course.parent / "out"
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()) == files
    assert (out / IMAGES).read_bytes() == b"images"


def test_the_settings_for_students_say_the_same_without_notes(course, tmp_path):
    text = course_file(read_course(course / "course.toml"))
    assert "private" not in text
    (tmp_path / "public.toml").write_text(text)
    assert read_course(tmp_path / "public.toml") == read_course(course / "course.toml")


def test_the_readme_names_notebooks_deadline_and_the_check(course):
    put_out(course)
    readme = (course.parent / "out" / "README.md").read_text("utf-8")
    assert "| `homework4` | Homework 4. Small |" in readme
    assert "**Due: Friday 6 November 2026, 23:59:00 (UTC+08:00).** Every started hour after it costs 12.5 %" in readme
    assert "python -m lab_utils check labs/homework4.ipynb" in readme
    workflow = (course.parent / "out" / ".github" / "workflows" / "checks.yml").read_text("utf-8")
    assert 'python -m lab_utils check "labs/homework4.ipynb" --summary "$GITHUB_STEP_SUMMARY"' in workflow
    assert "if: ${{ !cancelled() && steps.install.outcome == 'success' }}" in workflow


def test_the_zip_holds_the_folder_and_is_the_same_every_time(course):
    archive, files = put_out(course)
    first = archive.read_bytes()
    with zipfile.ZipFile(archive) as opened:
        assert opened.namelist() == [f"out/{name}" for name in files]
        assert opened.read("out/labs/homework4.ipynb") == (course / "labs" / "homework4.ipynb").read_bytes()
    for path in course.rglob("*"):
        os.utime(path, (10**9, 10**9))
    put_out(course)
    assert archive.read_bytes() == first


def test_a_second_release_replaces_the_first_and_keeps_its_history(course):
    put_out(course)
    out = course.parent / "out"
    (out / ".git").mkdir()
    (out / ".git" / "HEAD").write_text("ref")
    (out / "stale.txt").touch()
    put_out(course, images=b"other")
    assert (out / IMAGES).read_bytes() == b"other"
    assert (out / ".git" / "HEAD").read_text() == "ref"
    assert not (out / "stale.txt").exists()
    assert sorted(path.name for path in course.parent.iterdir()) == ["course", "out", "out.zip"]


@pytest.mark.parametrize("place", ["course", ".", "other", "other/file"])
def test_nothing_but_an_older_release_is_replaced(course, place):
    other = course.parent / "other"
    other.mkdir()
    (other / "file").write_text("dear")
    with pytest.raises(ValueError, match="something else"):
        put_out(course, course.parent / place)
    assert (other / "file").read_text() == "dear"


def test_labs_that_are_out_of_date_are_not_released(course):
    lab = course / "labs" / "homework4.ipynb"
    lab.write_text(lab.read_text("utf-8").replace("Small", "Large"), "utf-8")
    with pytest.raises(ValueError, match="differs from what build makes"):
        put_out(course)
    assert not (course.parent / "out").exists()


def test_a_release_without_its_hidden_images_or_its_files_is_refused(course):
    with pytest.raises(ValueError, match=r"homework4_images\.npz"):
        release(course, course.parent / "out", {})
    (course / "constraints.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"constraints\.txt"):
        put_out(course)
    assert sorted(path.name for path in course.parent.iterdir()) == ["course"]


def test_a_homework_without_predictions_needs_no_images(course):
    (course / "lab_utils/staff/homework4/predictions.py").unlink()
    assert IMAGES not in release(course, course.parent / "out", {})[1]


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("lab_utils/checks/homework4.py", "    twice_of_it =  x + x"),
        ("data/bands.json", '["twice_of_it = x + x"]'),
        ("data/results/a.json", "SECRET_INPUTS = [3, 1, 4, 1, 5]"),
        ("data/weights/a.log", "threshold_of_the_grader = 0.8"),
        ("requirements.txt", '# rubric = ["names the share of positives"]'),
    ],
)
def test_a_line_that_must_stay_hidden_stops_the_release(course, file, line):
    with (course / file).open("a") as opened:
        opened.write(line + "\n")
    with pytest.raises(ValueError, match=rf"{file}: shows this line of (solutions/)?homework4"):
        put_out(course)
    assert sorted(path.name for path in course.parent.iterdir()) == ["course"]


@pytest.mark.parametrize("where", ["outputs", "metadata"])
def test_a_line_in_what_a_notebook_carries_along_is_found(course, tmp_path, where):
    cell = new_code_cell("x = 1")
    if where == "outputs":
        cell.outputs = [new_output("stream", text="twice_of_it = x + x")]
    else:
        cell.metadata["note"] = ["twice_of_it = x + x"]
    tree = tmp_path / "tree"
    (tree / "labs").mkdir(parents=True)
    nbformat.write(new_notebook(cells=[cell]), tree / "labs" / "a.ipynb")
    assert tree_leaks(course, tree) == [
        "labs/a.ipynb: shows this line of solutions/homework4.ipynb: 'twice_of_it = x + x'"
    ]


def test_what_is_public_anyway_is_no_leak(course, tmp_path):
    """The hidden cases and the kit share a line; the notebook shows one outside of its solutions."""
    tree = tmp_path / "tree"
    (tree / "lab_utils").mkdir(parents=True)
    (tree / "lab_utils" / "models.py").write_text("layers_of_the_kit = 3\n")
    (tree / "README.md").write_text("layers_of_the_kit = 3\n`this is shown here`\n")
    assert tree_leaks(course, tree) == []


@pytest.mark.parametrize(
    "name",
    ["solutions/x.txt", "lab_utils/staff/homework4/x.py", "tests/x.py", "cases.py", "x_labels.csv", "a/questions.toml"],
)
def test_forbidden_names_are_found(course, tmp_path, name):
    (tmp_path / "tree" / name).parent.mkdir(parents=True)
    (tmp_path / "tree" / name).touch()
    assert tree_leaks(course, tmp_path / "tree") == [f"{name}: must not be in a release"]


def test_test_images_with_labels_are_found(course, tmp_path):
    (tmp_path / "tree" / "data").mkdir(parents=True)
    np.savez(tmp_path / "tree" / IMAGES, images=np.zeros(2), labels=np.zeros(2))
    assert tree_leaks(course, tmp_path / "tree") == [f"{IMAGES}: must not be in a release"]


def test_the_settings_of_contributors_tools_stay_behind():
    text = pyproject((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "[tool.setuptools]" in text
    assert 'name = "transfer-learning-labs"' in text
    assert "grading" not in text
    assert "tool.ruff" not in text


@pytest.mark.parametrize("shown", [True, False])
def test_solutions_of_labs_go_out_if_the_course_shows_them_and_those_of_a_homework_never(course, shown):
    settings = (course / "course.toml").read_text()
    (course / "course.toml").write_text(
        settings.replace("[homework4]", f"solutions = {str(shown).lower()}\n[homework4]")
    )
    once = EXERCISE.replace("double", "triple").replace("x + x", "x + x + x")
    lab = new_notebook(cells=[new_markdown_cell("# Lab\n## 1 Once"), new_code_cell(once)])
    nbformat.write(lab, course / "solutions" / "00_lab.ipynb")
    build(course / "solutions", course / "labs", course / "course.toml")
    _, files = put_out(course)
    assert "data/labs/00_lab.json" in files
    texts = "".join(path.read_text("utf-8") for path in (course.parent / "out").rglob("*.*") if path.is_file())
    assert ("twice_of_it = x + x + x" in texts) is shown
    assert texts.count("twice_of_it = x + x\\n") == 0
    with (course / "data" / "labs" / "00_lab.json").open("a") as opened:  # as if the lab showed the homework's line
        opened.write(" ")
    with pytest.raises(ValueError, match=r"00_lab\.json: differs"):
        put_out(course)


# ---- the course as it is


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The release of this course, and the instructor's folder."""
    folder = tmp_path_factory.mktemp("release")
    assert main(["release", str(folder / "labs4"), "--folder", str(folder / "grading")]) == 0
    return folder / "labs4", folder / "grading" / "homework4"


# An installed kit must not step in for what a release lacks.
ALONE = "import runpy, sys; sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]; "
COMMAND = ALONE + "runpy.run_module('lab_utils', run_name='__main__')"


def in_release(real, script, *arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LAB_")}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=real[0],
        env=environment | {"PYTHONPATH": str(real[0]), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_public_checks_run_in_a_release(real):
    told = json.loads(in_release(real, COMMAND, "check", "labs/homework4.ipynb", "--json"))
    assert {row["status"] for row in told["outcomes"]} == {"not attempted"}
    assert len(told["outcomes"]) == 13  # eight functions, the predictions, four answers in words


def test_every_released_module_and_what_the_notebooks_import_is_there(real):
    """None of them needs what only the instructor has."""
    modules = [path.relative_to(real[0]).with_suffix("") for path in sorted((real[0] / "lab_utils").rglob("*.py"))]
    lines = [f"import {'.'.join(path.parts)}" for path in modules if path.name not in ("__main__", "__init__")]
    for path in sorted((real[0] / "labs").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                tree = ast.parse("\n".join(line for line in cell.source.splitlines() if not line.startswith("%")))
                lines += [ast.unparse(node) for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert len(lines) > 150
    shown = "import lab_utils; print(lab_utils.__file__)"
    assert in_release(real, ALONE + "\n".join(["", *dict.fromkeys(lines), shown])).strip().startswith(str(real[0]))


def test_the_instructors_commands_are_not_there(real):
    assert "collect" not in in_release(real, COMMAND, "--help")


def test_the_test_images_are_those_whose_labels_the_instructor_keeps(real):
    out, folder = real
    assert (out / IMAGES).read_bytes() == (folder / "homework4_images.npz").read_bytes()
    assert (out / IMAGES).read_bytes() != (ROOT / IMAGES).read_bytes()
    labels = (folder / "homework4_labels.csv").read_text().splitlines()
    with np.load(out / IMAGES) as images:
        assert len(images["images"]) == len(labels) - 1


def test_a_second_release_keeps_the_test_set_unless_told(real, tmp_path, capsys):
    folder = real[1]
    before = (folder / "homework4_images.npz").read_bytes()
    assert main(["release", str(tmp_path / "again"), "--folder", str(folder.parent), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["test_sets"] == {"homework4": "kept"}
    assert (tmp_path / "again" / IMAGES).read_bytes() == before
    own = tmp_path / "grading"
    shutil.copytree(folder.parent, own)
    assert main(["release", str(tmp_path / "again"), "--folder", str(own), "--new-test-set"]) == 0
    assert (tmp_path / "again" / IMAGES).read_bytes() != before


def test_a_new_test_set_is_refused_once_work_for_the_old_one_was_collected(real, tmp_path, capsys):
    own = tmp_path / "grading"
    place = own / "homework4"
    shutil.copytree(real[1].parent, own)
    (place / "collected.json").write_text("{}")
    before = (place / "homework4_labels.csv").read_bytes()
    assert main(["release", str(tmp_path / "again"), "--folder", str(own), "--new-test-set"]) == 2
    assert "graded as chance" in capsys.readouterr().err
    assert (place / "homework4_labels.csv").read_bytes() == before
    assert main(["release", str(tmp_path / "again"), "--folder", str(own)]) == 0


def test_no_file_of_a_release_tells_what_stays_with_the_staff(real):
    """By name and by content: the folder, the questions' rubrics, the hidden cases, the labels."""
    out, folder = real
    texts = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert len(texts) > 200
    assert [name for name in texts if STAFF in name] == []
    assert [name for name, text in texts.items() if b"lab_utils.staff" in text] == ["lab_utils/__main__.py"]
    questions = read_assignment(ROOT / "lab_utils/staff/homework4").questions
    secrets = {line.partition(": ")[2] for question in questions for line in question.rubric}
    secrets |= {f"def {name}(student: Student" for name in vars(cases)} | {"DEFAULT_SEED", "MOST_PAIRS"}
    for labels in (folder / "homework4_labels.csv", ROOT / "lab_utils/staff/homework4/labels.csv"):
        secrets.add(labels.read_text()[:200])
    assert {(name, secret) for name, text in texts.items() for secret in secrets if secret.encode() in text} == set()
