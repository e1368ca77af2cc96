"""The frames of an animated PNG.

Source: W3C, "Portable Network Graphics (PNG) Specification", third edition (2025), of acTL, fcTL and fdAT.
"""

import itertools
import struct
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from tvdenoise.errors import DamageError
from tvdenoise.images import limits
from tvdenoise.images.formats import chunks as png
from tvdenoise.images.formats.animation import Patch, changes, check_place, compose, timing_of
from tvdenoise.images.formats.chunks import Chunk
from tvdenoise.images.picture import Picture, PictureFile, Source, Timing, from_samples, squeeze

_CONTROL = struct.Struct(">5I2H2B")
_LIMIT = 65535  # of the numerator and the denominator of a delay


class _Frame(NamedTuple):
    """A frame as it is stored: what its fcTL says of it, and its compressed pixels in pieces."""

    control: bytes
    data: list[bytes]

    @property
    def duration(self) -> float:
        """In milliseconds."""
        *_, delay, unit, _, _ = _CONTROL.unpack(self.control)
        return float(1000 * delay / (unit or 100))  # 0 stands for hundredths of a second


def control(chunks: Iterable[Chunk]) -> tuple[int, int]:
    """Return how many frames there are and how often all of them are shown; 0 for ever."""
    for kind, data in chunks:
        if kind == b"acTL":
            count, loop = struct.unpack(">II", data)
            return count, loop
    return 1, 1


def read(source: Source, chunks: Sequence[Chunk]) -> tuple[Picture, Timing]:
    """Return all frames, TYXS, with transparency if there is any, and their timing."""
    header, *_ = chunks
    width, height, depth, colour_type = struct.unpack(">IIBB3x", header.data)
    count, loop = control(chunks)
    has_colours = colour_type in (2, 3, 6)
    samples = 4 if has_colours else 2
    dtype = np.uint16 if depth == 16 else np.uint8
    pixel_bytes = samples * np.dtype(dtype).itemsize
    limits.check_frames(source, count, width, height, pixel_bytes)
    frames = _frames(chunks)
    if not 0 < count == len(frames):
        raise DamageError(f"it promises {count} frames and has {len(frames)}")
    pixels = np.empty((count, height, width, samples), dtype)
    colouring = [chunk for chunk in chunks if chunk.type in (b"PLTE", b"tRNS")]
    patches = (_patch(frame, header, colouring) for frame in frames)
    picture = compose(patches, pixels)
    durations = tuple(frame.duration for frame in frames)
    return picture, Timing(durations, loop)


def _frames(chunks: Sequence[Chunk]) -> list[_Frame]:
    """Return the frames as they are stored; pixels before the first of them belong to none."""
    frames: list[_Frame] = []
    numbers = itertools.count()
    for kind, data in chunks:
        is_numbered = kind in (b"fcTL", b"fdAT")
        if is_numbered and int.from_bytes(data[:4]) != next(numbers):
            raise DamageError("its frames are out of order")
        if kind == b"fcTL":
            frames.append(_Frame(data, []))
        elif kind == b"fdAT":
            frames[-1].data.append(data[4:])
        elif kind == b"IDAT" and frames:
            frames[-1].data.append(data)
    return frames


def _patch(frame: _Frame, header: Chunk, colouring: Sequence[Chunk]) -> Patch:
    _, width, height, x, y, _, _, disposal, blending = _CONTROL.unpack(frame.control)
    canvas = struct.unpack(">II", header.data[:8])
    check_place(x, y, width, height, canvas)
    size = struct.pack(">II", width, height)
    own_header = Chunk(b"IHDR", size + header.data[8:])
    data = Chunk(b"IDAT", b"".join(frame.data))
    end = Chunk(b"IEND", b"")
    picture = from_samples(png.decode([own_header, *colouring, data, end]))
    _, white = picture.type_range
    shape = (height, width, picture.colours + 1)
    pixels = np.full(shape, white, picture.pixels.dtype)
    pixels[..., : picture.samples] = picture.by_page
    return Patch(pixels, x, y, disposal, is_over=blending == 1)


def write(file: PictureFile) -> Iterator[Chunk]:
    """Iterate over the chunks of a file of these frames; of each it holds the rectangle that changes."""
    (picture,) = file.parts
    header, *_ = png.encode(squeeze(picture.frames[0]))
    yield header
    loop = timing_of(file).loop
    yield Chunk(b"acTL", struct.pack(">II", file.page_count, loop))
    numbers = itertools.count()
    for pixels, x, y, duration in changes(file):
        height, width = pixels.shape[:2]
        number = next(numbers)
        delay = _fraction(duration / 1000).as_integer_ratio()
        control_data = _CONTROL.pack(number, width, height, x, y, *delay, 0, 0)
        yield Chunk(b"fcTL", control_data)
        pieces = [chunk.data for chunk in png.encode(pixels) if chunk.type == b"IDAT"]
        data = b"".join(pieces)
        if number:
            data_number = struct.pack(">I", next(numbers))
            yield Chunk(b"fdAT", data_number + data)
        else:  # the first frame is what viewers show that know no animations
            yield Chunk(b"IDAT", data)
    yield Chunk(b"IEND", b"")


def _fraction(seconds: float) -> Fraction:
    """Return the closest fraction whose numerator and denominator fit into 16 bits."""
    largest = int(_LIMIT / max(1, seconds))
    return Fraction(seconds).limit_denominator(largest)
