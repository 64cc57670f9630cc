"""The pages of the worst class in a real browser: nothing is wider than the screen, cut off, hard to read, or runs."""

import shutil

import pytest

pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[browser]'")

from playwright.sync_api import sync_playwright

from lab_utils.staff.feedback.feedback import feedback
from lab_utils.staff.feedback.marking_form import marking_form
from tests.browser.test_student import CHROMIUM, FLAGS, WIDE
from tests.staff.feedback.worst_class import make_worst_class

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="needs Chromium or Chrome on the PATH")]

SCREENS = {"desktop": 1280, "phone": 390}
STUDENTS = 60  # every state, name and kind of text is there

# Texts whose right or left end lies outside of the screen, or of the box that hides what does not fit.
CUT = """() => {
    const cut = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode;
        if (!node.data.trim()) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        let left = 0, right = innerWidth, scrolls = false;
        for (let box = node.parentElement; box; box = box.parentElement) {
            const overflow = getComputedStyle(box).overflowX;
            if (overflow === "auto" || overflow === "scroll") { scrolls = true; break; }
            if (overflow !== "hidden") continue;
            const edge = box.getBoundingClientRect();
            left = Math.max(left, edge.left);
            right = Math.min(right, edge.right);
        }
        if (scrolls) continue;
        for (const part of range.getClientRects())
            if (part.width > 1 && (part.left < left - 1 || part.right > right + 1)) {
                cut.push(node.data.trim().slice(0, 60));
                break;
            }
    }
    return cut;
}"""

# Texts that lie over other texts: their lines cross by more than a quarter of a line.
OVERLAPPING = """() => {
    const boxes = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode;
        if (!node.data.trim() || getComputedStyle(node.parentElement).display === "none") continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        for (const part of range.getClientRects())
            if (part.width > 2)
                boxes.push([part.left, part.right, part.top, part.bottom, node.data.trim().slice(0, 40)]);
    }
    boxes.sort((a, b) => a[2] - b[2]);
    const found = [];
    for (let i = 0; i < boxes.length; i++)
        for (let j = i + 1; j < boxes.length && boxes[j][2] < boxes[i][3]; j++) {
            const [a, b] = [boxes[i], boxes[j]];
            const across = Math.min(a[1], b[1]) - Math.max(a[0], b[0]);
            const down = Math.min(a[3], b[3]) - Math.max(a[2], b[2]);
            if (across > 3 && down > 0.4 * Math.min(a[3] - a[2], b[3] - b[2])) found.push(a[4] + " | " + b[4]);
        }
    return found.slice(0, 20);
}"""

# Texts with less contrast to what lies behind them than WCAG 2 asks for (AA: 4.5, large 3).
PALE = """() => {
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const behind = element => {
        for (let box = element; box; box = box.parentElement) {
            const colour = numbers(getComputedStyle(box).backgroundColor);
            if (colour.length === 3 || colour[3] > 0) return colour;
        }
        return [255, 255, 255];
    };
    const pale = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim()) continue;
        const style = getComputedStyle(element);
        const both = [light(numbers(style.color)), light(behind(element))].sort((a, b) => b - a);
        const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.7 && style.fontWeight >= 700);
        const ratio = (both[0] + 0.05) / (both[1] + 0.05);
        if (ratio < (large ? 3 : 4.5)) pale.add(`${walker.currentNode.data.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
    }
    return [...pale];
}"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The pages of the worst class, and of a class of nobody: name to path."""
    root = tmp_path_factory.mktemp("class")
    folder, _ = make_worst_class(root / "full", STUDENTS)
    empty, _ = make_worst_class(root / "empty", 0)
    for one in (folder, empty):
        feedback(one, one.parents[1])
    shutil.rmtree(folder / "submissions")
    found = {path.stem: path for path in sorted((folder / "feedback").glob("*.html"))}
    return {"class": folder / "class.html", "nobody": empty / "class.html", **found}


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.mark.parametrize("screen", SCREENS)
def test_every_page_of_the_worst_class_can_be_read_on_every_screen(pages, browser, screen):
    window = browser.new_page(viewport={"width": SCREENS[screen], "height": 900})
    asked, wrong = [], {}
    window.on("request", lambda request: asked.append(request.url))
    window.on("dialog", lambda dialog: wrong.setdefault("dialogs", []).append(dialog.message))
    for name, path in pages.items():
        window.goto(path.as_uri())
        if (wide := window.evaluate("document.documentElement.scrollWidth")) > SCREENS[screen]:
            wrong[name, "wide"] = wide
        for kind, script in (("cut", CUT), ("overlapping", OVERLAPPING), ("pale", PALE)):
            if found := window.evaluate(script):
                wrong[name, kind] = found[:5]
    window.close()
    assert wrong == {}
    assert asked == [path.as_uri() for path in pages.values()]  # and nothing else


@pytest.mark.parametrize("anonymous", [False, True])
def test_the_marking_form_of_the_worst_answers_fits_a_phone(form_folder, browser, anonymous):
    """Its texts and pictures, without the fields and buttons, which are JupyterLab's."""
    form = marking_form(form_folder, anonymous=anonymous)
    window = browser.new_page(viewport={"width": SCREENS["phone"], "height": 900})
    for place in range(4):
        form.show(place)
        shown = (form.head, form.answer, form.pictures, form.rubric, form.status)
        window.set_content("".join(widget.value for widget in shown))
        assert window.evaluate("document.documentElement.scrollWidth") <= SCREENS["phone"]
        assert (window.evaluate(CUT), window.evaluate(OVERLAPPING), window.evaluate(PALE)) == ([], [], [])
        assert window.locator("script, h1").count() == 0
    window.close()


@pytest.fixture(scope="module")
def form_folder(tmp_path_factory):
    """A class of twelve whose answers nobody has marked."""
    return make_worst_class(tmp_path_factory.mktemp("form"), 12, marked=False)[0]


def test_no_name_or_text_pushes_a_column_of_the_class_out_of_sight(pages, browser):
    window = browser.new_page(viewport={"width": SCREENS["desktop"], "height": 900})
    window.goto(pages["class"].as_uri())
    tables = window.locator(".wide")
    assert tables.count() >= 3
    assert tables.evaluate_all(WIDE) == []
    window.close()
