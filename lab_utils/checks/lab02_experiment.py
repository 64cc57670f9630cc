"""`drift_experiment` (exercise 6 of lab 2), on networks of a few dozen weights."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils.checks.exercise import Exercise, difference, same
from lab_utils.checks.frozen_networks import build as small_network
from lab_utils.checks.lab02_loop import Batches, train_and_watch
from lab_utils.networks import Preprocessing, head
from lab_utils.similarity import extract_features
from lab_utils.transfer import freeze, train_mode, trainable_parameters

Build = Callable[[], nn.Module]
Criterion = Callable[[Tensor, Tensor], Tensor]
LR = 0.05


def drift_experiment(
    build: Build, criterion: Criterion, batches: Batches, images: Tensor, lr: float
) -> dict[str, Tensor]:
    """The kit's version: logits (M, K) of the head trained without and with drift, and of the old head after it."""
    trained = {}
    for name, mode in (("fixed", train_mode), ("drift", nn.Module.train)):
        model = trained[name] = build()
        freeze(model)
        optimizer = torch.optim.AdamW(trainable_parameters(model), lr=lr)
        train_and_watch(model, optimizer, criterion, batches, mode, lambda model: None)
    features = {name: extract_features(model, images) for name, model in trained.items()}
    heads = {name: head(model).cpu() for name, model in trained.items()}
    with torch.no_grad():
        return {
            "fixed": heads["fixed"](features["fixed"]),
            "drift": heads["drift"](features["drift"]),
            "old": heads["fixed"](features["drift"]),
        }


def _network(seed: int) -> nn.Module:
    plan = {"seed": seed, "parts": ["stem", "body"], "classifier": "head", "width": 3, "deep": False, "first": False}
    model = small_network(plan | {"frozen": [], "training": False, "own": False})
    setattr(model, "preprocessing", Preprocessing((0.4,), (0.2,), 1))  # noqa: B010  # no attribute for mypy
    return model


def _probe(seed: int, classes: Sequence[int]) -> Callable[[Callable[..., Any]], dict[str, Any]]:
    def probe(student: Callable[..., Any]) -> dict[str, Any]:
        generator = torch.Generator().manual_seed(seed)
        shown = [2 * torch.rand(6, 1, 5, 5, generator=generator) + step / 3 for step in range(4)]
        batches = [(images, torch.tensor(classes)) for images in shown]
        tested = torch.randint(256, (7, 1, 5, 5), generator=generator, dtype=torch.uint8)
        result = student(lambda: _network(seed), nn.functional.cross_entropy, batches, tested, LR)
        if not isinstance(result, dict):
            return {"returned": f"a {type(result).__name__}"}
        keys = ", ".join(sorted(map(str, result)))
        gradient = any(isinstance(value, Tensor) and value.requires_grad for value in result.values())
        return (
            {
                "returned": "a dict",
                "keys": keys,
                "gradients": "kept" if gradient else "none",
                **{name: torch.as_tensor(result.get(name)).detach().clone() for name in ("fixed", "drift", "old")},
            }
            if keys == "drift, fixed, old"
            else {"returned": "a dict", "keys": keys}
        )

    return probe


PROBES = {
    "4 batches of 6 images, 7 images to test": _probe(0, [0, 1, 1, 0, 1, 0]),
    "The same with another network and other labels": _probe(1, [1, 1, 0, 0, 1, 0]),
}


def _explain(got: Any, expected: Any) -> str:
    if got["returned"] != "a dict":
        return f"expected a dict, got {got['returned']}."
    if got["keys"] != expected["keys"]:
        return f"expected the keys {expected['keys']}, got {got['keys'] or 'none'}."
    if got["gradients"] != "none":
        return "the logits still hold what a gradient would need. Compute them inside of `torch.no_grad()`."
    key = next(key for key in ("fixed", "drift", "old") if not same(got[key], expected[key]))
    return f"the logits of `{key}` are other ones: {difference(got[key], expected[key])}"


# ---- wrong answers

MODES: dict[str, Callable[[nn.Module], Any]] = {"fixed": train_mode, "drift": nn.Module.train}


def _usual(
    *,
    modes: dict[str, Callable[[nn.Module], Any]] = MODES,
    fresh: bool = True,
    prepare: Callable[[nn.Module], Any] = freeze,
    optimizer: Callable[[list[Any], float], Any] = lambda parameters, lr: torch.optim.AdamW(parameters, lr=lr),
    pairs: Sequence[tuple[str, str, str]] = (("fixed",) * 3, ("drift",) * 3, ("old", "fixed", "drift")),
    order: Callable[[Batches], Batches] = lambda batches: batches,
    test: Callable[[nn.Module], Any] = lambda model: model.eval(),
    give: Callable[[Tensor], Tensor] = lambda logits: logits,
    grad: bool = False,
) -> Callable[..., Any]:
    """The usual solution, with one thing done differently."""

    def student(build: Build, criterion: Criterion, batches: Batches, images: Tensor, lr: float) -> dict[str, Any]:
        trained: dict[str, nn.Module] = {}
        model = build()
        for name, mode in modes.items():
            model = build() if fresh else model
            prepare(model)
            chosen = optimizer(trainable_parameters(model), lr)
            train_and_watch(model, chosen, criterion, order(batches), mode, lambda model: None)
            trained[name] = model
        features = {}
        for name, model in trained.items():
            test(model)
            with torch.no_grad():
                x, kept = Preprocessing((0.4,), (0.2,), 1)(images), []
                hook = head(model).register_forward_pre_hook(lambda layer, inputs: kept.append(inputs[0]))  # noqa: B023
                model(x)
                hook.remove()
                features[name] = kept[0]
        with torch.set_grad_enabled(grad):
            return {name: give(head(trained[top])(features[below])) for name, top, below in pairs}

    return student


FREEZE = "The backbone has learned too. Freeze it in each new network, before the optimizer is made."
WRONG: tuple[tuple[Callable[..., Any], str], ...] = (
    (_usual(prepare=lambda model: None), FREEZE),
    (_usual(prepare=lambda model: model.requires_grad_(False) and head(model).weight.requires_grad_(True)), "bias"),
    (
        _usual(modes={"fixed": nn.Module.train, "drift": nn.Module.train}),
        "Both networks drift. Which mode keeps a frozen batch norm as it is?",
    ),
    (
        _usual(modes={"fixed": train_mode, "drift": train_mode}),
        "Nothing has drifted. `drift` is trained with `nn.Module.train` as its mode.",
    ),
    (_usual(modes={"fixed": nn.Module.train, "drift": train_mode}), "The two modes have changed places."),
    (
        _usual(fresh=False),
        "Both trainings had the same network, so the second one began where the first one ended. Call `build()` twice.",
    ),
    (
        _usual(pairs=(("fixed",) * 3, ("drift",) * 3, ("old", "drift", "fixed"))),
        "`old` is the other way round: the head of `fixed`, with features from the backbone of `drift`.",
    ),
    (
        _usual(pairs=(("fixed",) * 3, ("drift",) * 3, ("old", "fixed", "fixed"))),
        "`old` equals `fixed`: the backbone is still the one without drift.",
    ),
    (
        _usual(pairs=(("fixed",) * 3, ("drift",) * 3, ("old", "drift", "drift"))),
        "`old` equals `drift`: the head is still the one that was trained with drift.",
    ),
    (
        _usual(pairs=(("fixed",) * 3, ("drift", "fixed", "drift"), ("old", "fixed", "drift"))),
        "`drift` has the head of `fixed`. Was it copied into the network before the logits were computed?",
    ),
    (
        _usual(optimizer=lambda parameters, lr: torch.optim.AdamW(parameters)),
        "Does `lr` reach the optimizer? AdamW's own rate is smaller.",
    ),
    (_usual(optimizer=lambda parameters, lr: torch.optim.SGD(parameters, lr=lr)), "This is SGD. Take AdamW."),
    (_usual(optimizer=lambda parameters, lr: torch.optim.Adam(parameters, lr=lr)), "This is Adam. Take AdamW."),
    (_usual(order=lambda batches: batches[:1]), "Only the first batch was used."),
    (_usual(order=lambda batches: ()), "The heads have not been trained: call `train_and_watch`."),
    (_usual(test=lambda model: model.train()), "The networks are tested in train mode. After training: eval mode."),
    (_usual(give=torch.sigmoid), "These are probabilities. Return the logits, as they come out of the head."),
    (_usual(grad=True), "`torch.no_grad()`"),
)

DRIFT_EXPERIMENT = Exercise(
    "drift_experiment",
    drift_experiment,
    PROBES,
    _explain,
    WRONG,
    "Twice: build, freeze, optimizer, train. Then three pairs of a head and of features.",
    steps=(
        "Write a loop over the two modes. In each turn: a new network, frozen, its own optimizer, your training.",
        "Keep two things of each trained network, under its name: its head, and its features of the test images.",
        "Logits are what a head makes of features. There are three pairs: which head, and whose features?",
    ),
)
