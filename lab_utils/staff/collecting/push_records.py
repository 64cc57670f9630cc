"""When the host received each commit: its own records, for ``collect --push-records``.

Two forms are read:

- A CSV with the columns ``student,sha,pushed_at``; times with their offset from UTC.
- A folder with a file STUDENT.json for each student (or team), as the API of the host gives it. On GitHub (asks for
  push access to the repository)::

      gh api --paginate repos/OWNER/REPOSITORY/activity > pushes/ada.json

  On GitLab::

      curl --header "PRIVATE-TOKEN: ..." "https://HOST/api/v4/projects/ID/events?action=pushed" > pushes/ada.json

  Taken are, of GitHub, ``after`` and ``timestamp`` of each entry, and of GitLab ``push_data.commit_to`` and
  ``created_at``. Deleted branches hold no commit and are passed over. Several pages may follow each other in a file.

References:
    https://docs.github.com/rest/repos/repos#list-repository-activities, https://docs.gitlab.com/api/events/
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab_utils.staff.collecting.roster import Push, read_pushes
from lab_utils.staff.course.settings import read_time
from lab_utils.text_files import decoded

LARGEST = 16 * 2**20  # bytes of a file
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def read_push_records(path: Path) -> list[Push]:
    """Read the host's records; students that are not in the roster do no harm.

    Args:
        path: a CSV, or a folder with a JSON file for each student.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if an entry is wrong; the message names its file.
    """
    if not path.is_dir():
        return read_pushes(path)
    return [push for file in sorted(path.glob("*.json")) for push in _pushes(file)]


def _pushes(path: Path) -> list[Push]:
    if path.stat().st_size > LARGEST:
        raise ValueError(f"Expected at most {LARGEST >> 20} MiB of push records in {path}. Ask the host for fewer.")
    try:
        entries = list(_entries(decoded(path.read_bytes())))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Expected JSON of the host's API in {path}, got: {error}. Export it again.") from error
    found = []
    for number, entry in enumerate(entries, start=1):
        where = f"entry {number} of {path}"
        sha, moment = _sha_and_time(entry)
        if not isinstance(sha, str) or not (_SHA.fullmatch(sha) or sha == ""):
            raise ValueError(
                f"Expected {where} as the API of GitHub (activity) or GitLab (events, action=pushed) gives it, with a "
                f"commit and a time, got {str(entry)[:200]}. The help of `collect` has the commands."
            )
        if sha.strip("0"):
            found.append(Push(path.stem, sha, read_time(moment, f"the time in {where}")))
    return found


def _sha_and_time(entry: Any) -> tuple[Any, Any]:
    """Return the commit of a push ("" where it left none) and its time, or None."""
    if not isinstance(entry, dict):
        return None, None
    if isinstance(data := entry.get("push_data"), dict):
        return data.get("commit_to") or "", entry.get("created_at")
    return entry.get("after"), entry.get("timestamp")


def _entries(text: str) -> Iterator[Any]:
    """Yield the entries of one page, of several that follow each other, and of pages in a list."""
    decoder, place = json.JSONDecoder(), 0
    while place < len(text) and (rest := text[place:].lstrip()):
        value, used = decoder.raw_decode(rest)
        place = len(text) - len(rest) + used
        for page in value if isinstance(value, list) else [value]:
            yield from page if isinstance(page, list) else [page]
