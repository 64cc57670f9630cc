"""Whatever comes, the host either reads it or refuses it in words; it never pays more than a bound for it."""

import contextlib
import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_utils.checks.homework4.file import COLUMNS, FORM
from lab_utils.staff.collecting.released import cells_name
from lab_utils.staff.feedback.submission_code import read_cells
from lab_utils.staff.grading import wire
from lab_utils.staff.grading.inside_read import read
from lab_utils.staff.grading.limits import read_json
from lab_utils.staff.grading.result import Result, read_result, write_result
from tests.staff.grading.mini_course import PERFECT, RELEASED, notebook

NOTEBOOK = json.dumps(notebook(*PERFECT)).encode()
MESSAGE = wire.encode({"value": [np.arange(3.0), {"a": "text", "b": None}, 1, True]})
TABLE = ("image," + ",".join(COLUMNS) + "\n" + "".join(f"{i},0.1,0.2,0.3,0.4\n" for i in range(5))).encode()
PIECES = [
    b'{"__array__":',
    b"[",
    b"]",
    b"{",
    b"}",
    b'"',
    b",",
    b":",
    b"\\ud800",
    b"\xff",
    b"\0",
    b"1e999",
    b"-",
    b"null",
]
PIECES += [b'"cells"', b'"source"', b'"cell_type":"code"', b"9" * 5000, b"[" * 3000, b"nan", b"=1+1", b"\r", b"image"]


@st.composite
def spoiled(draw, good):
    """A good document in which pieces were replaced, doubled or cut out; or any bytes."""
    data = good
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 40)))
        data = data[:start] + draw(st.sampled_from(PIECES) | st.binary(max_size=12)) + data[end:]
    return draw(st.just(data) | st.binary(max_size=60))


@given(spoiled(MESSAGE))
def test_any_message_is_read_or_refused(line):
    with contextlib.suppress(wire.BadMessage):
        wire.encode(wire.decode(line))


@settings(max_examples=50)
@given(spoiled(NOTEBOOK))
def test_any_notebook_is_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("n") / "a.ipynb"
    path.write_bytes(data)
    kinds = [("text" if isinstance(cell, tuple) else "code", cell[-1]) for cell in RELEASED]
    found = read(str(path), ["scale"], ["M4"], kinds)
    assert ("invalid" in found) != ("answers" in found)
    wire.encode(found)
    assert all(isinstance(cell, str) for cell in read_cells(path))
    assert isinstance(cells_name(data), str)


@given(spoiled(TABLE))
def test_any_table_of_predictions_is_read_or_refused(data):
    try:
        table = FORM.read(data.decode("utf-8", "replace"), 5)
    except ValueError:
        return
    assert all(((values >= 0) & (values <= 1)).all() and values.shape == (5,) for values in table.values())


@given(data=st.data())
def test_any_result_is_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("r") / "a.json"
    write_result(path, Result("ann", "0" * 40, "a.ipynb", "graded", ()))
    path.write_bytes(data.draw(spoiled(path.read_bytes())))
    with contextlib.suppress(ValueError):
        assert isinstance(read_result(path), Result)


@pytest.mark.parametrize(
    "bomb",
    [
        b'{"value":[' + b"[]," * (19 * 2**20) + b"[]]}",
        b'{"value":' + b'{"":' * 10**6 + b"0" + b"}" * 10**6 + b"}",
        b"[" + b"1," * 10**7 + b"1]",
        b"[" * 10**6,
    ],
    ids=["empty lists", "deep tables", "numbers", "deep lists"],
)
def test_a_bomb_is_refused_before_it_takes_memory(bomb):
    tracemalloc.start()
    try:
        with pytest.raises(wire.BadMessage):
            wire.decode(bomb)
        assert tracemalloc.get_traced_memory()[1] < len(bomb) + 50 * 2**20
    finally:
        tracemalloc.stop()


def test_the_limits_are_those_that_were_asked_for():
    assert read_json(b"[1,2]", most_bytes=5, most_values=2) == [1, 2]
    with pytest.raises(ValueError, match=r"at most 3\.8.* MiB"):
        read_json(b"[1,2]", most_bytes=4, most_values=2)
    with pytest.raises(ValueError, match="at most 1 values, got 2"):
        read_json(b"[1,2]", most_bytes=5, most_values=1)
    with pytest.raises(ValueError, match="nested deeply"):
        read_json(b"[" * 10_000 + b"]" * 10_000, most_bytes=10**6, most_values=10**6)
