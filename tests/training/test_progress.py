import sys
import types

import pytest

from lab_utils.training import fine_tune, fit, progress
from lab_utils.training.progress import open_log, progress_bar
from tests.tiny import LinearNet, tiny_split


def test_bar_is_silent_when_not_wanted_and_when_output_goes_to_a_file(capfd):
    for shown in (True, False):
        with progress_bar(3, shown=shown) as bar:
            bar.update(3)
    assert capfd.readouterr() == ("", "")


def test_notebook_without_widgets_gets_a_text_bar_and_no_warning(monkeypatch, capfd):
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.setattr(progress, "find_spec", lambda name: None)
    with progress_bar(3, shown=True, title="train") as bar:
        bar.update(3)
    assert "train" in capfd.readouterr().err


def test_notebook_with_widgets_gets_a_widget(monkeypatch):
    pytest.importorskip("ipywidgets")
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.setattr("tqdm.notebook.display", lambda widget: None)
    with progress_bar(3, shown=True) as bar:
        bar.update(3)
    assert type(bar).__module__ == "tqdm.notebook"


def test_worker_processes_show_no_bar(monkeypatch, capfd):
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.setattr(progress, "find_spec", lambda name: None)
    monkeypatch.setattr(
        progress.multiprocessing, "current_process", lambda: types.SimpleNamespace(name="LokyProcess-1")
    )
    with progress_bar(3, shown=True) as bar:
        bar.update(3)
    assert capfd.readouterr().err == ""


def test_outside_of_jupyter_this_is_no_notebook():
    assert not progress.in_notebook()


written = []


class Writer:
    """Stands in for TensorBoard's."""

    def __init__(self, folder, purge_step):
        self.folder, self.purge_step = folder, purge_step

    def __enter__(self):
        return self

    def __exit__(self, *error):
        written.append("closed")

    def add_scalar(self, name, value, step):
        written.append((name, value, step))


def test_log_has_every_number_of_every_row(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=Writer))
    written.clear()
    history = fit(LinearNet(), tiny_split(), steps=4, eval_every=2, progress=False, device="cpu", log_dir=tmp_path)
    expected = [(k, v, int(row["step"])) for row in history.rows for k, v in row.items() if k != "step"]
    assert written == [*expected, "closed"]


def test_each_step_of_fine_tune_has_a_log_of_its_own(monkeypatch, tmp_path):
    folders = []

    class Noted(Writer):
        def __init__(self, folder, purge_step):
            super().__init__(folder, purge_step)
            folders.append(folder)

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=Noted))
    common = {"head_steps": 2, "steps": 2, "progress": False, "device": "cpu"}
    fine_tune(LinearNet(), tiny_split(), **common, log_dir=str(tmp_path))
    assert folders == [str(tmp_path / "head"), str(tmp_path)]


def test_missing_tensorboard_is_an_error_that_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(RuntimeError, match="pip install tensorboard"), open_log(tmp_path):
        pass
    with open_log(None) as write:
        write({"step": 1})
