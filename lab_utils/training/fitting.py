"""The training loop.

`fit` trains, `fine_tune` trains the head first and then everything, `predict` and
`evaluate` look at the result, `lr_range_test` looks for a learning rate.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from lab_utils import arguments
from lab_utils.arguments import flag, number, whole
from lab_utils.data import Augment, Split
from lab_utils.device import default_device, seeded
from lab_utils.networks import unwrapped
from lab_utils.training.criterion import Fitted
from lab_utils.training.evaluation import evaluate
from lab_utils.training.forward import batch_loss, check_parts, is_fast, to_device, trains_fast
from lab_utils.training.history import History, row_steps
from lab_utils.training.loop import Run, steps_per_epoch
from lab_utils.training.losses import Criterion, training_loss
from lab_utils.training.memory import batch_that_fits, is_out_of_memory, out_of_memory
from lab_utils.training.optimizers import Groups, Schedule, make_optimizer, parameter_groups
from lab_utils.training.progress import progress_bar
from lab_utils.training.reading import Reader, resident
from lab_utils.training.run_settings import remembering, run_settings
from lab_utils.transfer import freeze, param_groups, unfreeze


def fit(
    model: nn.Module,
    train: Split,
    val: Split | None = None,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    lr: float = 1e-3,
    optimizer: str | Callable[[Groups], Optimizer] = "adamw",
    weight_decay: float = 1e-4,
    schedule: str = "constant",
    warmup: int = 0,
    batch_size: int = 32,
    augment: Augment | None = None,
    seed: int = 0,
    precision: str = "auto",
    device: torch.device | str | None = None,
    params: Iterable[Any] | None = None,
    criterion: Criterion | None = None,
    class_weights: str | None = None,
    eval_every: int | None = None,
    eval_at: Sequence[int] | None = None,
    keep_best: bool = True,
    checkpoint: Path | str | None = None,
    checkpoint_seconds: float = 30.0,
    run_name: str | None = None,
    after: str = "",
    progress: bool = True,
) -> History:
    """Train a network in place.

    The network is moved to `device` and left in eval mode: with its best weights if there is a `val` and `keep_best`,
    else with its last ones. Frozen parameters, and the statistics of frozen batch norm, do not change. The same seed
    on the same CPU gives the same weights, bit for bit; the global random numbers are left as they were.

    Args:
        model: a network from `build_model`, or one with `preprocessing`; it may be compiled, or in `DataParallel`.
        train: what to train on.
        val: what to measure on; never trained on. Images of the same kind as in `train`.
        epochs: passes over the data; or else
        steps: batches in all.
        lr: learning rate, the peak of the schedule; groups in `params` have their own.
        optimizer: ``"adamw"``, ``"adam"``, ``"sgd"`` (Nesterov, momentum 0.9), or a function of parameter groups.
        weight_decay: of the optimizer; groups in `params` may have their own.
        schedule: ``"constant"``, ``"cosine"``, ``"one_cycle"``, ``"plateau"`` (see `optimizers`).
        warmup: steps in which the learning rate rises to `lr` first.
        batch_size: images per step.
        augment: random changes of the training images.
        seed: of the data order, the augmentation and dropout.
        precision: ``"bf16"``, ``"fp32"`` or ``"auto"``: whichever trains faster on the device.
        device: default `default_device()`.
        params: parameter groups, as `param_groups` makes them; default: everything trainable.
        criterion: f(logits, labels) -> mean loss; default: the one that fits the task. Class weights in it are brought
            to the device and into the type of the logits where that is needed.
        class_weights: ``"balanced"``: every class counts the same in the training loss, however many images it has
            (see `losses.training_loss`). The validation loss stays the plain one.
        eval_every: add a row to the history every so many steps. By default after each epoch if `epochs` is given,
            ten times if `steps` is; always after the last step.
        eval_at: or at these steps; 0 is before training.
        keep_best: keep the weights that did best on `val`: macro AUROC where it is defined, else loss. A value that is
            NaN is never the best.
        checkpoint: file to write the state to, and to continue from if it is there. Only the same run is continued:
            same weights at the start (build the network anew, with a seed; after an interruption the network that it
            left will do), data, criterion and settings. Reading all of these takes about a second per gigabyte. What a
            criterion remembers between batches is continued if it is in buffers of a module.
        checkpoint_seconds: time between two writes.
        run_name: a name for the run, kept in the checkpoint. Needed where something that takes part, such as an object
            of an extension module, cannot be looked into: the name then stands for it.
        after: what was done to the network before, in words, if the run is the next step of a longer training; kept
            in the checkpoint, and compared.
        progress: show a bar.

    Example:
        A long run on rare findings, which can be stopped at any time and goes on when the cell is run again::

            model = build_model("resnet18", weights="imagenet", num_classes=2, seed=0)
            fit(model, train, val, epochs=20, lr=3e-4, weight_decay=0.05, class_weights="balanced", schedule="cosine",
                warmup=100, augment=MILD, precision="bf16", checkpoint="rare.pt", checkpoint_seconds=120)

        With another loss, and a row of the history every 50 steps::

            smooth = nn.CrossEntropyLoss(label_smoothing=0.1)
            history = fit(model, train, val, steps=500, criterion=smooth, eval_every=50, device="cuda:1")

    Raises:
        ValueError: if the arguments do not fit together, nothing is trainable, or no label of `train` or `val` is
            known; if the checkpoint is of another run, damaged, or not one.
        RuntimeError: if the loss is no longer finite; it names step, learning rate and batch.
        torch.OutOfMemoryError: if a batch does not fit; it names a size that does.
    """
    if (epochs is None) == (steps is None):
        raise ValueError(f"give either epochs= or steps=; got epochs={epochs} and steps={steps}.")
    check_parts(model, train, val, augment)
    path = arguments.path("checkpoint", checkpoint, example="run.pt")
    measure, counts = training_loss(train, criterion, class_weights)
    flag("keep_best", keep_best)
    flag("progress", progress)
    batch_size, seed = whole("batch_size", batch_size, 1), whole("seed", seed, example=0)
    warmup = whole("warmup", warmup, example=0)
    lr, checkpoint_seconds = number("lr", lr), number("checkpoint_seconds", checkpoint_seconds, example=30)
    device = default_device() if device is None else torch.device(device)
    fast = trains_fast(model, precision, device)
    per_epoch = steps_per_epoch(len(train), batch_size)
    total = whole("steps", steps, example=100) if epochs is None else whole("epochs", epochs, example=5) * per_epoch
    points = row_steps(total, eval_every, eval_at, per_epoch if epochs else math.ceil(total / 10))
    groups = parameter_groups(model, params, lr=lr, weight_decay=weight_decay)
    settings = None
    if path is not None:
        settings = run_settings(
            model,
            train,
            val,
            path=path,
            groups=groups,
            optimizer=optimizer,
            criterion=criterion,
            run_name=run_name,
            after=after,
            class_weights=class_weights,
            steps=total,
            rows=sorted(points),
            schedule=schedule,
            warmup=warmup,
            batch_size=batch_size,
            augment=repr(augment),
            seed=seed,
            bf16=fast,
            device=device.type,
            keep_best=keep_best,
        )
    to_device(model, device, fast=is_fast(precision, device))
    updates = make_optimizer(optimizer, groups)
    noise = torch.Generator().manual_seed(seed ^ 0x5DEECE66)  # other numbers than those of the data order
    fitted = Fitted(measure)
    run = Run(
        model=unwrapped(model),
        optimizer=updates,
        schedule=Schedule(updates, schedule, total=total, warmup=warmup),
        loss=batch_loss(model, train, fitted, fast=fast, config=augment, generator=noise),
        reader=Reader(train, device),
        counts=counts,
        criterion=fitted,
        order=torch.Generator().manual_seed(seed),
        noise=noise,
        batch_size=batch_size,
        total=total,
        points=points,
        device=device,
        validate=None
        if val is None
        else partial(evaluate, model, resident(val, device), device=device, precision=precision),
        keep_best=keep_best,
    )
    with seeded(seed, device), ExitStack() as kept:
        if path is not None and settings is not None:
            kept.enter_context(remembering(model, path, settings, criterion=criterion, optimizer=optimizer))
            run.keep_in(path, settings | {"lr": run.schedule.base}, every=checkpoint_seconds)
        _train(run, progress=progress)
    return run.history


def _train(run: Run, *, progress: bool) -> None:
    """Train with a progress bar, explain a lack of memory, load the best weights."""
    batch_size = run.batch_size
    with progress_bar(run.total, shown=progress, initial=run.step) as bar:

        def each_row(row: dict[str, float]) -> None:
            bar.set_postfix({name: f"{row[name]:.3f}" for name in ("train_loss", run.history.monitor) if name in row})

        try:
            run.train(each_step=bar.update, each_row=each_row)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        else:
            batch_size = 0
    if batch_size:  # outside the except block, which keeps the tensors of the failed step alive
        run.forget_gradients()
        raise out_of_memory(batch_size, batch_that_fits(run.model, run.loss_at, batch_size // 2), "training")
    if run.history.best_state is not None:
        run.model.load_state_dict(run.history.best_state)
    run.model.eval()


def fine_tune(
    model: nn.Module,
    train: Split,
    val: Split | None = None,
    *,
    head_steps: int,
    steps: int,
    lr: float = 1e-3,
    head_lr: float | None = None,
    decay: float = 1.0,
    checkpoint: Path | str | None = None,
    **settings: Any,
) -> History:
    """Train the head on a frozen backbone first, then everything, the lower the slower.

    A new head sends large random gradients into the backbone; trained first, it does not
    wash away what the backbone knows. Everything is trainable afterwards.

    Args:
        model: a network with pretrained weights and a new head.
        train: what to train on.
        val: what to measure on. With `keep_best` the network ends with the best weights of both steps.
        head_steps: batches for the head alone.
        steps: batches for the whole network.
        lr: learning rate of the whole network's head.
        head_lr: learning rate of the head alone; default `lr`.
        decay: factor on the learning rate from each stage to the one below it.
        checkpoint: file for the second step; that of the first is beside it, with ``_head`` in its name. To continue,
            give the network as it was before the first step; each file is only continued with the same settings of
            both steps.
        settings: everything else that `fit` takes, for both steps.

    Returns:
        The history of both steps, one after the other.

    References:
        Kumar et al. (2022), Fine-Tuning can Distort Pretrained Features, arXiv:2202.10054.
    """
    for name in ("epochs", "params", "after"):
        if name in settings:
            raise ValueError(f"fine_tune sets {name} itself; give head_steps=, steps=, lr= and decay= instead.")
    head_steps, steps = whole("head_steps", head_steps, example=100), whole("steps", steps, example=100)
    lr, decay = number("lr", lr), number("decay", decay, example=1.0)
    head_lr = lr if head_lr is None else number("head_lr", head_lr)
    path = arguments.path("checkpoint", checkpoint, example="run.pt")
    head_path = None if path is None else path.with_name(f"{path.stem}_head{path.suffix}")
    freeze(model)
    first = fit(model, train, val, steps=head_steps, lr=head_lr, checkpoint=head_path, **settings)
    unfreeze(model)
    groups = param_groups(model, lr, decay=decay)
    settings |= {"after": f"{head_steps} steps of the head alone with lr {head_lr}"}
    second = fit(model, train, val, steps=steps, lr=lr, params=groups, checkpoint=path, **settings)
    both = first.then(second)
    if both.best_state is not None and both.best_state is first.best_state:
        model.load_state_dict(both.best_state)
    return both
