"""EXIF's orientation: read, written, and applied to pixels where a file cannot hold it."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from tvdenoise.images.picture import Floats, Metadata, Picture

UPRIGHT = 1


def orientation(metadata: Metadata) -> int:
    """Return EXIF's number, 1 to 8; a block that is missing or damaged counts as upright."""
    exif = Image.Exif()
    try:
        with warnings.catch_warnings(action="ignore"):
            exif.load(metadata.exif or b"")
            number: Any = exif.get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 (Pillow raises as many kinds as there are kinds of damage)
        return UPRIGHT
    return int(number) if number in range(1, 9) else UPRIGHT


def exif_of(number: int) -> bytes | None:
    """Return an EXIF block that holds nothing but an orientation; None for an upright picture."""
    if number == UPRIGHT:
        return None
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = number
    return exif.tobytes()


def turn(picture: Picture, number: int) -> Picture:
    """Return the picture as viewers show it; the pixels are views of those given."""
    y = picture.axes.index("Y")
    x = picture.axes.index("X")
    pixels = _turn_axes(picture.pixels, number, y, x)
    return replace(picture, pixels=pixels, orientation=UPRIGHT)


def turn_page(page: Floats, number: int) -> Floats:
    """Return a view of a page (H, W, C), or volume (D, H, W, C), as viewers show it."""
    return _turn_axes(page, number, -3, -2)


def turn_back(page: Floats, number: int) -> Floats:
    """Undo :func:`turn_page`."""
    inverse = {6: 8, 8: 6}  # all others are their own
    return turn_page(page, inverse.get(number, number))


def _turn_axes(pixels: NDArray[Any], number: int, y: int, x: int) -> NDArray[Any]:
    if number >= 5:
        pixels = pixels.swapaxes(y, x)
    if number in (3, 4, 7, 8):
        pixels = np.flip(pixels, y)
    if number in (2, 3, 6, 7):
        pixels = np.flip(pixels, x)
    return pixels
