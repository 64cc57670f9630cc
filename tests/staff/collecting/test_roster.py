"""The class list: what is read, and which line is named where something is wrong."""

from datetime import datetime, timezone
from pathlib import Path

import pytest

from lab_utils.staff.collecting.roster import link_error, read_pushes, read_roster

HEADER = "student,name,email,url,extension,commit\n"
PENALTY = "student,url,name,email,penalty,reason\n"


def read(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "roster.csv"
    path.write_bytes(text.encode(encoding))
    return read_roster(path)


def test_a_line_is_read_with_its_extension_and_commit(tmp_path):
    text = HEADER + 'ann-1,"Lee, Ann",ann@example.org,https://example.org/a,2026-11-08T12:00:00+08:00,ABCDEF0\n'
    (ann,) = read(tmp_path, text)
    assert (ann.student, ann.name, ann.url) == ("ann-1", "Lee, Ann", "https://example.org/a")
    assert ann.extension == datetime(2026, 11, 8, 4, tzinfo=timezone.utc)
    assert ann.commit == "abcdef0"


def test_what_excel_writes_is_read(tmp_path):
    """A mark of the byte order, semicolons, other line ends, columns of one's own, empty lines."""
    text = "Email;Student;Seat;NAME;url\r\na@b.c;ann;12;Zoë;https://example.org/a\r\n;;;;\r\n\r\n"
    (ann,) = read(tmp_path, text, "utf-8-sig")
    assert (ann.student, ann.name, ann.extension, ann.commit) == ("ann", "Zoë", None, "")


@pytest.mark.parametrize(
    "student", ["../x", ".hidden", "", "a b", "a/b", "x" * 65, "é", "nul", "Class", "COM1.txt", "a.", "=1+1", "a\tb"]
)
def test_an_identifier_that_is_no_safe_file_name_is_refused_with_its_line(tmp_path, student):
    with pytest.raises(ValueError, match=r"student in line 3 of .*roster\.csv"):
        read(tmp_path, f"{HEADER}ann,,,x,,\n{student},n,,x,,\n")


@pytest.mark.parametrize("second", ["ann", "Ann"])
def test_a_student_twice_is_refused_with_both_lines(tmp_path, second):
    with pytest.raises(ValueError, match=r"lines 2 and 4"):
        read(tmp_path, f"{HEADER}ann,,,x,,\nbob,,,x,,\n{second},,,y,,\n")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ann,,,x,2026-11-08T12:00:00,", "extension in line 2 .*offset"),
        ("ann,,,x,,main", "commit in line 2"),
        ("ann,,,x,,--all", "commit in line 2"),
        ("ann,,x", "6 values in line 2 .*got 3"),
        ("", "at least one student"),
    ],
)
def test_a_wrong_value_is_refused_with_its_line(tmp_path, line, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, HEADER + line + "\n")


@pytest.mark.parametrize(
    ("cell", "penalty"), [("", None), ("0", 0.0), ("0%", 0.0), ("20%", 0.2), ('"12,5 %"', 0.125), ("100%", 1.0)]
)
def test_a_penalty_by_hand_is_read_as_a_share_with_its_reason(tmp_path, cell, penalty):
    (ann,) = read(tmp_path, f"{PENALTY}ann,x,,,{cell},a wrong clock\n")
    assert (ann.penalty, ann.reason) == (penalty, "a wrong clock")


@pytest.mark.parametrize("cell", ["0.2", "20", "-5%", "101%", "none", "1%%"])
def test_a_penalty_that_could_be_read_in_two_ways_is_refused_with_its_line(tmp_path, cell):
    with pytest.raises(ValueError, match=r"penalty in line 2 of .* such as 20%"):
        read(tmp_path, f"{PENALTY}ann,x,,,{cell},why\n")


def test_a_penalty_by_hand_needs_a_reason(tmp_path):
    with pytest.raises(ValueError, match="a reason beside the penalty in line 2"):
        read(tmp_path, f"{PENALTY}ann,x,,,0%,\n")


@pytest.mark.parametrize("header", ["student,name,email", "student,name,email,url,url", ""])
def test_a_missing_or_doubled_column_is_named(tmp_path, header):
    with pytest.raises(ValueError, match="url"):
        read(tmp_path, header + "\n")


def test_other_bytes_than_utf8_are_told(tmp_path):
    with pytest.raises(ValueError, match="UTF-8"):
        read(tmp_path, HEADER + "ann,Zoë,,x,,\n", "latin-1")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"roster\.csv"):
        read_roster(tmp_path / "roster.csv")


def test_a_path_beside_the_roster_becomes_absolute(tmp_path):
    (tmp_path / "work" / "ann").mkdir(parents=True)
    ann, bob = read(tmp_path, f"{HEADER}ann,,,work/ann,,\nbob,,,work/bob,,\n")
    assert ann.url == str(tmp_path / "work" / "ann")
    assert bob.url == "work/bob"


def test_a_page_inside_of_a_repository_stands_for_the_repository(tmp_path):
    inside = ("tree/main/labs", "blob/main/labs/homework4.ipynb", "commit/abc", "commits/main/")
    lines = [f"s{i},,,https://github.com/ann/hw4/{page},," for i, page in enumerate(inside)]
    found = read(tmp_path, HEADER + "\n".join(lines) + "\ns9,,,https://github.com/tree/blob,,\n")
    assert [s.url for s in found] == ["https://github.com/ann/hw4"] * 4 + ["https://github.com/tree/blob"]


def test_push_records_are_read_and_a_wrong_line_is_named(tmp_path):
    path = tmp_path / "pushes.csv"
    path.write_text(f"student,sha,pushed_at\nann,{'A' * 40},2026-11-06T15:59:00Z\n")
    (push,) = read_pushes(path)
    assert (push.student, push.sha) == ("ann", "a" * 40)
    assert push.pushed_at == datetime(2026, 11, 6, 15, 59, tzinfo=timezone.utc)
    path.write_text(f"student,sha,pushed_at\nann,{'a' * 40},2026-11-06 15:59\n")
    with pytest.raises(ValueError, match="pushed_at in line 2"):
        read_pushes(path)
    path.write_text("student,sha,pushed_at\nann,abc,2026-11-06T15:59:00Z\n")
    with pytest.raises(ValueError, match="sha in line 2"):
        read_pushes(path)


COURSE, FOLDER = Path("/course"), Path("/elsewhere/grading")


@pytest.mark.parametrize(
    "url",
    ["https://example.org/ann/hw4", "https://example.org:8443/a.git", "file:///srv/ann", "/srv/ann", "/course/x/repo"],
)
def test_the_three_kinds_of_links_pass(url):
    assert link_error(url, COURSE, FOLDER) == ""


@pytest.mark.parametrize(
    "url",
    [
        "",
        "-oProxyCommand=x",
        "--upload-pack=touch /tmp/x",
        "ext::sh -c touch% /tmp/x",
        "https::ext::sh",
        "fd::17",
        "http://example.org/a",
        "ssh://example.org/a",
        "git@example.org:ann/hw4.git",
        "ssh://-oProxyCommand=x/a",
        "git://example.org/a",
        "ftp://example.org/a",
        "https://",
        "https:///a",
        "https://ann:secret@example.org/a",
        "https://token@example.org/a",
        "https://[bad/a",
        "https://example.org/a b",
        "https://example.org/a\nb",
        "file://host/srv/ann",
        "file:relative",
        "relative/ann",
        "../ann",
        "javascript:alert(1)",
    ],
)
def test_every_other_link_is_refused_in_words(url):
    assert link_error(url, COURSE, FOLDER).endswith(".")


@pytest.mark.parametrize(
    "url",
    [
        "/course",
        "/course/",
        "/course/.git",
        "/course/x/../solutions/y",
        "/elsewhere/grading/mirrors/bob.git",
        "file:///elsewhere/grading",
        "file:///elsewhere/%67rading/mirrors/bob.git",
    ],
)
def test_the_course_and_the_mirrors_are_no_hand_ins(url):
    assert "belongs to the course" in link_error(url, COURSE, FOLDER)


@pytest.mark.parametrize("url", ["git@example.org:ann/hw4.git", "ssh://git@example.org/ann/hw4.git"])
def test_a_link_for_ssh_keys_is_told_what_to_write(url):
    assert "Write https://example.org/ann/hw4.git in the roster." in link_error(url, COURSE, FOLDER)
