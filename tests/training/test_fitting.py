import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lab_utils.data import MILD, batch_indices
from lab_utils.training import evaluate, fine_tune, fit, masked_bce, predict
from lab_utils.training import fitting as train_module
from lab_utils.training import forward as forward_module
from lab_utils.training import loop as run_module
from lab_utils.transfer import freeze, param_groups, unfreeze
from tests.tiny import LinearNet, TinyNet, assert_same, state_of, tiny_split


def quiet_fit(model, train, val=None, **settings):
    settings = {"progress": False, "device": "cpu", "batch_size": 16} | settings
    return fit(model, train, val, **settings)


# ------------------------------------------------------------------ what it computes


@pytest.mark.parametrize(
    ("optimizer", "make"),
    [
        ("adamw", lambda params: torch.optim.AdamW(params, lr=0.01, weight_decay=0.1, fused=True)),
        ("adam", lambda params: torch.optim.Adam(params, lr=0.01, weight_decay=0.1, fused=True)),
        ("sgd", lambda params: torch.optim.SGD(params, lr=0.01, weight_decay=0.1, momentum=0.9, nesterov=True)),
    ],
)
@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_fit_equals_a_bare_loop_bit_for_bit(task, optimizer, make):
    split = tiny_split(40, task)
    model, bare = TinyNet(split.num_classes), TinyNet(split.num_classes).to(memory_format=torch.channels_last)
    quiet_fit(model, split, epochs=2, lr=0.01, optimizer=optimizer, weight_decay=0.1, precision="fp32", seed=3)

    updates = make(bare.parameters())
    generator = torch.Generator().manual_seed(3)
    with torch.random.fork_rng():
        torch.manual_seed(3)  # dropout
        bare.train()
        for _ in range(2):
            for chosen in batch_indices(40, 16, generator=generator):
                images = (split.images[chosen] / 255 - 0.5) / 0.25
                logits = bare(images.contiguous(memory_format=torch.channels_last))
                criterion = masked_bce if task == "multilabel" else F.cross_entropy
                loss = criterion(logits, split.labels[chosen])
                updates.zero_grad()
                loss.backward()
                updates.step()
    assert_same(state_of(model), state_of(bare))


def test_cosine_schedule_equals_torch_in_a_bare_loop():
    split, model, bare = tiny_split(32), LinearNet(), LinearNet()
    quiet_fit(model, split, steps=7, lr=0.1, optimizer="sgd", schedule="cosine", weight_decay=0, precision="fp32")
    updates = torch.optim.SGD(bare.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(updates, T_max=7)
    generator = torch.Generator().manual_seed(0)
    batches = [chosen for _ in range(4) for chosen in batch_indices(32, 16, generator=generator)][:7]
    for chosen in batches:
        updates.zero_grad()
        F.cross_entropy(bare((split.images[chosen] / 255 - 0.5) / 0.25), split.labels[chosen]).backward()
        updates.step()
        schedule.step()
    torch.testing.assert_close(model.head.weight, bare.head.weight)


def test_same_seed_gives_the_same_weights_and_another_seed_does_not():
    split = tiny_split()
    models = [TinyNet() for _ in range(3)]
    for model, seed in zip(models, (5, 5, 6), strict=True):
        quiet_fit(model, split, steps=5, augment=MILD, seed=seed)
    assert_same(state_of(models[0]), state_of(models[1]))
    assert not torch.equal(models[0].head.weight, models[2].head.weight)


@pytest.mark.parametrize("part", ["augment", "dropout"])
def test_seed_reaches_augmentation_and_dropout(part, monkeypatch):
    # With the data order held fixed, only the other draws are left to differ.
    monkeypatch.setattr(run_module, "batch_indices", lambda n, batch_size, generator: torch.arange(n).split(batch_size))
    models = [TinyNet() for _ in range(2)]
    for seed, model in enumerate(models):
        if part == "augment":
            model.dropout = nn.Identity()
        quiet_fit(model, tiny_split(32), steps=2, seed=seed, augment=MILD if part == "augment" else None)
    assert not torch.equal(models[0].head.weight, models[1].head.weight)


def test_global_random_numbers_are_left_alone():
    torch.manual_seed(11)
    before = torch.get_rng_state()
    quiet_fit(TinyNet(), tiny_split(), tiny_split(seed=1), steps=3, augment=MILD)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_train_loss_is_the_exact_mean_over_the_data(task):
    # 40 = 16 + 16 + 8 images, and unknown labels: the mean of the batch means would be another number.
    split = tiny_split(40, task)
    model = LinearNet(split.num_classes)
    criterion = masked_bce if task == "multilabel" else F.cross_entropy
    with torch.no_grad():
        expected = criterion(model((split.images / 255 - 0.5) / 0.25), split.labels).item()
    history = quiet_fit(model, split, epochs=1, lr=1e-12, weight_decay=0, precision="fp32")
    assert history.rows[-1]["train_loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 32])
def test_the_batches_of_an_epoch_are_as_many_as_are_made(batch_size):
    for n in range(1, 10):
        made = list(batch_indices(n, batch_size, generator=torch.Generator()))
        assert run_module.steps_per_epoch(n, batch_size) == len(made)


def test_bfloat16_trains_in_float32_weights():
    model = TinyNet()
    quiet_fit(model, tiny_split(), steps=3, precision="bf16")
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert predict(model, tiny_split(), precision="bf16", device="cpu").dtype == torch.float32


@pytest.mark.parametrize("precision", ["auto", "bf16"])
@pytest.mark.parametrize("groups", [4, 1])
def test_where_bfloat16_is_fast_depthwise_convolutions_alone_train_in_float32_on_a_cpu(monkeypatch, groups, precision):
    monkeypatch.setattr(forward_module, "precision_for", lambda device: "bf16")
    model, seen = TinyNet(), set()
    model.stem = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 8, 3, groups=groups))
    model.stem.register_forward_hook(lambda _module, _inputs, output: seen.add(output.dtype))
    quiet_fit(model, tiny_split(), steps=2, precision=precision)
    assert seen == {torch.float32 if (groups, precision) == (4, "auto") else torch.bfloat16}
    seen.clear()  # without gradients bfloat16 is the faster one for these, too
    predict(model, tiny_split(), precision=precision, device="cpu")
    assert seen == {torch.bfloat16}


# ------------------------------------------------------------------ frozen stays frozen


@pytest.mark.parametrize("upto", ["stem", "layer1", None])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_frozen_parameters_and_buffers_are_bit_identical_after_fit(upto, optimizer):
    model = TinyNet()
    freeze(model, upto=upto)
    before = state_of(model)
    quiet_fit(model, tiny_split(), tiny_split(seed=1), epochs=2, optimizer=optimizer, weight_decay=0.1, augment=MILD)
    frozen = ("stem",) if upto == "stem" else ("stem", "layer1")
    after = state_of(model)
    assert_same(*({k: v for k, v in state.items() if k.startswith(frozen)} for state in (before, after)))
    moved = {k for k in before if not torch.equal(before[k], after[k])}
    assert {"head.weight", "head.bias"} <= moved
    assert ("layer1.1.running_mean" in moved) == (upto == "stem")


def test_nothing_trainable_is_an_error_before_anything_happens():
    model = TinyNet().requires_grad_(False)
    before = state_of(model)
    with pytest.raises(ValueError, match="nothing to train"):
        quiet_fit(model, tiny_split(), steps=1)
    assert_same(state_of(model), before)


def test_fine_tune_is_the_head_first_and_then_everything():
    train, val = tiny_split(), tiny_split(seed=1)
    model, by_hand = TinyNet(), TinyNet()
    shared = {"progress": False, "device": "cpu", "batch_size": 16, "keep_best": False}
    history = fine_tune(model, train, val, head_steps=6, steps=4, lr=0.01, head_lr=0.1, decay=0.5, **shared)

    freeze(by_hand)
    quiet_fit(by_hand, train, val, steps=6, lr=0.1, keep_best=False)
    assert torch.equal(by_hand.stem[0].weight, TinyNet().stem[0].weight)
    unfreeze(by_hand)
    quiet_fit(by_hand, train, val, steps=4, params=param_groups(by_hand, 0.01, decay=0.5), keep_best=False)
    assert_same(state_of(model), state_of(by_hand))

    assert all(p.requires_grad for p in model.parameters())
    assert history.column("step") == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert history.column("epoch")[-1] == 3
    assert history.column("lr")[5:7] == [0.1, 0.01]
    assert history.column("seconds") == sorted(history.column("seconds"))


def test_fine_tune_ends_with_the_best_of_both_steps():
    train, val = tiny_split(80), tiny_split(60, seed=1)
    model = TinyNet()
    shared = {"progress": False, "device": "cpu"}
    # The second step, at an absurd learning rate, can only do harm.
    history = fine_tune(model, train, val, head_steps=60, steps=3, head_lr=0.05, lr=30.0, optimizer="sgd", **shared)
    assert history.best_step <= 60
    assert evaluate(model, val, device="cpu")["auroc"] == history.best_value == max(history.column("val_auroc"))


def test_fine_tune_refuses_what_it_sets_itself():
    with pytest.raises(ValueError, match="epochs"):
        fine_tune(TinyNet(), tiny_split(), head_steps=1, steps=1, epochs=3)


# ------------------------------------------------------------------ history and best weights


def test_rows_come_after_each_epoch():
    history = quiet_fit(TinyNet(), tiny_split(), tiny_split(seed=1), epochs=3)
    assert history.column("step") == [3, 6, 9]
    assert history.column("epoch") == [1, 2, 3]
    assert {"lr", "train_loss", "val_loss", "val_auroc", "val_accuracy", "seconds"} <= history.rows[0].keys()


def test_rows_come_ten_times_where_steps_are_given():
    assert quiet_fit(LinearNet(), tiny_split(), steps=30).column("step") == list(range(3, 31, 3))
    assert quiet_fit(LinearNet(), tiny_split(), steps=4).column("step") == [1, 2, 3, 4]


def test_rows_come_where_asked_and_after_the_last_step():
    assert quiet_fit(LinearNet(), tiny_split(), steps=7, eval_every=3).column("step") == [3, 6, 7]
    history = quiet_fit(LinearNet(), tiny_split(), tiny_split(seed=1), steps=7, eval_at=(0, 2, 5))
    assert history.column("step") == [0, 2, 5, 7]
    assert math.isnan(history.rows[0]["train_loss"])
    assert history.rows[0]["val_loss"] == pytest.approx(evaluate(LinearNet(), tiny_split(seed=1), device="cpu")["loss"])


def test_measuring_more_often_does_not_change_the_training():
    models = TinyNet(), TinyNet()
    for model, every in zip(models, (1, 9), strict=True):
        quiet_fit(model, tiny_split(), tiny_split(seed=1), steps=9, eval_every=every, augment=MILD, keep_best=False)
    assert_same(*map(state_of, models))


def test_model_ends_with_its_best_weights_and_they_are_a_copy():
    train, val = tiny_split(80), tiny_split(60, seed=1)
    model = TinyNet()
    history = quiet_fit(model, train, val, steps=20, lr=0.05, eval_every=1, precision="fp32")
    assert history.monitor == "val_auroc"
    assert history.best_value == max(history.column("val_auroc"))
    assert history.rows[history.best_step - 1]["val_auroc"] == history.best_value
    assert evaluate(model, val, device="cpu", precision="fp32")["auroc"] == history.best_value
    assert history.best_step < 20, "choose data where the last step is not the best"
    assert_same(state_of(model), history.best_state)

    kept = {name: tensor.clone() for name, tensor in history.best_state.items()}
    quiet_fit(model, train, steps=3, lr=0.05)
    assert_same(history.best_state, kept)


def test_without_keep_best_the_model_ends_with_its_last_weights():
    train, val = tiny_split(80), tiny_split(60, seed=1)
    kept, alone = TinyNet(), TinyNet()
    history = quiet_fit(kept, train, val, steps=20, lr=0.05, eval_every=1, keep_best=False)
    quiet_fit(alone, train, steps=20, lr=0.05)
    assert_same(state_of(kept), state_of(alone))
    assert history.best_state is None
    assert history.best_value == max(history.column("val_auroc"))


def test_loss_chooses_the_best_where_auroc_is_undefined():
    val = tiny_split(seed=1)
    one_class = val.take((val.labels == 0).nonzero().squeeze(1))
    history = quiet_fit(TinyNet(), tiny_split(), one_class, steps=10, lr=0.05, eval_every=1)
    assert history.monitor == "val_loss"
    assert history.best_value == min(history.column("val_loss"))
    assert "val_auroc" not in history.rows[0]


def test_learning_rate_column_follows_the_schedule():
    history = quiet_fit(LinearNet(), tiny_split(), steps=4, lr=0.4, schedule="cosine", warmup=2, eval_every=1)
    assert history.column("lr") == pytest.approx([0.2, 0.4, 0.4, 0.2])


# ------------------------------------------------------------------ what goes wrong


class Trap(TinyNet):
    """Fails as told at its k-th training step, or on batches above a size."""

    def __init__(self, *, nan_at=None, most=None, error=None):
        super().__init__()
        self.nan_at, self.most, self.error, self.calls = nan_at, most, error, 0

    def forward(self, x):
        if self.most is not None and len(x) > self.most:
            self.stem(x)  # moves batch norm's statistics before it fails
            raise self.error
        self.calls += self.training
        logits = super().forward(x)
        return logits * math.nan if self.calls == self.nan_at else logits


def batch_of_step(step, n, batch_size, seed):
    generator = torch.Generator().manual_seed(seed)
    batches = [b for _ in range(step) for b in batch_indices(n, batch_size, generator=generator)]
    return ", ".join(map(str, batches[step - 1].tolist()))


def test_nan_loss_stops_and_names_step_lr_and_batch():
    model = Trap(nan_at=8)
    with pytest.raises(RuntimeError, match=r"became nan at step 8, with lr 0\.004,") as caught:
        quiet_fit(model, tiny_split(40), epochs=9, lr=0.004, seed=2)
    assert f"[{batch_of_step(8, 40, 16, 2)}]" in str(caught.value)
    assert all(torch.isfinite(p).all() for p in model.parameters()), "the step was not taken"


def test_infinite_loss_of_a_high_learning_rate_stops():
    with pytest.raises(RuntimeError, match=r"became (inf|nan) at step \d+, with lr 1e\+30"):
        quiet_fit(TinyNet(), tiny_split(40), epochs=9, lr=1e30, optimizer="sgd")


def test_losses_left_on_the_device_are_traced_back_to_their_step(monkeypatch):
    # As on a GPU: the losses are read only at the end of an epoch, here steps 6, 12 ...
    monkeypatch.setattr(train_module, "Run", lambda **parts: run_module.Run(**parts | {"device": torch.device("cuda")}))
    model = Trap(nan_at=8)
    with pytest.raises(RuntimeError, match="became nan at step 8, ") as caught:
        quiet_fit(model, tiny_split(96), epochs=3, seed=2)
    assert f"[{batch_of_step(8, 96, 16, 2)}]" in str(caught.value)
    assert model.calls == 12


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
        RuntimeError("could not create a primitive"),
    ],
)
def test_out_of_memory_names_a_batch_size_that_fits(error):
    with pytest.raises(torch.OutOfMemoryError, match=r"batch of 32 images.*use batch_size=4"):
        quiet_fit(Trap(most=5, error=error), tiny_split(40), steps=2, batch_size=32)


def test_trying_smaller_batches_leaves_the_network_as_it_was():
    model = Trap(most=5, error=torch.OutOfMemoryError("CUDA out of memory."))
    before = state_of(model)
    with pytest.raises(torch.OutOfMemoryError):
        quiet_fit(model, tiny_split(40), steps=2, batch_size=32)
    # The statistics of the stem moved in the step that failed; those of layer1 only in the attempts.
    parameters = {name for name, _ in model.named_parameters()}
    assert_same(*({k: v for k, v in s.items() if k in parameters or "layer1" in k} for s in (before, state_of(model))))


def test_not_even_one_image_fits():
    model = Trap(most=0, error=torch.OutOfMemoryError("CUDA out of memory."))
    with pytest.raises(torch.OutOfMemoryError, match="Not even one image fits"):
        quiet_fit(model, tiny_split(40), steps=2)


def test_other_errors_of_the_network_pass_unchanged():
    with pytest.raises(RuntimeError, match=r"^cudnn says no$"):
        quiet_fit(Trap(most=5, error=RuntimeError("cudnn says no")), tiny_split(40), steps=2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "either epochs= or steps="),
        ({"epochs": 1, "steps": 1}, "either epochs= or steps="),
        ({"epochs": 0}, "at least one step"),
        ({"steps": -3}, "at least one step"),
        ({"steps": 3, "eval_every": 0}, "eval_every"),
        ({"steps": 3, "eval_every": 1, "eval_at": (1,)}, "not both"),
        ({"steps": 3, "eval_at": (4,)}, r"between 0 and the last step, 3; got \[4\]"),
        ({"steps": 3, "optimizer": "adma"}, "Did you mean 'adam'"),
        ({"steps": 3, "schedule": "cosin"}, "Did you mean 'cosine'"),
        ({"steps": 3, "precision": "bf-16"}, "Did you mean 'bf16'"),
        ({"steps": 3, "lr": 0}, "positive number"),
        ({"steps": 3, "warmup": 3}, "warmup must be shorter"),
        ({"steps": 3, "batch_size": 0}, "batch_size to be a whole number of at least 1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        quiet_fit(TinyNet(), tiny_split(), **settings)


def test_network_with_another_number_of_classes_is_refused():
    with pytest.raises(ValueError, match="num_classes=2"):
        quiet_fit(TinyNet(1000), tiny_split(), steps=1)


def test_network_without_preprocessing_is_refused():
    model = TinyNet()
    del model.preprocessing
    with pytest.raises(ValueError, match="preprocessing"):
        quiet_fit(model, tiny_split(), steps=1)


def test_validation_split_of_another_task_is_refused():
    with pytest.raises(ValueError, match="val must have the task"):
        quiet_fit(TinyNet(), tiny_split(), tiny_split(task="multilabel"), steps=1)


# ------------------------------------------------------------------ on a GPU

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")


@gpu
@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "auto"])
def test_gpu_training_lowers_the_loss(precision):
    train, val = tiny_split(80), tiny_split(60, seed=1)
    history = fit(
        TinyNet(), train, val, epochs=20, lr=0.01, augment=MILD, precision=precision, device="cuda", progress=False
    )
    assert history.column("train_loss")[-1] < 0.7 * history.column("train_loss")[0]
    assert {tensor.device.type for tensor in history.best_state.values()} == {"cpu"}


@gpu
@pytest.mark.gpu
def test_gpu_agrees_with_the_cpu_in_float32():
    models = [LinearNet(), LinearNet()]
    for model, device in zip(models, ("cpu", "cuda"), strict=True):
        fit(model, tiny_split(80), steps=5, augment=MILD, precision="fp32", device=device, progress=False)
    torch.testing.assert_close(models[0].head.weight, models[1].head.weight.cpu(), rtol=1e-3, atol=1e-4)


@gpu
@pytest.mark.gpu
def test_gpu_nan_is_traced_back_to_its_step():
    with pytest.raises(RuntimeError, match="became nan at step 8, "):
        fit(Trap(nan_at=8), tiny_split(96), epochs=3, batch_size=16, device="cuda", progress=False)
