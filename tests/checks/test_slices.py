import sys

import pytest

from lab_utils.checks import slices


def define(*cells, name="answer"):
    """Define `name` from cells; return it."""
    program = slices.read_program(cells)
    space = slices.new_space()
    slices.run(slices.needed(program, name), space)
    return space.get(name)


def test_a_function_gets_the_imports_constants_and_helpers_that_it_uses():
    answer = define(
        "import math\nimport json\nSCALE = 2",
        "def helper(x):\n    return math.floor(x) * SCALE",
        "def answer(x):\n    return helper(x)",
    )
    assert answer(3.7) == 6


def test_cells_that_no_function_needs_do_not_run():
    assert (
        define("while True:\n    pass", "raise SystemExit", "import no_such_module", "def answer():\n    return 1")()
        == 1
    )


def test_a_global_is_needed_only_where_it_is_not_a_local_name():
    assert define("model = 1 / 0", "def answer():\n    model = 5\n    return model")() == 5


def test_a_name_changed_in_place_arrives_changed():
    cells = ("table = {}\nsizes = []", "table['a'] = 1\nsizes.append(2)", "def answer():\n    return table, sizes")
    assert define(*cells)() == ({"a": 1}, [2])


def test_a_call_on_a_module_is_no_change_of_it():
    cells = ("import math", "math.no_such_function()", "def answer():\n    return math.pi")
    assert define(*cells)() == pytest.approx(3.14159, abs=1e-5)


@pytest.mark.parametrize(
    "cell",
    [
        "%matplotlib inline\n!pip install torch\n?print\ndef answer():\n    return 1",
        "%%time\ndef answer():\n    return 1",
        "\n\n%%capture out\ndef answer():\n    return 1",
        "files = !ls\ndef answer():\n    return 1",
        "import math\nmath?\ndef answer():\n    return 1",
        "x = %timeit -o 1\ndef answer():\n    return 1",
    ],
)
def test_magics_shell_lines_and_questions_do_no_harm(cell):
    assert define(cell)() == 1


def test_a_percent_sign_in_the_code_is_no_magic():
    assert define("def answer():\n    return (7\n        % 4)")() == 3


def test_cells_in_another_language_are_left_out():
    assert define("%%bash\ndef answer(): rm -rf", "%%writefile x.md\nanswer = 3", "%%latex\nanswer = 4") is None


@pytest.mark.parametrize("first", ["%%writefile x.py", "%%writefile 'my tools/x.py' "])
def test_a_module_that_a_cell_writes_is_there_without_its_file(first):
    assert define(f"{first}\ndef answer():\n    return 1", "from x import answer")() == 1


@pytest.mark.parametrize(
    "cell",
    ["import math, no_such_module", "import no_such_module, math", "from math import no_such_name, pi\nimport math"],
)
def test_an_import_of_several_names_fails_for_those_that_are_not_there(cell):
    assert define(cell, "def answer():\n    return math.floor(2.5)")() == 2


@pytest.mark.parametrize(
    "cell", ["answer = answer()", "answer: int = answer()", "for answer in range(3): pass", "del answer"]
)
def test_a_value_that_takes_the_name_of_the_function_does_not_take_its_place(cell):
    program = slices.read_program(["def answer():\n    return 1", cell])
    space = slices.new_space()
    slices.run(slices.needed(program, "answer"), space, "answer")
    assert space["answer"]() == 1


def test_a_function_wrapped_later_is_the_wrapped_one():
    program = slices.read_program(["def answer():\n    return 1", "answer = (lambda f: lambda: f() + 1)(answer)"])
    space = slices.new_space()
    slices.run(slices.needed(program, "answer"), space, "answer")
    assert space["answer"]() == 2


STUB = "def answer():\n    raise NotImplementedError('your code goes here')"


@pytest.mark.parametrize("cells", [("def answer():\n    return 1", STUB), (STUB, "def answer():\n    return 1")])
def test_a_stub_never_takes_the_place_of_a_function_that_was_written(cells):
    assert define(*cells)() == 1
    assert not slices.is_stub(slices.read_program(cells), "answer")


def test_a_stub_beside_a_value_or_an_import_of_its_name_is_a_stub():
    for cell in ("answer = 3", "from math import pi as answer"):
        assert slices.is_stub(slices.read_program([cell, STUB]), "answer")


def test_reordered_cells_still_define_the_function():
    answer = define("RATE = BASE * 2", "def answer(x=RATE):\n    return x", "BASE = 4")
    assert answer() == 8


def test_the_last_definition_counts_as_in_a_notebook():
    assert define("def answer():\n    return 1", "def answer():\n    return 2")() == 2


@pytest.mark.parametrize("check", ["answer = homework4.check_answer(answer)", "check_answer(answer)"])
def test_a_check_never_takes_the_place_of_the_function(check):
    assert define("def answer():\n    return 1", check)() == 1


def test_a_conditional_import_and_a_table_built_by_a_loop_are_found():
    cells = (
        "try:\n    import no_such_module as tool\nexcept ImportError:\n    import math as tool",
        "squares = {}\nfor i in range(3):\n    squares[i] = i**2",
        "def answer():\n    return tool.floor(2.5), squares",
    )
    assert define(*cells)() == (2, {0: 0, 1: 1, 2: 4})


def test_classes_decorators_lambdas_and_comprehensions_bring_what_they_use():
    cells = (
        "import functools\nLIMIT = 3",
        "double = lambda x: x * FACTOR",
        "FACTOR = 2",
        "class Box:\n    size = LIMIT\n    def get(self):\n        return [double(i) for i in range(self.size)]",
        "@functools.cache\ndef answer():\n    return Box().get()",
    )
    assert define(*cells)() == [0, 2, 4]


def test_a_star_import_is_always_run():
    assert define("from math import *", "def answer():\n    return floor(2.5)")() == 2


def test_a_cell_that_is_no_python_loses_only_its_own_functions():
    program = slices.read_program(["def broken(:\n    pass", "def answer():\n    return 1"])
    assert program.functions == ("answer",)
    assert program.broken == {"broken": "SyntaxError: invalid syntax in line 1 of cell 1"}


def test_a_statement_that_fails_says_which_name_is_missing():
    program = slices.read_program(["rate = 1 / 0", "def answer():\n    return rate"])
    failed = slices.run(slices.needed(program, "answer"), slices.new_space())
    assert isinstance(failed["rate"], ZeroDivisionError)


def test_a_name_that_a_later_cell_uses_for_something_else_keeps_the_value_that_the_function_met():
    cells = (
        "def rates(x):\n    return x + 1\nLIMIT = 2",
        "def answer(x):\n    return rates(x) * LIMIT",
        "rates = 1 / 0\nfor LIMIT in range(10):\n    pass",
    )
    assert define(*cells)(3) == 8


def test_a_helper_that_is_defined_again_later_counts_as_it_is_last():
    cells = ("def helper():\n    return 1", "def answer():\n    return helper()", "def helper():\n    return 2")
    assert define(*cells)() == 2


def test_annotations_that_are_not_evaluated_in_the_notebook_are_not_evaluated_here():
    cells = (
        "from __future__ import annotations  # for old Python",
        "def answer(x: Tensor | 'no') -> nothing:\n    return x",
    )
    assert define(*cells)(3) == 3


def test_a_cell_that_waits_is_waited_for():
    assert define("async def f():\n    return 3\nVALUE = await f()", "def answer():\n    return VALUE")() == 3


@pytest.mark.parametrize(
    "setup",
    [
        "STATE = {}\ndef fill():\n    STATE['x'] = 5\nfill()",
        "def fill():\n    global STATE\n    STATE = {'x': 5}\nfill()",
        "STATE = {}\ndef keep(f):\n    STATE[f.__name__] = f()\n@keep\ndef x():\n    return 5",
    ],
)
def test_what_a_call_or_a_decorator_leaves_in_a_global_is_there(setup):
    assert define(setup, "def answer():\n    return STATE['x']")() == 5


def test_a_helper_called_check_something_is_no_check():
    cells = ("def check_span(x):\n    return x > 0\nGOOD = check_span(3)", "def answer():\n    return GOOD")
    assert define(*cells)() is True


def test_a_file_that_is_run_brings_its_functions_and_is_left_out_where_nothing_is_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "helper.py").write_text("def helper():\n    return 4")
    assert define("%run helper.py", "def answer():\n    return helper()")() == 4
    assert define("%run no_such_training.py", "def answer():\n    return 5")() == 5


def test_a_folder_that_the_notebook_adds_to_the_path_is_searched(tmp_path, monkeypatch):
    (tmp_path / "tool_beside.py").write_text("VALUE = 6")
    monkeypatch.setattr("sys.path", [*sys.path])
    cells = (
        f"import sys\nsys.path.append({str(tmp_path)!r})",
        "import tool_beside\ndef answer():\n    return tool_beside.VALUE",
    )
    assert define(*cells)() == 6


def test_a_question_to_the_shell_inside_of_a_function_does_no_harm():
    assert define("def answer():\n    %matplotlib inline\n    return 1")() == 1


@pytest.mark.parametrize(
    ("body", "stub"),
    [
        ("raise NotImplementedError('your code goes here')", True),
        ("'''Text.'''\n    raise NotImplementedError", True),
        ("pass", True),
        ("...", True),
        ("return 1", False),
        ("x = 1\n    raise NotImplementedError", False),
        ("raise ValueError('no')", False),
    ],
)
def test_a_stub_is_told_from_an_answer(body, stub):
    program = slices.read_program([f"def answer():\n    {body}"])
    assert slices.is_stub(program, "answer") is stub


def test_only_modules_that_the_functions_need_are_named():
    program = slices.read_program(
        ["import torch\nfrom numpy import linalg\nimport seaborn", "def answer():\n    linalg, torch"]
    )
    assert slices.modules(program, ["answer"]) == ["torch", "numpy", "numpy.linalg"]


def test_lines_keep_their_numbers_below_a_cell_magic():
    program = slices.read_program(["\n%%time\n\ndef answer():\n    return 1 / 0"])
    (statement,) = program.statements
    assert statement.node.lineno == 4
