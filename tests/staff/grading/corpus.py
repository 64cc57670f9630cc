"""Submissions, each with its right grade: honest ones, broken ones, and attacks."""

import json
import os
import re
import textwrap
from typing import NamedTuple

import numpy as np

from tests.staff.grading.mini_course import (
    ANSWER,
    ASKED,
    AUROC,
    FOOT,
    HEAD,
    IMPORTS,
    PERFECT,
    SCALE,
    STUB,
    STUBS,
    TRAINING,
    notebook,
    predictions,
)

FILE = "homework5_predictions.csv"
RAN = "/tmp/ran"  # an attack leaves this file in its sandbox, and so proves that it ran
GRADED, WAITING, CRASHED, TIMED_OUT = "graded", "to be marked", "crashed", "timed out"
NOT_ATTEMPTED, MISSING, INVALID = "not attempted", "missing", "invalid notebook"
ALL_GRADED = (GRADED, GRADED, GRADED, WAITING)


class Submission(NamedTuple):
    """Files, the points that are right for M1, M2 and M3, and the status of each question."""

    files: dict
    points: tuple[float, float, float]
    statuses: tuple[str, str, str, str] = ALL_GRADED


def perfect(cells=PERFECT, points=(4, 6, 8), statuses=ALL_GRADED, path="labs/homework5.ipynb", **files):
    """Return a submission with good predictions and these cells."""
    named = {name.replace("__", "."): content for name, content in files.items()}
    folder = os.path.dirname(path)
    return Submission({path: notebook(*cells), f"{folder}/{FILE}": predictions()} | named, points, statuses)


def with_scale(source, points=(4, 6, 8), status=GRADED, **files):
    """Return a perfect submission whose `scale` is this."""
    cells = (IMPORTS, textwrap.dedent(source), AUROC, TRAINING, ("markdown", ANSWER))
    return perfect(cells, points, (status, *ALL_GRADED[1:]), **files)


def at_top(source, points=(4, 6, 8), status=GRADED):
    """Return a submission that does this at the top of the cell with a wrong `scale`."""
    return with_scale(
        f"open({RAN!r}, 'w').close()\n" + textwrap.dedent(source) + "\ndef scale(x):\n    return x\n", points, status
    )


def with_words(*cells, status=WAITING, **files):
    """Return a submission whose functions are right and whose answer is what these cells at its place say."""
    return perfect((*HEAD, SCALE, AUROC, ASKED, *cells, FOOT), statuses=(GRADED, GRADED, GRADED, status), **files)


def link_to(target):
    return lambda path: os.symlink(target, path)


def huge_notebook(path):
    """Write 200 MB: outputs, as of somebody who printed every batch."""
    made = notebook(*PERFECT)
    made["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["MARK"]}]
    before, after = json.dumps(made).split("MARK")
    with path.open("w") as file:
        file.write(before)
        for _ in range(200):
            file.write("loss 0.123 " * (2**20 // 11))
        file.write(after)


def sparse(size):
    def write(path):
        with path.open("wb") as file:
            file.truncate(size)

    return write


FORMAT_3 = {
    "metadata": {},
    "nbformat": 3,
    "nbformat_minor": 0,
    "worksheets": [
        {
            "cells": [
                {"cell_type": "code", "input": f"{IMPORTS}\n{SCALE}".splitlines(keepends=True), "outputs": []},
                {"cell_type": "code", "input": AUROC, "outputs": []},
                {"cell_type": "markdown", "source": ANSWER},
            ],
            "metadata": {},
        }
    ],
}

_SHAPE = b"{'descr': '<f8', 'fortran_order': False, 'shape': (999999999999,), }"
BOMB = b"\x93NUMPY\x01\x00v\x00" + _SHAPE.ljust(117) + b"\n"
FORGED = '{"value": [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1]}\\n'

WORDS = "Because the images come from another hospital, with other machines and sicker patients."

HONEST = {
    "perfect": perfect(),
    "as_handed_out": Submission(
        {
            "labs/homework5.ipynb": notebook(
                IMPORTS,
                STUBS["scale"],
                STUBS["auroc"],
                ("markdown", "**Answer M4**\n\n*Your answer, in your own words.*"),
            )
        },
        (0, 0, 0),
        (NOT_ATTEMPTED, NOT_ATTEMPTED, MISSING, NOT_ATTEMPTED),
    ),
    "empty_repository": Submission({"README.md": "later"}, (0, 0, 0), (MISSING, MISSING, MISSING, MISSING)),
    "empty_notebook": Submission(
        {"labs/homework5.ipynb": notebook()}, (0, 0, 0), (MISSING, MISSING, MISSING, NOT_ATTEMPTED)
    ),
    "wrong": with_scale("def scale(x):\n    return x", (0, 6, 8)),
    "partly_right": with_scale("def scale(x):\n    return (x - x.min()) / np.ptp(x)", (3, 6, 8)),
    "half_done": perfect(
        (IMPORTS, SCALE, STUBS["auroc"], ("markdown", ANSWER)), (4, 0, 8), (GRADED, NOT_ATTEMPTED, GRADED, WAITING)
    ),
    "only_predictions": Submission({FILE: predictions()}, (0, 0, 8), (MISSING, MISSING, GRADED, MISSING)),
    "predictions_reordered": Submission(
        {
            "labs/homework5.ipynb": notebook(*PERFECT),
            f"labs/{FILE}": "image,model_1_fine_tuned\n" + "\n".join(predictions().split("\n")[:0:-1]).strip() + "\n",
        },
        (4, 6, 8),
    ),
    "predictions_by_chance": Submission(
        {"labs/homework5.ipynb": notebook(*PERFECT), f"labs/{FILE}": predictions(np.arange(40) * 7 % 40 / 40)},
        (4, 6, 2),
    ),
    "renamed": perfect(path="my work/Final version (2).ipynb"),
    "half_of_the_functions_under_another_name": perfect(
        (IMPORTS, SCALE, ("markdown", ANSWER)), (4, 0, 8), (GRADED, MISSING, GRADED, WAITING), path="labs/mine.ipynb"
    ),
    "unicode": perfect(
        (IMPORTS, "größe = 0", SCALE.replace("span", "größe"), AUROC, ("markdown", ANSWER)),
        path="Hausaufgabe 🩻/Röntgen 作业.ipynb",
    ),
    "reordered": perfect((("markdown", ANSWER), AUROC, TRAINING, SCALE, IMPORTS)),
    "checks_deleted": perfect((IMPORTS, SCALE, AUROC, ("markdown", ANSWER))),
    "checks_edited": perfect(
        (IMPORTS, SCALE, "scale = check_scale(None)", "assert False", AUROC, ("markdown", ANSWER))
    ),
    "metadata_stripped": Submission(
        {
            "homework5.ipynb": {
                "cells": [{"cell_type": "code", "source": s} for s in (IMPORTS, SCALE, AUROC)]
                + [{"cell_type": "markdown", "source": ANSWER}]
            },
            FILE: predictions(),
        },
        (4, 6, 8),
    ),
    "format_3": Submission({"homework5.ipynb": FORMAT_3, FILE: predictions()}, (4, 6, 8)),
    "extra_cells": perfect(
        (
            "!pip install torch",
            "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])",
            *PERFECT,
            "scale?",
            "%%bash\nls",
            "display(3)",
        )
    ),
    "copy_beside_the_stub": perfect(
        path="labs/homework5-Copy1.ipynb", **{"labs/homework5__ipynb": notebook(IMPORTS, *STUBS.values())}
    ),
    "older_version_that_jupyter_kept": perfect(
        (IMPORTS, SCALE, STUBS["auroc"], ("markdown", ANSWER)),
        (4, 0, 8),
        (GRADED, NOT_ATTEMPTED, GRADED, WAITING),
        **{"labs/.ipynb_checkpoints/homework5-checkpoint__ipynb": notebook(*PERFECT)},
    ),
    "second_copy_of_the_predictions": Submission(
        {"labs/homework5.ipynb": notebook(*PERFECT), f"labs/{FILE}".replace(".csv", " (1).csv"): predictions()},
        (4, 6, 8),
    ),
    "utf_16_without_its_mark": Submission(
        {"labs/homework5.ipynb": json.dumps(notebook(*PERFECT)).encode("utf-16-le"), FILE: predictions()}, (4, 6, 8)
    ),
    "function_in_two_cells": perfect(
        (
            IMPORTS,
            SCALE.partition("    return")[0],
            "    return" + SCALE.partition("    return")[2],
            AUROC,
            ("markdown", ANSWER),
        ),
        (0, 6, 8),
    ),
    "function_in_a_text_cell": perfect(
        (IMPORTS, ("markdown", SCALE), AUROC, ("markdown", ANSWER)), (0, 6, 8), (MISSING, *ALL_GRADED[1:])
    ),
    "stub_of_the_same_name_in_capitals": perfect(
        **{"labs/Homework5__ipynb": notebook(IMPORTS, *STUBS.values())},
    ),
    "name_in_capitals": perfect(path="labs/HOMEWORK4.IPYNB"),
    "other_labs_beside": perfect(
        **{"labs/01_lab__ipynb": notebook(IMPORTS, "def auroc(labels, scores):\n    return 0")}
    ),
    "loop_at_top": perfect((IMPORTS, SCALE, "while True:\n    scale(np.arange(3))", AUROC, ("markdown", ANSWER))),
    "loop_in_the_function": with_scale("def scale(x):\n    while True:\n        pass", (0, 6, 8), TIMED_OUT),
    "loop_for_one_input": with_scale(
        SCALE.replace("    span =", "    while np.ptp(x) == 0:\n        pass\n    span ="), (3, 6, 8)
    ),
    "error_in_the_function": with_scale("def scale(x):\n    return 1 / 0", (0, 6, 8), CRASHED),
    "error_elsewhere": perfect(
        (IMPORTS, "1 / 0", "import no_such_module", SCALE, "x = = 1", AUROC, ("markdown", ANSWER))
    ),
    "no_python_in_the_cell": perfect(
        (IMPORTS, SCALE + "\n)", AUROC, ("markdown", ANSWER)), (0, 6, 8), (CRASHED, *ALL_GRADED[1:])
    ),
    "misspelt_name": perfect(
        (IMPORTS, SCALE.replace("scale", "rescale"), AUROC, ("markdown", ANSWER)), (0, 6, 8), (MISSING, *ALL_GRADED[1:])
    ),
    "loud": with_scale(
        """
        import logging, sys, warnings
        from tqdm import tqdm
        warnings.warn("careful")
        def scale(x):
            for _ in tqdm(range(10)):
                print("x" * 1000, file=sys.stderr)
            warnings.warn("deprecated")
            logging.error("an error that is none")
            np.float64(1) / np.float64(0)
            x = np.asarray(x, dtype=float)
            return (x - x.min()) / np.ptp(x) if np.ptp(x) else 0 * x
        """
    ),
    "two_million_lines": with_scale(
        "def scale(x):\n    for i in range(500_000):\n        print(i)\n    return"
        + SCALE.split("return")[1].replace("span > 0", "np.ptp(x)").replace("/ span", "/ np.ptp(x)")
    ),
    "lambda": with_scale("scale = lambda x: (x - np.min(x)) / np.ptp(x) if np.ptp(x) else 0.0 * x"),
    "name_in_wide_letters": with_scale(SCALE.replace("scale", "\uff53\uff43\uff41\uff4c\uff45")),
    "callable_object": with_scale(
        """
        class Scale:
            def __call__(self, x):
                return (x - x.min()) / np.ptp(x) if np.ptp(x) else 0.0 * x
        scale = Scale()
        """
    ),
    "from_a_file_beside": perfect(
        (IMPORTS, "from my_tools import scale", AUROC, ("markdown", ANSWER)),
        **{"labs/my_tools__py": f"{IMPORTS}\n{SCALE}\n"},
    ),
    "the_kits_own_version": perfect((IMPORTS, SCALE, "from lab_utils.metrics import auroc", ("markdown", ANSWER))),
    "torch_by_way_of_the_kit": with_scale(
        "from lab_utils.training import fit\n" + SCALE.replace("    return", "    assert callable(fit)\n    return")
    ),
    "returns_a_list": with_scale("def scale(x):\n    return [float(v) for v in (x - x.min()) / (np.ptp(x) or 1)]"),
    "changes_what_it_gets": with_scale(
        """
        def scale(x):
            x -= x.min()
            return x / (x.max() or 1)
        """
    ),
    "saves_a_large_file": with_scale(
        """
        def scale(x):
            open("network.pt", "wb").write(bytes(250 * 2**20))
            return (x - x.min()) / np.ptp(x) if np.ptp(x) else 0.0 * x
        """
    ),
    "answer_in_a_cell_of_its_own": perfect(
        (IMPORTS, SCALE, AUROC, ("markdown", "**Answer M4**"), ("markdown", "Because."), ("markdown", "# The end"))
    ),
    "heading_in_other_words": with_words(("markdown", f"## My answer to question M.4\n{WORDS}")),
    "heading_of_the_name_alone": with_words(("markdown", f"**M4**\n\n{WORDS}")),
    "heading_deleted": with_words(("markdown", WORDS)),
    "heading_left_and_answer_above_it": with_words(("markdown", WORDS), STUB),
    "answer_below_the_question": perfect((*HEAD, SCALE, AUROC, ("markdown", f"{ASKED[1]}\n\n{WORDS}"), STUB, FOOT)),
    "answer_in_a_code_cell": with_words(f"Answer M4\n\n{WORDS}"),
    "answer_in_comments": with_words("\n".join(f"# {line}" for line in ("**Answer M4**", WORDS))),
    "answer_in_quotes": with_words(STUB, f'"""{WORDS}"""'),
    "answer_printed": with_words(STUB, f"print({WORDS!r})"),
    "answer_at_the_end_of_everything": perfect(
        (*HEAD, SCALE, AUROC, ASKED, STUB, FOOT, ("markdown", f"Thanks!\n{WORDS}"))
    ),
    "answer_at_the_top_of_another_order": perfect((("markdown", WORDS), AUROC, SCALE, IMPORTS)),
    "answer_in_another_notebook": with_words(STUB, **{"labs/words__ipynb": notebook(("markdown", ANSWER))}),
    "answer_in_a_document": with_words(STUB, **{"report__pdf": b"%PDF-1.7"}),
    "no_answer_of_a_notebook_that_was_run": with_words(STUB, status=NOT_ATTEMPTED),
    "no_answer_in_a_notebook_of_another_term": perfect(
        (("markdown", HEAD[0][1].replace("6 November", "11 May")), *HEAD[1:], SCALE, AUROC, ASKED, STUB, FOOT),
        statuses=(GRADED, GRADED, GRADED, NOT_ATTEMPTED),
    ),
    "no_answer_but_notes": with_words(STUB, status=NOT_ATTEMPTED, **{"labs/notes__txt": WORDS}),
    "answer_of_stars_alone": perfect(
        (IMPORTS, SCALE, AUROC, ("markdown", "*\n" * 500_000)), statuses=(GRADED, GRADED, GRADED, NOT_ATTEMPTED)
    ),
    "tools_in_a_folder_above": perfect(
        (
            "import sys\nsys.path.append('../src')",
            "from my_tools import scale\nLIMIT = float(open('../limit.txt').read())",
            IMPORTS,
            AUROC,
            ("markdown", ANSWER),
        ),
        **{"src/my_tools__py": f"{IMPORTS}\n{SCALE}\n", "limit__txt": "1"},
    ),
    "large_files_beside": perfect(
        (
            IMPORTS,
            "WEIGHTS = open('b.pt', 'rb').read(3)",
            SCALE.replace("    span", "    WEIGHTS\n    span", 1),
            *PERFECT[2:],
        ),
        **{f"labs/{name}__pt": bytes(45 * 2**20) for name in "abc"},
    ),
    "import_of_several_packages_of_which_one_is_not_here": perfect(
        ("import os, no_such_module, numpy as np", SCALE, AUROC, ("markdown", ANSWER))
    ),
    "value_under_the_name_of_the_function": perfect(
        (IMPORTS, SCALE, "scale = scale(np.arange(3.0))\nscale", AUROC, ("markdown", ANSWER))
    ),
    "stub_left_below_the_function": perfect((IMPORTS, SCALE, STUBS["scale"], AUROC, ("markdown", ANSWER))),
    "module_written_by_a_cell": perfect(
        (f"%%writefile my_tools.py\n{IMPORTS}\n{SCALE}", "from my_tools import scale", IMPORTS, AUROC, PERFECT[-1])
    ),
    "returns_fractions": with_scale(
        """
        from fractions import Fraction
        def scale(x):
            return [Fraction(float(v)) for v in (x - x.min()) / (np.ptp(x) or 1)]
        """
    ),
    "returns_a_series": with_scale(
        "import pandas as pd\ndef scale(x):\n    return pd.Series((x - x.min()) / (np.ptp(x) or 1)).rename('scaled')"
    ),
    "predictions_that_a_spreadsheet_saved": Submission(
        {
            "labs/homework5.ipynb": notebook(*PERFECT),
            f"labs/{FILE}": predictions().replace(",", ";").replace(".", ",").replace("\n", "\r\n"),
        },
        (4, 6, 8),
    ),
    "links_to_where_nobody_may_look": perfect(
        **{
            "labs/data": link_to("/etc/hostname"),
            "labs/own__csv": link_to("/root/own.csv"),
            "labs/loop": link_to("loop"),
            "data": link_to("/"),
        },
    ),
    "halves_of_characters": with_scale("def scale(x):\n    raise ValueError('\\ud800 \\x1b[31m')", (0, 6, 8), CRASHED),
    "halves_of_characters_in_an_answer": perfect((IMPORTS, SCALE, AUROC, ("markdown", ANSWER + "\ud800"))),
    "huge_outputs": Submission({"labs/homework5.ipynb": huge_notebook, f"labs/{FILE}": predictions()}, (4, 6, 8)),
}

BROKEN = {
    "pointer_of_git_lfs": Submission(
        {
            "labs/homework5.ipynb": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
            FILE: predictions(),
        },
        (0, 0, 8),
        (INVALID, INVALID, GRADED, INVALID),
    ),
    "no_json": Submission(
        {"labs/homework5.ipynb": "<<<<<<< HEAD\n{}", f"labs/{FILE}": predictions()},
        (0, 0, 8),
        (INVALID, INVALID, GRADED, INVALID),
    ),
    "no_notebook_in_the_json": Submission(
        {"homework5.ipynb": "[1, 2]"}, (0, 0, 0), (INVALID, INVALID, MISSING, INVALID)
    ),
    "deep_json": Submission({"homework5.ipynb": "[" * 10**6}, (0, 0, 0), (INVALID, INVALID, MISSING, INVALID)),
    "deep_code": perfect((IMPORTS, "x = " + "-" * 50_000 + "1", SCALE, AUROC, ("markdown", ANSWER))),
    "no_bytes_of_text": Submission(
        {"homework5.ipynb": os.urandom(1000)}, (0, 0, 0), (INVALID, INVALID, MISSING, INVALID)
    ),
    "too_much_code": Submission(
        {"homework5.ipynb": notebook("x = 1\n" * 10**6)}, (0, 0, 0), (INVALID, INVALID, MISSING, INVALID)
    ),
    "predictions_of_another_kind": Submission(
        {"labs/homework5.ipynb": notebook(*PERFECT), f"labs/{FILE}": b"\x93NUMPY\x01\x00" + os.urandom(2000)}, (4, 6, 0)
    ),
    "predictions_huge": Submission(
        {"labs/homework5.ipynb": notebook(*PERFECT), f"labs/{FILE}": sparse(10**9)}, (4, 6, 0)
    ),
    "predictions_not_numbers": Submission(
        {"labs/homework5.ipynb": notebook(*PERFECT), f"labs/{FILE}": predictions(["=1+1"] + ["nan"] * 39)}, (4, 6, 0)
    ),
}

ATTACKS = {
    "sys_exit": with_scale("import sys\ndef scale(x):\n    sys.exit(0)", (0, 6, 8), CRASHED),
    "os_exit": with_scale("import os\ndef scale(x):\n    os._exit(0)", (0, 6, 8), CRASHED),
    "segfault": with_scale("import ctypes\ndef scale(x):\n    ctypes.string_at(0)", (0, 6, 8), CRASHED),
    "kills_everything": with_scale("import os\ndef scale(x):\n    os.kill(-1, 9)", (0, 6, 8), CRASHED),
    "fork_bomb": with_scale("import os\ndef scale(x):\n    while True:\n        os.fork()", (0, 6, 8), CRASHED),
    "outlives_its_call": with_scale(
        """
        import subprocess
        def scale(x):
            subprocess.Popen(["/bin/sh", "-c", "while true; do :; done"], start_new_session=True)
            return (x - x.min()) / np.ptp(x) if np.ptp(x) else 0.0 * x
        """
    ),
    "fills_the_disk": with_scale(
        """
        def scale(x):
            number = 0
            while True:
                open(f"/tmp/{number}", "wb").write(bytes(10**8))
                number += 1
        """,
        (0, 6, 8),
        CRASHED,
    ),
    "fills_the_memory": with_scale("def scale(x):\n    return bytearray(10**12)", (0, 6, 8), CRASHED),
    "asks_the_network": with_scale(
        "import urllib.request\ndef scale(x):\n    return urllib.request.urlopen('http://example.org').read()",
        (0, 6, 8),
        CRASHED,
    ),
    "looks_for_the_answers": with_scale(
        """
        import os
        def scale(x):
            for folder, folders, names in os.walk("/"):
                # Large, and no place for them: the search is to end whatever the speed of the machine.
                folders[:] = [f for f in folders if f not in ("proc", "sys", "site-packages", "dist-packages")]
                secret = {"questions.toml", "labels.csv", "collected.json", "key.txt"}.intersection(names)
                if secret or "staff/homework" in folder:
                    return (x - x.min()) / np.ptp(x) if np.ptp(x) else 0.0 * x
            return x
        """,
        (0, 6, 8),
    ),
    "reads_the_graders_code_from_memory": with_scale(
        """
        import gc, sys
        def scale(x):
            for module in list(sys.modules.values()):
                if "CASES" in vars(module):  # hasattr: torch.ops has whatever it is asked for
                    return (x - x.min()) / np.ptp(x) if np.ptp(x) else 0.0 * x
            for thing in gc.get_objects():
                if isinstance(thing, dict) and "expected" in thing:
                    return thing["expected"]
            return x
        """,
        (0, 6, 8),
    ),
    "drops_asserts": at_top(
        """
        import ast, builtins, sys
        class Drop(ast.NodeTransformer):
            def visit_Assert(self, node):
                return ast.Pass()
        builtins.compile = lambda *args, **kwargs: None
        sys.flags = None
        """,
        (0, 6, 8),
    ),
    "always_equal": with_scale(
        """
        class Equal(np.ndarray):
            def __eq__(self, other):
                return np.True_
            def __sub__(self, other):
                return np.zeros(1)
            __array_priority__ = 1000
        def scale(x):
            return np.asarray(x, dtype=float).view(Equal)
        """,
        (0, 6, 8),
    ),
    "patched_numpy": at_top(
        """
        import builtins
        np.allclose = np.array_equal = lambda *args, **kwargs: True
        builtins.abs = lambda value: 0
        """,
        (0, 6, 8),
    ),
    "patched_kit": at_top(
        """
        from lab_utils.staff.grading import cases, wire, inside_run
        from lab_utils.checks import outcome
        outcome.Wrong = Exception
        cases.plain = lambda value: True
        inside_run.wire.encode = lambda value: b'{"value": true}\\n'
        """,
        (0, 6, 8),
    ),
    "forged_replies": with_scale(
        f"""
        import os
        def scale(x):
            for pipe in range(3, 100):
                try:
                    os.write(pipe, b'{FORGED}' * 3)
                except OSError:
                    pass
            return x
        """,
        (0, 6, 8),
    ),
    "shadows": perfect(
        **{
            f"labs/{name}__py": "raise SystemExit('shadowed')"
            for name in ("numpy", "torch", "json", "sitecustomize", "usercustomize", "conftest", "lab_utils")
        }
    ),
    "writes_to_the_ledger": with_scale(
        """
        def scale(x):
            for path in ("../ledger.jsonl", "../../ledger.jsonl", "/submission/../ledger.jsonl", "../results/a.json"):
                try:
                    open(path, "a").write("forged")
                except OSError:
                    pass
            return x
        """,
        (0, 6, 8),
    ),
    "links_out": Submission(
        {
            "labs/homework5.ipynb": link_to("/etc/hostname"),
            f"labs/{FILE}": link_to("../../../../lab_utils/staff/homework5/labels.csv"),
        },
        (0, 0, 0),
        (MISSING, MISSING, MISSING, MISSING),
    ),
    "malicious_npy": with_scale(
        """
        def scale(x):
            return np.load("bomb.npy", allow_pickle=True)
        """,
        (0, 6, 8),
        CRASHED,
        **{"labs/bomb__npy": BOMB},
    ),
    "returns_a_huge_array": with_scale("def scale(x):\n    return np.zeros(10**8)", (0, 6, 8)),
    "returns_deep_lists": with_scale(
        "def scale(x):\n    y = []\n    for _ in range(10**5):\n        y = [y]\n    return y", (0, 6, 8)
    ),
    "returns_objects": with_scale("def scale(x):\n    return np.array([object()])", (0, 6, 8)),
    "error_message_is_code": with_scale(
        "def scale(x):\n    raise ValueError('<script>alert(1)</script>' * 10**5)", (0, 6, 8), CRASHED
    ),
}

# The same in the body of the function, where slicing drops nothing; and where a function is defined.
ATTACKS |= {
    "drops_asserts_in_the_function": with_scale(
        """
        def scale(x):
            import ast, builtins, sys
            builtins.compile = lambda *args, **kwargs: None
            builtins.__debug_asserts__ = False
            sys.flags = None
            return x
        """,
        (0, 6, 8),
    ),
    "patched_numpy_in_the_function": with_scale(
        """
        def scale(x):
            import builtins
            np.allclose = np.array_equal = lambda *args, **kwargs: True
            np.ptp = np.abs = lambda *args: np.zeros(1)
            builtins.abs = lambda value: 0
            return x
        """,
        (0, 6, 8),
    ),
    "patched_kit_in_the_function": with_scale(
        """
        def scale(x):
            from lab_utils.staff.grading import cases, wire, inside_run
            from lab_utils.checks import outcome
            outcome.Wrong = Exception
            cases.plain = inside_run.plain = lambda value: True
            inside_run.wire.encode = wire.encode = lambda value: b'{"value": true}\\n'
            return x
        """,
        (0, 6, 8),
    ),
    "patched_kit_where_the_function_is_defined": with_scale(
        """
        def patch():
            from lab_utils.staff.grading import wire, inside_run
            inside_run.wire.encode = wire.encode = lambda value: b'{"value": true}\\n'
            open("/tmp/ran", "w").close()

        def scale(x, done=patch()):
            return x
        """,
        (0, 6, 8),
        CRASHED,
    ),
    "patched_numpy_where_the_function_is_defined": with_scale(
        """
        class Patch:
            np.allclose = np.array_equal = lambda *args, **kwargs: True
            np.asarray = lambda value, dtype=None: np.zeros(8)
            open("/tmp/ran", "w").close()

        def scale(x, patch=Patch):
            return x
        """,
        (0, 6, 8),
    ),
    "forged_reply_of_empty_lists": with_scale(
        """
        import os
        def scale(x):
            line = b'{"value":[' + b"[]," * (19 * 2**20) + b"[]]}\\n"
            for pipe in range(3, 100):
                try:
                    os.write(pipe, line)
                except OSError:
                    pass
            return [[] for _ in range(4 * 10**6)]
        """,
        (0, 6, 8),
        CRASHED,
    ),
    "stops_everything": with_scale(
        "import os, signal\ndef scale(x):\n    os.kill(-1, signal.SIGSTOP)\n    return x", (0, 6, 8), CRASHED
    ),
    "plants_files_that_python_runs_at_its_start": with_scale(
        """
        import os, sys
        HOMES = [os.path.expanduser(f"~/.local/lib/python3.{sys.version_info[1]}/site-packages"), *sys.path]
        def scale(x):
            for folder in HOMES:
                try:
                    os.makedirs(folder, exist_ok=True)
                    for name in ("evil.pth", "sitecustomize.py", "usercustomize.py", "torch.py"):
                        open(f"{folder}/{name}", "w").write("import os; os._exit(0)")
                except OSError:
                    pass
            return x
        """,
        (0, 6, 8),
    ),
    "writes_into_its_parents_memory": with_scale(
        """
        import os
        def scale(x):
            parent = os.getppid()
            memory = open(f"/proc/{parent}/mem", "r+b", 0)
            for line in open(f"/proc/{parent}/maps"):
                if "[heap]" in line:
                    start, end = (int(word, 16) for word in line.split()[0].split("-"))
                    memory.seek(start)
                    memory.write(bytes(end - start))
            return x
        """,
        (0, 6, 8),
        CRASHED,
    ),
    "forges_before_and_after_every_fork": with_scale(
        """
        import os
        def plant():
            def forge():
                for pipe in range(3, 100):
                    try:
                        os.write(pipe, b'{"value": 1}\\n{"defined": true}\\n')
                    except OSError:
                        pass
            os.register_at_fork(before=forge, after_in_parent=forge, after_in_child=forge)
            open("/tmp/ran", "w").close()

        def scale(x, done=plant()):
            return x
        """,
        (0, 6, 8),
    ),
    "column_that_is_broadcast_to_billions": with_scale(
        "def scale(x):\n    return np.zeros((2**25 - 64, 1), np.uint8)", (0, 6, 8)
    ),
    "returns_a_huge_text": with_scale("def scale(x):\n    return 'You have passed. ' * 10**6", (0, 6, 8)),
    "two_hundred_thousand_answers": perfect(
        (IMPORTS, SCALE, AUROC, *[("markdown", "Answer M4")] * 200_000),
        statuses=(GRADED, GRADED, GRADED, NOT_ATTEMPTED),
    ),
}
DROPPED = {"drops_asserts", "patched_numpy", "patched_kit"}  # by slicing: they are tried in a function, too
WITHOUT_CODE = {"links_out", "shadows", "two_hundred_thousand_answers"}


def proving(submission):
    """Return a submission whose `scale` leaves the file before it does anything else."""
    files = {}
    for path, content in submission.files.items():
        if path.endswith(".ipynb") and isinstance(content, dict):
            proof = f"\\g<0>    open({RAN!r}, 'w').close()\n"
            sources = [re.sub(r"(?m)^def scale\(x\):\n", proof, cell["source"]) for cell in content["cells"]]
            cells = [cell | {"source": source} for cell, source in zip(content["cells"], sources, strict=True)]
            content = content | {"cells": cells}
        files[path] = content
    return submission._replace(files=files)


ATTACKS = {name: found if name in WITHOUT_CODE | DROPPED else proving(found) for name, found in ATTACKS.items()}
CORPUS = HONEST | BROKEN | ATTACKS
