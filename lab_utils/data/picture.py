"""One picture file to uint8 pixels, or words about why not.

Read are JPEG, PNG, BMP, TIFF, WebP and GIF of up to 8 bits: two levels, grey, palette, colour, CMYK (also Adobe's
inverted one). What is inside decides, not the suffix. DICOM (see `dicom`) and rows of HDF5 files (see `hdf5`) have
rules of their own; those of the others, the same for every kind:

* Pictures come upright, as their EXIF orientation says. A damaged EXIF block counts as none.
* More than 8 bits per channel, and floats, are refused: which grey levels to show is the user's choice.
* Transparent pixels are refused: what lies behind them is the user's choice. A channel of transparency that hides
  nothing is left out.
* More pixels than Pillow's limit are refused, see `PIL.Image.MAX_IMAGE_PIXELS`.
* Colour profiles (ICC) and gamma values are ignored: the numbers in the file count.
* Of files with several pages or frames the first is taken; `count_pages` tells of the others.
"""

import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from lab_utils.data import dicom, hdf5
from lab_utils.data.dicom import Refused
from lab_utils.data.disk import Unwritable
from lab_utils.data.unreadable import why

FORMATS = ("JPEG", "MPO", "PNG", "BMP", "DIB", "TIFF", "WEBP", "GIF")
PAGED = ("TIFF", "PNG", "WEBP", "GIF")  # the others of an MPO are previews
DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ORIENTATION, BITS, SAMPLES, EXTRA_SAMPLES, SAMPLE_FORMAT = 274, 258, 277, 338, 339  # tags of EXIF and TIFF


def read_picture(path: Path, size: int, channels: int) -> NDArray[np.uint8]:
    """Decode and resize (antialiased) one picture.

    Args:
        path: the file.
        size: side in pixels; a picture that is not square is squeezed.
        channels: 1 for grey, 3 for colour.

    Returns:
        Shape (channels, size, size).

    Raises:
        ValueError: naming the file, if it is no picture, damaged, or of a kind that the module refuses.
    """
    mode = "L" if channels == 1 else "RGB"
    check_file(path)
    try:
        small = _upright(path, size, mode).convert(mode).resize((size, size), Image.Resampling.BILINEAR)
    except (Refused, ImportError, Unwritable):
        raise
    except Exception as error:  # Pillow raises all kinds of errors over damaged files
        raise ValueError(why(path, error)) from error
    return np.array(small, dtype=np.uint8).reshape(size, size, channels).transpose(2, 0, 1)


def _upright(path: Path, size: int, mode: str) -> Image.Image:
    """The picture as it should be seen, at least twice `size` if it is so large."""
    if hdf5.is_row(path):
        return hdf5.read_row(path)
    if dicom.is_dicom(path):
        return dicom.read_dicom(path)
    with Image.open(path) as picture:
        _check_kind(picture, path)
        picture.draft(mode, (2 * size, 2 * size))  # JPEG: decode no more detail than needed
        _check_transparency(picture, path)
        whole = picture.convert(mode)
        turn = TURNED.get(_orientation(picture))
        return whole if turn is None else whole.transpose(turn)


def count_pages(path: Path) -> int:
    """Number of pages or frames of a picture file, of which `read_picture` takes the first.

    Raises:
        ValueError: naming the file, if it is no picture.
    """
    check_file(path)
    try:
        if dicom.is_dicom(path):  # several frames are refused when it is read
            return 1
        with Image.open(path) as picture:
            return int(getattr(picture, "n_frames", 1)) if picture.format in PAGED else 1
    except Exception as error:
        raise ValueError(why(path, error)) from error


def looks_grey(path: Path) -> bool:
    """Whether a picture is grey: no colours, or colours so weak or so few that they are noise of JPEG.

    Colour is a mean difference of more than 2 levels between the channels at 32 x 32 pixels, or of more than 30 levels
    in 1 % of them.

    Raises:
        ValueError: as `read_picture`.
    """
    check_file(path)
    try:
        if dicom.is_dicom(path):
            return dicom.is_grey(path)
        with Image.open(path) as picture:
            if picture.mode in ("1", "L", "LA", "La"):
                return True
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(why(path, error)) from error
    pixels = read_picture(path, 32, 3).astype(np.int16)
    # JPEG rounds each colour by itself: equal channels may come out a few levels apart.
    apart = np.abs(pixels - pixels[:1])
    return bool(apart.mean() <= 2 and (apart.max(axis=0) > 30).mean() <= 0.01)


@contextmanager
def quietly() -> Iterator[None]:
    """Without warnings of Pillow and pydicom, which name no file: what they warn of is refused, or a rule covers it.

    Around a pool of threads, not inside: filters of warnings belong to the process.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # half of the limit
        warnings.filterwarnings("ignore", module=r"PIL\.|pydicom")
        yield


def check_file(path: Path) -> os.stat_result:
    """Size and date of a file; what is no file is refused before it is opened, since a pipe would wait for ever.

    For a row of an HDF5 file, they are those of the whole file.

    Raises:
        ValueError: naming what is a folder, a pipe, a device, empty or not there.
    """
    try:
        found = (path.parent if hdf5.is_row(path) else path).stat()
    except OSError as error:
        kind = "a link to nothing" if path.is_symlink() else f"not there ({error.strerror})"
        raise Refused(f"{path}: a picture was expected; it is {kind}. Copy the file again, or remove it.") from error
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe, socket or device"
        raise Refused(f"{path}: a picture was expected; it is {kind}. Rename or remove it.")
    if not found.st_size:
        raise Refused(f"{path}: a whole picture was expected; the file is empty. Copy it again, or remove it.")
    return found


def _check_kind(picture: ImageFile, path: Path) -> None:
    if picture.format not in FORMATS:
        raise Refused(
            f"{path}: a JPEG, PNG, BMP, TIFF, WebP or GIF was expected; this is a {picture.format} file. "
            "Save it as PNG."
        )
    tags = getattr(picture, "tag_v2", {})
    numbers = {1: "whole numbers", 2: "signed numbers", 3: "floats"}.get(max(tags.get(SAMPLE_FORMAT, (1,))), "numbers")
    bits = max((*tags.get(BITS, (8,)), 16 if _is_deep_png(picture) else 8))
    if picture.mode in DEEP or bits > 8 or numbers != "whole numbers":
        raise Refused(
            f"{path}: an 8-bit picture was expected; this one has more grey levels (mode {picture.mode}, {numbers} of "
            f"{max(bits, 16 if picture.mode in DEEP else 8)} bits). Choose the range that should be visible and save "
            "it as 8-bit, the same range for all pictures."
        )
    samples = tags.get(SAMPLES, 1)
    if samples > 4 or (samples == 2 and tags.get(EXTRA_SAMPLES) == (0,)):
        raise Refused(
            f"{path}: one channel or three were expected; this TIFF has {samples}. Save those that should be seen."
        )
    if picture.mode == "LAB":
        raise Refused(f"{path}: grey or RGB was expected; this TIFF holds CIELAB colours. Convert it to RGB.")


def _is_deep_png(picture: ImageFile) -> bool:
    """Pillow opens 16-bit colour as 8-bit "RGB" or "RGBA"; only the layout of the bytes tells."""
    return picture.format == "PNG" and any(";16" in str(tile[3]) for tile in picture.tile)


def _check_transparency(picture: ImageFile, path: Path) -> None:
    if picture.mode not in WITH_ALPHA and "transparency" not in picture.info:
        return
    alpha = np.asarray((picture if picture.mode in ("RGBA", "LA") else picture.convert("RGBA")).getchannel("A"))
    if hidden := float((alpha < 255).mean()):
        raise Refused(
            f"{path}: a picture that hides nothing was expected; {max(hidden, 0.0001):.2%} of its pixels are "
            "transparent, and what lies behind them is not said. Lay all pictures on the same background, or remove "
            "the transparency, and save them again."
        )


def _orientation(picture: ImageFile) -> int:
    """How a picture is still to be turned. Pillow turns TIFFs itself, but not every version forgets the orientation."""
    if picture.format == "TIFF":
        return 1
    try:
        return int(picture.getexif().get(ORIENTATION, 1))
    except Exception:  # a damaged block says nothing, whichever way Pillow stumbles over it
        return 1
