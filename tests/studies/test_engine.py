"""What the engine keeps, under which name and in which folder, and what it leaves out or does all the same."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import lab_utils
from lab_utils import device
from lab_utils.__main__ import main
from lab_utils.studies import engine, plan, report
from lab_utils.studies.study import named
from tests.data import trees


@pytest.fixture(autouse=True)
def _smoke(monkeypatch):
    monkeypatch.setenv("LAB_PROFILE", "smoke")


def small(tmp_path):
    """The quickest run of a study, on stand-ins."""
    only = {"network": "cbr_tiny", "start": "random", "seed": "0", "n": "16"}
    return engine.task_of("transfusion", {}, {}, tmp_path), only


def test_a_cluster_needs_a_folder_that_all_machines_see(capsys):
    assert main(["study", "transfusion", "--cluster", "tcp://127.0.0.1:9"]) == 2
    assert "Expected --keep FOLDER with --cluster" in capsys.readouterr().err


def test_paths_are_whole_before_they_go_to_another_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.pt").touch()
    (tmp_path / "set").symlink_to(tmp_path)
    task = engine.task_of("transfusion", {"chexpert": "set"}, {"resnet50": "w.pt"}, Path("kept"))
    assert task.data == {"chexpert": str(tmp_path / "set")}  # the link, which others see too
    assert (task.weights, task.keep) == ({"resnet50": str(tmp_path / "w.pt")}, tmp_path / "kept")


def test_stand_ins_a_small_recipe_and_the_sources_recipe_have_a_folder_each(tmp_path, monkeypatch):
    def folders():
        tasks = engine.task_of("transfusion", {"chexpert": "x"}, {}), engine.task_of("transfusion", {}, {})
        return [task.keep.name for task in (*tasks, engine.task_of("claims", {}, {}))]

    assert folders() == ["transfusion-smoke", "transfusion-stand-ins", "claims-smoke"]
    monkeypatch.setenv("LAB_PROFILE", "quick")
    assert folders() == ["transfusion", "transfusion-stand-ins", "claims"]


def test_runs_of_another_version_are_said_and_do_not_count(tmp_path, capsys, monkeypatch):
    task, only = small(tmp_path)
    monkeypatch.setattr(lab_utils, "__version__", "0.4.9")
    engine.run_study(task, only, workers=1, progress=False)
    assert engine.of_other_versions(task) == ""
    monkeypatch.undo()
    monkeypatch.setenv("LAB_PROFILE", "smoke")
    assert engine.finished(task) == []
    call = ["study", "transfusion", "--keep", str(tmp_path)]
    assert main([*call, "--report"]) == 0
    said = capsys.readouterr().out
    assert "1 runs of another version lie in" in said
    assert "1 of kit 0.4.9 with torch" in said
    assert "1 runs of another version lie in" in (tmp_path / "report.html").read_text("utf-8")
    engine.run_study(task, only, workers=1, progress=False)
    assert engine.of_other_versions(task) == ""  # done again


def test_a_report_without_a_run_and_a_plan_over_runs_of_stand_ins_look_at_no_image(tmp_path, monkeypatch, capsys):
    task, only = small(tmp_path / "kept")
    engine.run_study(task, only, workers=1, progress=False)

    def decode(*_, **__):
        raise AssertionError("an image was decoded")

    monkeypatch.setenv("LAB_PROFILE", "quick")
    monkeypatch.setattr(engine, "load_data", decode)
    monkeypatch.setattr(plan, "seconds_per_step", lambda *_: 1.0)
    call = ["study", "transfusion", "--keep", str(tmp_path / "kept"), "--data",
            f"chexpert={trees.chexpert(tmp_path / 'set')}"]  # fmt: skip
    assert main([*call, "--plan", "--only", "network=cbr_tiny"]) == 0
    assert "0 of them done" in capsys.readouterr().out
    assert main([*call, "--report"]) == 0
    assert "no run of it is done" in (tmp_path / "kept" / "report.html").read_text("utf-8")


def test_a_run_that_fails_does_not_keep_the_others_from_being_done(tmp_path, capsys, monkeypatch):
    def run(splits, *, seed, network, **_):
        if seed == 0:
            raise ValueError("no zero\nin two lines")
        return {"auroc": 0.5, "steps": np.array([1]), "curve": np.array([0.5])}

    study = replace(named("transfusion"), run=run)
    monkeypatch.setattr(engine, "named", lambda _: study)
    monkeypatch.setenv("LAB_WORKERS", "1")
    call = ["study", "transfusion", "--keep", str(tmp_path), "--only", "network=cbr_tiny", "start=random"]
    assert main(call) == 1
    said = capsys.readouterr()
    task = engine.task_of("transfusion", {}, {}, tmp_path)
    done = engine.finished(task)
    assert {row["seed"] for row in done} == {1}
    assert f"2 of {2 + len(done)} runs failed" in said.err
    assert re.search("run 1 of .* failed with .*network='cbr_tiny'.*seed=0.*ValueError: no zero", said.err)
    assert "report.html" in said.out  # of what is done


def test_what_cannot_be_done_is_left_out_and_said_with_the_way_to_do_it(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_PROFILE", "quick")
    monkeypatch.setattr(engine, "fingerprint", lambda *_: "of no images")
    monkeypatch.setattr(engine, "images_of", lambda *_: {})
    asked = []
    study = replace(named("transfusion"), run=lambda splits, **config: asked.append(config) or {"auroc": 0.5})
    monkeypatch.setattr(engine, "named", lambda _: study)
    task = engine.task_of("transfusion", {"chexpert": str(tmp_path)}, {}, tmp_path / "kept")
    lacking = [c for c in engine.configs_of(task) if c["network"] == "cbr_large_w" and c["start"] != "random"]
    words = (
        f"{len(lacking)} runs of cbr_large_w are left out: nobody published weights of it. Give --weights cbr_large_w="
    )
    only = {"network": "cbr_large_w", "seed": "0"}
    runs = engine.run_study(task, only, workers=1, progress=False)
    assert set(runs["start"]) == {"random"}
    assert words in report.page_of(task, pd.DataFrame(), "command")
    monkeypatch.setattr(plan, "seconds_per_step", lambda *_: 1.0)
    monkeypatch.setattr(plan, "_images", lambda *_: ("words", 64))
    planned = plan.plan(task, {"network": "cbr_large_w"}, workers=1)
    assert words in planned
    assert "6 runs, 2 of them done" in planned  # of three seeds: all images, and 5,000
    with pytest.raises(ValueError, match="Expected runs that can be done, but 1 runs of cbr_large_w are left out"):
        engine.run_study(task, {**only, "start": "gabor"}, workers=1, progress=False)
    (tmp_path / "weights.pt").write_bytes(b"1")
    task = engine.task_of("transfusion", {"chexpert": str(tmp_path)}, {"cbr_large_w": str(tmp_path / "weights.pt")},
                          tmp_path / "kept")  # fmt: skip
    assert "gabor" in set(engine.run_study(task, only, workers=1, progress=False)["start"])
    assert len(asked) == len(engine.finished(task, only))  # those from random weights were not done again


def test_other_images_or_weights_make_other_runs(tmp_path):
    random, transfer = named("transfusion").grid(False)[0], named("transfusion").grid(False)[3]
    assert (random["start"], transfer["start"]) == ("random", "transfer")
    file = tmp_path / "weights.pt"
    file.write_bytes(b"1")
    plain = engine.task_of("transfusion", {}, {}, tmp_path)
    with_weights = engine.task_of("transfusion", {}, {transfer["network"]: str(file)}, tmp_path)
    assert engine.depends(plain, **transfer) != engine.depends(with_weights, **transfer)
    assert engine.depends(plain, **random) == engine.depends(with_weights, **random)
    other = {**random, "data": "eyepacs"}
    assert engine.depends(plain, **random)["images"] != engine.depends(plain, **other)["images"]


def test_the_device_is_kept_in_a_run_and_not_in_its_name(tmp_path, monkeypatch):
    task, only = small(tmp_path)
    engine.run_study(task, only, workers=1, progress=False)
    (made,) = (row["made"] for row in engine.finished(task))
    assert made["device"] == "cpu"
    assert {"precision", "host", "processor"} <= set(made)
    assert made["torch"] == torch.__version__.partition("+")[0]
    assert made["began"] < made["ended"]
    before = device._cpu_has_bf16_units()
    monkeypatch.setattr(device, "_cpu_has_bf16_units", lambda: not before)  # a machine that computes otherwise
    assert device.precision_for("cpu") != made["precision"]
    assert len(engine.finished(task)) == 1
