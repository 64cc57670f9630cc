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
    assert define("%%bash\ndef answer(): rm -rf", "%%writefile x.py\nanswer = 3") is None


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
