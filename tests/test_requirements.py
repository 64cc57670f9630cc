from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent


def read(name):
    lines = (line.strip() for line in (ROOT / name).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def canonical(name):
    return name.lower().replace("_", "-")


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("torch", "2.6.0+cu124"),  # versions of the kind that hosted notebooks carry
        ("torch", "2.8.0+cu126"),
        ("torchvision", "0.21.0+cu124"),
        ("numpy", "1.26.4"),
        ("numpy", "2.0.2"),
    ],
)
def test_a_machine_that_has_torch_and_numpy_keeps_them(name, version):
    (requirement,) = [requirement for requirement in read("requirements.txt") if requirement.name == name]
    assert requirement.specifier.contains(version)
    assert requirement.url is None


def test_requirements_only_say_from_which_version_on():
    operators = {part.operator for requirement in read("requirements.txt") for part in requirement.specifier}
    assert operators <= {">="}


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
