"""What of a JPEG outlives new pixels: its encoding, and the marker segments that hold metadata.

Source: ITU-T T.81 (1992), annex B; ISO/IEC 10918-5 (JFIF).
"""

import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

from PIL import Image, JpegImagePlugin

_START_OF_SCAN, _COMMENT, _APP0, _APP13, _APP14, _APP15 = 0xDA, 0xFE, 0xE0, 0xED, 0xEE, 0xEF
_DHT, _JPG, _DAC, _JPEG_LS = 0xC4, 0xC8, 0xCC, 0xF7
_FRAMES = {*range(0xC0, 0xD0), _JPEG_LS} - {_DHT, _JPG, _DAC}
_READABLE = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
"""Frames that are sequential or progressive; others are lossless, hierarchical or JPEG-LS."""
_END, _SEQUENTIAL = b"\xd9", {0xC0, 0xC1}
_BASELINE = 255
"""The largest number in a quantisation table of 8 bits."""
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_AFTER_SCAN = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
"""A marker, but for those that stand within a scan."""

_FURTHER_PICTURES, _JFIF = b"MPF\0", b"JFIF\0"
_STRAY = 32
"""Bytes behind a picture that are not worth a word."""

START = b"\xff\xd8"

DEFAULT: Mapping[str, Any] = {"quality": 95, "subsampling": "4:4:4"}
"""How a picture that was no JPEG is encoded."""


def encoding(image: JpegImagePlugin.JpegImageFile) -> Mapping[str, Any]:
    """Return the arguments of Pillow's writer that encode with the same tables, subsampling and colours.

    Subsampling that it cannot write becomes none, so that no resolution is lost. Tables of 16 bits make it progressive:
    libjpeg warns of others on standard error.
    """
    tables = _tables(image)
    is_progressive = "progressive" in image.info or max(map(max, tables)) > _BASELINE
    options: dict[str, Any] = {"qtables": tables, "progressive": is_progressive}
    if image.layers == 3:
        options |= {"subsampling": max(JpegImagePlugin.get_sampling(image), 0), "keep_rgb": _is_rgb(image)}
    return options


def _tables(image: JpegImagePlugin.JpegImageFile) -> list[list[int]]:
    """Return the quantisation tables by component, as Pillow's writer assigns them; the last one serves all others.

    Inks coded as luma, chroma and black, which it does not write, are all as fine as luma was.
    """
    tables = [image.quantization[component[3]] for component in image.layer]
    if image.layers == 4 and image.info.get("adobe_transform") == 2:
        return tables[:1]
    while tables[1:] and tables[-1] == tables[-2]:
        tables.pop()
    return tables


def _is_rgb(image: JpegImagePlugin.JpegImageFile) -> bool:
    """Return whether a picture of three components is not coded as YCbCr, by the rules of libjpeg."""
    if "jfif" in image.info:
        return False
    if "adobe_transform" in image.info:
        return bool(image.info["adobe_transform"] == 0)
    return bytes(component[0] for component in image.layer) == b"RGB"


def is_readable(content: bytes) -> bool:
    """Return whether a JPEG is of a kind that libjpeg reads: sequential or progressive, of 8 bits."""
    frames = ((marker, content[start + 4]) for marker, start, _ in _segments(content) if marker in _FRAMES)
    return all(marker in _READABLE and bits == 8 for marker, bits in frames)


def segments(content: bytes) -> tuple[bytes, ...]:
    """Return JFIF's resolution, EXIF, XMP, colour profile, IPTC, comments and what else applications put there.

    Adobe's own says how pixels are encoded, and is for the writer to write.
    """
    found = []
    for marker, start, end in _segments(content):
        is_jfif = marker == _APP0 and content.startswith(_JFIF, start + 4)
        is_metadata = is_jfif or marker == _COMMENT or (_APP0 < marker <= _APP15 and marker != _APP14)
        if is_metadata and not content.startswith(_FURTHER_PICTURES, start + 4):
            found.append(content[start:end])
    return tuple(found)


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Iterate over the segments up to the first scan: marker, start and end; stray and fill bytes may stand before."""
    marker, end = 0, 2
    while marker != _START_OF_SCAN:
        found = _MARKER.search(content, end)
        start = found.end() - 2 if found else len(content)
        length = int.from_bytes(content[start + 2 : start + 4], "big")
        if length < 2 or start + 2 + length >= len(content):  # it counts its own two bytes
            raise ValueError("it ends before its pixels do, or a length in it is wrong")
        marker, end = content[start + 1], start + 2 + length
        yield marker, start, end


def behind(content: bytes) -> bytes:
    """Return what stands behind the end of the picture: a film, a gain map, pictures; nothing where none is marked."""
    *_, (_, _, at) = _segments(content)
    while marker := _AFTER_SCAN.search(content, at):
        if marker[0].endswith(_END):
            rest = content[marker.end() :]
            return rest if len(rest.strip(b"\0\xff")) > _STRAY else b""
        at = marker.end() + int.from_bytes(content[marker.end() : marker.end() + 2], "big")
    return b""


def check_whole(content: bytes) -> None:
    """Raise if a picture in one scan ends before its last pixel: libjpeg would fill up the rest without a word.

    Without an end mark it waits for more, and Pillow says so. Behind the last pixel it only looks ahead, which zeros
    allow for. Decoding at an eighth of the size takes little time beside what it takes to read a picture.
    """
    markers, _, ends = zip(*_segments(content), strict=True)
    after = _AFTER_SCAN.search(content, ends[-1])
    if after and after[0].endswith(_END) and not _SEQUENTIAL.isdisjoint(markers):
        with Image.open(io.BytesIO(content[: after.start()] + bytes(16)), formats=["JPEG"]) as image:
            image.draft(None, (1, 1))
            image.load()


def kinds(found: tuple[bytes, ...]) -> tuple[str, ...]:
    """Name the metadata that no other format takes over."""
    names = {_COMMENT: "comment", _APP13: "IPTC"}
    named = dict.fromkeys(names[segment[1]] for segment in found if segment[1] in names)
    return (*named, *("shape of pixels" for segment in found if _is_stretching(segment)))


def _is_stretching(segment: bytes) -> bool:
    """Return whether JFIF's segment tells no resolution, but that pixels are not square."""
    return segment[1] == _APP0 and segment[11:12] == b"\0" and segment[12:14] != segment[14:16]


def spliced(content: bytes, found: tuple[bytes, ...]) -> bytes:
    """Return a JPEG with these segments behind JFIF's own, unless that is among them."""
    at = 2
    if content[at + 1] == _APP0:
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    has_jfif = any(segment[1] == _APP0 for segment in found)
    return b"".join((content[: 2 if has_jfif else at], *found, content[at:]))
