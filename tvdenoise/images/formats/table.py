"""The table of formats: how each is told, what it holds, and so what a conversion to it would lose."""

import sys
from collections.abc import Container, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np

from tvdenoise.errors import missing_extra
from tvdenoise.images.picture import Picture, PictureFile

COMMON = frozenset({"ICC profile", "EXIF", "XMP"})
ANY = frozenset({"u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8"})


@dataclass(frozen=True)
class Format:
    """One row.

    Attributes
    ----------
    room
        The module of this package that has its ``read`` and ``write``.
    endings
        The endings of its files; the first is the usual one.
    types
        The types of numbers it holds, as NumPy abbreviates them.
    samples
        The numbers of colour samples it holds, transparency not counted.
    alpha
        Whether it holds transparency.
    frames
        Whether it holds more than one picture.
    metadata
        The kinds of metadata it takes over from other formats.
    orientation
        Whether it can say which way up a picture is; if not, its pixels are turned.
    open_axes
        Whether a user may know the axes of its arrays better than the file.
    cmyk
        Whether it holds inks.
    exact
        Whether what is read is what was written, bit by bit.
    merges
        Whether equal frames that follow one another may become one.
    shapes
        Whether its pictures may differ in shape.
    max_side
        The most pixels along an axis that it, or the library that writes it, allows.
    """

    room: str
    endings: tuple[str, ...]
    types: frozenset[str] = frozenset({"u1"})
    samples: Container[int] = frozenset({1, 3})
    alpha: bool = False
    frames: bool = False
    metadata: frozenset[str] = frozenset()
    orientation: bool = False
    open_axes: bool = False
    cmyk: bool = False
    exact: bool = True
    merges: bool = False
    shapes: bool = False
    max_side: int = sys.maxsize


MANY = range(1, sys.maxsize)

FORMATS: Mapping[str, Format] = {
    "PNG": Format(
        "png",
        (".png", ".apng"),
        types=frozenset({"u1", "u2"}),
        alpha=True,
        metadata=COMMON,
        orientation=True,
        merges=True,
        max_side=1_000_000,
    ),
    "JPEG": Format(
        "pillow",
        (".jpg", ".jpeg", ".jpe", ".jfif"),
        metadata=COMMON,
        orientation=True,
        cmyk=True,
        exact=False,
        max_side=65_500,
    ),
    "WEBP": Format(
        "pillow",
        (".webp",),
        alpha=True,
        frames=True,
        metadata=COMMON | {"timing"},
        orientation=True,
        merges=True,
        max_side=16_383,
    ),
    "BMP": Format("pillow", (".bmp", ".dib")),
    "GIF": Format(
        "pillow",
        (".gif",),
        alpha=True,
        frames=True,
        metadata=frozenset({"timing"}),
        exact=False,
        merges=True,
        max_side=65_535,
    ),
    "AVIF": Format(
        "pillow",
        (".avif",),
        alpha=True,
        frames=True,
        metadata=COMMON | {"timing"},
        orientation=True,
        exact=False,
        max_side=32_768,
    ),
    "PNM": Format("pnm", (".pnm", ".pgm", ".ppm", ".pbm", ".pam"), types=frozenset({"u1", "u2"})),
    "TIFF": Format(
        "tiff",
        (".tif", ".tiff"),
        ANY,
        MANY,
        alpha=True,
        frames=True,
        metadata=COMMON - {"EXIF"},
        orientation=True,
        open_axes=True,
        cmyk=True,
        shapes=True,
    ),
    "NPY": Format("npy", (".npy",), ANY, MANY, alpha=True, frames=True, open_axes=True, cmyk=True),
    "FITS": Format(
        "fits",
        (".fits", ".fit", ".fts", ".fz"),
        ANY - {"f2"},
        frozenset({1}),
        frames=True,
        open_axes=True,
        shapes=True,
    ),
}


def format_called(name: str) -> str | None:
    """Return the format that people call ``name``: by its own name or an ending."""
    known = {row_name.lower(): row_name for row_name in FORMATS}
    return known.get(name.lower(), format_by_extension(Path(f"x.{name.removeprefix('.')}")))


def format_by_extension(path: Path) -> str | None:
    """Return the format that a file's name promises."""
    ending = path.suffix.lower()
    return next((name for name, row in FORMATS.items() if ending in row.endings), None)


def holds_type(path: Path, dtype: str) -> bool:
    """Return whether a file of that name, if it promises a format, holds numbers of a type without changing them."""
    format_ = format_by_extension(path)
    return format_ is None or np.dtype(dtype).str[1:] in FORMATS[format_].types


def format_by_magic(start: bytes) -> str | None:
    """Return the format whose mark a file starts with."""
    if start.startswith(_CANON):
        return None
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if start[4:12] in (b"ftypavif", b"ftypavis"):
        return "AVIF"
    return next((name for mark, name in _MAGIC if start.startswith(mark)), None)


_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"\x93NUMPY", "NPY"),
    (b"SIMPLE  =", "FITS"),
    *((mark, "TIFF") for mark in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    *((b"P%d" % kind, "PNM") for kind in range(1, 8)),
)

HEAD = 132
"""Bytes at the start of a file by which formats are told."""

_CANON = b"II*\0\x10\0\0\0CR\x02"
"""A TIFF by its first bytes, whose pages are previews."""

_NOT_READ = (
    *((4, brand, "HEIF") for brand in (b"ftyphei", b"ftyphev", b"ftypmif1", b"ftypmsf1")),
    *((0, mark, "JPEG XL") for mark in (b"\xff\x0a", b"\0\0\0\x0cJXL ")),
    *((0, mark, "JPEG 2000") for mark in (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"%PDF", "PDF"),
    (0, b"ZISRAWFILE", "CZI (Zeiss)"),
    (0, b"\xda\xce\xbe\x0a", "ND2 (Nikon)"),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5"),
    (0, b"\x70\0\0\0", "LIF (Leica)"),
    *((0, mark, "raw camera data") for mark in (_CANON, b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")),
    (4, b"ftypcrx", "raw camera data"),
    (128, b"DICM", "DICOM"),
)


def unread_format(start: bytes) -> str | None:
    """Return the name of a format that people may try and that is not read, by how a file starts."""
    return next((name for place, mark, name in _NOT_READ if start[place:].startswith(mark)), None)


def why_impossible(file: PictureFile, target: str) -> str | None:
    """Say why no file of format ``target`` can be made of ``file`` at all, None if one can."""
    row = FORMATS[target]
    if len(file.parts) > 1 and row.frames and not row.shapes:
        return f"pages of different {'shapes' if len({part.size for part in file.parts}) > 1 else 'kinds'}"
    for part in file.parts:
        if max(part.size) > row.max_side:
            return f"more than {row.max_side} pixels along an axis"
        if part.is_cmyk and not row.cmyk:
            return "the inks of a CMYK picture"
        if part.is_premultiplied and row.alpha and target not in ("TIFF", "NPY") and not part.is_opaque:
            return "colours multiplied by their transparency"
        if part.colours not in row.samples and not part.is_cmyk:
            return f"{part.colours} channels"
    return None


def losses(file: PictureFile, target: str, *, metadata: bool) -> tuple[str, ...]:
    """Name what a file of format ``target`` cannot hold of ``file``; what was lost on reading is lost to all.

    An array of numbers is not expected to hold metadata, and resolution alone keeps nobody from converting.
    """
    row, found = FORMATS[target], list(file.losses)
    is_copy = target == file.format and metadata and file.native is not None
    if file.is_interleaved and row.frames and not is_copy:
        found.append("the order of its pages")
    if target == file.format:
        return tuple(found)
    for part in file.parts:
        found += _losses_of(part, target, row)
    if metadata and target != "NPY":
        held = row.metadata | {"resolution"}
        found += [kind for kind in (*file.metadata.kinds, *file.kinds) if kind not in held]
    if file.page_count > 1 and not row.frames:
        found.append(f"{file.page_count - 1} of {file.page_count} pages")
    return tuple(dict.fromkeys(found))


def _losses_of(part: Picture, target: str, row: Format) -> list[str]:
    """Name what becomes of one picture."""
    found = []
    kind = part.pixels.dtype.str[1:]
    if kind not in row.types and target != "NPY":
        found.append(f"the depth of {part.pixels.dtype} values")
    is_signed = part.is_inverted and part.pixels.dtype.kind == "i"
    if is_signed and target not in ("TIFF", "NPY") and float(part.pixels.min()) < 0:
        found.append("numbers below 0, lighter than white")
    if part.alpha and not row.alpha:
        found.append("transparency")
    if target == "GIF" and part.is_translucent:
        found.append("partial transparency")
    if target == "GIF" and part.has_more_colours_than(256 - bool(part.alpha)):
        found.append("colours beyond 256")
    return found


def stored_dtype(part: Picture, target: str) -> np.dtype[np.generic]:
    """Return the type that takes the most of a picture's numbers into a file of format ``target``."""
    types, kind = FORMATS[target].types, part.pixels.dtype
    if kind.str[1:] in types:
        return kind.newbyteorder("=")
    return np.dtype("u2" if "u2" in types and kind.itemsize > 1 else "u1")


def room_for(subject: object, format_: str) -> ModuleType:
    """Return the module that reads and writes a format; it loads its library when it is first asked for.

    Raises
    ------
    MissingExtraError
        If that is not installed, which ``subject`` needs.
    """
    try:
        return import_module(f"tvdenoise.images.formats.{FORMATS[format_].room}")
    except ImportError as error:
        if not (error.name or "").startswith("astropy"):
            raise
        raise missing_extra(subject, "Astropy reads FITS files and is not installed", "astro") from error
