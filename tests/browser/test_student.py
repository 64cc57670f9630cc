"""Labs as a student meets them: JupyterLab in a real browser, a wrong answer, help, a right one, a question, a knob."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[browser]'")

from playwright.sync_api import expect, sync_playwright

from lab_utils.checks import lab00, lab03, lab05
from tests.notebooks.rules import environment

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
PATIENCE = 300  # seconds; a busy machine may take long, and nothing here is timed
BYTES = "async image => Array.from(new Uint8Array(await (await fetch(image.src)).arrayBuffer()))"
WIDE = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.innerText)"


@dataclass(frozen=True)
class Plan:
    """What a student does in a lab: an exercise, first wrong, then right; `told` is what the check says first."""

    exercise: object
    wrong: str
    told: str
    right: str


PLANS = {
    "00_start_here": Plan(
        lab00.AUROC,
        """\
def auroc(labels, scores):
    positive, negative = scores[labels == 1], scores[labels == 0]
    return np.mean(positive[:, None] > negative[None, :])
""",
        "You gave pairs with equal scores nothing.",
        """\
def auroc(labels, scores):
    positive, negative = scores[labels == 1][:, None], scores[labels == 0][None, :]
    if positive.size == 0 or negative.size == 0:
        raise ValueError("one of the two classes is missing")
    return np.mean((positive > negative) + 0.5 * (positive == negative))
""",
    ),
    "05_cca": Plan(
        lab05.CONV_TO_SAMPLES,
        "def conv_to_samples(maps, stride=1):\n    return maps[:, :, ::stride, ::stride].reshape(-1, maps.shape[1])\n",
        "conv_to_samples: incorrect",
        """\
def conv_to_samples(maps, stride=1):
    return maps[:, :, ::stride, ::stride].permute(0, 2, 3, 1).reshape(-1, maps.shape[1])
""",
    ),
    "03_fine_tuning": Plan(
        lab03.ADAPT_CONV1,
        "def adapt_conv1(weight):\n    return weight.mean(dim=1, keepdim=True)\n",
        "adapt_conv1: incorrect",
        "def adapt_conv1(weight):\n    return weight.sum(dim=1, keepdim=True)\n",
    ),
}

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="needs Chromium or Chrome on the PATH")]


@contextmanager
def jupyterlab(folder, home):
    """Serve `folder` as `make lab` does, with nobody's own settings; yield the server's address and token.

    That no question about news comes up is a setting of the environment, which `make` has made.
    """
    home.mkdir()
    whole = {"windowingMode": "none"}  # cells that are out of sight are on the page, too
    (home / "overrides.json").write_text(json.dumps({"@jupyterlab/notebook-extension:tracker": whole}))
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


@pytest.fixture(scope="module", params=PLANS)
def lab(request):
    return request.param


@pytest.fixture(scope="module")
def plan(lab):
    return PLANS[lab]


@pytest.fixture(scope="module")
def page(lab, tmp_path_factory):
    """A lab, opened in JupyterLab, all cells run once."""
    folder = tmp_path_factory.mktemp("labs")
    shutil.copy(ROOT / "labs" / f"{lab}.ipynb", folder)
    with jupyterlab(folder, tmp_path_factory.mktemp("jupyter") / "home") as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(1000 * PATIENCE)
        expect.set_options(timeout=1000 * PATIENCE)
        page.goto(f"{server['url']}lab/tree/{lab}.ipynb?token={server['token']}")
        page.locator(".jp-Notebook .jp-MarkdownCell").first.click()
        # Whoever runs cells before the kernel is there is asked for one, and nothing runs.
        expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle")
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        wait_until_all_ran(page)
        yield page
        browser.close()


def wait_until_all_ran(page):
    """Until no cell waits and the kernel rests; the prompts of folded cells are not on the page."""
    status, calm, end = page.locator("#jp-main-statusbar"), 0, time.monotonic() + PATIENCE
    while calm < 4:
        assert time.monotonic() < end, "the lab did not come to its end"
        time.sleep(0.5)
        waits = page.locator(".jp-CodeCell .jp-InputPrompt").filter(has_text="[*]").count()
        calm = 0 if waits or "| Idle" not in status.inner_text() else calm + 1


def cell_of(page, code):
    return page.locator(".jp-Notebook .jp-CodeCell").filter(has=page.locator(".jp-InputArea", has_text=code)).first


def output_of(page, code):
    return cell_of(page, code).locator(".jp-OutputArea")


def run(page, code, replace_by=None):
    """Run the cell that holds `code`, after putting `replace_by` into its place; return its output."""
    cell = cell_of(page, code)
    cell.locator(".cm-content").click()
    if replace_by:
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(replace_by)
    page.keyboard.press("Control+Enter")
    return cell.locator(".jp-OutputArea")


def add_below(page, code, text):
    """Make a new cell below the one that holds `code`, write `text` into it and run it; return its output."""
    cell_of(page, code).locator(".cm-content").click()
    for key in ("Escape", "b", "Enter"):
        page.keyboard.press(key)
    page.keyboard.insert_text(text)
    page.keyboard.press("Control+Enter")
    return output_of(page, text)


def test_the_first_screen_is_the_title_with_its_picture_and_nothing_lies_over_it(page):
    title = page.locator(".jp-Notebook .jp-Cell").first
    expect(title.locator("h1")).to_be_visible()
    expect(title.locator("img")).to_be_visible()
    assert page.get_by_text("official Jupyter news").count() == 0
    first = page.locator(".jp-Notebook .jp-CodeCell").first
    expect(first.locator(".jp-InputPlaceholder")).to_contain_text("Run this cell first")
    expect(first.locator(".jp-OutputArea")).to_contain_text("The course is ready.")
    expect(first.locator(".jp-OutputArea")).to_contain_text("SMOKE MODE")


def test_the_lab_runs_to_its_end_with_nothing_written(page, plan):
    assert page.locator("[data-mime-type*='error'], [data-mime-type*='stderr']").all_inner_texts() == []
    name = plan.exercise.name
    expect(output_of(page, f"check_{name}")).to_contain_text(f"{name}: not attempted")
    assert page.get_by_text("in the band").count() == 0  # smoke mode


def test_nothing_is_wider_than_the_page(page):
    outputs = page.locator(".jp-OutputArea-output, .jp-MarkdownOutput")
    assert outputs.count() > 40
    assert outputs.evaluate_all(WIDE) == []


def test_after_a_wrong_answer_the_steps_come_one_by_one_and_a_right_one_is_correct(page, plan):
    name, steps = plan.exercise.name, [step.replace("`", "") for step in plan.exercise.steps]
    run(page, f"def {name}(", plan.wrong)
    shown = run(page, f"check_{name}")
    expect(shown).to_contain_text(f"{name}: incorrect")
    expect(shown).to_contain_text(plan.told)
    expect(shown).to_contain_text("hint()")
    helped = add_below(page, f"check_{name}", "hint()")
    expect(helped).to_contain_text(f"step 1 of {len(steps)}")
    expect(helped).to_contain_text(steps[0])
    expect(helped).not_to_contain_text(steps[1])
    run(page, "hint()")
    expect(helped).to_contain_text(f"step 2 of {len(steps)}")
    expect(helped).to_contain_text(steps[1])
    run(page, f"def {name}(", plan.right)
    expect(run(page, f"check_{name}")).to_contain_text(f"{name}: correct")


def test_a_chosen_answer_shows_its_feedback_and_the_right_one_can_be_found(page):
    shown = page.locator(".jp-OutputArea").filter(has=page.locator("input[type=radio]")).first
    feedback = shown.locator(".jupyter-widgets span[style*=color]")
    with_reason = feedback.locator("xpath=..")  # two wrong answers share their verdict, not their reason
    said = ""
    for button in shown.locator("input[type=radio]").all():
        button.click()
        expect(feedback).to_have_count(1)
        if said:  # until the kernel has answered, the verdict on the last answer still stands there, and its reason
            expect(with_reason).not_to_have_text(said)
        expect(feedback).to_contain_text(re.compile(r"Correct\.|Not quite\."))
        said = with_reason.inner_text()
        if said.startswith("Correct"):
            break
    assert said.startswith("Correct")


def test_the_knob_changes_the_picture(page):
    """The knob is a slider, or in a lab without one a list to choose from."""
    slides = page.locator(".noUi-handle").count() > 0
    knob = ".noUi-handle" if slides else ".widget-dropdown select"
    shown = page.locator(".jp-OutputArea").filter(has=page.locator(knob)).first
    picture = shown.locator("img")
    before, place = picture.evaluate(BYTES), picture.get_attribute("src")
    if slides:
        readout = shown.locator(".widget-readout").inner_text()
        shown.locator(knob).focus()
        page.keyboard.press("ArrowRight")
        expect(shown.locator(".widget-readout")).not_to_have_text(readout)
    else:
        shown.locator(knob).last.select_option(index=1)
    expect(picture).not_to_have_attribute("src", re.compile(re.escape(place)))
    after = picture.evaluate(BYTES)
    assert bytes(after[:4]) == b"\x89PNG"
    assert after != before


def test_the_end_of_the_lab_shows_what_was_done(page, lab):
    shown = run(page, "progress()")
    expect(shown).to_contain_text(f"Your progress in {lab}")
    expect(shown).to_contain_text("exercises 1 of")
    expect(shown).to_contain_text("questions 1 of")
    expect(shown).to_contain_text(f"Kept in {lab}_progress.json")
