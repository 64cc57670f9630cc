"""A web site of the labs, executed: ``python -m lab_utils site [LAB ...]``, or ``make site``.

It shows what a student's notebook shows, never the solutions: an exercise that is not solved says so, and the lab goes
on with the kit's version. The pages need no server and no network, and can be served by GitHub Pages as they are.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from tqdm import tqdm

from lab_utils.atomic import write_text
from lab_utils.staff.course.bootstrap import TITLE
from lab_utils.staff.course.run import WIDGET, execute, select, without_bars
from lab_utils.staff.course.settings import Course, read_course

NEEDED = {"sphinx": "sphinx", "myst_nb": "myst-nb", "sphinx_book_theme": "sphinx-book-theme",
          "latex2mathml": "latex2mathml"}  # fmt: skip
INSTALL = "python -m pip install '.[site]'"

_SECTION_LINK = re.compile(r"\]\(#((?:[^()]|\([^()]*\))*)\)")  # "(optional)" in a heading has brackets of its own


def site(labs: Path, build: Path, course_file: Path, chosen: Sequence[str] = ()) -> Path:
    """Run the students' notebooks and make HTML of them; return the first page.

    Args:
        labs: the folder of the students' notebooks.
        build: the site goes into site/ there, its sources beside it, into site-source/.
        course_file: course.toml; a repository on github.com gives every page a Colab button.
        chosen: numbers or names of labs; default: all.

    Raises:
        ValueError: if a package is missing, a name is unknown, or Sphinx cannot make the pages.
    """
    if missing := [package for module, package in NEEDED.items() if find_spec(module) is None]:
        raise ValueError(
            f"Expected {', '.join(missing)} to be installed, found none. In the course's folder: {INSTALL}"
        )
    course, source = read_course(course_file), build / "site-source"
    shutil.rmtree(source, ignore_errors=True)
    titles = {}
    for path in select(labs, chosen):
        notebook = _executed(path, build / "results")
        titles[path.stem] = _title_and_purpose(notebook)
        (source / "labs").mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, source / "labs" / path.name)
    write_text(source / "index.md", index(course, titles))
    write_text(source / "conf.py", settings(course))
    write_text(source / "static" / "pictures.css", "img { height: auto; }\n")  # a narrow window stretches none
    return _pages(source, build / "site")


def index(course: Course, titles: dict[str, tuple[str, str]]) -> str:
    """The first page: each lab with its title and what it is about, then the table of contents."""
    about = "\n\n".join(f"**[{title}](labs/{name}.ipynb)**. {purpose}" for name, (title, purpose) in titles.items())
    pages = "\n".join(f"labs/{name}" for name in titles)
    head = f"# {course.name or 'Labs'}\n\n{course.term}\n\n" if course.term else f"# {course.name or 'Labs'}\n\n"
    return f"{head}{about}\n\n```{{toctree}}\n:hidden:\n{pages}\n```\n"


def settings(course: Course) -> str:
    """The settings of Sphinx, as the text of conf.py."""
    options: dict[str, object] = {
        "show_toc_level": 2,
        "use_download_button": False,
        "navbar_persistent": [],  # one field to search in is enough
        "footer_content_items": ["last-updated"],
    }
    if course.repository.startswith("https://github.com/"):
        options |= {
            "repository_url": course.repository.removesuffix(".git"),
            "repository_branch": course.branch,
            "launch_buttons": {"colab_url": "https://colab.research.google.com"},
        }
    values = {
        "project": course.name,
        "html_title": course.name,
        "extensions": ["myst_nb", "lab_utils.staff.course.mathml"],
        "html_theme": "sphinx_book_theme",
        "html_theme_options": options,
        "html_math_renderer": "mathml",
        "html_show_copyright": False,
        "html_copy_source": False,
        "html_static_path": ["static"],
        "html_css_files": ["pictures.css"],
        "nb_execution_mode": "off",  # they have run
        "nb_ipywidgets_js": {},  # widgets carry a picture or a list, and pages need no network
        "nb_code_prompt_show": "Show the code: {type}",
        "myst_enable_extensions": ["dollarmath", "amsmath"],
        "myst_heading_anchors": 3,
        "suppress_warnings": ["myst.header"],  # a lab may go from ## to ####
    }
    return "".join(f"{name} = {value!r}\n" for name, value in values.items())


def _executed(path: Path, results: Path) -> NotebookNode:
    """A notebook after its run, folded cells marked for the theme; an error stops the site."""
    notebook = nbformat.read(path, as_version=4)
    with tqdm(total=len(notebook.cells), desc=path.stem, unit="cell") as bar:
        if error := execute(notebook, path.parent, results, bar):
            raise ValueError(f"Expected every cell to run, got an error. {path.stem}: {error}")
    without_bars(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _SECTION_LINK.sub(lambda link: f"](#{_anchor(link[1])})", cell.source)
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop(WIDGET, None)  # its picture or list stays
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            cell.metadata["tags"] = [*cell.metadata.get("tags", ()), "hide-input"]
            title = cell.source.splitlines()[0].removeprefix(TITLE)
            cell.metadata["mystnb"] = {"code_prompt_show": f"Show the code: {title}"}
    return notebook


def _anchor(jupyter: str) -> str:
    """Sphinx's name of a heading for JupyterLab's: small letters, no signs."""
    return re.sub(r"[^\w-]", "", jupyter.lower())


def _title_and_purpose(notebook: NotebookNode) -> tuple[str, str]:
    """The first heading and the first paragraph of words below it."""
    text = next(cell.source for cell in notebook.cells if cell.source.startswith("# ") and cell.cell_type == "markdown")
    title, *rest = text.split("\n\n")
    words = [" ".join(part.split()) for part in rest if not re.match(r"[!\[*<|]", part)]
    return title.removeprefix("# ").strip(), words[0] if words else ""


def _pages(source: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", str(source), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
    if done.returncode or not (target / "index.html").is_file():
        raise ValueError(f"Expected Sphinx to make the pages, got: {done.stderr.strip()[-1500:]}")
    print(done.stderr, end="")
    shutil.rmtree(target / ".doctrees", ignore_errors=True)
    (target / ".nojekyll").touch()  # else GitHub Pages leaves out folders that begin with _
    return target / "index.html"
