"""Pictures and a table of labels."""

import gzip
import os
import shutil
import tarfile
import unicodedata
from pathlib import Path

import pandas as pd
import pytest
import torch
from PIL import Image

from lab_utils.data import check_disjoint, load_data, load_table
from tests.data.trees import draw, write

SHARED = Path(os.environ.get("LAB_SHARED_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
NIH = SHARED / "nih" / "NIH1000.tar.gz"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path):
    """Forty pictures of twenty patients, with a table of every kind of label."""
    rows = []
    for i in range(40):
        draw(tmp_path / "set" / "scans" / f"scan{i:02}.png")
        found = ("none", "A", "B", "A;B")[i % 4]
        one, other = ("1", "0") if i % 2 else ("0", "1")
        part = ("train", "valid", "TEST")[min(i // 16, 2)]
        rows.append(
            f"scan{i:02}.png,P{i // 2},{('well', 'sick')[i // 2 % 2]},{found},{one},{other},{i % 3 - 1},{part},{i % 4}"
        )
    header = "image,who,diagnosis,found,left,right,mass,part,grade"
    write(tmp_path / "set" / "labels.csv", header, rows)
    return tmp_path / "set"


def load(root, **options):
    return load_data(
        "folder", root=root, **{"table": "labels.csv", "file": "image", "patient": "who", "size": 8} | options
    )


def every(splits):
    """Labels of all images by the name of nothing but their order in the files."""
    return torch.cat([split.labels for split in splits.values()])


def test_one_column_of_classes(root):
    splits = load(root, label="diagnosis")
    assert (splits["train"].task, splits["train"].class_names) == ("binary", ("sick", "well"))
    check_disjoint(*splits.values())
    assert sum(len(split.groups.unique()) for split in splits.values()) == 20
    assert sum(map(len, splits.values())) == 40
    named = load(root, label="diagnosis", class_names={"well": "healthy", "sick": "ill"})["train"]
    assert named.class_names == ("healthy", "ill")
    assert torch.equal(named.labels, 1 - splits["train"].labels)


def test_a_table_may_be_packed(root):
    plain = load(root, label="diagnosis")
    table = root / "labels.csv"
    packed = gzip.compress(table.read_bytes())
    (root / "labels.csv.gz").write_bytes(packed)
    table.unlink()
    splits = load(root, table="labels.csv.gz", label="diagnosis")
    assert all(torch.equal(split.labels, plain[part].labels) for part, split in splits.items())
    with pytest.raises(FileNotFoundError, match=r"there is no labels\.csv in .*There is 'labels\.csv\.gz'"):
        load(root, label="diagnosis")
    for damaged in (packed[:-9], packed[:20] + b"?" + packed[21:]):
        (root / "labels.csv.gz").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"whole gzip file in .*labels\.csv\.gz, got.*Copy it again"):
            load(root, table="labels.csv.gz", label="diagnosis")


def test_findings_in_one_cell(root):
    splits = load(root, label="found", separator=";", none="none")
    assert (splits["train"].task, splits["train"].class_names) == ("multilabel", ("A", "B"))
    assert every(splits).sum(dim=0).tolist() == [20, 20]


def test_columns_of_findings_with_uncertain_ones(root):
    counts = {}
    for uncertain in ("ignore", "ones", "zeros"):
        labels = every(load(root, label=["mass", "left"], uncertain=uncertain))
        counts[uncertain] = [int((labels[:, 0] == value).sum()) for value in (1, 0, -1)]
    assert counts == {"ignore": [13, 13, 14], "ones": [27, 13, 0], "zeros": [13, 27, 0]}


def test_one_hot_columns_need_a_task(root):
    with pytest.raises(ValueError, match=r"exactly one 1 in each row.*task='multiclass'.*or task='multilabel'"):
        load(root, label=["left", "right"])
    assert load(root, label=["left", "right"], task="binary")["train"].class_names == ("left", "right")
    assert load(root, label=["left", "right"], task="multilabel")["train"].task == "multilabel"
    with pytest.raises(ValueError, match="exactly one 1 in each row of the columns mass, left"):
        load(root, label=["mass", "left"], task="multiclass")


def test_grades_are_ordered_by_number(root):
    split = load(root, label="grade", task="ordinal")["train"]
    assert (split.task, split.class_names) == ("ordinal", ("0", "1", "2", "3"))


def test_a_column_of_parts_is_kept_unless_it_divides_a_patient(root):
    splits = load(root, label="diagnosis", part="part")
    assert [len(split) for split in splits.values()] == [16, 16, 8]
    with pytest.raises(
        ValueError, match=r"by part, 1 patients are in both train and val, for example P7.*Leave part= out"
    ):
        load(root, label="diagnosis", part="part", table=moved(root))
    with pytest.raises(ValueError, match="part='left' must name a column that says train, val or test"):
        load(root, label="diagnosis", part="left")


def moved(root):
    table = pd.read_csv(root / "labels.csv")
    table.loc[15, "part"] = "valid"
    return table


@pytest.mark.parametrize(
    "patient", ["who", r"scan\d(\d)", None, "unknown", {f"scan{i:02}.png": i // 2 for i in range(40)}]
)
def test_patients_come_from_a_column_a_rule_or_names(root, patient):
    if patient is None:
        with pytest.warns(UserWarning, match="patients of these images are unknown"):
            splits = load(root, label="diagnosis", patient=patient)
    else:
        splits = load(root, label="diagnosis", patient=patient)
    groups = sum(len(split.groups.unique()) for split in splits.values())
    assert groups == {None: 40, "unknown": 40, r"scan\d(\d)": 10}.get(
        patient if not isinstance(patient, dict) else "", 20
    )


def test_labels_belong_to_the_pictures_that_the_table_names(root):
    table = pd.read_csv(root / "labels.csv").sample(frac=1, random_state=0)
    right, shuffled = load(root, label="diagnosis"), load(root, label="diagnosis", table=table)
    for part in right:
        assert torch.equal(right[part].images, shuffled[part].images)
        assert torch.equal(right[part].labels, shuffled[part].labels)


@pytest.mark.parametrize(
    "name", ["scan{:02}", "scan{:02}.jpg", "scans/scan{:02}.png", ".\\archive\\scans\\scan{:02}.png"]
)
def test_names_without_ending_with_another_one_and_with_folders_are_found(root, name, recwarn):
    table = pd.read_csv(root / "labels.csv")
    table["image"] = [name.format(i) for i in range(40)]
    found = load(root, table=table, label="diagnosis")
    assert torch.equal(found["train"].labels, load(root, label="diagnosis")["train"].labels)
    assert ["other endings" in str(caught.message) for caught in recwarn] == [True] * name.endswith("jpg")


def test_what_does_not_fit_together_is_counted_and_said(root):
    lines = (root / "labels.csv").read_text("utf-8").splitlines()
    (root / "scans" / "scan05.png").unlink()
    draw(root / "scans" / "extra.png")
    lines += [lines[3], lines[4].replace("well", "sick").replace("sick", "well"), lines[1].replace("well", "sick")]
    lines[10] = lines[10].replace("well", "").replace("sick", "")
    write(root / "labels.csv", lines[0], lines[1:])
    with pytest.warns(UserWarning, match="left out: 1") as caught:
        splits = load(root, label="diagnosis")
    told = str(caught[0].message)
    for words in (
        "Rows whose picture is not there, left out: 1 (for example scan05.png)",
        "Rows without a label, left out: 1 (for example scan09.png)",
        "Pictures with several rows of one label, taken once: 1 (for example scans/scan02.png)",
        "Pictures with rows that contradict each other, left out: 2 (for example scans/scan00.png)",
    ):
        assert words in told
        assert words in " ".join(splits["test"].notes)
    assert any("Pictures without a row, left out: 1 (for example scans/extra.png)" in n for n in splits["val"].notes)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"label": None},
            r"label= must name a column of .*labels\.csv; got None\. Its columns are 'image' \(for example 'scan00",
        ),
        ({"label": "diagnoses"}, r"Did you mean 'diagnosis'\?"),
        (
            {"label": "diagnosis", "file": "who"},
            r"none of 40 does, for example 'P0', while a picture there is 'scans/scan00\.png'",
        ),
        ({"label": "image", "class_names": ["a", "b"]}, "must name every class"),
        (
            {"label": ["diagnosis"]},
            r"must hold 1 \(there\), 0 \(not there\) or -1 \(uncertain\); 'diagnosis' of .* holds '\w+' in row",
        ),
        ({"label": "part", "patient": "nobody"}, r"patient= \(a column, a regular expression.*got 'nobody'"),
        ({"label": "found", "task": "multilabel", "class_names": ["A"]}, "it lacks A;B, B, none"),
        ({"label": "diagnosis", "table": "label.csv"}, r"there is no label\.csv in .*There is 'labels\.csv'"),
        ({"label": "diagnosis", "table": 5}, "table= must be the path of a csv file, a pandas DataFrame, or a dict"),
        ({"label": "image"}, r"holds 40 different cells .* in 40 rows"),
        ({"label": "mass"}, r"it holds '-1', which may mean uncertain.*label=\['mass'\].*class_names=\['-1', '0'"),
        ({"label": "found"}, "it holds 'A;B', which may be several findings"),
        ({"label": "found", "separator": ""}, "separator= must be the sign"),
        ({"label": "diagnosis", "class_names": "ab"}, "class_names= a list of names or a dict"),
        ({"label": "diagnosis", "class_names": {"well": "a", "sick": "a"}}, "every class needs a name of its own"),
        ({"label": ["left", "left"]}, "Name each column once in label="),
        ({"label": ["mass", "left"], "task": "binary"}, "for example in row 1 of"),
        ({"label": "diagnosis", "part": ["part"]}, r"part= must name a column of .*; got \['part'\]"),
        ({"label": "diagnosis", "table": pd.Series(["x"])}, "got Series"),
        ({"label": "a", "table": pd.DataFrame([[1, 2]], columns=["a", "a"])}, "'a' is there more than once"),
        ({"label": "diagnosis", "channels": 2}, "channels must be 1 for grey"),
        ({"label": "diagnosis", "uncertain": "maybe"}, "Expected uncertain to be one of ignore, ones, zeros"),
    ],
)
def test_what_is_not_understood_is_refused_in_words_before_anything_is_decoded(root, options, words, monkeypatch):
    monkeypatch.setattr("lab_utils.data.tables.table.decode_parts", None)
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        load(root, **options)


def test_an_empty_cell_of_a_finding_needs_a_meaning(root):
    table = pd.read_csv(root / "labels.csv")
    table.loc[3, "mass"] = None
    with pytest.raises(ValueError, match=r"'mass' of table= has 1 empty cells.*blank='zeros'"):
        load(root, label=["mass"], table=table)
    assert int((every(load(root, label=["mass"], table=table, blank="zeros")) == 0).sum()) == 13 + (3 % 3 != 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image,a,a\nx,1,2\n", "different names of columns; 'a' is there more than once"),
        ("image,a\nx,1,2\n", r"line 2: 2 cells were expected, as in the first line; there are 3.*in quotes"),
        ("image,a\nx\n", "there are 1"),
        ("image,a\n", "it has 1 lines"),
        ('image,a\nx,"1\ny,2\n', "unexpected end of data.*begins with a quote must end with one"),
    ],
)
def test_a_damaged_table_gets_words(root, text, words):
    (root / "labels.csv").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=words):
        load(root, label="a")


def test_a_name_of_two_pictures_is_refused(root):
    draw(root / "older" / "scan07.png")
    with pytest.raises(ValueError, match=r"'scan07\.png' may be older/scan07\.png or scans/scan07\.png"):
        load(root, label="diagnosis")
    assert len(load(root / "scans", label="diagnosis", table=root / "labels.csv")["train"]) == 28


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("who", "p1", "'P1' and 'p1', which may be one patient"),
        ("who", "P 1", "'P 1' and 'P1', which may"),
        ("who", "P01", "'P01' and 'P1', which may"),
        ("who", "unknown", "has 1 cells 'unknown'"),
        ("who", "NA", "has 1 cells 'NA'"),
        ("diagnosis", "Sick", "'Sick' and 'sick', which may be one class"),
        ("diagnosis", "sick\u200b", "which may be one class"),
        ("grade", "1.0", "'1' and '1.0', which may be one class"),
        ("image", "other/scan03.png", "would both be scans/scan03.png"),
    ],
)
def test_what_may_be_one_name_written_in_two_ways_is_refused(root, column, cell, words):
    table = pd.read_csv(root / "labels.csv", dtype=str)
    table["image"] = "mine/" + table["image"]
    table.loc[2, column] = cell
    with pytest.raises(ValueError, match=words):
        load(root, label=column if column in ("diagnosis", "grade") else "diagnosis", table=table)


def test_a_missing_class_and_a_column_of_patients_that_is_not_used_are_said(root):
    table = pd.read_csv(root / "labels.csv").rename(columns={"who": "PatientID"})
    table.loc[::4, "diagnosis"] = "NA"
    with pytest.warns(UserWarning, match=r"patient='PatientID'\.\nThe class 'NA' may stand for"):
        load(root, label="diagnosis", table=table, patient=None)


@pytest.mark.parametrize("column", ["who", "part"])
def test_two_rows_that_differ_in_patient_or_part_contradict_each_other(root, column):
    table = pd.read_csv(root / "labels.csv")
    table = pd.concat([table, table.iloc[:1].assign(**{column: table[column].iloc[-1]})])
    with pytest.warns(UserWarning, match=r"contradict each other, left out: 1 \(for example scans/scan00"):
        load(root, label="diagnosis", table=table, part="part")


def test_two_copies_of_a_folder_are_refused_and_a_link_that_leads_back_is_not_followed(root):
    table = pd.read_csv(root / "labels.csv")
    table["image"] = "scans/" + table["image"]
    (root / "scans" / "back").symlink_to(root)
    (root / "again").symlink_to(root)
    plain = load(root, table=table, label="diagnosis")["train"]
    assert not any("without a row" in note for note in plain.notes)
    (root / "copies").mkdir()
    (root / "scans").rename(root / "copies" / "scans")
    shutil.copytree(root / "copies" / "scans", root / "older" / "scans", ignore=shutil.ignore_patterns("back"))
    with pytest.raises(ValueError, match=r"may be (older|copies)/scans/scan00\.png or (older|copies)/"):
        load(root, table=table, label="diagnosis")


def test_an_index_booleans_and_accents_taken_apart_are_read(root):
    table = pd.read_csv(root / "labels.csv")
    table["image"] = [unicodedata.normalize("NFC", f"é{i}.png") for i in range(40)]
    for i in range(40):
        (root / "scans" / f"scan{i:02}.png").rename(root / "scans" / unicodedata.normalize("NFD", f"é{i}.png"))
    table.assign(left=table["left"] == 1, right=table["right"] == 1).to_csv(root / "labels.csv")
    assert torch.cat([s.labels for s in load(root, label=["left", "right"], task="binary").values()]).sum() == 20


def test_pages_that_are_not_read_are_said(root):
    pages = [Image.new("L", (8, 8), grey) for grey in (10, 200)]
    pages[0].save(root / "scans" / "scan03.tif", save_all=True, append_images=pages[1:])
    table = pd.read_csv(root / "labels.csv").replace("scan03.png", "scan03.tif")
    with pytest.warns(UserWarning, match="1 picture with more than one page"):
        load(root, label="diagnosis", table=table)


def test_commas_at_the_end_of_lines_newlines_in_quotes_and_semicolons_are_read(root):
    lines = (root / "labels.csv").read_text("utf-8").splitlines()
    plain = load(root, label="diagnosis")["train"]
    for text in (
        "\n".join(f"{line}," for line in lines),
        "\n".join(line.replace(";", "+").replace(",", ";") for line in lines),
        "\n".join([lines[0] + ",note", *(f'{line},"two\nlines, one cell"' for line in lines[1:])]),
    ):
        (root / "labels.csv").write_text(text, "utf-8")
        assert torch.equal(load(root, label="diagnosis")["train"].labels, plain.labels)


@pytest.mark.skipif(not NIH.exists(), reason="needs the real pictures")
def test_leaking_patients_and_a_wrong_label_of_real_pictures_are_found_without_being_told(tmp_path):
    with tarfile.open(NIH) as archive:
        archive.extractall(tmp_path, filter="data")
    with pytest.warns(UserWarning, match="30 of 264 patients are in more than one of them") as caught:
        splits = load_table(
            tmp_path / "NIH1000",
            table=SHARED / "nih" / "NIH1000_labels.csv",
            file="Image Index",
            label="Finding Labels",
            patient="Patient ID",
            size=16,
        )
    assert "1 picture in the folder of another label than the table says (for example valid/0_normal" in str(
        caught[0].message
    )
    check_disjoint(*splits.values())
    assert sum(map(len, splits.values())) == 1000
    assert splits["train"].num_classes == 14
    assert splits["train"].in_channels == 1
