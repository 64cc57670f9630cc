from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch

from lab_utils.staff.grading.cases import Local, plain


def test_a_function_of_this_process_answers_as_one_in_a_sandbox_does():
    student = Local(lambda x: (x * 2, {"é": np.float32(1.5), 3: None}))
    first, second = student(np.arange(3))
    np.testing.assert_array_equal(first, [0, 2, 4])
    assert second == {"é": 1.5, "3": None}


def test_a_script_gets_the_function_and_its_arguments():
    student = Local(lambda x: x + 1)
    assert student.through("def probe(student, x):\n    return [student(x), student(x * 10)]")(4) == [5, 41]


def test_tensors_become_arrays_and_scalars_of_numpy_plain_numbers():
    tensor = torch.ones(2, requires_grad=True) * 2
    np.testing.assert_array_equal(plain(tensor), [2, 2])
    assert type(plain(np.int64(3))) is int
    assert type(plain(np.bool_(True))) is bool


@pytest.mark.parametrize(
    "value", [Fraction(7, 64), Decimal("0.109375"), np.longdouble(0.109375), np.float16(0.109375), 0.109375]
)
def test_a_number_of_any_kind_is_a_number(value):
    assert plain(value) == 0.109375
    assert type(plain(value)) is float


def test_a_series_of_pandas_and_an_array_of_long_doubles_become_arrays():
    np.testing.assert_array_equal(plain(pd.Series([1, 2], index=[5, 6])), [1, 2])
    assert plain(np.ones(2, dtype=np.longdouble)).dtype == np.float64


@pytest.mark.parametrize("value", [object(), {1}, b"x", np.array(["a"]), np.array([None]), 1j, lambda: 1])
def test_what_is_neither_plain_nor_an_array_of_numbers_is_refused(value):
    with pytest.raises(TypeError, match=type(value).__name__):
        plain(value)
