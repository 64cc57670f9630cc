"""`train_and_watch` (exercise 3 of lab 2), on a network that notes the mode of each training step."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils.checks.exercise import Exercise, Probe, difference, same

Batches = Sequence[tuple[Tensor, Tensor]]
Mode = Callable[[nn.Module], Any]
STEPS = 3


def train_and_watch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    criterion: Callable[[Tensor, Tensor], Tensor],
    batches: Batches,
    mode: Mode,
    watch: Callable[[nn.Module], Any],
) -> list[Any]:
    """The kit's version: one step per batch; what `watch` returned, before the first step and after each."""
    seen = [watch(model)]
    for images, labels in batches:
        mode(model)
        loss = criterion(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(watch(model))
    model.eval()
    return seen


class Witness(nn.Module):
    """Batch norm and a linear layer, (B, 3) to (B, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.top = nn.BatchNorm1d(3), nn.Linear(3, 2)
        self.modes: list[str] = []
        with torch.no_grad():
            self.top.weight.copy_(torch.tensor([[0.5, -0.2, 0.1], [0.3, 0.4, -0.6]]))
            self.top.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            self.modes.append("train" if self.norm.training else "eval")
        logits: Tensor = self.top(self.norm(x))
        return logits


def _with(mode: Mode = nn.Module.train, *, after_looking: Mode = lambda model: None) -> Probe:
    """Train `STEPS` steps; report what came back, and in which modes the network was."""

    def probe(student: Callable[..., Any]) -> dict[str, Any]:
        model, generator = Witness().eval(), torch.Generator().manual_seed(0)
        labels = torch.tensor([[1.0, 0], [0, 1], [1, 1], [0, 0]])
        batches = [(torch.rand(4, 3, generator=generator), labels) for _ in range(STEPS)]

        def watch(seen: nn.Module) -> list[float]:
            after_looking(seen)
            return [round(float(value), 5) for value in model.top.weight.detach().ravel()]

        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        result = student(model, optimizer, nn.functional.binary_cross_entropy_with_logits, batches, mode, watch)
        return {
            "type": "a list" if isinstance(result, tuple) else f"a {type(result).__name__}",
            "steps": len(model.modes),
            "modes": ", ".join(model.modes),
            "seen": list(result) if isinstance(result, list | tuple) else None,
            "end": "train mode" if model.training else "eval mode",
        }

    return probe


def _norm_in_eval(model: nn.Module) -> None:
    model.train().get_submodule("norm").eval()


PROBES = {
    f"{STEPS} batches, mode = nn.Module.train": _with(),
    f"{STEPS} batches, and `watch` leaves the network in eval mode": _with(after_looking=nn.Module.eval),
    f"{STEPS} batches, and `mode` keeps the batch norm in eval mode": _with(_norm_in_eval),
}


def _explain(got: Any, expected: Any) -> str:
    key = next(key for key in expected if not same(got[key], expected[key]))
    if key == "seen" and len(got[key]) != len(expected[key]):
        return f"expected {len(expected[key])} things that `watch` returned, got {len(got[key])}."
    if key == "seen":
        place = next(i for i, pair in enumerate(zip(got[key], expected[key], strict=True)) if not same(*pair))
        when = f"after step {place}" if place else "before the first step"
        return f"what should have been seen {when} is something else than your list holds."
    return {
        "type": f"expected a list, got {got[key]}.",
        "steps": f"expected {expected[key]} forward passes, one for each batch, got {got[key]}.",
        "modes": f"expected the batch norm in these modes, step by step: {expected[key]}. It was in: {got[key]}.",
        "end": f"at the end the network is in {got[key]}.",
    }.get(key) or difference(got, expected)


# ---- wrong answers

Step = Callable[..., Any]


def _usual(model: Any, optimizer: Any, criterion: Any, images: Tensor, labels: Tensor) -> Any:
    loss = criterion(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def _no_zero_grad(model: Any, optimizer: Any, criterion: Any, images: Tensor, labels: Tensor) -> None:
    criterion(model(images), labels).backward()
    optimizer.step()


def _zero_grad_late(model: Any, optimizer: Any, criterion: Any, images: Tensor, labels: Tensor) -> None:
    criterion(model(images), labels).backward()
    optimizer.zero_grad()
    optimizer.step()


def _step_first(model: Any, optimizer: Any, criterion: Any, images: Tensor, labels: Tensor) -> None:
    loss = criterion(model(images), labels)
    optimizer.step()
    optimizer.zero_grad()
    loss.backward()


def _swapped(model: Any, optimizer: Any, criterion: Any, images: Tensor, labels: Tensor) -> None:
    criterion(labels, model(images)).backward()
    optimizer.step()


def _loop(
    step: Step = _usual,
    *,
    before: Callable[[Any, Any], list[Any]] = lambda model, watch: [watch(model)],
    once: Callable[[Any, Mode], Any] = lambda model, mode: None,
    each: Callable[[Any, Mode], Any] = lambda model, mode: mode(model),
    first: Callable[[Any, Any], list[Any]] = lambda model, watch: [],
    then: Callable[[Any, Any, Any], list[Any]] = lambda model, watch, loss: [watch(model)],
    end: Mode = lambda model: model.eval(),
    give: Callable[[list[Any]], Any] = lambda seen: seen,
    most: int = STEPS,
) -> Callable[..., Any]:
    """The usual solution, with one thing done differently."""

    def student(model: Any, optimizer: Any, criterion: Any, batches: Batches, mode: Mode, watch: Any) -> Any:
        seen = before(model, watch)
        once(model, mode)
        for images, labels in batches[:most]:
            each(model, mode)
            seen += first(model, watch)
            loss = step(model, optimizer, criterion, images, labels)
            seen += then(model, watch, loss)
        end(model)
        return give(seen)

    return student


MOVES = (
    "The weights never change. Three calls belong together: `zero_grad` removes the old gradients, `backward` computes "
    "new ones, `step` uses them. In which order?"
)
MODE = "Call `mode(model)` in every step, before the forward pass: `watch` may have changed the mode."
WRONG: tuple[tuple[Callable[..., Any], str], ...] = (
    (_loop(_no_zero_grad), "Gradients add up from step to step if nobody removes the old ones. Which method does?"),
    (_loop(_zero_grad_late), MOVES),
    (_loop(lambda model, optimizer, criterion, x, y: criterion(model(x), y).backward()), MOVES),
    (_loop(lambda model, optimizer, criterion, x, y: (criterion(model(x), y), optimizer.step())), MOVES),
    (_loop(_step_first), "Each step uses the gradient of the batch before. `backward` comes before `step`."),
    (_loop(_swapped), "The loss is `criterion(logits, labels)`: the logits come first."),
    (_loop(before=lambda model, watch: []), "Look once before the first step: it shows where the network started."),
    (
        _loop(first=lambda model, watch: [watch(model)], then=lambda model, watch, loss: [], before=lambda m, w: []),
        "You look before each step, so what the last step does is not seen.",
    ),
    (
        _loop(first=lambda model, watch: [watch(model)], then=lambda model, watch, loss: []),
        "You look before each step, so what the last step does is not seen.",
    ),
    (_loop(then=lambda model, watch, loss: []), "Look after each step too, inside of the loop."),
    (_loop(then=lambda model, watch, loss: [loss.item()]), "Keep what `watch(model)` returns, not the loss."),
    (_loop(give=lambda seen: seen[-1]), "These are all six weights, seen once. Return the list of all looks."),
    (_loop(most=1), "Only one batch was used. Does a `return` stand inside of the loop?"),
    (_loop(once=lambda model, mode: mode(model), each=lambda model, mode: None), MODE),
    (_loop(each=lambda model, mode: model.train()), "Call `mode(model)`, not `model.train()`: `mode` is an argument."),
    (_loop(each=lambda model, mode: None), "Nobody has called `mode(model)`: it belongs before the forward pass."),
    (_loop(end=lambda model: None), "A network in train mode changes when it is used. Call `model.eval()` at the end."),
)

TRAIN_AND_WATCH = Exercise(
    "train_and_watch",
    train_and_watch,
    PROBES,
    _explain,
    WRONG,
    "In each step: mode, forward pass, loss, zero_grad, backward, step, watch.",
    steps=(
        "Make a list that begins with one look. Then a loop over the pairs, with a look at the end of each turn.",
        "Inside of the loop: the mode, the forward pass, the loss. Then three calls: which one removes old gradients?",
        "After the loop two things are left: a mode for the network, and what to return.",
    ),
)
