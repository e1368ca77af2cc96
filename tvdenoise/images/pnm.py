"""PBM, PGM, PPM and PAM of every depth, through netpbmfile. The file itself tells which number stands for white."""

from typing import Any, BinaryIO, Literal

import numpy as np
from netpbmfile import NetpbmFile, imwrite

from tvdenoise import intensity
from tvdenoise.images import limits
from tvdenoise.images.picture import Picture, PictureFile, Source

_BITS = ("P1", "P4")
_KINDS = (*_BITS, "P2", "P3", "P5", "P6", "P7")


def read(source: Source) -> PictureFile:
    """Read all pictures of a file; the ones of a PBM are black."""
    with source.open() as stream, NetpbmFile(stream) as file:
        kind, white = file.magicnumber, file.maxval
        if kind not in _KINDS:
            raise ValueError(f"it is of kind {kind}")
        limits.check_size(source, file.width, file.height)
        pixels, axes = file.asarray(), file.axes
    if kind in _BITS:
        pixels, white = np.where(pixels, 0, 255).astype(np.uint8), 255
    picture = Picture(
        pixels.astype(pixels.dtype.newbyteorder("="), copy=False), axes, alpha=int(file.tupltype.endswith("_ALPHA"))
    )
    notes = ("1-bit became 8-bit",) if kind in _BITS else ()
    return PictureFile("PNM", (picture,), native=(kind, white), notes=notes, scale=(0.0, float(white)))


def write(stream: BinaryIO, file: PictureFile) -> None:
    """Write a PAM if the source is one, else a PGM or PPM in binary; no number is above that for white."""
    (picture,) = file.parts
    kind, white = file.native or ("", int(intensity.type_range(picture.pixels.dtype)[1]))
    np.minimum(picture.pixels, white, out=picture.pixels)
    pixels = picture.by_page if picture.samples > 1 else picture.by_page[..., 0]
    binary: Literal["P5", "P6"] = "P6" if picture.samples > 1 else "P5"
    imwrite(stream, np.ascontiguousarray(pixels), magicnumber="P7" if kind == "P7" else binary, maxval=white)


def without_metadata(native: Any) -> Any:  # noqa: ANN401 (a kind and a number)
    """Return what a source is restored by: there is nothing else."""
    return native
