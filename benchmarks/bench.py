"""How long the kit takes, against other ways to do the same.

    make bench            every row
    python benchmarks/bench.py fit_bare import    some rows

A row runs its two sides in turn, A B A B ..., after one warm-up of each, and prints the median of the ratios of
neighbouring runs with the smallest and the largest: a ratio holds where seconds do not. Nothing here is a test.
"""

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import bench_cca
import bench_data
import bench_frechet
import bench_grading
import bench_studies
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lab_utils.data import Split, batch_indices, make_phantoms
from lab_utils.device import default_device, precision_for
from lab_utils.networks import build_model
from lab_utils.similarity import extract_features
from lab_utils.training import fit, linear_probe
from lab_utils.transfer import freeze

ROOT = Path(__file__).resolve().parents[1]
Side = Callable[[], object]


def ratios(slow: Side, quick: Side, *, rounds: int) -> list[float]:
    """Seconds of `slow` over seconds of `quick`, one ratio per round, sides in turn."""
    slow(), quick()
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        slow()
        middle = time.perf_counter()
        quick()
        found.append((middle - start) / (time.perf_counter() - middle))
    return found


def report(name: str, what: str, found: list[float], target: str) -> None:
    """Print one row: median, range, and what was aimed at."""
    middle = statistics.median(found)
    spread = f"{min(found):.2f} ... {max(found):.2f}"
    print(f"{name:<14}{middle:7.2f}   ({spread}, {len(found)} rounds)   {what}; aim: {target}", flush=True)


def phantoms(n: int, size: int = 64) -> Split:
    """A small set to time with; which images does not matter."""
    return make_phantoms(n, size=size, seed=0)


def bare_loop(model: nn.Module, images: Tensor, labels: Tensor, *, steps: int, batch_size: int, lr: float) -> None:
    """The least that training needs, on images that are float, normalised and on the device already."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-4)
    generator = torch.Generator().manual_seed(0)
    bf16 = precision_for(images.device) == "bf16"
    model.train()
    done = 0
    while done < steps:
        for index in batch_indices(len(images), batch_size, generator=generator):
            x = images[index]
            if bf16:
                x = x.contiguous(memory_format=torch.channels_last)
            with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
                logits = model(x)
            loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1
            if done == steps:
                return


def fit_bare(rounds: int) -> None:
    """`fit` against `bare_loop`: what the kit's loop adds."""
    device, split = default_device(), phantoms(512)
    model = build_model("resnet10_w32", num_classes=5, seed=0).to(device)
    images = model.preprocessing(split.images.to(device))
    labels = split.labels.to(device)
    if precision_for(device) == "bf16":
        model = model.to(memory_format=torch.channels_last)
    found = ratios(
        lambda: fit(model, split, steps=48, eval_every=48, progress=False),
        lambda: bare_loop(model, images, labels, steps=48, batch_size=32, lr=1e-3),
        rounds=rounds,
    )
    report("fit_bare", "time of fit / time of a bare loop, resnet10_w32, 64 px", found, "at most 1.03")


def course_recipe(model: nn.Module, loader: DataLoader[tuple[Tensor, ...]], *, steps: int) -> None:
    """The loop that the course used: float images from a DataLoader, Adam, fp32, `.item()` in every step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    device = next(model.parameters()).device
    model.train()
    total, done = 0.0, 0
    while done < steps:
        for images, labels in loader:
            logits = model(images.to(device))
            loss = nn.functional.binary_cross_entropy_with_logits(logits, labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
            done += 1
            if done == steps:
                return


def fit_course(rounds: int) -> None:
    """`fit` against the course's recipe at equal images, size and model."""
    device = default_device()
    split = make_phantoms(32, size=224, seed=0)
    images = nn.functional.interpolate(split.images.float() / 255, size=(256, 256))
    split = Split((images * 255).byte().expand(-1, 3, -1, -1).contiguous(), *_rest(split))
    data = TensorDataset(images.expand(-1, 3, -1, -1).contiguous(), split.labels)  # float32, 256 x 256 x 3
    for name, batch, aim in (("resnet18", 16, 3.5), ("resnet50", 8, 4.5)):
        loader = DataLoader(data, batch_size=batch, shuffle=True)
        ours = build_model(name, num_classes=5, in_channels=3, seed=0).to(device)
        theirs = build_model(name, num_classes=5, in_channels=3, seed=0).to(device)
        found = ratios(
            lambda model=theirs, loader=loader: course_recipe(model, loader, steps=2),
            lambda model=ours, batch=batch: fit(
                model, split, steps=2, batch_size=batch, optimizer="adam", progress=False
            ),
            rounds=rounds,
        )
        report(
            "fit_course",
            f"time of the course's recipe / time of fit, {name}, 256 px",
            found,
            f"{aim}{_units(device)}",
        )


def _units(device: torch.device) -> str:
    """What to know about the aims of `fit_course` on this machine: they were set on a processor with AMX units."""
    if precision_for(device) == "fp32":
        return ", which needs bf16 units: this device has none"
    if device.type == "cpu" and not torch.cpu.get_capabilities().get("amx_bf16"):
        return ", set with AMX units; the AVX512-BF16 units here do at most twice the work of fp32"
    return ""


def _rest(split: Split) -> tuple[Tensor, Tensor, str, tuple[str, ...]]:
    return split.labels, split.groups, split.task, split.class_names


def fit_frameworks(rounds: int) -> None:
    """Lightning's Trainer and fastai's Learner against `fit`: one epoch of the same model and data, all in fp32."""
    missing = [name for name in ("lightning", "fastai") if importlib.util.find_spec(name) is None]
    if missing:
        print(f"frameworks    left out: {', '.join(missing)} not installed (pip install lightning fastai)")
        return
    device, split = default_device(), phantoms(1024)
    model = build_model("resnet10_w16", num_classes=5, seed=0).to(device)
    tensors = TensorDataset(model.preprocessing(split.images), split.labels)
    loader = DataLoader(tensors, batch_size=32, shuffle=True)
    warnings.simplefilter("ignore")  # theirs, about workers and loggers

    def ours() -> None:
        fit(model, split, epochs=1, precision="fp32", progress=False)

    report("lightning", "time of Lightning's Trainer / time of fit, 1024 images", ratios(
        lambda: lightning_epoch(model, loader), ours, rounds=rounds), "more than 1")  # fmt: skip
    report("fastai", "time of fastai's Learner / time of fit, 1024 images", ratios(
        lambda: _fastai_epoch(model, loader), ours, rounds=rounds), "more than 1")  # fmt: skip


def lightning_epoch(model: nn.Module, loader: DataLoader[tuple[Tensor, ...]], **settings: object) -> None:
    """One epoch with Lightning's Trainer, without its bars and files; `settings` go to the Trainer."""
    import logging

    import lightning

    class Task(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
            return nn.functional.binary_cross_entropy_with_logits(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.model.parameters(), lr=1e-3, weight_decay=1e-4)

    model.train()  # fit leaves it in eval mode, in which Lightning would train on: batch norm costs less there
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    settings = {"max_epochs": 1, "enable_model_summary": False, **quiet, **settings}
    lightning.Trainer(**settings).fit(Task(), loader)
    model.to(default_device())  # Lightning moves it to the CPU at the end


def _fastai_epoch(model: nn.Module, loader: DataLoader[tuple[Tensor, ...]]) -> None:
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.optimizer import Adam

    loaders = DataLoaders(loader, loader, device=default_device())
    learner = Learner(loaders, model, loss_func=nn.functional.binary_cross_entropy_with_logits, opt_func=Adam)
    with learner.no_logging():  # without fastai.callback.progress there is no bar either
        learner.validate = lambda *_, **__: None
        learner._do_epoch_validate = lambda *_, **__: None  # fit has no validation here either
        learner.fit(1, lr=1e-3)


def probe_cached(rounds: int) -> None:
    """30 epochs of a head through the frozen backbone against features computed once and a linear probe, in fp32."""
    split = phantoms(512)
    model = build_model("resnet10_w16", num_classes=5, seed=0)
    freeze(model)

    def cached() -> None:
        features = extract_features(model, split.images)
        linear_probe(features, split.labels, features, task=split.task)

    def epochs() -> None:
        fit(model, split, epochs=30, precision="fp32", progress=False)

    found = ratios(epochs, cached, rounds=max(1, rounds // 3))
    report("probe_cached", "30 epochs of the head / cached features and probe, 512 images", found, "at least 20")


def import_time(rounds: int) -> None:
    """Importing what a lab imports against `import torch` alone, in fresh processes."""
    kit = "from lab_utils.training import fit; from lab_utils.networks import build_model; import lab_utils.data"
    for name, code in (("import", "import lab_utils"), ("import_train", kit)):
        found = ratios(
            lambda code=code: _python(f"import torch; {code}"), lambda: _python("import torch"), rounds=rounds
        )
        report(name, f"time of `{code}` / time of `import torch`", found, "at most 1.15")


def _python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def memory_lab3(_: int) -> None:
    """Peak memory of lab 3 in its own process tree."""
    code = (
        "import resource, sys, nbformat, nbclient; "
        "book = nbformat.read(sys.argv[1], 4); nbclient.NotebookClient(book, timeout=1200).execute(); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6)"
    )
    with tempfile.TemporaryDirectory() as folder:
        book = ROOT / "solutions" / "03_fine_tuning.ipynb"
        done = subprocess.run(
            [sys.executable, "-c", code, str(book)],
            check=True, capture_output=True, encoding="utf-8", cwd=folder,
            env={**os.environ, "LAB_PROFILE": os.environ.get("LAB_PROFILE", "quick")},
        )  # fmt: skip
    print(f"memory_lab3   {float(done.stdout.split()[-1]):7.2f}   GB, largest process of lab 3; aim: under 2")


ROWS: dict[str, Callable[[int], None]] = {
    "fit_bare": fit_bare,
    "fit_course": fit_course,
    "frameworks": fit_frameworks,
    "probe_cached": probe_cached,
    "import": import_time,
    "memory_lab3": memory_lab3,
    "cca": lambda rounds: bench_cca.rows(ratios, report, rounds),
    "frechet": lambda rounds: bench_frechet.rows(ratios, report, rounds),
    "decoding": lambda rounds: bench_data.decoding(rounds, report),
    "from_file": lambda rounds: bench_data.from_file(rounds, ratios, report),
    "memory_large": lambda _: bench_data.memory_large(),
    "study_run": bench_studies.rows,
    "grading": lambda rounds: bench_grading.main([str(rounds)]),
}


def main() -> None:
    """Read the command line and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], help="default: all")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch (default 1)")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device = default_device()
    print(f"torch {torch.__version__}, {device}, {precision_for(device)}, {given.threads} thread(s)")
    for name in given.rows or ROWS:
        ROWS[name](given.rounds)


if __name__ == "__main__":
    main()
