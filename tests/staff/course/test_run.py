import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from lab_utils.staff.course.run import run, select

PICTURE = "import matplotlib.pyplot as plt\nplt.plot([0, 1])\nplt.show()"
COMPARE = "from lab_utils.metrics.bands import compare\ncompare('01_a', {'gain': 0.05})"


@pytest.fixture
def course(tmp_path, monkeypatch):
    """Folders solutions and build, and a published band for the gain of lab 01_a."""
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    monkeypatch.setenv("LAB_PROFILE", "quick")
    publish(tmp_path, 0.0, 0.1)
    (tmp_path / "solutions").mkdir()
    return tmp_path / "solutions", tmp_path / "build"


def publish(folder, low, high):
    entry = {"seconds": 80, "values": {"gain": {"low": low, "high": high}}}
    (folder / "bands.json").write_text(json.dumps({"schema": 1, "labs": {"01_a": {"quick": entry}}}))


def write(folder, name, *cells):
    nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in cells]), folder / f"{name}.ipynb")


def test_a_lab_in_its_bands_gives_html_with_pictures_and_status_0(course, capsys):
    write(course[0], "01_a", PICTURE, COMPARE)
    assert run(*course) == 0
    told = capsys.readouterr().out
    assert "all 1 met" in told
    page = (course[1] / "01_a.html").read_text()
    assert "data:image/png;base64," in page
    assert "in the band" in page


def test_the_page_shows_what_widgets_carry_and_no_progress_bar(course):
    bar = "from lab_utils.studies import run_grid\nrun_grid(lambda x: {'y': x}, [{'x': 1}], workers=1)['y'].sum()"
    knob = "import matplotlib.pyplot as plt\nfrom lab_utils.show import explore\n"
    knob += "explore(lambda n: plt.subplots()[1].set(title=n), n=[1, 2])"
    write(course[0], "01_a", bar, knob, COMPARE)
    assert run(*course) == 0
    page = (course[1] / "01_a.html").read_text()
    assert "run/s]" not in page
    assert "data:image/png;base64," in page


def test_a_missed_band_is_named_and_gives_status_1(course, capsys):
    publish(course[0].parent, 0.2, 0.3)
    write(course[0], "01_a", COMPARE, "print('after' + 'wards')")
    assert run(*course) == 1
    told = capsys.readouterr().out
    assert "1 of 1 MISSED" in told
    assert "gain = 0.05: OUTSIDE, 0.2 to 0.3" in told
    assert "afterwards" in (course[1] / "01_a.html").read_text()


def test_an_error_is_named_and_the_other_labs_still_run(course, capsys):
    write(course[0], "00_bad", "x = 1", "1 / 0", "print('never' + 'more')")
    write(course[0], "01_a", COMPARE)
    assert run(*course) == 1
    told = capsys.readouterr().out
    assert "00_bad: cell 2 failed: ZeroDivisionError" in told
    assert "all 1 met" in told
    assert "nevermore" not in (course[1] / "00_bad.html").read_text()


def test_a_lab_that_computes_none_of_its_published_values_misses_them(course, capsys):
    write(course[0], "01_a", "x = 1")
    assert run(*course) == 1
    assert "NOT COMPUTED" in capsys.readouterr().out


def test_labs_are_chosen_by_the_beginning_of_their_name(course):
    for name in ("00_a", "01_b", "03_c"):
        write(course[0], name)
    assert [path.stem for path in select(course[0], ["03", "00"])] == ["00_a", "03_c"]
    assert len(select(course[0], [])) == 3
    with pytest.raises(ValueError, match="Did you mean '01_b'"):
        select(course[0], ["1_b"])


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="Expected solved notebooks"):
        select(tmp_path, [])


def test_seconds_taken_and_predicted_are_printed_and_kept_for_the_doctor(course, capsys, monkeypatch):
    solutions, build = course
    content = json.loads((solutions.parent / "bands.json").read_text())
    content["pace"] = {"net": 10}
    content["labs"]["01_a"]["quick"]["work"] = {"net": 1.0}
    (solutions.parent / "bands.json").write_text(json.dumps(content))
    monkeypatch.setattr("lab_utils.staff.course.run.measure_pace", lambda: {"net": 20.0})
    write(solutions, "01_a", COMPARE)
    write(solutions, "02_bad", "1 / 0")
    (build).mkdir()
    (build / "taken.json").write_text('{"quick": {"02_bad": 5, "03_c": 7}, "full": {"01_a": 9}}')
    run(*course)
    heads, first, *_ = capsys.readouterr().out.splitlines()[1:]
    assert heads.split()[1:3] == ["seconds", "predicted"]
    taken = json.loads((build / "taken.json").read_text())
    assert first.split()[:3] == ["01_a", str(taken["quick"].pop("01_a")), "40"]
    assert taken == {"quick": {"02_bad": 5, "03_c": 7}, "full": {"01_a": 9}}  # what an error cut short does not count
