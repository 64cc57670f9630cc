"""Only regular files with ordinary names are written, and only below the folder."""

from itertools import product
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.staff.collecting.export import MOST_FILES, export, select
from lab_utils.staff.collecting.git import GitError
from lab_utils.staff.collecting.mirror import Entry, commits, fetch
from tests.staff.collecting import repositories
from tests.staff.collecting.repositories import commit, take, tree_commit, written

MIB = 1 << 20


def entry(path, mode="100644", size=1):
    return Entry(mode, "0" * 40, size, path if isinstance(path, bytes) else path.encode())


def test_links_submodules_and_odd_names_stay_behind_and_are_named(repo, mirror, tmp_path):
    tree_commit(
        repo,
        [
            ("100644", "good.ipynb", b"good"),
            ("100755", "run.sh", b"echo"),
            ("120000", "passwords", b"/etc/passwd"),
            ("120000", "out", b"../../.."),
            ("160000", "module", "1" * 40),
            ("100644", "-rf", b"x"),
            ("100644", "two\nlines", b"x"),
            ("100644", b"latin-\xe9", b"x"),
            ("100644", "back\\slash", b"x"),
            ("100644", "Übung 4, réponse 答え.txt", b"unicode"),
        ],
    )
    names, flags = take(repo, mirror, tmp_path)
    assert names == {"good.ipynb", "run.sh", "Übung 4, réponse 答え.txt"}
    (flag,) = flags
    assert "(odd name)" in flag
    assert "and 2 more" in flag
    assert "\n" not in flag
    assert not any(path.is_symlink() for path in (tmp_path / "out" / "ann").iterdir())


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "a//b",
        "./a",
        ".git/hooks/post-checkout",
        "a/.GIT/config",
        ".g\u200cit/config",
        ".git~1/config",
        "a/-x",
        "a\x1b[2J",
        "a\x7f",
        "x" * 201,
        "/".join(["y" * 100] * 11),
        "",
    ],
)
def test_a_path_that_leaves_the_folder_or_means_something_to_git_is_refused(path):
    chosen, left_out = select([entry(path), entry("fine.txt")])
    assert [name for _, name in chosen] == ["fine.txt"]
    assert left_out == [(path.encode(), "odd name")]


def test_of_two_names_that_are_one_on_some_systems_both_are_written_apart(repo, mirror, tmp_path):
    chosen, left_out = select([entry("A.txt"), entry("a.txt"), entry("b"), entry("B/c"), entry("L/a.txt")])
    assert [name for _, name in chosen] == ["a.txt", "b", "A (2).txt", "L/a.txt"]
    assert [path for path, _ in left_out] == [b"B/c"]  # a file and a folder of one name
    chosen, left_out = select([entry("".join(letters)) for letters in product("aA", "bB", "cC", "dD")])
    assert (len(chosen), len(left_out)) == (9, 7)
    commit(repo, "labs/Homework4.ipynb", "stub")
    commit(repo, "labs/homework4.ipynb", "work")
    names, (flag,) = take(repo, mirror, tmp_path)
    assert names == {"labs/homework4.ipynb", "labs/Homework4 (2).ipynb"}
    assert flag.startswith("labs/Homework4.ipynb is written as labs/Homework4 (2).ipynb:")


def test_a_link_and_a_folder_of_one_name_do_not_lead_out(repo, mirror, tmp_path):
    """A tree that no honest Git writes: x is a link to the folder above, and a folder with a file."""
    inner = repositories.git(repo, "hash-object", "-w", "--stdin", stdin=b"evil")
    tree = repositories.git(repo, "mktree", "-z", stdin=f"100644 blob {inner}\tpwned\0".encode())
    tree_commit(repo, [("120000", "x", b".."), ("40000", "x", tree)])
    names, flags = take(repo, mirror, tmp_path)
    assert names == {"x/pwned"}
    assert "symbolic link" in flags[0]
    assert not (tmp_path / "out" / "pwned").exists()


def test_limits_on_size_and_number_spare_the_notebook(monkeypatch):
    many = [entry(f"a/{i}.png") for i in range(MOST_FILES)]
    chosen, left_out = select([*many, entry("z.ipynb"), entry("huge.ipynb", size=51 * MIB)])
    assert len(chosen) == MOST_FILES
    assert chosen[0][1] == "z.ipynb"
    assert left_out[0] == (b"huge.ipynb", "51 MiB")
    assert left_out[1][1] == "too many files"
    chosen, _ = select([entry(f"{i}.bin", size=49 * MIB) for i in range(9)])
    assert len(chosen) == 5  # 245 of 250 MiB


@pytest.mark.parametrize(
    "environment",
    [
        ["venv/lib/python3/{}.py"],
        ["labs/mine/lib/python3/{}.py", "labs/mine/pyvenv.cfg"],
        ["Lib/{}.py", "conda-meta/history"],  # the folder of the whole work is the environment
        ["labs/odd/lib/python3/site-packages/{}.ipynb"],
        ["node_modules/a/{}.csv"],
    ],
    ids=lambda paths: paths[0],
)
def test_an_environment_however_large_takes_no_place_from_what_is_graded(environment):
    many = [entry(path.format(i)) for path in environment for i in range(MOST_FILES + 100 if "{}" in path else 1)]
    work = ["labs/homework4.ipynb", "labs/homework4_predictions.csv"]
    chosen, left_out = select([*many, *map(entry, work)])
    assert [name for _, name in chosen][:2] == work
    assert len(left_out) >= 100


def test_a_student_is_told_of_work_that_was_not_taken_and_what_to_do(repo, mirror, tmp_path):
    commit(repo, "labs/helper.py", "x = 1")
    with (repo / "labs/homework4.ipynb").open("wb") as file:
        file.truncate(65 * MIB)
    commit(repo, "predictions.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    tip = fetch(mirror, str(repo), **repositories.LIMITS).tip
    flags, told = export(mirror, commits(mirror, tip)[0].tree, tmp_path / "out" / "ann")
    assert flags[0] == "Files left out: 'labs/homework4.ipynb' (65 MiB)."
    assert told[0].startswith("labs/homework4.ipynb is in the repository and was not taken: 65 MiB. More than 50 MiB")
    assert "clear the outputs" in told[0]
    assert told[1].startswith("predictions.csv is a Git LFS pointer")
    assert "git lfs untrack" in told[1]
    assert len(told) == 2


def test_a_huge_file_that_packs_well_is_not_unpacked(repo, mirror, tmp_path):
    with (repo / "zeros.bin").open("wb") as file:
        file.truncate(60 * MIB)
    commit(repo, "work.ipynb", "work")
    names, flags = take(repo, mirror, tmp_path)
    assert names == {"work.ipynb"}
    assert flags == ["Files left out: 'zeros.bin' (60 MiB)."]


def test_an_export_that_fails_leaves_the_old_one(repo, mirror, tmp_path):
    commit(repo, "a.txt", "old")
    take(repo, mirror, tmp_path)
    with pytest.raises(GitError):
        export(mirror, "0" * 40, tmp_path / "out" / "ann")
    assert written(tmp_path / "out") == {"ann/a.txt"}


def test_files_that_a_grader_may_be_reading_are_replaced_only_by_others(repo, mirror, tmp_path):
    commit(repo, "a.txt", "one")
    take(repo, mirror, tmp_path)
    folder = tmp_path / "out" / "ann"
    before = folder.stat().st_ino
    take(repo, mirror, tmp_path)
    assert folder.stat().st_ino == before
    (folder / "a.txt").write_text("two")  # as long as before
    (folder / "b.txt").write_text("not of the student")
    take(repo, mirror, tmp_path)
    assert (folder / "a.txt").read_text() == "one"
    assert written(folder) == {"a.txt"}


def test_a_pointer_to_a_large_file_elsewhere_is_told(repo, mirror, tmp_path):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    commit(repo, "homework4.ipynb", pointer)
    names, flags = take(repo, mirror, tmp_path)
    assert names == {"homework4.ipynb"}
    assert flags == ["homework4.ipynb is a Git LFS pointer: its content is not in the repository."]


PIECES = st.sampled_from(
    [b"..", b".", b"a", b"A", b".git", b".GIT", b"-x", b"\xff", b"\n", b"x.ipynb", b"", b"\xc3\xa9"]
)


@given(st.lists(st.lists(PIECES, min_size=1, max_size=4).map(b"/".join), max_size=30))
def test_whatever_a_tree_holds_the_paths_stay_below_the_folder_and_apart(paths):
    chosen, left_out = select([entry(path) for path in paths])
    names = [name for _, name in chosen]
    assert len(names) + len(left_out) == len(paths)
    folded = [name.casefold() for name in names]
    assert len(set(folded)) == len(folded)
    for name in folded:
        parts = PurePosixPath(name).parts
        assert parts[0] != "/"
        assert not {"..", ".git"} & set(parts)
        assert not any(other.startswith(name + "/") for other in folded)
