"""What every test starts from: no settings of the developer's own, no window, one thread per process."""

import os

# Before NumPy, torch and matplotlib are imported, in this process and in every worker process it starts.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MPLBACKEND"] = "Agg"

import pytest
import torch
from hypothesis import HealthCheck, settings

from lab_utils.checks import outcome as outcome_module

# How long an example takes says nothing about the kit: the machine may be busy.
settings.register_profile("kit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kit")

SETTINGS = ("LAB_PROFILE", "LAB_STRICT", "LAB_RESULTS", "LAB_DEVICE", "LAB_DATA", "LAB_WORKERS")


@pytest.fixture(autouse=True)
def default_settings(monkeypatch):
    """Run every test as if no LAB_ variable were set (LAB_CACHE may stay: it only says where caches lie)."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


def pytest_runtest_setup(item):
    """Skip what needs CUDA where there is none."""
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs CUDA")


@pytest.fixture
def outcome_of(monkeypatch):
    """Return a function (check, student) -> the `Outcome` that the check would show."""

    def run(check, student):
        shown = []
        with monkeypatch.context() as patch:
            patch.setattr(outcome_module, "show", shown.append)
            check(student)
        (only,) = shown
        return only

    return run
