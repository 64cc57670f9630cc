"""Lab 0 as a student meets it: JupyterLab in a real browser, an exercise, a question and a knob."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[browser]'")

from playwright.sync_api import expect, sync_playwright

from lab_utils.checks.lab00_questions import PREVALENCE
from tests.notebooks.rules import environment

NAME = "00_start_here.ipynb"
LAB = Path(__file__).resolve().parents[2] / "labs" / NAME
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
PATIENCE = 600  # seconds; a busy machine may take long, and nothing here is timed
ENDED = """number => {
    const prompts = [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")];
    const done = prompts.length === number && /\\[\\d+\\]/.test(prompts.at(-1).textContent);
    return done || document.querySelector("[data-mime-type*='error']") !== null;
}"""
BYTES = "async image => Array.from(new Uint8Array(await (await fetch(image.src)).arrayBuffer()))"
TIES_FORGOTTEN = """\
def auroc(labels, scores):
    positive, negative = scores[labels == 1], scores[labels == 0]
    return np.mean(positive[:, None] > negative[None, :])
"""
RIGHT = """\
def auroc(labels, scores):
    positive, negative = scores[labels == 1][:, None], scores[labels == 0][None, :]
    if positive.size == 0 or negative.size == 0:
        raise ValueError("one of the two classes is missing")
    return np.mean((positive > negative) + 0.5 * (positive == negative))
"""

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="needs Chromium or Chrome on the PATH")]


@contextmanager
def jupyterlab(folder, home):
    """Serve `folder` as `make lab` does, with nobody's own settings; yield the server's address and token."""
    home.mkdir()
    quiet = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
    (home / "overrides.json").write_text(json.dumps({"@jupyterlab/apputils-extension:notification": quiet}))
    own = {f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    variables = {**os.environ, **environment("labs", home / "ipython"), **own}
    command = [sys.executable, "-m", "jupyterlab", f"--notebook-dir={folder}", "--no-browser", "--allow-root"]
    with (home / "log").open("w") as log:
        command.append(f"--LabApp.app_settings_dir={home}")
        server = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
    try:
        yield wait_for_address(server, home)
    finally:
        server.terminate()
        server.wait()


def wait_for_address(server, home):
    """Return what the server writes down once it listens."""
    info = home / "runtime" / f"jpserver-{server.pid}.json"
    for _ in range(10 * PATIENCE):
        if server.poll() is not None or info.exists():
            break
        time.sleep(0.1)
    assert info.exists(), (home / "log").read_text()
    time.sleep(0.1)  # the file exists a moment before it is full
    return json.loads(info.read_text())


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Lab 0, opened in JupyterLab, all cells run once."""
    folder = tmp_path_factory.mktemp("labs")
    shutil.copy(LAB, folder)
    cells = sum(cell.cell_type == "code" for cell in nbformat.read(LAB, as_version=4).cells)
    with jupyterlab(folder, tmp_path_factory.mktemp("jupyter") / "home") as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(1000 * PATIENCE)
        expect.set_options(timeout=1000 * PATIENCE)
        page.goto(f"{server['url']}lab/tree/{NAME}?token={server['token']}")
        page.locator(".jp-Notebook .jp-CodeCell").first.click()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.wait_for_function(ENDED, arg=cells)
        yield page
        browser.close()


def cell_of(page, code):
    return page.locator(".jp-Notebook .jp-CodeCell").filter(has=page.locator(".jp-InputArea", has_text=code)).first


def run(page, code, replace_by=None):
    """Run the cell that holds `code`, after putting `replace_by` into its place; return its output."""
    cell = cell_of(page, code)
    cell.locator(".cm-content").click()
    if replace_by:
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(replace_by)
    page.keyboard.press("Control+Enter")
    return cell.locator(".jp-OutputArea")


def test_the_lab_runs_to_its_end_with_nothing_written(page):
    assert page.locator("[data-mime-type*='error'], [data-mime-type*='stderr']").all_inner_texts() == []
    expect(cell_of(page, "check_auroc").locator(".jp-OutputArea")).to_contain_text("auroc: not attempted")
    expect(cell_of(page, "bands.compare").locator(".jp-OutputArea")).to_contain_text("in the band")


def test_nothing_is_wider_than_the_page(page):
    outputs = page.locator(".jp-OutputArea-output, .jp-MarkdownOutput")
    assert outputs.count() > 40
    wide = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.innerText)"
    assert outputs.evaluate_all(wide) == []


def test_a_wrong_answer_gets_a_hint_and_a_right_one_is_correct(page):
    run(page, "def auroc(", TIES_FORGOTTEN)
    shown = run(page, "check_auroc")
    expect(shown).to_contain_text("auroc: incorrect")
    expect(shown).to_contain_text("You gave pairs with equal scores nothing.")
    run(page, "def auroc(", RIGHT)
    expect(run(page, "check_auroc")).to_contain_text("auroc: correct")


@pytest.mark.parametrize("choice", [0, PREVALENCE.correct])
def test_a_chosen_answer_shows_its_feedback(page, choice):
    shown = cell_of(page, "lab00_questions.PREVALENCE").locator(".jp-OutputArea")
    answer, feedback = PREVALENCE.options[choice]
    shown.get_by_text(answer, exact=True).click()
    verdict = "Correct." if choice == PREVALENCE.correct else "Not quite."
    expect(shown).to_contain_text(f"{verdict} {feedback}")


def test_the_knob_changes_the_picture(page):
    shown = cell_of(page, "explore(draw_threshold").locator(".jp-OutputArea")
    picture, slider = shown.locator("img"), shown.locator(".noUi-handle")
    before, place = picture.evaluate(BYTES), picture.get_attribute("src")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(shown.locator(".widget-readout")).to_have_text("0.125")
    expect(picture).not_to_have_attribute("src", re.compile(re.escape(place)))
    after = picture.evaluate(BYTES)
    assert bytes(after[:4]) == b"\x89PNG"
    assert after != before
