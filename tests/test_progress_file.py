"""What a student has done survives a restart, and a damaged file is set aside with words."""

import json

import pytest

from lab_utils.progress_file import Tried, begin_progress, progress_now

NAME = "00_a_progress.json"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_was_kept_is_there_after_a_restart(folder, capsys):
    begin_progress("00_a")
    assert list(folder.iterdir()) == []  # nothing done, nothing written
    now = progress_now()
    now.of("double").tries.append("abc")
    now.of("triple").passed = True
    now.questions.append("Why?")
    now.answers.append("A")
    now.save()
    begin_progress("00_a")
    assert progress_now() is not now
    assert progress_now() == now
    assert progress_now().exercises == {"double": Tried(tries=["abc"]), "triple": Tried(passed=True)}
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "text",
    [
        '{"lab": "00_a", "questions": [',
        "[]",
        "{}",
        '{"lab": "01_b", "questions": [], "answers": [], "exercises": {}}',
        '{"lab": "00_a", "questions": [1], "answers": [], "exercises": {}}',
        '{"lab": "00_a", "questions": [], "answers": [], "exercises": {"double": {"passed": 1}}}',
        '{"lab": "00_a", "questions": [], "answers": [], '
        '"exercises": {"double": {"passed": true, "tries": [], "steps": -1}}}',
    ],
)
def test_a_damaged_file_is_set_aside_with_words_each_time(folder, capsys, text):
    for number in (1, 2):
        (folder / NAME).write_text(text)
        begin_progress("00_a")
        assert (
            f"It is now 00_a_progress_damaged{number}.json, and your progress begins anew." in capsys.readouterr().out
        )
        assert (folder / f"00_a_progress_damaged{number}.json").read_text() == text
        assert progress_now().exercises == {}
    progress_now().of("double").passed = True
    progress_now().save()
    assert json.loads((folder / NAME).read_text())["exercises"]["double"]["passed"] is True


def test_a_folder_that_cannot_be_written_to_is_told_once(folder, capsys, monkeypatch):
    def refuse(path, text):
        raise PermissionError(13, "Permission denied")

    begin_progress("00_a")
    monkeypatch.setattr("lab_utils.progress_file.write_text", refuse)
    progress_now().save()
    progress_now().save()
    assert capsys.readouterr().out.count("cannot be kept") == 1


def test_with_a_folder_for_results_nothing_lies_beside_the_notebook(folder, monkeypatch):
    monkeypatch.setenv("LAB_RESULTS", str(folder / "results"))
    begin_progress("00_a")
    progress_now().save()
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*.json")] == [f"results/{NAME}"]
