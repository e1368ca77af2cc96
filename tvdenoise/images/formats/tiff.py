"""Every TIFF, through tifffile. A result is a copy of its source in which nothing but the pixels has changed.

So byte order, layout, compression, EXIF, GPS, ImageJ and OME metadata and tags nobody knows come back as they were.
Only where the source cannot hold the result (palettes, 1-bit pictures), or there is none, a new file is written.
"""

import itertools
import logging
import math
import os
import re
import shutil
import struct
from collections.abc import Iterator
from html import unescape
from string import ascii_uppercase
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from tifffile import COMPRESSION, PHOTOMETRIC, TIFF, TiffFile, TiffPage, TiffPageSeries, TiffWriter

from tvdenoise.errors import PictureError
from tvdenoise.images import limits
from tvdenoise.images.orientation import exif_of, orientation
from tvdenoise.images.picture import Metadata, Picture, PictureFile, Source
from tvdenoise.machine import scratch
from tvdenoise.options.kinds import MAX_SPACING

logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)  # what it would say, PictureError says

_PHOTOMETRIC = {
    PHOTOMETRIC.MINISWHITE,
    PHOTOMETRIC.MINISBLACK,
    PHOTOMETRIC.RGB,
    PHOTOMETRIC.PALETTE,
    PHOTOMETRIC.SEPARATED,
    PHOTOMETRIC.YCBCR,
}
_REPEATABLE = {
    COMPRESSION.NONE,
    COMPRESSION.LZW,
    COMPRESSION.ADOBE_DEFLATE,
    COMPRESSION.DEFLATE,
    COMPRESSION.PACKBITS,
    COMPRESSION.LZMA,
    COMPRESSION.ZSTD,
}
"""Compressions that keep every bit and that pixels can be put back into."""

_OWN = {"EXIF": 34665, "GPS": 34853, "IPTC": 33723, "Photoshop": 34377, "GeoTIFF": 34735}
_OWN |= {"document name": 269, "maker": 271, "model": 272, "date": 306, "artist": 315, "host": 316, "copyright": 33432}
_PRIVATE = 65000
"""The first of the tags that everybody may use."""

_TRANSPARENCY = (1, 2)
"""What ExtraSamples says of premultiplied and of plain alpha."""

_CENTIMETRE = 3
"""What ResolutionUnit says where it is not inches."""

_METRES = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "\N{MICRO SIGN}m": 1e-6, "\N{GREEK SMALL LETTER MU}m": 1e-6, "nm": 1e-9}
_METRES |= {"pm": 1e-12, "\N{LATIN CAPITAL LETTER A WITH RING ABOVE}": 1e-10, "in": 0.0254}
"""Units of length in OME's metadata."""

CHUNK = 2**20
"""Values written at a time."""

_CONVERT = "convert it to a plain TIFF first"


def read(source: Source) -> PictureFile:
    """Read all series of a TIFF; each becomes a part."""
    with source.open() as stream, TiffFile(stream) as tif:
        length = stream.seek(0, os.SEEK_END)
        _check_chain(stream, tif)
        if not tif.series:
            raise ValueError("it has no pictures")
        for series in tif.series:
            _check(source, series, length)
        parts = tuple(_part(series) for series in tif.series)
        first = tif.pages.first
        kinds = tuple(name for name, code in _OWN.items() if code in first.tags)
        kinds += ("private tags",) * any(tag.code >= _PRIVATE for tag in first.tags)
        if first.description and not (tif.is_shaped or tif.is_imagej or tif.is_ome):
            kinds += ("description",)
        kinds += ("ImageJ axes",) * tif.is_imagej + ("OME axes",) * tif.is_ome
        is_changed = any(part.pixels.dtype != series.dtype for part, series in zip(parts, tif.series, strict=True))
        is_changed |= any(series.keyframe.photometric == PHOTOMETRIC.PALETTE for series in tif.series)
        return PictureFile(
            "TIFF",
            parts,
            _metadata(first),
            native=None if is_changed else source,
            kinds=kinds,
            notes=("palette or bits resolved",) if is_changed else (),
            losses=kinds if is_changed else (),
            spacing=_spacing(tif),
            is_interleaved=_is_interleaved(tif.series),
        )


def write(stream: BinaryIO, file: PictureFile) -> None:
    """Write a copy of the source with new pixels, or a new file."""
    if isinstance(file.native, Source):
        with file.native.open() as original:
            shutil.copyfileobj(original, stream)
        stream.seek(0)
        with TiffFile(stream) as tif:
            filled: set[int] = set()
            for part, series in zip(file.parts, tif.series, strict=True):
                _replace_series(stream, tif, series, part.pixels, filled)
        return
    size = sum(part.pixels.nbytes for part in file.parts)
    with TiffWriter(stream, bigtiff=size > 2**32 - 2**25) as tif:
        for part in file.parts:
            _write_new(tif, part, file.metadata)


def without_metadata(_native: Source | None) -> None:
    """Return None: what a source's tags say is left behind, and a new file written."""


def _check_chain(stream: BinaryIO, tif: TiffFile) -> None:
    """Refuse pages that lead back to one another: tifffile would go round for ever."""
    tiff, offset, seen = tif.tiff, tif.pages.first.offset, set()
    while offset:
        if offset in seen:
            raise ValueError("its pages lead round in a circle")
        seen.add(offset)
        stream.seek(offset)
        (tags,) = struct.unpack(tiff.tagnoformat, stream.read(tiff.tagnosize))
        stream.seek(tags * tiff.tagsize, os.SEEK_CUR)
        (offset,) = struct.unpack(tiff.offsetformat, stream.read(tiff.offsetsize))


def _check(source: Source, series: TiffPageSeries, length: int) -> None:
    """Refuse what would be read wrong or written short; tifffile itself checks little."""
    page, refusal = series.keyframe, None
    limits.check_size(source, page.imagewidth, page.imagelength)
    if len(series.levels) > 1 or page.subifds:
        refusal = "with reduced copies or sub-pictures"
    elif series.is_multifile:
        refusal = "spread over several files"
    elif page.photometric not in _PHOTOMETRIC or (page.photometric == PHOTOMETRIC.YCBCR and page.compression != 7):
        refusal = f"of colours {getattr(page.photometric, 'name', page.photometric)}"
    elif page.photometric == PHOTOMETRIC.PALETTE and page.samplesperpixel > 1:
        refusal = "of a palette beside other samples"
    elif page.bitspersample not in (1, 8, 16, 32, 64):
        refusal = f"of {page.bitspersample} bits a sample"
    elif page.imagedepth > 1 and series.dataoffset is None:
        refusal = "of volumes in tiles or compressed strips"
    if refusal is not None:
        raise PictureError(source.name, f"a TIFF {refusal} cannot be kept whole", _CONVERT)
    if series.dataoffset is not None:
        if series.dataoffset + series.nbytes > length:
            raise ValueError("it ends before its pixels do")
        return
    for one in series.pages:
        if one is None or len(one.dataoffsets) < math.prod(page.chunked) or not all(one.databytecounts):
            raise ValueError("some of its pixels are missing")
        ends = (a + b for a, b in zip(one.dataoffsets, one.databytecounts, strict=True))
        needed = math.prod(page.shaped) * page.bitspersample // 8 if page.compression == 1 and not page.is_tiled else 0
        if max(ends) > length or sum(one.databytecounts) < needed:
            raise ValueError("it ends before its pixels do")


def _spacing(tif: TiffFile) -> float | None:
    """Return the distance between slices in pixel widths, as ImageJ or OME tell it, None where nothing does."""
    try:
        if tif.is_imagej:
            pixels, units = tif.pages.first.tags["XResolution"].value
            spacing = float((tif.imagej_metadata or {})["spacing"]) * pixels / units
        elif tif.is_ome:
            (pixels_tag,) = re.findall(r"<(?:\w+:)?Pixels\s[^>]*>", tif.ome_metadata or "")[:1]
            told = dict(re.findall(r'(\w+)="([^"]*)"', unescape(pixels_tag)))
            spacing = float(told["PhysicalSizeZ"]) / float(told["PhysicalSizeX"])
            units = [told.get(f"PhysicalSize{axis}Unit", "\N{MICRO SIGN}m") for axis in "ZX"]
            if units[0] != units[1]:
                spacing *= _METRES[units[0]] / _METRES[units[1]]
        else:
            return None
    except (KeyError, TypeError, ValueError, ZeroDivisionError):  # not said, or not as it should be
        return None
    return spacing if 1 / MAX_SPACING <= spacing <= MAX_SPACING else None


def _is_interleaved(all_series: list[TiffPageSeries]) -> bool:
    """Return whether pages of one kind stand between those of another; tifffile sorts them by kind."""
    numbers = [[page.index for page in series.pages if page is not None] for series in all_series]
    return any(max(before) > min(after) for before, after in itertools.pairwise(numbers))


def _part(series: TiffPageSeries) -> Picture:
    page, axes = series.keyframe, series.axes
    is_plain = page.photometric != PHOTOMETRIC.PALETTE and series.dtype is not None and series.dtype.kind != "b"
    pixels: NDArray[Any] = series.asarray(out=scratch.empty(series.shape, series.dtype) if is_plain else None)
    if page.photometric == PHOTOMETRIC.PALETTE:
        tables = [one.aspage().tags["ColorMap"].value for one in series.pages if one is not None]
        pixels, axes = _colours(pixels, np.stack(tables)), f"{axes}S"
    elif pixels.dtype == bool:
        pixels = pixels.view(np.uint8) * np.uint8(255)
    extra = page.extrasamples
    is_colour = page.photometric not in (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE)
    is_hidden = is_colour or all(kind in _TRANSPARENCY for kind in extra)
    return Picture(
        pixels.astype(pixels.dtype.newbyteorder("="), copy=False),
        _distinct(axes),
        alpha=len(extra) if is_hidden and "S" in axes else 0,
        is_inverted=page.photometric == PHOTOMETRIC.MINISWHITE,
        is_cmyk=page.photometric == PHOTOMETRIC.SEPARATED,
        is_premultiplied=_TRANSPARENCY[0] in extra,
    )


def _distinct(axes: str) -> str:
    """Return axes of which no two have the same letter: all of those that nothing names are Q to tifffile."""
    spare = iter(sorted(set(ascii_uppercase) - set(f"{axes}CSTXYZ")))
    return "".join(next(spare) if axis in axes[:place] else axis for place, axis in enumerate(axes))


def _colours(index: NDArray[Any], tables: NDArray[np.uint16]) -> NDArray[np.generic]:
    """Return the colours of pages with a palette (3, N) each, in 8 bits if those of all palettes are 8-bit ones."""
    if (tables == (tables >> 8) * 257).all() or (tables & 255 == 0).all():
        tables = (tables >> 8).astype(np.uint8)
    pages = zip(tables, index.reshape(len(tables), -1), strict=True)
    return np.stack([np.ascontiguousarray(table.T)[page] for table, page in pages]).reshape(*index.shape, 3)


def _metadata(page: TiffPage) -> Metadata:
    tags = {code: page.tags[code].value for code in (34675, 700, 274, 282, 283, 296) if code in page.tags}
    dpi = None
    if 282 in tags and 283 in tags and all(denominator for _, denominator in (tags[282], tags[283])):
        unit = 2.54 if tags.get(296) == _CENTIMETRE else 1.0
        dpi = (tags[282][0] / tags[282][1] * unit, tags[283][0] / tags[283][1] * unit)
    xmp = tags.get(700)
    return Metadata(
        icc_profile=tags.get(34675),
        exif=exif_of(int(tags.get(274, 1))),
        xmp=xmp.encode() if isinstance(xmp, str) else xmp,
        dpi=dpi if dpi and all(value > 0 for value in dpi) and tags.get(296) != 1 else None,
    )


def _replace_series(
    stream: BinaryIO, tif: TiffFile, series: TiffPageSeries, pixels: NDArray[np.generic], filled: set[int]
) -> None:
    """Put new pixels into a series of the same shape and type, but not where new ones stand already (``filled``)."""
    dtype = pixels.dtype.newbyteorder(tif.byteorder)
    if series.dataoffset is not None:
        stream.seek(series.dataoffset)
        values = pixels.reshape(-1)
        for start in range(0, values.size, CHUNK):
            stream.write(values[start : start + CHUNK].astype(dtype).tobytes())
        return
    for page, values in zip(series.pages, pixels.reshape(len(series.pages), -1), strict=True):
        assert page is not None  # _check has seen to that
        whole = page.aspage()
        _replace_page(stream, whole, values.astype(dtype, copy=False).reshape(whole.shaped), filled)


def _replace_page(stream: BinaryIO, page: TiffPage, pixels: NDArray[np.generic], filled: set[int]) -> None:
    """Put new pixels (planes, 1, H, W, samples) into a page: where the old ones were if they fit there, else behind."""
    if page.compression not in _REPEATABLE:
        page.tags["Compression"].overwrite(COMPRESSION.ADOBE_DEFLATE)
        if "Predictor" in page.tags:
            page.tags["Predictor"].overwrite(1)
        if page.photometric == PHOTOMETRIC.YCBCR:
            page.tags["PhotometricInterpretation"].overwrite(PHOTOMETRIC.RGB)
        if "YCbCrSubSampling" in page.tags:
            page.tags["YCbCrSubSampling"].overwrite((1, 1))
    if "FillOrder" in page.tags:
        page.tags["FillOrder"].overwrite(1)
    offsets, counts = list(page.dataoffsets), list(page.databytecounts)
    for i, segment in enumerate(_segments(page, pixels)):
        encoded = _encoded(page, segment)
        if len(encoded) > counts[i] or offsets[i] in filled:
            offsets[i] = stream.seek(0, os.SEEK_END)
        filled.add(offsets[i])
        counts[i] = len(encoded)
        stream.seek(offsets[i])
        stream.write(encoded)
    kind = "Tile" if page.is_tiled else "Strip"
    if offsets != list(page.dataoffsets):
        page.tags[f"{kind}Offsets"].overwrite(offsets)
    if counts != list(page.databytecounts):
        page.tags[f"{kind}ByteCounts"].overwrite(counts)


def _segments(page: TiffPage, pixels: NDArray[np.generic]) -> Iterator[NDArray[np.generic]]:
    """Iterate over the tiles or strips of a page in their order in the file."""
    planes, _, height, width, _ = pixels.shape
    rows, columns = page.tile or (min(page.rowsperstrip, height), width)
    for plane, y, x in itertools.product(range(planes), range(0, height, rows), range(0, width, columns)):
        segment = pixels[plane, 0, y : y + rows, x : x + columns]
        if page.is_tiled:
            short = (rows - segment.shape[0], columns - segment.shape[1])
            segment = np.pad(segment, ((0, short[0]), (0, short[1]), (0, 0)), mode="edge")
        yield np.ascontiguousarray(segment)


def _encoded(page: TiffPage, segment: NDArray[np.generic]) -> bytes:
    """Compress a segment as its page was, or with Deflate."""
    if page.compression == COMPRESSION.NONE:
        return segment.tobytes()
    if page.compression not in _REPEATABLE:
        return bytes(TIFF.COMPRESSORS[COMPRESSION.ADOBE_DEFLATE](segment))
    if page.predictor != 1:
        segment = TIFF.PREDICTORS[page.predictor](segment, axis=-2)
    options = {"axis": -2} if page.compression == COMPRESSION.PACKBITS else {}
    return bytes(TIFF.COMPRESSORS[page.compression](segment, **options))


def _write_new(tif: TiffWriter, part: Picture, metadata: Metadata) -> None:
    """Write a part into a new file, losslessly compressed."""
    pixels, axes = part.pixels, part.axes
    if "S" in axes or part.alpha:
        pixels, axes = part.by_page, f"{part.page_axes}YXS"
    colours = part.colours
    photometric = "miniswhite" if part.is_inverted else "minisblack"
    if "S" in axes and (part.is_cmyk or colours == 3):
        photometric = "separated" if part.is_cmyk else "rgb"
    named = {"separated": 4, "rgb": 3}.get(photometric, 1)
    alpha = "assocalpha" if part.is_premultiplied else "unassalpha"
    extra = None if "S" not in axes else [alpha] * part.alpha or ["unspecified"] * (part.samples - named)
    tags: list[tuple[int, int, int, Any, bool]] = (
        [(700, 1, len(metadata.xmp), metadata.xmp, True)] if metadata.xmp else []
    )
    tags += [(274, 3, 1, orientation(metadata), True)] if orientation(metadata) != 1 else []
    tif.write(
        np.ascontiguousarray(pixels),
        photometric=photometric,
        planarconfig="contig" if "S" in axes and part.samples > 1 else None,
        extrasamples=extra,
        compression="adobe_deflate",
        predictor=True,
        iccprofile=metadata.icc_profile,
        resolution=metadata.dpi,
        resolutionunit="inch" if metadata.dpi else None,
        metadata={"axes": axes},
        extratags=tags,
    )
