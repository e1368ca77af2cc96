"""PBM, PGM, PPM and PAM of every depth, through netpbmfile. The file itself tells which number stands for white."""

import re
from typing import Any, BinaryIO, Literal

import numpy as np
from netpbmfile import NetpbmFile, imwrite
from numpy.typing import NDArray

from tvdenoise.arrays import intensity
from tvdenoise.arrays.intensity import Range
from tvdenoise.errors import PictureError
from tvdenoise.images import limits
from tvdenoise.images.picture import Picture, PictureFile, Source

_BITS = ("P1", "P4")
_TEXTS = ("P1", "P2", "P3")
_KINDS = (*_BITS, "P2", "P3", "P5", "P6", "P7")
_COMMENT = re.compile(rb"#[^\r\n]*")


def read(source: Source) -> PictureFile:
    """Read a picture; the ones of a PBM are black."""
    with source.open() as stream, NetpbmFile(stream) as file:
        kind, white = file.magicnumber, file.maxval
        if kind not in _KINDS:
            raise ValueError(f"it is of kind {kind}")
        limits.check_size(source, file.width, file.height)
        stream.seek(file.dataoffset)
        if _has_more(file, stream.read()):
            raise PictureError(source.name, "more stands behind its first picture", "split it first")
        pixels, axes = file.asarray(), file.axes.removeprefix("I")
    if pixels.ndim > len(axes):
        pixels = pixels[0]  # white space behind a small picture is no other
    if kind in _BITS:
        pixels, white = np.where(pixels, 0, 255).astype(np.uint8), 255
    pixels, scale = pixels.astype(pixels.dtype.newbyteorder("="), copy=False), (0.0, float(white))
    alpha = int(file.tupltype.endswith("_ALPHA"))
    if alpha:
        pixels = pixels.copy()
        pixels[..., -1] = _rescaled(pixels[..., -1], scale, intensity.type_range(pixels.dtype))
    notes = ("1-bit became 8-bit",) if kind in _BITS else ()
    return PictureFile("PNM", (Picture(pixels, axes, alpha),), native=(kind, white), notes=notes, scale=scale)


def write(stream: BinaryIO, file: PictureFile) -> None:
    """Write a PAM if the source is one, else a PGM or PPM in binary; no number is above that for white."""
    (picture,) = file.parts
    kind, white = file.native or ("", int(intensity.type_range(picture.pixels.dtype)[1]))
    pixels = np.minimum(picture.by_page, white, dtype=picture.pixels.dtype)
    if picture.samples == 1:
        pixels = pixels[..., 0]
    if picture.alpha:
        pixels[..., -1] = _rescaled(picture.by_page[..., -1], intensity.type_range(pixels.dtype), (0.0, float(white)))
    binary: Literal["P5", "P6"] = "P6" if picture.samples > 1 else "P5"
    imwrite(stream, np.ascontiguousarray(pixels), magicnumber="P7" if kind == "P7" else binary, maxval=white)


def _has_more(file: NetpbmFile, content: bytes) -> bool:
    """Return whether there is more than white space behind the pixels; netpbmfile takes any bytes for pictures."""
    if file.magicnumber in _TEXTS:
        words = _COMMENT.sub(b"", content).split()
        found = sum(map(len, words)) if file.magicnumber == "P1" else len(words)
        return found > file.height * file.width * file.depth
    row = -(-file.width // 8) if file.magicnumber == "P4" else file.width * file.depth * file.dtype.itemsize
    return bool(content[file.height * row :].strip())


def _rescaled(alpha: NDArray[np.generic], old: Range, new: Range) -> NDArray[np.generic]:
    """Return transparency in another range: of a file it is the file's, of a picture that of its type."""
    return intensity.scale_from_unit(intensity.scale_to_unit(alpha, old), new, alpha.dtype)


def without_metadata(native: Any) -> Any:  # noqa: ANN401 (a kind and a number)
    """Return what a source is restored by: there is nothing else."""
    return native
