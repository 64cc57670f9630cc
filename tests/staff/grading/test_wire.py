import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lab_utils.staff.grading import wire

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(PLAIN)
def test_plain_values_arrive_as_they_were_sent(value):
    line = wire.encode(value)
    assert wire.decode(line) == value
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1


@given(
    arrays.arrays(
        st.sampled_from(["bool", "uint8", "int64", "float32", "float64"]), arrays.array_shapes(min_dims=0, min_side=0)
    )
)
def test_arrays_arrive_with_type_and_shape_and_bits(array):
    (back,) = wire.decode(wire.encode([array]))
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


def test_an_array_in_another_memory_order_keeps_its_values():
    array = np.arange(6.0).reshape(2, 3).T
    np.testing.assert_array_equal(wire.decode(wire.encode(array)), array)


def test_an_array_that_arrived_can_be_changed_in_place():
    array = wire.decode(wire.encode(np.arange(3)))
    array[0] = 7
    np.testing.assert_array_equal(array, [7, 1, 2])


def test_halves_of_characters_are_replaced_so_that_every_text_can_be_written():
    back = wire.decode(b'{"a\\ud800": ["\\uDC00", "\\ud83e\\ude7b"]}')
    assert back == {"a?": ["?", "\U0001fa7b"]}


@pytest.mark.parametrize("value", [object(), b"bytes", {1, 2}, np.array(["text"]), np.array([object()]), 1j])
def test_nothing_else_can_be_sent(value):
    with pytest.raises(TypeError, match="expected plain values"):
        wire.encode(value)


def parts(**changes):
    array = {"dtype": "uint8", "shape": [2], "data": "AAE="} | changes
    return json.dumps({"__array__": array}).encode()


def test_the_example_that_the_wrong_ones_are_made_from_is_an_array():
    np.testing.assert_array_equal(wire.decode(parts()), [0, 1])


@pytest.mark.parametrize(
    "line",
    [
        parts(dtype="object"),
        parts(dtype="O"),
        parts(dtype=["uint8"]),
        parts(dtype="<U1000000000"),
        parts(shape=[3]),
        parts(shape=[10**12]),
        parts(shape=[2**31 - 1, 2**31 - 1]),
        parts(shape=[-1, -2]),
        parts(shape=[True, 2]),
        parts(shape="2"),
        parts(shape=[1] * 9 + [2]),
        parts(data="AA"),
        parts(data="A===A"),
        parts(data="A*AE="),
        parts(data=5),
        parts(dtype="bool", data="AAI="),
        parts(extra=1),
        b'{"__array__": 3}',
        b"[" * 200_000,
        b"not json",
        b"\xff\xfe",
        b"9" * 5000,
        b"",
    ],
    ids=lambda line: line[:60],
)
def test_what_does_not_fit_together_is_refused(line):
    with pytest.raises(wire.BadMessage):
        wire.decode(line)
