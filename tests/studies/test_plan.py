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
    runs = 3 * (5 * (7 + 2) + 1)  # seeds, sizes, networks from scratch and other starts, and the other finding
    assert "15 runs of cbr_large_w are left out: nobody published weights of it" in text  # which would end at once
    assert f"{runs} runs, 0 of them done" in text
    assert f"about {runs * 100 / 3600 / 2:.1f} hours on cpu for what is left, 2 at a time" in text
    assert f"resnet18 (15, {15 * 100 / 60 / 2:.1f} minutes)" in text
    assert "memory: about " in text
    frozen = plan.plan(task, {"start": "frozen"}, workers=1)
    assert f"{3 * (5 + 1)} runs, 0 of them done" in frozen
    assert not list((tmp_path / "cache").rglob("*"))
    assert not (tmp_path / "kept").exists()


def test_a_step_is_timed_without_the_first_one_which_loads_and_compiles(monkeypatch):
    asked = {}

    class History:
        def column(self, name):
            return {"seconds": [30.0, 36.0]}[name]

    monkeypatch.setattr(plan, "fit", lambda model, images, **options: asked.update(options, n=len(images)) or History())
    assert plan.seconds_per_step("cbr_tiny", "aptos", 32, 64) == 6.0 / plan.STEPS
    assert asked["n"] == asked["batch_size"] == 64  # though a stand-in has fewer images
    assert asked["eval_at"] == (1, asked["steps"])
