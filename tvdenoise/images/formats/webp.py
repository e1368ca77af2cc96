"""Animated WebP, each frame of it encoded by itself: libwebp's own encoder of animations joins frames that are equal.

Source: Google, "WebP Container Specification" (RFC 9649).
"""

import io
import re
import struct

from PIL import Image

from tvdenoise.images.formats.animation import Change, changes, timing_of
from tvdenoise.images.picture import EXIF_MARK, PictureFile, Timing

LOSSLESS = {"lossless": True, "exact": True}  # exact: colours under full transparency too
# Bits of VP8X
_HAS_PROFILE = 32
_HAS_ALPHA = 16
_HAS_EXIF = 8
_HAS_XMP = 4
_IS_ANIMATION = 2
_REPLACES = 2  # the bit of a frame that is not laid over the one before


def is_animation(content: bytes) -> bool:
    """Return whether a file says that it is one; it may have a single frame."""
    has_flags = content[12:16] == b"VP8X"
    return has_flags and bool(content[20] & _IS_ANIMATION)


def is_lossy(content: bytes) -> bool:
    """Return whether colours were compressed with loss; nothing in the file says how much of it was allowed."""
    return re.search(rb"VP8 .{7}\x9d\x01\x2a", content, re.DOTALL) is not None


def encode(
    file: PictureFile, *, background: tuple[int, ...] = (0, 0, 0, 0), timing: Timing | None = None, **_options: bool
) -> bytes:
    """Return a file that shows the pages of another one after the other.

    Some of it only the source knows: the RGBA background, and the timing of a single frame.
    """
    (picture,) = file.parts
    metadata = file.metadata
    exif = (metadata.exif or b"").removeprefix(EXIF_MARK)
    blocks = {_HAS_PROFILE: metadata.icc_profile, _HAS_EXIF: exif, _HAS_XMP: metadata.xmp}
    flags = _IS_ANIMATION
    flags += sum(bit for bit, block in blocks.items() if block)
    if picture.alpha:
        flags |= _HAS_ALPHA
    height, width = picture.size
    red, green, blue, alpha = background
    size = _three_bytes(width - 1, height - 1)
    canvas = struct.pack("<I", flags) + size
    loop = timing_of(file, timing).loop
    chunks = [
        _chunk(b"VP8X", canvas),
        _chunk(b"ICCP", metadata.icc_profile),
        _chunk(b"ANIM", struct.pack("<4BH", blue, green, red, alpha, loop)),
        *map(_frame, changes(file, timing)),
        _chunk(b"EXIF", exif),
        _chunk(b"XMP ", metadata.xmp),
    ]
    return _chunk(b"RIFF", b"WEBP" + b"".join(chunks))


def _frame(change: Change) -> bytes:
    height, width = change.pixels.shape[:2]
    place = _three_bytes(change.x // 2, change.y // 2)  # is counted in pairs of pixels
    size = _three_bytes(width - 1, height - 1)
    duration = _three_bytes(round(change.duration))
    control = place + size + duration + bytes([_REPLACES])
    stream = io.BytesIO()
    Image.fromarray(change.pixels).save(stream, "WEBP", **LOSSLESS)
    pixels = stream.getvalue()[12:]  # behind the head of a file
    return _chunk(b"ANMF", control + pixels)


def _chunk(kind: bytes, data: bytes | None) -> bytes:
    """Return a chunk, padded to an even length; nothing for one without data."""
    if not data:
        return b""
    padding = bytes(len(data) % 2)
    length = struct.pack("<I", len(data))
    return kind + length + data + padding


def _three_bytes(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(3, "little") for number in numbers)
