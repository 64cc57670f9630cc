"""One DICOM file to the 8-bit picture that a screen shows.

The rules, in this order: the pixels as they are stored; rescale slope and intercept (or the modality's table); the
first window of the file (linear, linear exact or sigmoid), else its first table of display levels, else the whole range
that the bits stored can hold, the same for all files of so many bits; that to 0 ... 255, rounded; MONOCHROME1, where
low values are white, is inverted. Padding, overlays and pixels that are not square count for nothing. Colour of 8 bits
is taken as it is. Files of several frames are refused: which one is meant is the user's choice.

References:
    DICOM PS3.3, C.11.1 (rescale), C.11.2 (window), C.7.6.3 (pixels).
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ENDINGS = (".dcm", ".dicom")
PIP = "pip install 'pydicom>=3' pylibjpeg pylibjpeg-openjpeg"


class Refused(ValueError):
    """A picture that is whole, but of a kind that would have to be guessed at."""


def is_dicom(path: Path) -> bool:
    """Whether a file is called DICOM, or is one whatever its name says."""
    if path.name.lower().endswith(ENDINGS):
        return True
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_dicom(path: Path) -> Image.Image:
    """The picture of a DICOM file, grey or in colour, in its own size.

    Raises:
        Refused: if there is no picture in it, or several, or one of a kind that the module does not read.
        ImportError: if pydicom is not there, with the line that installs it.
    """
    file = _open(path)
    kind = str(file.get("PhotometricInterpretation", ""))
    if "PixelData" not in file:
        raise Refused(
            f"{path}: a DICOM file with a picture was expected; this one ({file.get('Modality', 'no modality')}) holds "
            "none that can be shown. Remove it."
        )
    if (frames := int(file.get("NumberOfFrames") or 1)) > 1:
        raise Refused(
            f"{path}: a DICOM file of one picture was expected; this one has {frames} frames. Choose the frame that "
            "should be seen and save each as a file of its own."
        )
    values = _pixels(file, path)
    if kind in ("MONOCHROME1", "MONOCHROME2"):
        levels = to_8_bits(file, values, path)
        return Image.fromarray(255 - levels if kind == "MONOCHROME1" else levels)
    if values.ndim == 3 and values.dtype == np.uint8:
        return Image.fromarray(values)
    raise Refused(
        f"{path}: grey, or colour of 8 bits, was expected; this DICOM file holds {kind or 'no known colours'} of "
        f"{file.BitsStored} bits. Save it as 8-bit PNG, in the same way for all pictures."
    )


def is_grey(path: Path) -> bool:
    """Whether the picture of a DICOM file has one channel."""
    return int(_open(path, stop_before_pixels=True).SamplesPerPixel) == 1


def to_8_bits(file: Any, values: NDArray[Any], path: Path) -> NDArray[np.uint8]:
    """Grey levels 0 ... 255 of stored values (H, W), by the rules of the module but for the inversion.

    Args:
        file: the data set of pydicom.
        values: stored values.
        path: of the file, for errors.
    """
    from pydicom.pixels.processing import apply_modality_lut, apply_voi

    bits, signed = int(file.BitsStored), int(file.PixelRepresentation)
    stored = np.array([-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] if signed else [0, 2**bits - 1], values.dtype)
    low, high = sorted(apply_modality_lut(stored, file).tolist())
    values = apply_modality_lut(values, file)
    if file.get("WindowWidth"):
        shown = _windowed(file, values.astype(np.float64), path)
    else:
        if file.get("VOILUTSequence"):
            values = apply_voi(values, file)
            low, high = 0, 2 ** int(file.VOILUTSequence[0].LUTDescriptor[2]) - 1
        shown = (values.astype(np.float64) - low) / (high - low)
    return np.floor(shown.clip(0, 1) * 255 + 0.5).astype(np.uint8)


def _windowed(file: Any, values: NDArray[np.float64], path: Path) -> NDArray[np.float64]:
    """Share of white by the first window."""
    centre, width = (float(np.atleast_1d(file[name].value)[0]) for name in ("WindowCenter", "WindowWidth"))
    function = file.get("VOILUTFunction") or "LINEAR"
    least = 1 if function == "LINEAR" else 0
    if width < least or (width == least == 0) or function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise Refused(
            f"{path}: a window (LINEAR and 1 or wider, LINEAR_EXACT or SIGMOID and wider than 0) was expected; this "
            f"DICOM file has {function} of width {width:g}. Save the range that should be visible as 8-bit PNG."
        )
    if function == "SIGMOID":
        return 1 / (1 + np.exp(-4 * (values - centre) / width))
    if function == "LINEAR_EXACT":
        return (values - centre) / width + 0.5
    return (values - (centre - 0.5)) / max(width - 1, 1e-9) + 0.5


def require(paths: Iterable[Path]) -> None:
    """Refuse to begin with files that cannot be read here.

    Args:
        paths: pictures of any kind; those that are called DICOM count.

    Raises:
        ImportError: if there are such, and pydicom is not there, with the line that installs it.
    """
    if (first := next((path for path in paths if path.name.lower().endswith(ENDINGS)), None)) is not None:
        _package(first)


def _package(path: Path) -> Any:
    try:
        import pydicom
        import pydicom.pixels  # not in versions before 3
    except ImportError as error:
        raise ImportError(f"expected the package pydicom for {path}, got: {error}. Run: {PIP}") from error
    return pydicom


def _open(path: Path, **options: Any) -> Any:
    return _package(path).dcmread(path, **options)


def _pixels(file: Any, path: Path) -> NDArray[Any]:
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.pixels.utils import pixel_array

    syntax = file.file_meta.TransferSyntaxUID
    if syntax.is_compressed and not (decoder := get_decoder(syntax)).is_available:
        raise Refused(
            f"{path}: pixels that can be decoded here were expected; these are {syntax.name}, which needs one of: "
            f"{'; '.join(decoder.missing_dependencies)}. For JPEG 2000: {PIP}"
        )
    return pixel_array(file)
