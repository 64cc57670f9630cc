"""The public sets that `load_data` knows, in the layouts that they unpack to.

Each has a file of its own with one function: from the folder of the set, and the options of its label rules, to what
`load_table` needs to know of it. Nothing is downloaded: who publishes such a set asks for consent.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab_utils.arguments import one_of
from lab_utils.data.public import aptos, cbis_ddsm, chexpert, eyepacs, isic2019, kermany, nih14, pcam, rsna
from lab_utils.data.splits import Split
from lab_utils.data.tables.table import count_table, load_table, plan_table

MODULES = {
    "aptos": aptos,
    "cbis_ddsm": cbis_ddsm,
    "chexpert": chexpert,
    "eyepacs": eyepacs,
    "isic2019": isic2019,
    "kermany": kermany,
    "nih14": nih14,
    "pcam": pcam,
    "rsna": rsna,
}
PUBLIC: dict[str, Callable[..., dict[str, Any]]] = {name: getattr(module, name) for name, module in MODULES.items()}
PLANNED = PUBLIC | {"aptos": aptos.planned, "pcam": pcam.planned}  # the others do not touch the pixels
OF_TABLES = ("size", "n_train", "n_val", "n_test", "seed")


def say_licence(name: str) -> None:
    """Print what may be done with a set, and where it is."""
    print(f"{name}: {MODULES[name].LICENCE}")


def load_public(name: str, root: Path | str, **options: Any) -> dict[str, Split]:
    """Load a public set; the options are those of its function, and size, seed and numbers of images."""
    root = Path(root).expanduser()
    ours = {option: options.pop(option) for option in OF_TABLES if option in options}
    return load_table(root, **PUBLIC[name](root, **options), **ours)


def plan_data(name: str, root: Path | str, *, size: int = 64, seed: int = 0, **options: Any) -> str:
    """Say what `load_data` will do with a public set: pictures, patients, disk and time.

    Raises:
        ValueError: if it is none of `PUBLIC`.
    """
    one_of("name", name, tuple(PUBLIC))
    root = Path(root).expanduser()
    described = PLANNED[name](root, **options)
    say_licence(name)
    return plan_table(root, **described, size=size, seed=seed)


def count_data(name: str, root: Path | str, *, seed: int = 0, **options: Any) -> dict[str, int]:
    """How many images `load_data` will put into train, val and test of a public set; nothing is decoded."""
    root = Path(root).expanduser()
    return count_table(root, **PLANNED[name](root, **options), seed=seed)
