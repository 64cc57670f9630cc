import re

import pytest

from lab_utils.names import did_you_mean, nearest, unexpected, unknown_name


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("lyer1", ["layer1"]),
        ("Layer-1 ", ["layer1"]),  # capital letters, blanks and signs do not count
        ("layer", ["layer1", "layer2", "layer3"]),  # three that are equally like it, not one by chance
        ("head", []),
        ("", []),
    ],
)
def test_the_likest_name_is_named_and_none_is_guessed(typed, meant):
    assert nearest(typed, ["stem", "layer1", "layer2", "layer3", "layer4"]) == meant


def test_what_must_be_a_slip_of_the_pen_is_more_alike_than_what_is_suggested():
    assert nearest("epoch", ["epochs"], 0.8) == ["epochs"]
    assert nearest("step", ["seeds"]) == nearest("seed", ["speed"], 0.95) == []
    assert did_you_mean("step", ["stop"]) == " Did you mean 'stop'?"
    assert did_you_mean("step", []) == ""


def test_errors_say_what_was_expected_what_came_and_what_to_do():
    assert str(unexpected("n", "a number", "x" * 200, "Count.")) == (
        f"Expected n to be a number, got '{'x' * 96}... (str). Count."
    )
    assert str(unexpected("n", "a number", None)) == "Expected n to be a number, got None."
    assert str(unknown_name("stage", "stm", ["stem", "top"])) == (
        "Expected a stage, got 'stm'. Did you mean 'stem'? Choose one of: stem, top."
    )
    many = str(unknown_name("model", 5, map(str, range(100, 130))))
    assert re.fullmatch(r"Expected a model, got int, which is no name\. .*110, \.\.\. \(30 in all\)\.", many)
