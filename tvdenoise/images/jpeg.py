"""What of a JPEG outlives new pixels: its encoding, and the marker segments that hold metadata.

Source: ITU-T T.81 (1992), annex B; ISO/IEC 10918-5 (JFIF).
"""

from collections.abc import Mapping
from typing import Any

from PIL import JpegImagePlugin

_START_OF_SCAN, _COMMENT, _APP0, _APP13, _APP14, _APP15 = 0xDA, 0xFE, 0xE0, 0xED, 0xEE, 0xEF
_FURTHER_PICTURES = b"MPF\0"

DEFAULT: Mapping[str, Any] = {"quality": 95, "subsampling": "4:4:4"}
"""How a picture that was no JPEG is encoded."""


def encoding(image: JpegImagePlugin.JpegImageFile) -> Mapping[str, Any]:
    """Return the arguments of Pillow's writer that encode with the same tables, subsampling and colours.

    Subsampling that it cannot write becomes none, so that no resolution is lost.
    """
    options = {"qtables": image.quantization, "progressive": bool(image.info.get("progressive"))}
    if image.layers == 3:
        options |= {"subsampling": max(JpegImagePlugin.get_sampling(image), 0), "keep_rgb": _is_rgb(image)}
    return options


def _is_rgb(image: JpegImagePlugin.JpegImageFile) -> bool:
    """Return whether a picture of three components is not coded as YCbCr, by the rules of libjpeg."""
    if "jfif" in image.info:
        return False
    if "adobe_transform" in image.info:
        return bool(image.info["adobe_transform"] == 0)
    return bytes(component[0] for component in image.layer) == b"RGB"


def segments(content: bytes) -> tuple[bytes, ...]:
    """Return EXIF, XMP, colour profile, IPTC, comments and whatever else applications have put there.

    JFIF's and Adobe's own say how the pixels are encoded, and are for the writer to write.
    """
    found, at = [], 2
    while (marker := content[at + 1]) != _START_OF_SCAN:
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        is_metadata = marker == _COMMENT or (_APP0 < marker <= _APP15 and marker != _APP14)
        if is_metadata and not content.startswith(_FURTHER_PICTURES, at + 4):
            found.append(content[at:end])
        at = end
    return tuple(found)


def kinds(found: tuple[bytes, ...]) -> tuple[str, ...]:
    """Name the metadata that no other format takes over."""
    names = {_COMMENT: "comment", _APP13: "IPTC"}
    return tuple(dict.fromkeys(names[segment[1]] for segment in found if segment[1] in names))


def spliced(content: bytes, found: tuple[bytes, ...]) -> bytes:
    """Return a JPEG with these segments behind JFIF's own."""
    at = 2
    if content[at + 1] == _APP0:
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return b"".join((content[:at], *found, content[at:]))
