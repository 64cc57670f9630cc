import functools
import gc
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from enum import Enum

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from lab_utils.training import tensor_text, tensors
from lab_utils.training.fingerprint import fingerprint, network_parts
from lab_utils.training.fingerprint_code import library
from lab_utils.training.fingerprint_words import differences
from tests.tiny import TinyNet

Pair = namedtuple("Pair", "a b")


class Level(Enum):
    LOW = 1
    HIGH = 5


def parts(value):
    unreadable = {}
    found = fingerprint(value, unreadable, "it")
    assert unreadable == {}
    return found


# ------------------------------------------------------------------ tensors


TYPES = (torch.float32, torch.bfloat16, torch.bool, torch.int64, torch.complex64, torch.uint8)


@pytest.mark.parametrize("dtype", TYPES)
def test_text_of_a_tensor_holds_its_values_and_not_where_they_lie(dtype):
    tensor = torch.arange(24).reshape(2, 3, 2, 2).to(dtype)
    text = tensor_text(tensor)
    assert tensor_text(tensor.clone().contiguous(memory_format=torch.channels_last)) == text
    assert tensor_text(nn.Parameter(tensor, requires_grad=False)) == text
    assert tensor_text(torch.cat([tensor, tensor])[:2]) == text
    other = tensor.clone()
    other[0, 0, 0, 0] = other[1, 0, 0, 0]
    assert tensor_text(other) != text


def test_type_and_shape_of_a_tensor_count_and_so_does_the_sign_of_zero():
    texts = [tensor_text(t) for t in (torch.zeros(4), torch.zeros(2, 2), torch.zeros(4).int(), -torch.zeros(4))]
    texts += [tensor_text(torch.zeros(())), tensor_text(torch.zeros(0)), tensor_text(torch.zeros(4).to_sparse())]
    assert len(set(texts)) == len(texts)


def test_values_that_are_not_stored_as_they_are():
    tensor = torch.tensor([1 + 2j])
    assert tensor_text(tensor.conj()) == tensor_text(torch.tensor([1 - 2j]))
    assert tensor_text(torch.ones(1).expand(3)) == tensor_text(torch.ones(3))
    for empty in (torch.ones(2, device="meta"), nn.LazyLinear(2).weight):
        with pytest.raises(TypeError, match="without values"):
            tensor_text(empty)


def test_few_numbers_of_a_tensor_are_shown():
    assert tensor_text(torch.tensor([0.5, 2.0])).startswith("float32 (2,) [0.5, 2.0] ")
    assert "[" not in tensor_text(torch.zeros(100))


# ------------------------------------------------------------------ values

KINDS = [
    (1, 1.0),
    (1, True),
    (0.1 + 0.2, 0.3),
    ("a", b"a"),
    ("x" * 500, "x" * 499 + "y"),
    (None, "None"),
    ((1, 2), [1, 2]),
    ([1, 2], [2, 1]),
    ({1, 2}, {1, 3}),
    ({1}, frozenset({1})),
    ({"a": 1}, {"a": 2}),
    ({1: "a"}, {"1": "a"}),
    (deque([1, 2]), deque([1, 3])),
    (Counter("ab"), Counter("abb")),
    (OrderedDict(a=1), OrderedDict(a=2)),
    (defaultdict(int, a=1), defaultdict(float, a=1)),
    (Pair(1, 2), Pair(1, 3)),
    (Level.LOW, Level.HIGH),
    (np.float32(0.5), np.float64(0.5)),
    (np.arange(3), np.arange(4)),
    (np.arange(100.0), np.arange(100.0) + 1e-12),
    (np.array([1, {"a": 2}], dtype=object), np.array([1, {"a": 3}], dtype=object)),
    (np.random.default_rng(0), np.random.default_rng(1)),
    (torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)),
    (range(3), range(4)),
    (slice(1), slice(2)),
    (torch.float32, torch.float16),
    (functools.partial(max, 1), functools.partial(max, 2)),
    (str.lower, str.upper),
    ([1].index, [2].index),
    (torch.add, torch.mul),
    (torch.Tensor.add, torch.Tensor.mul),
    (nn.ReLU, nn.GELU),
    (nn.Dropout(0.1), nn.Dropout(0.2)),
    (list(range(1000)), [*range(999), 0]),
]


@pytest.mark.parametrize(("one", "other"), KINDS, ids=[f"{type(a).__name__}-{i}" for i, (a, _) in enumerate(KINDS)])
def test_equal_values_have_equal_parts_and_others_have_not(one, other):
    assert parts(one) == parts(one)
    assert parts(one) != parts(other)


def test_nothing_of_the_memory_is_in_it():
    def make():
        return {"object": Counter("ab"), "function": lambda x: x, "module": nn.Linear(2, 2, bias=False), "self": []}

    first, second = make(), make()
    second["module"].load_state_dict(first["module"].state_dict())
    for value in (first, second):
        value["self"].append(value["self"])  # goes round in a circle
    assert parts(first) == parts(second)
    assert not any("0x" in text for text in parts(first).values())
    gc.collect()


def test_order_of_a_dictionary_of_names_does_not_matter():
    assert parts({"a": 1, "b": 2}) == parts({"b": 2, "a": 1})


def test_a_large_value_is_kept_as_one_digest():
    assert len(parts({"numbers": list(range(1000))})) == 2


def test_what_cannot_be_read_is_listed_with_its_place():
    unreadable = {}
    worse = [(i for i in "cd"), {i for i in "a"}, memoryview(b"")]
    fingerprint({"good": 1, "bad": (i for i in "ab"), "worse": worse}, unreadable, "it")
    assert list(unreadable) == ["it['bad']", "it['worse'][0]", "it['worse'][2]"]
    assert all("cannot pickle" in why for why in unreadable.values())


def test_what_is_nested_too_deeply_is_listed_too():
    value: list = []
    for _ in range(100_000):
        value = [value]
    unreadable = {}
    fingerprint(value, unreadable, "it")
    assert unreadable == {"it": "it is nested too deeply"}
    while value:  # Python would free it by recursion
        value = value.pop()


# ------------------------------------------------------------------ networks and code


def test_tensors_and_parts_of_a_network_do_not_overlap_and_leave_nothing_out():
    model = TinyNet()
    assert set(tensors(model)) == set(model.state_dict())
    found = network_parts(model, {})
    assert found[".dropout.p"] == "0.2"
    assert not any(where.endswith((".weight", ".running_mean")) for where in found)


def test_the_mode_of_a_network_is_no_part_of_it():
    assert network_parts(TinyNet().train(), {}) == network_parts(TinyNet().eval(), {})


def test_installed_code_is_told_from_the_users():
    assert library("torch.nn.functional") == ""
    assert library("functools") == ""
    assert library("builtins") == ""
    assert library("lab_utils.training.losses") == ""
    assert library("pandas.core") == f" (pandas {pd.__version__})"
    for own in ("__main__", "tests.tiny", "no_such_module", None):
        assert library(own) is None
    assert library("torch.nn.functional", "/home/me/losses.py") is None  # where functools.wraps has copied the name


# ------------------------------------------------------------------ words


def test_words_for_each_kind_of_difference():
    written = {"lr": [0.1], "same": 1, "weights": {"a": "1", "b": "2", "c": "3"}, "loss": {"": "f", " k": "1"}}
    now = {"lr": [0.2], "same": 1, "weights": {"a": "1", "b": "0", "d": "4"}, "loss": {"": "f", " k": "2"}}
    written, now = written | {"x": {"": "g"}}, now | {"x": None}
    assert differences(written, now) == [
        "loss k was 1, is now 2",
        "lr was [0.1], is now [0.2]",
        "the starting weights differ: 3 of 4 tensors, first b",
        "x was g, is now None",
    ]


def test_only_the_first_differences_of_one_setting_are_said_and_the_rest_counted():
    before, after = ({f" {i}": str(i + shift) for i in range(9)} for shift in (0, 1))
    (phrase,) = differences({"it": before}, {"it": after})
    assert phrase.startswith("it 0 was 0, is now 1, it 1 was 1")
    assert phrase.endswith(", 6 more parts of it")


def test_what_is_only_to_be_read_makes_no_difference():
    assert differences({"f": {" source#": "a"}}, {"f": {" source#": "b"}}) == []


def test_another_network_needs_no_list_of_its_parts():
    written = {"network": "a", "network parts": {"x": "1"}, "weights": {"x": "1"}}
    now = {"network": "b", "network parts": {"x": "2"}, "weights": {"y": "1"}}
    assert differences(written, now) == ["network was a, is now b"]
