"""Kind F: the order of grades from the alphabet. Numbers sort as numbers; words need class_names, or are refused."""

import numpy as np
import pytest
import torch

from lab_utils.data import load_data, load_folder
from lab_utils.data.folders.class_order import is_negative, numbers_of, order_classes
from lab_utils.metrics import quadratic_kappa
from tests.field_cases.drawing import UNKNOWN, fill, listed
from tests.refusals import refuses

RETINOPATHY = ("No_DR", "Mild", "Moderate", "Severe", "Proliferate_DR")


def kappa_by_hand(labels, predicted, classes):
    """Cohen (1968) with quadratic weights, from the table of counts."""
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels, predicted), 1)
    weights = np.subtract.outer(np.arange(classes), np.arange(classes)) ** 2
    by_chance = np.outer(counts.sum(1), counts.sum(0)) / counts.sum()
    return 1 - (weights * counts).sum() / (weights * by_chance).sum()


def fill_by_value(root, folders, n=2):
    """Three parts; the pictures of a folder begin with a pixel that says which folder it is."""
    for value, folder in enumerate(folders):
        fill(root, f"train/{folder}", f"val/{folder}", f"test/{folder}", n=n, value=value)


IN_WORDS = """
No_DR, Mild, Moderate, Severe, Proliferate_DR; none, mild, severe; I, II, III, IV; low, high; T1a, T1b, T2;
stage_1, stage_2, grade_3; grade_1, Grade 1, grade_2; BIRADS 4a, BIRADS 4b, BIRADS 5; normal, grade 1, grade 2;
30 min, 2 h, 1 day; 5cm, 10mm; 1e3, 2e2; Gleason 3+3, Gleason 3+4, Gleason 4+3
"""


@pytest.mark.parametrize("folders", listed(IN_WORDS), ids=", ".join)
def test_grades_in_words_are_refused_without_class_names(tmp_path, folders):
    words = r"ordinal task need an order.*Name them from the lowest .*class_names=\("
    refuses(words, load_folder, fill(tmp_path, *folders), task="ordinal", **UNKNOWN)


def test_kappa_of_grades_is_that_of_their_order(tmp_path):
    """Each grade taken for the next one: .800 as named, .286 = 2/7 in the order of the alphabet."""
    fill_by_value(tmp_path, RETINOPATHY)
    test = load_data(tmp_path, task="ordinal", class_names=RETINOPATHY, **UNKNOWN)["test"]
    grade = test.images[:, 0, 0, 0].long()
    assert test.labels.tolist() == grade.tolist()
    told = (grade + 1).clamp(max=4)
    assert quadratic_kappa(test.labels, told) == pytest.approx(0.8)
    alphabet = torch.tensor([sorted(RETINOPATHY).index(name) for name in RETINOPATHY])
    assert kappa_by_hand(alphabet[grade], alphabet[told], 5) == pytest.approx(2 / 7)


NUMBERED = """
0, 1, 2, 10; grade_2, grade_9, grade_10, grade_11; Grade 1, grade_2, GRADE-9, grade10; level-3, level-4, level-10;
0_normal, 1_mild, 2_moderate, 10_severe; 1 - none, 2 - few, 10 - many; CDR 0, CDR 0.5, CDR 1, CDR 2; -1, 0, 1;
01, 2, 10; 0Normal, 1Doubtful, 2Mild, 3Moderate, 4Severe; 1st, 2nd, 10th; 0-9, 10-19, 100-109; 8mm, 9mm, 10mm;
Stage 1 lesion, Stage 2 lesion, Stage 10 lesion
"""


@pytest.mark.parametrize("folders", listed(NUMBERED), ids=", ".join)
@pytest.mark.parametrize("task", ["ordinal", None])
@pytest.mark.filterwarnings("ignore:The grades")  # a number that is missing
def test_numbers_sort_as_numbers(tmp_path, folders, task):
    fill_by_value(tmp_path, folders, n=1)
    for split in load_folder(tmp_path, task=task, **UNKNOWN).values():
        assert split.class_names == folders
        assert split.labels.tolist() == split.images[:, 0, 0, 0].tolist()


def test_kappa_of_numbered_folders_is_that_of_their_numbers(tmp_path):
    fill_by_value(tmp_path, ("0", "1", "2", "10"))
    with pytest.warns(UserWarning, match="every step from one to the next counts the same"):
        test = load_folder(tmp_path, task="ordinal", **UNKNOWN)["test"]
    told = (test.images[:, 0, 0, 0].long() + 1).clamp(max=3)
    # 0 1 2 3 as 1 2 3 3: 3 squares of 1; by chance 4 x (1.25 + .6875 + .75^2) = 10, so 1 - 3 / 10
    assert quadratic_kappa(test.labels, told) == pytest.approx(0.7)


@pytest.mark.parametrize("folders", listed("1, 2, 4; CDR 0, CDR 0.5, CDR 1, CDR 2"), ids=", ".join)
def test_grades_with_gaps_are_said(tmp_path, folders):
    fill(tmp_path, *folders)
    with pytest.warns(UserWarning, match="where a number is missing"):
        splits = load_folder(tmp_path, task="ordinal", **UNKNOWN)
    assert any(note.startswith("The grades") for note in splits["test"].notes)


WORDS = "NORMAL, PNEUMONIA; benign, malignant; cat, Dog, emu; CNV, DME, DRUSEN, NORMAL; class10, class2, other; "


@pytest.mark.parametrize("folders", listed(WORDS + "2 x 3, 2 x 4"), ids=", ".join)
def test_words_of_other_tasks_keep_the_order_of_the_alphabet(folders):
    assert order_classes(folders[::-1], None, None) == folders


NEGATIVE_SECOND = """
COVID, NORMAL; abnormal, normal; disease, healthy; atypical, benign; COVID, non-COVID; cancer, no_cancer; DR, No_DR;
Parasitized, Uninfected; Case, Control; glaucoma, Negative; with_mask, without_mask
"""


@pytest.mark.parametrize(("first", "second"), listed(NEGATIVE_SECOND))
def test_a_negative_class_that_comes_second_is_said_and_stays_second(tmp_path, first, second):
    fill(tmp_path, first, second)
    with pytest.warns(UserWarning, match=f"{second} is the positive class .*class_names=.'{second}', '{first}'"):
        splits = load_folder(tmp_path, **UNKNOWN)
    assert splits["train"].class_names == (first, second)
    assert any(f"{second} is the positive class" in note for note in splits["test"].notes)
    train = load_folder(tmp_path, class_names=(second, first), **UNKNOWN)["train"]
    assert train.class_names == (second, first)


NOTHING_TO_SAY = """
NORMAL, PNEUMONIA; benign, malignant; healthy, unhealthy; negative, positive; no, yes; No Finding, Pneumonia;
0_normal, 1_abnormal; chromophobe, clear cell; nodule, nosebleed; melanoma, nevus; normal, not normal
"""


@pytest.mark.parametrize("folders", listed(NOTHING_TO_SAY), ids=", ".join)
def test_nothing_is_said_of_two_classes_in_the_right_order_or_without_a_negative_one(tmp_path, folders):
    assert load_folder(fill(tmp_path, *folders), **UNKNOWN)["train"].class_names == folders


def test_which_of_two_classes_is_negative():
    negative = [("uninfected", "infected"), ("NoTumor", "Tumor")]
    others = [("abnormal", "normal"), ("unaffected", "healthy"), ("nodule", "mass")]
    assert [is_negative(*names) for names in negative + others] == [True, True, False, False, False]


def test_numbers_that_are_not_one_for_each_name_are_none():
    assert [numbers_of(names) for names in (["a1", "b2"], ["1", "01"], ["1x2", "2x2"])] == [None] * 3
    assert numbers_of(["3D", "2D"]) == {"3D": 3.0, "2D": 2.0}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"task": "multilabel"}, "one of binary, multiclass, ordinal, or None"),
        ({"task": "grades"}, "one of binary, multiclass, ordinal, or None"),
        ({"task": "binary"}, "a binary task needs two class folders; there are 3"),
        ({"class_names": "012"}, "a list of different names"),
        ({"class_names": ["0", "1", "1"]}, "a list of different names"),
        ({"class_names": [0, 1, 2]}, "a list of different names of folders, as text; got .0, 1, 2."),
        ({"class_names": {"0", "1", "2"}}, "a list of different names"),
        ({"class_names": {0: "2", 1: "1", 2: "0"}}, "a list of different names"),
        ({"class_names": 3}, "a list of different names"),
        ({"class_names": ["0", "1", "3"]}, "should hold the class folders 0, 1, 3; it holds 0, 1, 2"),
    ],
)
def test_tasks_and_names_that_folders_cannot_have_get_words(tmp_path, options, words):
    refuses(words, load_folder, fill(tmp_path, "0", "1", "2"), **UNKNOWN, **options)
