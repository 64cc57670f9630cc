import os

from lab_utils.data.copies import join_copies, once


def write(folder, **contents):
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def test_files_of_the_same_bytes_have_one_owner_and_chains_are_followed(tmp_path):
    paths = write(tmp_path, a=b"one", b=b"two", c=b"one", d=b"two", e=b"six", f=b"longer")
    assert join_copies(paths, ["p", "q", "q", "r", "s", "t"]) == ["p", "p", "p", "p", "s", "t"]


def test_owners_without_copies_stay_as_they_are(tmp_path):
    paths = write(tmp_path, a=b"one", b=b"two", c=b"three")
    assert join_copies(paths, ["z", "y", "z"]) == ["z", "y", "z"]


def test_files_that_differ_far_from_the_middle_are_not_copies(tmp_path):
    paths = write(tmp_path, a=b"0" * 20_000, b=b"1" + b"0" * 19_999, c=b"0" * 19_999 + b"1")
    assert join_copies(paths, ["p", "q", "r"]) == ["p", "q", "r"]


def test_links_lead_to_one_file(tmp_path):
    paths = write(tmp_path, a=b"one", b=b"one")
    os.link(tmp_path / "a", tmp_path / "c")
    os.symlink(tmp_path / "b", tmp_path / "d")
    assert once([*paths, tmp_path / "c", tmp_path / "d"]) == paths
