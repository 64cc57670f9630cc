import types

import pytest

from lab_utils.training import progress
from lab_utils.training.progress import progress_bar


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
