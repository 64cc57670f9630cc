import ast
import json
import subprocess
import sys
import textwrap

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import lab_utils
from lab_utils.staff.course.bootstrap import FIRST_LINE, STAMP
from lab_utils.staff.course.build import build, check, leaks
from lab_utils.staff.course.marks import regions, student_source
from lab_utils.staff.course.settings import read_course

EXERCISE = """\
def double(x):
    "Twice x."
    ### BEGIN SOLUTION
    twice_of_it = x + x
    return twice_of_it
    ### END SOLUTION


double = check_double(double)"""


@pytest.fixture
def course(tmp_path):
    """Three paths, as `build` takes them; the course file is there, the folders are empty."""
    (tmp_path / "solutions").mkdir()
    file = tmp_path / "course.toml"
    file.write_text('[course]\nrepository = "https://example.org/a.git"\nfolder = "a"\n')
    return tmp_path / "solutions", tmp_path / "labs", file


def write(folder, name, *cells, metadata=None):
    made = [cell if isinstance(cell, dict) else new_code_cell(cell) for cell in cells]
    nbformat.write(new_notebook(cells=made, metadata=metadata or {}), folder / f"{name}.ipynb")


def read(folder, name):
    return nbformat.read(folder / f"{name}.ipynb", as_version=4)


def test_a_solution_becomes_a_stub_with_its_indentation():
    lab = student_source(EXERCISE, code=True)
    assert lab == textwrap.dedent("""\
        def double(x):
            "Twice x."
            # YOUR CODE HERE
            raise NotImplementedError("your code goes here")


        double = check_double(double)""")


def test_the_indentation_is_that_of_the_code_not_of_the_mark():
    lab = student_source("for x in y:\n### BEGIN SOLUTION\n        work(x)\n### END SOLUTION", code=True)
    assert lab.splitlines()[2] == '        raise NotImplementedError("your code goes here")'
    ast.parse(lab)


def test_a_solution_inside_brackets_becomes_an_ellipsis():
    source = "def f(a, b):\n    return max(\n        ### BEGIN SOLUTION\n        a + b\n        ### END SOLUTION\n    )"
    lab = student_source(source, code=True)
    assert lab.splitlines()[2:4] == ["        # YOUR CODE HERE", "        ..."]
    ast.parse(lab)


def test_two_solutions_in_one_cell_both_become_stubs():
    lab = student_source(EXERCISE + "\n\n\n" + EXERCISE, code=True)
    assert lab.count("raise NotImplementedError") == 2
    assert "twice_of_it" not in lab


def test_hidden_tests_vanish_and_a_cell_of_nothing_else_with_them(course):
    solutions, labs, _ = course
    hidden = "### BEGIN HIDDEN TESTS\nassert double(2) == 4\n### END HIDDEN TESTS"
    write(solutions, "00_a", EXERCISE, "x = 1\n" + hidden, hidden)
    build(*course)
    lab = read(labs, "00_a")
    assert [cell.source for cell in lab.cells[2:]] == ["x = 1"]
    assert len(read(solutions, "00_a").cells) == 4


def test_model_answers_in_words_are_left_out(course):
    solutions, labs, _ = course
    write(solutions, "00_a", new_markdown_cell("Why?\n\n### BEGIN SOLUTION\nBecause it is so.\n### END SOLUTION"))
    build(*course)
    assert read(labs, "00_a").cells[0].source == "Why?\n\n*Your answer, in your own words.*"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def f():\n    ### BEGIN SOLUTION\n    return 1", "line 2 begins SOLUTION, and the cell has no END"),
        ("def f():\n    return 1\n    ### END SOLUTION", "line 3 ends SOLUTION, but no BEGIN"),
        ("### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION", "line 2 begins SOLUTION before the END"),
        ("### BEGIN SOLUTION\n### END HIDDEN TESTS", "line 2 ends HIDDEN TESTS, but no BEGIN"),
        ("def f():\n    ## BEGIN SOLUTION\n    return 1", "line 2 looks like a mark"),
        ("def f():\n    ### begin solution\n    return 1", "line 2 looks like a mark"),
        ("### BEGIN SOLUTION\nx = 1\n### END SOLUTION", "line 1 is not inside a function"),
    ],
)
def test_bad_marks_name_notebook_cell_and_line_and_nothing_is_written(course, source, message):
    solutions, labs, _ = course
    write(solutions, "00_good", EXERCISE)
    write(solutions, "01_bad", "x = 1", source)
    before = {path: path.read_bytes() for path in solutions.iterdir()}
    with pytest.raises(ValueError, match=rf"01_bad\.ipynb, cell 3 .*{message}"):
        build(*course)
    assert {path: path.read_bytes() for path in solutions.iterdir()} == before
    assert not labs.exists()


def test_a_mark_inside_a_text_is_no_mark():
    assert regions('print("### BEGIN SOLUTION")') == []


def test_outputs_counts_and_volatile_metadata_are_stripped_in_both_folders(course):
    solutions, labs, _ = course
    cell = new_code_cell("x = 1", execution_count=7, outputs=[new_output("stream", text="hello there, you")])
    cell.metadata.update({"scrolled": True, "vscode": {"languageId": "x"}, "tags": ["keep"]})
    write(
        solutions,
        "00_a",
        cell,
        metadata={"widgets": {"state": 1}, "kernelspec": {"name": "conda-x", "display_name": "mine"}},
    )
    build(*course)
    for folder in (solutions, labs):
        notebook = read(folder, "00_a")
        assert notebook.cells[1].outputs == []
        assert notebook.cells[1].execution_count is None
        assert notebook.cells[1].metadata == {"tags": ["keep"]}
        assert set(notebook.metadata) == {"kernelspec", "language_info"}
        assert notebook.metadata.kernelspec.name == "python3"


def test_building_again_changes_nothing_and_new_ids_do_not_matter(course):
    solutions, labs, _ = course
    write(solutions, "00_a", EXERCISE, "x = 1", "x = 1")
    assert len(build(*course)) == 3  # solution, lab, and what the kit knows of it
    first = (labs / "00_a.ipynb").read_bytes()
    assert build(*course) == []
    write(solutions, "00_a", EXERCISE, "x = 1", "x = 1")  # the same cells with other random ids
    build(*course)
    assert (labs / "00_a.ipynb").read_bytes() == first
    ids = [cell.id for cell in read(labs, "00_a").cells]
    assert len(set(ids)) == len(ids) == 4


def test_the_first_cell_is_stamped_from_the_course_file_and_only_once(course):
    solutions, labs, file = course
    write(solutions, "00_a", "x = 1")
    build(*course)
    file.write_text('[course]\nrepository = "https://example.org/b.git"\nfolder = "b"\n')
    build(*course)
    for folder in (solutions, labs):
        cells = read(folder, "00_a").cells
        assert cells[0].source.startswith(FIRST_LINE)
        assert "https://example.org/b.git" in cells[0].source
        assert 'start("00_a", version, root)' in cells[0].source
        assert f'folder, version = "b", "{lab_utils.__version__}"' in cells[0].source
        assert [cell.source for cell in cells[1:]] == ["x = 1"]


def test_the_first_cell_is_folded_to_its_title_and_no_other_is(course):
    solutions, labs, _ = course
    write(solutions, "00_a", "x = 1")
    notebook = read(solutions, "00_a")
    notebook.cells[0].metadata = {"jupyter": {"source_hidden": True}, "cellView": "form", "tags": ["a"]}
    nbformat.write(notebook, solutions / "00_a.ipynb")
    build(*course)
    for folder in (solutions, labs):
        notebook = read(folder, "00_a")
        nbformat.validate(notebook)
        assert notebook.cells[0].source.startswith("# @title Run this cell first")
        assert notebook.cells[0].metadata == {"cellView": "form", "jupyter": {"source_hidden": True}}
        assert notebook.cells[1].metadata == {"tags": ["a"]}
    assert build(*course) == []


def test_the_title_comes_first_then_the_badge_then_the_set_up(course):
    solutions, labs, file = course
    file.write_text('[course]\nrepository = "https://github.com/u/a.git"\nfolder = "a"\n')
    write(solutions, "00_a", new_markdown_cell("# A lab"), new_markdown_cell("Words"), "x = 1")
    build(*course)
    for folder in (solutions, labs):
        title, badge, first, *others = [cell.source for cell in read(folder, "00_a").cells]
        assert (title, others) == ("# A lab", ["Words", "x = 1"])
        assert badge.startswith(STAMP)
        assert first.startswith(FIRST_LINE)
    assert build(*course) == []


def test_a_picture_that_a_text_names_goes_into_its_cell(course, tmp_path, monkeypatch):
    solutions, labs, file = course
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    (tmp_path / "schematics").mkdir()
    (tmp_path / "schematics" / "01_a.png").write_bytes(b"a picture")
    old = new_markdown_cell("Old.", attachments={"old.png": {"image/png": "eA=="}})
    write(solutions, "01_a", new_markdown_cell("# A\n\n![A network](attachment:01_a.png)"), old)
    build(solutions, labs, file)
    for folder in (solutions, labs):
        title, _, text = read(folder, "01_a").cells
        assert title.attachments == {"01_a.png": {"image/png": "YSBwaWN0dXJl"}}
        assert "attachments" not in text
    (tmp_path / "schematics" / "01_a.png").unlink()
    with pytest.raises(ValueError, match=r"picture 01_a\.png"):
        build(solutions, labs, file)


def test_the_first_cell_of_version_0_1_0_makes_room_for_the_new_one(course):
    solutions, labs, _ = course
    first = "# Run this cell first. On a fresh machine (Colab, Kaggle) it fetches the course and what it needs."
    write(solutions, "00_a", f"{first}\nimport site", "x = 1")
    build(*course)
    assert [cell.source for cell in read(labs, "00_a").cells[1:]] == ["x = 1"]


def test_badge_and_deadline_are_stamped_once_and_follow_the_course_file(course):
    solutions, labs, file = course
    write(solutions, "homework4", "x = 1")
    settings = '[course]\nrepository = "https://github.com/u/a.git"\nfolder = "a"\n'
    dates = '[homework4]\nrelease = "2026-10-01T09:00:00Z"\ndeadline = "2026-11-06T23:59:00Z"\n'
    file.write_text(settings + dates)
    build(*course)
    assert build(*course) == []
    file.write_text(settings + dates.replace("11-06", "11-07"))
    build(*course)
    for folder in (solutions, labs):
        cells = read(folder, "homework4").cells
        assert [cell.source for cell in cells[2:]] == ["x = 1"]
        assert "github/u/a/blob/main/labs/homework4.ipynb" in cells[0].source
        assert "Saturday 7 November" in cells[0].source
    file.write_text(settings.replace("github.com", "example.org"))
    build(*course)
    assert not any(cell.source.startswith(STAMP) for cell in read(labs, "homework4").cells)


def test_the_first_cell_runs_without_network_or_pip_where_the_package_is_installed(course, tmp_path):
    solutions, labs, _ = course
    write(solutions, "00_a")
    build(*course)
    guard = "import socket, subprocess\nsocket.socket.connect = subprocess.run = None\n"
    script = tmp_path / "first_cell.py"
    script.write_text(guard + read(labs, "00_a").cells[0].source)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "The course is ready." in done.stdout


def test_check_passes_after_build_and_writes_nothing(course):
    solutions, labs, _ = course
    write(solutions, "00_a", EXERCISE)
    assert any("is missing" in problem for problem in check(*course))
    assert not labs.exists()
    build(*course)
    assert check(*course) == []


def test_check_names_a_lab_that_was_edited_by_hand(course):
    solutions, labs, _ = course
    write(solutions, "00_a", EXERCISE)
    build(*course)
    lab = read(labs, "00_a")
    lab.cells[-1].source += "\n# a remark"
    nbformat.write(lab, labs / "00_a.ipynb")
    (problem,) = check(*course)
    assert "00_a.ipynb" in problem
    assert "differs" in problem


def test_a_lab_without_a_solution_is_named(course):
    solutions, labs, _ = course
    write(solutions, "00_a", EXERCISE)
    build(*course)
    (labs / "09_old.ipynb").write_bytes((labs / "00_a.ipynb").read_bytes())
    assert any("09_old.ipynb: has no source" in problem for problem in check(*course))
    with pytest.raises(ValueError, match=r"09_old\.ipynb: has no source"):
        build(*course)


@pytest.mark.parametrize("place", ["source", "outputs", "metadata"])
def test_check_finds_a_leaked_line_wherever_it_stands(course, place):
    solutions, labs, _ = course
    write(solutions, "00_a", EXERCISE)
    build(*course)
    lab = read(labs, "00_a")
    cell = lab.cells[1]
    if place == "source":
        cell.source += "\n#   twice_of_it =  x + x"
    elif place == "outputs":
        cell.outputs = [new_output("stream", text="3     twice_of_it = x + x\n")]
    else:
        cell.metadata["note"] = {"deep": ["twice_of_it = x + x"]}
    nbformat.write(lab, labs / "00_a.ipynb")
    assert any("'twice_of_it = x + x'" in problem for problem in check(*course))


def test_check_finds_a_hidden_test_in_a_lab(course):
    solutions, labs, _ = course
    write(solutions, "00_a", "x = 1\n### BEGIN HIDDEN TESTS\nassert double(21) == 42\n### END HIDDEN TESTS")
    build(*course)
    assert "double(21)" not in (labs / "00_a.ipynb").read_text("utf-8")
    lab = read(labs, "00_a")
    lab.cells[1].metadata["note"] = "assert  double(21) == 42"
    nbformat.write(lab, labs / "00_a.ipynb")
    assert any("'assert double(21) == 42'" in problem for problem in check(*course))


SOLVED = "def triple(x):\n    return 3 * x"


@pytest.mark.parametrize("call", ["triple = lab00.check_triple(triple)", "homework4.check_triple(triple)"])
@pytest.mark.parametrize(
    "definition", [SOLVED, "triple = lambda x: 3 * x", "%matplotlib inline\n" + SOLVED, "class triple:\n    pass"]
)
def test_a_lab_that_already_passes_stops_the_build(course, definition, call):
    solutions, labs, _ = course
    write(solutions, "00_a", EXERCISE, definition, call)
    with pytest.raises(ValueError, match=r"labs.00_a\.ipynb, cell 3: triple is checked, but its definition has no"):
        build(*course)
    assert not labs.exists()


def test_a_lab_that_was_solved_by_hand_is_found_by_check(course):
    solutions, labs, _ = course
    write(solutions, "00_a", EXERCISE, "double = lab00.check_double(double)")
    build(*course)
    lab = read(labs, "00_a")
    lab.cells[1].source = "def double(x):\n    return 2 * x"
    nbformat.write(lab, labs / "00_a.ipynb")
    assert any("cell 2: double is checked" in problem for problem in check(*course))


def test_helpers_and_functions_that_nothing_checks_may_be_whole(course):
    solutions, _, _ = course
    write(solutions, "00_a", SOLVED, EXERCISE, "y = triple(1)", "lab00.check_file(len([1]))")
    build(*course)


def test_building_waits_for_no_torch(course):
    """Who only builds should not wait for PyTorch."""
    script = (
        "import sys; from lab_utils.__main__ import main\n"
        "assert main(['build', '--check', '--root', sys.argv[1]]) == 0\n"
        "import lab_utils.staff.collecting.collect\n"
        "assert 'torch' not in sys.modules, 'torch'"
    )
    write(course[0], "00_a", EXERCISE)
    build(*course)
    command = [sys.executable, "-c", script, str(course[0].parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_solution_line_that_the_lab_shows_on_purpose_is_no_leak():
    shown = new_markdown_cell("Remember: `twice_of_it = x + x`.")
    solution = new_notebook(cells=[new_code_cell(EXERCISE), shown])
    assert leaks(solution, new_notebook(cells=[shown])) == []
    assert leaks(new_notebook(cells=[new_code_cell(EXERCISE)]), new_notebook(cells=[shown])) == ["twice_of_it = x + x"]


def test_a_file_that_is_no_notebook_is_named(course):
    (course[0] / "00_a.ipynb").write_text("{ cut short")
    with pytest.raises(ValueError, match=r"Expected a Jupyter notebook in .*00_a\.ipynb"):
        build(*course)


@pytest.mark.parametrize("text", ["", "[course]\nfolder = 'a'", "[course]\nrepository = 3\nfolder = 'a'"])
def test_a_course_file_without_a_setting_is_named(tmp_path, text):
    (tmp_path / "course.toml").write_text(text)
    with pytest.raises(ValueError, match=r"Expected .*course\.toml to hold \[course\] repository"):
        read_course(tmp_path / "course.toml")


def test_a_missing_course_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"course\.toml"):
        read_course(tmp_path / "course.toml")


def test_a_cell_with_a_title_is_folded_and_no_other(course):
    solutions, labs, _ = course
    plain = new_code_cell("y = 1", metadata={"jupyter": {"source_hidden": True}, "cellView": "form"})
    write(solutions, "00_a", "# @title Draws\ny = 1", plain)
    build(*course)
    for folder in (solutions, labs):
        _, titled, other = read(folder, "00_a").cells
        assert titled.metadata == {"cellView": "form", "jupyter": {"source_hidden": True}}
        assert other.metadata == {}


GUIDED = [
    new_markdown_cell("# A lab\n## 1 Twice"),
    new_code_cell(EXERCISE),
    new_code_cell("multiple_choice(lab00_questions.SCALE)"),
    new_markdown_cell("## 2 Nothing to do here\n## 3 Words\n**A.** Why?"),
    new_markdown_cell("### BEGIN SOLUTION\nBecause it is so.\n### END SOLUTION"),
]


def guide_of(folder, name):
    return json.loads((folder / "data" / "labs" / f"{name}.json").read_text("utf-8"))


def test_what_there_is_to_do_is_noted_by_section_with_solutions_and_answers(course, tmp_path):
    write(course[0], "00_a", *GUIDED)
    build(*course)
    assert guide_of(tmp_path, "00_a") == {
        "sections": [
            {"title": "1 Twice", "exercises": ["double"], "questions": ["lab00_questions.SCALE"], "written": []},
            {"title": "3 Words", "exercises": [], "questions": [], "written": ["A"]},
        ],
        "solutions": {"double": "def double(x):\n    twice_of_it = x + x\n    return twice_of_it"},
        "answers": {"A": "Because it is so."},
    }
    assert check(*course) == []


def test_a_course_that_keeps_its_solutions_has_their_text_nowhere_but_in_its_own_folder(course, tmp_path):
    write(course[0], "00_a", *GUIDED)
    build(*course)
    course[2].write_text(course[2].read_text() + "solutions = false\n")
    assert any("00_a.json: differs" in problem for problem in check(*course))
    build(*course)
    assert (guide_of(tmp_path, "00_a")["solutions"], guide_of(tmp_path, "00_a")["answers"]) == (None, None)
    texts = [path.read_text("utf-8") for path in tmp_path.rglob("*.*") if path.parent != course[0]]
    assert not [text for text in texts if "twice_of_it" in text or "Because it is so" in text]
    course[2].write_text(course[2].read_text().replace("false", '"no"'))
    with pytest.raises(ValueError, match="solutions as true or false, got 'no'"):
        build(*course)


@pytest.mark.parametrize("name", ["homework4", "homework9"])  # the first has a folder of the staff, none has dates here
def test_of_a_homework_nothing_is_noted(course, tmp_path, name):
    write(course[0], name, *GUIDED)
    build(*course)
    assert not (tmp_path / "data").exists()


def test_notes_of_a_lab_that_is_gone_are_named(course, tmp_path):
    write(course[0], "00_a", *GUIDED)
    build(*course)
    (tmp_path / "data" / "labs" / "09_old.json").write_text("{}")
    assert any("09_old.json: has no source" in problem for problem in check(*course))
