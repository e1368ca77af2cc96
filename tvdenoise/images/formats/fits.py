"""FITS through Astropy: every image of a file, its headers kept."""

import io
import math
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from astropy.io import fits

from tvdenoise.arrays.intensity import Levels
from tvdenoise.errors import DamageError
from tvdenoise.images import limits
from tvdenoise.images.picture import Picture, PictureFile, Pixels, Source, to_native_order

_NEXT = b"XTENSION"  # what the header of a further unit begins with


def read(source: Source) -> PictureFile:
    """Read all images of two or more axes; the first axis of a cube counts pages."""
    parts = []
    with source.open() as stream, _open(stream) as units:
        for unit in filter(_is_picture, units):
            *_, height, width = unit.shape
            limits.check_size(source, width, height)
            problem = f"its header promises numbers of shape {unit.shape}"
            number_bytes = abs(unit.header["BITPIX"]) // 8
            limits.check_bytes(source, problem, math.prod(unit.shape), number_bytes)
            parts.append(_part(unit))
        last = units[-1].fileinfo()
        stream.seek(last["datLoc"] + last["datSpan"])
        rest = stream.read(len(_NEXT))
        if rest and _NEXT.startswith(rest):
            raise DamageError("it ends within a header")
    if not parts:
        raise DamageError("it has no pictures")
    return PictureFile("FITS", tuple(parts), native=source, own_metadata=("FITS header",))


def write(stream: BinaryIO, file: PictureFile) -> None:
    """Write the units of the source with new pixels, or new ones."""
    content = io.BytesIO()  # Astropy wants to know how a file was opened, and knows not every way
    if isinstance(file.native, Source):
        with file.native.open() as original, _open(original) as units:
            for unit, part in zip(filter(_is_picture, units), file.parts, strict=True):
                _replace(unit, part.pixels)
            has_sums = any("CHECKSUM" in unit.header or "DATASUM" in unit.header for unit in units)
            # What cannot be mended, such as a tab in a comment, comes back as it was.
            units.writeto(content, output_verify="silentfix+ignore", checksum=has_sums)
    else:
        pictures = (np.ascontiguousarray(part.pixels) for part in file.parts)
        new = [fits.PrimaryHDU(next(pictures))]
        new += [fits.ImageHDU(picture) for picture in pictures]
        fits.HDUList(new).writeto(content)
    stream.write(content.getbuffer())


def _open(stream: BinaryIO) -> Any:  # noqa: ANN401 (Astropy is untyped)
    """Open a file whose numbers are left as they are stored: Astropy would make floats of them, and forget BLANK."""
    return fits.open(stream, memmap=False, lazy_load_hdus=False, do_not_scale_image_data=True)


def _part(unit: Any) -> Picture:  # noqa: ANN401
    """Return the picture of a unit, with the number that stands for no data."""
    stored = to_native_order(unit.data)
    axes = "QPRTUVW"[: stored.ndim - 2] + "YX"  # letters that say nothing
    levels = _levels(unit)
    if levels is None:  # floats
        zero, step = _scaling(unit)
        if (zero, step) != (0, 1):
            stored = to_native_order(unit.data * step + zero)
        return Picture(stored, axes)
    dtype = _integer_type(levels)
    if dtype is not None:
        nodata = None if levels.nodata is None else levels.nodata + levels.zero
        return Picture(levels.to_numbers(stored, dtype), axes, nodata=nodata)
    pixels = levels.to_numbers(stored, np.float32)
    whole = replace(levels, nodata=None).to_whole(pixels)
    if not np.array_equal(whole, stored):  # too many digits for it
        pixels = levels.to_numbers(stored, np.float64)
    if levels.nodata is None:
        return Picture(pixels, axes, levels=levels)
    pixels[stored == levels.nodata] = np.nan
    return Picture(pixels, axes, nodata=math.nan, levels=levels)


def _replace(unit: Any, pixels: Pixels) -> None:  # noqa: ANN401
    """Put new pixels into a unit."""
    levels = _levels(unit)
    if levels is None:
        for key in ("BSCALE", "BZERO"):
            unit.header.remove(key, ignore_missing=True)
        unit.data = np.ascontiguousarray(pixels)
    elif pixels.dtype.kind == "f":
        whole = levels.to_whole(pixels)
        whole[np.isnan(pixels)] = levels.nodata
        unit.data[...] = whole
    else:
        unit.data[...] = pixels.astype(np.float64) - levels.zero
    if isinstance(unit, fits.CompImageHDU):
        unit.hcomp_scale = unit.quantize_level = 0  # losing nothing, which floats do with GZIP alone
        if unit.data.dtype.kind == "f":
            unit.compression_type = "GZIP_2"


def _scaling(unit: Any) -> tuple[float, float]:  # noqa: ANN401
    return unit.header.get("BZERO", 0), unit.header.get("BSCALE", 1)


def _levels(unit: Any) -> Levels | None:  # noqa: ANN401
    """Return what the stored integers of a unit stand for, None if they are floats."""
    if unit.data.dtype.kind == "f":
        return None
    limits = np.iinfo(unit.data.dtype)
    zero, step = _scaling(unit)
    nodata = unit.header.get("BLANK")
    if nodata is not None:
        nodata = float(nodata)
    return Levels(limits.min, limits.max, step, zero, nodata)


def _integer_type(levels: Levels) -> str | None:
    """Return the type of integers that are stored as they are, or with the other sign; None for any others."""
    types = ("u1", "i1", "i2", "u2", "i4", "u4")
    if levels.step != 1:
        return None
    bounds = (levels.least + levels.zero, levels.most + levels.zero)
    for name in types:
        limits = np.iinfo(name)
        if bounds == (limits.min, limits.max):
            return name
    return None


def _is_picture(unit: Any) -> bool:  # noqa: ANN401 (Astropy is untyped)
    return unit.is_image and len(unit.shape) >= 2
