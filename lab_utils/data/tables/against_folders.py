"""What the folders of the pictures say, beside what the table says."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from lab_utils.data.folders.folder_names import part_of
from lab_utils.data.folders.tree import numbered
from lab_utils.data.tables.dividing import owners_in_two

AGREE = 0.98  # folders that hold one label in so many of their pictures are the folders of labels


def compare_with_folders(paths: Sequence[Path], root: Path, labels: Tensor, owners: Sequence[str]) -> list[str]:
    """Patients in two folders of parts, and pictures that lie in the folder of another label.

    Args:
        paths: the pictures.
        root: their folder.
        labels: of the pictures, (N,) or (N, K): of several findings it matters whether there is any.
        owners: their patients.
    """
    folders = [path.relative_to(root).parts[:-1] for path in paths]
    return [said for said in (_leak(folders, owners), _other_label(folders, paths, root, labels)) if said]


def _leak(folders: Sequence[Sequence[str]], owners: Sequence[str]) -> str:
    parts = [next((found[0] for name in names if (found := part_of(name)) and not found[1]), "") for names in folders]
    if "" in parts or len(set(parts)) < 2:
        return ""
    shared = owners_in_two(owners, parts)
    if not shared:
        return (
            f"The pictures lie in folders for {', '.join(sorted(set(parts)))}, which share no patient and are not used "
            "here: a column of the table names parts, see part=."
        )
    return (
        f"The pictures lie in folders for {', '.join(sorted(set(parts)))}, and {len(shared)} of {len(set(owners))} "
        f"patients are in more than one of them (for example {shared[0]}): scores on these parts would be too good. "
        "They are not used."
    )


def _other_label(folders: Sequence[Sequence[str]], paths: Sequence[Path], root: Path, labels: Tensor) -> str:
    values = ((labels == 1).any(dim=1) if labels.ndim == 2 else labels).tolist()
    for depth in range(max(map(len, folders), default=0)):
        counts: dict[str, Counter[int]] = defaultdict(Counter)
        names = [folder[-1 - depth] if len(folder) > depth else "" for folder in folders]
        for name, value in zip(names, values, strict=True):
            counts[name][value] += 1
        usual = {name: counter.most_common(1)[0][0] for name, counter in counts.items()}
        wrong = [i for i, name in enumerate(names) if values[i] != usual[name]]
        if len(set(usual.values())) > 1 and 0 < len(wrong) <= (1 - AGREE) * len(names):
            return (
                f"{numbered(len(wrong), 'picture')} in the folder of another label than the table says (for example "
                f"{paths[wrong[0]].relative_to(root)}): one of the two is wrong. The table was taken."
            )
    return ""
