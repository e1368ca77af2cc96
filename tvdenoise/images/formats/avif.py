"""What Pillow does not say of an AVIF file, or does not write into it.

Source: Alliance for Open Media, "AV1 Image File Format" (2024); ITU-T H.273 (2024) for the numbers of colour spaces.
"""

import re

from tvdenoise.errors import PictureError
from tvdenoise.images.formats.jpeg import CONVERT
from tvdenoise.images.picture import Source

BEST = {"quality": 100, "subsampling": "4:4:4"}  # of Pillow's options
# What browsers show as sRGB: that, what is not said, and BT.709 and BT.601 with its primaries
LIKE_SRGB = (None, b"\1\x0d", b"\2\2", b"\1\1", b"\1\6")
_COLOURS = rb"colrnclx\0(.)\0(.)"  # primaries and transfer function
_DEEP = 0b0110_0000  # flags of AV1 for more than 8, and more than 10 bits
_MONOCHROME = 0b0001_0000


def _flags(content: bytes) -> list[int]:
    """Return the flags of AV1 in the boxes which configure its decoder: for colours, and for transparency."""
    found = re.findall(rb"\0\0..av1C\x81.(.)", content, re.DOTALL)
    return [flags[0] for flags in found]


def check_depth(source: Source, content: bytes) -> None:
    """Raise :class:`PictureError` for more than 8 bits a channel, which Pillow would reduce."""
    for flags in _flags(content):
        bits = 8 + 2 * (flags & _DEEP).bit_count()
        if bits > 8:
            raise PictureError(source.name, f"a {bits}-bit AVIF picture cannot be kept whole", CONVERT)


def is_gray(content: bytes) -> bool:
    """Return whether it has no colours, as Pillow says only of pictures without transparency."""
    found = _flags(content)
    return bool(found) and all(flags & _MONOCHROME for flags in found)


def colour_space(content: bytes) -> bytes | None:
    """Return the numbers of primaries and transfer function, if it says them."""
    found = re.search(_COLOURS, content, re.DOTALL)
    if found is None:
        return None
    return b"".join(found.groups())


def with_colour_space(content: bytes, numbers: bytes) -> bytes:
    """Return a file whose pixels mean colours of another space than Pillow, which knows sRGB alone, has written."""
    primaries, transfer = numbers
    box = b"colrnclx" + bytes([0, primaries, 0, transfer])
    return re.sub(_COLOURS, lambda _: box, content, flags=re.DOTALL)
