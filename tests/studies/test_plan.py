"""The plan of a study: said before anything runs, from tables and measured steps."""

import pytest

from lab_utils.data import count_data
from lab_utils.studies import engine, plan
from tests.data import trees


@pytest.fixture
def real(tmp_path, monkeypatch):
    """A small tree in CheXpert's layout, and steps that take a second each."""
    monkeypatch.setenv("LAB_PROFILE", "quick")
    monkeypatch.setenv("LAB_DEVICE", "cpu")
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(plan, "seconds_per_step", lambda *_: 1.0)
    return {"chexpert": str(trees.chexpert(tmp_path / "set"))}


def test_a_plan_of_real_data_looks_at_no_picture_and_counts_the_other_finding_once_for_each_seed(real, tmp_path):
    task = engine.task_of("chexpert_project", real, {}, tmp_path / "kept")
    n = count_data("chexpert", real["chexpert"])["train"]  # fewer than a batch: a step is an epoch
    assert n < 32
    text = plan.plan(task, workers=2)
    runs = 3 * (5 * (7 + 3) + 1)  # seeds, sizes, networks from scratch and other starts, and the other finding
    assert f"{runs} runs, 0 of them done" in text
    assert f"about {runs * 100 / 3600 / 2:.2f} hours on cpu for what is left, 2 at a time" in text
    assert f"--only network=resnet18: 15 runs left, {15 * 100 / 3600 / 2:.2f} hours" in text
    assert "memory: about " in text
    frozen = plan.plan(task, {"start": "frozen"}, workers=1)
    assert f"{3 * (5 + 1)} runs, 0 of them done" in frozen
    assert not list((tmp_path / "cache").rglob("*"))
    assert not (tmp_path / "kept").exists()
