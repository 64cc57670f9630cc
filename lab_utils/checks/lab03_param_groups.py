"""`param_groups` in lab 3: learning rates by depth."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils import transfer
from lab_utils.checks.exercise import Exercise, Probe, same
from lab_utils.networks import build_model, head, stages

Groups = list[dict[str, Any]]


def param_groups(model: nn.Module, lr: float, decay: float) -> Groups:
    """The kit's version."""
    return transfer.param_groups(model, lr, decay=decay)


def _on(lr: float, decay: float, name: str = "resnet10_w16", upto: str | None = "") -> Probe:
    """Report the form of the groups, and of each parameter the rates that it got; from the head downwards.

    Args:
        lr: of the head. Rates above 1 keep all rates large enough to be compared.
        decay: from place to place.
        name: of the network.
        upto: what is frozen, "" for nothing, None for all but the head.
    """

    def probe(student: Callable[..., Any]) -> dict[str, Any]:
        model = build_model(name, num_classes=5, seed=0)
        if upto != "":
            transfer.freeze(model, upto=upto)
        groups = student(model, lr, decay)
        form = _form(groups)
        names = {id(p): name for name, p in model.named_parameters()}
        rates: dict[str, list[float]] = {name: [] for name in reversed(names.values())}
        strange = empty = 0
        for group in groups if not form else ():
            own = list(group["params"])
            empty += not own
            strange += sum(id(p) not in names for p in own)
            for p in own:
                rates.get(names.get(id(p), ""), []).append(float(group["lr"]))
        frozen = [name for name, p in model.named_parameters() if not p.requires_grad and rates[name]]
        ndims = {name: p.ndim for name, p in model.named_parameters()}
        return {"form": form, "strange": strange, "frozen": frozen, "rates": rates, "empty": empty, "axes": ndims}

    return probe


def _form(groups: Any) -> str:
    """Say what is wrong with the form, or ''."""
    if not isinstance(groups, list | tuple) or not all(isinstance(group, dict) for group in groups):
        return f"expected a list of dicts, got a {type(groups).__name__}. One dict for each place."
    for group in groups:
        if not {"params", "lr"} <= set(group):
            return f"a group has the keys {sorted(map(str, group))}. An optimizer wants 'params' and 'lr'."
        if not isinstance(group["params"], Tensor):
            group["params"] = list(group["params"])  # a generator is kept as a list, as an optimizer would
        if isinstance(group["params"], Tensor) or any(isinstance(p, str | tuple) for p in group["params"]):
            return "'params' must be a list of parameters, without their names."
        if not isinstance(group["lr"], float | int):
            return f"'lr' must be a number, got a {type(group['lr']).__name__}."
    return ""


PROBES = {
    "lr = 2, decay = 0.5": _on(2.0, 0.5),
    "lr = 9, decay = 0.3": _on(9.0, 0.3),
    "lr = 0.01, decay = 1": _on(0.01, 1.0),
    "Frozen up to layer2, lr = 2, decay = 0.5": _on(2.0, 0.5, upto="layer2"),
    "Only the head is trainable, lr = 2, decay = 0.5": _on(2.0, 0.5, upto=None),
    "cbr_tiny, lr = 2, decay = 0.5": _on(2.0, 0.5, "cbr_tiny"),
    "mobilenet_v3_small, lr = 2, decay = 0.5": _on(2.0, 0.5, "mobilenet_v3_small"),
}


def _explain(got: Any, expected: Any) -> str:
    rates, right = got["rates"], expected["rates"]
    if got["form"] or got["strange"]:
        return (
            got["form"] or "a group holds something that is no parameter of the model. Copies would never be trained."
        )
    if got["frozen"]:
        return f"'{got['frozen'][0]}' is frozen, but it is in a group. Which parameters may an optimizer get?"
    if twice := [name for name in rates if len(rates[name]) > 1]:
        return f"'{twice[-1]}' is in two places (and {len(twice) - 1} more). Then it gets two rates."
    if missing := [name for name in rates if right[name] and not rates[name]][::-1]:
        kind = ""
        if all(name.endswith("bias") for name in missing):
            kind = " All that is missing are biases."
        elif all(got["axes"][name] == 1 for name in missing):
            kind = " Only vectors are missing: batch norm has parameters too."
        elif all(name.startswith("head") for name in missing):
            kind = " It is the head that is missing."
        return f"{len(missing)} parameters are in no group, for instance '{missing[0]}': never trained.{kind}"
    if not same(rates, right, CLOSE):
        name = next(name for name in rates if not same(rates[name], right[name], CLOSE))
        return f"'{name}' should get {right[name][0]:.3g}, got {rates[name][0]:.3g}."
    return "a group has no parameters. Leave out what has nothing to train."


# ---- wrong answers


def _made(
    rate: Callable[[float, float, int, int], float] = lambda lr, decay, k, places: lr * decay**k,
    keep: Callable[[str, Tensor], bool] = lambda name, p: p.requires_grad,
    count: int = 1,
    first: int = 0,
) -> Callable[..., Any]:
    """Make groups with `rate(lr, decay, k, places)` at k places below the head, `count` times, from the k-th place."""

    def student(model: nn.Module, lr: float, decay: float) -> Groups:
        places: list[Any] = [head(model), *reversed(stages(model).values())]
        groups: Groups = []
        for k, place in list(enumerate(places))[first:]:
            chosen = [p for name, p in place.named_parameters() if keep(name, p)]
            groups += [{"params": chosen, "lr": rate(lr, decay, k, len(places))}] * count if chosen else []
        return groups

    return student


def _knows_one_network(model: Any, lr: float, decay: float) -> Groups:
    places = (model.head, model.layer4, model.layer3, model.layer2, model.layer1, model.stem)
    groups = [[p for p in place.parameters() if p.requires_grad] for place in places]
    return [{"params": chosen, "lr": lr * decay**k} for k, chosen in enumerate(groups) if chosen]


def _one(params: Callable[[nn.Module], Any]) -> Callable[..., Groups]:
    return lambda model, lr, decay: [{"params": list(params(model)), "lr": lr}]


CLOSE = 1e-6
TWICE = "Which line puts it into the second one?"
WRONG: tuple[tuple[Callable[..., Any], str], ...] = (
    (
        _made(lambda lr, d, k, places: lr * d ** (places - 1 - k)),
        "The head is the slowest. From which end do you count?",
    ),
    (_made(lambda lr, d, k, places: lr / d**k), "Below the head the rate grows. Is it multiplied by decay each time?"),
    (_made(lambda lr, d, k, places: lr * d ** (k + 1)), "The head is 0 places below itself: what is decay ** 0?"),
    (_made(lambda lr, d, k, places: lr * d ** max(k - 1, 0)), "The uppermost stage is one place below the head."),
    (_made(lambda lr, d, k, places: lr * d ** min(k, 1)), "Each place downwards multiplies once more by decay."),
    (_made(lambda lr, d, k, places: lr * (1 - k / places)), "From each place to the next, it is multiplied by decay."),
    (_made(keep=lambda name, p: True), "`p.requires_grad` tells."),
    (_made(keep=lambda name, p: "weight" in name), "A layer has more than its weight."),
    (_made(keep=lambda name, p: p.ndim > 1), "Take all parameters of a place."),
    (_made(count=2), TWICE),
    (lambda model, *how: [*_made()(model, *how), *_one(lambda model: model.parameters())(model, *how)], TWICE),
    (_made(first=1), "It is the uppermost place: `head(model)`."),
    (_one(lambda model: [p.detach().clone() for p in model.parameters()]), "Take the parameters as they are."),
    (lambda model, *how: [*_made()(model, *how), *_one(lambda model: [])(model, *how)], "Which place is it?"),
    (_knows_one_network, "Not every network has these names: `stages(model)` and `head(model)` give its places."),
    (lambda model, lr, decay: torch.optim.SGD(model.parameters(), lr=lr), "The optimizer comes later."),
    (_one(lambda model: model.named_parameters()), "`.parameters()` gives them alone."),
    (lambda model, lr, decay: [{"params": list(model.parameters())}], "Which rate do they get?"),
)

PARAM_GROUPS = Exercise(
    "param_groups",
    param_groups,
    PROBES,
    _explain,
    WRONG,
    "Write down the places from the head downwards, 0, 1, 2 ..., and the rate of each.",
    CLOSE,
    steps=(
        "Make a list of all places from the image upwards: the stages, then the head. How many steps below "
        "the head does each lie?",
        "The learning rate falls by `decay` with each step down. The head itself has `lr`.",
        "In each place keep the parameters that can learn. If none is left, leave the group out, but count "
        "the place all the same.",
    ),
)
