"""Kind A: a checkpoint of another run is never taken for this one, and this one's own always is."""

import functools
import itertools
import json
import os
import subprocess
import sys
import types
import weakref
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lab_utils.data import Augment
from lab_utils.networks import Preprocessing, build_model
from lab_utils.training import fine_tune, fit
from lab_utils.training.optimizers import parameter_groups
from lab_utils.training.run_settings import run_settings
from lab_utils.transfer import param_groups
from tests.refusals import refuses
from tests.tiny import TinyNet, assert_same, state_of, tiny_split

QUIET = {"progress": False, "device": "cpu", "batch_size": 8, "precision": "fp32"}
EVEN, RARE = torch.tensor([1.0, 1.0]), torch.tensor([1.0, 5.0])


def run(path, model=None, train=None, val=None, **settings):
    """Train for two steps, or go on."""
    model = TinyNet() if model is None else model
    settings = {"steps": 2} | settings
    fit(model, tiny_split(16) if train is None else train, val, checkpoint=path, **QUIET, **settings)
    return model


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.pt"


# ---- the network
def test_a_network_that_the_run_has_trained_is_told_to_be_built_anew(path):
    model = run(path)
    refuses(r"trained by that run already\. To continue the run, build the network anew", run, path, model)
    assert_same(state_of(run(path)), state_of(model))


@contextmanager
def interruption(monkeypatch, *, after, training=1):
    """Interrupt the first (or second) training inside after so many steps, as the stop button of a notebook does."""
    trainings = []

    @contextmanager
    def bar(*args, **settings):
        def update():
            steps.append(1)
            if len(steps) == after and len(trainings) == training:
                raise KeyboardInterrupt

        steps = []
        trainings.append(1)
        yield types.SimpleNamespace(update=update, set_postfix=lambda *args: None)

    with monkeypatch.context() as patch:
        patch.setattr("lab_utils.training.fitting.progress_bar", bar)
        with pytest.raises(KeyboardInterrupt):
            yield


def test_a_cell_that_was_interrupted_goes_on_with_the_network_that_it_left(path, tmp_path, monkeypatch):
    settings = {"steps": 6, "checkpoint_seconds": 0}
    whole = state_of(run(tmp_path / "whole.pt", **settings))
    model = TinyNet()
    with interruption(monkeypatch, after=4):
        run(path, model, **settings)
    assert_same(state_of(run(path, model, **settings)), whole)


def test_a_network_changed_after_the_interruption_is_another_one(path, monkeypatch):
    model = TinyNet()
    with interruption(monkeypatch, after=1):
        run(path, model)
    with torch.no_grad():
        model.head.bias += 1
    refuses("the starting weights differ", run, path, model)


def test_half_trained_weights_are_not_called_the_start_of_a_run_whose_file_was_deleted(path, monkeypatch):
    model = TinyNet()
    with interruption(monkeypatch, after=1):
        run(path, model)
    path.unlink()
    run(path, model)  # a new run, which begins with the weights that the network has
    refuses("the starting weights differ", run, path, TinyNet())


def remembering_network():
    model = TinyNet()
    model.maps = {}
    model.layer1.register_forward_hook(lambda module, args, output: model.maps.update(last=output.detach()))
    return model, None


def remembering_criterion():
    losses = []

    def criterion(logits, labels):
        loss = F.cross_entropy(logits, labels)
        losses.append(loss.item())
        return loss

    return TinyNet(), criterion


def criterion_of_the_network():
    model = TinyNet()
    inside = list(model.parameters())
    return model, lambda logits, labels: F.cross_entropy(logits, labels) + 0.1 * sum(p.abs().sum() for p in inside)


def network_that_keeps_its_weights_twice():
    model = TinyNet()
    model.same_weights = list(model.parameters())  # as nn.LSTM does
    return model, None


@pytest.mark.parametrize(
    "made", [remembering_network, remembering_criterion, criterion_of_the_network, network_that_keeps_its_weights_twice]
)
def test_what_network_and_criterion_remember_is_no_hindrance_after_an_interruption(path, monkeypatch, made):
    settings = {"steps": 6, "checkpoint_seconds": 0}
    model, criterion = made()
    whole = state_of(run(None, model, criterion=criterion, **settings))
    model, criterion = made()
    with interruption(monkeypatch, after=4):
        run(path, model, criterion=criterion, **settings)
    assert_same(state_of(run(path, model, criterion=criterion, **settings)), whole)


def test_an_interrupted_run_with_another_criterion_does_not_stand_for_this_one(path, tmp_path, monkeypatch):
    model = TinyNet()
    for file, criterion in ((path, F.cross_entropy), (tmp_path / "other.pt", F.multi_margin_loss)):
        with interruption(monkeypatch, after=1):
            run(file, model, criterion=criterion)
    with pytest.raises(ValueError, match=r"criterion was .*cross_entropy, is now .*multi_margin_loss"):
        run(path, model, criterion=F.multi_margin_loss)
    run(path, model, criterion=F.cross_entropy)


def hooked(strength):
    """A network that keeps a list of its hooks itself."""
    model = TinyNet()
    model.my_hooks = [model.layer1.register_forward_hook(lambda module, args, output: output * strength)]
    return model


@pytest.mark.parametrize(("after", "training"), [(2, 1), (3, 2)], ids=["in the head step", "in the whole"])
def test_fine_tuning_that_was_interrupted_goes_on_too(tmp_path, monkeypatch, after, training):
    def tune(model, name):
        fine_tune(model, tiny_split(16), head_steps=4, steps=4, checkpoint=tmp_path / name, **QUIET)
        return state_of(model)

    whole, model = tune(TinyNet(), "whole.pt"), TinyNet()
    with interruption(monkeypatch, after=after, training=training):
        tune(model, "run.pt")
    assert_same(tune(model, "run.pt"), whole)


class Gelu(TinyNet):
    def forward(self, x):
        return self.head(F.gelu(self.layer1(self.stem(x)).mean(dim=(2, 3))))


class Halved(TinyNet):
    factor = 0.5

    def forward(self, x):
        return self.factor * super().forward(x)


def changed(change):
    model = TinyNet()
    if change is not None:
        change(model)
    return model


@torch.no_grad()
def one_bit(model):
    model.head.bias[0] = torch.nextafter(model.head.bias[0], torch.tensor(9.0))


CHANGES = {
    "dropout": (lambda m: setattr(m.dropout, "p", 0.5), r"dropout\.p was 0\.2, is now 0\.5"),
    "momentum of batch norm": (lambda m: setattr(m.stem[1], "momentum", 0.5), r"stem\.1\.momentum"),
    "stride": (lambda m: setattr(m.layer1[0], "stride", (2, 2)), r"layer1\.0\.stride"),
    "activation": (lambda m: m.stem.__setitem__(2, nn.SiLU()), r"stem\.2 class"),
    "attribute": (lambda m: setattr(m, "temperature", 2.0), r"temperature was not there, is now 2\.0"),
    "preprocessing": (
        lambda m: setattr(m, "preprocessing", Preprocessing((0.4,), (0.25,), 1)),
        r"preprocessing\.mean\[0\] was 0\.5, is now 0\.4",
    ),
    "hook": (lambda m: m.stem.register_forward_hook(lambda module, x, y: 2 * y) and None, r"hook 0"),
    "buffer outside of the state": (
        lambda m: m.register_buffer("scale", torch.ones(1), persistent=False),
        "the starting weights differ: 1 of 15 tensors, first scale",
    ),
    "parametrisation": (lambda m: nn.utils.parametrizations.weight_norm(m.head) and None, "network was tiny"),
    "own forward": (lambda m: setattr(m.dropout, "forward", lambda x: x * 3), "forward"),
    "one bit of one tensor": (one_bit, r"1 of 14 tensors, first head\.bias"),
}
NETWORKS = {name: (changed, None, change, words) for name, (change, words) in CHANGES.items()}
NETWORKS |= {
    "another class": (lambda kind: kind(), TinyNet, Gelu, "network parts class was TinyNet, is now Gelu"),
    "another seed": (lambda seed: TinyNet(seed=seed), 0, 1, r"differ: 4 of 14 tensors, first stem\.0\.weight\. To "),
    "a list of hooks": (hooked, 1, 2, "hook 0 variable strength was 1, is now 2"),
}


def test_a_class_variable_counts(path, monkeypatch):
    run(path, Halved())
    run(path, Halved())
    monkeypatch.setattr(Halved, "factor", 0.25)
    refuses(r"factor was 0\.5, is now 0\.25", run, path, Halved())


# ---- the criterion
def weighted(weight):
    def loss(logits, labels):
        return F.cross_entropy(logits, labels, weight=weight)

    return loss


def by_default(weight):
    def loss(logits, labels, w=weight, *, k=0):
        return F.cross_entropy(logits, labels, weight=w) + k

    return loss


def by_keyword_default(k):
    def loss(logits, labels, *, k=k):
        return k * F.cross_entropy(logits, labels)

    return loss


class Focal(nn.Module):
    def __init__(self, gamma):
        super().__init__()
        self.gamma = gamma

    def forward(self, logits, labels):
        each = F.cross_entropy(logits, labels, reduction="none")
        return ((1 - (-each).exp()) ** self.gamma * each).mean()


@dataclass
class Smoothed:
    amount: float

    def __call__(self, logits, labels):
        return F.cross_entropy(logits, labels, label_smoothing=self.amount)

    def loss(self, logits, labels):
        return self(logits, labels)


class Slots:
    __slots__ = ("weight",)

    def __init__(self, weight):
        self.weight = weight

    def __call__(self, logits, labels):
        return F.cross_entropy(logits, labels, weight=self.weight)


class Forgetful(Smoothed):
    """Its pickle leaves out what it computes with."""

    def __getstate__(self):
        return {}


class Own(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits):
        return logits.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad


def in_module(value):
    settings = types.ModuleType("my_settings")
    settings.FACTOR = value
    space = {"settings": settings, "F": F}
    exec("def loss(logits, labels):\n    return settings.FACTOR * F.cross_entropy(logits, labels)", space)
    return space["loss"]


def reads(value, *, indirect=False):
    """A function that reads a global variable, itself or in a function that it calls."""
    space = {"FACTOR": value, "F": F}
    exec("def scaled(loss):\n    return FACTOR * loss", space)
    body = "scaled(F.cross_entropy(logits, labels))" if indirect else "FACTOR * F.cross_entropy(logits, labels)"
    exec(f"def loss(logits, labels):\n    return {body}", space)
    return space["loss"]


def decorated(factor):
    def decorator(function):
        @functools.wraps(function)
        def wrapper(logits, labels):
            return factor * function(logits, labels)

        return wrapper

    return decorator(F.cross_entropy)


def without_gradient(factor):
    @torch.enable_grad()
    def loss(logits, labels):
        return factor * F.cross_entropy(logits, labels)

    return loss


CRITERIA = {
    "weights in a module": (lambda w: nn.CrossEntropyLoss(weight=w), EVEN, RARE, r"weight was float32 \(2,\) \[1\.0"),
    "weights in a closure": (weighted, EVEN, RARE, r"criterion variable weight was float32 \(2,\) \[1\.0, 1\.0\]"),
    "an array in a closure": (
        lambda w: lambda logits, labels: F.cross_entropy(logits, labels, weight=torch.tensor(w)),
        np.array([1, 1], "f4"),
        np.array([1, 5], "f4"),
        r"variable w was array <f4 \(2,\) \[1\.0, 1\.0\]",
    ),
    "weights in a default": (by_default, EVEN, RARE, "criterion default w"),
    "a keyword default": (by_keyword_default, 1.0, 2.0, r"criterion default k was 1\.0, is now 2\.0"),
    "weights in a partial": (lambda w: functools.partial(F.cross_entropy, weight=w), EVEN, RARE, "argument weight"),
    "a number in a partial": (
        lambda s: functools.partial(F.cross_entropy, label_smoothing=s),
        0.0,
        0.1,
        r"argument label_smoothing was 0\.0, is now 0\.1",
    ),
    "a global": (reads, 1.0, 2.0, r"criterion global FACTOR was 1\.0, is now 2\.0"),
    "a global of a helper": (functools.partial(reads, indirect=True), 1.0, 2.0, "global scaled global FACTOR"),
    "a variable of a module of the user": (in_module, 1.0, 2.0, r"global settings\.FACTOR was 1\.0, is now 2\.0"),
    "an attribute of a module": (Focal, 1.0, 2.0, r"gamma was 1\.0, is now 2\.0"),
    "an attribute of an object": (Smoothed, 0.0, 0.1, r"amount was 0\.0, is now 0\.1"),
    "an object of slots": (Slots, EVEN, RARE, "weight was float32"),
    "an object whose pickle tells less": (Forgetful, 0.0, 0.1, "amount was"),
    "a bound method": (lambda a: Smoothed(a).loss, 0.0, 0.1, r"object\.amount was"),
    "a decorator of the user": (decorated, 1.0, 2.0, "variable factor was"),
    "a decorator of PyTorch": (without_gradient, 1.0, 2.0, "variable factor was"),
    "an option of a module": (lambda s: nn.CrossEntropyLoss(label_smoothing=s), 0.0, 0.1, "label_smoothing was 0.0"),
    "a cached function": (lambda f: functools.lru_cache(maxsize=1)(reads(f)), 1.0, 2.0, "FACTOR was 1.0"),
    "a set": (
        lambda s: lambda logits, labels: len(s) * F.cross_entropy(logits, labels),
        {"a", "b"},
        {"a", "c"},
        "variable s was set of 2",
    ),
    "a dictionary": (
        lambda d: lambda logits, labels: d["k"] * F.cross_entropy(logits, labels),
        {"k": 1},
        {"k": 2},
        r"\['k'\] was 1, is now 2",
    ),
}


# Two of one line, one that only names another function, and one of which both are shown.
LAMBDAS = [lambda p, y: F.cross_entropy(p, y), lambda p, y: 3 * F.cross_entropy(p, y)]
LAMBDAS.append(lambda p, y: F.multi_margin_loss(p, y))
LAMBDAS.append(lambda p, y: 2 * F.cross_entropy(p, y))
for place, words in ((1, "criterion code"), (2, "criterion code"), (3, r"code was `.*`, is now `.*2 \* F\.cross")):
    CRITERIA[f"lambda {place}"] = (LAMBDAS.__getitem__, 0, place, words)
CRITERIA["that of the task"] = (lambda c: c, None, F.cross_entropy, "was that of the task, is now .*cross_entropy")


def test_code_that_differs_in_a_set_or_an_inner_function_is_told_apart(path):
    def make(text):
        space = {"F": F}
        exec(text, space)
        return space["loss"]

    a = "def loss(p, y):\n    return sum(w in {1, 2, 3} for w in (1, 2)) * F.cross_entropy(p, y)"
    run(path, criterion=make(a))
    run(path, criterion=make("\n\n# a remark, and other lines\n" + a))
    for b in (a.replace("3}", "4}"), a.replace("(1, 2)", "(1, 5)"), a.replace("sum(w in", "sum(w not in")):
        refuses("criterion code", run, path, criterion=make(b))


def test_functions_that_were_called_often_stay_the_same(path):
    criterion = reads(1.0, indirect=True)
    run(path, criterion=criterion)
    for _ in range(2000):  # Python rewrites the code of busy functions
        criterion(torch.zeros(1, 2), torch.zeros(1, dtype=torch.long))
    run(path, criterion=criterion)


def test_a_criterion_that_remembers_is_continued_bit_for_bit(tmp_path):
    class Running(nn.Module):
        """The loss over its running mean, which is a buffer."""

        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.ones(()))

        def forward(self, logits, labels):
            loss = F.cross_entropy(logits, labels)
            self.mean.mul_(0.5).add_(0.5 * loss.detach())
            return loss / self.mean

    whole = run(None, criterion=Running(), steps=8)
    calls = itertools.count(1)

    class Stopping(torch.optim.AdamW):
        def step(self, closure=None):
            if next(calls) == 5:
                raise KeyboardInterrupt
            return super().step(closure)

    # With the optimizer's own step replaced, and nothing else, the run stays the same run.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim, "AdamW", Stopping)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "run.pt", criterion=Running(), steps=8, checkpoint_seconds=0)
    resumed = run(tmp_path / "run.pt", criterion=Running(), steps=8)
    assert_same(state_of(resumed), state_of(whole))


# ---- optimizer, groups, augmentation, data
def to_start(strength):
    """A criterion that reads the network that it trains."""
    model = TinyNet()
    start = [p.detach().clone() for p in model.parameters()]

    def loss(logits, labels):
        distance = sum(((p - s) ** 2).sum() for p, s in zip(model.parameters(), start, strict=True))
        return F.cross_entropy(logits, labels) + strength * distance

    return {"model": model, "criterion": loss}


def adamw(beta):
    return {"optimizer": lambda groups: torch.optim.AdamW(groups, betas=(beta, 0.999))}


def groups_of(parts):
    model = TinyNet()
    lists = [[p for name, p in model.named_parameters() if name.startswith(part)] for part in parts]
    return {"model": model, "params": [{"params": list_, "lr": 0.1} for list_ in lists]}


def groups_with(betas):
    model = TinyNet()
    return {"model": model, "params": [group | {"betas": betas} for group in param_groups(model, 0.1)]}


def pretrained(weights):
    model = build_model("resnet10_w16", weights=weights, num_classes=2, seed=0)
    return {"model": model, "train": tiny_split(8, size=32)}


SGD = functools.partial(functools.partial, torch.optim.SGD)
OTHERS = {
    "pretrained": (
        pretrained,
        None,
        "procedural",
        r"the starting weights differ: \d+ of \d+ tensors, first stem\.0\.we",
    ),
    "a criterion of the network": (to_start, 0.1, 1.0, r"variable strength was 0\.1, is now 1\.0"),
    "class weights": (lambda w: {"class_weights": w}, None, "balanced", "class_weights was None, is now balanced"),
    "what makes the optimizer": (adamw, 0.9, 0.0, r"variable beta was 0\.9, is now"),
    "a partial": (lambda m: {"optimizer": SGD(momentum=m)}, 0.5, 0.6, r"argument momentum was 0\.5, is now 0\.6"),
    "parameters of a group": (groups_of, ("stem", "head"), ("head", "stem"), r"parameter groups\[0\] was"),
    "options of a group": (
        groups_with,
        (0.9, 0.99),
        (0.8, 0.99),
        r"parameter groups\[0\]\.betas\[0\] was 0\.9, is now 0\.8",
    ),
    "augmentation": (lambda a: {"augment": Augment(**a)}, {"flip": True}, {"degrees": 5}, "augment was"),
    "a name does not cover what can be read": (
        lambda w: {"criterion": weighted(w), "run_name": "mine"},
        EVEN,
        RARE,
        "variable weight",
    ),
}
PAIRS = {f"network: {key}": ("model", *row) for key, row in NETWORKS.items()}
PAIRS |= {f"criterion: {key}": ("criterion", *row) for key, row in CRITERIA.items()}
PAIRS |= {key: ("", *row) for key, row in OTHERS.items()}


@pytest.mark.parametrize("case", PAIRS)
def test_what_makes_another_run_is_refused_and_named_and_the_same_made_anew_goes_on(path, case):
    setting, make, first, second, words = PAIRS[case]

    def settings(value):
        return {setting: make(value)} if setting else make(value)

    run(path, **settings(first))
    run(path, **settings(first))
    refuses(words, run, path, **settings(second))


def with_label(split, label):
    labels = split.labels.clone()
    labels[3] = label
    return replace(split, labels=labels)


@pytest.mark.parametrize("part", ["train", "val"])
def test_one_pixel_one_label_or_a_name_of_a_class_is_other_data(path, part):
    split = tiny_split(16)
    whole = {"train": split, "val": split}
    run(path, **whole)
    pixels = split.images.clone()
    pixels[5, 0, 1, 2] ^= 1
    other = with_label(split, 1 - int(split.labels[3]))
    for changed_split in (replace(split, images=pixels), other):
        refuses(f"{part} was 16 binary images", run, path, **whole | {part: changed_split})
    named = replace(split, class_names=("class1", "class0"))
    refuses(r"train was .*classes class0, class1.*, is now .*classes class1, class0", run, path, train=named, val=named)


def test_patients_and_notes_do_not_train_and_do_not_count(path):
    split = tiny_split(16)
    run(path, train=split)
    run(path, train=replace(split, groups=split.groups // 2, notes=("patients are unknown",)))


# ---- fine_tune
def tune(path, model=None, **settings):
    model = TinyNet() if model is None else model
    shared = {"head_steps": 2, "steps": 2, "lr": 0.01}
    return fine_tune(model, tiny_split(16), tiny_split(16, seed=1), checkpoint=path, **QUIET, **shared | settings)


@pytest.mark.parametrize("change", [{"head_steps": 3}, {"head_lr": 0.02}])
@pytest.mark.parametrize("head_file", ["kept", "deleted"])
def test_another_head_step_is_noticed_also_without_its_file(path, change, head_file):
    tune(path)
    tune(path)
    if head_file == "deleted":
        path.with_name("run_head.pt").unlink()
    words = "after was 2 steps of the head alone" if head_file == "deleted" else "run_head.pt is the checkpoint of ano"
    refuses(words, tune, path, **change)


def test_both_steps_of_another_start_are_refused(path):
    tune(path)
    refuses(r"run_head\.pt .* the starting weights differ", tune, path, TinyNet(seed=1))


def test_the_file_of_fine_tune_is_not_that_of_fit(path):
    tune(path)
    path.with_name("run_head.pt").rename(path)  # as if it were the whole run's
    refuses("network was tiny", tune, path)  # another number of trainable tensors


def test_a_head_rate_of_zero_is_refused_and_not_taken_for_the_other_rate():
    refuses("positive number; got 0", tune, None, head_lr=0)


# ---- what cannot be looked into
def generator_loss():
    numbers = (1.0 for _ in itertools.count())
    return lambda logits, labels: next(numbers) * F.cross_entropy(logits, labels)


def test_what_cannot_be_read_is_refused_unless_the_run_has_a_name(path):
    with pytest.raises(ValueError, match=r"criterion variable numbers \(generator: .*run_name='") as caught:
        run(path, criterion=generator_loss())
    assert "\n" not in str(caught.value)
    assert not path.exists()
    first = run(path, criterion=generator_loss(), run_name="ones")
    again = run(path, criterion=generator_loss(), run_name="ones")
    assert_same(state_of(first), state_of(again))
    refuses("run_name was ones, is now twos", run, path, criterion=generator_loss(), run_name="twos")


def test_an_open_file_in_the_network_is_refused(path, tmp_path):
    (tmp_path / "numbers.txt").write_text("1")
    with (tmp_path / "numbers.txt").open() as file, pytest.raises(ValueError, match=r"network\.source \(TextIOWrapper"):
        run(path, changed(lambda m: setattr(m, "source", file)))


@pytest.mark.parametrize("name", ["", " ", 3])
def test_a_name_that_is_none_is_refused(path, name):
    refuses("run_name must be a text of your own", run, path, run_name=name)


# ---- the same run is the same run
class Everything(nn.Module):
    """A criterion with parts of many kinds, each of which could have another order or address in another process."""

    names = {"pleura", "heart", "lung", "bone"}  # noqa: RUF012
    table = {"b": {1, 2}, "a": frozenset("xyz")}  # noqa: RUF012

    def __init__(self):
        super().__init__()
        self.rng = np.random.default_rng(3)
        self.generator = torch.Generator().manual_seed(5)
        self.path, self.kind, self.device = Path("a/b"), torch.float16, torch.device("cpu")
        self.itself = self
        self.link = weakref.ref(self)
        self.cached = functools.cache(lambda x: x + len(self.names))
        self.operation = torch.add
        self.register_buffer("weight", torch.tensor([1.0, 2.0], dtype=torch.bfloat16))
        self.register_forward_hook(lambda module, args, output: output)

    def forward(self, logits, labels):
        return F.cross_entropy(logits, labels, weight=self.weight.float() * len(self.names & {"heart", "skin"}))


def settings_of_everything():
    model, split = TinyNet(), tiny_split(16)
    given = {"optimizer": functools.partial(torch.optim.SGD, momentum=0.9), "criterion": Everything(), "run_name": None}
    groups = parameter_groups(model, None, lr=1, weight_decay=0)
    return run_settings(model, split, None, path=Path("run.pt"), groups=groups, **given)


def test_another_process_with_another_hash_finds_the_same():
    code = "import json; from tests.field_cases.test_a_checkpoints import settings_of_everything as s; "
    code += "print(json.dumps(s(), sort_keys=True))"
    environment = os.environ | {"PYTHONHASHSEED": "77"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert json.loads(done.stdout) == json.loads(json.dumps(settings_of_everything()))


def test_where_and_how_weights_lie_in_memory_makes_no_difference(path):
    whole = run(path)
    turned = TinyNet().to(memory_format=torch.channels_last)
    assert_same(state_of(whole), state_of(run(path, turned)))


def test_a_file_of_the_older_format_is_refused_in_words(path):
    torch.save({"format": 1, "settings": "{}", "state": {}}, path)
    refuses(r"another version of this package, which did not keep what makes a run\. D", run, path)
