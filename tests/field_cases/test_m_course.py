"""M: course.toml with words that are more than words: options of git, paths, names that no system can make."""

import re
import subprocess

import nbformat
import pytest

from lab_utils.__main__ import main
from lab_utils.staff.course.bootstrap import bootstrap_cell, stamp_cell
from lab_utils.staff.course.settings import read_course
from tests.refusals import refuses

GOOD = {"repository": "https://host.example/a/labs.git", "folder": "labs", "branch": "main"}
DATES = 'release = "2026-10-01T09:00:00Z"\ndeadline = "2026-11-06T23:59:00Z"\n'


def toml(**settings):
    lines = [f"{key} = {quoted(value)}" for key, value in {**GOOD, **settings}.items()]
    return "[course]\n" + "\n".join(lines) + "\n"


def quoted(value):
    escaped = "".join(
        f"\\U{ord(letter):08X}" if not letter.isprintable() or letter in '"\\' else letter for letter in value
    )
    return f'"{escaped}"'


def read(tmp_path, text):
    (tmp_path / "course.toml").write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return read_course(tmp_path / "course.toml")


def refused(tmp_path, name, value):
    with pytest.raises(ValueError, match=rf"course\.toml to hold \[course\] {name} as .*Correct the line") as caught:
        read(tmp_path, toml(**{name: value}))
    assert repr(value) in str(caught.value)


CONTROL = ["a\0b", "a\nb", "a\rb", "a\x1b[31mb", "a\x7fb", "a\x85b", "a\u2028b", "\t", "", " "]


@pytest.mark.parametrize("name", ["repository", "folder", "branch", "name", "term"])
@pytest.mark.parametrize("value", [*CONTROL, 'a"; import os; "', "a\\b"])
def test_a_word_with_control_characters_quotes_or_nothing_is_refused(tmp_path, name, value):
    refused(tmp_path, name, value)


@pytest.mark.parametrize("name", ["repository", "folder", "branch"])
@pytest.mark.parametrize(
    "value",
    [
        "--upload-pack=touch /tmp/x",
        "-u",
        " a",
        "a ",
        "a\u200bb",
        "a\u202eb",
        "\ufeffa",
        "x" * 300,
        "a<b>",
        "~/labs",
        "../../etc",
    ],
)
def test_an_option_of_git_an_invisible_letter_or_a_way_out_is_refused(tmp_path, name, value):
    refused(tmp_path, name, value)


@pytest.mark.parametrize(
    "value",
    [
        *("ext::sh -c touch% /tmp/x", "fd::17", "labs", "../labs.git", "./labs.git", "https://", "javascript://a/b"),
        *("https://host.example/a b.git", "host.example/a/labs.git", "C:labs", "-oProxyCommand=x:y", "git@host::path"),
        *("ssh://-oProxyCommand=x/a", "git@-oProxyCommand=x:a", "https://-u/a"),
    ],
)
def test_what_is_no_address_that_git_clones_everywhere_is_refused(tmp_path, value):
    refused(tmp_path, "repository", value)


@pytest.mark.parametrize(
    "value",
    [
        "https://github.com/u/labs/tree/main",
        "https://www.github.com/u/labs/blob/main/README.md",
        "https://github.com/u/labs?tab=readme-ov-file",
        "https://github.com/u/labs/#readme",
        "https://gitlab.example/group/labs/-/tree/main",
    ],
)
def test_the_address_of_a_page_is_no_address_that_git_clones(tmp_path, value):
    with pytest.raises(ValueError, match=r"repository as the address that git clones, .*, not that of a page"):
        read(tmp_path, toml(repository=value))


@pytest.mark.parametrize(
    "value",
    [
        *("https://github.com/u/labs", "https://github.com/u/labs/", "https://github.com/u-1/labs.git/"),
        *("https://host.example/group/tree/labs.git", "https://host.example/?p=labs.git", "http://host.example/a-/-b"),
        *("https://host.example/a/labs.git", "HTTPS://host.example:8443/~a/labs", "http://10.0.0.7/labs"),
        *("https://token@host.example/a.git", "ssh://git@host.example:22/a.git", "git@host.example:group/labs.git"),
        *("host.example:group/labs.git", "file:///srv/labs.git", "/srv/Our Labs/labs.git", "//server/share/labs.git"),
        *("D:/courses/labs.git", "git://host.example/a", "https://host.example/Übung.git", "https://example.org/a.git"),
    ],
)
def test_every_kind_of_address_that_git_knows_is_taken(tmp_path, value):
    assert read(tmp_path, toml(repository=value)).repository == value


@pytest.mark.parametrize(
    "value",
    [
        *("/etc", "/", "..", ".", "a/../../b", "a//b", "//a", "~", "~a/b", "C:", "C:/labs", "c:labs", "a/-b", "a/ b"),
        *("CON", "nul", "Aux.txt", "a/com1", "LPT9.a.b", "labs.", "a./b", "a /b", ".git", "a/.GIT", "a*b", "a?", "a|b"),
    ],
)
def test_a_folder_that_is_not_below_the_notebook_or_that_windows_cannot_make_is_refused(tmp_path, value):
    refused(tmp_path, "folder", value)


@pytest.mark.parametrize(
    "value",
    ["transfer-labs", "Labs 2026", "Übungen", "a/b", "a/", ".labs", "console", "comb", "labs.v2", "课程", "a-b_c"],
)
def test_a_folder_that_every_system_can_make_is_taken(tmp_path, value):
    assert read(tmp_path, toml(folder=value)).folder == value


@pytest.mark.parametrize(
    "value",
    [
        *("a b", "a..b", "a~1", "a^", "a:b", "a?b", "a*", "a[b", "/a", "a/", "a//b", "a.lock", "a.lock/b", "a@{1}"),
        *(".a", "a/.b", "a."),
    ],
)
def test_a_branch_is_refused_exactly_where_git_refuses_the_name(tmp_path, value):
    assert subprocess.run(["git", "check-ref-format", "--branch", value], capture_output=True).returncode != 0
    refused(tmp_path, "branch", value)


@pytest.mark.parametrize("value", ["main", "2026/autumn", "v1.2", "übung", "a-b_c", "a@b", "release#3", "a,b", "a'b"])
def test_a_branch_that_git_knows_is_taken_and_written_into_an_address_rightly(tmp_path, value):
    subprocess.run(["git", "check-ref-format", "--branch", value], check=True, capture_output=True)
    course = read(tmp_path, toml(branch=value, repository="https://github.com/u/a"))
    assert course.branch == value
    address = re.search(r"/blob/(\S+)/labs/00_a\.ipynb\)", stamp_cell("00_a", course))[1]
    assert address.isascii()
    assert "#" not in address


@pytest.mark.parametrize("name", ["../x", "a/b", "-x", ".x", "a b; rm -rf", "a\nb", "", "a\0", "$(x)", "x."])
def test_a_homework_that_is_named_like_no_notebook_is_refused(tmp_path, name):
    refuses("as the name of a notebook", read, tmp_path, f"{toml()}[{quoted(name)}]\n{DATES}")


@pytest.mark.parametrize("name", ["homework4", "homework 4", "hw-4.b", "Übung_1"])
def test_a_homework_that_is_named_like_a_notebook_is_taken(tmp_path, name):
    assert list(read(tmp_path, f"{toml()}[{quoted(name)}]\n{DATES}").homeworks) == [name]


def test_a_table_course_in_capitals_is_named(tmp_path):
    refuses(r"as \[course\], in small letters", read, tmp_path, toml().replace("[course]", "[Course]"))


@pytest.mark.parametrize("name", ["homwork4", "Homework4", "homework_4"])
def test_dates_under_a_misspelt_name_do_not_vanish_from_the_notebook(tmp_path, name, capsys):
    (tmp_path / "solutions").mkdir()
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "solutions/homework4.ipynb")
    (tmp_path / "course.toml").write_text(f"{toml()}[{name}]\n{DATES}", "utf-8")
    assert main(["build", "--root", str(tmp_path)]) != 0
    assert f"a table [homework4], got [{name}]" in capsys.readouterr().err


def test_dates_of_a_notebook_that_is_still_to_come_stop_nobody(tmp_path):
    (tmp_path / "solutions").mkdir()
    (tmp_path / "labs").mkdir()
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "solutions/homework4.ipynb")
    (tmp_path / "course.toml").write_text(f"{toml()}[homework4]\n{DATES}[homework5]\n{DATES}", "utf-8")
    assert main(["build", "--root", str(tmp_path)]) == 0


def test_names_may_be_in_any_language(tmp_path):
    course = read(tmp_path, toml(name="L'imagerie médicale: « transfert » 👩‍⚕️ 迁移", term="Été\u00a02026"))
    assert course.name.startswith("L'imagerie")


# ---- how editors save it


def test_a_byte_order_mark_and_the_line_ends_of_windows_change_nothing(tmp_path):
    text = toml(name="Übung") + f"[homework4]\n{DATES}"
    expected = read(tmp_path, text)
    for same in (text.replace("\n", "\r\n"), "\ufeff" + text, "\ufeff\ufeff" + text.replace("\n", "\r\n")):
        assert read(tmp_path, same) == expected
        assert read(tmp_path, same.encode("utf-16")) == expected  # with a mark, as Notepad and PowerShell write it


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_with_zero_bytes_is_named(tmp_path, encoding):
    refuses(r"got zero bytes\. Save it with the encoding UTF-8", read, tmp_path, toml().encode(encoding))


def test_a_file_in_another_encoding_is_named_with_its_line(tmp_path):
    refuses("line 5 is in another encoding", read, tmp_path, toml(name="Übung").encode("latin-1"))


# ---- the form of the file


def test_brackets_without_end_are_named(tmp_path):
    refuses("Expected TOML", read, tmp_path, toml() + "x = " + "[" * 5000 + "]" * 5000)


@pytest.mark.parametrize("text", ["course = 3\n", "course = [1]\n", "[[course]]\nfolder = 'a'\n"])
def test_a_course_that_is_no_table_is_named(tmp_path, text):
    refuses(r"course in .*course\.toml to be a table \[course\]", read, tmp_path, text)


@pytest.mark.parametrize(
    ("wrong", "right"), [("brnch", "branch"), ("Branch", "branch"), ("foldr", "folder"), ("repo", "")]
)
def test_a_misspelt_setting_is_named_and_another_one_is_left_alone(tmp_path, wrong, right):
    text = toml() + f'{wrong} = "x"\n'
    if right:
        refuses(f"hold '{right}', got '{wrong}'", read, tmp_path, text)
    else:
        assert read(tmp_path, text) == read(tmp_path, toml())


@pytest.mark.parametrize(
    "line", ["per = ['day']", "per = {}", "late = ['zero']", "percent = nan", "grace_minutes = inf"]
)
def test_a_policy_of_another_kind_is_refused_in_words(tmp_path, line):
    refuses(r"Expected \[homework4\] in .* Correct the line", read, tmp_path, f"{toml()}[homework4]\n{DATES}{line}\n")


def test_the_command_line_says_it_in_one_paragraph(tmp_path, capsys):
    (tmp_path / "solutions").mkdir()
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "solutions/00_a.ipynb")
    (tmp_path / "course.toml").write_text(toml(repository="--upload-pack=x"), "utf-8")
    assert main(["build", "--root", str(tmp_path)]) != 0
    told = capsys.readouterr().err
    assert "--upload-pack=x" in told
    assert "Traceback" not in told
    assert not (tmp_path / "labs").exists()


def test_what_is_taken_stands_in_the_first_cell_as_it_is(tmp_path):
    course = read(
        tmp_path, toml(repository="https://host.example/{x}/%s/$HOME/a'b.git", folder="a'b {c}", branch="d'{e}")
    )
    head = bootstrap_cell("00_a", course).split("\n\n\n")[0].replace("from importlib.util import find_spec", "")
    found = {}
    exec(head, found)
    assert (found["repository"], found["folder"], found["branch"]) == (course.repository, course.folder, course.branch)
