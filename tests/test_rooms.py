"""The rooms of the kit: faces that lead to what they name, and no other way in."""

import ast
import importlib
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

KIT = Path(__file__).resolve().parents[1] / "lab_utils"
ROOMS = sorted(path.parent.name for path in KIT.glob("*/__init__.pyi"))
BELOW = {path: path.relative_to(KIT).parts[0] for path in sorted(KIT.rglob("*.py"))}


def imports(path, kit=KIT):
    """The modules of the kit that a file imports, anywhere in it."""
    package = ["lab_utils", *path.relative_to(kit).parent.parts]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        found = []
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*base, node.module] if node.module else base)
            found = [f"{module}.{alias.name}" for alias in node.names] if module == "lab_utils" else [module]
        elif isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        yield from (module for module in found if module.startswith("lab_utils."))


def arrows(kit):
    """Room, or module beside the rooms -> those that its files, faces included, import."""
    found = {}
    for path in [*kit.rglob("*.py"), *kit.rglob("*.pyi")]:
        room = path.relative_to(kit).parts[0].removesuffix(".py")
        found.setdefault(room, set()).update({module.split(".")[1] for module in imports(path, kit)} - {room})
    return found


def test_there_are_the_rooms_that_the_readme_names():
    assert ROOMS == ["data", "metrics", "networks", "show", "similarity", "studies", "training", "transfer"]


@pytest.mark.parametrize("room", ROOMS)
def test_every_name_of_a_face_leads_to_what_it_names_and_hides_no_module(room):
    face = importlib.import_module(f"lab_utils.{room}")
    stub = ast.parse((KIT / room / "__init__.pyi").read_text("utf-8"))
    modules = {path.stem for path in (KIT / room).iterdir()}
    names = [(node.module, alias.name) for node in stub.body for alias in node.names]
    assert len(set(names)) == len(names) > 0
    for module, name in names:
        if module is None:  # a module that is offered as a whole
            assert getattr(face, name) is importlib.import_module(f"lab_utils.{room}.{name}")
        else:
            assert getattr(face, name) is getattr(importlib.import_module(f"lab_utils.{room}.{module}"), name)
            assert name not in modules
    assert {name for _, name in names} <= set(dir(face))


def test_a_room_is_entered_through_its_face_only():
    found = [
        f"{path.relative_to(KIT)}: {module}"
        for path, room in BELOW.items()
        for module in imports(path)
        if (parts := module.split("."))[1] in ROOMS and parts[1] != room and len(parts) > 2
    ]
    assert found == []


def test_imports_between_rooms_have_no_circle():
    found = arrows(KIT)
    assert {"data", "device"} <= found["training"]
    TopologicalSorter(found).prepare()  # raises where there is one


@pytest.mark.parametrize(
    "back",
    [
        "from lab_utils.upper import name",
        "import lab_utils.upper.module",
        "from lab_utils import upper",
        "def late():\n    from ..upper import name",
    ],
)
@pytest.mark.parametrize("file", ["__init__.pyi", "module.py"])
def test_a_circle_is_found_in_every_kind_of_import(tmp_path, file, back):
    for folder in ("upper", "lower"):
        (tmp_path / folder).mkdir()
    (tmp_path / "upper" / file).write_text("from lab_utils.between import name as name\nfrom .module import own as own")
    (tmp_path / "between.py").write_text("from lab_utils.lower import name")
    (tmp_path / "lower" / file).write_text("import torch")
    TopologicalSorter(arrows(tmp_path)).prepare()
    (tmp_path / "lower" / file).write_text(back)
    with pytest.raises(CycleError):
        TopologicalSorter(arrows(tmp_path)).prepare()


def test_no_room_that_students_get_knows_the_staff():
    above = {KIT / "__main__.py"}  # which looks whether that folder is there
    found = [
        str(path.relative_to(KIT))
        for path, room in BELOW.items()
        for module in imports(path)
        if module.startswith("lab_utils.staff") and room != "staff" and path not in above
    ]
    assert found == []


def test_a_face_loads_nothing_before_a_name_is_used():
    code = "import sys, " + ", ".join(f"lab_utils.{room}" for room in ROOMS)
    code += (
        "; print([name for name in ('torch', 'torchvision', 'timm', 'sklearn', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=KIT.parent)
    assert done.stdout.strip() == "[]"


def test_no_module_but_its_own_imports_a_homework_by_name():
    """A second homework is a second folder: the rest of the staff's side finds both by their names."""
    homeworks = tuple(path.parent.name for path in KIT.glob("staff/*/questions.toml"))
    modules = [path for path, room in BELOW.items() if room == "staff" and path.parent.name not in homeworks]
    found = {module for path in modules for module, *_ in imports(path)}
    named = [module for module in found if any(name in module for name in homeworks)]
    assert "homework4" in homeworks
    assert named == []
