"""`undo_stage` in lab 6: one trained stage as it was before training, and what that costs."""

import copy
from collections.abc import Callable
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils import transfer
from lab_utils.checks.exercise import Exercise, Probe, difference
from lab_utils.checks.lab06_networks import changed, first, owner, pair_of, state
from lab_utils.checks.lab06_statistics import renew_statistics
from lab_utils.networks import stages

Score = Callable[[nn.Module], float]
Undo = Callable[[nn.Module, nn.Module, str, Tensor, Score], Any]
WHOLE, UNDONE = 0.9, 0.75  # what the probe's score says of the trained network, and of any other


def undo_stage(trained: nn.Module, start: nn.Module, stage: str, images: Tensor, score: Score) -> float:
    """The kit's version."""
    undone = copy.deepcopy(trained)
    transfer.reinit_stage(undone, stage, start)
    renew_statistics(undone, images)
    return score(trained) - score(undone)


IMAGES = torch.randint(0, 255, (24, 1, 16, 16), generator=torch.Generator().manual_seed(3)).to(torch.uint8)


def _on(kind: str, stage: str) -> Probe:
    def probe(student: Undo) -> dict[str, Any]:
        trained, start = pair_of(kind)
        before, at_start, stage_of, names = state(trained), state(start), owner(trained), list(stages(trained))
        seen: list[dict[str, Tensor]] = []

        def score(model: nn.Module) -> float:
            seen.append(state(model))
            return UNDONE if _unlike(before, seen[-1]) else WHOLE

        lost = student(trained, start, stage, IMAGES, score)
        undone = next((found for found in seen if _unlike(before, found)), before)
        weights = {name for name in _unlike(before, undone) if not _is_statistic(name)}
        put_back = [name for name in names if any(stage_of.get(weight) == name for weight in weights)]
        whole = {name for name in stage_of if not _is_statistic(name) and stage_of[name] in put_back}
        return {
            "changed in `trained`": first(changed(before, trained)),
            "changed in `start`": first(changed(at_start, start)),
            "put back": ", ".join([*put_back, *(["the head"] if weights - set(stage_of) else [])]) or "nothing",
            "still trained in it": first(sorted(whole - weights)),
            "not as in `start`": first(n for n in weights if not torch.equal(undone[n], at_start[n])),
            "statistics": _statistics(undone, before, at_start, stage_of, stage),
            "returned": lost if isinstance(lost, int | float) else f"a {type(lost).__name__}",
        }

    return probe


def _unlike(before: dict[str, Tensor], after: dict[str, Tensor]) -> list[str]:
    return [name for name, tensor in before.items() if not torch.equal(tensor, after[name])]


def _is_statistic(name: str) -> bool:
    return "running" in name or "num_batches" in name


def _statistics(
    undone: dict[str, Tensor],
    before: dict[str, Tensor],
    at_start: dict[str, Tensor],
    owner_of: dict[str, str],
    stage: str,
) -> str:
    """Say where the running means of the network come from."""
    means = [name for name in undone if name.endswith("running_mean")]
    above = [name for name in means if owner_of[name] != stage]
    if all(torch.equal(undone[name], before[name]) for name in above):
        return "not measured again"
    if any(torch.equal(undone[n], at_start[n]) for n in means if owner_of[n] == stage):
        return "measured before the stage was put back"
    return "measured again"


PROBES: dict[str, Probe] = {
    "A ResNet, stage = 'layer2'": _on("resnet", "layer2"),
    "CBR-Tiny, stage = 'block1'": _on("cbr", "block1"),
    "ShuffleNet, stage = 'stem'": _on("shufflenet", "stem"),
}


def _explain(got: Any, expected: Any) -> str:
    if got == {**expected, "returned": got.get("returned")} and isinstance(got["returned"], float):
        return (
            f"the score of `trained` is {WHOLE}, with the stage put back it is {UNDONE}: {expected['returned']:.2f} is "
            f"lost, you returned {got['returned']:.2f}."
        )
    return difference(got, expected)


# ---- wrong answers


def _tensors(stage: Any) -> Any:
    return chain(stage.parameters(), stage.buffers())


def _way(
    choose: Callable[[list[str], str], list[str]] = lambda names, stage: [stage],
    tensors: Callable[[Any], Any] = _tensors,
    copied: Callable[[Tensor, Tensor], Any] = Tensor.copy_,
    renew: Callable[[nn.Module, Tensor], Any] = renew_statistics,
    duplicate: Callable[[nn.Module], nn.Module] = copy.deepcopy,
    loss: Callable[[float, float], Any] = lambda whole, undone: whole - undone,
) -> Undo:
    """The right way with a part exchanged."""

    def student(trained: nn.Module, start: nn.Module, stage: str, images: Tensor, score: Score) -> Any:
        whole, network = score(trained), duplicate(trained)
        mine, theirs = stages(network), stages(start)
        with torch.no_grad():
            for name in choose(list(mine), stage):
                for pair in zip(tensors(mine[name]), tensors(theirs[name]), strict=True):
                    copied(*pair)
        renew(network, images)
        return loss(whole, score(network))

    return student


def _other_way_round(trained: nn.Module, start: nn.Module, stage: str, images: Tensor, score: Score) -> float:
    return undo_stage(start, trained, stage, images, score)


def _too_early(trained: nn.Module, start: nn.Module, stage: str, images: Tensor, score: Score) -> float:
    network = copy.deepcopy(trained)
    renew_statistics(network, images)
    transfer.reinit_stage(network, stage, start)
    return score(trained) - score(network)


def _share(mine: Tensor, theirs: Tensor) -> None:
    mine.data = theirs.data


def _draw(mine: Tensor, _: Tensor) -> None:
    if mine.ndim > 1:
        nn.init.kaiming_normal_(mine)


def _whole_network(trained: nn.Module, start: nn.Module, stage: str, images: Tensor, score: Score) -> float:
    network = copy.deepcopy(start)
    renew_statistics(network, images)
    return score(trained) - score(network)


DEEP = "`trained` has to stay as it is: the next stage is undone from there. Work on a deep copy of it."
AGAIN = "The stages above now get other inputs than in training: measure the statistics of the undone network again."
LOST = "What is lost is the score of `trained` minus that of the undone network."

WRONG: tuple[tuple[Undo, str], ...] = (
    (_way(duplicate=lambda model: model), DEEP),
    (_way(duplicate=copy.copy), DEEP),
    (_other_way_round, "Which of the two networks keeps all its stages but one?"),
    (_way(copied=_share), "Both networks share one tensor now. Copy the values."),
    (_way(choose=lambda names, stage: names[: names.index(stage) + 1]), "Only this one stage, not those below it too."),
    (_way(choose=lambda names, stage: names[names.index(stage) :]), "Only this one stage, not those above it too."),
    (_way(choose=lambda names, stage: [n for n in names if n != stage]), "You put back all stages but this one."),
    (_whole_network, "This is the whole network before training. All but one stage, and the head, stay trained."),
    (_way(copied=_draw), "Take the values that this stage has in `start`, not new random ones."),
    (
        _way(tensors=lambda stage: [p for p in stage.parameters() if p.ndim > 1]),
        "Put every parameter of the stage back, scale and shift of its batch norms too.",
    ),
    (_way(copied=lambda a, b: None), "`mine = theirs` only gives a tensor a second name: copy values into it."),
    (_way(renew=lambda network, images: None), AGAIN),
    (_way(renew=lambda network, images: network.eval()), AGAIN),
    (_too_early, "Measure the statistics after the stage was put back, not before."),
    (_way(loss=lambda whole, undone: undone - whole), LOST),
    (_way(loss=lambda whole, undone: undone), LOST),
    (_way(loss=lambda whole, undone: (whole - undone) / whole), LOST),
    (_way(loss=lambda whole, undone: (whole, undone)), "Return one number."),
)

UNDO_STAGE = Exercise(
    "undo_stage",
    undo_stage,
    PROBES,
    _explain,
    WRONG,
    "Copy the trained network, put the one stage back, measure the statistics again, compare the scores.",
    steps=(
        "You need a third network: a deep copy of the trained one. Only this one changes.",
        "Take the stage by its name from the copy and from the start. Copy its parameters, then its buffers, as in "
        "`transfuse`, but for one stage.",
        "Then measure the statistics of the copy again, score both networks, and subtract in the right order.",
    ),
)
