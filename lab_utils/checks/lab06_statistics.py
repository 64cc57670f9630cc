"""`renew_statistics` in lab 6: what batch norm has measured, measured anew."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils import transfer
from lab_utils.checks.exercise import Exercise, Probe
from lab_utils.checks.lab06_networks import changed, first, pair_of, state
from lab_utils.device import seeded
from lab_utils.networks import DEFAULT_PREPROCESSING, preprocess

Renew = Callable[[nn.Module, Tensor], Any]
NORM = nn.BatchNorm2d


def renew_statistics(model: nn.Module, images: Tensor) -> None:
    """The kit's version."""
    transfer.renew_statistics(model, images)


def _images() -> Tensor:
    """Forty images of 16 pixels, uint8, some brighter than others."""
    rng = torch.Generator().manual_seed(5)
    grey = torch.randint(0, 200, (40, 1, 16, 16), generator=rng) + (7 * torch.arange(40) % 40).view(-1, 1, 1, 1)
    return grey.to(torch.uint8)


def _norms(model: nn.Module) -> dict[str, nn.BatchNorm2d]:
    return {name: m for name, m in model.named_modules() if isinstance(m, NORM)}


def _statistics(model: nn.Module, part: str) -> dict[str, Tensor]:
    return {name: norm.get_buffer(part).clone() for name, norm in _norms(model).items()}


def _measured(student: Renew) -> dict[str, str]:
    """In words, because batches of another size give slightly other numbers."""
    model, _ = pair_of("resnet")
    model.train()
    right, images = pair_of("resnet")[0], _images()
    renew_statistics(right, images)
    before, passes = state(model), list[int]()
    old = {part: _statistics(model, part) for part in ("running_mean", "running_var")}
    with_hook = model.register_forward_hook(lambda *_: passes.append(1))
    student(model, images)
    with_hook.remove()
    weights = [name for name in changed(before, model) if "running" not in name and "num_batches" not in name]
    return {
        "forward passes": "some" if passes else "none",
        "changed, though it is no statistic": first(weights),
        **{f"{part} of batch norms": _told(model, right, old[part], part) for part in old},
        "mode in the end": "train" if any(m.training for m in model.modules()) else "eval",
        "momentum in the end": "as before" if {n.momentum for n in _norms(model).values()} == {0.1} else "another one",
    }


def _told(model: nn.Module, right: nn.Module, old: dict[str, Tensor], part: str) -> str:
    """Say what the first batch norm holds that is not measured on the images."""
    now, wanted, spread = _statistics(model, part), _statistics(right, part), _statistics(right, "running_var")
    start = 0.0 if part == "running_mean" else 1.0
    for name in now:
        unit = spread[name].sqrt() if part == "running_mean" else wanted[name]
        if _near(now[name], wanted[name], unit):
            continue
        for words, other in (
            (f"{name}: as before", old[name]),
            (f"{name}: {start:g} everywhere", torch.full_like(now[name], start)),
            (f"{name}: one tenth is of the images, nine tenths are old", 0.9 * old[name] + 0.1 * wanted[name]),
            (f"{name}: one tenth is of the images, the rest is {start:g}", 0.9 * start + 0.1 * wanted[name]),
            (f"{name}: the mean of the old ones and those of the images", 0.5 * old[name] + 0.5 * wanted[name]),
        ):
            if torch.allclose(now[name], other, rtol=1e-3, atol=1e-4):
                return words
        return f"{name}: neither the old ones nor those of the images"
    return "those of the images"


def _near(now: Tensor, wanted: Tensor, unit: Tensor) -> bool:
    return bool(((now - wanted).abs() / unit < 0.2).all())


def _dropout(student: Renew) -> str:
    """A network that drops values in train mode: its second batch norm must not see that."""
    model, right = _with_dropout(), _with_dropout()
    renew_statistics(right, _images())
    student(model, _images())
    mine, wanted = (net.get_buffer("4.running_var") for net in (model, right))
    return "as with all values" if bool((mine < 2 * wanted).all()) else "several times too large"


def _with_dropout() -> nn.Module:
    with seeded(0, "cpu"):
        model = nn.Sequential(nn.Conv2d(1, 4, 3), NORM(4), nn.Dropout(0.9), nn.Conv2d(4, 4, 3), NORM(4))
    vars(model)["preprocessing"] = DEFAULT_PREPROCESSING[1]
    return model


PROBES: dict[str, Probe] = {
    "A ResNet and 40 images": _measured,
    "A network with dropout; the variance that its last batch norm measures": _dropout,
}


# ---- wrong answers


def _afresh(norm: Any) -> None:
    norm.reset_running_stats()
    norm.momentum = None


def _reset_all(norm: Any) -> None:
    norm.reset_parameters()
    norm.momentum = None


def _way(
    prepare: Callable[[nn.Module], Any] = lambda model: model.eval(),
    norm: Callable[[Any], Any] = _afresh,
    see: Callable[[nn.Module, Tensor], Any] = lambda model, images: model(preprocess(model, images)),
    end: Callable[[Any], Any] = lambda norm: setattr(norm, "momentum", 0.1),
    mode: bool = False,
) -> Renew:
    """The right way with a part exchanged."""

    def student(model: nn.Module, images: Tensor) -> None:
        prepare(model)
        for layer in _norms(model).values():
            norm(layer)
            layer.train()
        with torch.no_grad():
            see(model, images)
        for layer in _norms(model).values():
            end(layer)
        model.train(mode)

    return student


def _in_eval_mode(model: nn.Module, images: Tensor) -> None:
    for layer in _norms(model).values():
        layer.reset_running_stats()
    model.eval()
    with torch.no_grad():
        model(preprocess(model, images))


def _trains(model: nn.Module, images: Tensor) -> None:
    with torch.enable_grad():
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model(preprocess(model, images)).square().mean().backward()
        optimizer.step()


RUNNING = "Only a batch norm in train mode measures. In which mode is yours during the forward pass?"
MIXED = (
    "One batch moves the statistics by `momentum`, a tenth. With `momentum = None` they are a plain mean over batches."
)

WRONG: tuple[tuple[Renew, str], ...] = (
    (lambda model, images: model.eval(), RUNNING),
    (_in_eval_mode, RUNNING),
    (_way(norm=lambda norm: None), MIXED),
    (_way(norm=lambda norm: norm.reset_running_stats()), MIXED),
    (
        _way(norm=lambda norm: setattr(norm, "momentum", None)),
        "The old batches still count. Which method of a batch norm makes it forget them?",
    ),
    (_way(see=lambda model, images: None), "Show the images to the network: its batch norms measure on the way."),
    (
        _way(see=lambda model, images: model(images.float() / 255)),
        "The network must see the images as in training: `preprocess(model, images)`.",
    ),
    (_way(see=_trains), "Nothing is trained here: no optimizer, only a forward pass."),
    (
        _way(norm=_reset_all),
        "`reset_parameters` also sets scale and shift back, and these were learned.",
    ),
    (_way(mode=True), "Put the whole network in eval mode in the end: what comes next is a measurement."),
    (_way(end=lambda norm: None), "Somebody may train this network later. Give every batch norm its momentum back."),
    (
        _way(prepare=lambda model: model.train()),
        "Put the network in eval mode first and only its batch norms in train mode: dropout stays off then.",
    ),
)

RENEW_STATISTICS = Exercise(
    "renew_statistics",
    renew_statistics,
    PROBES,
    wrong=WRONG,
    advice="Forget the old statistics, let the batch norms measure on the images; nothing else changes.",
    steps=(
        "List the batch norms of the network first: `model.modules()` and `isinstance`. You need this list often.",
        "Before the forward pass: all in eval mode; then let each batch norm forget, set `momentum` to None, and "
        "switch this one module to train mode.",
        "After the forward pass: give each batch norm its momentum back, and put the whole network in eval mode.",
    ),
)
