"""The cases of lab 2, exercise 2: training mode around frozen batch norms."""

import torch

from lab_utils.checks.lab02_networks import (
    InPlace,
    backbone_is_frozen,
    batch_norms,
    call_in_place,
    changed,
    copy_of_state,
    images,
    listed,
    trainable_names,
    with_classifier,
    with_head,
)
from lab_utils.checks.outcome import Wrong


def _frozen_statistics_stay(student: InPlace) -> None:
    model = backbone_is_frozen(with_head())
    call_in_place(student, model.train())
    norms = batch_norms(model)
    if training := [name for name, module in norms.items() if module.training]:
        before = copy_of_state(model)
        model(images())
        moved = [name for name in changed(before, model) if not name.endswith("num_batches_tracked")]
        if not moved:
            raise Wrong(_ABOUT_SWITCHES)
        deep = f"Batch norms also sit deep inside of blocks: {listed(training)}. " if len(training) < len(norms) else ""
        raise Wrong(
            f"The backbone is frozen. After your function and one forward pass `{moved[0]}` has changed. {deep}"
            "In which mode does batch norm keep its statistics?"
        )


def _head_trains(student: InPlace) -> None:
    for before in (True, False):
        model = backbone_is_frozen(with_classifier()).train(before)
        call_in_place(student, model)
        if not all(module.training for module in model.get_submodule("classifier").modules()):
            raise Wrong(
                f"A network with a frozen backbone and a dropout layer in its classifier came in "
                f"{'training' if before else 'evaluation'} mode. Afterwards the dropout is in evaluation mode, so it "
                "does nothing. Only the frozen batch norms should be in evaluation mode."
            )
        if any(module.training for module in batch_norms(model).values()):
            raise Wrong(
                "A network with a frozen backbone came in evaluation mode. Afterwards its frozen batch norms are in "
                "training mode. Do the same, whatever the mode was before."
            )


def _features_do_not_depend_on_neighbours(student: InPlace) -> None:
    model = backbone_is_frozen(with_head()).train()
    call_in_place(student, model)
    batch = images()
    with torch.no_grad():
        alone, together = model.features(batch[:2]), model.features(batch)[:2]
    if not torch.allclose(alone, together, atol=1e-5):
        raise Wrong(_ABOUT_SWITCHES)


def _trainable_statistics_move(student: InPlace) -> None:
    model = with_head()
    call_in_place(student, model.eval())
    if still := [name for name, module in batch_norms(model).items() if not module.training]:
        raise Wrong(f"Nothing is frozen in this network, but {listed(still)} ended in evaluation mode.")
    model = with_head()
    model.stem.requires_grad_(False)
    call_in_place(student, model.train())
    norms = batch_norms(model)
    if norms["stem.1"].training:
        raise Wrong("Only the `stem` of this network is frozen. Its batch norm `stem.1` ended in training mode.")
    if still := [name for name, module in norms.items() if not module.training and not name.startswith("stem")]:
        raise Wrong(
            f"Only the `stem` of this network is frozen. {listed(still)} can learn, but ended in evaluation mode. "
            "Ask each batch norm whether it is frozen."
        )


def _own_parameters_count(student: InPlace) -> None:
    model = with_head()
    model.body.bn.requires_grad_(False)
    call_in_place(student, model.train())
    wrong = [n for n, module in batch_norms(model).items() if module.training is (n == "body.bn")]
    if wrong:
        raise Wrong(
            f"In this network only the weight and the bias of `body.bn` are frozen. The mode of {listed(wrong)} is "
            "wrong. Look at the parameters of the batch norm itself, not at those of the network or the block."
        )


def _back_to_training(student: InPlace) -> None:
    model = backbone_is_frozen(with_head())
    usual = [(m.momentum, m.track_running_stats) for m in batch_norms(model).values()]
    call_in_place(student, model)
    model.requires_grad_(True)
    call_in_place(student, model)
    if [(m.momentum, m.track_running_stats) for m in batch_norms(model).values()] != usual:
        raise Wrong(_ABOUT_SWITCHES)
    if still := [name for name, module in model.named_modules() if not module.training]:
        raise Wrong(
            f"First the backbone was frozen, then everything was trainable again, and your function was called each "
            f"time. {listed([name or 'the network' for name in still])} stayed in evaluation mode."
        )


def _modes_and_nothing_else(student: InPlace) -> None:
    model = with_head()
    model.stem.requires_grad_(False)
    names, before = trainable_names(model), copy_of_state(model)
    call_in_place(student, model)
    if trainable_names(model) != names:
        raise Wrong("Your function has changed `requires_grad`. It should only look at it, and change modes.")
    if names_changed := changed(before, model):
        raise Wrong(f"The values of {names_changed[0]} have changed. Your function should only change modes.")


_ABOUT_SWITCHES = (
    "The running statistics stay, but the frozen batch norms are not in evaluation mode: they still normalise with "
    "the mean and variance of the batch, so the features of an image depend on the other images of its batch. Do not "
    "change `momentum` or `track_running_stats`. Which method of a module changes its mode?"
)


CASES = (
    _frozen_statistics_stay,
    _head_trains,
    _features_do_not_depend_on_neighbours,
    _trainable_statistics_move,
    _own_parameters_count,
    _back_to_training,
    _modes_and_nothing_else,
)
