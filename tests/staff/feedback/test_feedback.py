"""The pages: everything a student needs, nothing that runs, the same bytes for the same input."""

import base64
import csv
import hashlib
import html.parser
import io
import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from lab_utils.staff.feedback.feedback import feedback, read_standings
from lab_utils.staff.feedback.pages import duration, moment, points, prose
from lab_utils.staff.grading import result as status
from lab_utils.staff.grading.result import CaseResult, QuestionResult, Result, question_result, write_result
from lab_utils.staff.grading.written import NAME, Mark, read_written, write_written
from tests.staff.feedback.made_up import RELEASED, make_assignment, make_class, write_notebook

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "{{ 7 * 7 }}{% raw %}",
    "</style><style>body{display:none}",
    "javascript:alert(3)",
    "=cmd|' /C calc'!A0",
    "\u202egnp.exe \x00\x1b[31m \ud800",
    "`<b>code</b>`",
    "]]> &amp; <!-- ",
)


class Page(html.parser.HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = set(), [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, *attribute) for attribute in attrs]
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data


TAGS = {
    "h4",
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "main",
    "header",
    "section",
    "article",
    "p",
    "h1",
    "h2",
    "h3",
}
TAGS |= {"b", "br", "bdi", "a", "span", "div", "dl", "dt", "dd", "table", "thead", "tbody", "tfoot", "tr", "th", "td"}
TAGS |= {"ul", "ol", "em", "strong", "li", "code", "pre", "blockquote", "figure", "img", "svg", "rect"}


def read(path):
    return Page(path.read_text("utf-8"))


def make(root, questions, *, collected=(), state=status.GRADED, **fields):
    """Write a class of one student, graded, and run `feedback`; return the student's page."""
    assignment = make_assignment(root)
    given = {question.name: question for question in questions}
    all_questions = tuple(
        given.get(q.name, QuestionResult(q.name, 0.0, q.points, status.NOT_ATTEMPTED)) for q in assignment.questions
    )
    entry = {"student": "s1", "name": "Ada", "sha": "abc", "status": "collected", "folder": "submissions/s1"}
    entry |= dict(collected)
    folder = root / "grading"
    write_result(folder / "results" / "s1.json", Result("s1", "abc", "n.ipynb", state, all_questions, **fields))
    table = {"homework": "homework4", "students": [entry]}
    (folder / "collected.json").write_text(json.dumps(table), "utf-8")
    feedback(folder, root)
    return read(folder / "feedback" / "s1.html")


def test_a_student_sees_points_hints_the_own_line_metrics_and_comments(tmp_path):
    cases = (
        CaseResult("equal scores count one half", 1, status.PASSED),
        CaseResult("mean 0", 2, status.WRONG, "Look at `std` again.", "line 3 of cell 9: return x / 255"),
    )
    fields = {"metrics": {"model_1_fixed": {"auroc": 0.8125, "odd": float("nan")}}}
    make(tmp_path, [question_result("B1", 6, cases)], answers={"A2": "because"}, **fields)
    folder = tmp_path / "grading"
    write_written(folder / NAME, make_assignment(tmp_path), [Mark("s1", "A2", "because", 11, "Say more.\nMuch more.")])
    feedback(folder, tmp_path)
    text = " ".join(read(folder / "feedback" / "s1.html").text.split())
    for words in (
        "Ada",
        "2 / 6",
        "equal scores count one half passed 2 / 2",
        "mean 0 not right yet Look at std again.",
        "line 3 of cell 9: return x / 255",
        "0 / 4",
        "11 / 15",
        "Comment Say more. Much more.",
        "model_1_fixed0.812\u2013",
        "13 of 100 points",
        "not attempted",
    ):
        assert words in text, words


def test_the_points_of_the_cases_that_passed_add_up_to_those_of_the_question(tmp_path):
    kinds = (status.PASSED, status.PASSED, status.WRONG)
    cases = tuple(CaseResult(f"case {i}", 1, kind) for i, kind in enumerate(kinds))
    text = " ".join(make(tmp_path, [question_result("D1", 5, cases)]).text.split())
    shown = [float(x) for x in re.findall(r"case \d (?:passed|not right yet) ([\d.]+) / [\d.]+", text)]
    assert shown == [1.67, 1.66, 0]
    assert "3.33 / 5" in text


def test_a_hint_that_is_the_same_for_every_case_is_said_once(tmp_path):
    cases = tuple(CaseResult(f"case {i}", 1, status.CRASHED, "It broke.", "line 1: x") for i in range(3))
    page = make(tmp_path, [question_result("B1", 6, cases)])
    assert page.text.count("It broke.") == 1
    assert page.text.count("line 1: x") == 1
    assert page.text.count("stopped with an error") == 5  # overview, question, three cases


@pytest.mark.parametrize(
    ("collected", "words"),
    [
        (
            {"late_seconds": 93_600, "penalty": 0.2, "evidence": "claimed"},
            "1 day 2 h after the deadline. The penalty is 20 % of the points reached: 6 \u2212 1.2 = 4.8.",
        ),
        ({"late_seconds": 60}, "1 min after the deadline. There is no penalty for that."),
        ({"submitted": "2026-12-14T15:58:59Z", "evidence": "claimed"}, "Nothing else confirms it."),
        ({"sha": "def"}, "These points are of an earlier commit."),
        ({}, "Gradedn.ipynb"),
        ({"left_out": ["<b>.ipynb was not taken."]}, "<b>.ipynb was not taken."),
    ],
)
def test_lateness_and_evidence_are_explained(tmp_path, collected, words):
    page = make(tmp_path, [QuestionResult("B1", 6.0, 6.0, status.GRADED)], collected=collected)
    assert words in " ".join(page.text.split())


@pytest.mark.parametrize(
    ("collected", "words"),
    [
        ({"late_seconds": 60, "penalty": 0.0}, "1 min after the deadline. There is no penalty for that."),
        ({"late_seconds": 60, "penalty": 0.5}, "The penalty is 50 % of the points reached: 6 \u2212 3 = 3."),
        ({"late_seconds": 0, "penalty": 0.5}, "Penalty50 % of the points reached: 6 \u2212 3 = 3."),
    ],
)
def test_a_penalty_by_hand_is_told_with_its_reason_and_without_the_rule(tmp_path, collected, words):
    rule = "Every started day after it costs 10 % of the points."
    settings = '[course]\nrepository = "https://example.org/r.git"\nfolder = "f"\n[homework4]\nlate = "percent"\n'
    settings += 'percent = 10\nrelease = "2026-11-30T09:00:00Z"\ndeadline = "2026-12-14T23:59:00+08:00"\n'
    (tmp_path / "course.toml").write_text(settings, "utf-8")
    for by_hand in (True, False):
        entry = collected | {"by_hand": by_hand, "reason": "<b>A wrong clock.</b>" if by_hand else ""}
        page = make(tmp_path, [QuestionResult("B1", 6.0, 6.0, status.GRADED)], collected=entry)
        text = " ".join(page.text.split())
        assert words in text
        assert (f"{words} A person decided this. Reason<b>A wrong clock.</b>" in text) == by_hand
        assert (rule in text) == (not by_hand and entry["late_seconds"] > 0)
        assert ("%, by hand" in read(tmp_path / "grading" / "class.html").text) == by_hand


@pytest.mark.parametrize(
    ("collected", "words"),
    [
        ({"open": False}, "2026-11-22 02:34:00 (UTC+08:00) Handed in2026-11-21 23:00:07 (UTC+08:00)"),
        ({"open": True}, "Your deadline was not over when we fetched your repository."),
    ],
)
def test_times_are_those_of_the_course(tmp_path, collected, words):
    times = {"due": "2026-11-22T02:34:00+08:00", "submitted": "2026-11-21T15:00:07Z", "late_seconds": 1}
    flags = {"flags": ["Newer work is not graded: 1 commit, the last one abc of 2026-11-22T01:00:00Z."]}
    page = make(tmp_path, [], collected=collected | times | flags)
    assert words in " ".join(page.text.split())
    of_class = read(tmp_path / "grading" / "class.html").text
    assert "2026-11-21 23:00:07 (UTC+08:00)" in of_class
    assert "the last one abc of 2026-11-22 09:00:00 (UTC+08:00)." in of_class


def test_that_points_are_missing_is_said_only_where_they_are(tmp_path):
    own = {"open": True, "due": "2026-11-22T02:34:00+08:00"}
    assert "some answers have no points yet" not in make(tmp_path, [], collected=own).text
    waits = [QuestionResult("A2", 0.0, 15.0, status.WAITING)]
    assert "some answers have no points yet" in make(tmp_path, waits, collected=own).text


def test_points_that_a_person_gave_count_and_are_said_to_be_so(tmp_path, capsys):
    wrong = question_result("B1", 6, (CaseResult("mean 0", 1, status.WRONG, "Look again."),))
    assert "given by a person" not in make(tmp_path, [wrong]).text
    folder = tmp_path / "grading"
    write_written(folder / NAME, make_assignment(tmp_path), [Mark("s1", "B1", "", 5, "You are right.")])
    capsys.readouterr()
    feedback(folder, tmp_path)
    text = " ".join(read(folder / "feedback" / "s1.html").text.split())
    assert "These points were given by a person, whatever the cases above say." in text
    assert "Comment You are right." in text
    assert "5 of 100 points" in text
    assert "points given by a person instead of the grader: s1 B1" in capsys.readouterr().out


def test_pages_of_people_who_left_are_named(tmp_path, capsys):
    make(tmp_path, [])
    assert "not in the class any more" not in capsys.readouterr().out
    (tmp_path / "grading" / "feedback" / "s0.html").write_text("old")
    feedback(tmp_path / "grading", tmp_path)
    assert "pages of people who are not in the class any more, delete them: s0.html" in capsys.readouterr().out


def test_before_the_deadline_nobody_is_told_that_nothing_was_pushed_in_time(tmp_path):
    due = {"status": "no commit", "folder": "", "due": "2026-11-22T02:34:00+08:00"}
    words = "no commit of the default branch changes"
    assert words not in make(tmp_path / "a", [], collected=due | {"open": True}).text
    assert words in make(tmp_path / "b", [], collected=due | {"open": False}).text


def test_code_and_emphasis_of_hints_are_set_and_nothing_else_is():
    shown = "a <em>method</em> of <code>2 * x * y</code>, 3 * 4 * 5, &lt;b&gt;"
    assert prose("a *method* of `2 * x * y`, 3 * 4 * 5, <b>") == shown


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"status": "no commit", "folder": ""}, "no commit of the default branch changes"),
        ({"status": "unreachable", "folder": ""}, "could not be fetched"),
        ({"status": "collected"}, "has not been graded yet"),
    ],
)
def test_somebody_without_a_result_gets_a_page_that_says_why(tmp_path, entry, words):
    make_assignment(tmp_path)
    folder = tmp_path / "grading"
    folder.mkdir()
    table = {"homework": "homework4", "students": [{"student": "s1", **entry}]}
    (folder / "collected.json").write_text(json.dumps(table), "utf-8")
    assert feedback(folder, tmp_path) == 0
    assert words in read(folder / "feedback" / "s1.html").text
    assert "s1" in read(folder / "class.html").text


def test_who_was_never_reached_stands_first_in_the_class(tmp_path):
    make_assignment(tmp_path)
    folder = tmp_path / "grading"
    folder.mkdir()
    students = [{"student": "ann", "status": "no commit"}, {"student": "zoe", "status": "unreachable"}]
    (folder / "collected.json").write_text(json.dumps({"homework": "homework4", "students": students}), "utf-8")
    assert feedback(folder, tmp_path) == 0
    text = read(folder / "class.html").text
    assert text.rindex("zoe") < text.rindex("ann")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A class in which everything that can be written by somebody is hostile."""
    root = tmp_path_factory.mktemp("hostile")
    assignment = make_assignment(root)
    folder = root / "grading"
    entries = []
    for number, text in enumerate(HOSTILE):
        fields = dict.fromkeys(("name", "email", "url", "sha", "evidence", "submitted"), text)
        student = f"s{number}&'=<"[: 3 + number % 3].rstrip("<")
        entries.append(
            {"student": student, "status": "collected", "flags": [text], "left_out": [text], "folder": "x", **fields}
        )
        (folder / "submissions" / student).mkdir(parents=True)
        write_notebook(folder / "submissions" / student / "h.ipynb", [f"def f(x):\n    return '{number}'", text])
        case = CaseResult(text, 1, status.WRONG, text, text)
        questions = [QuestionResult(q.name, 1.0, q.points, text, (case,), text, text) for q in assignment.questions]
        found = Result(
            student,
            text,
            text,
            text if number % 2 else status.GRADED,
            tuple(questions),
            {text: {text: 0.5}},
            {"A2": text},
            text,
            text,
        )
        path = folder / "results" / f"{student}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(asdict(found)), "utf-8")  # as escapes: half characters, too
    (folder / "collected.json").write_text(json.dumps({"homework": "homework4", "students": entries}), "utf-8")
    feedback(folder, root)
    marks = read_written(folder / NAME, assignment, [entry["student"] for entry in entries])
    write_written(folder / NAME, assignment, [Mark(m.student, m.question, m.answer, 1, m.answer) for m in marks])
    feedback(folder, root, also=["nbgrader"])
    return folder


def test_hostile_texts_stay_texts(hostile):
    pages = [hostile / "class.html", *sorted((hostile / "feedback").glob("*.html"))]
    assert len(pages) == len(HOSTILE) + 1
    for path in pages:
        page = read(path)
        assert page.tags <= TAGS, page.tags - TAGS
        assert not [a for a in page.attributes if a[1].startswith("on") or a[1] in ("style", "srcdoc", "action")]
        links = [value for _, name, value in page.attributes if name in ("href", "src", "xlink:href")]
        assert all(
            re.fullmatch(r"data:image/svg\+xml;base64,[\w+/=]+|feedback/[\w%.'&]+\.html", link) for link in links
        )
        policy = next(v for t, n, v in page.attributes if t == "meta" and n == "content" and "default-src" in v)
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert not re.search("[\x00-\x08\x0b-\x1f\u202e\ud800-\udfff]", path.read_text("utf-8"))
    first = read(next(path for path in pages if path.name.startswith("s0"))).text
    assert first.count("<script>alert(1)</script>") > 10  # shown as what it is
    assert "{{ 7 * 7 }}" in "".join(read(path).text for path in pages)


def test_hostile_texts_begin_no_formula_in_any_table(hostile):
    for path in hostile.glob("*.csv"):
        for row in csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")):
            assert not [cell for cell in row if cell.startswith(tuple("=+-@\t\r"))], path.name


def test_the_style_is_the_one_that_the_policy_allows(tmp_path):
    make(tmp_path, [])
    text = (tmp_path / "grading" / "feedback" / "s1.html").read_text("utf-8")
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in text


def files_of(folder):
    paths = [*(folder / "feedback").iterdir(), folder / "class.html", *folder.glob("*.csv")]
    return {path.name: path.read_bytes() for path in paths}


def test_a_class_of_two_hundred_twice_gives_the_same_bytes(tmp_path):
    outputs = []
    for name in ("one", "two"):
        root = tmp_path / name
        assignment = make_assignment(root)
        make_class(root / "grading", assignment, 200, seed=4)
        feedback(root / "grading", root, also=["nbgrader"])
        outputs.append(files_of(root / "grading"))
    feedback(root / "grading", root, also=["nbgrader"])
    outputs.append(files_of(root / "grading"))
    assert outputs[1] == outputs[2]
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) == 200 + 1 + 3


def test_the_class_page_counts_what_there_is(tmp_path):
    root = tmp_path
    assignment = make_assignment(root)
    make_class(root / "grading", assignment, 20, seed=1)
    files = [root / "grading" / "submissions" / student / "homework4.ipynb" for student in ("s1002", "s1003")]
    files[1].write_bytes(files[0].read_bytes())
    feedback(root / "grading", root)
    standings = read_standings(root / "grading", assignment)
    page = read(root / "grading" / "class.html")
    text = " ".join(page.text.split())
    graded = sum(standing.status == status.GRADED for standing in standings)
    late = sum(standing.collected.late_seconds > 0 for standing in standings)
    assert f"20 students {graded} graded 0 marked to the end {late} late {3 * graded} answers to mark" in text
    assert "s1002, s1003" in text
    assert "cheat" not in text.lower()
    assert "plagiar" not in text.lower()
    assert "days apart" in text
    assert sum(tag == "img" for tag, name, _ in page.attributes if name == "src") == 2


def test_an_empty_class_and_a_class_of_one_have_a_page(tmp_path):
    assignment = make_assignment(tmp_path)
    make_class(tmp_path / "grading", assignment, 1)
    assert feedback(tmp_path / "grading", tmp_path) == 0
    (tmp_path / "grading" / "collected.json").write_text('{"homework": "homework4", "students": []}', "utf-8")
    assert feedback(tmp_path / "grading", tmp_path) == 0
    text = read(tmp_path / "grading" / "class.html").text
    assert text.count("No submission is graded yet.") == 2  # no totals, and nothing to mark
    assert "All marked." not in text
    assert " ".join(text.split()).endswith("Students Nobody.")


def test_why_a_submission_as_a_whole_has_no_points_is_said_once(tmp_path):
    assignment = make_assignment(tmp_path)
    why = "homework4.ipynb cannot be read as a notebook."
    questions = [QuestionResult(q.name, 0.0, q.points, status.INVALID, hint=why) for q in assignment.questions]
    text = make(tmp_path, questions, message=why, state=status.INVALID).text
    assert text.count(why) == 1
    assert text.count("the notebook cannot be read") == 2 * len(questions)


def test_json_is_all_that_is_printed_on_request(tmp_path, capsys):
    assignment = make_assignment(tmp_path)
    make_class(tmp_path / "grading", assignment, 3)
    feedback(tmp_path / "grading", tmp_path, as_json=True)
    summary = json.loads(capsys.readouterr().out)
    assert summary["students"] == 3
    assert summary["to_mark"] == {"A2": 3, "D2": 3, "E2": 3}
    assert Path(summary["gradebook"]).is_file()


def test_nbgraders_due_date_is_that_of_the_course(tmp_path):
    assignment = make_assignment(tmp_path)
    make_class(tmp_path / "grading", assignment, 1)
    for text, expected in (
        ("", ""),
        (
            '[homework4]\nrelease = "2026-11-30T09:00:00Z"\ndeadline = "2026-12-14T23:59:00+08:00"\n',
            "2026-12-14 15:59:00",
        ),
    ):
        settings = f'[course]\nrepository = "https://example.org/r.git"\nfolder = "f"\n{text}'
        (tmp_path / "course.toml").write_text(settings, "utf-8")
        feedback(tmp_path / "grading", tmp_path, also=["nbgrader"])
        table = (tmp_path / "grading" / "gradebook_nbgrader.csv").read_text("utf-8-sig")
        assert [row["duedate"] for row in csv.DictReader(io.StringIO(table))] == [expected]


def test_nothing_that_students_must_not_see_is_on_their_pages(tmp_path):
    """Before marking, rubrics tell what the answer is; flags, likeness and other students are the instructor's."""
    make(tmp_path, [], answers={"A2": "x"}, collected={"flags": ["tip rewritten"]})
    text = (tmp_path / "grading" / "feedback" / "s1.html").read_text("utf-8")
    assert "a reason from the data" not in text
    assert "tip rewritten" not in text
    assert RELEASED[0] not in text


@pytest.mark.parametrize("others_open", [True, False])
def test_a_rubric_stands_beside_the_marks_when_nobody_can_hand_in_any_more(tmp_path, others_open):
    make(tmp_path, [], answers={"A2": "because", "E2": "why"})
    folder = tmp_path / "grading"
    table = json.loads((folder / "collected.json").read_text("utf-8"))
    table["students"].append({"student": "s2", "status": "no commit", "open": others_open})
    (folder / "collected.json").write_text(json.dumps(table), "utf-8")
    rows = [Mark("s1", "A2", "because", 11), Mark("s1", "E2", "why")]
    write_written(folder / NAME, make_assignment(tmp_path), rows)
    feedback(folder, tmp_path)
    text = " ".join(read(folder / "feedback" / "s1.html").text.split())
    told = "marked What the points are for: 5: names both 5: a reason from the data"
    assert (told in text) == (not others_open)
    assert "3: another site" not in text  # E2 is not marked yet
    assert "reads the interval" not in text  # D2 was not answered


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (93_600, "1 day 2 h"), (172_861, "2 days 1 min"), (3600, "1 h")],
)
def test_time_spans_in_words(seconds, words):
    assert duration(seconds) == words


def test_moments_and_points_for_people():
    assert moment("2026-12-14T15:58:59Z") == "2026-12-14 15:58:59 UTC"
    assert moment("2026-12-14T15:58:59+00:00") == "2026-12-14 15:58:59 UTC"
    assert moment("yesterday") == "yesterday"
    assert [points(value) for value in (0.0, 10.0, 2.5, 100, 3.333)] == ["0", "10", "2.5", "100", "3.33"]
    assert points(None) == "\u2013"


def test_a_team_has_a_page_for_each_member_and_extra_credit_is_said_to_be_so(tmp_path):
    assignment = make_assignment(tmp_path)
    path = tmp_path / "lab_utils/staff/homework4/questions.toml"
    path.write_text(
        path.read_text("utf-8").replace('function = "explain_gap"', 'function = "explain_gap"\nextra = true'), "utf-8"
    )
    questions = tuple(QuestionResult(q.name, q.points, q.points, status.GRADED) for q in assignment.questions)
    members = [{"student": "s1", "name": "Ada"}, {"student": "s2", "name": "Ben"}]
    entry = {"student": "owls", "name": "Ada, Ben", "sha": "abc", "folder": "submissions/owls", "members": members}
    folder = tmp_path / "grading"
    write_result(folder / "results/owls.json", Result("owls", "abc", "n.ipynb", status.GRADED, questions))
    (folder / "collected.json").write_text(json.dumps({"homework": "homework4", "students": [entry]}), "utf-8")
    feedback(folder, tmp_path)
    assert {path.name for path in (folder / "feedback").iterdir()} == {"s1.html", "s2.html"}
    assert (folder / "feedback/s1.html").read_bytes() == (folder / "feedback/s2.html").read_bytes()
    text = " ".join(read(folder / "feedback/s1.html").text.split())
    for words in (
        "Ada, Ben Team owls: s1, s2",
        "of 96 points and up to 4 extra",
        "Explain the gap (extra credit)",
        "/ 96 + 4",
    ):
        assert words in text, words
    of_class = " ".join(read(folder / "class.html").text.split())
    assert "2 students, with teams 1 hand-in" in of_class


def test_the_class_page_of_an_earlier_version_does_not_stay_among_the_pages_to_send(tmp_path):
    make(tmp_path, [])
    old = tmp_path / "grading/feedback/class.html"
    old.write_text("the whole class")
    make(tmp_path, [])
    assert not old.exists()
    assert (tmp_path / "grading/class.html").is_file()
