"""A roster is made of what others have, and what cannot be read is refused."""

import pytest

from lab_utils.__main__ import main
from lab_utils.staff.collecting.roster import read_roster
from lab_utils.staff.collecting.roster_from import make_roster

CLASSROOM = """\
"identifier","github_username","github_id","name"
"ada@example.org","ada-l","12","Ada Lovelace"
"Ben Silva","bsilva","13",""
"s1003","chen","14","Chen Wang"
"""
# The fields of GitHub's REST API, in its order: docs.github.com/en/rest/classroom.
GRADES = """\
"assignment_name","assignment_url","starter_code_url","github_username","roster_identifier","student_repository_name",\
"student_repository_url","submission_timestamp","points_awarded","points_available","group_name"
"hw4","https://x","https://y","ada-l","s1","hw4-owls","https://github.com/c/hw4-owls","2026-12-14","0","0",\
"Night Owls"
"hw4","https://x","https://y","bsilva","s2","hw4-owls","https://github.com/c/hw4-owls","","0","0","Night Owls"
"hw4","https://x","https://y","chen","s3","hw4-chen","https://github.com/c/hw4-chen","","0","0",""
"""
ADDRESSES = """\
# the class of Tuesday
Ada Lovelace <ada@example.org>
ben.silva@example.org, https://github.com/bsilva/homework.git
https://example.org/group/chen-homework.git
"""


def make(tmp_path, text, **options):
    (tmp_path / "source").write_text(text, "utf-8")
    make_roster(tmp_path / "source", tmp_path / "roster.csv", **options)
    return read_roster(tmp_path / "roster.csv")


def test_the_roster_of_github_classroom_with_a_pattern_for_the_links(tmp_path):
    found = make(tmp_path, CLASSROOM, url="https://github.com/c/hw4-{github}.git")
    assert [(s.student, s.name, s.email, s.url) for s in found] == [
        ("ada", "Ada Lovelace", "ada@example.org", "https://github.com/c/hw4-ada-l.git"),
        ("bsilva", "Ben Silva", "", "https://github.com/c/hw4-bsilva.git"),
        ("s1003", "Chen Wang", "", "https://github.com/c/hw4-chen.git"),
    ]


def test_the_grades_of_github_classroom_with_a_team(tmp_path):
    owls, chen = make(tmp_path, GRADES)
    assert (owls.student, owls.url, [p.student for p in owls.members]) == (
        "Night-Owls",
        "https://github.com/c/hw4-owls",
        ["s1", "s2"],
    )
    assert (chen.student, chen.url, chen.members) == ("s3", "https://github.com/c/hw4-chen", ())


def test_a_list_of_addresses(tmp_path):
    found = make(tmp_path, ADDRESSES, url="https://example.org/{student}.git")
    assert [(s.student, s.name, s.email, s.url) for s in found] == [
        ("ada", "Ada Lovelace", "ada@example.org", "https://example.org/ada.git"),
        ("ben.silva", "", "ben.silva@example.org", "https://github.com/bsilva/homework.git"),
        ("chen-homework", "", "", "https://example.org/group/chen-homework.git"),
    ]


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("", {}, "found none"),
        ("Ada Lovelace\n", {}, "an address of mail or a repository"),
        ("a@x.org\na@y.org\n", {}, "each student of .* once, got 'a'"),
        ("a@x.org\n", {"url": "https://e.org/{name}"}, r"Expected {student} or {github} in --url, got {name}"),
        ("a@x.org\n", {"url": "https://e.org/{github}"}, "Expected a github for 'a'"),
        ('"identifier","github_username"\n"É é",""\n', {}, "whose name can be that of a file, got É é"),
    ],
)
def test_what_is_no_class_is_refused(tmp_path, text, options, words):
    with pytest.raises(ValueError, match=words):
        make(tmp_path, text, **options)
    assert not (tmp_path / "roster.csv").exists()


def test_a_roster_that_is_there_is_not_lost(tmp_path, capsys):
    (tmp_path / "source").write_text("a@x.org https://e.org/a.git\n")
    line = ["roster", str(tmp_path / "source"), "--folder", str(tmp_path / "grading")]
    assert main(line) == 0
    before = (tmp_path / "grading/roster.csv").read_bytes()
    assert main(line) == 2
    assert "would be lost" in capsys.readouterr().err
    assert (tmp_path / "grading/roster.csv").read_bytes() == before
