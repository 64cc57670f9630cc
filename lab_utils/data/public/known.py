"""The public sets that `load_data` knows, in the layouts that they unpack to.

Each has a file of its own with one function: from the folder of the set, and the options of its label rules, to what
`load_table` needs to know of it. Nothing is downloaded: who publishes such a set asks for consent.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab_utils.arguments import one_of
from lab_utils.data.public.aptos import aptos
from lab_utils.data.public.cbis_ddsm import cbis_ddsm
from lab_utils.data.public.chexpert import chexpert
from lab_utils.data.public.eyepacs import eyepacs
from lab_utils.data.public.isic2019 import isic2019
from lab_utils.data.public.kermany import kermany
from lab_utils.data.public.nih14 import nih14
from lab_utils.data.public.pcam import pcam
from lab_utils.data.public.rsna import rsna
from lab_utils.data.splits import Split
from lab_utils.data.tables.table import load_table, plan_table

PUBLIC: dict[str, Callable[..., dict[str, Any]]] = {
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
OF_TABLES = ("size", "n_train", "n_val", "n_test", "seed")


def load_public(name: str, root: Path | str, **options: Any) -> dict[str, Split]:
    """Load a public set; the options are those of its function, and size, seed and numbers of images."""
    ours = {option: value for option, value in options.items() if option in OF_TABLES}
    root = Path(root).expanduser()
    return load_table(root, **_described(name, root, options), **ours)


def plan_data(name: str, root: Path | str, *, size: int = 64, seed: int = 0, **options: Any) -> str:
    """Say what `load_data` will do with a public set: pictures, patients, disk and time.

    Raises:
        ValueError: if it is none of `PUBLIC`.
    """
    one_of("name", name, tuple(PUBLIC))
    root = Path(root).expanduser()
    return plan_table(root, **_described(name, root, options), size=size, seed=seed)


def _described(name: str, root: Path, options: dict[str, Any]) -> dict[str, Any]:
    """What `load_table` needs to know of the set, after a printed line on its licence."""
    described = PUBLIC[name](root, **{option: value for option, value in options.items() if option not in OF_TABLES})
    print(f"{name}: {described.pop('licence')}")
    return described
