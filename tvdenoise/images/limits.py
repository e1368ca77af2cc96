"""What a header may promise before anything is allocated for it."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

from tvdenoise.errors import PictureError
from tvdenoise.images.picture import Source

_RAISE = "raise --max-pixels if that is right"


def check_size(source: Source, width: int, height: int) -> None:
    """Raise :class:`PictureError` for a picture without pixels or with too many."""
    problem = f"its header promises {width}x{height} pixels"
    if width <= 0 or height <= 0:
        raise PictureError(source.name, problem, "get a whole copy of it")
    if width * height > source.max_pixels:
        raise PictureError(source.name, f"{problem}, more than {source.max_pixels}", _RAISE)


def check_frames(source: Source, count: int, width: int, height: int) -> None:
    """Raise :class:`PictureError` for frames that have too many pixels together."""
    most = max(source.max_pixels, source.max_in_frames)
    if count * width * height > most:
        problem = f"its {count} frames of {width}x{height} pixels are more than {most} together"
        raise PictureError(source.name, problem, _RAISE)


@contextmanager
def open_image(source: Source, formats: tuple[str, ...] | None = None) -> Iterator[Image.Image]:
    """Open a picture with Pillow, under Pillow's own limit too: it alone sees the frames that enlarge a GIF."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = (source.max_pixels + 1) // 2  # above it Pillow warns; it refuses above twice as many
    try:
        with source.open() as stream, Image.open(stream, formats=formats) as image:
            check_size(source, image.width, image.height)
            yield image
    except Image.DecompressionBombError as error:
        problem = f"it promises a picture or a frame of more than {source.max_pixels} pixels"
        raise PictureError(source.name, problem, _RAISE) from error
    except UnidentifiedImageError as error:  # which names an object in memory
        raise ValueError("its header makes no sense") from error
    finally:
        Image.MAX_IMAGE_PIXELS = before


def inflate(packed: bytes, length: int) -> bytes:
    """Return what zlib packed, which must not be more than ``length`` bytes."""
    stream = zlib.decompressobj()
    content = stream.decompress(packed, length)
    if not stream.eof and stream.decompress(stream.unconsumed_tail, 1):
        raise ValueError(f"it holds more than the {length} bytes that it should")
    return content
