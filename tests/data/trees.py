"""Small trees of public sets, with names, columns and oddities as they are."""

from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image

drawn = count(1)


def draw(path: Path, *, colour: bool = False, mode: str | None = None) -> None:
    """A picture unlike all others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(next(drawn)).integers(0, 255, (20, 24, 3) if colour else (20, 24), dtype=np.uint8)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)


def write(path: Path, header: str, rows: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


CHEXPERT = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,"
    "Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)


def chexpert(root: Path, prefix: str = "CheXpert-v1.0-small") -> Path:
    """Twelve patients to train, each with a frontal of two studies and a lateral; three to test."""
    parts: dict[str, list[str]] = {"train": [], "valid": []}
    for number in range(15):
        part, patient = ("valid", f"patient{64541 + number}") if number > 11 else ("train", f"patient{number + 1:05}")
        for study, view in ((1, "view1_frontal"), (1, "view2_lateral"), (2, "view1_frontal")):
            place = f"{part}/{patient}/study{study}/{view}.jpg"
            draw(root / prefix / place)
            labels = [""] * 14
            if part == "valid":
                labels = ["0.0"] * 14
            for finding, value in ((2, "1.0" if number % 2 else "-1.0"), (8, "0.0" if number % 3 else "1.0")):
                labels[finding] = value if part == "train" else value.replace("-", "")
            labels[4] = "1.0" if number % 2 == 0 else labels[4]
            labels[5] = labels[6] = labels[10] = "1.0" if number % 4 == 1 else "0.0"
            frontal = "frontal" in view
            age, sex = ("0", "Unknown") if number == 3 else ("68", "Female")
            views = ["Frontal", "AP"] if frontal else ["Lateral", ""]
            parts[part].append(",".join([f"{prefix}/{place}", sex, age, *views, *labels]))
    for part, rows in parts.items():
        write(root / prefix / f"{part}.csv", CHEXPERT, rows[::-1])
    return root


def nih14(root: Path) -> Path:
    """Twenty patients in two of the folders of images, two of them in the official test list."""
    header = (
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
        "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
    )
    findings = ("No Finding", "Effusion|Mass", "Effusion", "Mass", "Hernia|Effusion")
    rows, lists = [], {"train_val": [], "test": []}  # type: tuple[list[str], dict[str, list[str]]]
    for patient in range(1, 21):
        for follow_up in range(3):
            name = f"{patient:08}_{follow_up:03}.png"
            draw(root / f"images_{1 + patient // 11:03}" / "images" / name, mode="RGBA" if patient == 4 else None)
            rows.append(f"{name},{findings[patient % 5]},{follow_up},{patient},058Y,M,PA,2682,2749,0.143,0.143,")
            lists["test" if patient > 15 else "train_val"].append(name)
    write(root / "Data_Entry_2017.csv", header, rows)
    for part, names in lists.items():
        write(root / f"{part}_list.txt", names[0], names[1:])
    return root


def eyepacs(root: Path, *, test: bool = False) -> Path:
    """Both eyes of thirty people; a black picture."""
    rows, solution = [], []
    for person in range(10, 40):
        for eye in ("left", "right"):
            draw(root / "train" / f"{person}_{eye}.jpeg", colour=True)
            rows.append(f"{person}_{eye},{person % 5}")
    draw(root / "train" / "1986_left.jpeg", colour=True)
    rows.append("1986_left,0")
    write(root / "trainLabels.csv", "image,level", rows)
    if test:
        for person in range(1, 9):
            draw(root / "test" / f"{person}_left.jpeg", colour=True)
            solution.append(f"{person}_left,{person % 5},{'Public' if person < 4 else 'Private'}")
        write(root / "retinopathy_solution.csv", "image,level,Usage", [*solution, "9_left,0,Private"])
    return root


def aptos(root: Path) -> Path:
    """Forty retinas; the first is there twice with another grade, the second with the same one. As Kaggle nests it."""
    names = [f"{number:012x}" for number in range(1000, 1042)]
    for name in names[:40]:
        draw(root / "train_images" / f"{name}.png", colour=True)
    for copy, first in zip(names[40:], names, strict=False):
        Image.open(root / "train_images" / f"{first}.png").save(root / "train_images" / f"{copy}.png", compress_level=1)
    draw(root / "test_images" / "ffffffffffff.png", colour=True)
    write(
        root / "train.csv",
        "id_code,diagnosis",
        [f"{name},{i % 5}" for i, name in enumerate(names[:40])] + [f"{names[40]},4", f"{names[41]},1"],
    )
    write(root / "test.csv", "id_code", ["ffffffffffff"])
    return root
