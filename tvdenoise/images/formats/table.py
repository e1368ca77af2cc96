"""The table of formats: how each is recognised, what it holds, and so what a conversion to it would lose."""

import re
import sys
from collections.abc import Container, Mapping, Set
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np

from tvdenoise.errors import missing_extra
from tvdenoise.images.picture import Names, Picture, PictureFile

_COMMON = {"ICC profile", "EXIF", "XMP"}
_ANY = {"u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8"}
_MANY = range(1, sys.maxsize)
_BY_NUMBERS = ("TIFF", "NPY")  # formats whose numbers may mean what those of any source mean, however unusual
_CANON = rb"II\*\0\x10\0\0\0CR\x02"  # raw camera data that begins like a TIFF, whose pages are previews


@dataclass(frozen=True)
class Format:
    """One row."""

    module: str  # the module of this package that has its read and write
    endings: Names  # of its files; the first is the usual one
    mark: bytes  # a regular expression of the bytes with which its files begin
    types: Set[str] = frozenset({"u1"})  # of the numbers it holds, as NumPy abbreviates them
    samples: Container[int] = frozenset({1, 3})  # how many colour samples it holds, transparency not counted
    alpha: bool = False  # whether it holds transparency
    frames: bool = False  # whether it holds more than one picture
    metadata: Set[str] = frozenset()  # names of what it takes over from other formats
    orientation: bool = False  # whether it can say which way up a picture is; if not, its pixels are turned
    open_axes: bool = False  # whether a user may know the axes of its arrays better than the file does
    cmyk: bool = False  # whether it holds inks
    exact: bool = True  # whether what is read is what was written, bit by bit
    shapes: bool = False  # whether its pictures may differ in shape
    max_side: int = sys.maxsize  # the most pixels along an axis that it, or the library that writes it, allows


FORMATS: Mapping[str, Format] = {
    "PNG": Format(
        "png",
        (".png", ".apng"),
        rb"\x89PNG\r\n\x1a\n",
        types={"u1", "u2"},
        alpha=True,
        metadata=_COMMON | {"colour space"},
        orientation=True,
        max_side=1_000_000,
    ),
    "JPEG": Format(
        "pillow",
        (".jpg", ".jpeg", ".jpe", ".jfif"),
        rb"\xff\xd8\xff",
        metadata=_COMMON,
        orientation=True,
        cmyk=True,
        exact=False,
        max_side=65_500,
    ),
    "WEBP": Format(
        "pillow",
        (".webp",),
        rb"RIFF....WEBP",
        alpha=True,
        frames=True,
        metadata=_COMMON | {"timing"},
        orientation=True,
        max_side=16_383,
    ),
    "BMP": Format("pillow", (".bmp", ".dib"), rb"BM", metadata={"ICC profile"}),
    "GIF": Format(
        "gif",
        (".gif",),
        rb"GIF8",
        alpha=True,
        frames=True,
        metadata={"XMP", "timing"},
        exact=False,
        max_side=65_535,
    ),
    "AVIF": Format(
        "pillow",
        (".avif",),
        rb"....ftypavi[fs]",
        alpha=True,
        frames=True,
        metadata=_COMMON | {"colour space", "timing"},
        orientation=True,
        exact=False,
        max_side=32_768,
    ),
    "PNM": Format(
        "pnm",
        (".pnm", ".pgm", ".ppm", ".pbm", ".pam"),
        rb"P[1-7]",
        types={"u1", "u2"},
    ),
    "TIFF": Format(
        "tiff",
        (".tif", ".tiff"),
        rb"(?!%b)(II\*\0|MM\0\*|II\+\0|MM\0\+)" % _CANON,
        _ANY,
        _MANY,
        alpha=True,
        frames=True,
        metadata=_COMMON,
        orientation=True,
        open_axes=True,
        cmyk=True,
        shapes=True,
    ),
    "NPY": Format(
        "npy",
        (".npy",),
        rb"\x93NUMPY",
        _ANY,
        _MANY,
        alpha=True,
        frames=True,
        open_axes=True,
        cmyk=True,
    ),
    "FITS": Format(
        "fits",
        (".fits", ".fit", ".fts", ".fz"),
        rb"SIMPLE  =",
        _ANY - {"f2"},
        {1},
        frames=True,
        open_axes=True,
        shapes=True,
    ),
}


MARKS = {name: row.mark for name, row in FORMATS.items()}
RAW = "raw camera data"
RAW_ENDINGS = (".3fr", ".arw", ".dng", ".erf", ".iiq", ".mef", ".mos", ".nef", ".nrw", ".pef", ".srw")  # TIFFs inside
HEAD = 132  # bytes at the start of a file by which formats are recognised

# Marks of formats that people may try and that are not read
UNREAD = {
    "HEIF": rb"....ftyp(hei|hev|mif1|msf1)",
    "JPEG XL": rb"\xff\x0a|\0\0\0\x0cJXL ",
    "JPEG 2000": rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  ",
    "OpenEXR": rb"v/1\x01",
    "PDF": rb"%PDF",
    "CZI (Zeiss)": rb"ZISRAWFILE",
    "ND2 (Nikon)": rb"\xda\xce\xbe\x0a",
    "HDF5": rb"\x89HDF\r\n\x1a\n",
    "LIF (Leica)": rb"\x70\0\0\0",
    RAW: _CANON + rb"|FUJIFILMCCD-RAW|IIRO|IIRS|MMOR|IIU\0|....ftypcrx",
    "DICOM": rb".{128}DICM",
    "volumes (NIfTI, Analyze)": rb"\x5c\x01\0\0|\0\0\x01\x5c|\x1c\x02\0\0|\0\0\x02\x1c",
    "Photoshop (PSD)": rb"8BPS",
    "GIMP (XCF)": rb"gimp xcf",
    "Radiance (HDR)": rb"#\?(RADIANCE|RGBE)",
    "floats (PFM)": rb"P[Ff]\s",
    "icons (ICO, CUR)": rb"\0\0[\x01\x02]\0[^\0]",
    "DirectDraw (DDS)": rb"DDS ",
    "film scans (DPX)": rb"SDPX|XPDS",
    "QOI": rb"qoif",
    "SVG drawings": rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<(!DOCTYPE )?svg",
    "PostScript": rb"%!PS",
    "web pages (HTML)": rb"\s*<(!DOCTYPE )?html",
    "films (MP4, MOV)": rb"....ftyp(isom|mp4|qt  |avc1|M4V)",
    "NRRD volumes": rb"NRRD00",
    "packed files (ZIP, gzip)": rb"PK\x03\x04|\x1f\x8b",
    "Targa (TGA)": rb".[\0\x01][\x01\x02\x03\x09-\x0b].{13}[\x08\x0f\x10\x18\x20]",  # which has no mark
}


def format_called(name: str) -> str | None:
    """Return the format that people call ``name``: by its own name or an ending."""
    if name.upper() in FORMATS:
        return name.upper()
    return format_by_extension(Path(f"x.{name.removeprefix('.')}"))


def format_by_extension(path: Path) -> str | None:
    """Return the format that a file's name promises."""
    ending = path.suffix.lower()
    for name, row in FORMATS.items():
        if ending in row.endings:
            return name
    return None


def find_mark(start: bytes, marks: Mapping[str, bytes]) -> str | None:
    """Return the format with whose mark a file starts."""
    for name, mark in marks.items():
        if re.match(mark, start, re.DOTALL):
            return name
    return None


def holds_type(path: Path, dtype: str) -> bool:
    """Return whether a file of that name, if it promises a format, holds numbers of a type without changing them."""
    format_ = format_by_extension(path)
    if format_ is None:
        return True
    return np.dtype(dtype).str[1:] in FORMATS[format_].types


def why_impossible(file: PictureFile, target: str) -> str | None:
    """Say why no file of format ``target`` can be made of ``file`` at all, None if one can."""
    row = FORMATS[target]
    if len(file.parts) > 1 and row.frames and not row.shapes:
        sizes = {part.size for part in file.parts}
        return f"pages of different {'shapes' if len(sizes) > 1 else 'kinds'}"
    for part in file.parts:
        if max(part.size) > row.max_side:
            return f"more than {row.max_side} pixels along an axis"
        if part.is_cmyk and not row.cmyk:
            return "the inks of a CMYK picture"
        if part.is_premultiplied and row.alpha and target not in _BY_NUMBERS and not part.is_opaque:
            return "colours multiplied by their transparency"
        if part.colours not in row.samples and not part.is_cmyk:
            return f"{part.colours} channels"
    return None


def losses(file: PictureFile, target: str, *, metadata: bool) -> Names:
    """Name what a file of format ``target`` cannot hold of ``file``; what reading lost is lost in every format."""
    row = FORMATS[target]
    found = list(file.losses)
    is_copy = target == file.format and metadata and file.native is not None
    if file.is_interleaved and row.frames and not is_copy:
        found.append("the order of its pages")
    if target == file.format:
        return tuple(found)
    for part in file.parts:
        found += _losses_of(part, target)
    if metadata and target != "NPY":  # of arrays of numbers nobody expects it
        held = row.metadata | {"resolution"}  # which alone keeps nobody from converting
        found += [name for name in file.metadata_names if name not in held]
    if file.page_count > 1 and not row.frames:
        found.append(f"{file.page_count - 1} of {file.page_count} pages")
    return tuple(dict.fromkeys(found))


def _losses_of(part: Picture, target: str) -> list[str]:
    row = FORMATS[target]
    dtype = part.pixels.dtype
    found = []
    if dtype.str[1:] not in row.types and target != "NPY":
        found.append(f"the depth of {dtype} values")
    # The pixels are turned round for such a format, and there is no number above white.
    is_signed = part.is_inverted and dtype.kind == "i"
    if is_signed and target not in _BY_NUMBERS and float(part.pixels.min()) < 0:
        found.append("numbers below 0, lighter than white")
    if part.alpha and not row.alpha:
        found.append("transparency")
    if target == "GIF":
        if part.is_translucent:
            found.append("partial transparency")
        if part.has_more_colours_than(256 - bool(part.alpha)):
            found.append("colours beyond 256")
    return found


def module_for(subject: object, format_: str) -> ModuleType:
    """Return the module that reads and writes a format, loaded when it is first asked for.

    A library that ``subject`` needs and that is not installed raises :class:`MissingExtraError`.
    """
    try:
        return import_module(f"tvdenoise.images.formats.{FORMATS[format_].module}")
    except ImportError as error:
        if not (error.name or "").startswith("astropy"):
            raise
        raise missing_extra(subject, "Astropy reads FITS files and is not installed", "astro") from error
