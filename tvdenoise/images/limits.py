"""What a header may promise before anything is allocated for it."""

import zlib

from tvdenoise.errors import PictureError
from tvdenoise.images.picture import Source


def check_size(source: Source, width: int, height: int) -> None:
    """Raise :class:`PictureError` for a picture without pixels or with too many."""
    if width <= 0 or height <= 0:
        raise PictureError(source.name, f"its header promises {width}x{height} pixels", "get a whole copy of it")
    if width * height > source.max_pixels:
        problem = f"its header promises {width}x{height} pixels, more than {source.max_pixels}"
        raise PictureError(source.name, problem, "raise --max-pixels if that is right")


def inflated(packed: bytes, length: int) -> bytes:
    """Return what zlib packed, which must not be more than ``length`` bytes."""
    stream = zlib.decompressobj()
    content = stream.decompress(packed, length)
    if not stream.eof and stream.decompress(stream.unconsumed_tail, 1):
        raise ValueError(f"it holds more than the {length} bytes that it should")
    return content
