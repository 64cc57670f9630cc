"""The hidden cases of homework 4, run in this process: right answers pass, wrong ones fail with the hint that fits."""

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from sklearn.metrics import recall_score

from lab_utils.checks import homework4, lab02
from lab_utils.checks.lab01_normalise import NORMALISE
from lab_utils.checks.outcome import Wrong
from lab_utils.staff.grading.assignment import homework_folder, read_assignment
from lab_utils.staff.grading.cases import Local
from lab_utils.staff.homework4.cases import CASES, NAMES
from tests.checks.homework4 import answers
from tests.checks.notebook_functions import ROOT, load_function

ASSIGNMENT = read_assignment(homework_folder(ROOT, "homework4"))
DRAWS = range(5)
NETWORKS = ("freeze_backbone", "train_mode", "prepare")


def hints(name, student, seed):
    """Return name of case -> hint, "" where it passed."""
    found = {}
    for number, case in enumerate(CASES[name]):
        try:
            case.run(student, np.random.default_rng([seed, number]))
            found[case.name] = ""
        except Wrong as wrong:
            found[case.name] = wrong.hint
        except Exception as error:  # as the grader says it
            found[case.name] = f"stopped with {type(error).__name__}"
    return found


def share(name, found):
    total = sum(case.weight for case in CASES[name])
    return sum(case.weight for case in CASES[name] if not found[case.name]) / total


def test_every_function_that_is_asked_for_has_cases():
    questions = ASSIGNMENT.of_kind("function")
    assert {question.function for question in questions} == set(CASES)
    for cases in CASES.values():
        assert 3 <= len(cases) <= 6
        assert len({case.name for case in cases}) == len(cases)
        assert all(case.weight > 0 for case in cases)


OF_LABS = {"prepare", "freeze_backbone", "train_mode"}  # exercises of labs 1 and 2, asked for again


def test_the_points_are_those_that_the_notebook_tells():
    text = (ROOT / "labs/homework4.ipynb").read_text("utf-8")
    for question in ASSIGNMENT.questions:
        assert f"{question.name} {question.points:g}" in text
    by_task = dict.fromkeys("ABCDE", 0.0)
    for question in ASSIGNMENT.questions:
        by_task[question.task] += question.points
    for task, points in by_task.items():
        assert f"[{task}](#{task}-" in text
        assert f") | {points:g} |" in text
    assert sum(by_task.values()) == 100


def test_few_points_are_for_what_the_labs_have():
    functions = ASSIGNMENT.of_kind("function")
    repeated = sum(question.points for question in functions if question.function in OF_LABS)
    assert repeated / sum(question.points for question in functions) < 1 / 3


def test_the_points_of_a_case_are_whole():
    for question in ASSIGNMENT.of_kind("function"):
        assert sum(case.weight for case in CASES[question.function]) == question.points


def test_the_p_value_of_the_solution_is_that_of_scipy():
    mcnemar = load_function("solutions/homework4.ipynb", "mcnemar")
    for a, b in ((0, 1), (1, 4), (7, 7), (3, 60), (700, 640), (1200, 1300)):
        assert mcnemar(a, b) == mcnemar(b, a) == pytest.approx(binomtest(a, a + b).pvalue, rel=1e-9)
    assert mcnemar(0, 0) == 1


def test_the_threshold_of_the_solution_is_the_largest_of_all_that_reach_the_sensitivity():
    """Held to a search over every threshold, with scikit-learn's recall."""
    choose, rng = load_function("solutions/homework4.ipynb", "choose_threshold"), np.random.default_rng(0)
    for sensitivity in (0.1, 0.5, 0.75, 0.9, 1.0):
        labels, probs = rng.permutation([1] * 12 + [0] * 9), rng.integers(0, 12, 21) / 16
        found = [value for value in np.unique(probs) if recall_score(labels, probs >= value) >= sensitivity]
        assert choose(labels, probs, sensitivity) == max(found)


def test_check_looks_for_every_written_answer_of_the_assignment():
    questions = ASSIGNMENT.of_kind("written")
    assert tuple(question.name for question in questions) == homework4.WRITTEN


def test_every_rubric_adds_up_to_the_points_of_its_question():
    for question in ASSIGNMENT.of_kind("written"):
        assert sum(float(line.partition(":")[0]) for line in question.rubric) == question.points


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", range(20))
def test_the_solution_passes_every_case_on_every_draw(name, seed):
    student = Local(load_function("solutions/homework4.ipynb", name))
    assert set(hints(name, student, seed).values()) == {""}


@pytest.mark.parametrize(("name", "wrong", "public", "words", "expected"), answers.CASES, ids=answers.IDS)
def test_a_wrong_answer_gets_its_share_and_the_hint_that_fits(name, wrong, public, words, expected):
    for seed in DRAWS:
        torch.manual_seed(seed)
        found = hints(name, Local(wrong), seed)
        assert any(words in hint for hint in found.values()), found
        if expected is not None:
            assert share(name, found) == pytest.approx(expected), found
        assert share(name, found) < 1


ODD = [None, "text", 3, True, [], {}, [None, None], {"gap": "x"}, float("nan"), np.ones(3), np.zeros((0, 4)), [[1], ""]]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("result", ODD, ids=repr)
def test_odd_results_are_wrong_and_never_an_error(name, result):
    found = hints(name, Local(lambda *arguments: result), 0)
    if name in ("freeze_backbone", "train_mode"):  # these return nothing: what counts is the network
        assert share(name, found) <= 1 / 5
    else:
        assert share(name, found) == 0


class Forged(Local):
    """Answers every probe with a prepared reply."""

    def __init__(self, reply):
        super().__init__(lambda *arguments: reply)
        self.reply = reply

    def through(self, script):
        return lambda *arguments: self.reply


class Recorder(Local):
    """Keeps the last reply of a right answer."""

    reply = None

    def through(self, script):
        right = super().through(script)

        def call(*arguments):
            self.reply = right(*arguments)
            return self.reply

        return call


@pytest.mark.parametrize("name", NETWORKS)
def test_the_right_reply_to_another_draw_does_not_pass(name):
    for case in CASES[name]:
        recorder = Recorder(load_function("solutions/homework4.ipynb", name))
        case.run(recorder, np.random.default_rng(1))
        case.run(Forged(recorder.reply), np.random.default_rng(1))  # the very same draw: the reply is a right one
        for seed in range(2, 8):
            with pytest.raises(Wrong):
                case.run(Forged(recorder.reply), np.random.default_rng(seed))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("reply", [None, 1, "x", [], {}, {"learns": 1, "training": 2}, {"first": "x", "second": None}])
def test_a_reply_that_is_no_report_is_wrong(name, reply):
    assert all(hints(name, Forged(reply), 0).values())


@pytest.mark.parametrize("name", ["paired_difference", "explain_gap"])
def test_random_and_constant_numbers_do_not_pass(name):
    keys = ("accuracy_a", "accuracy_b", "difference", "only_a_right", "only_b_right")
    keys += ("gap", "from_prevalence", "from_images")
    rng = np.random.default_rng(0)
    for values in (np.zeros(8), np.ones(8), rng.random(8), rng.random(8)):
        reply = dict(zip(keys, values.tolist(), strict=True))
        assert share(name, hints(name, Local(lambda *arguments, reply=reply: reply), 0)) == 0


def test_no_hint_tells_an_input_or_an_expected_value():
    for name, entries in answers.WRONG.items():
        for wrong, *_ in entries:
            first, second = hints(name, Local(wrong), 0), hints(name, Local(wrong), 1)
            for case, hint in first.items():
                if hint and second[case]:
                    digits = [word for word in hint.split() if any(c.isdigit() for c in word)]
                    assert all(
                        word in second[case] or word in "255 255. 255: 0.5), 0 (1, C, 1, 1) 1, 1. 0.9. 0.5 2 2, n."
                        for word in digits
                    ), hint
                assert not any(f"`{part}" in hint for part in NAMES), hint


def test_the_thresholds_are_exact_in_single_precision():
    """So that a student who computes in float32 gets the same calls."""

    def single(labels, probs_a, probs_b, threshold):
        sides = [torch.tensor(p, dtype=torch.float32) >= threshold for p in (probs_a, probs_b)]
        a, b = (side.numpy() == (labels == 1) for side in sides)
        return answers._compared(a, b)

    for seed in range(20):
        assert not any(hints("paired_difference", Local(single), seed).values())


@pytest.mark.parametrize(("name", "right"), [(name, right) for name in answers.RIGHT for right in answers.RIGHT[name]])
def test_other_right_answers_pass(name, right):
    for seed in DRAWS:
        assert not any(hints(name, Local(right), seed).values())


# What a student may hand in as it is: the kit's own version of the question. C1 has none: lab 2's gets no classifier.
KITS = {
    "prepare": NORMALISE.kit,
    "train_mode": lab02.TRAIN_MODE.kit,
}


@pytest.mark.parametrize("name", KITS)
def test_the_version_of_the_kit_gets_full_points_and_passes_the_public_check(name, capsys):
    for seed in range(20):
        assert share(name, hints(name, Local(KITS[name]), seed)) == 1
    getattr(homework4, f"check_{name}")(KITS[name])
    assert "correct" in capsys.readouterr().out.split()
