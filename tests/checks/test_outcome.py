import contextlib
import signal
import threading
import time

import numpy as np
import pytest
import torch
from torch import nn

from lab_utils.checks.exercise import Exercise
from lab_utils.checks.outcome import Outcome, Wrong, examine


def halve(values):
    return values / 2


def halves(function):
    result = function(np.array([2.0, 4.0]))
    if abs(result[1] - 2.0) > 1e-9:
        raise Wrong("Half of 4 is 2.")


HALVE = Exercise("halve", halve, cases=[halves])


def status(student, kit=halve, cases=(halves,), **options):
    return examine("halve", student, kit, cases, **options)


def test_a_right_answer_is_returned(capsys):
    def mine(values):
        return 0.5 * values

    assert HALVE.check(mine) is mine
    text = capsys.readouterr().out
    assert "halve: correct" in text
    assert "your function" in text


def test_a_wrong_answer_shows_the_hint_and_the_kit_goes_on_loudly(capsys):
    assert HALVE.check(lambda values: values) is halve
    text = capsys.readouterr().out
    assert "halve: incorrect" in text
    assert "Half of 4 is 2." in text
    assert "THE LAB GOES ON WITH THE KIT'S OWN `halve`" in text


def passes(values):
    """Halve the values."""
    pass


def dots(values): ...


def returns_nothing(values):
    return None


def raises_stub(values):
    # YOUR CODE HERE
    raise NotImplementedError("your code goes here")


def half_done(values):
    result = ...
    return result


@pytest.mark.parametrize("stub", [passes, dots, returns_nothing, raises_stub, half_done, None, ..., halve])
def test_a_stub_is_not_attempted(stub):
    assert status(stub).status == "not attempted"


def test_a_function_that_returns_nothing_by_design_is_judged_by_its_cases():
    def zero(model):
        nn.init.zeros_(model.weight)

    def is_zero(function):
        model = nn.Linear(2, 2)
        function(model)
        if model.weight.any():
            raise Wrong("The weight is not zero.")

    assert status(lambda model: model.weight.data.zero_(), zero, [is_zero]).status == "correct"
    outcome = status(lambda model: print("hello"), zero, [is_zero])
    assert (outcome.status, outcome.hint) == ("incorrect", "The weight is not zero.")


def test_a_forgotten_return_is_named():
    def forgot(values):
        values / 2

    outcome = status(forgot)
    assert outcome.status == "incorrect"
    assert "returned None" in outcome.hint


def test_an_error_is_shown_with_the_line_of_the_student():
    def crash(values):
        total = np.zeros(3)
        return np.concatenate([total, values.reshape(7, 7)])

    outcome = status(crash)
    assert outcome.status == "incorrect"
    assert "ValueError" in outcome.hint
    assert "return np.concatenate([total, values.reshape(7, 7)])" in outcome.line


def test_a_library_that_does_not_implement_something_is_an_error_not_a_stub():
    def crash(values):
        return torch.frombuffer(b"", dtype=torch.float32) if False else _unsupported()

    def _unsupported():
        return torch.empty(2, device="meta").item()

    outcome = status(crash)
    assert outcome.status == "incorrect"


def test_a_value_of_the_wrong_kind_is_incorrect_and_named():
    outcome = status(lambda values: "half")
    assert outcome.status == "incorrect"
    assert "returned a str" in outcome.hint


@pytest.mark.parametrize("thing", [3, "halve", [halve]])
def test_what_is_no_function_is_incorrect(thing):
    outcome = status(thing)
    assert outcome.status == "incorrect"
    assert type(thing).__name__ in outcome.hint


def test_sys_exit_in_student_code_does_not_end_the_kernel():
    def leave(values):
        raise SystemExit(1)

    assert status(leave).status == "incorrect"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this platform has no timer signal")
def test_an_endless_loop_is_stopped_even_that_catches_exceptions():
    def endless(values):
        while True:
            with contextlib.suppress(Exception):
                time.sleep(0.01)

    before = signal.getsignal(signal.SIGALRM)
    outcome = status(endless, seconds=0.3)
    assert outcome.status == "incorrect"
    assert "did not finish within 0.3 s" in outcome.hint
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_check_works_outside_the_main_thread():
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(status(lambda values: values * 0.5)))
    thread.start()
    thread.join()
    assert outcomes[0].status == "correct"


def test_student_code_cannot_change_the_arrays_of_the_check():
    shared = np.array([2.0, 4.0])
    tensor = torch.tensor([2.0])

    def unchanged(function):
        function(shared)
        function(values=tensor)
        if shared.sum() != 6.0 or tensor.item() != 2.0:
            raise Wrong("The input was changed.")

    def destroy(values):
        values *= 0
        return values

    assert status(destroy, cases=[unchanged]).status == "correct"


def test_models_and_parameters_reach_the_student_as_they_are():
    model = nn.Linear(1, 1)
    parameters = list(model.parameters())

    def same(function):
        if function(model) is not model or function(parameters[0]) is not parameters[0]:
            raise Wrong("A copy arrived.")

    assert status(lambda thing: thing, lambda thing: thing, [same]).status == "correct"


def test_random_numbers_and_gradients_of_the_notebook_survive_a_check():
    def disturb(values):
        torch.manual_seed(99)
        np.random.seed(99)  # noqa: NPY002
        torch.set_grad_enabled(False)
        return values / 2

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    assert status(disturb).status == "correct"
    assert torch.equal(torch.rand(3), expected)
    assert torch.is_grad_enabled()


def test_every_case_draws_the_same_random_numbers():
    drawn = []

    def draw(function):
        drawn.append(torch.rand(1).item())

    status(lambda values: values, cases=[draw, draw])
    assert drawn[0] == drawn[1]


def test_the_box_escapes_html_and_says_what_the_text_says():
    outcome = Outcome("f", "incorrect", hint="a < b & c, see `x[y < z]`", line="line 2 of your cell: x<y")
    page = outcome._repr_html_()
    assert "a &lt; b &amp; c, see <code>x[y &lt; z]</code>" in page
    assert "THE LAB GOES ON WITH THE KIT&#x27;S OWN <code>f</code>" in page
    assert "x&lt;y" in page
    text = str(outcome)
    assert "a < b & c" in text
    assert "THE LAB GOES ON WITH THE KIT'S OWN `f`" in text
    assert len({len(line) for line in text.splitlines()}) == 1


def test_the_fixture_for_other_tests_gives_what_a_check_shows(outcome_of, capsys):
    assert outcome_of(HALVE.check, lambda values: values).hint == "Half of 4 is 2."
    assert outcome_of(HALVE.check, lambda values: values / 2).status == "correct"
    assert capsys.readouterr().out == ""
