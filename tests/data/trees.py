"""Small trees of public sets, with names, columns and oddities as they are."""

import gzip
import json
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


def dicom(path: Path, pixels: np.ndarray, *, bits: int = 8, kind: str = "MONOCHROME2", **more: object) -> Path:
    """A DICOM file that is not compressed; `more` are its elements by keyword."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    file, file.file_meta = Dataset(), FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID, file.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid(entropy_srcs=[path.name])
    file.Rows, file.Columns = pixels.shape[:2]
    file.SamplesPerPixel, file.PhotometricInterpretation = 3 if pixels.ndim == 3 else 1, kind
    file.BitsAllocated, file.BitsStored, file.HighBit = pixels.dtype.itemsize * 8, bits, bits - 1
    file.PixelRepresentation = int(pixels.dtype.kind == "i")
    if pixels.ndim == 3:
        file.PlanarConfiguration = 0
    file.PixelData = pixels.tobytes()
    for name, value in more.items():
        setattr(file, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save_as(path, enforce_file_format=True)
    return path


def draw_dicom(path: Path, bits: int = 8) -> None:
    """A DICOM file unlike all others."""
    rng = np.random.default_rng(next(drawn))
    dicom(path, rng.integers(0, 2**bits, (20, 24), dtype=np.uint8 if bits == 8 else np.uint16), bits=bits)


def _lesion(kind: str, part: str, film: str, number: int, pathology: str, series: str) -> tuple[str, ...]:
    """Row of a lesion: film, then crop and mask, which half of the rows have the wrong way round; one has a newline."""
    folder = f"{kind}-{'Training' if part == 'train' else 'Test'}_{film}"
    first, second = ("000000", "000001") if number % 2 else ("000001", "000000")
    crop = f"{folder}_{number}/1.2.{series}.5/1.2.{series}.6"
    return (f"{folder}/1.2.{series}.3/1.2.{series}.4", f"{crop}/{first}.dcm", f'"{crop}/{second}.dcm\n"', pathology)


def cbis_ddsm(root: Path, *, jpeg: bool = False) -> Path:
    """Eighteen patients with two films each, P_00001 in the test part of masses and in train of calcifications.

    P_00002 has a film with a benign and a malignant mass; a film of P_00003 is there for a mass and a calcification.
    """
    rows: dict[str, list[str]] = {f"{kind}_{part}": [] for kind in ("mass", "calc") for part in ("train", "test")}
    described = []
    for i in range(18):
        kinds = [("Mass", "test"), ("Calc", "train")] if i == 1 else [("Mass", "test" if i > 14 else "train")]
        kinds = [("Calc", "test" if i > 14 else "train")] if i % 2 == 0 and i > 3 else kinds
        for n, view in enumerate(("CC", "MLO")):
            for kind, part in [*kinds, ("Calc", "train")] if (i, n) == (3, 0) else kinds:
                film, series = f"P_{i:05}_LEFT_{view}", f"{i}{n}{len(kind + part)}{kind == 'Mass':d}"
                for number in (1, 2) if (i, n) == (2, 0) else (1,):
                    bad = "MALIGNANT" if (i + number) % 3 == 0 else ("BENIGN", "BENIGN_WITHOUT_CALLBACK")[i % 2]
                    path, crop, mask, pathology = _lesion(kind, part, film, number, bad, series)
                    rows[f"{kind.lower()}_{part}"].append(
                        f"P_{i:05},3,LEFT,{view},{number},{kind.lower()},{pathology},{path}/000000.dcm,{crop},{mask}"
                    )
                    uid, cropped = path.rpartition("/")[2], crop.split("/")[2]
                    kaggle = [
                        (f"{uid}/1-{i}.jpg", "full mammogram images"),
                        (f"{cropped}/1-{number}.jpg", "cropped images"),
                        (f"{cropped}/2-{number}.jpg", "ROI mask images"),
                    ]
                    described += [f"CBIS-DDSM/dicom/x.dcm,CBIS-DDSM/jpeg/{name},{what}" for name, what in kaggle]
                    for name in [name for name, _ in kaggle] if jpeg else ():
                        draw(root / "jpeg" / name)
                    for name in () if jpeg else (f"{path}/1-1.dcm", crop, crop.replace("00000", "1-")):
                        draw_dicom(root / "CBIS-DDSM" / name, bits=16)
    for name, lines in rows.items():
        kind, part = name.split("_")
        density = "breast_density" if kind == "mass" else "breast density"
        header = f"patient_id,{density},left or right breast,image view,abnormality id,abnormality type,pathology"
        files = ",image file path,cropped image file path,ROI mask file path"
        write(root / "csv" / f"{kind}_case_description_{part}_set.csv", header + files, lines)
    if jpeg:
        write(root / "csv" / "dicom_info.csv", "file_path,image_path,SeriesDescription", described)
    return root


def isic2019(root: Path) -> Path:
    """Forty-eight pictures: eight kinds, three lesions of each, two pictures of most; as Kaggle nests them."""
    truth, about = [], []
    for i in range(48):
        name = f"ISIC_{i:07}{'_downsampled' * (i % 9 == 4)}"
        draw(root / "ISIC_2019_Training_Input" / "ISIC_2019_Training_Input" / f"{name}.jpg", colour=True)
        truth.append(",".join([name, *(f"{float(kind == i % 8)}" for kind in range(9))]))
        about.append(f"{name},55.0,anterior torso,{'' if i == 40 else f'HAM_{i % 24:07}'},female")
    write(root / "ISIC_2019_Training_GroundTruth.csv", "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK", truth)
    write(root / "ISIC_2019_Training_Metadata.csv", "image,age_approx,anatom_site_general,lesion_id,sex", about)
    return root


def pcam(root: Path, *, packed: bool = False) -> Path:
    """Sixteen patches of four slides to train, eight of two others to validate and to test."""
    import h5py

    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for first, (part, n) in enumerate((("train", 16), ("valid", 8), ("test", 8))):
        stem = f"camelyonpatch_level_2_split_{part}"
        values = {"x": rng.integers(0, 256, (n, 96, 96, 3), np.uint8), "y": np.arange(n).reshape(n, 1, 1, 1) % 2}
        for key, value in values.items():
            path = root / f"{stem}_{key}.h5"
            with h5py.File(path, "w") as file:
                file.create_dataset(key, data=value.astype(np.uint8), chunks=(4, *value.shape[1:]), compression="gzip")
            if packed:
                path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
                path.unlink()
        rows = [f"{i},{i},{i},True,{bool(i % 2)},camelyon16_{part}_{first}{i // 4:02}" for i in range(n)]
        write(root / f"{stem}_meta.csv", ",coord_y,coord_x,tumor_patch,center_tumor_patch,wsi", rows)
    return root


def rsna(root: Path, *, known: bool = False) -> Path:
    """Thirty images of fifteen patients, two boxes in some, and one of the test part without a label."""
    labels, classes, links = [], [], []
    for i in range(30):
        name = f"{i:08x}-14fd-4e49-80ba-63a80b6bddd6"
        draw_dicom(root / "stage_2_train_images" / f"{name}.dcm")
        boxes = ["264.0,152.0,213.0,379.0,1"] * 2 if i % 3 == 0 else [",,,,0"]
        labels += [f"{name},{box}" for box in boxes]
        classes += [f"{name},{('Lung Opacity', 'Normal', 'No Lung Opacity / Not Normal')[i % 3]}"] * len(boxes)
        links.append({"subset_img_id": name, "img_id": f"{i // 2:08}_{i:03}.png", "orig_labels": []})
    draw_dicom(root / "stage_2_test_images" / "ffffffff-14fd-4e49-80ba-63a80b6bddd6.dcm")
    write(root / "stage_2_train_labels.csv", "patientId,x,y,width,height,Target", labels)
    write(root / "stage_2_detailed_class_info.csv", "patientId,class", classes)
    if known:
        (root / "pneumonia-challenge-dataset-mappings_2018.json").write_text(json.dumps(links), "utf-8")
    return root


def kermany(root: Path, *, oct_too: bool = False) -> Path:
    """Chest X-rays nested twice, with what a Mac leaves, numbers that begin again in test, and val of four."""
    names = []
    for part, people in (("train", range(1, 13)), ("val", range(13, 15)), ("test", range(1, 5))):
        for person in people:
            cause = ("bacteria", "virus")[person % 2]
            names += [f"{part}/PNEUMONIA/person{person}_{cause}_{person + n}.jpeg" for n in range(2)]
            names.append(f"{part}/NORMAL/{'NORMAL2-' * (person % 2)}IM-{person:04}-0001.jpeg")
    for name in names:
        draw(root / "chest_xray" / name)
        copy = root / "chest_xray" / "chest_xray" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((root / "chest_xray" / name).read_bytes())
        write(root / "chest_xray" / "__MACOSX" / Path(name).parent / f"._{Path(name).name}", "junk", [])
    for i in range(48 if oct_too else 0):
        kind, part = ("CNV", "DME", "DRUSEN", "NORMAL")[i % 4], ("train", "train", "test")[i // 16]
        number = 7 if i == 32 else 100 + i // 2  # CNV-100 is in train, CNV-7 only in test
        draw(root / "OCT2017" / part / kind / f"{kind}-{100 if i == 36 else number}-{i}.jpeg")
    return root
