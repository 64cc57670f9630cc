"""Make what students get: a folder that is ready to be a branch, and a zip of it.

Only what is named here goes out: a file that is new in the course stays behind until somebody decides. The labs are
those of ``labs/``, which `build` has made; what stands in their place in ``solutions/`` is searched for in every file
of the release before it gets its name.
"""

import os
import shutil
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from lab_utils.atomic import write_whole
from lab_utils.notebook_file import read_notebook
from lab_utils.staff.course import student_files
from lab_utils.staff.course.build import check
from lab_utils.staff.course.leaks import STAFF, tree_leaks
from lab_utils.staff.course.settings import Course, read_course

COPIED = (
    ".gitattributes",
    "requirements.txt",
    "constraints.txt",
    "LICENSE",
    "data/bands.json",
    "data/labs",
    "data/results",
    "data/weights",
)
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def release(root: Path, target: Path, replaced: Mapping[str, bytes]) -> tuple[Path, list[str]]:
    """Write the folder and the zip beside it, whole or not at all.

    Args:
        root: the course.
        target: the folder; an older release in it is replaced, and its .git kept.
        replaced: path to content of files that are made for this course, such as the hidden test images.

    Returns:
        The zip, and the paths of the files in both, sorted.

    Raises:
        ValueError: if labs/ is not what `build` makes, a file would show a solution, or something else lies at
            `target`.
        FileNotFoundError: if a file of the course is missing.
    """
    target = target.resolve()
    _check_target(target, root.resolve())
    if problems := check(root / "solutions", root / "labs", root / "course.toml"):
        raise ValueError("\n".join(problems))
    fresh = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        _write_tree(root, fresh, read_course(root / "course.toml"), replaced)
        if found := tree_leaks(root, fresh):
            raise ValueError("\n".join(found))
        files = sorted(path.relative_to(fresh).as_posix() for path in _files(fresh))
        archive = target.with_name(f"{target.name}.zip")
        write_whole(archive, lambda unfinished: _write_zip(unfinished, fresh, files, target.name))
        _swap(target, fresh)
    finally:
        if not (fresh / ".git").exists():
            shutil.rmtree(fresh, ignore_errors=True)
    return archive, files


def _write_tree(root: Path, fresh: Path, course: Course, replaced: Mapping[str, bytes]) -> None:
    notebooks = sorted((root / "labs").glob("*.ipynb"))
    homeworks = [path.stem for path in notebooks if path.stem in course.homeworks]
    scored = [name for name in homeworks if (root / "lab_utils" / STAFF / name / "predictions.py").is_file()]
    if missing := [f"data/{name}_images.npz" for name in scored if f"data/{name}_images.npz" not in replaced]:
        raise ValueError(f"Expected the hidden test images of this course for {', '.join(missing)}, got none.")
    texts = {
        "README.md": student_files.readme(course, [(path.stem, _title(path)) for path in notebooks]),
        "course.toml": student_files.course_file(course),
        "pyproject.toml": student_files.pyproject((root / "pyproject.toml").read_text("utf-8")),
        ".gitignore": student_files.GITIGNORE,
        ".github/workflows/checks.yml": student_files.workflow(homeworks),
    }
    contents = {name: text.encode("utf-8") for name, text in texts.items()} | dict(replaced)
    for path in [*notebooks, *_kit(root), *_copied(root)]:
        contents.setdefault(path.relative_to(root).as_posix(), path.read_bytes())
    for name, content in contents.items():
        (fresh / name).parent.mkdir(parents=True, exist_ok=True)
        (fresh / name).write_bytes(content)


def _kit(root: Path) -> list[Path]:
    """Return the modules of the package that students get."""
    modules = [path for path in _files(root / "lab_utils") if path.suffix in (".py", ".pyi")]
    return [path for path in modules if root / "lab_utils" / STAFF not in path.parents]


def _copied(root: Path) -> Iterator[Path]:
    for name in COPIED:
        if (root / name).is_file():
            yield root / name
        elif (root / name).is_dir():
            yield from (path for path in _files(root / name) if not path.name.startswith("."))
        elif name not in ("LICENSE", "data/labs"):  # a course may have only a homework
            raise FileNotFoundError(f"Expected {root / name} for the release, found nothing. Restore it.")


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _title(path: Path) -> str:
    """Return the first heading of a notebook."""
    cells = read_notebook(path).cells
    lines = [line for cell in cells if cell.cell_type == "markdown" for line in cell.source.splitlines()]
    return next((line.removeprefix("# ") for line in lines if line.startswith("# ")), path.stem)


def _write_zip(path: Path, folder: Path, files: list[str], prefix: str) -> None:
    """Write the files so that the same files give the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in files:
            info = zipfile.ZipInfo(f"{prefix}/{name}", _ZIP_TIME)
            info.compress_type, info.external_attr, info.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
            archive.writestr(info, (folder / name).read_bytes())


def _check_target(target: Path, root: Path) -> None:
    """Refuse to replace anything but an older release."""
    older = (target / "lab_utils").is_dir() and (target / "labs").is_dir() and not (target / "solutions").exists()
    other = target.exists() and not older and (not target.is_dir() or set(os.listdir(target)) - {".git"})
    if other or target == root or target in root.parents:
        raise ValueError(
            f"Expected {target} to be a new folder or an older release, because all in it is replaced, but it is "
            "something else. Name another folder."
        )


def _swap(target: Path, fresh: Path) -> None:
    """Put the new folder in the place of the old one; its history goes along."""
    old = fresh.with_suffix(".old")
    if (target / ".git").exists():
        (target / ".git").rename(fresh / ".git")
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)
