"""What course.toml may hold where a word becomes an address, a folder or a part of a command on students' machines.

Each function returns "" or what was expected. Understood as a repository: https, http, ssh, git, ftp and file
addresses, user@host:path, and an absolute path, say on a shared disk. As a folder: one name or several with slashes
between them, below the notebook's, that Windows, too, can make. As a branch: what Git takes for one.
"""

import re
import unicodedata

_URL = re.compile(r"(https?|ssh|git|ftps?|file)://(?!-)[^\s<>]+", re.IGNORECASE)
_PAGE = re.compile(
    r"https?://((www\.)?github\.com/[^/]+/[^/?#]+(/?[?#]|/[^/?#])|[^?#]+/-/)", re.IGNORECASE
)  # of a browser
_SCP = re.compile(r"([\w.-]+@)?[\w.-]{2,}:(?!:|//)[^\s<>]+")  # git@host:path; one letter would be a drive
_PATH = re.compile(r"([A-Za-z]:)?/[^<>]+")
_NO_BRANCH = re.compile(r"[\s~^:?*\[<>]|\.\.|@\{|//|/\.|\.lock(/|$)|[./]$|^[-/.]")
_NO_FOLDER = re.compile(r'[<>:"|?*]|^[-~ ]|[. ]$')  # the last two Windows drops
_RESERVED = re.compile(r"(CON|PRN|AUX|NUL|COM\d|LPT\d)(\..*)?|\.git", re.IGNORECASE)
_MOST = 200  # characters


def text_problem(value: object) -> str:
    """Anything that a person reads: one line, no characters that could end the text where it is written."""
    if (
        not isinstance(value, str)
        or not value.strip()
        or any(mark in value for mark in '"\\')
        or any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in value)
    ):
        return "as a text in one line, without quotes, backslashes and control characters"
    return ""


def repository_problem(value: str) -> str:
    """The address that git clones."""
    if _PAGE.match(value):
        return "as the address that git clones, such as https://host/group/course.git, not that of a page"
    if _is_plain(value) and (_URL.fullmatch(value) or _SCP.fullmatch(value) or _PATH.fullmatch(value)):
        return ""
    return "as an address that git can clone on any machine, such as https://host/group/course.git"


def folder_problem(value: str) -> str:
    """The folder of the clone, below that of the notebook."""
    parts = value.removesuffix("/").split("/")
    wrong = any(
        part in ("", ".", "..") or _NO_FOLDER.search(part) or _RESERVED.fullmatch(part.strip()) for part in parts
    )
    if _is_plain(value) and not wrong:
        return ""
    return "as the name of a folder beside the notebook that every system can make, such as transfer-labs"


def branch_problem(value: str) -> str:
    """The branch that is cloned and that Colab opens."""
    return "" if _is_plain(value) and not _NO_BRANCH.search(value) else "as the name of a branch in Git, such as main"


def homework_problem(value: str) -> str:
    """The name of a notebook, without .ipynb; it stands in commands and names of files."""
    if value.casefold() == "course":
        return "as [course], in small letters"
    return "" if re.fullmatch(r"\w([\w .-]*[\w-])?", value) else "as the name of a notebook, such as [homework4]"


def _is_plain(value: str) -> bool:
    return value.isprintable() and value == value.strip() and len(value) <= _MOST
