"""Check of `fine_tune` in lab 3: a small network writes down what is done to it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils import training, transfer
from lab_utils.checks.exercise import Exercise
from lab_utils.checks.outcome import Wrong
from lab_utils.data import Split
from lab_utils.networks import Preprocessing
from lab_utils.training import History

FineTune = Callable[..., History]
HEAD_STEPS, STEPS, LR, DECAY = 3, 5, 0.02, 0.5


def fine_tune(
    model: nn.Module,
    train_split: Split,
    val: Split | None,
    head_steps: int,
    steps: int,
    lr: float,
    decay: float,
    **settings: Any,
) -> History:
    """The kit's version."""
    return training.fine_tune(
        model, train_split, val, head_steps=head_steps, steps=steps, lr=lr, decay=decay, **settings
    )


@dataclass
class Step:
    """What the network saw at one training step, before its weights changed."""

    images: int
    brightest: float
    trainable: set[str]
    backbone: dict[str, Tensor]


class Witness(nn.Module):
    """Two stages and a head; keeps a record of every training step."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            self.stem = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU())
            self.layer1 = nn.Sequential(nn.Conv2d(4, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())
            self.head = nn.Linear(8, 2)
        self.preprocessing = Preprocessing(mean=(0.0,), std=(1.0,), channels=1)
        self.name = "witness"
        self.record: list[Step] = []

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            trainable = {name for name, p in self.named_parameters() if p.requires_grad}
            self.record.append(Step(len(x), float(x.detach().max()), trainable, self.backbone()))
        return self.head(self.layer1(self.stem(x)).mean(dim=(2, 3)))

    def backbone(self) -> dict[str, Tensor]:
        state = self.state_dict()
        return {name: value.detach().cpu().clone() for name, value in state.items() if not name.startswith("head")}


@dataclass
class Trial:
    """One call of a student's function, and all that was seen of it."""

    student: FineTune
    with_val: bool = True
    model: Witness = field(default_factory=Witness)
    rates: list[dict[str, float]] = field(default_factory=list)  # one dict per optimizer: parameter -> rate
    result: Any = None

    def run(self) -> "Trial":
        val = _images(dark=False) if self.with_val else None
        # eval_every: one row in the history for each part, after its last step
        settings = {"batch_size": 8, "seed": 3, "eval_every": 99, "optimizer": self._optimizer, "progress": False}
        self.result = self.student(self.model, _images(dark=True), val, HEAD_STEPS, STEPS, LR, DECAY, **settings)
        if not self.model.record:
            raise Wrong("The network was not trained at all. Which function of the kit trains?")
        if not self.rates:
            raise Wrong(
                "`fit` did not get the settings: it was called with optimizer=..., but it used another optimizer. "
                "Hand everything in `settings` on to both calls of `fit`."
            )
        return self

    def _optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        names = {id(p): name for name, p in self.model.named_parameters()}
        self.rates.append({names[id(p)]: float(group["lr"]) for group in groups for p in group["params"]})
        return torch.optim.SGD(groups)

    def frozen(self) -> list[bool]:
        """For each training step, whether the whole backbone was frozen."""
        return [all(name.startswith("head") for name in step.trainable) for step in self.model.record]


def _images(*, dark: bool) -> Split:
    """24 images to train on (dark), or to validate on (bright): the network can tell which it was trained on."""
    g = torch.Generator().manual_seed(int(dark))
    labels = torch.arange(24) % 2
    images = torch.randint(0, 50, (24, 1, 9, 9), generator=g) + 20 * labels[:, None, None, None]
    images += 0 if dark else 160
    return Split(images.to(torch.uint8), labels, torch.arange(24) + (0 if dark else 100), "binary", ("no", "yes"))


def _two_parts(trial: Trial) -> None:
    frozen, everything = trial.frozen(), {name for name, _ in trial.model.named_parameters()}
    first = trial.model.record[0].trainable
    given = f"head_steps = {HEAD_STEPS}, steps = {STEPS}."
    if any("head.weight" not in step.trainable for step in trial.model.record):
        raise Wrong(f"{given} The head was frozen in some steps. It must learn in both parts.")
    if first == everything:
        if not any(frozen):
            raise Wrong(
                f"{given} In the first step everything was trainable. Which function freezes the backbone? To hand "
                "only the head to the optimizer is not enough: batch norm in train mode changes without an optimizer."
            )
        raise Wrong(f"{given} You began with the whole network. The head comes first.")
    if not frozen[0]:
        left = sorted(name for name in first if not name.startswith("head"))
        raise Wrong(f"{given} In the first part '{left[0]}' was still trainable. All of the backbone must be frozen.")
    if all(frozen):
        if len(frozen) == HEAD_STEPS:
            raise Wrong(f"{given} Only the first part ran: {len(frozen)} steps. Where is the second?")
        raise Wrong(f"{given} The backbone was frozen in all {len(frozen)} steps. What must happen between the parts?")
    if any(step.trainable != everything for step, still in zip(trial.model.record, frozen, strict=True) if not still):
        raise Wrong(f"{given} In the second part something was still frozen. Everything is trained there.")
    parts = (sum(frozen), len(frozen) - sum(frozen))
    if parts != (HEAD_STEPS, STEPS):
        swapped = " The two numbers are exchanged." if parts == (STEPS, HEAD_STEPS) else ""
        raise Wrong(f"{given} Your first part had {parts[0]} steps, your second {parts[1]}.{swapped}")


def _backbone_stays(trial: Trial) -> None:
    before, after = (trial.model.record[step].backbone for step in (0, HEAD_STEPS))
    if moved := [name for name in before if not torch.equal(before[name], after[name])]:
        statistics = all("running" in name or "num_batches" in name for name in moved)
        reason = (
            "These are batch-norm statistics: they drift in train mode, although no gradient reaches them (Lab 2)."
            if statistics
            else "Is it really frozen, and is it out of the optimizer?"
        )
        raise Wrong(f"While the head was trained, '{moved[0]}' changed (and {len(moved) - 1} more). {reason}")
    last = trial.model.record[-1].backbone  # not after training: `fit` goes back to the best weights
    if all(torch.equal(before[name], last[name]) for name in before):
        raise Wrong("In the second part the backbone did not change. Did the optimizer get its parameters?")


def _rates(trial: Trial) -> None:
    if len(trial.rates) != 2:
        raise Wrong(
            f"Expected one call of `fit` for each part, both with all settings (optimizer=... is one of them); "
            f"{len(trial.rates)} came with it."
        )
    head, both = trial.rates
    if abs(head["head.weight"] - LR) > 1e-9:
        raise Wrong(f"lr = {LR:g}: in the first part the head had the learning rate {head['head.weight']:g}.")
    expected = {
        name: group["lr"]
        for group in transfer.param_groups(trial.model, LR, decay=DECAY)
        for name, p in trial.model.named_parameters()
        if any(p is q for q in group["params"])
    }
    given = f"lr = {LR:g}, decay = {DECAY:g}, second part:"
    if missing := sorted(set(expected) - set(both)):
        raise Wrong(
            f"{given} '{missing[0]}' was in no parameter group. Groups leave out what is frozen: "
            "when did you make them, before or after you unfroze the network?"
        )
    if len(set(both.values())) == 1:
        raise Wrong(f"{given} every parameter had the rate {both['head.weight']:g}. Where do the rates by depth go in?")
    for name, rate in expected.items():
        if abs(both[name] - rate) > 1e-9:
            raise Wrong(f"{given} '{name}' should have the rate {rate:g}, it had {both[name]:g}.")


def _right_images(trial: Trial) -> None:
    dark = [step.brightest < 0.5 for step in trial.model.record]
    if not all(dark):
        which = "validation images instead of training images" if not any(dark) else "validation images too"
        raise Wrong(f"You trained on {which}. Then they can no longer tell how well the network does on new ones.")


def _all_trainable(trial: Trial) -> None:
    if frozen := [name for name, p in trial.model.named_parameters() if not p.requires_grad]:
        raise Wrong(f"In the end '{frozen[0]}' is frozen. Leave everything trainable.")


def _one_history(trial: Trial) -> None:
    result = trial.result
    if isinstance(result, tuple | list):
        raise Wrong(f"Expected one history, got {len(result)}. `first.then(second)` joins them.")
    if not isinstance(result, History):
        raise Wrong(f"Expected a history, got a {type(result).__name__}. `fit` returns one; `.then` joins two.")
    last = result.rows[-1]["step"] if result.rows else 0
    if last != HEAD_STEPS + STEPS:
        raise Wrong(
            f"{HEAD_STEPS} + {STEPS} steps, but the history ends at step {last:g}. "
            "It must hold both parts, first things first: which of the two has `.then`?"
        )
    steps = [row["step"] for row in result.rows]
    if steps != [HEAD_STEPS, HEAD_STEPS + STEPS]:
        raise Wrong(f"The history has rows for the steps {steps}. The head comes first: `first.then(second)`.")
    if without := [row["step"] for row in result.rows if "val_loss" not in row]:
        raise Wrong(f"At step {without[0]:g} nothing was measured on `val`. Hand it to both calls of `fit`.")


def _with_val(student: FineTune) -> None:
    trial = Trial(student).run()
    for look in (_two_parts, _backbone_stays, _rates, _right_images, _all_trainable, _one_history):
        look(trial)


def _without_val(student: FineTune) -> None:
    trial = Trial(student, with_val=False).run()
    if not isinstance(trial.result, History):
        raise Wrong("val = None: expected a history all the same.")


FINE_TUNE = Exercise(
    "fine_tune",
    fine_tune,
    cases=(_with_val, _without_val),
    steps=(
        "There are two parts, and each is one call of `fit`. Before each, say what can learn: one function of the "
        "kit freezes the backbone, its partner frees it.",
        "The first call gets one rate. The second one gets groups instead, from your `param_groups`: which "
        "argument of `fit` takes them?",
        "Both calls get `train`, `val` and the settings. Join the two histories as the text says.",
    ),
)
