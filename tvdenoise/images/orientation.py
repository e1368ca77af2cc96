"""The orientation that EXIF tells: read, written, and applied to pixels where no file would tell it."""

import warnings
from dataclasses import replace

import numpy as np
from PIL import Image

from tvdenoise.images.picture import Metadata, Picture

_TAG = 0x0112
_UPRIGHT = 1


def orientation(metadata: Metadata) -> int:
    """Return EXIF's number, 1 to 8; 1 is upright, as is what a damaged block does not tell."""
    if metadata.exif is None:
        return _UPRIGHT
    exif = Image.Exif()
    try:
        with warnings.catch_warnings(action="ignore"):
            exif.load(metadata.exif)
            number = exif.get(_TAG, _UPRIGHT)
    except Exception:  # noqa: BLE001 (Pillow raises as many kinds as there are kinds of damage)
        return _UPRIGHT
    return number if number in range(1, 9) else _UPRIGHT


def exif_of(number: int) -> bytes | None:
    """Return an EXIF block that holds nothing but an orientation; None for an upright picture."""
    if number == _UPRIGHT:
        return None
    exif = Image.Exif()
    exif[_TAG] = number
    return exif.tobytes()


def upright(picture: Picture, number: int) -> Picture:
    """Return the picture as viewers show it; the pixels are views of those given."""
    y, x = picture.axes.index("Y"), picture.axes.index("X")
    pixels = picture.pixels
    if number in (5, 6, 7, 8):
        pixels = pixels.swapaxes(y, x)
    if number in (3, 4, 7, 8):
        pixels = np.flip(pixels, y)
    if number in (2, 3, 6, 7):
        pixels = np.flip(pixels, x)
    return replace(picture, pixels=pixels)
