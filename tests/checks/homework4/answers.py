"""Wrong answers to homework 4: what students write, words of the hint that fits, and the share of the points."""

import math

import numpy as np
import torch
from scipy.stats import binom, binomtest, chi2
from sklearn.metrics import roc_curve
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


# ---- D2


def tail(n, up_to):
    return sum(math.comb(n, count) for count in range(up_to + 1)) / 2**n


def one_sided(a, b):
    return tail(a + b, min(a, b))


def always_up_to_a(a, b):
    return min(1, 2 * tail(a + b, a))


def not_capped(a, b):
    return 2 * one_sided(a, b)


def only_these_counts(a, b):
    return 2 * math.comb(a + b, a) / 2 ** (a + b)


def mid_p(a, b):
    return 2 * one_sided(a, b) - math.comb(a + b, a) / 2 ** (a + b)


def chi_square(a, b):
    return chi2.sf((a - b) ** 2 / (a + b), 1) if a + b else 1


def chi_square_with_correction(a, b):
    return chi2.sf((abs(a - b) - 1) ** 2 / (a + b), 1)


def statistic(a, b):
    return (a - b) ** 2 / (a + b)


def halves_multiplied(a, b):
    return min(1, 2 * sum(math.comb(a + b, i) * 0.5 ** (a + b) for i in range(min(a, b) + 1)))


def divides_by_nothing(a, b):
    return binomtest(a, a + b).pvalue


def about_the_smaller_count(a, b):
    return binomtest(min(a, b), max(a, b)).pvalue if a + b else 1


# ---- E1


def over_probabilities(good, pick=max):
    """Pick one of the thresholds for which `good(labels, probs, threshold, sensitivity)` holds."""

    def student(labels, probs, sensitivity):
        refuse(labels)
        return pick(value for value in probs if good(labels, probs, value, sensitivity))

    return student


def refuse(labels):
    if not (labels == 1).any():
        raise ValueError("no positive image")


def enough(labels, probs, value, sensitivity):
    return (probs[labels == 1] >= value).mean() >= sensitivity


def best(of):
    """Take the threshold with the largest `of(labels, calls)`."""

    def student(labels, probs, sensitivity):
        refuse(labels)
        return max(np.unique(probs), key=lambda value: of(labels, probs >= value))

    return student


def youden(labels, calls):
    return calls[labels == 1].mean() - calls[labels == 0].mean()


def right(labels, calls):
    return (calls == (labels == 1)).mean()


def by_quantile(labels, probs, sensitivity):
    refuse(labels)
    return np.quantile(probs[labels == 1], 1 - sensitivity)


def on_a_grid(labels, probs, sensitivity):
    refuse(labels)
    return max(value for value in np.linspace(0, 1, 101) if enough(labels, probs, value, sensitivity))


def never_refuses(labels, probs, sensitivity):
    good = [value for value in probs if (labels == 1).any() and enough(labels, probs, value, sensitivity)]
    return max(good, default=0.5)


def always_nine_tenths(labels, probs, sensitivity):
    return over_probabilities(enough)(labels, probs, 0.9)


def as_sensitivity(labels, probs, sensitivity):
    return (probs[labels == 1] >= over_probabilities(enough)(labels, probs, sensitivity)).mean()


def one_too_few(labels, probs, sensitivity):
    refuse(labels)
    return np.sort(probs[labels == 1])[::-1][max(int(np.ceil(sensitivity * (labels == 1).sum() - 1e-9)) - 2, 0)]


def rounded_threshold(labels, probs, sensitivity):
    return round(over_probabilities(enough)(labels, probs, sensitivity), 2)


def of_roc_curve(labels, probs, sensitivity):
    """scikit-learn leaves out the thresholds inside of a straight piece of the curve."""
    refuse(labels)
    _, found, thresholds = roc_curve(labels, probs)
    return thresholds[np.argmax(found >= sensitivity)]


# ---- E2


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
        (twice_the_same, "Both names are the same", 2 / 3),
        (misspelt, "Did you mean 'resnet18'", 2 / 3),
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
            1 / 4,
        ),
        (formula(lambda x, m, s: (x / x.max() - m) / s), "own largest value", "own largest value", None),
        (formula(lambda x, m, s: x / 255 / s - m), "right order", "right order", 0),
        (spoils_its_input, None, "changes the tensor", 3 / 4),
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
        (never_unfreezes, "whatever was frozen before", 2 / 3),
        (lambda m, top: [c.requires_grad_(name == top) for name, c in m.named_children()], "none of its layers", 0),
        (lambda m, top: [p.requires_grad_(n.startswith(top)) for n, p in m.named_parameters()], "begin like", 2 / 3),
        (lambda m, top: by_identity(m, top).eval(), "changed the mode", None),
    ],
    "train_mode": [  # the first is the mistake of all five real notebooks
        (lambda m: m.train(), "`model.train()` alone over a frozen", 1 / 5),
        (lambda m: m.eval(), "classifier is in eval mode", 0),
        (with_norms(lambda norm: True), "that learns is in eval mode", 1 / 5),
        (with_norms(is_frozen, lambda norm: vars(norm).update(momentum=0.0)), "Do not change `momentum`", 1 / 5),
        (with_norms(is_frozen, first=lambda model: None), "that learns is in eval mode", 2 / 5),
        (norms_of_grandchildren, "deep inside of blocks", None),
    ],
    "paired_difference": [
        (paired(called=lambda probs, threshold: probs > threshold), "compare with >=", 0),
        (paired(called=lambda probs, threshold: probs >= 0.5), "need not be 0.5", 4 / 7),
        (paired(lambda a, b, right: {"only_a_right": a.sum(), "only_b_right": b.sum()}), "*and* B has wrong", 0),
        (paired(lambda a, b, right: {"difference": -right["difference"]}), "wrong sign", 1 / 7),
        (paired(lambda a, b, right: {"accuracy_a": 100 * a.mean(), "accuracy_b": 100 * b.mean()}), "in percent", 0),
        (only_called_positive, "*calls positive*", 1 / 7),
        (paired(lambda a, b, right: {"difference": abs(right["difference"])}), "wrong sign", 4 / 7),
        (paired(lambda a, b, right: rounded(right, 2)), "are rounded", None),
        (no_counts, "there is no 'only_a_right'", 0),
    ],
    "mcnemar": [
        (one_sided, "one side only", 0),
        (always_up_to_a, "whichever count is the larger", 4 / 8),
        (not_capped, "is above 1", 6 / 8),
        (only_these_counts, "exactly these counts", 0),
        (mid_p, "mid-p", 0),
        (chi_square, "chi-square test, which is good", 0),
        (chi_square_with_correction, "with a correction", 0),
        (statistic, "chi-square statistic", 0),
        (halves_multiplied, None, "stopped with OverflowError", 6 / 8),
        (divides_by_nothing, "stopped with ValueError", 7 / 8),
        (about_the_smaller_count, "number of heads", 1 / 8),
        (no_return, "returned None", 0),
    ],
    "choose_threshold": [
        (over_probabilities(lambda y, p, value, s: (p[y == 1] > value).mean() >= s), "compare with >=", 1 / 8),
        (over_probabilities(enough, min), "Take the *largest* one", 1 / 8),
        (over_probabilities(lambda y, p, value, s: (p >= value).mean() >= s), "share of *all* images", 1 / 8),
        (
            over_probabilities(lambda y, p, value, s: (p[y == 0] < value).mean() >= s, min),
            "has that *specificity*",
            None,
        ),
        (best(youden), "sum of sensitivity and specificity", None),
        (best(right), "best accuracy", None),
        (lambda y, p, s: over_probabilities(enough)(1 - y, p, s), "about the images with label 0", 0),
        (by_quantile, "A quantile lies between", 4 / 8),
        (on_a_grid, "itself the probability of an image", None),
        (never_refuses, "no threshold to choose", 7 / 8),
        (always_nine_tenths, "need not be 0.9", 3 / 8),
        (as_sensitivity, "This is the sensitivity.", 1 / 8),
        (one_too_few, "below the one that is asked for", 3 / 8),
        (rounded_threshold, "are rounded", None),
        (of_roc_curve, "there is a larger threshold", "sensitivity", None),
        (no_return, "returned None", 0),
    ],
    "explain_gap": [
        (gap(changed_places), "have changed places", 0),
        (gap(rates_of_b), "specificity of B", 1 / 7),
        (gap(difference_of_shares), "difference of the two prevalences", 0),
        (gap(lambda _, a, b: _parts(_accuracy(*b), _accuracy(a[0], *b[1:]), _accuracy(*a))), "wrong sign", 0),
        (gap(lambda right, a, b: right, threshold=0.5), "need not be 0.5", 3 / 7),
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


def in_tensors(*inputs):
    return {key: torch.tensor(float(value)) for key, value in paired()(*inputs).items()}


def by_scipy(a, b):
    return binomtest(a, a + b).pvalue if a + b else 1.0


def by_scipy_s_tails(a, b):
    return np.float64(min(1, 2 * binom.cdf(min(a, b), a + b, 0.5)))


def by_position(labels, probs, sensitivity):
    positive = sorted(probs[labels == 1].tolist(), reverse=True)
    if not positive:
        raise ValueError
    return positive[math.ceil(round(sensitivity * len(positive), 9)) - 1]


def of_the_whole_roc_curve(labels, probs, sensitivity):
    refuse(labels)
    _, found, thresholds = roc_curve(labels, probs, drop_intermediate=False)
    return thresholds[np.argmax(found >= sensitivity)]


def in_single_precision(labels, probs, sensitivity):
    y, p = torch.as_tensor(labels), torch.as_tensor(probs, dtype=torch.float32)
    return over_probabilities(lambda y, p, value, s: (p[y == 1] >= value).float().mean() >= s - 1e-6)(y, p, sensitivity)


RIGHT = {
    "prepare": [normalised_by_torchvision],
    "mcnemar": [by_scipy, by_scipy_s_tails],
    "choose_threshold": [by_position, of_the_whole_roc_curve, in_single_precision],
    "freeze_backbone": [by_identity],
    "train_mode": [whole_parts_in_eval],
    "paired_difference": [in_tensors],
}
