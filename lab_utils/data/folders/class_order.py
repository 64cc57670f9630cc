"""The order of class folders: numbers as numbers, words by the alphabet, grades in words only as somebody says.

======================================  ===========================================================================
names                                   order of the labels
======================================  ===========================================================================
``0, 1, 2, 10``                         by number, if every name has one number and the rest is the same
``grade_2, Grade 10``, ``level-3``      the same
``0_normal, 1Mild``, ``10 severe``      by the number in front, if every name begins with another one and the rest is
                                        no unit (``30 min, 2 h`` are not 2 < 30)
``NORMAL, PNEUMONIA``, ``cat, dog``     by the alphabet; refused in an ordinal task, which needs `class_names`
======================================  ===========================================================================

The positive class of a binary task is the second one. The alphabet often puts it first (``COVID, NORMAL``): the order
stays what it always was, and a doubt says so.
"""

import re
from collections.abc import Sequence

from lab_utils.data.folders.folder_names import NEGATIVE, words_of
from lab_utils.data.validation import TASKS

NUMBER = re.compile(r"(?<![\d.])\d+(?:\.\d+)?")
IN_FRONT = re.compile(r"(-?\d+(?:\.\d+)?)(?:[\s_.)\-]|$|(?=[^\W\d_]+[^\d]*$))")
_UNITS = """
nm um µm μm mm cm m ng ug µg mg g kg ul ml l s sec secs second seconds min mins minute minutes h hr hrs hour hours
d day days w wk week weeks month months y yr year years"""  # 30 min is less than 2 h
UNITS = frozenset(_UNITS.split())
NOT = frozenset({"no", "non", "not", "without"})


def order_classes(names: Sequence[str], task: str | None, given: Sequence[str] | None) -> tuple[str, ...]:
    """Class names in the order of their labels.

    Args:
        names: of the class folders.
        task: "binary", "multiclass", "ordinal" or None.
        given: the order that the user names, or None.

    Raises:
        ValueError: if the task is ordinal and only the alphabet orders the names.
    """
    if given is not None:
        return tuple(given)
    if (numbers := numbers_of(names)) is not None:
        return tuple(sorted(names, key=lambda name: (numbers[name], name)))
    in_alphabet = tuple(sorted(names, key=lambda name: (name.lower(), name)))
    if task == "ordinal":
        raise ValueError(
            f"the grades of an ordinal task need an order; the folders {', '.join(in_alphabet)} have no numbers that "
            "give one, and the alphabet does not know it. Name them from the lowest to the highest: "
            f"class_names=({', '.join(map(repr, in_alphabet))}), in the right order."
        )
    return in_alphabet


def numbers_of(names: Sequence[str]) -> dict[str, float] | None:
    """The number of each name, all different; None if the names are not numbered."""
    in_front = {name: IN_FRONT.match(name) for name in names}
    rest = {tuple(words_of(NUMBER.sub(" ", name))) for name in names}
    if all(in_front.values()):
        if len(rest) > 1 and any(words and words[0] in UNITS for words in rest):
            return None
        numbers = {name: float(match[1]) for name, match in in_front.items() if match}
    else:
        found = {name: NUMBER.findall(name) for name in names}
        if len(rest) > 1 or any(len(each) != 1 for each in found.values()):
            return None
        numbers = {name: float(each[0]) for name, each in found.items()}
    return numbers if len(set(numbers.values())) == len(names) else None


def doubts_about_order(classes: tuple[str, ...], task: str, given: Sequence[str] | None) -> tuple[str, ...]:
    """What a reader has to know of an order that nobody named."""
    if given is not None:
        return ()
    numbers = numbers_of(classes)
    if task == "ordinal" and numbers is not None:
        steps = [b - a for a, b in zip(sorted(numbers.values()), sorted(numbers.values())[1:], strict=False)]
        if max(steps) > min(steps):
            return (
                f"The grades {', '.join(classes)} become the labels 0 to {len(classes) - 1}: every step from one to "
                "the next counts the same, also where a number is missing.",
            )
    if task == "binary" and numbers is None and is_negative(classes[1], classes[0]):
        return (
            f"{classes[1]} is the positive class (label 1), since it comes second in the alphabet: sensitivity, "
            f"precision and F1 are those of {classes[1]}. For those of {classes[0]} say "
            f"class_names=({classes[1]!r}, {classes[0]!r}).",
        )
    return ()


def is_negative(name: str, other: str) -> bool:
    """Whether a class is the negative one of two: "NORMAL", "non-COVID" beside "COVID"; not "abnormal"."""

    def plain(text: str) -> bool:
        words = words_of(text)
        if words and words[0] in NOT and len(words) > 1:
            return not _any_negative(words[1:])
        return _any_negative(words)

    joined, beside = "".join(words_of(name)), "".join(words_of(other))
    if joined in {prefix + beside for prefix in (*NOT, "un", "in", "a")}:
        return not plain(other)
    return plain(name) and not plain(other)


def _any_negative(words: Sequence[str]) -> bool:
    return any(word in NEGATIVE for word in words)


def check_task(task: str | None, classes: Sequence[str]) -> str:
    """The task of class folders: as given, else binary for two classes and multiclass for more.

    Raises:
        ValueError: if folders cannot be such a task.
    """
    if task is None:
        return "binary" if len(classes) == 2 else "multiclass"
    if task not in TASKS or task == "multilabel":
        known = ", ".join(name for name in TASKS if name != "multilabel")
        raise ValueError(
            f"the task of class folders must be one of {known}, or None; got {task!r}. A picture lies in one folder "
            "and has one label: several findings per picture need a table of labels."
        )
    if task == "binary" and len(classes) != 2:
        raise ValueError(
            f"a binary task needs two class folders; there are {len(classes)}: {', '.join(classes)}. Take "
            "task='multiclass', or put the pictures into two folders."
        )
    return task
