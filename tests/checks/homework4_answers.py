"""Wrong answers to homework 4: what students write, words of the hint that fits, and the share of the points."""

import numpy as np
import torch
from torch import nn

BATCH_NORMS = nn.BatchNorm1d | nn.BatchNorm2d

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


def freezes_all(model, classifier):
    for parameter in model.parameters():
        parameter.requires_grad = False


def only_eval(model, classifier):
    model.eval()


def attribute_of_modules(model, classifier):
    for module in model.children():
        module.requires_grad = False


def only_convolutions(model, classifier):
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.requires_grad_(False)


def stays_frozen(model, classifier):
    for name, parameter in model.named_parameters():
        if not name.startswith(classifier + "."):
            parameter.requires_grad = False


def misses_the_networks_own(model, classifier):
    for name, module in model.named_children():
        module.requires_grad_(name == classifier)


def name_begins_alike(model, classifier):
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith(classifier)


def frozen_and_eval(model, classifier):
    model.requires_grad_(False)
    model.get_submodule(classifier).requires_grad_(True)
    model.eval()


# ---- C2: the first is the mistake of all five real notebooks


def plain_train(model):
    model.train()


def plain_eval(model):
    model.eval()


def every_batch_norm(model):
    model.train()
    for module in model.modules():
        if isinstance(module, BATCH_NORMS):
            module.eval()


def no_momentum(model):
    model.train()
    for module in model.modules():
        if isinstance(module, BATCH_NORMS) and not module.weight.requires_grad:
            module.momentum = 0.0


def no_train_before(model):
    for module in model.modules():
        if isinstance(module, BATCH_NORMS) and not module.weight.requires_grad:
            module.eval()


def only_at_the_top(model):
    model.train()
    for module in model.children():
        for layer in module.children():
            if isinstance(layer, BATCH_NORMS) and not layer.weight.requires_grad:
                layer.eval()


# ---- C3: the first is the mistake of all five real notebooks


def all_parameters(model):
    return model.parameters()


def with_names(model):
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def copies(model):
    return [parameter.clone() for parameter in model.parameters() if parameter.requires_grad]


def data_of_parameters(model):
    return [parameter.data for parameter in model.parameters() if parameter.requires_grad]


def only_weights(model):
    return [p for name, p in model.named_parameters() if p.requires_grad and name.endswith("weight")]


def each_twice(model):
    return [p for p in model.parameters() if p.requires_grad] * 2


# ---- D1


def _sides(labels, probs_a, probs_b, threshold, strict=False):
    called = [(p > threshold if strict else p >= threshold) for p in (probs_a, probs_b)]
    return [c == (labels == 1) for c in called]


def _compared(a, b):
    return {
        "accuracy_a": a.mean(),
        "accuracy_b": b.mean(),
        "difference": a.mean() - b.mean(),
        "only_a_right": (a & ~b).sum(),
        "only_b_right": (b & ~a).sum(),
    }


def greater_than(labels, probs_a, probs_b, threshold):
    return _compared(*_sides(labels, probs_a, probs_b, threshold, strict=True))


def always_one_half(labels, probs_a, probs_b, threshold):
    return _compared(*_sides(labels, probs_a, probs_b, 0.5))


def counts_all_right(labels, probs_a, probs_b, threshold):
    a, b = _sides(labels, probs_a, probs_b, threshold)
    return _compared(a, b) | {"only_a_right": a.sum(), "only_b_right": b.sum()}


def b_minus_a(labels, probs_a, probs_b, threshold):
    a, b = _sides(labels, probs_a, probs_b, threshold)
    return _compared(a, b) | {"difference": b.mean() - a.mean()}


def in_percent(labels, probs_a, probs_b, threshold):
    a, b = _sides(labels, probs_a, probs_b, threshold)
    return _compared(a, b) | {"accuracy_a": 100 * a.mean(), "accuracy_b": 100 * b.mean()}


def only_called_positive(labels, probs_a, probs_b, threshold):
    called_a, called_b = probs_a >= threshold, probs_b >= threshold
    counts = {"only_a_right": (called_a & ~called_b).sum(), "only_b_right": (called_b & ~called_a).sum()}
    return _compared(*_sides(labels, probs_a, probs_b, threshold)) | counts


def never_negative(labels, probs_a, probs_b, threshold):
    right = _compared(*_sides(labels, probs_a, probs_b, threshold))
    return right | {"difference": abs(right["difference"])}


def two_digits(labels, probs_a, probs_b, threshold):
    right = _compared(*_sides(labels, probs_a, probs_b, threshold))
    return {key: round(float(value), 2) for key, value in right.items()}


def no_counts(labels, probs_a, probs_b, threshold):
    a, b = _sides(labels, probs_a, probs_b, threshold)
    return {"accuracy_a": a.mean(), "accuracy_b": b.mean(), "difference": a.mean() - b.mean()}


# ---- E1


def _rates(labels, probs, threshold):
    called = probs >= threshold
    return labels.mean(), called[labels == 1].mean(), (~called[labels == 0]).mean()


def _accuracy(share, sensitivity, specificity):
    return share * sensitivity + (1 - share) * specificity


def _parts(at_a, moved, at_b):
    return {"gap": at_a - at_b, "from_prevalence": at_a - moved, "from_images": moved - at_b}


def changed_places(labels_a, probs_a, labels_b, probs_b, threshold):
    a, b = _rates(labels_a, probs_a, threshold), _rates(labels_b, probs_b, threshold)
    right = _parts(_accuracy(*a), _accuracy(b[0], *a[1:]), _accuracy(*b))
    return right | {"from_prevalence": right["from_images"], "from_images": right["from_prevalence"]}


def rates_of_b(labels_a, probs_a, labels_b, probs_b, threshold):
    a, b = _rates(labels_a, probs_a, threshold), _rates(labels_b, probs_b, threshold)
    gap, images = _accuracy(*a) - _accuracy(*b), _accuracy(*a) - _accuracy(a[0], *b[1:])
    return {"gap": gap, "from_prevalence": gap - images, "from_images": images}


def difference_of_shares(labels_a, probs_a, labels_b, probs_b, threshold):
    a, b = _rates(labels_a, probs_a, threshold), _rates(labels_b, probs_b, threshold)
    gap = _accuracy(*a) - _accuracy(*b)
    return {"gap": gap, "from_prevalence": a[0] - b[0], "from_images": gap - a[0] + b[0]}


def gap_of_b(labels_a, probs_a, labels_b, probs_b, threshold):
    a, b = _rates(labels_a, probs_a, threshold), _rates(labels_b, probs_b, threshold)
    return _parts(_accuracy(*b), _accuracy(a[0], *b[1:]), _accuracy(*a))


def one_half_at_both(labels_a, probs_a, labels_b, probs_b, threshold):
    a, b = _rates(labels_a, probs_a, 0.5), _rates(labels_b, probs_b, 0.5)
    return _parts(_accuracy(*a), _accuracy(b[0], *a[1:]), _accuracy(*b))


def three_digits(labels_a, probs_a, labels_b, probs_b, threshold):
    a, b = _rates(labels_a, probs_a, threshold), _rates(labels_b, probs_b, threshold)
    right = _parts(_accuracy(*a), _accuracy(b[0], *a[1:]), _accuracy(*b))
    return {key: round(float(value), 3) for key, value in right.items()}


def a_list(labels_a, probs_a, labels_b, probs_b, threshold):
    return [0.1, 0.0, np.float64(0.1)]


# function: (wrong answer, words of the public hint, words of a hidden hint, share of the hidden points)
WRONG = {
    "choose_models": [
        (one_name, "two names", "two names", 0),
        (three_names, "two names", "two names", 0),
        (twice_the_same, "Both names are the same", "Both names are the same", 0.6),
        (misspelt, "Did you mean 'resnet18'", "Did you mean 'resnet18'", 0.6),
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
        (freezes_all, "Every parameter is frozen", "Every parameter is frozen", 0),
        (only_eval, "nothing is frozen", "nothing is frozen", 0),
        (attribute_of_modules, "nothing is frozen", "nothing is frozen", 0),
        (only_convolutions, "outside the classifier can still learn", "outside the classifier can still learn", 0),
        (stays_frozen, "Every parameter is frozen", "Every parameter is frozen", 3 / 4),
        (misses_the_networks_own, "belong to none of its layers", "belong to none of its layers", 0),
        (name_begins_alike, "begin like that", "begin like that", 3 / 4),
        (frozen_and_eval, "changed the mode", "changed the mode", None),
    ],
    "train_mode": [
        (plain_train, "`model.train()` alone over a frozen", "`model.train()` alone over a frozen", 1 / 6),
        (plain_eval, "classifier is in eval mode", "classifier is in eval mode", 0),
        (every_batch_norm, "that learns is in eval mode", "that learns is in eval mode", 1 / 3),
        (no_momentum, "Do not change `momentum`", "Do not change `momentum`", 1 / 6),
        (no_train_before, "that learns is in eval mode", "that learns is in eval mode", 1 / 2),
        (only_at_the_top, "deep inside of blocks", "deep inside of blocks", None),
    ],
    "optimizer_parameters": [
        (all_parameters, "parameters that are frozen", "parameters that are frozen", 1 / 5),
        (with_names, "Names, perhaps", "Names, perhaps", 0),
        (copies, "These are copies", "These are copies", 0),
        (data_of_parameters, "or the `.data`", "or the `.data`", 0),
        (only_weights, "can learn is missing", "can learn is missing", 0),
        (each_twice, "returned twice", "returned twice", 0),
        (no_return, "returned None", "returned None", 0),
    ],
    "paired_difference": [
        (greater_than, "compare with >=", "compare with >=", 0),
        (always_one_half, "need not be 0.5", "need not be 0.5", 3 / 5),
        (counts_all_right, "*and* B has wrong", "*and* B has wrong", 0),
        (b_minus_a, "wrong sign", "wrong sign", 1 / 5),
        (in_percent, "in percent", "in percent", 0),
        (only_called_positive, "*calls positive*", "*calls positive*", 1 / 5),
        (never_negative, "wrong sign", "wrong sign", 3 / 5),
        (two_digits, "are rounded", "are rounded", None),
        (no_counts, "there is no 'only_a_right'", "there is no 'only_a_right'", 0),
    ],
    "explain_gap": [
        (changed_places, "have changed places", "have changed places", 0),
        (rates_of_b, "specificity of B", "specificity of B", 1 / 4),
        (difference_of_shares, "difference of the two prevalences", "difference of the two prevalences", 0),
        (gap_of_b, "wrong sign", "wrong sign", 0),
        (one_half_at_both, "need not be 0.5", "need not be 0.5", 1 / 2),
        (three_digits, "are rounded", "are rounded", None),
        (a_list, "should return a dict", "should return a dict", 0),
    ],
}
CASES = [(name, *entry) for name, entries in WRONG.items() for entry in entries]
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


def in_tensors(labels, probs_a, probs_b, threshold):
    return {
        key: torch.tensor(float(value))
        for key, value in _compared(*_sides(labels, probs_a, probs_b, threshold)).items()
    }


RIGHT = {
    "prepare": [normalised_by_torchvision],
    "first_conv": [by_einsum],
    "freeze_backbone": [by_identity],
    "train_mode": [whole_parts_in_eval],
    "optimizer_parameters": [as_a_generator, as_groups, as_a_group_with_a_generator],
    "paired_difference": [in_tensors],
}
