"""What `collect` flags, ranked and grouped: what contradicts a student's claim first, what is ordinary last."""

from collections.abc import Iterable, Mapping, Sequence

# A title, and how the sentences of the group begin or, after "...", what they hold.
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Times that a fetch contradicts",
        ("...did not find it: it counts as of then", "Dated later than it was first seen"),
    ),
    ("The same as another student", ("The same link as", "The same commit as")),
    ("History that was changed", ("The history was rewritten", "The link changed")),
    (
        "Not reached, or no work found",
        (
            "The repository could not be fetched",
            "The repository is empty",
            "No commit changes the homework",
            "The commit could not be taken out",
            "The roster names commit",
            "Work on the homework was seen on",
            "... was seen: ",
            "Another commit was graded",
        ),
    ),
    (
        "Dates that are odd",
        ("The commit is dated", "Dated before the commit", "Author and committer", "The commit has no date"),
    ),
    ("Set by a person", ("The roster sets", "The student's own deadline")),
    (
        "Files that were not taken, or are odd",
        ("Files left out", "...is a Git LFS pointer", "... is written as ", "The repository names no default branch"),
    ),
    ("Newer work that is not graded", ("Newer work is not graded",)),
    ("Times that only the commit confirms", ("...Dates of commits can be set at will", "The time is the")),
)
OTHER = "Other"


def group_of(flag: str) -> str:
    """Return the title of the group that a sentence belongs to."""
    for title, signs in GROUPS:
        for sign in signs:
            if sign[3:] in flag if sign.startswith("...") else flag.startswith(sign):
                return title
    return OTHER


def ranked(flags: Iterable[str]) -> list[str]:
    """Return the sentences, the most serious first, each once."""
    titles = [title for title, _ in GROUPS]
    return sorted(dict.fromkeys(flags), key=lambda flag: [*titles, OTHER].index(group_of(flag)))


def grouped(flags: Mapping[str, Sequence[str]]) -> dict[str, dict[str, list[str]]]:
    """Return title to student to sentences, the most serious group first; groups without any are left out.

    Args:
        flags: student to sentences.
    """
    found: dict[str, dict[str, list[str]]] = {title: {} for title in (*(title for title, _ in GROUPS), OTHER)}
    for student, sentences in flags.items():
        for sentence in sentences:
            found[group_of(sentence)].setdefault(student, []).append(sentence)
    return {title: students for title, students in found.items() if students}
