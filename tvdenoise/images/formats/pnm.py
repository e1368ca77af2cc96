"""PBM, PGM, PPM and PAM of every depth, through netpbmfile. The file itself says which number stands for white."""

import io
import re
from dataclasses import replace
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
from netpbmfile import NetpbmFile, imwrite

from tvdenoise.errors import DamageError, PictureError
from tvdenoise.images import limits
from tvdenoise.images.picture import Picture, PictureFile, Source, rescale, squeeze, to_native_order

_COMMENT = re.compile(rb"#[^\r\n]*")


class _Native(NamedTuple):
    """What restores a file: its kind, P1 to P7, its number for white, and the lines of comment in its header."""

    magic: str
    white: int
    comments: tuple[bytes, ...] = ()


def read(source: Source) -> PictureFile:
    """Read a picture; the ones of a PBM are black."""
    with source.open() as stream, NetpbmFile(stream) as file:
        magic = file.magicnumber
        if not re.fullmatch("P[1-7]", magic):  # such as XV's thumbnails, P7 332
            raise DamageError(f"it is of kind {magic}")
        limits.check_size(source, file.width, file.height)
        stream.seek(0)
        comments = tuple(_COMMENT.findall(stream.read(file.dataoffset)))
        _check_length(source, file, stream.read())
        pixels = file.asarray()
        axes = file.axes.removeprefix("I")
        white = file.maxval
        alpha = int(file.tupltype.endswith("_ALPHA"))
    if pixels.ndim > len(axes):
        pixels = pixels[0]  # white space behind a small picture is no other
    most = int(pixels.max())
    if most > white:
        problem = f"its header calls {white} white, and it holds a number above that, {most}"
        raise PictureError(source.name, problem, "set the white of its header right")
    notes = []
    if magic in ("P1", "P4"):
        pixels = np.where(pixels, np.uint8(0), np.uint8(255))
        white = 255
        notes.append("1-bit became 8-bit")
    pixels = to_native_order(pixels)
    scale = (0.0, float(white))
    picture = Picture(pixels, axes, alpha)
    if alpha:
        # The transparency of a file is relative to its white, that of a picture to the range of its type.
        picture = replace(picture, pixels=pixels.copy())
        hidden = picture.pixels[..., -1]
        hidden[...] = rescale(hidden, scale, picture.type_range, hidden.dtype)
    return PictureFile(
        "PNM",
        (picture,),
        native=_Native(magic, white, comments),
        bare_native=_Native(magic, white),
        own_metadata=("comment",) if comments else (),
        notes=tuple(notes),
        scale=scale,
    )


def write(stream: BinaryIO, file: PictureFile) -> None:
    """Write a PAM if the source is one, else a PGM or PPM in binary; no number is above that for white."""
    (picture,) = file.parts
    native: _Native = file.native or _Native("", int(picture.type_range[1]))
    pixels = np.minimum(picture.by_page, native.white, dtype=picture.pixels.dtype)
    if picture.alpha:
        hidden = picture.by_page[..., -1]
        own_range = (0.0, float(native.white))
        pixels[..., -1] = rescale(hidden, picture.type_range, own_range, hidden.dtype)
    magic: Literal["P5", "P6", "P7"] = "P5" if picture.samples == 1 else "P6"
    if native.magic == "P7":
        magic = "P7"
    content = io.BytesIO()
    imwrite(content, squeeze(pixels), magicnumber=magic, maxval=native.white)
    lines = b"".join(b"\n" + comment for comment in native.comments)
    if lines and magic != "P7":  # whose header has a line for each field
        lines += b"\n"
    rest = content.getbuffer()[len(magic) :]
    stream.writelines([magic.encode(), lines, rest])


def _check_length(source: Source, file: NetpbmFile, content: bytes) -> None:
    """Refuse too few pixels, and more than white space behind them; netpbmfile takes any bytes for pictures."""
    numbers = file.width * file.depth  # in a row
    if file.magicnumber in ("P1", "P2", "P3"):
        words = _COMMENT.sub(b"", content).split()
        found = len(words)
        if file.magicnumber == "P1":  # whose bits need no space between them
            found = len(b"".join(words))
        needed = file.height * numbers
        has_more = found > needed
    else:
        row = numbers * file.dtype.itemsize
        if file.magicnumber == "P4":
            row = (file.width + 7) // 8
        found = len(content)
        needed = file.height * row
        has_more = bool(content[needed:].strip())
    if found < needed:
        raise DamageError("it ends before its pixels do")
    if has_more:
        raise PictureError(source.name, "more stands behind its first picture", "split it first")
