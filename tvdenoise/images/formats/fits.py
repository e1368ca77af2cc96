"""FITS through Astropy: every image of a file, its headers kept."""

import io
from typing import Any, BinaryIO

import numpy as np
from astropy.io import fits

from tvdenoise.images import limits
from tvdenoise.images.picture import Picture, PictureFile, Source, to_native_order

_NEXT = b"XTENSION"  # what the header of a further unit begins with


def read(source: Source) -> PictureFile:
    """Read all images of two or more axes; the first axis of a cube counts pages."""
    parts = []
    notes = set()
    with source.open() as stream, fits.open(stream, memmap=False, lazy_load_hdus=False) as units:
        for unit in filter(_is_picture, units):
            *_, height, width = unit.shape
            limits.check_size(source, width, height)
            holds_integers = unit.header["BITPIX"] > 0  # asked first: Astropy changes it with the numbers
            pixels = unit.data
            if holds_integers and pixels.dtype.kind == "f":
                notes.add("scaled integers became floats")
            axes = "QPRTUVW"[: pixels.ndim - 2] + "YX"  # letters that say nothing
            parts.append(Picture(to_native_order(pixels), axes))
        last = units[-1].fileinfo()
        stream.seek(last["datLoc"] + last["datSpan"])
        rest = stream.read(len(_NEXT))
        if rest and _NEXT.startswith(rest):
            raise ValueError("it ends within a header")
    if not parts:
        raise ValueError("it has no pictures")
    return PictureFile("FITS", tuple(parts), native=source, own_metadata=("FITS header",), notes=tuple(notes))


def write(stream: BinaryIO, file: PictureFile) -> None:
    """Write the units of the source with new pixels, or new ones."""
    content = io.BytesIO()  # Astropy wants to know how a file was opened, and knows not every way
    pictures = (np.ascontiguousarray(part.pixels) for part in file.parts)
    if isinstance(file.native, Source):
        with file.native.open() as original, fits.open(original, memmap=False, lazy_load_hdus=False) as units:
            for unit in filter(_is_picture, units):
                _ = unit.data  # which takes the scaling of the old numbers out of the header
                unit.data = next(pictures)
                if isinstance(unit, fits.CompImageHDU):
                    unit.hcomp_scale = unit.quantize_level = 0  # losing nothing, which floats do with GZIP alone
                    if unit.data.dtype.kind == "f":
                        unit.compression_type = "GZIP_2"
            has_sums = any("CHECKSUM" in unit.header or "DATASUM" in unit.header for unit in units)
            units.writeto(content, output_verify="silentfix", checksum=has_sums)
    else:
        new = [fits.PrimaryHDU(next(pictures))]
        new += [fits.ImageHDU(picture) for picture in pictures]
        fits.HDUList(new).writeto(content)
    stream.write(content.getbuffer())


def _is_picture(unit: Any) -> bool:  # noqa: ANN401 (Astropy is untyped)
    return unit.is_image and len(unit.shape) >= 2
