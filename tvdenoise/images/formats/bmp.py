"""What Pillow does not read of a BMP, or does not write into it: transparency, and what its colours mean.

Source: Microsoft, "BITMAPV5HEADER structure" (wingdi.h).
"""

import struct

import imagecodecs

from tvdenoise.errors import DamageError, PictureError
from tvdenoise.images.formats.jpeg import CONVERT
from tvdenoise.images.picture import Names, Pixels, Resolution, Source

_START = struct.Struct("<2sI4xI")  # mark, length of the file, where its pixels begin
_HEADER = 14  # where the header proper begins
_FIELDS = struct.Struct("<I10xHI")  # its size, bits a pixel, compression
_V4, _V5 = 108, 124  # sizes
_MASKS = 3  # a kind of compression: none, but numbers of which bits are samples
_ALPHA_MASK = 66
_COLOURS = slice(70, 122)  # how they are described, and if that says so primaries and gamma
_LIKE_SRGB = (b"BGRs", b" niW")
_EMBEDDED = b"DEBM"
_PROFILE = struct.Struct("<II4x")  # its place, counted from the header proper, and its length
_PROFILE_AT = 126
_A_METRE = 39.3701  # inches, as Pillow has it when it reads
_MOST_A_METRE = 2**32 - 1  # pixels, again as Pillow reads them; the type of the field has a sign


def check_kind(source: Source, content: bytes) -> None:
    """Raise :class:`PictureError` for a kind of which Pillow drops the transparency."""
    size, bits, compression = _FIELDS.unpack_from(content, _HEADER)
    alpha_mask = content[_ALPHA_MASK : _ALPHA_MASK + 4]
    has_alpha_mask = size > 52 and any(alpha_mask)
    if bits == 16 and compression == _MASKS and has_alpha_mask:
        raise PictureError(source.name, "a BMP of 16 bits with transparency cannot be kept whole", CONVERT)


def read_colours(content: bytes) -> tuple[bytes | None, Names]:
    """Return the colour profile, and what is lost: colours described otherwise, or by a profile in another file."""
    size, *_ = _FIELDS.unpack_from(content, _HEADER)
    said = content[_COLOURS]
    kind = said[:4]
    if size not in (_V4, _V5) or kind in _LIKE_SRGB or not any(said):
        return None, ()
    if kind != _EMBEDDED:
        return None, ("the gamma or the linked profile of its header",)
    place, length = _PROFILE.unpack_from(content, _PROFILE_AT)
    profile = content[_HEADER + place :][:length]
    if len(profile) < length:
        raise DamageError("its colour profile breaks off")
    return profile, ()


def encode(pixels: Pixels, dpi: Resolution | None, profile: bytes | None) -> bytes:
    """Return a BMP of pixels (H, W), or (H, W, 3 or 4)."""
    content = bytearray(imagecodecs.bmp_encode(pixels))
    densities = [min(round(value * _A_METRE), _MOST_A_METRE) for value in dpi or (0, 0)]
    struct.pack_into("<II", content, 38, *densities)
    if pixels.ndim == 2:
        content[57:1078:4] = bytes(256)  # of the palette, what is reserved
    elif pixels.shape[2] == 4:  # behind a header of version 4
        content[_COLOURS.start : _COLOURS.start + 4] = _LIKE_SRGB[0]
    if profile:
        content = _with_profile(content, profile)
    return bytes(content)


def _with_profile(content: bytearray, profile: bytes) -> bytearray:
    """Return the same BMP behind a header of version 5, and with a profile at its end."""
    size, *_ = _FIELDS.unpack_from(content, _HEADER)
    mark, length, start = _START.unpack_from(content)
    growth = _V5 - size
    header_end = _HEADER + size
    profile_start = length + growth
    widened = content[:header_end] + bytes(growth) + content[header_end:]
    end = profile_start + len(profile)
    _START.pack_into(widened, 0, mark, end, start + growth)
    struct.pack_into("<I", widened, _HEADER, _V5)
    widened[_COLOURS.start : _COLOURS.start + 4] = _EMBEDDED
    _PROFILE.pack_into(widened, _PROFILE_AT, profile_start - _HEADER, len(profile))
    return widened + profile
