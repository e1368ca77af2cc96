"""Every TIFF, through tifffile. A result is a copy of its source in which nothing but the pixels has changed.

So byte order, layout, compression, EXIF, GPS, ImageJ and OME metadata and tags nobody knows come back as they were.
Where a page cannot hold the result (palettes, 1-bit pictures), its directory is written anew with all its other tags.
Only where there is no source a new file is written.
"""

import hashlib
import itertools
import math
import os
import re
import shutil
import struct
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, BinaryIO
from xml.etree import ElementTree

import numpy as np
from imagecodecs import packints_encode
from tifffile import (
    COMPRESSION,
    EXTRASAMPLE,
    PHOTOMETRIC,
    RESUNIT,
    TIFF,
    TiffFile,
    TiffPage,
    TiffPageSeries,
    TiffWriter,
)

from tvdenoise.arrays import intensity
from tvdenoise.arrays.intensity import Levels, Range
from tvdenoise.errors import DamageError, PictureError
from tvdenoise.images import limits
from tvdenoise.images.orientation import UPRIGHT, exif_of, orientation
from tvdenoise.images.picture import (
    EXIF_MARK,
    Distances,
    Metadata,
    Names,
    Picture,
    PictureFile,
    Pixels,
    Resolution,
    Source,
    to_native_order,
)
from tvdenoise.machine import scratch
from tvdenoise.options.kinds import MAX_SPACING, MIN_SPACING

_PHOTOMETRIC = {PHOTOMETRIC[name] for name in ("MINISWHITE", "MINISBLACK", "RGB", "PALETTE", "SEPARATED", "YCBCR")}
# Compressions that keep every bit and that pixels can be put back into
_PACKERS = ("NONE", "LZW", "ADOBE_DEFLATE", "DEFLATE", "PACKBITS", "LZMA", "ZSTD")
_REPEATABLE = {COMPRESSION[name] for name in _PACKERS}
# Metadata that only TIFF files keep, by the names that people know
_OWN_TAGS = {
    "EXIF": "ExifTag",
    "GPS": "GPSTag",
    "IPTC": "IPTCNAA",
    "Photoshop": "ImageResources",
    "GeoTIFF": "GeoKeyDirectoryTag",
    "document name": "DocumentName",
    "maker": "Make",
    "model": "Model",
    "date": "DateTime",
    "artist": "Artist",
    "host": "HostComputer",
    "copyright": "Copyright",
    "no-data value": "GDAL_NODATA",
}
# What matters to other pages of the same document alone
_PAGE_TAGS = {"page number": "PageNumber", "position": "XPosition"}
_SUB_PAGES = 330
_PLANES = 1000  # more than a page has
_PRIVATE = 65000  # the first of the tags that everybody may use
# Tags that say how pixels are stored, none of which holds for others
_LAYOUT_NAMES = """
    FillOrder MinSampleValue MaxSampleValue PlanarConfiguration GrayResponseUnit GrayResponseCurve T4Options T6Options
    Predictor ColorMap SampleFormat CleanFaxData TileWidth TileLength TileOffsets TileByteCounts
"""
_LAYOUT = {TIFF.TAGS[name] for name in _LAYOUT_NAMES.split()}
# What a block of EXIF tells beside the places of EXIF and GPS: maker, model, software, date, artist, copyright, ...
_EXIF_TAGS = {270, 271, 272, 305, 306, 315, 316, 33432, 34665, 34853, *range(40091, 40096)}
_MASK = 4  # the bit of a page's kind that says so
_PACKED = (2, 4, 12)  # bits a sample that do not fill bytes
Links = dict[int, int]  # where the offset of each page stands
Directory = dict[int, bytes]
_TRANSPARENCY = {EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA}
# Units of length in OME's metadata
_METRES = {
    "m": 1.0,
    "cm": 1e-2,
    "mm": 1e-3,
    "\N{MICRO SIGN}m": 1e-6,
    "\N{GREEK SMALL LETTER MU}m": 1e-6,
    "nm": 1e-9,
    "pm": 1e-12,
    "\N{LATIN CAPITAL LETTER A WITH RING ABOVE}": 1e-10,
    "in": 0.0254,
}
_SQUARE = 1e-3  # how far from 1 a spacing is the rounding of a fraction
CHUNK = 2**20  # values written at a time, so that their copy in the order of bytes of the file takes little memory
_CONVERT = "convert it to a plain TIFF first"
_TOO_SHORT = "it ends before its pixels do"


def read(source: Source) -> PictureFile:
    """Read all series of a TIFF; each becomes a part."""
    with source.open() as stream, TiffFile(stream) as tif:
        length = stream.seek(0, os.SEEK_END)
        pages = _check_chain(source, stream, tif)
        _check_planes(source, tif, pages)
        pictures = _pictures(tif)
        if not pictures:
            raise DamageError("it has no pictures")
        for series in pictures:
            _check(source, series)
            _check_length(series, length)
        promised = sum(series.nbytes for series in tif.series)
        limits.check_bytes(source, f"its pages promise {promised} bytes", promised, 1, in_memory=False)
        whites = {_white(series) for series in pictures}
        if len(whites) > 1:
            raise PictureError(source.name, "pages of several depths cannot be kept whole", _CONVERT)
        reduced = sum(len(series.levels) - 1 for series in pictures)
        file = PictureFile(
            "TIFF",
            tuple(_part(series) for series in pictures),
            _shared_metadata(tif.pages.first),
            native=source,
            own_metadata=_own_metadata(tif),
            spacing=_spacing(tif),
            is_interleaved=_is_interleaved(pictures),
            scale=whites.pop(),
            notes=(f"{reduced} reduced copies made anew",) if reduced else (),
        )
        if not all(_holds_result(series) for series in pictures):
            file = replace(file, notes=("palette or bits resolved",))
            if tif.is_shaped or tif.is_imagej or tif.is_ome:  # which tell the old shape or type in words
                losses = (*file.own_metadata, *_find_tags(tif.pages.first, _PAGE_TAGS))
                file = replace(file, native=None, losses=losses)
    return file


def write(stream: BinaryIO, file: PictureFile) -> None:
    """Write a copy of the source with new pixels, or a new file."""
    if isinstance(file.native, Source):
        with file.native.open() as original:
            shutil.copyfileobj(original, stream)
        stream.seek(0)
        written: set[int] = set()
        with TiffFile(stream) as tif:
            links = _find_links(stream, tif)
            _mark_edition(stream)
            if tif.is_ome:
                _renew_uuid(tif, file)
            for part, series in zip(file.parts, _pictures(tif), strict=True):
                if _holds_result(series):
                    for level in series.levels:
                        pixels = _reduce(part, level.shape)
                        _replace_series(stream, tif, level, pixels, written)
                else:
                    _resolve_series(stream, tif, series, part.pixels, links)
        return
    size = sum(part.pixels.nbytes for part in file.parts)
    is_big = size > 2**32 - 2**25  # offsets of 32 bits reach no further
    exif = file.metadata.exif
    has_exif = exif is not None and exif != exif_of(orientation(file.metadata))
    if exif is not None and has_exif:
        if is_big:
            raise DamageError("beyond 4 GiB it holds no EXIF")
        _write_exif(stream, exif.removeprefix(EXIF_MARK))
    with TiffWriter(stream, bigtiff=is_big and not has_exif, append=has_exif) as tif:
        for part in file.parts:
            _write_new(tif, part, file.metadata)
    if has_exif:
        _adopt_exif(stream, is_single=file.page_count == 1)


def _check_chain(source: Source, stream: BinaryIO, tif: TiffFile) -> int:
    """Return the number of pages; refuse too many, and those that lead back to one another: tifffile would not end."""
    seen = set()
    pages = 0
    for offset, _, entries in _walk(stream, tif):
        if offset in seen:
            raise DamageError("its pages lead round in a circle")
        seen.add(offset)
        pages += 1
        if _SUB_PAGES in entries:
            (count,) = struct.unpack_from(tif.tiff.offsetformat, entries[_SUB_PAGES], 4)
            pages += count
        limits.check_pages(source, pages)
    return pages


def _check_planes(source: Source, tif: TiffFile, pages: int) -> None:
    """Refuse OME metadata that tell of far more planes than there are pages: tifffile would make room for each."""
    planes = 1
    for axis in "ZCT":
        sizes = re.findall(rf'\sSize{axis}="(\d+)"', tif.ome_metadata or "")
        planes *= max(map(int, sizes), default=1)
    if planes > _PLANES * pages:
        pages_found = "1 page" if pages == 1 else f"{pages} pages"
        problem = f"its OME metadata tell of {planes} planes, and it has {pages_found}"
        raise PictureError(source.name, problem, "put all of them into one file")


def _renew_uuid(tif: TiffFile, file: PictureFile) -> None:
    """Give a copy of an OME file a UUID of its own, which depends on the pixels, and forget the name of the source."""
    text = tif.ome_metadata or ""
    found = re.search(r'\bUUID="(urn:uuid:[^"]+)"', text)
    if found is None:
        return
    digest = hashlib.sha256()
    for part in file.parts:
        digest.update(np.ascontiguousarray(part.pixels).data)
    new = uuid.uuid5(uuid.NAMESPACE_OID, found[1] + digest.hexdigest()).urn
    text = text.replace(found[1], new)
    text = re.sub(rf'(<[\w:]*UUID) FileName="[^"]*"(\s*>\s*{new})', r"\1\2", text)
    tif.pages.first.aspage().tags["ImageDescription"].overwrite(text.encode())


def _mark_edition(stream: BinaryIO) -> None:
    """Say in a cloud-optimized GeoTIFF, as GDAL does, that its tiles no longer lie where its first lines promise."""
    stream.seek(0)
    head = stream.read(1024)
    stream.seek(0)
    stream.write(head.replace(b"KNOWN_INCOMPATIBLE_EDITION=NO\n ", b"KNOWN_INCOMPATIBLE_EDITION=YES\n"))


def _pictures(tif: TiffFile) -> list[TiffPageSeries]:
    """Return the series that are pictures; masks of transparency stay as they are."""
    return [series for series in tif.series if not series.keyframe.subfiletype & _MASK]


def _pages(series: TiffPageSeries) -> Iterator[TiffPage]:
    return (page.aspage() for page in series.pages if page is not None)


def _reduce(picture: Picture, shape: tuple[int, ...]) -> Pixels:
    """Return the pixels at a size that is no larger: means over areas, or where there are gaps the middle of each."""
    values: Pixels = picture.pixels
    if values.shape == shape:
        return values
    has_gaps = intensity.find_gaps(values, picture.nodata).any()
    for axis, length in enumerate(shape):
        size = values.shape[axis]
        starts = np.arange(length) * size // length
        ends = np.append(starts[1:], size)
        if has_gaps:
            values = values.take((starts + ends) // 2, axis)
        elif length < size:
            sums = np.add.reduceat(values, starts, axis, dtype=np.float64)
            counts = np.expand_dims(ends - starts, [*range(1, values.ndim - axis)])
            values = sums / counts
    if picture.pixels.dtype.kind != "f":
        values = np.rint(values)
    return values.astype(picture.pixels.dtype)


def _walk(stream: BinaryIO, tif: TiffFile) -> Iterator[tuple[int, int, Directory]]:
    """Iterate over the chain of pages: where each begins, where that stands in the file, and its directory."""
    layout = tif.tiff
    link = layout.offsetsize  # in the header: at 4, or 8 of a large file
    offset = tif.pages.first.offset
    while offset:
        entries = _read_directory(stream, tif, offset)
        following = stream.tell()
        (next_offset,) = struct.unpack(layout.offsetformat, stream.read(layout.offsetsize))
        yield offset, link, entries
        offset = next_offset
        link = following


def _find_links(stream: BinaryIO, tif: TiffFile) -> Links:
    """Return where the offset of each page stands, in a file whose chain has been checked."""
    return {offset: link for offset, link, _ in _walk(stream, tif)}


def _read_directory(stream: BinaryIO, tif: TiffFile, offset: int) -> Directory:
    """Return the entries of a directory as they stand there, by their codes; the link to the next comes then."""
    layout = tif.tiff
    stream.seek(offset)
    (count,) = struct.unpack(layout.tagnoformat, stream.read(layout.tagnosize))
    content = stream.read(count * layout.tagsize)
    entries = {}
    for start in range(0, len(content), layout.tagsize):
        entry = content[start : start + layout.tagsize]
        (code,) = struct.unpack_from(f"{layout.byteorder}H", entry)
        entries[code] = entry
    return entries


def _write_directory(stream: BinaryIO, tif: TiffFile, page: TiffPage, entries: Directory, links: Links) -> None:
    """Write the directory of a page anew at the end of the file, and let what leads to the old one lead there."""
    layout = tif.tiff
    _read_directory(stream, tif, page.offset)
    following = stream.read(layout.offsetsize)
    start = stream.seek(0, os.SEEK_END)
    start += stream.write(bytes(start % 2))  # which stands at an even offset
    stream.write(struct.pack(layout.tagnoformat, len(entries)))
    for _, entry in sorted(entries.items()):
        stream.write(entry)
    (next_page,) = struct.unpack(layout.offsetformat, following)
    if next_page:
        links[next_page] = stream.tell()
    stream.write(following)
    stream.seek(links[page.offset])
    stream.write(struct.pack(layout.offsetformat, start))


def _make_entry(stream: BinaryIO, tif: TiffFile, code: int, values: Sequence[int]) -> bytes:
    """Return an entry with whole numbers, which are written at the end of the file if they do not fit into it."""
    layout = tif.tiff
    large = layout.offsetformat[-1]  # I, or Q in a large file
    small = "H" if max(values) < 2**16 else large
    kind = {"H": 3, "I": 4, "Q": 16}[small]
    content = struct.pack(f"{layout.byteorder}{len(values)}{small}", *values)
    if len(content) > layout.offsetsize:
        place = stream.seek(0, os.SEEK_END)
        stream.write(content)
        content = struct.pack(layout.offsetformat, place)
    head = struct.pack(f"{layout.byteorder}HH{large}", code, kind, len(values))
    return head + content.ljust(layout.offsetsize, b"\0")


def _resolve_series(stream: BinaryIO, tif: TiffFile, series: TiffPageSeries, pixels: Pixels, links: Links) -> None:
    """Put colours in the place of the palettes and single bits of some pages, with all their other tags."""
    pages = list(_pages(series))
    dtype = pixels.dtype.newbyteorder(tif.byteorder)
    pixels_by_page = pixels.reshape(len(pages), series.keyframe.imagelength, -1)
    for page, values in zip(pages, pixels_by_page, strict=True):
        samples = values.shape[1] // page.imagewidth
        rows = max(1, CHUNK // values.shape[1])
        offsets = []
        counts = []
        for top in range(0, len(values), rows):
            offsets.append(stream.seek(0, os.SEEK_END))
            strip = values[top : top + rows].astype(dtype)
            counts.append(stream.write(zlib.compress(strip.tobytes())))
        changed: dict[str, Sequence[int]] = {
            "BitsPerSample": [8 * pixels.itemsize] * samples,
            "Compression": [COMPRESSION.ADOBE_DEFLATE],
            "PhotometricInterpretation": [PHOTOMETRIC.RGB if samples == 3 else page.photometric],
            "StripOffsets": offsets,
            "SamplesPerPixel": [samples],
            "RowsPerStrip": [rows],
            "StripByteCounts": counts,
        }
        entries = _read_directory(stream, tif, page.offset)
        entries = {code: entry for code, entry in entries.items() if code not in _LAYOUT}
        for name, numbers in changed.items():
            code = TIFF.TAGS[name]
            entries[code] = _make_entry(stream, tif, code, numbers)
        _write_directory(stream, tif, page, entries, links)


def _write_exif(stream: BinaryIO, block: bytes) -> None:
    """Begin a file with a block of EXIF, a TIFF itself: what leads from place to place in it stays right."""
    stream.write(block + bytes(len(block) % 2))
    stream.seek(0)
    with TiffFile(stream) as tif:
        _read_directory(stream, tif, tif.pages.first.offset)
        stream.write(bytes(tif.tiff.offsetsize))  # the small picture is of other pixels
    stream.seek(0)


def _adopt_exif(stream: BinaryIO, *, is_single: bool) -> None:
    """Let the first picture take the place, and the tags, of the directory of the EXIF block in front of it."""
    stream.seek(0)
    with TiffFile(stream) as tif:
        first, second, *_ = _find_links(stream, tif)
        exif = _read_directory(stream, tif, first)
        entries = _read_directory(stream, tif, second)
        for code in _EXIF_TAGS & exif.keys():
            if is_single or code not in entries:
                entries[code] = exif[code]
        page = tif.pages[1].aspage()
        _write_directory(stream, tif, page, entries, {second: tif.tiff.offsetsize})


def _check(source: Source, series: TiffPageSeries) -> None:
    """Refuse what would be read wrong; tifffile itself checks little."""
    page = series.keyframe
    limits.check_size(source, page.imagewidth, page.imagelength)
    is_jpeg = page.compression == COMPRESSION.JPEG
    axes = {level.axes for level in series.levels}
    sizes = {_size_but_rows_and_columns(level) for level in series.levels}
    copies = len(series.levels) - 1
    is_raw_ycbcr = page.photometric == PHOTOMETRIC.YCBCR and not is_jpeg
    are_alike = len(axes) == len(sizes) == 1
    refusal = None
    if len(page.subifds or ()) > copies or not are_alike:
        refusal = "with sub-pictures that are no reduced copies"
    elif copies > 0 and not _holds_result(series):
        refusal = "of a palette or single bits with reduced copies"
    elif series.is_multifile:
        refusal = "spread over several files"
    elif page.photometric not in _PHOTOMETRIC or is_raw_ycbcr:
        refusal = f"of colours {getattr(page.photometric, 'name', page.photometric)}"
    elif page.photometric == PHOTOMETRIC.PALETTE and page.samplesperpixel > 1:
        refusal = "of a palette beside other samples"
    elif page.bitspersample in _PACKED and page.extrasamples:
        refusal = f"of {page.bitspersample} bits a sample with transparency"
    elif page.photometric == PHOTOMETRIC.RGB and page.samplesperpixel - len(page.extrasamples) < 3:
        refusal = "of RGB with fewer than three colours"
    elif page.bitspersample not in (1, *_PACKED, 8, 16, 32, 64):
        refusal = f"of {page.bitspersample} bits a sample"
    elif page.imagedepth > 1 and series.dataoffset is None:
        refusal = "of volumes in tiles or compressed strips"
    if refusal is not None:
        raise PictureError(source.name, f"a TIFF {refusal} cannot be kept whole", _CONVERT)


def _size_but_rows_and_columns(series: TiffPageSeries) -> tuple[int, ...]:
    sides = zip(series.shape, series.axes, strict=True)
    return tuple(side for side, axis in sides if axis not in "YX")


def _check_length(series: TiffPageSeries, length: int) -> None:
    """Refuse a file of a length at which pixels are missing; tifffile would fill them in."""
    if series.dataoffset is not None:
        if series.dataoffset + series.nbytes > length:
            raise DamageError(_TOO_SHORT)
        return
    page = series.keyframe
    needed = 0
    if page.compression == COMPRESSION.NONE and not page.is_tiled:
        needed = math.prod(page.shaped) * page.bitspersample // 8
    segments = math.prod(page.chunked)
    for one in series.pages:
        if one is None or len(one.dataoffsets) < segments or not all(one.databytecounts):
            raise DamageError("some of its pixels are missing")
        ends = map(sum, zip(one.dataoffsets, one.databytecounts, strict=True))
        if max(ends) > length or sum(one.databytecounts) < needed:
            raise DamageError(_TOO_SHORT)


def _own_metadata(tif: TiffFile) -> Names:
    first = tif.pages.first
    names = list(_find_tags(first, _OWN_TAGS))
    if len(tif.series) > len(_pictures(tif)):
        names.append("masks")
    if any(tag.code >= _PRIVATE for tag in first.tags):
        names.append("private tags")
    has_own_words = first.description not in ("", first.shaped_description)
    if has_own_words and not (tif.is_imagej or tif.is_ome):
        names.append("description")
    if tif.is_imagej:
        names.append("ImageJ axes")
    if tif.is_ome:
        names.append("OME axes")
    return tuple(names)


def _find_tags(page: TiffPage, tags: Mapping[str, str]) -> Names:
    """Return the names of the tags that a page has."""
    return tuple(name for name, tag in tags.items() if tag in page.tags)


def _spacing(tif: TiffFile) -> Distances | None:
    """Return the distances between slices and rows in pixel widths, as ImageJ or OME name them, else 1."""
    if not (tif.is_imagej or tif.is_ome):
        return None
    find = _imagej_spacing if tif.is_imagej else _ome_spacing
    found = []
    for axis in "ZY":
        try:
            spacing = find(tif, axis)
        except (LookupError, TypeError, ValueError, ZeroDivisionError, ElementTree.ParseError):  # not as it should be
            spacing = 1.0
        is_possible = MIN_SPACING <= spacing <= MAX_SPACING
        if abs(spacing - 1) < _SQUARE or not is_possible:
            spacing = 1.0
        found.append(spacing)
    slices, rows = found
    return None if found == [1, 1] else (slices, rows)


def _imagej_spacing(tif: TiffFile, axis: str) -> float:
    pixels, units = _value(tif.pages.first, "XResolution")
    if axis == "Z":
        metadata = tif.imagej_metadata or {}
        pixels *= float(metadata["spacing"])
        return float(pixels / units)
    rows, row_units = _value(tif.pages.first, "YResolution")
    spacing: float = pixels / units * row_units / rows
    return spacing


def _ome_spacing(tif: TiffFile, axis: str) -> float:
    tree = ElementTree.fromstring(tif.ome_metadata or "")
    pixels, *_ = tree.findall(".//{*}Pixels")
    values = pixels.attrib
    width = float(values["PhysicalSizeX"])
    spacing = float(values[f"PhysicalSize{axis}"]) / width
    unit = values.get(f"PhysicalSize{axis}Unit", "\N{MICRO SIGN}m")
    unit_x = values.get("PhysicalSizeXUnit", "\N{MICRO SIGN}m")
    if unit != unit_x:  # equal ones may be of any name
        spacing *= _METRES[unit] / _METRES[unit_x]
    return spacing


def _is_interleaved(all_series: list[TiffPageSeries]) -> bool:
    """Return whether pages of one kind stand between those of another; tifffile sorts them by kind."""
    numbers = [[page.index for page in series.pages if page is not None] for series in all_series]
    return any(max(before) > min(after) for before, after in itertools.pairwise(numbers))


def _holds_result(series: TiffPageSeries) -> bool:
    """Return whether denoised pixels can take the place of those of a series: not of a palette, not of single bits."""
    is_bits = series.dtype is None or series.dtype.kind == "b"
    return not is_bits and series.keyframe.photometric != PHOTOMETRIC.PALETTE


def _white(series: TiffPageSeries) -> Range | None:
    """Return the range of samples that do not fill their bytes; None for all others."""
    bits = series.keyframe.bitspersample
    if bits in _PACKED and _holds_result(series):
        return 0.0, 2.0**bits - 1
    return None


def _part(series: TiffPageSeries) -> Picture:
    page = series.keyframe
    white = _white(series)
    axes = series.axes
    target = None
    if _holds_result(series):
        target = scratch.empty(series.shape, series.dtype)
    pixels: Pixels = series.asarray(out=target)
    if page.photometric == PHOTOMETRIC.PALETTE:
        pixels = _colours(pixels, series)
        axes += "S"
    elif pixels.dtype == bool:
        pixels = pixels.view(np.uint8) * np.uint8(255)
    alpha = 0
    is_colour = page.photometric not in (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE)
    has_alpha = is_colour or _TRANSPARENCY.issuperset(page.extrasamples)
    if "S" in axes and has_alpha:
        alpha = len(page.extrasamples)
    return Picture(
        to_native_order(pixels),
        _make_distinct(axes),
        alpha,
        is_inverted=page.photometric == PHOTOMETRIC.MINISWHITE,
        is_cmyk=page.photometric == PHOTOMETRIC.SEPARATED,
        is_premultiplied=EXTRASAMPLE.ASSOCALPHA in page.extrasamples,
        nodata=_nodata(page),
        levels=None if white is None else Levels(0, int(white[1])),
    )


def _nodata(page: TiffPage) -> float | None:
    """Return the number that stands for no data, which GDAL writes as a text."""
    try:
        return float(_value(page, "GDAL_NODATA", ""))
    except (TypeError, ValueError):
        return None


def _make_distinct(axes: str) -> str:
    """Return axes of which no two have the same letter: all of those that nothing names are Q to tifffile."""
    spare = (letter for letter in "ABDEFGHIJKLMNOPQRUVW" if letter not in axes)
    distinct = ""
    for axis in axes:
        distinct += next(spare) if axis in distinct else axis
    return distinct


def _colours(index: Pixels, series: TiffPageSeries) -> Pixels:
    """Return the colours of pages with a palette each, in 8 bits if those of all palettes are 8-bit ones."""
    tables = np.stack([_value(page, "ColorMap").T for page in _pages(series)])
    high = tables >> 8
    is_doubled = (tables == high * 257).all()
    is_shifted = (tables == high * 256).all()
    if is_doubled or is_shifted:
        tables = high.astype(np.uint8)
    indices = index.reshape(len(tables), -1).astype(np.intp)  # single bits would be a mask
    colours = [table[numbers] for table, numbers in zip(tables, indices, strict=True)]
    return np.reshape(colours, (*index.shape, 3))


def _shared_metadata(page: TiffPage) -> Metadata:
    xmp = _value(page, "XMP")
    if isinstance(xmp, str):
        xmp = xmp.encode()
    return Metadata(
        icc_profile=_value(page, "InterColorProfile"),
        exif=exif_of(int(_value(page, "Orientation", UPRIGHT))),
        xmp=xmp,
        dpi=_resolution(page),
    )


def _resolution(page: TiffPage) -> Resolution | None:
    """Return the pixels an inch, horizontally and vertically, None where the file does not name them."""
    unit = _value(page, "ResolutionUnit")
    inches = 2.54 if unit == RESUNIT.CENTIMETER else 1.0
    numbers = []
    for name in ("XResolution", "YResolution"):
        pixels, units = _value(page, name, (0, 0))
        if not units or unit == RESUNIT.NONE:
            return None
        density = pixels / units * inches
        if density <= 0:
            return None
        numbers.append(density)
    x, y = numbers
    return x, y


def _value(page: TiffPage, name: str, default: object = None) -> Any:  # noqa: ANN401 (tifffile's)
    tag = page.tags.get(name)
    return default if tag is None else tag.value


def _replace_series(stream: BinaryIO, tif: TiffFile, series: TiffPageSeries, pixels: Pixels, written: set[int]) -> None:
    """Put new pixels into a series of the same shape and type, but not where new ones stand already (``written``)."""
    dtype = pixels.dtype.newbyteorder(tif.byteorder)
    if series.dataoffset is not None:
        stream.seek(series.dataoffset)
        values = pixels.reshape(-1)
        for start in range(0, values.size, CHUNK):
            chunk = values[start : start + CHUNK]
            stream.write(chunk.astype(dtype).tobytes())
        return
    pixels_by_page = pixels.reshape(len(series.pages), -1)
    for page, values in zip(_pages(series), pixels_by_page, strict=True):
        shaped = values.astype(dtype, copy=False).reshape(page.shaped)
        _replace_page(stream, page, shaped, written)


def _replace_page(stream: BinaryIO, page: TiffPage, pixels: Pixels, written: set[int]) -> None:
    """Put new pixels (planes, 1, H, W, samples) into a page: where the old ones were if they fit there, else behind."""
    if page.bitspersample in _PACKED:
        _overwrite(page, "Predictor", 1)
    if page.compression not in _REPEATABLE:
        _overwrite(page, "Compression", COMPRESSION.ADOBE_DEFLATE)
        _overwrite(page, "Predictor", 1)
        _overwrite(page, "YCbCrSubSampling", (1, 1))
        if page.photometric == PHOTOMETRIC.YCBCR:
            _overwrite(page, "PhotometricInterpretation", PHOTOMETRIC.RGB)
    _overwrite(page, "FillOrder", 1)
    offsets = list(page.dataoffsets)
    counts = list(page.databytecounts)
    for i, segment in enumerate(_segments(page, pixels)):
        encoded = _encode(page, segment)
        stream.seek(offsets[i])
        if len(encoded) > counts[i] or offsets[i] in written:
            offsets[i] = stream.seek(0, os.SEEK_END)
        written.add(offsets[i])
        counts[i] = stream.write(encoded)
    kind = "Tile" if page.is_tiled else "Strip"
    if offsets != list(page.dataoffsets):
        _overwrite(page, f"{kind}Offsets", offsets)
    if counts != list(page.databytecounts):
        _overwrite(page, f"{kind}ByteCounts", counts)


def _overwrite(page: TiffPage, name: str, value: object) -> None:
    if name in page.tags:
        page.tags[name].overwrite(value)


def _segments(page: TiffPage, pixels: Pixels) -> Iterator[Pixels]:
    """Iterate over the tiles or strips of a page in their order in the file."""
    planes, _, height, width, _ = pixels.shape
    rows, columns = page.tile or (min(page.rowsperstrip, height), width)
    if page.is_tiled:  # tiles at the margin are whole, strips are not
        below = (0, -height % rows)
        right = (0, -width % columns)
        pixels = np.pad(pixels, ((0, 0), (0, 0), below, right, (0, 0)), mode="edge")
    tops = range(0, height, rows)
    lefts = range(0, width, columns)
    for plane, y, x in itertools.product(range(planes), tops, lefts):
        yield np.ascontiguousarray(pixels[plane, 0, y : y + rows, x : x + columns])


def _encode(page: TiffPage, segment: Pixels) -> bytes:
    """Compress a segment as its page was, or with Deflate."""
    compression = page.compression
    if page.bitspersample in _PACKED:  # each row begins with a byte of its own
        rows = [packints_encode(to_native_order(row).ravel(), page.bitspersample) for row in segment]
        packed = np.frombuffer(b"".join(rows), np.uint8)
        segment = packed.reshape(len(rows), -1, 1)
    if compression == COMPRESSION.NONE:
        return segment.tobytes()
    if compression not in _REPEATABLE:
        compression = COMPRESSION.ADOBE_DEFLATE
    elif page.predictor != 1 and page.bitspersample not in _PACKED:
        segment = TIFF.PREDICTORS[page.predictor](segment, axis=-2)
    options = {"axis": -2} if compression == COMPRESSION.PACKBITS else {}  # which packs each row by itself
    return bytes(TIFF.COMPRESSORS[compression](segment, **options))


def _write_new(tif: TiffWriter, part: Picture, metadata: Metadata) -> None:
    """Write a part into a new file, losslessly compressed."""
    pixels = part.pixels
    axes = part.axes
    photometric = PHOTOMETRIC.MINISWHITE if part.is_inverted else PHOTOMETRIC.MINISBLACK
    options: dict[str, Any] = {}
    if "S" in axes or part.alpha:
        pixels = part.by_page
        axes = f"{part.page_axes}YXS"
        named = 1  # samples that the photometric interpretation explains
        if part.is_cmyk:
            photometric = PHOTOMETRIC.SEPARATED
            named = 4
        elif part.colours == 3:
            photometric = PHOTOMETRIC.RGB
            named = 3
        extra = EXTRASAMPLE.UNSPECIFIED
        if part.alpha:
            extra = EXTRASAMPLE.ASSOCALPHA if part.is_premultiplied else EXTRASAMPLE.UNASSALPHA
        options["extrasamples"] = [extra] * (part.samples - named)
        if part.samples > 1:
            options["planarconfig"] = "contig"
    if metadata.dpi:
        options |= {"resolution": metadata.dpi, "resolutionunit": RESUNIT.INCH}
    tags: list[Any] = []
    if metadata.xmp:
        tags.append((700, 1, len(metadata.xmp), metadata.xmp, True))
    if orientation(metadata) != UPRIGHT:
        tags.append((274, 3, 1, orientation(metadata), True))
    tif.write(
        np.ascontiguousarray(pixels),
        photometric=photometric,
        compression=COMPRESSION.ADOBE_DEFLATE,
        predictor=True,
        iccprofile=metadata.icc_profile,
        metadata={"axes": axes},
        extratags=tags,
        **options,
    )
