"""Files that belong to a picture but show no patient of their own: segmentation masks, overlays, thumbnails.

They are left out where their names say so and something else agrees:

* ``x_mask.png``, ``x_segmentation.png``, ``x_mask_1.png``, ``mask-x.png``, ``x_thumb.jpg`` with ``x`` (any ending)
  beside them; or alone, if they look like masks: a few flat grey levels
* folders ``masks``, ``segmentations``, ``ground_truth``, ``overlays``, ``thumbnails`` ... with the same names in them
  as in ``images`` beside them or in the folder around them; or alone, if what they hold looks like masks

A class may be called ``mask``: photographs of faces in ``mask`` and ``no_mask`` are pictures.
"""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from lab_utils.data.folder_names import is_container
from lab_utils.data.picture import quietly
from lab_utils.data.tree import Folder

SEPARATOR = r"[\s_.\-]"
WHOSE = "left|right|lungs?|manual|binary|lesions?|tumou?r|expert|nodules?|segmentation|seg|gt|roi|annotation|pixel"
WORDS = (
    rf"(?:(?:{WHOSE}){SEPARATOR}*)?masks?|(?!(?:no|non|not|with|without){SEPARATOR})[a-z]+{SEPARATOR}masks|"
    rf"segmentations?|segm?|segmented|ground{SEPARATOR}?truths?|gts?|annotations?|annotated|"
    rf"labels?|labelled|contours?|overlays?|superpixels?|heat{SEPARATOR}?maps?|saliency|rois?|thumbs?|thumbnails?|previews?"
)
AFTER = re.compile(rf"(?P<base>.+?)(?:{SEPARATOR}+|(?=[A-Z]))(?i:{WORDS})(?:{SEPARATOR}*\(?\d+\)?)?")
BEFORE = re.compile(rf"(?i:{WORDS}){SEPARATOR}+(?P<base>.+)")
FOLDER = re.compile(rf"(?i:{WORDS})(?:{SEPARATOR}*(?:images?|files?|png|jpe?g|tiff?|bmp|\d+))?")
BINS = 16  # of grey levels
FLAT = 0.97  # share of the pixels of a mask that lies in three bins
SAMPLE = 6  # pictures of a folder that are looked at


def leave_out_companions(folder: Folder, classes: Collection[str] = ()) -> None:
    """Move masks and the like from `pictures` and `folders` to `left_out`, here and in all folders below.

    A folder with one of the names in `classes` is a class, whatever it looks like.
    """
    _leave_out_files(folder)
    for inside in list(folder.folders):
        if inside.name not in classes and FOLDER.fullmatch(inside.name) and _is_companion(inside, folder):
            for below in inside.walk():
                folder.left_out += below.pictures
                folder.tables += [f"{inside.name}/{name}" for name in below.tables]
            folder.folders.remove(inside)
        else:
            leave_out_companions(inside, classes)


def _leave_out_files(folder: Folder) -> None:
    stems = {path.stem.lower() for path in folder.pictures}
    kept = []
    for path in folder.pictures:
        named = [match["base"].lower() for pattern in (AFTER, BEFORE) if (match := pattern.fullmatch(path.stem))]
        if named and (not stems.isdisjoint(named) or looks_like_mask(path)):
            folder.left_out.append(path)
        else:
            kept.append(path)
    folder.pictures[:] = kept


def _is_companion(inside: Folder, around: Folder) -> bool:
    """Whether a folder named like masks holds what belongs to pictures beside it."""
    beside = [folder for folder in around.folders if folder is not inside]
    files = [path for folder in inside.walk() for path in folder.pictures]
    if not files:
        return not inside.all_unread() and inside.same_as is None
    if any("mask" in folder.name.lower() and not FOLDER.fullmatch(folder.name) for folder in beside):
        return False  # a class: "mask" and "no_mask"
    if not around.pictures and not any(folder.count() for folder in beside):
        return False  # there is nothing else
    if all(looks_like_mask(path) for path in files[:: max(1, len(files) // SAMPLE)]):
        return True
    if not around.pictures and not any(is_container(folder.name) for folder in beside):
        return False
    stems = {path.stem.lower() for folder in (around, *beside) for path in folder.pictures}
    return 2 * sum(not stems.isdisjoint(_bases(path)) for path in files) >= len(files)


def _bases(path: Path) -> Sequence[str]:
    """What the picture of a mask may be called."""
    matches = (pattern.fullmatch(path.stem) for pattern in (AFTER, BEFORE))
    return [path.stem.lower(), *(match["base"].lower() for match in matches if match)]


def looks_like_mask(path: Path) -> bool:
    """Whether nearly all pixels of a picture have one of a few grey levels."""
    try:
        with quietly(), Image.open(path) as picture:
            grey = np.asarray(picture.convert("L").resize((64, 64), Image.Resampling.NEAREST))
    except Exception:  # whoever reads the picture says what is wrong with it
        return False
    levels = np.bincount(grey.ravel() // (256 // BINS), minlength=BINS)
    return bool(np.sort(levels)[-3:].sum() >= FLAT * grey.size)
