import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

import lab_utils.data
from lab_utils.__main__ import main


@pytest.fixture
def root(tmp_path):
    (tmp_path / "solutions").mkdir()
    (tmp_path / "course.toml").write_text('[course]\nrepository = "https://example.org/a.git"\nfolder = "a"\n')
    nbformat.write(new_notebook(cells=[new_code_cell("x = 1")]), tmp_path / "solutions" / "00_a.ipynb")
    return tmp_path


def test_build_check_fails_until_the_labs_are_built(root, capsys):
    assert main(["build", "--check", "--root", str(root)]) == 1
    assert "is missing" in capsys.readouterr().out
    assert main(["build", "--root", str(root)]) == 0
    assert main(["build", "--check", "--root", str(root)]) == 0


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["rum"])
    assert "invalid choice" in capsys.readouterr().err


COMMANDS = ("doctor", "check", "phantoms", "build", "run", "release", "collect", "grade", "feedback")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as done:
        main([command, "--help"])
    assert done.value.code == 0
    assert f"usage: python -m lab_utils {command}" in capsys.readouterr().out


def test_the_rule_of_the_deadline_is_in_the_help_of_collect(capsys):
    with pytest.raises(SystemExit):
        main(["collect", "--help"])
    told = capsys.readouterr().out
    assert "work of 23:59:00 is on time" in told
    assert "23:59:01\nis one second late" in told


def test_build_tells_in_json_what_it_wrote(root, capsys):
    assert main(["build", "--root", str(root), "--json"]) == 0
    wrote = json.loads(capsys.readouterr().out)["wrote"]
    assert str(root / "labs" / "00_a.ipynb") in wrote
    (root / "labs" / "00_a.ipynb").unlink()
    assert main(["build", "--check", "--root", str(root), "--json"]) == 1
    assert "is missing" in json.loads(capsys.readouterr().out)["problems"][0]


HOMEWORK = '[homework4]\nrelease = "2026-10-01T09:00:00Z"\ndeadline = "2026-11-06T23:59:00Z"\n'


@pytest.fixture
def course(root):
    (root / "course.toml").write_text((root / "course.toml").read_text() + HOMEWORK)
    return root


def test_collect_tells_who_is_missing_and_returns_1_for_it_where_that_is_asked(course, capsys):
    (course / "roster.csv").write_text("student,name,email,url\nann,Ann,a@b.c,https://\n")
    line = ["collect", str(course / "roster.csv"), "--root", str(course)]
    assert main([*line, "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert (record["student"], record["status"]) == ("ann", "unreachable")
    assert json.loads((course / "grading/homework4/collected.json").read_text())["students"] == [record]
    assert main([*line, "--strict"]) == 1
    assert "Not collected: ann (unreachable)" in capsys.readouterr().out


def test_of_several_homeworks_one_is_named(course, capsys):
    settings = course / "course.toml"
    settings.write_text(settings.read_text() + HOMEWORK.replace("homework4", "homework5"))
    (course / "roster.csv").write_text(ANN)
    for command in (["collect", str(course / "roster.csv")], ["grade"], ["feedback"]):
        assert main([*command, "--root", str(course)]) == 2
        assert "got several in course.toml: homework4, homework5. Add --homework NAME." in capsys.readouterr().err


ANN = "student,name,email,url\nann,,,https://\n"
WRONG = {  # the command, the roster, whether the course has dates; how it ends, and what it says
    "build without course.toml": ("build", None, None, 1, "course.toml"),
    "a lab that is not there": ("run 00_b", None, False, 1, "Did you mean '00_a'"),
    "no roster": ("collect ROSTER", None, True, 2, "roster.csv"),
    "a roster without addresses": ("collect ROSTER", "student,name\n", True, 2, "roster.csv"),
    "a name that is none": ("collect ROSTER", "student,name,email,url\n../x,,,y\n", True, 2, "roster.csv"),
    "no dates": ("collect ROSTER", ANN, False, 2, "a table [NAME] with release and deadline, got tables for no"),
    "grade before collect": ("grade", None, True, 2, ""),
    "feedback before collect": ("feedback", None, True, 2, ""),
}


@pytest.mark.parametrize("kind", WRONG)
def test_an_error_is_one_paragraph_without_a_traceback(root, capsys, kind):
    command, roster, dates, code, words = WRONG[kind]
    if dates:
        (root / "course.toml").write_text((root / "course.toml").read_text() + HOMEWORK)
    elif dates is None:
        (root / "course.toml").unlink()
    if roster is not None:
        (root / "roster.csv").write_text(roster)
    assert main([*command.replace("ROSTER", str(root / "roster.csv")).split(), "--root", str(root)]) == code
    told = capsys.readouterr().err
    assert told
    assert words in told
    assert "Traceback" not in told


@pytest.mark.parametrize("error", [RuntimeError("a decoder died"), ImportError("expected the package pydicom")])
def test_what_the_kit_says_in_words_is_one_paragraph_whatever_its_kind(error, capsys, monkeypatch):
    def plan_data(*_, **__):
        raise error

    monkeypatch.setattr(lab_utils.data, "plan_data", plan_data)
    assert main(["data", "rsna", "--root", ".", "--plan"]) == 1
    assert capsys.readouterr().err == f"{error}\n"


@pytest.mark.parametrize("kind", [KeyError, TypeError, RecursionError, NotImplementedError, ModuleNotFoundError])
def test_a_fault_of_the_kit_keeps_its_traceback(kind, monkeypatch):
    def plan_data(*_, **__):
        raise kind("a bug")

    monkeypatch.setattr(lab_utils.data, "plan_data", plan_data)
    with pytest.raises(kind, match="a bug"):
        main(["data", "rsna", "--root", ".", "--plan"])


def test_a_grading_that_is_stopped_says_how_to_go_on(course, capsys, monkeypatch):
    def stop(*args, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("lab_utils.staff.grading.grade.grade", stop)
    assert main(["grade", "--root", str(course)]) == 130
    assert "the same command goes on from there" in capsys.readouterr().err


def test_release_returns_2_if_the_folder_is_something_else(root, tmp_path, capsys, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    assert main(["release", str(tmp_path / "mine"), "--root", str(root)]) == 2
    assert "something else" in capsys.readouterr().err
