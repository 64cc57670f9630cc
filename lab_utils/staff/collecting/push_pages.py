"""Push each student's page into a branch of the student's repository: ``feedback --push``.

The page goes where the work came from, as one file in a branch that nothing else uses; the student's own branches are
not touched. Git takes a name and a password, or a token, from ~/.netrc. Whoever can read a repository can then read the
page: a public repository would publish a mark.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab_utils.staff.collecting.collect_one import COLLECTED
from lab_utils.staff.collecting.git import GitError, git, text
from lab_utils.staff.collecting.roster import link_error
from lab_utils.staff.grading.collected import Collected

SECONDS = 60.0  # for one repository
_WHO = ("-c", "user.name=Feedback", "-c", "user.email=feedback@localhost", "-c", "commit.gpgSign=false")


@dataclass(frozen=True)
class Pushed:
    """What became of one page: "new", "changed" or "same" in words for the instructor, or why it stays here."""

    student: str
    url: str
    what: str
    failed: bool = False


def push_pages(folder: Path, root: Path, homework: str, students: Iterable[Collected], *, really: bool) -> list[Pushed]:
    """Push the page of everybody whose work was collected.

    Args:
        folder: of the homework, with mirrors/ and feedback/.
        root: the course.
        homework: its name; the branch is feedback-<homework>.
        students: of collected.json.
        really: push; else only say what would be pushed.
    """
    students = list(students)
    links = [entry.url for entry in students]
    found = []
    for entry in students:
        page = folder / "feedback" / f"{entry.people[0].student}.html"
        problem = _problem(entry, page, links, root, folder)
        if problem:
            found.append(Pushed(entry.student, entry.url, problem, failed=True))
            continue
        try:
            what = _push(folder / "mirrors" / f"{entry.student}.git", entry.url, homework, page, really)
            found.append(Pushed(entry.student, entry.url, what))
        except (GitError, OSError) as error:
            found.append(Pushed(entry.student, entry.url, f"not pushed: {error}", failed=True))
    return found


def in_words(found: Iterable[Pushed], homework: str, *, really: bool) -> str:
    """Return what was pushed, or would be, a line for each student."""
    found = list(found)
    lines = [f"{entry.student}: {entry.what}  {entry.url}" for entry in found]
    if not really:
        lines.append(
            f"Nothing was pushed yet. Whoever can read a repository will be able to read the page in its branch "
            f"feedback-{homework}: are all of them private? Then: feedback --push now"
        )
    if failed := sum(entry.failed for entry in found):
        lines.append(f"{failed} pages stay here: send those yourself.")
    return "\n".join(lines)


def _problem(entry: Collected, page: Path, links: list[str], root: Path, folder: Path) -> str:
    """Return why this page is not pushed, or ""."""
    if entry.status != COLLECTED:
        return f"not pushed: nothing was collected ({entry.status})"
    if not page.is_file():
        return "not pushed: there is no page; run feedback"
    if links.count(entry.url) > 1:
        return "not pushed: others have the same link, and would read it"
    problem = link_error(entry.url, root, folder)
    return f"not pushed: {problem}" if problem else ""


def _push(mirror: Path, url: str, homework: str, page: Path, really: bool) -> str:
    """Push one page on top of what the branch holds now, and say what it was."""
    branch = f"refs/heads/feedback-{homework}"
    tip = text(git(mirror, "ls-remote", "--", url, branch, seconds=SECONDS)).partition("\t")[0]
    name = f"{homework}.html"
    blob = text(git(mirror, "hash-object", "-w", "--stdin", stdin=page.read_bytes()))
    tree = text(git(mirror, "mktree", stdin=f"100644 blob {blob}\t{name}\n".encode()))
    if tip:
        git(mirror, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", url, branch, seconds=SECONDS)
        if text(git(mirror, "rev-parse", f"{tip}^{{tree}}")) == tree:
            return "same as it is there"
    if really:
        parents = ["-p", tip] if tip else []
        words = f"Feedback for {homework}"
        commit = text(git(mirror, *_WHO, "commit-tree", tree, *parents, "-m", words))
        git(mirror, "push", "--quiet", "--no-verify", "--", url, f"{commit}:{branch}", seconds=SECONDS)
    return "changed" if tip else "new"
