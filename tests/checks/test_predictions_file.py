import numpy as np
import pytest
import torch

from lab_utils.checks.homework4.file import COLUMNS, FILE, FORM
from lab_utils.checks.predictions_file import PredictionsFile, probabilities


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def four(images=3):
    return {name: np.linspace(0, 1, images) for name in COLUMNS}


def test_what_is_written_is_read_again(folder):
    path = FORM.write(four(), 3)
    assert path == folder / FILE
    assert path.read_text().splitlines()[2] == "1,0.500000,0.500000,0.500000,0.500000"
    table = FORM.read(path.read_text(), 3)
    assert list(table) == list(COLUMNS)
    assert table["model_2_fixed"].tolist() == [0, 0.5, 1]
    assert FORM.describe(path, 3) == (
        True,
        "The form is right: 3 images. All columns are there. Commit the file beside your notebook.",
    )


def test_a_test_run_writes_into_its_own_folder(folder, monkeypatch):
    monkeypatch.setenv("LAB_RESULTS", str(folder / "results"))
    assert FORM.write(four(), 3) == folder / "results" / FILE
    assert not (folder / FILE).exists()


def test_a_part_of_the_columns_is_written_and_described(folder):
    path = FORM.write({COLUMNS[0]: [0.1, 0.2], COLUMNS[1]: None}, 2)
    assert path.read_text().splitlines() == [f"image,{COLUMNS[0]}", "0,0.100000", "1,0.200000"]
    complete, text = FORM.describe(path, 2)
    assert not complete
    assert "Still missing: model_1_fixed, model_2_fine_tuned, model_2_fixed." in text


def test_without_any_column_nothing_is_written(folder):
    assert FORM.write(dict.fromkeys(COLUMNS), 3) is None
    assert not list(folder.iterdir())
    assert "There is no" in FORM.describe(folder / FILE, 3)[1]


@pytest.mark.parametrize("values", [[0.1, 0.2, 1.2], [0.1, 0.2], [[0.1, 0.9]] * 3, [0.1, np.nan, 0.2]])
def test_no_probabilities_are_not_written(values, folder):
    with pytest.raises(ValueError, match="softmax of the logits"):
        FORM.write({COLUMNS[0]: values}, 3)
    assert not list(folder.iterdir())


def test_an_unknown_column_is_not_written():
    with pytest.raises(ValueError, match="got 'model_3'"):
        FORM.write({"model_3": [0.1]}, 1)


def test_a_constant_column_is_described_as_saying_nothing():
    path = FORM.write(four() | {COLUMNS[3]: np.full(3, 0.4)}, 3)
    assert "model_2_fixed are the same" in FORM.describe(path, 3)[1]


def test_describe_tells_a_file_that_is_no_text(folder):
    (folder / FILE).write_bytes(b"\xff\xfe\x00")
    assert not FORM.describe(folder / FILE, 3)[0]


def test_another_homework_has_its_own_file_columns_and_class(folder):
    form = PredictionsFile("homework5", ("cut", "whole"), "fracture")
    path = form.write({"whole": [0.25, 0.5]}, 2)
    assert path.name == "homework5_predictions.csv"
    assert list(form.read(path.read_text(), 2)) == ["whole"]
    assert "Still missing: cut." in form.describe(path, 2)[1]
    with pytest.raises(ValueError, match="out of cut, whole, got 'model_1_fixed'"):
        form.write({"model_1_fixed": [0.5, 0.5]}, 2)
    with pytest.raises(ValueError, match="column of fracture"):
        form.write({"cut": [2, 0.5]}, 2)


def test_only_one_name_for_the_file():
    assert FORM.path().name == "homework4_predictions.csv"


def test_classes_in_place_of_probabilities_are_told():
    path = FORM.write(four() | {COLUMNS[1]: np.array([0.0, 1.0, 1.0])}, 3)
    assert FORM.describe(path, 3) == (
        False,
        "model_1_fixed holds only 0 and 1: these are classes. Write the probabilities, they rank the images.",
    )


def test_probabilities_come_back_as_arrays_also_from_a_tensor_with_gradient():
    found = probabilities({"val": torch.tensor([0.25, 1.0], requires_grad=True), "more": 1}, {"val": 2}, "f")
    assert list(found) == ["val"]
    assert found["val"].dtype == np.float64
    assert found["val"].tolist() == [0.25, 1.0]


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "got NoneType"),
        (np.zeros(3), "got ndarray"),
        ({"val": [0.5] * 3}, r"got the names \['val'\]"),
        ({"val": [0.5] * 3, "test": [0.5] * 3}, r"each of the 2 images of 'test', shape \(2,\), got shape \(3,\)"),
        ({"val": [[0.5, 0.5]] * 3, "test": [0.5] * 2}, "return one column"),
        ({"val": [-3.0, 0.5, 4.0], "test": [0.5] * 2}, "got -3 to 4 for 'val'. Take the softmax"),
        ({"val": [0.5, np.nan, 0.5], "test": [0.5] * 2}, "from 0 to 1"),
    ],
)
def test_other_predictions_are_refused_with_what_is_wrong(returned, words):
    with pytest.raises(ValueError, match=words) as caught:
        probabilities(returned, {"val": 3, "test": 2}, "fine_tune_and_predict")
    assert "`fine_tune_and_predict`" in str(caught.value)


HEADER = "image,model_1_fine_tuned\n"


def test_rows_in_any_order_with_spaces_windows_lines_and_a_byte_order_mark():
    text = "\ufeffimage, model_2_fixed ,model_1_fixed\r\n1, 1e-1,0.25\r\n0,1.0,0\r\n"
    table = FORM.read(text, 2)
    assert {name: values.tolist() for name, values in table.items()} == {
        "model_2_fixed": [1.0, 0.1],
        "model_1_fixed": [0.0, 0.25],
    }


@pytest.mark.parametrize(
    "text",
    [
        '"image","model_2_fixed","model_1_fixed"\n"1","0.1","0.25"\n"0","1.0","0"\n',
        '"image,model_2_fixed,model_1_fixed"\r\n"1,0.1,0.25"\r\n"0,1.0,0"\r\n',
        "image;model_2_fixed;model_1_fixed\r\n1;0,1;0,25\r\n0;1;0\r\n;;\r\n",
        "image\tmodel_2_fixed\tmodel_1_fixed\n1\t0.1\t0.25\n0\t1.0\t0\n",
    ],
)
def test_what_a_spreadsheet_makes_of_the_file_is_read(text):
    table = FORM.read(text, 2)
    assert {name: values.tolist() for name, values in table.items()} == {
        "model_2_fixed": [1.0, 0.1],
        "model_1_fixed": [0.0, 0.25],
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "first line"),
        ("image;model_1_fine_tuned\n0;0.5\n1;0,5,5\n", "probability"),
        (HEADER + "0,0,5\n1,0,5\n", "has 3 entries"),
        ("image\n0\n1\n", "first line"),
        ("0,0.5\n1,0.5\n", "first line"),
        ("image,model_3\n0,0.5\n1,0.5\n", "first line"),
        ("image,model_1_fixed,model_1_fixed\n0,0.5,0.5\n1,0.5,0.5\n", "each once"),
        (HEADER + "0,0.5\n", "has 1 rows below its header; there are 2"),
        (HEADER + "0,0.5\n1,0.5\n2,0.5\n", "has 3 rows"),
        (HEADER + "0,0.5\n0,0.5\n", "Line 3 .* second row for image 0"),
        (HEADER + "0,0.5\n2,0.5\n", "0 to 1"),
        (HEADER + "0,0.5\n-1,0.5\n", "number of an image"),
        (HEADER + "0,0.5\n1.0,0.5\n", "number of an image"),
        (HEADER + "0,0.5\n\u0661,0.5\n", "number of an image"),
        (HEADER + "0,0.5\n1\n", "Line 3 .* has 1 entries"),
        (HEADER + "0,0.5\n1,0.5,0.5\n", "has 3 entries"),
        (HEADER + "0,0.5\n1,nan\n", "Line 3 .* probability from 0 to 1"),
        (HEADER + "0,0.5\n1,inf\n", "probability"),
        (HEADER + "0,0.5\n1,1.01\n", "probability"),
        (HEADER + "0,0.5\n1,-0.1\n", "probability"),
        (HEADER + "0,0.5\n1,\n", "probability"),
        (HEADER + "0,0.5\n1,0x1\n", "probability"),
        (HEADER + "0,0.5\n1,1_0\n", "probability"),
        (HEADER + "0,0.5\n1,1e999999999\n", "probability"),
        (HEADER + "0,0.5\n1," + "1" * 100_000 + "\n", "probability"),
        (HEADER + "0,0.5\n1,=1+1\n", "probability"),
        ("x" * 2**21, "larger than 1 MB"),
    ],
)
def test_what_is_no_such_file_is_refused_in_words(text, words):
    with pytest.raises(ValueError, match=words) as caught:
        FORM.read(text, 2)
    assert len(str(caught.value)) < 400
