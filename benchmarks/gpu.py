"""What the kit does with a CUDA card: one call of under ten minutes, which writes benchmarks/gpu.md.

    python benchmarks/gpu.py

(1) images per second of `fit`, beside a bare loop and the step limit: the same network and batch without any loop, its
step captured as a CUDA graph; small networks also several at a time. (2) `fit` beside a plain DataLoader recipe, and
Lightning's Trainer where that is installed. (3) Images from a mapped file beside images on the card. (4) CCA of 2,048
and 2,048 neurons at 100,000 datapoints. (5) Labs 3 and 6 in `full`: seconds, and their bands.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gpu_rows
import torch
from gpu_timing import CARD, SMOKE, Sizes, network, noise, per_second, wait, with_fit
from torch import Tensor, nn

from lab_utils.data import Split, batch_indices
from lab_utils.device import default_device, precision_for
from lab_utils.studies import run_grid

ROOT = Path(__file__).resolve().parents[1]
AIM = {"resnet50": "0.95 of the limit", "resnet10_w16": "3 x the bare loop", "cbr_tiny": "3 x the bare loop"}


def step_on(model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> None:
    """One step of training, the least that it needs: normalised float images in, changed weights out."""
    bf16 = precision_for(images.device) == "bf16"
    # A graph may keep no copies of weights from one step to the next, which autocast's cache would.
    with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16, cache_enabled=False):
        logits = model(images)
    loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def bare_loop(name: str, split: Split, batch: int) -> Callable[[int], None]:
    """The reference: shuffled batches of images that are on the device and normalised already."""
    model = network(name).train()
    images = model.preprocessing(split.images).contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4)
    generator = torch.Generator().manual_seed(0)

    def endless() -> Iterator[Tensor]:
        while True:
            yield from batch_indices(len(images), batch, generator=generator)

    batches = endless()

    def steps(count: int) -> None:
        for _ in range(count):
            index = next(batches).to(images.device)
            step_on(model, optimizer, images[index], split.labels[index])

    return steps


def step_limit(name: str, split: Split, batch: int) -> Callable[[int], None]:
    """The most that the card can do: one batch again and again, the step as a CUDA graph (eager without CUDA)."""
    model, on_card = network(name).train(), split.images.is_cuda
    images = model.preprocessing(split.images[:batch]).contiguous(memory_format=torch.channels_last)
    labels = split.labels[:batch]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4, capturable=on_card)
    step = lambda: step_on(model, optimizer, images, labels)  # noqa: E731
    if on_card:
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):  # as PyTorch asks for: what is set up once must not be in the graph
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        step = graph.replay

    def steps(count: int) -> None:
        for _ in range(count):
            step()

    return steps


def loops(sizes: Sizes, say: Callable[[str], None]) -> None:
    """Row (1)."""
    say("| network | px | batch | bare loop, images/s | limit | fit | fit / bare | fit / limit | aim |\n|" + "---|" * 9)
    for name in ("resnet10_w16", "cbr_tiny", "resnet50", "inception_v3"):
        for px, batch in sizes.batches.items():
            if name == "inception_v3" and px < 75:  # it takes no smaller ones
                continue
            split = noise(8 * batch, px, default_device())
            found = []
            for kind in (bare_loop, step_limit, with_fit):
                found.append(per_second(kind(name, split, batch), batch, sizes.seconds))
                torch.cuda.empty_cache()
            bare, limit, ours = found
            ratios = f"{ours / bare:.2f} | {ours / limit:.2f} | {AIM.get(name, '')} |"
            say(f"| {name} | {px} | {batch} | {bare:,.0f} | {limit:,.0f} | {ours:,.0f} | {ratios}")


def one_of_several(name: str, px: int, batch: int, count: int, seed: int) -> dict[str, float]:
    """A run beside others: when its `count` steps began and ended."""
    split = noise(8 * batch, px, default_device())
    steps = with_fit(name, split, batch)
    steps(3)
    start = time.time()
    steps(count)
    wait()
    return {"start": start, "end": time.time()}


def side_by_side(sizes: Sizes, say: Callable[[str], None]) -> None:
    """Row (1) again: small networks, several runs on one card."""
    px, batch = next(iter(sizes.batches.items()))
    for name in ("resnet10_w16", "cbr_tiny"):
        alone = per_second(with_fit(name, noise(8 * batch, px, default_device()), batch), batch, sizes.seconds)
        count = max(3, int(3 * sizes.seconds * alone / batch))
        grid = [{"name": name, "px": px, "batch": batch, "count": 3, "seed": seed} for seed in range(sizes.together)]
        run_grid(one_of_several, grid, workers=sizes.together, progress=False)  # starts the processes
        grid = [{**config, "count": count} for config in grid]
        runs = run_grid(one_of_several, grid, workers=sizes.together, progress=False)
        total = sizes.together * count * batch / (runs["end"].max() - runs["start"].min())
        say(
            f"- {name}, {px} px: {sizes.together} runs at a time {total:,.0f} images/s, {total / alone:.2f} x one alone"
        )


def main() -> None:
    """Run all rows, print them as they come, and write them down if they are of a card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help=argparse.SUPPRESS)
    smoke = parser.parse_args().smoke
    if not (smoke or torch.cuda.is_available()):
        parser.error("Expected a CUDA card, found none. Run this where torch.cuda.is_available() is True.")
    began, sizes = time.perf_counter(), SMOKE if smoke else CARD
    device = default_device()
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else "no card: smoke, the numbers mean nothing"
    lines = [f"# {card}\n\ntorch {torch.__version__}, {precision_for(device)}; made by `python benchmarks/gpu.py`\n"]
    print(lines[0])

    def say(line: str) -> None:
        lines.append(line)
        print(line, flush=True)

    parts: dict[str, Callable[[Sizes, Callable[[str], None]], None]] = {
        "Training: fit, a bare loop, the limit of a step": loops,
        "Runs side by side": side_by_side,
        "Other recipes": gpu_rows.recipes,
        "Images from a file": gpu_rows.from_file,
        "CCA": gpu_rows.similarity,
    }
    for title, row in parts.items():
        say(f"\n## {title}\n")
        row(sizes, say)
    say("\n## Labs 3 and 6\n")
    gpu_rows.labs(sizes, say, began)
    say(f"{time.perf_counter() - began:.0f} s in all")
    if device.type == "cuda" and not smoke:
        (ROOT / "benchmarks" / "gpu.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
