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


EVERYWHERE = ["a\0b", "a\nb", "a\rb", "a\x1b[31mb", "a\x7fb", "a\x85b", "a\u2028b", "\t", "", " "]  # control characters
EVERYWHERE += ['a"; import os; "', "a\\b"]
# An option of git, an invisible letter or a way out.
OUTSIDE = ["--upload-pack=touch /tmp/x", "-u", " a", "a ", "a\u200bb", "a\u202eb", "\ufeffa", "x" * 300, "a<b>"]
OUTSIDE += ["~/labs", "../../etc"]
NO_ADDRESS = """ext::sh -c touch% /tmp/x|fd::17|labs|../labs.git|./labs.git|https://|javascript://a/b|C:labs
https://host.example/a b.git|host.example/a/labs.git|-oProxyCommand=x:y|git@host::path|ssh://-oProxyCommand=x/a
git@-oProxyCommand=x:a|https://-u/a"""
# Not below the notebook, or Windows cannot make it.
NO_FOLDER = """/etc|/|..|.|a/../../b|a//b|//a|~|~a/b|C:|C:/labs|c:labs|a/-b|a/ b|CON|nul|Aux.txt|a/com1|LPT9.a.b|labs.
a./b|a /b|.git|a/.GIT|a*b|a?"""
NO_BRANCH = "a b|a..b|a~1|a^|a:b|a?b|a*|a[b|/a|a/|a//b|a.lock|a.lock/b|a@{1}|.a|a/.b|a."


def listed(text):
    return text.replace("\n", "|").split("|")


REFUSED = [(name, value) for name in ("repository", "folder", "branch", "name", "term") for value in EVERYWHERE]
REFUSED += [(name, value) for name in ("repository", "folder", "branch") for value in OUTSIDE]
REFUSED += [("repository", value) for value in listed(NO_ADDRESS)]
REFUSED += [("folder", value) for value in [*listed(NO_FOLDER), "a|b"]] + [("branch", b) for b in listed(NO_BRANCH)]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_what_is_more_than_a_word_is_refused(tmp_path, name, value):
    words = rf"course\.toml to hold \[course\] {name} as .*Correct the line"
    assert repr(value) in refuses(words, read, tmp_path, toml(**{name: value}))


@pytest.mark.parametrize("value", listed(NO_BRANCH))
def test_git_refuses_the_names_of_these_branches_too(value):
    assert subprocess.run(["git", "check-ref-format", "--branch", value], capture_output=True).returncode != 0


@pytest.mark.parametrize(
    "value",
    listed("github.com/u/labs/tree/main|www.github.com/u/labs/blob/main/README.md|github.com/u/labs?tab=readme-ov-file")
    + listed("github.com/u/labs/#readme|gitlab.example/group/labs/-/tree/main"),
)
def test_the_address_of_a_page_is_no_address_that_git_clones(tmp_path, value):
    words = r"repository as the address that git clones, .*, not that of a page"
    refuses(words, read, tmp_path, toml(repository=f"https://{value}"))


ADDRESSES = """https://github.com/u/labs|https://github.com/u/labs/|https://github.com/u-1/labs.git/
https://host.example/group/tree/labs.git|https://host.example/?p=labs.git|http://host.example/a-/-b
https://host.example/a/labs.git|HTTPS://host.example:8443/~a/labs|http://10.0.0.7/labs|https://token@host.example/a.git
ssh://git@host.example:22/a.git|git@host.example:group/labs.git|host.example:group/labs.git|file:///srv/labs.git
/srv/Our Labs/labs.git|//server/share/labs.git|D:/courses/labs.git|git://host.example/a|https://host.example/Übung.git
https://example.org/a.git"""
FOLDERS = "transfer-labs|Labs 2026|Übungen|a/b|a/|.labs|console|comb|labs.v2|课程|a-b_c"


@pytest.mark.parametrize(
    ("name", "value"), [("repository", a) for a in listed(ADDRESSES)] + [("folder", f) for f in listed(FOLDERS)]
)
def test_every_address_that_git_knows_and_every_folder_that_each_system_can_make_is_taken(tmp_path, name, value):
    assert getattr(read(tmp_path, toml(**{name: value})), name) == value


@pytest.mark.parametrize("value", ["main", "2026/autumn", "v1.2", "übung", "a-b_c", "a@b", "release#3", "a,b", "a'b"])
def test_a_branch_that_git_knows_is_taken_and_written_into_an_address_rightly(tmp_path, value):
    subprocess.run(["git", "check-ref-format", "--branch", value], check=True, capture_output=True)
    course = read(tmp_path, toml(branch=value, repository="https://github.com/u/a"))
    assert course.branch == value
    address = re.search(r"/blob/(\S+)/labs/00_a\.ipynb\)", stamp_cell("00_a", course))[1]
    assert address.isascii()
    assert "#" not in address


@pytest.mark.parametrize("name", ["homework4", "homework 4", "hw-4.b", "Übung_1"])
def test_a_homework_that_is_named_like_a_notebook_is_taken(tmp_path, name):
    assert list(read(tmp_path, f"{toml()}[{quoted(name)}]\n{DATES}").homeworks) == [name]


def solutions(tmp_path, text, notebook="homework4"):
    """A course that can be built, of one empty notebook."""
    (tmp_path / "solutions").mkdir()
    (tmp_path / "labs").mkdir()
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / f"solutions/{notebook}.ipynb")
    (tmp_path / "course.toml").write_text(text, "utf-8")
    return main(["build", "--root", str(tmp_path)])


@pytest.mark.parametrize("name", ["homwork4", "Homework4", "homework_4"])
def test_dates_under_a_misspelt_name_do_not_vanish_from_the_notebook(tmp_path, name, capsys):
    assert solutions(tmp_path, f"{toml()}[{name}]\n{DATES}") != 0
    assert f"a table [homework4], got [{name}]" in capsys.readouterr().err


def test_dates_of_a_notebook_that_is_still_to_come_stop_nobody(tmp_path):
    assert solutions(tmp_path, f"{toml()}[homework4]\n{DATES}[homework5]\n{DATES}") == 0


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


HOMEWORKS = ("../x", "a/b", "-x", ".x", "a b; rm -rf", "a\nb", "", "a\0", "$(x)", "x.")
POLICIES = ("per = ['day']", "per = {}", "late = ['zero']", "percent = nan", "grace_minutes = inf")
NO_COURSE = r"course in .*course\.toml to be a table \[course\]"
FORM = {
    **{f"{toml()}[{quoted(name)}]\n{DATES}": "as the name of a notebook" for name in HOMEWORKS},
    **{f"{toml()}[homework4]\n{DATES}{line}\n": r"Expected \[homework4\] in .* Correct the line" for line in POLICIES},
    **{toml().encode(code): "got zero bytes. Save it with the enc" for code in ("utf-16-le", "utf-16-be", "utf-32")},
    toml(name="Übung").encode("latin-1"): "line 5 is in another encoding",
    toml().replace("[course]", "[Course]"): r"as \[course\], in small letters",
    toml() + "x = " + "[" * 5000 + "]" * 5000: "Expected TOML",
    **{text: NO_COURSE for text in ("course = 3\n", "course = [1]\n", "[[course]]\nfolder = 'a'\n")},
    **{f'{toml()}{word} = "x"\n': f"hold 'branch', got '{word}'" for word in ("brnch", "Branch")},
    f'{toml()}foldr = "x"\n': "hold 'folder', got 'foldr'",
}


@pytest.mark.parametrize(
    ("text", "words"), FORM.items(), ids=lambda text: str(text).replace(toml(), "").replace(DATES, "")[:40]
)
def test_a_file_that_is_not_understood_is_refused_in_words(tmp_path, text, words):
    refuses(words, read, tmp_path, text)


def test_a_setting_that_is_like_none_of_these_is_left_alone(tmp_path):
    assert read(tmp_path, f'{toml()}repo = "x"\n') == read(tmp_path, toml())


def test_the_command_line_says_it_in_one_paragraph(tmp_path, capsys):
    assert solutions(tmp_path, toml(repository="--upload-pack=x"), "00_a") != 0
    told = capsys.readouterr().err
    assert "--upload-pack=x" in told
    assert "Traceback" not in told
    assert list((tmp_path / "labs").iterdir()) == []


def test_what_is_taken_stands_in_the_first_cell_as_it_is(tmp_path):
    course = read(
        tmp_path, toml(repository="https://host.example/{x}/%s/$HOME/a'b.git", folder="a'b {c}", branch="d'{e}")
    )
    head = bootstrap_cell("00_a", course).split("\n\n\n")[0].replace("from importlib.util import find_spec", "")
    found = {}
    exec(head, found)
    assert (found["repository"], found["folder"], found["branch"]) == (course.repository, course.folder, course.branch)
