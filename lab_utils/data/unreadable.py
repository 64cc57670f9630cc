"""Words for a file that Pillow cannot decode: what it is instead, and what to do."""

from pathlib import Path

from PIL import Image

LOOKED_AT = 65_536  # bytes


def why(path: Path, error: Exception) -> str:
    """Say what was expected of a picture file, what came, and what to do."""
    if isinstance(error, Image.DecompressionBombError):
        half = Image.MAX_IMAGE_PIXELS or 0
        return (
            f"{path}: a picture of at most {2 * half:,} pixels was expected; this one is larger ({error}). Save it "
            f"smaller, or raise the limit, twice PIL.Image.MAX_IMAGE_PIXELS = {half:,}, before you load."
        )
    if isinstance(error, PermissionError):
        return f"{path}: a picture was expected; you may not read this file ({error.strerror}). Change its permissions."
    words = str(error).lower()  # of PNGs that came through a program for photographs
    if "decompressed data too large" in words or "too much memory used in text" in words:
        return (
            f"{path}: a picture with little text beside it was expected; this one has more than Pillow reads "
            f"({error}). Save it again without metadata, or raise PIL.PngImagePlugin.MAX_TEXT_CHUNK and "
            "MAX_TEXT_MEMORY before you load."
        )
    start = _start(path)
    if start[4:8] == b"ftyp" and start[8:11] in (b"hei", b"hev", b"mif", b"msf", b"avi"):
        return (
            f"{path}: a JPEG or PNG was expected; this is a HEIC or AVIF picture, as phones write them, whatever its "
            "name says. Save it as PNG."
        )
    if start[128:132] == b"DICM":
        return (
            f"{path}: a DICOM file of one picture was expected; this one cannot be decoded ({error}). It is damaged, "
            "cut short or of an unusual kind: copy it again, or save it as 8-bit PNG."
        )
    bits = _jpeg_bits(start)
    if bits > 8:
        return (
            f"{path}: an 8-bit picture was expected; this JPEG has {bits} bits. Choose the range that should be "
            "visible and save it as 8-bit, the same range for all pictures."
        )
    if _is_text(start):
        return (
            f"{path}: a picture was expected; this is a text that begins {start[:40].decode()!r}. Remove or replace it."
        )
    if start[:4] in (b"II*\0", b"MM\0*"):
        return (
            f"{path}: a TIFF of 8 bits with one or three channels was expected; this one is of another kind or damaged "
            f"({error}). Save it as 8-bit PNG, in the same way for all pictures, or copy it again."
        )
    return (
        f"{path}: a whole picture was expected; it cannot be decoded ({error}). The file is damaged, cut short or no "
        "picture: copy it again, or remove it."
    )


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LOOKED_AT)
    except OSError:
        return b""


def _jpeg_bits(start: bytes) -> int:
    """Bits per channel in the header of a JPEG; 0 for anything else."""
    at = 2
    while start[:2] == b"\xff\xd8" and at + 5 <= len(start) and start[at] == 0xFF:
        marker, length = start[at + 1], int.from_bytes(start[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame begins
            return start[at + 4]
        at += 2 + length
    return 0


def _is_text(start: bytes) -> bool:
    try:
        return bool(start) and all(letter.isprintable() or letter.isspace() for letter in start[:40].decode())
    except UnicodeDecodeError:
        return False
