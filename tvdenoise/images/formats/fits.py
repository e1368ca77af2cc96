"""FITS through Astropy: every image of a file, its headers kept."""

import io
from typing import Any, BinaryIO

import numpy as np
from astropy.io import fits

from tvdenoise.images import limits
from tvdenoise.images.picture import Picture, PictureFile, Source

_NEXT = b"XTENSION"
"""What the header of a further unit begins with."""


def read(source: Source) -> PictureFile:
    """Read all images of two or more axes; the first axis of a cube counts pages."""
    with source.open() as stream, fits.open(stream, memmap=False, lazy_load_hdus=False) as units:
        parts, is_scaled = [], False
        for unit in filter(_is_picture, units):
            limits.check_size(source, unit.shape[-1], unit.shape[-2])
            holds_integers = unit.header["BITPIX"] > 0
            pixels = np.asarray(unit.data)
            is_scaled |= holds_integers and pixels.dtype.kind == "f"
            axes = "QPRTUVW"[: pixels.ndim - 2] + "YX"
            parts.append(Picture(pixels.astype(pixels.dtype.newbyteorder("="), copy=False), axes))
        last = units[-1].fileinfo()
        stream.seek(last["datLoc"] + last["datSpan"])
        if (rest := stream.read(len(_NEXT))) and _NEXT.startswith(rest):
            raise ValueError("it ends within a header")
        if not parts:
            raise ValueError("it has no pictures")
        notes = ("scaled integers became floats",) if is_scaled else ()
        return PictureFile("FITS", tuple(parts), native=source, kinds=("FITS header",), notes=notes)


def write(stream: BinaryIO, file: PictureFile) -> None:
    """Write the units of the source with new pixels, or new ones."""
    pictures = (np.ascontiguousarray(part.pixels) for part in file.parts)
    content = io.BytesIO()  # Astropy wants to know how a file was opened, and knows not every way
    if not isinstance(file.native, Source):
        first, *others = pictures
        fits.HDUList([fits.PrimaryHDU(first), *(fits.ImageHDU(other) for other in others)]).writeto(content)
        stream.write(content.getbuffer())
        return
    with file.native.open() as original, fits.open(original, memmap=False, lazy_load_hdus=False) as units:
        for unit in filter(_is_picture, units):
            _ = unit.data  # which takes the scaling of the old numbers out of the header
            unit.data = next(pictures)
            if isinstance(unit, fits.CompImageHDU):
                unit.hcomp_scale = unit.quantize_level = 0  # losing nothing, which floats do with GZIP alone
                if unit.data.dtype.kind == "f":
                    unit.compression_type = "GZIP_2"
        has_sums = any({"CHECKSUM", "DATASUM"} & set(unit.header) for unit in units)
        units.writeto(content, output_verify="silentfix", checksum=has_sums)
    stream.write(content.getbuffer())


def without_metadata(_native: Source) -> None:
    """Return None: the source's headers are left behind."""


def _is_picture(unit: Any) -> bool:  # noqa: ANN401 (Astropy is untyped)
    return unit.is_image and len(unit.shape) >= 2
