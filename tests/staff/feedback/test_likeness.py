"""Copies are found however they were dressed up; own work, and what everybody was given, is not."""

import ast
import builtins
import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab_utils.staff.feedback.likeness import SHINGLE, WINDOW, find_alike, shingles
from lab_utils.staff.feedback.submission_code import MOST_CODE, read_cells, read_code
from tests.staff.feedback.made_up import RELEASED, write_notebook

ROOT = Path(__file__).resolve().parents[3]
ADA = [
    '''def paired_difference(first, second):
    """Mean difference and its spread."""
    if len(first) != len(second):
        raise ValueError("lengths differ")
    differences = []
    for one, other in zip(first, second):
        differences.append(other - one)
    mean = sum(differences) / len(differences)
    spread = sum((value - mean) ** 2 for value in differences) / (len(differences) - 1)
    return {"mean": mean, "spread": spread ** 0.5}''',
    """def train_mode(model):
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d) and not module.weight.requires_grad:
            module.eval()
    frozen = [p for p in model.parameters() if not p.requires_grad]
    print(len(frozen), "parameters are frozen")
    return model""",
]
BEN = [
    """def paired_difference(a, b):
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    d = b - a
    return dict(mean=d.mean(), spread=d.std(ddof=1))""",
    """def train_mode(net):
    net.train(True)
    norms = (nn.BatchNorm1d, nn.BatchNorm2d)
    def fix(layer):
        if isinstance(layer, norms):
            still = all(not w.requires_grad for w in layer.parameters(recurse=False))
            layer.train(not still)
    net.apply(fix)
    return net""",
]


def renamed(source):
    """Give every name of the student's own another one, as an editor does."""
    tree = ast.parse(source)
    own = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    own |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)} | {"paired_difference", "train_mode"}
    own -= set(dir(builtins))
    return re.sub(r"\b\w+\b", lambda m: f"my_{m.group()[::-1]}" if m.group() in own else m.group(), source)


def dressed_up(source):
    """Comments, empty lines, another indentation, other quotes, other numbers in texts."""
    lines = [line.replace("    ", "  ") + "  # mine" for line in source.replace('"', "'").split("\n")]
    return "\n\n".join(re.sub(r"'''.*?'''  # mine", "pass", line) for line in lines)


def pairs(codes, released=RELEASED):
    return [pair.students for pair in find_alike(codes, released)]


@pytest.mark.parametrize(
    "copy",
    [
        ADA,
        [renamed(source) for source in ADA],
        [dressed_up(source) for source in ADA],
        ADA[::-1],
        ["\n\n".join(ADA)],
        ["%matplotlib inline\n!pip install torch\n" + source for source in ADA],
    ],
    ids=["as it is", "renamed", "dressed up", "reordered", "in one cell", "magics"],
)
def test_a_copy_is_found(copy):
    (pair,) = find_alike({"ada": [*RELEASED, *ADA], "ben": [*RELEASED, *BEN], "cem": [*copy, *RELEASED]}, RELEASED)
    assert (pair.first, pair.second) == ("ada", "cem")
    assert pair.containment > 0.75
    assert pair.example in "\n".join(ADA)


def test_an_identical_copy_is_contained_wholly():
    (pair,) = find_alike({"ada": ADA, "cem": ADA})
    assert (pair.containment, pair.jaccard) == (1.0, 1.0)


def test_a_copied_part_is_a_share_by_hand():
    (pair,) = find_alike({"ada": [ADA[0]], "cem": [ADA[0], *BEN]})
    assert pair.containment == 1.0
    assert 0.2 < pair.jaccard < 0.8


def test_own_solutions_of_the_same_functions_are_not_alike():
    assert pairs({"ada": [*RELEASED, *ADA], "ben": [*RELEASED, *BEN]}) == []
    assert pairs({"ada": ADA, "ben": BEN}, ()) == []


def test_the_released_code_alone_never_matches():
    released = read_cells(ROOT / "labs" / "03_fine_tuning.ipynb")
    assert sum(len(shingles(source).hashes) for source in released) > 1000
    assert pairs({f"s{i}": released for i in range(4)}, released) == []
    assert len(pairs({f"s{i}": released for i in range(2)}, ())) == 1  # the released code is what was taken away


def test_released_functions_with_a_few_own_words_do_not_match():
    own = [source.replace("total", f"total_{i}") for i in range(2) for source in RELEASED]
    assert pairs({"ada": own[:2], "ben": own[2:]}) == []


def test_code_of_more_than_a_third_of_the_class_is_nobodys():
    draw = random.Random(0)
    own = {f"s{i}": [_noise(draw)[:300]] for i in range(9)}
    assert pairs(own) == []
    some = {name: cells + ADA * (i < 3) for i, (name, cells) in enumerate(own.items())}  # 3 of 9: not more than 1/3
    assert pairs({n: c[1:] or c for n, c in some.items()}) == [("s0", "s1", "s2")]
    assert set(pairs(some)) == {("s0", "s1"), ("s0", "s2"), ("s1", "s2")}
    many = {name: cells + ADA * (i < 4) for i, (name, cells) in enumerate(own.items())}
    assert pairs(many) == []


def test_code_that_is_the_same_is_reported_as_a_group_however_many_share_it():
    draw = random.Random(0)
    codes = {f"s{i}": ADA if i % 2 else [_noise(draw)] for i in range(9)}
    (group,) = find_alike(codes)
    assert group.students == ("s1", "s3", "s5", "s7")
    assert group.example in "\n".join(ADA)
    assert pairs({name: [*RELEASED, *ADA] for name in "abcdefgh"}) == [tuple("abcdefgh")]


def test_a_decoy_in_front_or_beside_hides_no_copy(tmp_path):
    draw = random.Random(1)
    decoy = "\n".join(f"x{i} = {_noise(draw)}" for i in range(400))
    assert len(decoy) > 400_000
    write_notebook(tmp_path / "ada/labs/homework4.ipynb", [*RELEASED, *ADA])
    write_notebook(tmp_path / "ada/labs/01_own.ipynb", [_noise(draw) for _ in range(30)])
    write_notebook(tmp_path / "in_front/labs/homework4.ipynb", [decoy, *ADA])
    write_notebook(tmp_path / "beside/a.ipynb", [decoy])
    write_notebook(tmp_path / "beside/labs/homework4.ipynb", ADA)
    (tmp_path / "module/labs").mkdir(parents=True)
    (tmp_path / "module/labs/tools.py").write_text("\n\n".join(ADA))
    write_notebook(tmp_path / "module/labs/homework4.ipynb", ["from tools import *"])
    write_notebook(tmp_path / "ben/labs/homework4.ipynb", [*RELEASED, *BEN])
    codes = {path.name: read_code(path, "labs/homework4.ipynb") for path in sorted(tmp_path.iterdir())}
    assert not any(code.cut for code in codes.values())
    found = find_alike(codes, RELEASED)
    assert {name for pair in found for name in pair.students} == {"ada", "beside", "in_front", "module"}
    assert {("ada", "beside"), ("ada", "in_front"), ("ada", "module")} <= {pair.students for pair in found}


def test_the_kits_own_modules_are_nobodys(tmp_path):
    for name in ("ann", "bob"):
        (tmp_path / name / "lab_utils").mkdir(parents=True)
        shutil.copy(ROOT / "lab_utils/profile.py", tmp_path / name / "lab_utils")
        assert read_code(tmp_path / name, kit=ROOT) == ([], [], False)


def test_in_a_small_class_nothing_is_common():
    assert len(pairs({f"s{i}": [*ADA, _noise(random.Random(i))[:300]] for i in range(5)})) == 10


def _noise(draw):
    words = ["np.exp", "abs", "len", "+", "-", "*", "(", ")", "[", "]", "if", "for", ".T", ".sum", "==", ",", "max"]
    return " ".join(draw.choice(words) for _ in range(400))


@pytest.mark.parametrize("seed", range(5))
def test_winnowing_keeps_something_of_every_long_enough_passage(seed):
    """Schleimer et al. 2003: a shared passage of SHINGLE + WINDOW - 1 tokens shares a fingerprint."""
    from lab_utils.staff.feedback.likeness import _fingerprints

    draw = random.Random(seed)
    length = SHINGLE + WINDOW - 1
    words = ["np.exp", "abs", "len", "+", "-", "*", "(", ")", "if", "for", "==", ",", "max", "min", "sum", "print"]
    passage = " ".join(draw.choice(words[1:]) for _ in range(length))
    sides = [f"{_noise(draw)}\n{passage}\n{_noise(draw)}" for _ in range(2)]
    none = shingles("").hashes
    first, second = (_fingerprints([shingles(side)], none) for side in sides)
    assert first & second
    assert len(first) < len(shingles(sides[0]).hashes)


def test_shingles_do_not_depend_on_the_process():
    """Python's own hashes of texts do: they are drawn anew in each process."""
    code = f"from lab_utils.staff.feedback.likeness import shingles; print(shingles({ADA[0]!r}).hashes.tolist())"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, cwd=ROOT, capture_output=True, check=True
        )
        for seed in "12"
    ]
    assert [json.loads(run.stdout) for run in runs] == [shingles(ADA[0]).hashes.tolist()] * 2


def test_notebooks_are_read_as_text_whatever_they_are(tmp_path):
    write_notebook(tmp_path / "a.ipynb", ["x = 1"])
    write_notebook(tmp_path / "sub" / "b.ipynb", ["y = 2"])
    write_notebook(tmp_path / ".ipynb_checkpoints" / "a.ipynb", ["x = 1"])
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": ["z = ", "3"]}]}], "nbformat": 3}
    (tmp_path / "c.ipynb").write_text(json.dumps(old), "utf-8")
    broken = {"d": "{", "e": "[]", "f": "[" * 100_000, "g": '{"cells": 3}', "h": '{"cells": [{"cell_type": "code"}]}'}
    broken["i"] = '{"cells": [{"cell_type": "code", "source": [1, 2]}]}'
    broken["j"] = '{"cells": [{"cell_type": "code", "source": "\\ud800 = 1"}]}'
    for name, text in broken.items():
        (tmp_path / f"{name}.ipynb").write_text(text, "utf-8")
    (tmp_path / "k.ipynb").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "l.ipynb").symlink_to("/etc/passwd")
    (tmp_path / "m.ipynb").mkdir()
    cells = read_code(tmp_path).rest
    assert [cell for cell in cells if cell and "\ud800" not in cell] == ["x = 1", "z = 3", "y = 2"]
    find_alike({"s1": cells, "s2": cells})


def test_a_submission_of_any_size_is_cut(tmp_path):
    write_notebook(tmp_path / "a.ipynb", ["x = 1\n" * 200_000, "y = 2"])
    assert not read_code(tmp_path).cut
    write_notebook(tmp_path / "b.ipynb", ["x = 1\n" * 700_000, "y = 2"])
    code = read_code(tmp_path)
    assert (sum(map(len, code.rest)), code.cut) == (MOST_CODE, True)


@pytest.mark.parametrize(
    "text", ["'" * 50_000, '"""' * 10_000, "#" * 50_000, "\\\n" * 20_000, "'\\" * 20_000, "1" * 50_000]
)
def test_texts_made_to_confuse_take_no_time_that_grows_with_the_square(text):
    shingles(text * 4)
