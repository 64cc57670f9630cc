"""README says what the repository holds."""

import json
from pathlib import Path

from lab_utils.studies import claims_markdown, read_claims

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def test_the_table_of_claims_is_that_of_the_stored_study() -> None:
    assert claims_markdown(read_claims()) in README


def test_the_table_of_the_second_paper_is_that_of_the_stored_experiment() -> None:
    assert claims_markdown(read_claims(name="claims_transfer")) in README


def test_every_lab_is_listed_and_has_its_result() -> None:
    for notebook in sorted((ROOT / "labs").glob("0*.ipynb")):
        assert f"| `{notebook.stem}` |" in README
        assert f"### Lab {int(notebook.stem[:2])}: " in README
        assert f"data/pictures/lab{notebook.stem[:2]}.png" in README


def test_every_homework_with_published_results_is_listed_and_has_its_result() -> None:
    published = json.loads((ROOT / "data/bands.json").read_text("utf-8"))
    homeworks = [path for path in sorted((ROOT / "labs").glob("homework*.ipynb")) if path.stem in str(published)]
    assert homeworks
    for notebook in homeworks:
        assert f"| `{notebook.stem}` |" in README
        assert f"### Homework {notebook.stem.removeprefix('homework')}: " in README
        assert f"data/pictures/{notebook.stem}.png" in README


def test_every_picture_is_there() -> None:
    pictures = [part.split(")")[0] for part in README.split("](")[1:] if part.split(")")[0].endswith(".png")]
    assert pictures
    assert [path for path in pictures if not (ROOT / path).is_file()] == []
