"""How fast this machine trains: a second of steps, from which the time of a lab is told before it begins."""

import time

import torch

from lab_utils.device import precision_for
from lab_utils.networks import build_model, preprocess
from lab_utils.training.forward import forward, to_device
from lab_utils.training.losses import criterion_for
from lab_utils.training.optimizers import make_optimizer

SIDE = 64  # pixels
STEPS = {"resnet10_w16": (32, 5), "cbr_tiny": (16, 2)}  # images in a batch, steps; together about a second


def measure_pace() -> dict[str, float]:
    """Return how many images one thread trains on per second of processor time, for two networks of the labs.

    The fastest step counts, and the time in which other programs have the processor does not: what comes out belongs
    to the machine, and not to what else runs on it now. Random numbers and the number of threads stay as they were.

    Returns:
        name of the network -> images of 64 x 64 pixels per second: forward, backward, step of AdamW.
    """
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            return {name: batch / _fastest_step(name, batch, steps) for name, (batch, steps) in STEPS.items()}
    finally:
        torch.set_num_threads(threads)


def _fastest_step(name: str, batch: int, steps: int) -> float:
    """Return seconds of processor time; the first step, which prepares the others, does not count."""
    fast = precision_for("cpu") == "bf16"
    model = build_model(name, num_classes=5).train()
    to_device(model, torch.device("cpu"), fast=fast)
    images = torch.zeros(batch, 1, SIDE, SIDE, dtype=torch.uint8).random_(0, 256)
    labels, criterion = torch.zeros(batch, 5), criterion_for("multilabel")
    optimizer = make_optimizer("adamw", [{"params": [*model.parameters()]}])
    taken = []
    for _ in range(1 + steps):
        began = time.process_time()
        loss = criterion(forward(model, preprocess(model, images), fast=fast), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        taken.append(time.process_time() - began)
    return min(taken[1:])
