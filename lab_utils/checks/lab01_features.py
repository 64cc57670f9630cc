"""Cases for a student's `extract_features` (exercise 2 of lab 1), on networks of a few dozen weights."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils.checks.outcome import Wrong
from lab_utils.networks import DEFAULT_PREPROCESSING, Preprocessing, head, stages
from lab_utils.similarity import collect_activations, extract_features

Extract = Callable[..., Any]
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


def _shape(student: Extract) -> None:
    _call(student, Tiny().eval(), _images(8), batch_size=8)


def _values(student: Extract) -> None:
    for model in (Tiny().eval(), Tiny("classifier", seed=1).eval()):
        images = _images(8)
        features = _call(student, model, images, batch_size=8)
        expected = extract_features(model, images)
        if not torch.allclose(features, expected, atol=1e-4):
            raise Wrong(
                f"Image 0 of 8: expected features {_row(expected)}, got {_row(features)}. "
                + (_hint_for(features, model, images) or "What enters the head, in eval mode, after preparation?")
            )


def _in_train_mode(student: Extract) -> None:
    model, images = Tiny(seed=2).train(), _images(8)
    features = _call(student, model, images, batch_size=8)
    if not torch.allclose(features, extract_features(model, images), atol=1e-4):
        raise Wrong(
            "The network came in train mode, and the features are not those of eval mode: batch norm has used the "
            "batch, or dropout was on. Put the whole network in eval mode first."
        )


def _batches(student: Extract) -> None:
    model, images = Tiny(seed=3), _images(8)
    expected = extract_features(model, images)
    for batch_size in (3, 5, 1, 100):
        model.seen.clear()
        given = f"8 images, batch_size = {batch_size}"
        features = _tensor(student(model, images, batch_size=batch_size), given)
        if len(features) != 8:
            hint = "Every image needs its row."
            if len(features) == (8 % batch_size or batch_size):
                hint = "These are as many as in the last batch. Do you keep the features of every batch?"
            elif len(features) == 8 // batch_size * batch_size:
                hint = "The last batch is smaller than the others, and it is missing."
            raise Wrong(f"{given}: expected 8 rows, got {len(features)}. {hint}")
        if not torch.allclose(features, expected, atol=1e-4):
            if torch.allclose(features.sort(dim=0).values, expected.sort(dim=0).values, atol=1e-4):
                raise Wrong(f"{given}: the rows are right, but not in the order of the images. Do not shuffle.")
            raise Wrong(f"{given}: the features are not those of one large batch. Every image must stand on its own.")
        if max(size for size, _ in model.seen) > batch_size:
            raise Wrong(f"{given}: the network got {max(model.seen)[0]} images at once. With 100,000 memory runs out.")


def _no_gradients(student: Extract) -> None:
    model = Tiny(seed=4)
    features = _tensor(student(model, _images(4), batch_size=2), "4 images")
    if features.requires_grad or any(grad for _, grad in model.seen):
        raise Wrong(
            "The forward pass kept what a gradient would need, for every batch: memory fills up, and nobody needs "
            "it. Switch gradients off around the forward pass."
        )


def _leaves_the_model(student: Extract) -> None:
    model = Tiny(seed=5)
    layer = head(model)
    student(model, _images(4), batch_size=2)
    found = head(model)
    if found is not layer:
        raise Wrong(
            f"Afterwards the head is another one ({type(found).__name__}, it was a {type(layer).__name__}). Put the "
            "old one back, or the network cannot be used any more."
        )
    hooks = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())
    if hooks:
        raise Wrong(
            f"Afterwards {hooks} hook(s) are still on the network: they go on collecting features in every later "
            "forward pass. A hook has a method `remove()`."
        )


CASES = (_shape, _values, _in_train_mode, _batches, _no_gradients, _leaves_the_model)


def _images(n: int) -> Tensor:
    generator = torch.Generator().manual_seed(n)
    dark = torch.rand(n, 1, 1, 1, generator=generator)
    return (255 * dark * torch.rand(n, 3, 7, 9, generator=generator)).to(torch.uint8)


def _call(student: Extract, model: nn.Module, images: Tensor, batch_size: int) -> Tensor:
    """The student's features, if they are a tensor of the right shape."""
    given = f"{len(images)} images, a network with {MAPS} feature maps and {LOGITS} logits"
    before = copy.deepcopy(model.state_dict())
    result = _tensor(student(model, images, batch_size=batch_size), given)
    if result.shape == (len(images), MAPS):
        _check_unchanged(model, before)
        return result.detach()
    if result.shape == (len(images), LOGITS):
        hint = "These are the logits, which come out of the head. Expected what goes into it."
    elif result.ndim == 4:
        hint = "These are feature maps that are not pooled: average each map over its rows and columns."
    elif result.ndim == 2 and result.shape[0] == len(images):
        hint = "Each map must give one number. Are the maps averaged over rows and columns, or only made flat?"
    else:
        hint = "Over which axes do you average? (N, D, h, w): rows and columns are the last two."
    raise Wrong(f"{given}: expected shape {(len(images), MAPS)}, got {tuple(result.shape)}. {hint}")


def _check_unchanged(model: nn.Module, before: dict[str, Tensor]) -> None:
    moved = [name for name, value in model.state_dict().items() if name in before and not value.equal(before[name])]
    if moved:
        raise Wrong(
            f"Your function has changed the network: {', '.join(moved)}. In train mode batch norm uses the batch, and "
            "moves its stored mean and sd. Which line puts the network in eval mode?"
        )


def _tensor(result: object, given: str) -> Tensor:
    if isinstance(result, list | tuple):
        raise Wrong(f"{given}: got a {type(result).__name__} of {len(result)}. Join the batches to one tensor.")
    if not isinstance(result, Tensor):
        raise Wrong(f"{given}: expected a torch tensor, got a {type(result).__name__}.")
    if result.dtype != torch.float32:
        raise Wrong(f"{given}: expected float32, got {result.dtype}.")
    return result


def _row(features: Tensor) -> str:
    return "[" + ", ".join(f"{value:.2f}" for value in features[0].tolist()) + "]"


def _hint_for(features: Tensor, model: nn.Module, images: Tensor) -> str | None:
    """The mistake that gives these features, if it is a known one."""
    maps = collect_activations(model, images, stages=[list(stages(model))[-1]], pooled=False)
    a = next(iter(maps.values()))
    floats = images.float()
    default = "The images were prepared with other numbers than this network's. They are in `model.preprocessing`."
    none = "The images were not prepared as the weights expect: neither mean nor sd has been used."
    known = [
        (a.sum(dim=(2, 3)), "You add up each map. Expected its average."),
        (a.amax(dim=(2, 3)), "You take the largest value of each map. Expected its average."),
        (_prepared(model, floats), none),
        (_prepared(model, floats / 255), none),
        (_prepared(model, DEFAULT_PREPROCESSING[3](images)), default),
        (_prepared(model, Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 3)(images)), default),
        (_prepared(model, _again(model, images)), "The images were normalised twice."),
        (_in_train_mode_features(model, images), "This is what train mode gives: batch norm has used the batch."),
    ]
    return next((hint for value, hint in known if torch.allclose(features, value, rtol=1e-3, atol=1e-3)), None)


def _prepared(model: nn.Module, inputs: Tensor) -> Tensor:
    """Features of inputs that are taken as they are."""
    return _body(copy.deepcopy(model).eval(), inputs)


def _again(model: nn.Module, images: Tensor) -> Tensor:
    own: Any = model.preprocessing
    return own(own(images))


def _in_train_mode_features(model: nn.Module, images: Tensor) -> Tensor:
    own: Any = model.preprocessing
    return _body(copy.deepcopy(model).train(), own(images))


def _body(model: nn.Module, inputs: Tensor) -> Tensor:
    with torch.no_grad():
        body: Any = model.body
        return body(inputs).mean(dim=(2, 3))
