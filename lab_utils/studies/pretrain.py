"""The one command that rebuilds a shipped weight file.

    python -m lab_utils.studies.pretrain resnet10_w16

The run may be killed at any moment: the same command goes on from its last checkpoint, and ends with the same weights.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lab_utils.atomic import write_text
from lab_utils.data import cells, load_fractals, make_photos
from lab_utils.device import default_device
from lab_utils.names import unknown_name
from lab_utils.networks import DEFAULT_PREPROCESSING, save_weights
from lab_utils.profile import cache_root, data_root
from lab_utils.studies.source_training import Recipe, held_out_accuracy, relative_scale, train
from lab_utils.studies.sources_on_the_spot import NOISE_CATEGORIES, OTHERS, SOURCES

# The first half of the steps, or a little more, sees images of half the side. A network that meets the full side only
# when the learning rate is nearly 0 does not grow into it: with a tenth of the steps CBR-Tiny named 49 % of the images.
RECIPES = {
    "resnet10_w16": Recipe(steps=9_000, small_steps=4_500),
    "resnet10_w32": Recipe(steps=9_000, small_steps=4_500),
    "cbr_tiny": Recipe(steps=9_000, small_steps=5_400),
    "cbr_small": Recipe(steps=6_000, small_steps=3_600),
    "small_vit": Recipe(
        steps=8_000,
        small_steps=5_500,
        images=0,
        photos=60_000,
        lr=1e-3,
        warmup=500,
        weight_decay=0.05,
        optimizer="adamw",
    ),
}
# Sources alone, to compare them: as long as each needs; with noise only the scale of the weights settles.
_SHORT = Recipe(steps=2_400, small_steps=1_600, photos=0)
_SHORTER = replace(_SHORT, steps=1_200, small_steps=900)
RECIPES |= {
    "resnet10_w16-photos": replace(_SHORT, images=0, photos=60_000),
    "resnet10_w16-colour_photos": replace(_SHORT, images=0, photos=60_000, colour=True),
    "resnet10_w16-fractals": _SHORT,
    "resnet10_w16-same_hospital": replace(_SHORTER, images=8_000, source="same_hospital"),
    "resnet10_w16-other_hospital": replace(_SHORTER, images=8_000, source="other_hospital"),
    "resnet10_w16-noise": replace(_SHORTER, images=8_000, source="noise"),
    "cbr_tiny-photos": replace(_SHORTER, images=0, photos=60_000),
}

OPTIMIZERS = {"sgd": "SGD, Nesterov, cosine to 0", "adamw": "AdamW, weights alone decay, cosine to 0"}
SOURCE_SEED = 7_000
CONVERGED = 0.99  # held-out accuracy from which the manifest calls a training converged


def shipped_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return what the file keeps: the backbone, its filters in fp16, its vectors in float32."""
    return {
        key: (value.half() if value.ndim > 1 else value).detach().contiguous()
        for key, value in model.state_dict().items()
        if not key.startswith("head.")
    }


def ship(
    name: str,
    recipe: Recipe,
    model: nn.Module,
    lines: list[str],
    held_out: tuple[Tensor, Tensor],
    folder: Path,
) -> dict[str, Any]:
    """Write NAME.safetensors, NAME.log and the entry in manifest.json; returns the entry."""
    tensors = shipped_tensors(model)
    model.load_state_dict(tensors, strict=False)  # measure what is shipped, rounding included
    accuracy = held_out_accuracy(model, *held_out, small=False)
    path = folder / f"{name}.safetensors"
    preprocessing = DEFAULT_PREPROCESSING[recipe.channels]
    save_weights(path, tensors, preprocessing, model_name=name.split("-")[0])
    entry = {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "command": f"python -m lab_utils.studies.pretrain {name}",
        "source": _source(recipe),
        "source_accuracy": accuracy,
        "converged": accuracy >= CONVERGED,
        "parameters": sum(p.numel() for k, p in model.named_parameters() if k[:5] != "head."),
        "preprocessing": asdict(preprocessing),
        "recipe": {**asdict(recipe), "optimizer": OPTIMIZERS[recipe.optimizer]},
        "std_over_init": [round(value, 3) for value in relative_scale(model)],
        "torch": str(torch.__version__),
    }
    manifest = folder / "manifest.json"
    entries = json.loads(manifest.read_text("utf-8")) if manifest.exists() else {}
    text = json.dumps({**entries, name: entry}, indent=2, sort_keys=True) + "\n"
    write_text(manifest, text)
    log = "\n".join([*lines, f"shipped: held-out accuracy {accuracy:.4f} with fp16 filters", ""])
    write_text(folder / f"{name}.log", log)
    return entry


def source_images(recipe: Recipe, fractals: int, photos: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw fractals and, with categories of their own above those, patches of photographs; 0 leaves one kind out.

    A recipe with another source draws that in place of fractals.

    Returns:
        Images uint8 (fractals + photos, H, H), in colour (photos, 3, H, H), and categories int64 (fractals + photos,).
    """
    size, parts, first = recipe.size, [], 0
    if recipe.source:  # phantoms of seeds that no lab uses: other patients
        parts.append(SOURCES[recipe.source](fractals, size=size, seed=SOURCE_SEED + seed))
    elif fractals:
        keep, categories = cache_root() / "sources", recipe.categories
        parts.append(load_fractals(fractals, cache_folder=keep, size=size, seed=seed, categories=categories))
        first = categories
    if photos:
        patches, kinds = make_photos(photos, size=size, seed=seed, colour=recipe.colour)
        parts.append((patches, kinds + first))
    images, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
    return torch.from_numpy(images), torch.from_numpy(labels)


def _source(recipe: Recipe) -> str:
    if recipe.source == "noise":
        return f"white noise with {NOISE_CATEGORIES} random categories"
    if recipe.source:
        return f"phantoms of {recipe.source}, which of {', '.join(OTHERS)} they show"
    fractals = f"{recipe.categories} categories of IFS fractals"
    photos = f"{len(cells())} of photo patches"
    if not recipe.images:
        return photos.replace("of", "categories of", 1) + " in colour" * recipe.colour
    return f"{fractals} and {photos}" if recipe.photos else fractals


def pretrain(name: str, recipe: Recipe | None = None) -> dict[str, Any]:
    """Draw the source images, train, and write the weight file; returns its entry in the manifest.

    Raises:
        ValueError: If no recipe has this name.
    """
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    recipe = recipe or RECIPES[name]
    data = source_images(recipe, recipe.images, recipe.photos, recipe.seed)
    fractals, photos = (recipe.held_out * bool(number) for number in (recipe.images, recipe.photos))
    held_out = source_images(recipe, fractals, photos, recipe.seed + 1)
    device = default_device()
    checkpoint = cache_root() / "pretrain" / f"{name}.pt"
    model, lines = train(name, recipe, data, held_out, checkpoint, device=device)
    entry = ship(name, recipe, model.cpu(), lines, held_out, data_root() / "weights")
    checkpoint.unlink(missing_ok=True)
    return entry


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", choices=list(RECIPES), help="network to train, or network-source")
    print(json.dumps(pretrain(parser.parse_args().name), indent=2))


if __name__ == "__main__":
    main()
