import ast
import json
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import lab_utils

ROOT = Path(__file__).resolve().parent.parent


def read(name):
    lines = (line.strip() for line in (ROOT / name).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def canonical(name):
    return name.lower().replace("_", "-")


HOSTED = """torch 2.6.0+cu124, torch 2.8.0+cu126, torchvision 0.21.0+cu124, numpy 1.26.4, numpy 2.0.2, scipy 1.13.1,
pandas 2.2.2, scikit-learn 1.2.2, matplotlib 3.7.2, seaborn 0.12.2, joblib 1.4.2, ipywidgets 7.7.1, ipykernel 6.17.1,
ipython 7.34.0, psutil 5.9.5"""  # versions of the kind that hosted notebooks carry


@pytest.mark.parametrize("package", HOSTED.replace("\n", " ").split(", "))
def test_a_machine_that_has_torch_numpy_and_others_keeps_them(package):
    name, version = package.split()
    (requirement,) = [requirement for requirement in read("requirements.txt") if requirement.name == name]
    assert requirement.specifier.contains(version)
    assert requirement.url is None


def test_requirements_only_say_from_which_version_on_and_all_do():
    """`make oldest` takes these very versions, so that a bound which nobody tried does not stand there for long."""
    for requirement in read("requirements.txt"):
        assert [part.operator for part in requirement.specifier] == [">="], requirement


OTHER_NAMES = {"IPython": "ipython", "PIL": "pillow", "sklearn": "scikit-learn"}  # of a module -> of its package
NOT_FOR_LABS = {"pytest", "nbval", "hypothesis", "ruff", "mypy", "import-linter", "coverage", "medmnist"}


def imported(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition(".")[0]


def code_of(path):
    if path.suffix == ".py":
        return [path.read_text("utf-8")]
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_what_the_kit_and_the_labs_import_is_required_and_nothing_of_it_comes_by_chance():
    paths = [*(ROOT / "lab_utils").rglob("*.py"), *(ROOT / "solutions").glob("*.ipynb")]
    found = {name: path for path in paths for source in code_of(path) for name in imported(source)}
    required = {canonical(requirement.name) for requirement in read("requirements.txt")}
    # tomli is in requirements for Python 3.10; before anything is installed, pip or its copy of packaging will do
    known = {*sys.stdlib_module_names, "lab_utils", "tomli", "tomllib", "packaging", "pip"}
    missing = {n: p for n, p in found.items() if n not in known and canonical(OTHER_NAMES.get(n, n)) not in required}
    # Extras: each imported inside a function, where what is missing is told with its line for pip.
    assert missing.keys() == {"distributed", "docutils", "h5py", "latex2mathml", "pydicom"}
    assert {"torch", "PIL", "IPython", "markupsafe"} <= set(found)  # the search itself finds what there is


def test_students_do_not_get_the_tools_of_the_tests():
    names = {canonical(requirement.name) for requirement in read("requirements.txt")}
    assert names & NOT_FOR_LABS == set()
    brought = {
        canonical(Requirement(line).name)
        for name in names
        for line in _requires(name)
        if Requirement(line).marker is None
    }
    assert brought & NOT_FOR_LABS == set()


def _requires(name):
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:  # tomli, on a newer Python
        return []


def test_every_requirement_has_exactly_one_pin_on_this_python_and_it_fits():
    pins = {}
    for pin in read("constraints.txt"):
        if pin.marker is None or pin.marker.evaluate():
            assert canonical(pin.name) not in pins, pin.name
            pins[canonical(pin.name)] = pin
    for requirement in read("requirements.txt"):
        if requirement.marker is None or requirement.marker.evaluate():
            (only,) = pins[canonical(requirement.name)].specifier
            assert only.operator == "=="
            assert requirement.specifier.contains(only.version)


def test_the_package_declares_what_requirements_txt_lists():
    declared = {
        canonical(Requirement(line).name)
        for line in metadata.requires("transfer-learning-labs")
        if "extra ==" not in line
    }
    assert declared == {canonical(requirement.name) for requirement in read("requirements.txt")}


def test_who_cites_the_labs_names_the_version_that_is_installed():
    lines = (ROOT / "CITATION.cff").read_text("utf-8").splitlines()
    assert f"version: {lab_utils.__version__}" in lines
