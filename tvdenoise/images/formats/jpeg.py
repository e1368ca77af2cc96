"""What of a JPEG outlives new pixels: its encoding, and the marker segments that hold metadata.

Sources: ITU-T T.81 (1992), annex B; ISO/IEC 10918-5 (JFIF); CIPA DC-007 (2009), "Multi-Picture Format".
"""

import io
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import imagecodecs
from PIL import Image, JpegImagePlugin

from tvdenoise.errors import DamageError, PictureError
from tvdenoise.images.picture import Names, Source

_START_OF_SCAN = 0xDA
_COMMENT = 0xFE
_APP0 = 0xE0  # JFIF
_APP13 = 0xED  # Photoshop
_RESTARTS = 0xDD  # how often a scan begins anew
_METADATA = {0xFE, *range(0xE1, 0xEE)}  # without those by which colours are known
_COMMON_SAMPLING = bytes([0x11, 0x12, 0x21, 0x22])
_APP14 = 0xEE  # Adobe: how the pixels are encoded, which the writer knows better
_APP15 = 0xEF
_NOT_FRAMES = {0xC4, 0xC8, 0xCC}  # Huffman tables, reserved, arithmetic coding
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - _NOT_FRAMES
_SEQUENTIAL = {0xC0, 0xC1}
# Frames that are sequential or progressive; others are lossless, hierarchical, arithmetic or JPEG-LS
_READABLE = _SEQUENTIAL | {0xC2}
_BASELINE = 255  # the largest number in a quantisation table of 8 bits
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_AFTER_SCAN = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")  # a marker, but for those that stand within a scan
_SCAN = b"\xda"
_END = b"\xd9"
_MOST_SCANS = 100  # encoders make about ten, and each takes a pass over all pixels, be it empty
_FURTHER_PICTURES = b"MPF\0"
_ENTRIES = 0xB002  # the tag of the list of pictures in an MPF segment
_MPF_HEADER = 8  # bytes of an MPF segment before its TIFF header, from which places are counted
_ENTRY = 16  # bytes: attributes, size, place and two numbers of others
_JFIF = b"JFIF\0"
_STRAY = 32  # bytes behind a picture that are not worth a word
_TOO_SHORT = "it ends before its pixels do, or a length in it is wrong"
CONVERT = "convert it to PNG or TIFF first"
START = b"\xff\xd8"
DEFAULT: Mapping[str, Any] = {"quality": 95, "subsampling": "4:4:4"}  # how a picture that was no JPEG is encoded


class _Segment(NamedTuple):
    marker: int
    start: int
    end: int


def encoding(image: JpegImagePlugin.JpegImageFile) -> Mapping[str, Any]:
    """Return the arguments of Pillow's writer that encode with the same tables, subsampling and colours."""
    tables = _tables(image)
    # libjpeg warns of tables of 16 bits on standard error, unless the picture is progressive.
    largest = max(map(max, tables))
    is_progressive = "progressive" in image.info or largest > _BASELINE
    options: dict[str, Any] = {"qtables": tables, "progressive": is_progressive}
    if image.layers == 3:
        # Subsampling that Pillow cannot write, -1, becomes none, so that no resolution is lost.
        options["subsampling"] = max(JpegImagePlugin.get_sampling(image), 0)
        options["keep_rgb"] = _is_rgb(image)
        if options["keep_rgb"]:
            options["subsampling"] = 0  # Pillow writes red, green and blue with no other
    return options


def _tables(image: JpegImagePlugin.JpegImageFile) -> list[list[int]]:
    """Return the quantisation tables by component, as Pillow's writer assigns them; the last one serves all others."""
    tables = [image.quantization[component[3]] for component in image.layer]
    # Pillow does not write inks coded as luma, chroma and black. All inks become as fine as luma was.
    is_coded_as_luma = image.info.get("adobe_transform") == 2
    if image.layers == 4 and is_coded_as_luma:
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


def check_kind(source: Source, content: bytes) -> None:
    """Raise :class:`PictureError` for a kind that libjpeg does not read: not sequential or progressive of 8 bits."""
    for segment in _segments(content):
        is_readable = segment.marker in _READABLE and content[segment.start + 4] == 8  # bits
        if segment.marker in _FRAMES and not is_readable:
            kinds = "lossless, JPEG-LS, hierarchical, arithmetic or of more than 8 bits"
            raise PictureError(source.name, f"its kind of JPEG ({kinds}) is not supported", CONVERT)
    scans = 0
    for marker in _later_markers(content):
        if marker[0].endswith(_END):
            break
        scans += marker[0].endswith(_SCAN)
    if scans > _MOST_SCANS:
        raise PictureError(source.name, f"its pixels are spread over {scans} scans", CONVERT)


def segments(content: bytes) -> tuple[bytes, ...]:
    """Return JFIF's resolution, EXIF, XMP, colour profile, IPTC, comments and what else applications put there.

    The list of pictures that stand behind the first (MPF) comes with places counted from its end, as
    :func:`insert_segments` needs it, and is left out where there are none.
    """
    found = []
    for marker, start, end in _segments(content):
        is_application = _APP0 <= marker <= _APP15
        is_metadata = marker == _COMMENT or (is_application and marker != _APP14)
        segment = content[start:end]
        if segment.startswith(_FURTHER_PICTURES, 4):
            behind = trailer(content)
            picture_end = len(content) - len(behind)
            is_metadata = bool(behind)
            place = start + _MPF_HEADER
            segment = _move_pictures(segment, -picture_end, place - picture_end)
        if is_metadata:
            found.append(segment)
    return tuple(found)


def _move_pictures(segment: bytes, growth: int, shift: int) -> bytes:
    """Return an MPF segment in which the first picture has grown and the others have moved by so many bytes.

    A list that makes no sense stays.
    """
    moved = bytearray(segment)
    order = "<" if segment.startswith(b"II", _MPF_HEADER) else ">"
    number = struct.Struct(f"{order}I")
    try:
        first, *others = _picture_entries(segment, order)
        (size,) = number.unpack_from(segment, first + 4)
        new_size = (size + growth) % 2**32
        number.pack_into(moved, first + 4, new_size)
        for entry in others:
            (place,) = number.unpack_from(segment, entry + 8)
            new_place = (place + shift) % 2**32
            number.pack_into(moved, entry + 8, new_place)
    except (struct.error, ValueError):  # or there is no list
        return segment
    return bytes(moved)


def _picture_entries(segment: bytes, order: str) -> Iterator[int]:
    """Iterate over the places in an MPF segment where its list says four bytes of a picture, its size and its place."""
    (directory,) = struct.unpack_from(f"{order}I", segment, _MPF_HEADER + 4)
    (count,) = struct.unpack_from(f"{order}H", segment, _MPF_HEADER + directory)
    for number in range(count):
        tag_at = _MPF_HEADER + directory + 2 + 12 * number
        tag, _, length, entries = struct.unpack_from(f"{order}HHII", segment, tag_at)
        if tag == _ENTRIES:
            start = _MPF_HEADER + entries
            yield from range(start, start + length, _ENTRY)


def _segments(content: bytes) -> Iterator[_Segment]:
    """Iterate over the segments up to the first scan; stray and fill bytes may stand before each."""
    marker = 0
    end = len(START)
    while marker != _START_OF_SCAN:
        found = _MARKER.search(content, end)
        if found is None:
            raise DamageError(_TOO_SHORT)
        start = found.start()
        marker = content[start + 1]
        length = _length_at(content, start + 2)
        end = start + 2 + length
        if length < 2 or end >= len(content):
            raise DamageError(_TOO_SHORT)
        yield _Segment(marker, start, end)


def _length_at(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 2])


def trailer(content: bytes) -> bytes:
    """Return what stands behind the end of the picture: a film, a gain map, pictures; nothing where none is marked."""
    for marker in _later_markers(content):
        if marker[0].endswith(_END):
            rest = content[marker.end() :]
            is_padding = len(rest.strip(b"\0\xff")) <= _STRAY
            return b"" if is_padding else rest
    return b""


def _later_markers(content: bytes) -> Iterator[re.Match[bytes]]:
    """Iterate over the markers behind the first scan, and on into what stands behind the end of the picture."""
    *_, scan = _segments(content)
    marker = _AFTER_SCAN.search(content, scan.end)
    while marker is not None:
        yield marker
        at = marker.end()
        segment_end = at + _length_at(content, at)
        marker = _AFTER_SCAN.search(content, segment_end)


def check_whole(content: bytes) -> None:
    """Raise if a picture in one scan ends before its last pixel: libjpeg would fill up the rest without a word.

    Without an end mark it waits for more, and Pillow says so. Behind the last pixel it only looks ahead, which zeros
    allow for. Decoding at an eighth of the size takes little time.
    """
    found = list(_segments(content))
    after = _AFTER_SCAN.search(content, found[-1].end)
    is_in_one_scan = any(segment.marker in _SEQUENTIAL for segment in found)
    if is_in_one_scan and after is not None and after[0].endswith(_END):
        padded = content[: after.start()] + bytes(16)
        with Image.open(io.BytesIO(padded), formats=["JPEG"]) as image:
            image.draft(None, (1, 1))
            image.load()


def find_flaws(content: bytes) -> Names:
    """Say whether a stricter decoder refuses the scans: libjpeg warns of damage, and Pillow keeps that to itself.

    One scan without restarts needs no other than :func:`check_whole`. What libjxl does not know proves nothing.
    """
    *others, scan = _segments(content)
    markers = {segment.marker for segment in others}
    frame = next(segment for segment in others if segment.marker in _FRAMES)
    sampling = content[frame.start + 11 : frame.end : 3]
    is_common = set(sampling) <= set(_COMMON_SAMPLING)
    is_known = len(sampling) <= 3 and is_common
    is_plain = frame.marker in _SEQUENTIAL and _RESTARTS not in markers
    if is_plain or not is_known:
        return ()
    head = [content[segment.start : segment.end] for segment in others if segment.marker not in _METADATA]
    picture_end = len(content) - len(trailer(content))
    scans = content[scan.start : picture_end]
    try:
        imagecodecs.jpegxl_encode_jpeg(b"".join([START, *head, scans]))
    except imagecodecs.JpegxlError:
        return ("a stricter decoder (libjxl) refuses its scans: parts of the picture may be wrong",)
    return ()


def metadata_names(found: tuple[bytes, ...], trailer: bytes) -> Names:
    """Name the metadata that no other format takes over."""
    names = []
    is_stretched = False
    for segment in found:
        if segment[1] == _COMMENT:
            names.append("comment")
        elif segment[1] == _APP13:
            names.append("IPTC")
        elif segment.startswith(_JFIF, 4) and segment[11:12] == b"\0":  # JFIF's numbers are a ratio, no resolution
            is_stretched |= segment[12:14] != segment[14:16]
    if is_stretched:
        names.append("shape of pixels")
    if trailer:
        names.append("what stands behind it, such as a film or a gain map")
    return tuple(dict.fromkeys(names))


def insert_segments(content: bytes, found: tuple[bytes, ...]) -> bytes:
    """Return a JPEG with these segments, made by :func:`segments`, behind JFIF's own or in its place."""
    first = next(_segments(content))
    rest = first.end if first.marker == _APP0 else first.start
    has_jfif = any(segment.startswith(_JFIF, 4) for segment in found)
    head = first.start if has_jfif else rest
    length = sum(map(len, found))
    picture_end = head + length + len(content) - rest
    inserted = content[:head]
    for segment in found:
        if segment.startswith(_FURTHER_PICTURES, 4):
            place = len(inserted) + _MPF_HEADER
            segment = _move_pictures(segment, picture_end, picture_end - place)
        inserted += segment
    return inserted + content[rest:]
