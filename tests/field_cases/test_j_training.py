"""Kind J, training: class weights, batches of one, wrapped networks, and arguments of the wrong type."""

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from lab_utils.networks import head, preprocess, stages
from lab_utils.training import evaluate, fine_tune, fit, lr_range_test, predict
from lab_utils.training.losses import training_loss
from lab_utils.transfer import freeze, param_groups, train_mode
from tests.refusals import refuses
from tests.tiny import LinearNet, TinyNet, assert_same, state_of, tiny_split

QUIET = {"progress": False, "device": "cpu", "batch_size": 8, "precision": "fp32"}


def trained(split, model=None, **settings):
    model = TinyNet(split.num_classes) if model is None else model
    history = fit(model, split, **QUIET | {"steps": 3} | settings)
    return model, history


# ---- class weights of one's own
WEIGHTS = torch.tensor([0.5, 3.0])
FITTED = {
    "float64 module": nn.CrossEntropyLoss(weight=WEIGHTS.double()),
    "float16 module": nn.CrossEntropyLoss(weight=WEIGHTS.half()),
    "float64 partial": functools.partial(F.cross_entropy, weight=WEIGHTS.double()),
    "array in a partial": functools.partial(F.cross_entropy, weight=WEIGHTS.double().numpy()),
}


@pytest.mark.parametrize("kind", FITTED)
def test_class_weights_of_another_type_train_as_float32_ones_and_stay_as_they_are(kind):
    split = tiny_split(24)
    given = FITTED[kind]
    wanted, _ = trained(split, criterion=nn.CrossEntropyLoss(weight=WEIGHTS))
    got, _ = trained(split, criterion=given)
    assert_same(state_of(got), state_of(wanted))
    weight = given.weight if isinstance(given, nn.Module) else given.keywords["weight"]
    assert str(weight.dtype).removeprefix("torch.") == ("float16" if "16" in kind else "float64")


def test_class_weights_of_another_type_reach_the_range_test_and_resume(tmp_path):
    split, weight = tiny_split(24), WEIGHTS.double()
    ranges = [
        lr_range_test(TinyNet(), split, steps=5, device="cpu", criterion=nn.CrossEntropyLoss(weight=w)).losses
        for w in (weight, weight.float())
    ]
    assert ranges[0] == ranges[1]
    for _ in range(2):
        trained(split, criterion=nn.CrossEntropyLoss(weight=weight), checkpoint=tmp_path / "run.pt")


def unreachable(weight):
    return lambda logits, labels: F.cross_entropy(logits, labels, weight=weight)


@pytest.mark.parametrize("weight", [WEIGHTS.double(), [0.5, 3.0], WEIGHTS.to("meta")])  # the last: another device
def test_weights_that_cannot_be_reached_are_told_what_they_should_be(weight):
    words = r"must be torch.float32 on cpu, as the logits are, but PyTorch says: .*class_weights='balanced'"
    assert "\n" not in refuses(words, trained, tiny_split(24), criterion=unreachable(weight))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("kind", FITTED)
def test_gpu_class_weights_on_the_cpu_are_brought_there(kind):
    settings = {"criterion": FITTED[kind], "device": "cuda"}
    assert trained(tiny_split(24), **settings)[1].rows[-1]["train_loss"] > 0


def broken(*given):
    raise RuntimeError("my own mistake")


def test_other_errors_of_a_criterion_and_of_a_network_pass_unchanged():
    class Broken(TinyNet):
        forward = broken

    for model, criterion in ((TinyNet(), broken), (Broken(), None)):
        with pytest.raises(RuntimeError, match=r"^my own mistake$"):
            trained(tiny_split(24), model, criterion=criterion)


def test_a_loss_of_one_number_in_a_list_counts_as_that_number():
    wanted, _ = trained(tiny_split(24))
    got, _ = trained(tiny_split(24), criterion=lambda logits, labels: F.cross_entropy(logits, labels)[None])
    assert_same(state_of(got), state_of(wanted))


# ---- class_weights="balanced"
TASKS = ("binary", "multiclass", "ordinal")


def rare(task, n=60):
    """About one image in six of the last class."""
    split = tiny_split(n, task)
    keep = (split.labels != split.num_classes - 1) | (torch.arange(n) % 6 == 5)
    return split.take(keep)


@pytest.mark.parametrize("task", TASKS)
def test_balanced_is_the_weighted_cross_entropy_with_scikit_learns_weights(task):
    split = rare(task)
    y = split.labels.numpy()
    weight = torch.tensor(compute_class_weight("balanced", classes=np.unique(y), y=y), dtype=torch.float32)
    assert weight[-1] > 1.5 * weight[0]
    wanted, _ = trained(split, criterion=nn.CrossEntropyLoss(weight=weight))
    got, _ = trained(split, class_weights="balanced")
    assert_same(state_of(got), state_of(wanted))


def test_balanced_train_loss_is_the_weighted_mean_over_the_data():
    split = rare("binary")
    model = LinearNet()
    with torch.no_grad():
        each = F.cross_entropy(model((split.images / 255 - 0.5) / 0.25), split.labels, reduction="none").double()
    mean = (each[split.labels == 0].mean() + each[split.labels == 1].mean()) / 2  # both classes count the same
    _, history = trained(split, model, class_weights="balanced", steps=None, epochs=1, lr=1e-12, weight_decay=0)
    assert len(split) % 8 != 1
    assert history.rows[-1]["train_loss"] == pytest.approx(mean.item(), rel=1e-5)


def test_balanced_findings_by_hand_with_uncertain_labels():
    split = tiny_split(4, "multilabel")
    # class0: 1 present, 3 absent; class1: 2 present, 1 absent, 1 unknown; class2: 1, 1, 2 unknown
    labels = torch.tensor([[1.0, 1, 1], [0, 1, 0], [0, 0, -1], [0, -1, -1]])
    criterion, counts = training_loss(replace(split, labels=labels), class_weights="balanced")
    present, absent = [4 / 2, 3 / 4, 2 / 2], [4 / 6, 3 / 2, 2 / 2]
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    total = weight = 0.0
    for i in range(4):
        of_image = 0.0
        for k in range(3):
            if labels[i, k] >= 0:
                w = present[k] if labels[i, k] == 1 else absent[k]
                p = torch.sigmoid(logits[i, k].double()).item()
                total -= w * np.log(p if labels[i, k] == 1 else 1 - p)
                of_image += w
        assert counts[i].item() == pytest.approx(of_image)
        weight += of_image
    assert criterion(logits, labels).item() == pytest.approx(total / weight, rel=1e-5)
    assert weight == pytest.approx(4 + 3 + 2)  # each finding counts as often as it is known


def test_balanced_findings_train_and_a_batch_of_nothing_teaches_nothing():
    split = tiny_split(40, "multilabel")
    model, history = trained(split, class_weights="balanced", epochs=2, steps=None)
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert history.rows[-1]["train_loss"] > 0
    criterion, _ = training_loss(split, class_weights="balanced")
    logits = torch.randn(2, 3, requires_grad=True)
    loss = criterion(logits, torch.full((2, 3), -1.0))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def test_balanced_works_in_fine_tune_and_the_range_test():
    split = rare("binary")
    weight = training_loss(split, class_weights="balanced")[0].keywords["weight"]
    results = []
    for settings in ({"class_weights": "balanced"}, {"criterion": nn.CrossEntropyLoss(weight=weight)}):
        model = TinyNet()
        fine_tune(model, split, head_steps=2, steps=2, **QUIET, **settings)
        losses = lr_range_test(TinyNet(), split, steps=5, device="cpu", **settings).losses
        results.append((state_of(model), losses))
    assert_same(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]


def with_finding(value):
    split = tiny_split(30, "multilabel")
    split.labels[:, 1] = value
    return split


def without_class(task):
    split = tiny_split(30, task)
    return split.take(split.labels != 1)


MISSING = [
    (without_class(task), r"every class; .*have none of: class1\.") for task in ("binary", "multiclass", "ordinal")
]
MISSING += [(with_finding(1.0), "have none of: absent class1"), (with_finding(0.0), "have none of: present class1")]


@pytest.mark.parametrize(("split", "words"), MISSING)
def test_balanced_refuses_what_has_no_image(split, words):
    refuses(words, trained, split, class_weights="balanced")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"class_weights": "balance"}, "class_weights must be 'balanced' or None; got 'balance'"),
        ({"class_weights": [1.0, 5.0]}, r"got \[1\.0, 5\.0\]\. For weights of your own give criterion=nn\.Cross"),
        ({"class_weights": torch.ones(2)}, "got tensor"),
        ({"class_weights": True}, "got True"),
        ({"class_weights": "balanced", "criterion": F.cross_entropy}, "either criterion= or class_weights="),
        ({"criterion": "cross_entropy"}, "criterion must be a function of .*; got 'cross_entropy'"),
        ({"criterion": nn.CrossEntropyLoss}, r"criterion must be .*; got the class .*; make an object of it"),
    ],
)
def test_class_weights_that_mean_nothing_are_refused(settings, words):
    refuses(words, trained, tiny_split(24), **settings)
    refuses(words, lr_range_test, TinyNet(), tiny_split(24), steps=5, device="cpu", **settings)


# ---- batches of one
class OneValue(TinyNet):
    """Batch norm on features without a place: one value per channel and image."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(16)

    def forward(self, x):
        return self.head(self.norm(self.layer1(self.stem(x)).mean(dim=(2, 3))))


WORDS = r"batch norm needs more than one value per channel .* batch of 1 image leaves one .* batch_size of at least 2"


@pytest.mark.parametrize("network", [OneValue, TinyNet])  # TinyNet comes down to one place from 8 px
@pytest.mark.parametrize(("n", "batch_size"), [(16, 1), (1, 8)])
def test_a_batch_of_one_with_batch_norm_is_explained(network, n, batch_size):
    settings = {"device": "cpu", "batch_size": batch_size}
    split = tiny_split(n)
    for length in ({"steps": 2}, {"epochs": 1}):
        with pytest.raises(ValueError, match=WORDS) as caught:
            fit(network(), split, progress=False, **length, **settings)
        assert "\n" not in str(caught.value)
    refuses(WORDS, lr_range_test, network(), split, steps=3, **settings)


def test_batch_norm_over_many_places_still_trains_on_one_image_at_a_time():
    model, history = trained(tiny_split(4, size=16), batch_size=1, steps=4)
    assert history.rows[-1]["step"] == 4
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_frozen_batch_norm_trains_on_one_image_at_a_time():
    model = OneValue()
    freeze(model)
    assert trained(tiny_split(4), model, batch_size=1, steps=4)[1].rows[-1]["step"] == 4


# ---- wrapped networks
WRAPPERS = {
    "DataParallel": nn.DataParallel,
    "compiled": functools.partial(torch.compile, backend="eager"),
    "both": lambda model: nn.DataParallel(torch.compile(model, backend="eager")),
    "moving average": torch.optim.swa_utils.AveragedModel,
}


def inside(wrapped):
    modules = [module for module in wrapped.modules() if isinstance(module, TinyNet)]
    return modules[0]


@pytest.mark.parametrize("kind", WRAPPERS)
def test_a_wrapped_network_freezes_and_trains_as_the_one_inside(kind):
    train, val = tiny_split(24), tiny_split(16, seed=1)
    plain, wrapped = TinyNet(), WRAPPERS[kind](TinyNet())
    core = inside(wrapped)
    assert torch.equal(preprocess(wrapped, val.images), preprocess(plain, val.images))
    assert list(stages(wrapped)) == ["stem", "layer1"]
    assert head(wrapped) is core.head
    assert torch.equal(predict(wrapped, val.images, device="cpu"), predict(plain, val.images, device="cpu"))
    for model in (plain, wrapped):
        freeze(model, upto="stem")
        train_mode(model)
    assert [p.requires_grad for p in core.parameters()] == [p.requires_grad for p in plain.parameters()]
    assert not core.stem.training
    assert core.layer1.training
    stem = {name: tensor.clone() for name, tensor in core.stem.state_dict().items()}
    histories = [
        fit(model, train, val, steps=3, params=param_groups(model, 0.01, decay=0.5), **QUIET)
        for model in (plain, wrapped)
    ]
    assert_same(state_of(core), state_of(plain))
    assert_same(core.stem.state_dict(), stem)
    assert_same(histories[1].best_state, histories[0].best_state)  # names without those of the wrapper
    assert evaluate(wrapped, val, device="cpu") == evaluate(plain, val, device="cpu")
    found = [lr_range_test(model, train, steps=4, device="cpu").losses for model in (plain, wrapped)]
    assert found[0] == found[1]


def test_a_wrapped_run_resumes_and_is_not_taken_for_the_bare_one(tmp_path):
    def run(wrap):
        return trained(tiny_split(24), wrap(TinyNet()), checkpoint=tmp_path / "run.pt")

    for _ in range(2):
        run(WRAPPERS["compiled"])
    refuses("network parts", run, lambda model: model)


def test_distributed_networks_are_refused_with_the_right_advice():
    class Distributed(nn.parallel.DistributedDataParallel):
        def __init__(self, module):
            nn.Module.__init__(self)  # that of the real one needs a process group
            self.module = module

        def forward(self, x):
            return self.module(x)

    model = Distributed(TinyNet())
    assert list(stages(model)) == ["stem", "layer1"]
    for training in (fit, lr_range_test):
        with pytest.raises(ValueError, match=r"happens in one process.*model\.module.*nn\.DataParallel"):
            training(model, tiny_split(24), steps=3, device="cpu")


# ---- arguments of the wrong type
USES = {
    "fit": lambda **s: fit(TinyNet(), tiny_split(), **QUIET | ({} if "epochs" in s else {"steps": 3}) | s),
    "lr_range_test": lambda **s: lr_range_test(TinyNet(), tiny_split(), **{"steps": 5, "device": "cpu"} | s),
    "fine_tune": lambda **s: fine_tune(TinyNet(), tiny_split(), **{"head_steps": 1, "steps": 1} | QUIET | s),
}
NAN = float("nan")
NO_NUMBERS = [
    ("fit", "batch_size steps epochs warmup seed eval_every", [2.5, 32.0, "32", True, NAN, 1j, [3]], "a whole number"),
    ("fit", "lr weight_decay checkpoint_seconds", ["1e-3", True, None, [1e-3], NAN], "a number, such as"),
    ("lr_range_test", "steps seed", [10.5], "a"),
    ("lr_range_test", "batch_size", ["32"], "a"),
    ("lr_range_test", "lr_min", ["1e-6"], "a"),
    ("lr_range_test", "lr_max", [NAN], "a"),
    ("fine_tune", "head_steps", [2.5, True], "a"),
    ("fine_tune", "steps", ["3"], "a"),
    ("fine_tune", "head_lr decay", ["1e-3"], "a"),
    ("fine_tune", "lr", [True], "a"),
    ("fit", "warmup", [None], "a whole number, such as warmup=0, got None"),
    ("fit", "checkpoint_seconds", ["30"], "a number, such as checkpoint_seconds=30, got '30'"),
    ("fit", "eval_at", [[1.5]], r"a whole number.*got 1\.5"),
]
CASES = [(use, n, value, words) for use, names, values, words in NO_NUMBERS for n in names.split() for value in values]


@pytest.mark.parametrize(("use", "name", "value", "words"), CASES)
def test_what_should_be_a_number_and_is_none_gets_words(use, name, value, words):
    others = r"|positive number; got nan" if words.startswith("a number") else ""
    refuses(rf"{name} to be {words}{others}", USES[use], **{name: value})


def test_numbers_of_numpy_and_tensors_are_numbers():
    wanted, _ = trained(tiny_split(), lr=0.5, steps=3, batch_size=8, eval_at=[1, 3])
    given = {"steps": np.int64(3), "batch_size": np.int32(8), "seed": np.uint8(0), "weight_decay": np.float64(1e-4)}
    got, _ = trained(tiny_split(), lr=torch.tensor(0.5), eval_at=np.array([1, 3]), **given)
    assert_same(state_of(got), state_of(wanted))


def test_one_step_is_no_list_and_a_decay_below_zero_would_let_weights_grow():
    refuses(r"eval_at must be a list of steps.*got 3\.", trained, tiny_split(), eval_at=3)
    refuses(r"0 or more; got -0\.1", trained, tiny_split(), weight_decay=-0.1)


def test_a_path_of_fine_tune_that_is_none_is_refused_before_anything_is_frozen():
    model = TinyNet()
    refuses("checkpoint to be a path", fine_tune, model, tiny_split(), head_steps=2, steps=2, **QUIET, checkpoint=5)
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda: fit({"train": 1}, tiny_split(), steps=1), "model must be such as build_model.*got dict"),
        (lambda: fit(TinyNet, tiny_split(), steps=1), "model must be such as build_model.*got type"),
        (lambda: fit(TinyNet(), {"train": tiny_split()}, steps=1), r"train must be such as load_data.*got dict"),
        (lambda: fit(TinyNet(), tiny_split(), {"val": 1}, steps=1), r"val must be such as load_data.*got dict"),
        (lambda: fit(TinyNet(), tiny_split(), augment=True, steps=1), "augment must be such as Augment.*got bool"),
        (lambda: lr_range_test(TinyNet(), [1], steps=5), "train must be such as load_data.*got list"),
        *(
            (lambda m=model: predict(m, tiny_split()), "model must be such as build_model")
            for model in (None, "cbr_tiny")
        ),
        (lambda: predict(TinyNet, tiny_split()), "model must be such as build_model"),
        (lambda: predict(TinyNet(), {"test": 1}), "predict needs a split, or images.*got dict"),
        (lambda: predict(TinyNet(), tiny_split().images[:0]), "predict needs a split, or images.*got none"),
    ],
)
def test_the_wrong_kind_of_thing_is_named(given, words):
    refuses(words, given)


OPTIMIZERS = [(lambda groups: None, "NoneType"), (3, "int"), (torch.optim.SGD(TinyNet().parameters(), lr=0.1), "SGD")]


@pytest.mark.parametrize(("optimizer", "came"), OPTIMIZERS)
def test_what_makes_no_optimizer_is_refused(optimizer, came):
    words = f"optimizer to be one of adamw, adam, sgd, or a function .*got {came}"
    refuses(words, trained, tiny_split(), optimizer=optimizer)


def test_params_of_another_kind_are_refused():
    model = TinyNet()
    group = {"params": list(model.parameters())}
    for params in (group, [group, model.head.bias], ["head"], [{"parameters": []}], 5, "head", [{"params": "head"}]):
        refuses(
            "params= must be a list of parameters, or a list of groups", trained, tiny_split(), model, params=params
        )


# ---- validation images of another kind (M)
def colour(split):
    return replace(split, images=split.images.expand(-1, 3, -1, -1).contiguous())


def larger(split):
    return replace(split, images=split.images.repeat(1, 1, 2, 2))


@pytest.mark.parametrize(("change", "kind"), [(colour, "3 x 8 x 8"), (larger, "1 x 16 x 16")])
@pytest.mark.parametrize("of_val", [True, False])
def test_validation_images_of_another_kind_are_refused(change, kind, of_val):
    model, plain, other = TinyNet(), tiny_split(), change(tiny_split())
    train, val = (plain, other) if of_val else (other, plain)
    if train.in_channels == 3:
        model.stem[0] = nn.Conv2d(3, 8, 3, stride=2, bias=False)
        model.preprocessing = replace(model.preprocessing, mean=(0.5,) * 3, std=(0.25,) * 3, channels=3)
    words = f"of 1 x 8 x 8 .*; got {kind}" if of_val else f"of {kind} .*; got 1 x 8 x 8"
    refuses(f"val must have images like those of train, {words}", fit, model, train, val, steps=2, **QUIET)


def test_sizes_that_the_network_makes_equal_are_right():
    for change in ({"size": 8}, {"min_size": 16}):
        model = TinyNet()
        model.preprocessing = replace(model.preprocessing, **change)
        history = fit(model, tiny_split(), larger(tiny_split()), steps=2, **QUIET)
        assert "val_auroc" in history.rows[-1]
