"""No cell runs as a formula, numbers stay numbers, and what a spreadsheet saves is read again."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.staff.grading.safe_text import neutral, read_table, restored, visible, write_table

STARTERS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3+cmd", "'-2+3+cmd"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("\r=1", "'\n'=1"),
        ('  "=1', "  \"'=1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("fine;=1+1", "fine;'=1+1"),
        ("two\n=lines", "two\n'=lines"),
        ("a = b - c", "a = b - c"),
        ("", ""),
        ("-5", "'-5"),
        ("5", "5"),
        (-5, "-5"),
        (-2.5, "-2.5"),
        (12.0, "12"),
        (1 / 3, "0.3333333333"),
        (None, ""),
        ("a\x00b\u202ec\ud800", "a\\u0000b\\u202ec\\ud800"),
    ],
)
def test_what_a_cell_becomes(cell, written):
    assert neutral(cell) == written


def split_as(text, separator):
    return [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row]


@given(st.lists(st.text(alphabet=st.sampled_from("=+-@\t\r\n;,\"' a1\uff1d")), min_size=1, max_size=3))
def test_no_cell_begins_as_a_formula_whichever_separator_a_spreadsheet_expects(tmp_path_factory, cells):
    path = tmp_path_factory.mktemp("table") / "table.csv"
    write_table(path, ["x"] * len(cells), [cells])
    text = path.read_bytes().decode("utf-8-sig")
    for separator in ",;\t":
        for cell in split_as(text, separator):
            start = cell.lstrip(' "\n\r\t')[:1]
            assert start not in {"=", "+", "-", "@", "\uff1d"}


@given(st.text(alphabet=st.characters(blacklist_categories=["C", "Zl", "Zp"]) | st.sampled_from("\n=-+@;")))
def test_guarding_can_be_undone(text):
    if "'" not in text:
        assert restored(neutral(text)) == text


def test_very_long_cells_are_cut_below_the_limit_of_excel():
    assert len(neutral("x" * 100_000)) < 32_767
    assert len(neutral("\n" * 29_000)) < 32_767  # and this takes no time that grows with the square


def test_a_table_comes_back_as_it_was(tmp_path):
    rows = [["s1", 2.5, '=x\nsecond, "quoted"'], ["\u00e9mile", None, "-1"]]
    write_table(tmp_path / "t.csv", ["student", "points", "text"], rows)
    assert (tmp_path / "t.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert read_table(tmp_path / "t.csv") == [
        (2, {"student": "s1", "points": "2.5", "text": '=x\nsecond, "quoted"'}),
        (4, {"student": "\u00e9mile", "points": "", "text": "-1"}),
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_separators_and_encodings_of_spreadsheets_are_understood(tmp_path, separator, encoding):
    text = separator.join(["Student ", "POINTS"]) + "\r\n" + separator.join(["s1", "'=3"]) + "\r\n\r\n" + "s2\r\n"
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    expected = [(2, {"student": "s1", "points": "=3"}), (4, {"student": "s2", "points": ""})]
    assert read_table(tmp_path / "t.csv") == expected


def test_other_bytes_are_refused_with_what_to_do(tmp_path):
    (tmp_path / "t.csv").write_bytes("student\n\u00e9".encode("latin-1"))
    with pytest.raises(ValueError, match="save it as 'CSV UTF-8'"):
        read_table(tmp_path / "t.csv")


def test_marks_that_are_stacked_on_a_letter_do_not_lie_over_other_lines():
    assert visible("e\u0302\u0301 Z" + "\u0336\u0322" * 20 + "a") == "e\u0302\u0301 Z\u0336\u0322\u0336a"
