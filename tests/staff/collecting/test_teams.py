"""Teams hand in once; exceptions belong to one homework."""

import pytest

from lab_utils.staff.collecting.roster import read_roster

HEADER = "student,name,email,url,team,penalty,reason\n"


def read(tmp_path, text, *args):
    (tmp_path / "roster.csv").write_text(text, "utf-8")
    return read_roster(tmp_path / "roster.csv", *args)


def test_the_members_of_a_team_are_one_with_one_link(tmp_path):
    lines = "s1,Ada,a@b,https://e.org/owls,owls,,\ns2,Ben,,https://e.org/ben,,,\ns3,Chen,,,owls,20%,A reason.\n"
    owls, ben = read(tmp_path, HEADER + lines)
    assert (owls.student, owls.name, owls.url, owls.penalty) == ("owls", "Ada, Chen", "https://e.org/owls", 0.2)
    assert [(p.student, p.name, p.email) for p in owls.members] == [("s1", "Ada", "a@b"), ("s3", "Chen", "")]
    assert (ben.student, ben.members) == ("s2", ())


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("s1,,,https://e.org/a,owls,,\ns2,,,https://e.org/b,owls,,\n", "one url for the team 'owls'"),
        ("s1,,,x,owls,10%,r\ns2,,,x,owls,20%,r\n", "one penalty for the team 'owls'"),
        ("s1,,,x,s2,,\ns2,,,x,,,\n", "a name for the team 's2' .* that no student has"),
        ("s1,,,x,../a,,\n", "Expected team in line 2"),
        ("s1,,,x,owls,,\ns2,,,y,Owls,,\n", "differ in more than capital letters"),
    ],
)
def test_a_team_that_is_not_one_is_refused(tmp_path, lines, words):
    with pytest.raises(ValueError, match=words):
        read(tmp_path, HEADER + lines)


TWO = ("homework4", "homework5")


def test_links_and_exceptions_can_be_those_of_one_homework(tmp_path):
    text = "student,name,email,url,homework5_url,homework4_penalty,Homework5_Extension,reason,homework4_reason\n"
    text += "s1,,,https://e.org/a,https://e.org/b,10%,2026-11-08T12:00:00Z,,Ill.\n"
    (four,), (five,) = (read(tmp_path, text, name, TWO) for name in TWO)
    assert (four.url, four.penalty, four.extension, four.reason) == ("https://e.org/a", 0.1, None, "Ill.")
    assert (five.url, five.penalty, str(five.extension)) == ("https://e.org/b", None, "2026-11-08 12:00:00+00:00")


def test_an_exception_for_nobody_knows_which_homework_is_refused(tmp_path):
    text = "student,name,email,url,extension\ns1,,,x,2026-11-08T12:00:00Z\n"
    with pytest.raises(ValueError, match=r"extension in line 2 .* which homework .* homework5_extension"):
        read(tmp_path, text, "homework5", TWO)
    assert read(tmp_path, text, "homework5", ["homework5"])[0].extension


def test_a_misspelt_column_of_a_homework_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'homework5_extension'"):
        read(tmp_path, "student,name,email,url,homework5_extention\ns1,,,x,\n", "homework5", TWO)
