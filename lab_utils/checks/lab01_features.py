"""`extract_features` (exercise 2 of lab 1), on networks of a few dozen weights."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils.checks.exercise import Exercise, Probe, same
from lab_utils.networks import Preprocessing, head
from lab_utils.similarity import extract_features

MAPS, LOGITS = 6, 4


class Tiny(nn.Module):
    """One convolution, batch norm and ReLU, pooled, dropout, and a head under a name of choice.

    It notes the size of every batch it sees, and whether gradients were on.
    """

    def __init__(self, head_name: str = "head", seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            norm = nn.BatchNorm2d(MAPS)
            self.body = nn.Sequential(nn.Conv2d(3, MAPS, 3), norm, nn.ReLU())
            self.drop = nn.Dropout(0.5)
            self.add_module(head_name, nn.Linear(MAPS, LOGITS))
            norm.running_mean = torch.randn(MAPS) / 4  # a source task that differs from any batch here
            norm.running_var = torch.rand(MAPS) + 0.5
        # Not the kit's default: the numbers have to come from the model.
        self.preprocessing = Preprocessing((0.3, 0.4, 0.6), (0.1, 0.2, 0.15), 3)
        self.seen: list[tuple[int, bool]] = []

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, 3, H, W) to logits (B, 4)."""
        self.seen.append((len(x), torch.is_grad_enabled()))
        logits: Tensor = head(self)(self.drop(self.body(x).mean(dim=(2, 3))))
        return logits


def _images(n: int) -> Tensor:
    generator = torch.Generator().manual_seed(n)
    dark = torch.rand(n, 1, 1, 1, generator=generator)
    return (255 * dark * torch.rand(n, 3, 7, 9, generator=generator)).to(torch.uint8)


def _on(batch_size: int, *, name: str = "head", train: bool = False) -> Probe:
    """Report the features of 8 images, and what became of the network."""

    def probe(student: Callable[..., Any]) -> dict[str, Any]:
        model = Tiny(name, seed=batch_size).train(train)  # each time another network
        layer, before = head(model), copy.deepcopy(model.state_dict())
        result = student(model, _images(8), batch_size=batch_size)
        after, found = model.state_dict(), head(model)
        is_tensor = isinstance(result, Tensor)
        return {
            "type": str(result.dtype) if is_tensor else f"a {type(result).__name__}",
            "changed": [key for key in before if key in after and not after[key].equal(before[key])],
            "features": result.detach() if is_tensor else None,
            "at once": max([batch_size, *(size for size, _ in model.seen)]),
            "gradients": (is_tensor and result.requires_grad) or any(grad for _, grad in model.seen),
            "head": "the old one" if found is layer else f"a {type(found).__name__}",
            "hooks": sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()),
        }

    return probe


PROBES = {
    f"8 images, batch_size = 8, a network with {MAPS} feature maps and {LOGITS} logits": _on(8),
    "A network whose head has the name `classifier`": _on(9, name="classifier"),
    "A network that comes in train mode": _on(10, train=True),
    **{f"8 images, batch_size = {size}": _on(size, train=True) for size in (3, 5, 1, 100)},
}


def _explain(got: Any, expected: Any) -> str:
    key = next(key for key in expected if not same(got[key], expected[key]))
    return {
        "type": f"expected a torch tensor of type float32, got {got['type']}.",
        "changed": f"your function has changed the network: {', '.join(got['changed'])}. In train mode batch norm uses "
        "the batch, and moves its stored mean and sd.",
        "at once": f"the network got {got['at once']} images at once. With 100,000 memory runs out.",
        "gradients": "the forward pass kept what a gradient would need, for every batch: memory fills up, and nobody "
        "needs it. Switch gradients off around the forward pass.",
        "head": f"afterwards the head is {got['head']}. Put the old one back, or the network cannot be used any more.",
        "hooks": f"afterwards {got['hooks']} hook(s) are still on the network: they go on collecting features in every "
        "later forward pass.",
    }.get(key) or _about_features(got["features"], expected["features"])


def _about_features(got: Tensor, expected: Tensor) -> str:
    if got.shape != expected.shape:
        hint = "Over which axes do you average? (N, D, h, w): rows and columns are the last two."
        if got.shape == (len(expected), LOGITS):
            hint = "These are the logits, which come out of the head. Expected what goes into it."
        elif got.ndim == 4:
            hint = "These are feature maps that are not pooled: average each map over its rows and columns."
        elif got.ndim == 2 and len(got) == len(expected):
            hint = "Each map must give one number. Are the maps averaged over rows and columns, or only made flat?"
        elif got.ndim == 2 and got.shape[1] == MAPS:
            hint = "Every image needs its row: do you keep the features of every batch, also of the last, smaller one?"
        return f"expected shape {tuple(expected.shape)}, got {tuple(got.shape)}. {hint}"
    if same(got.sort(dim=0).values, expected.sort(dim=0).values):
        return "the rows are right, but not in the order of the images. Do not shuffle."
    row, right = ("[" + ", ".join(f"{value:.2f}" for value in rows[0].tolist()) + "]" for rows in (got, expected))
    return f"image 0 of 8: expected features {right}, got {row}."


# ---- wrong answers


def _prepare(model: Any, batch: Tensor) -> Tensor:
    prepared: Tensor = model.preprocessing(batch)
    return prepared


def _hooked(
    *,
    layer: Callable[[Any], nn.Module] = head,
    take: Callable[[Tensor, Tensor], Tensor] = lambda entered, left: entered,
    prepare: Callable[[Any, Tensor], Tensor] = _prepare,
    mode: Callable[[Any], Any] = lambda model: model.eval(),
    grad: bool = False,
    order: Callable[[int, int], Any] = lambda images, batch_size: slice(None),
    batch: Callable[[int, int], int] = lambda images, batch_size: batch_size,
    remove: bool = True,
    end: Callable[[list[Tensor]], Any] = torch.cat,
) -> Callable[..., Any]:
    """The usual solution, with one thing done differently."""

    def student(model: nn.Module, images: Tensor, batch_size: int = 256) -> Any:
        kept: list[Tensor] = []
        hook = layer(model).register_forward_hook(lambda _, inputs, left: kept.append(take(inputs[0], left)))
        mode(model)
        chosen = images[order(len(images), batch_size)]
        with torch.set_grad_enabled(grad):
            for part in chosen.split(batch(len(images), batch_size)):
                model(prepare(model, part))
        if remove:
            hook.remove()
        return end(kept)

    return student


def _of_maps(pool: Callable[[Tensor], Tensor]) -> Callable[..., Any]:
    return _hooked(layer=lambda model: model.body, take=lambda entered, left: pool(left))


def _identity(model: nn.Module, images: Tensor, batch_size: int = 256) -> Tensor:
    setattr(model.eval(), "head" if hasattr(model, "head") else "classifier", nn.Identity())
    with torch.no_grad():
        return torch.cat([model(_prepare(model, part)) for part in images.split(batch_size)])


def _whole_batches(images: int, batch_size: int) -> slice:
    return slice(max(images // batch_size * batch_size, min(images, batch_size)))


EVAL = "Which line puts the *whole* network in eval mode? In train mode batch norm uses the batch, and dropout is on."
NOT_PREPARED = "The images were not prepared as the weights expect: neither mean nor sd has been used."
OTHER = "The images were prepared with other numbers than this network's. They are in `model.preprocessing`."
AXES = "Rows and columns are the last two axes, and both go."
GRADIENTS = "`torch.no_grad()` has to be around the call of the model."
WRONG: tuple[tuple[Callable[..., Any], str], ...] = (
    (_hooked(mode=lambda model: None), EVAL),
    (_hooked(mode=lambda model: (model.train(), model.drop.eval())), EVAL),
    (_hooked(mode=lambda model: model.train()), EVAL),
    (_hooked(mode=lambda model: model.body.eval()), EVAL),
    (_hooked(take=lambda entered, left: left), "A hook gets the inputs of its layer too."),
    (_of_maps(lambda maps: maps), AXES),
    (_of_maps(lambda maps: maps.flatten(1)), AXES),
    (_of_maps(lambda maps: maps.mean(dim=(0, 1))), AXES),
    (_of_maps(lambda maps: maps.mean(dim=2)), AXES),
    (_of_maps(lambda maps: maps.sum(dim=(2, 3))), "You add up each map. Expected its average."),
    (_of_maps(lambda maps: maps.amax(dim=(2, 3))), "You take the largest value of each map. Expected its average."),
    (_hooked(grad=True), GRADIENTS),
    (_hooked(grad=True, end=lambda parts: torch.cat(parts).detach()), GRADIENTS),
    (_hooked(order=lambda n, size: slice(None) if size >= n else torch.randperm(n)), "Row i belongs to image i."),
    (_hooked(end=lambda parts: parts[-1]), "These are those of the last batch only."),
    (_hooked(order=_whole_batches), "The last batch is smaller than the others, and it is missing."),
    (_hooked(batch=lambda n, size: n), "`batch_size` is how many may go through the network at a time."),
    (_hooked(prepare=lambda model, batch: batch.float()), NOT_PREPARED),
    (_hooked(prepare=lambda model, batch: batch / 255), NOT_PREPARED),
    (_hooked(prepare=lambda model, batch: (batch / 255 - 0.5) / 0.25), OTHER),
    (
        _hooked(prepare=lambda model, batch: Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 3)(batch)),
        OTHER,
    ),
    (_hooked(prepare=lambda model, batch: _prepare(model, _prepare(model, batch))), "They were normalised twice."),
    (_hooked(remove=False), "A hook has a method `remove()`."),
    (_identity, "Keep it in a variable first."),
    (_hooked(end=lambda parts: parts), "Join the batches to one tensor."),
    (_hooked(end=lambda parts: torch.cat(parts).numpy()), "The text asks for a torch tensor."),
    (
        _hooked(layer=lambda model: model.head),
        "Not every network calls its head `head`: `head(model)` finds it under any name.",
    ),
)

EXTRACT_FEATURES = Exercise(
    "extract_features",
    extract_features,
    PROBES,
    _explain,
    WRONG,
    "What enters the head in eval mode?",
    steps=(
        "A hook on the head sees what enters it: `register_forward_pre_hook` takes a function of (layer, "
        "inputs). Let it add the first input to a list.",
        "Before you go through the images: which mode should the network be in, and do you need gradients?",
        "Go in batches, normalise each with the numbers of this network, and call the model. In the end take "
        "the hook off, and join what the list holds.",
    ),
)
