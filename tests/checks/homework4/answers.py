"""Wrong answers to homework 4: what students write, words of the hint that fits, and the share of the points."""

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

# ---- A1


def one_name():
    return "resnet18"


def three_names():
    return "resnet18", "resnet50", "cbr_tiny"


def twice_the_same():
    return "resnet18", "resnet18"


def misspelt():
    return "cbr_tiny", "resnet_18"


# ---- B1: the first two are the mistake of all five real notebooks


def formula(of):
    """Prepare by `of(x, m, s)`: images of all channels from 0 to 255, mean and std in the right shape."""

    def student(images, mean, std):
        column = [torch.tensor(values).view(1, -1, 1, 1) for values in (mean, std)]
        return of(images.float().repeat(1, len(mean), 1, 1), *column)

    return student


def spoils_its_input(images, mean, std):
    result = (images / 255 - torch.tensor(mean).view(1, -1, 1, 1)) / torch.tensor(std).view(1, -1, 1, 1)
    images.zero_()
    return result


def no_return(*arguments):
    arguments = list(arguments)


# ---- B2


def adds_in_place(weight):
    weight[:, 0] += weight[:, 1]
    weight[:, 0] += weight[:, 2]
    return weight[:, :1]


def brightness(weight):
    return (weight * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)


# ---- C1


def never_unfreezes(model, classifier):
    for name, parameter in model.named_parameters():
        if not name.startswith(classifier + "."):
            parameter.requires_grad = False


# ---- C2


def with_norms(chosen, act=nn.Module.eval, first=nn.Module.train):
    """Call `first(model)`, then `act` on each batch norm for which `chosen` holds."""

    def student(model):
        first(model)
        for module in model.modules():
            if isinstance(module, _BatchNorm) and chosen(module):
                act(module)

    return student


def is_frozen(norm):
    return not norm.weight.requires_grad


def norms_of_grandchildren(model):
    model.train()
    for module in (module for child in model.children() for module in child.children()):
        if isinstance(module, _BatchNorm) and is_frozen(module):
            module.eval()


# ---- C3


def learning(model):
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


# ---- D1


def _compared(a, b):
    return {
        "accuracy_a": a.mean(),
        "accuracy_b": b.mean(),
        "difference": a.mean() - b.mean(),
        "only_a_right": (a & ~b).sum(),
        "only_b_right": (b & ~a).sum(),
    }


def paired(change=lambda a, b, right: {}, called=lambda probs, threshold: probs >= threshold):
    """Change the right answer; a and b: which images each network has right."""

    def student(labels, probs_a, probs_b, threshold):
        a, b = (called(probs, threshold) == (labels == 1) for probs in (probs_a, probs_b))
        return _compared(a, b) | change(a, b, _compared(a, b))

    return student


def only_called_positive(labels, probs_a, probs_b, threshold):
    a, b = probs_a >= threshold, probs_b >= threshold
    counts = {name: count for name, count in _compared(a, b).items() if name.startswith("only")}
    return paired(lambda *_: counts)(labels, probs_a, probs_b, threshold)


def no_counts(*inputs):
    return {name: value for name, value in paired()(*inputs).items() if not name.startswith("only")}


# ---- E1


def _rates(labels, probs, threshold):
    called = probs >= threshold
    return labels.mean(), called[labels == 1].mean(), (~called[labels == 0]).mean()


def _accuracy(share, sensitivity, specificity):
    return share * sensitivity + (1 - share) * specificity


def _parts(at_a, moved, at_b):
    return {"gap": at_a - at_b, "from_prevalence": at_a - moved, "from_images": moved - at_b}


def gap(change, threshold=None):
    """Change the right answer: `change(right, a, b)`; a and b: prevalence, sensitivity and specificity."""

    def student(labels_a, probs_a, labels_b, probs_b, given):
        cut = given if threshold is None else threshold
        a, b = _rates(labels_a, probs_a, cut), _rates(labels_b, probs_b, cut)
        return change(_parts(_accuracy(*a), _accuracy(b[0], *a[1:]), _accuracy(*b)), a, b)

    return student


def changed_places(right, a, b):
    return right | {"from_prevalence": right["from_images"], "from_images": right["from_prevalence"]}


def rates_of_b(right, a, b):
    images = _accuracy(*a) - _accuracy(a[0], *b[1:])
    return right | {"from_prevalence": right["gap"] - images, "from_images": images}


def difference_of_shares(right, a, b):
    return right | {"from_prevalence": a[0] - b[0], "from_images": right["gap"] - a[0] + b[0]}


def rounded(values, digits):
    return {key: round(float(value), digits) for key, value in values.items()}


# question: (wrong answer, words of the public hint, of a hidden hint if they are others, share of the hidden points)
WRONG = {
    "choose_models": [
        (one_name, "two names", 0),
        (three_names, "two names", 0),
        (twice_the_same, "Both names are the same", 0.6),
        (misspelt, "Did you mean 'resnet18'", 0.6),
    ],
    "prepare": [
        (formula(lambda x, m, s: x), "not normalised", "not normalised", 0),
        (formula(lambda x, m, s: x / 255), "not normalised", "not normalised", 0),
        (formula(lambda x, m, s: (x - x.mean()) / x.std()), "of the images themselves", "of the images themselves", 0),
        (formula(lambda x, m, s: (x - m) / s), "not divided by 255", "not divided by 255", 0),
        (
            formula(lambda x, m, s: (x / 255 - m[:, :1]) / s[:, :1]),
            "Every channel has its own",
            "Every channel has its own",
            1 / 3,
        ),
        (formula(lambda x, m, s: (x / x.max() - m) / s), "own largest value", "own largest value", None),
        (formula(lambda x, m, s: x / 255 / s - m), "right order", "right order", 0),
        (spoils_its_input, None, "changes the tensor", 5 / 6),
        (no_return, "returned a NoneType", "returned a NoneType", 0),
    ],
    "first_conv": [
        (
            lambda weight: nn.Conv2d(1, len(weight), weight.shape[-1]).weight,
            "draws new random filters",
            "draws new random filters",
            1 / 4,
        ),
        (
            lambda weight: weight.mean(dim=1, keepdim=True),
            "the mean over the channels",
            "the mean over the channels",
            1 / 4,
        ),
        (lambda weight: weight[:, :1], "one channel of the filters", "one channel of the filters", 1 / 4),
        (lambda weight: weight.sum(dim=1), "keep its axis", "keep its axis", 0),
        (adds_in_place, None, "changes the tensor", 3 / 4),
        (lambda weight: weight.sum(dim=1, keepdim=True) / 3**0.5, "not their strength", "not their strength", 1 / 4),
        (brightness, "does not answer a grey image", "does not answer a grey image", 1 / 4),
        (no_return, "returned a NoneType", "returned a NoneType", 0),
    ],
    "freeze_backbone": [
        (lambda m, top: m.requires_grad_(False), "Every parameter is frozen", 0),
        (lambda m, top: m.eval(), "`eval()` changes how", "nothing is frozen", 0),
        (lambda m, top: [vars(c).update(requires_grad=False) for c in m.children()], "a *module* an attribute", 0),
        (
            lambda m, top: [c.requires_grad_(False) for c in m.modules() if isinstance(c, nn.Conv2d)],
            "can still learn",
            0,
        ),
        (never_unfreezes, "whatever was frozen before", 3 / 4),
        (lambda m, top: [c.requires_grad_(name == top) for name, c in m.named_children()], "none of its layers", 0),
        (lambda m, top: [p.requires_grad_(n.startswith(top)) for n, p in m.named_parameters()], "begin like", 3 / 4),
        (lambda m, top: by_identity(m, top).eval(), "changed the mode", None),
    ],
    "train_mode": [  # the first is the mistake of all five real notebooks
        (lambda m: m.train(), "`model.train()` alone over a frozen", 1 / 6),
        (lambda m: m.eval(), "classifier is in eval mode", 0),
        (with_norms(lambda norm: True), "that learns is in eval mode", 1 / 3),
        (with_norms(is_frozen, lambda norm: vars(norm).update(momentum=0.0)), "Do not change `momentum`", 1 / 6),
        (with_norms(is_frozen, first=lambda model: None), "that learns is in eval mode", 1 / 2),
        (norms_of_grandchildren, "deep inside of blocks", None),
    ],
    "optimizer_parameters": [  # the first is the mistake of all five real notebooks
        (lambda m: m.parameters(), "parameters that are frozen", 1 / 5),
        (lambda m: [(name, p) for name, p in m.named_parameters() if p.requires_grad], "Names, perhaps", 0),
        (lambda m: [p.clone() for p in learning(m)], "These are copies", 0),
        (lambda m: [p.data for p in learning(m)], "or the `.data`", 0),
        (
            lambda m: [p for name, p in m.named_parameters() if p.requires_grad and name.endswith("weight")],
            "can learn is missing",
            0,
        ),
        (lambda m: learning(m) * 2, "returned twice", 0),
        (no_return, "returned None", 0),
    ],
    "paired_difference": [
        (paired(called=lambda probs, threshold: probs > threshold), "compare with >=", 0),
        (paired(called=lambda probs, threshold: probs >= 0.5), "need not be 0.5", 3 / 5),
        (paired(lambda a, b, right: {"only_a_right": a.sum(), "only_b_right": b.sum()}), "*and* B has wrong", 0),
        (paired(lambda a, b, right: {"difference": -right["difference"]}), "wrong sign", 1 / 5),
        (paired(lambda a, b, right: {"accuracy_a": 100 * a.mean(), "accuracy_b": 100 * b.mean()}), "in percent", 0),
        (only_called_positive, "*calls positive*", 1 / 5),
        (paired(lambda a, b, right: {"difference": abs(right["difference"])}), "wrong sign", 3 / 5),
        (paired(lambda a, b, right: rounded(right, 2)), "are rounded", None),
        (no_counts, "there is no 'only_a_right'", 0),
    ],
    "explain_gap": [
        (gap(changed_places), "have changed places", 0),
        (gap(rates_of_b), "specificity of B", 1 / 4),
        (gap(difference_of_shares), "difference of the two prevalences", 0),
        (gap(lambda _, a, b: _parts(_accuracy(*b), _accuracy(a[0], *b[1:]), _accuracy(*a))), "wrong sign", 0),
        (gap(lambda right, a, b: right, threshold=0.5), "need not be 0.5", 1 / 2),
        (gap(lambda right, a, b: rounded(right, 3)), "are rounded", None),
        (lambda *inputs: [0.1, 0.0, np.float64(0.1)], "should return a dict", 0),
    ],
}
CASES = [(name, *entry[:2], *entry[-2:]) for name, entries in WRONG.items() for entry in entries]
IDS = [f"{name}-{entry[0].__name__}" for name, entries in WRONG.items() for entry in entries]


# ---- other right answers


def normalised_by_torchvision(images, mean, std):
    from torchvision.transforms.functional import normalize

    return normalize((images / 255).expand(-1, len(mean), -1, -1), list(mean), list(std))


def by_einsum(weight):
    return torch.einsum("ochw->ohw", weight).unsqueeze(1)


def by_identity(model, classifier):
    top = {id(parameter) for parameter in model.get_submodule(classifier).parameters()}
    for parameter in model.parameters():
        parameter.requires_grad = id(parameter) in top
    return model


def whole_parts_in_eval(model):
    model.train()
    for part in model.modules():
        own = list(part.parameters())
        if own and not any(parameter.requires_grad for parameter in own):
            part.eval()


def as_a_generator(model):
    return (parameter for parameter in model.parameters() if parameter.requires_grad)


def as_groups(model):
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [{"params": learning[:1], "lr": 0.1}, {"params": learning[1:]}]


def as_a_group_with_a_generator(model):
    return [{"params": filter(lambda parameter: parameter.requires_grad, model.parameters())}]


def in_tensors(*inputs):
    return {key: torch.tensor(float(value)) for key, value in paired()(*inputs).items()}


RIGHT = {
    "prepare": [normalised_by_torchvision],
    "first_conv": [by_einsum],
    "freeze_backbone": [by_identity],
    "train_mode": [whole_parts_in_eval],
    "optimizer_parameters": [as_a_generator, as_groups, as_a_group_with_a_generator],
    "paired_difference": [in_tensors],
}
