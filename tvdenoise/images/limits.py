"""What a header may promise before anything is allocated for it."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

from tvdenoise.errors import DamageError, PictureError
from tvdenoise.images.picture import Source
from tvdenoise.machine.resources import available

MAX_PIXELS = 2**29  # of a page: the largest cameras make 400 megapixels, an A3 page at 1200 dpi has 280
_ANY_SIZE = 2**29  # bytes of pixels that a file of any size may promise
_EXPANSION = 2000  # bytes of pixels that it may promise for each byte of its own; Deflate packs at most 1032 into one
_ANY_PAGES = 5000  # pages that a file of any size may have
_PAGE_SIZE = 1000  # bytes of the file for each further page
_PILLOW_BYTES = 10  # bytes of memory a pixel: four in Pillow, three in an array, three on the way between them


def check_size(source: Source, width: int, height: int, pixel_bytes: int = 1) -> None:
    """Raise :class:`PictureError` for a picture without pixels or with too many, of so many bytes each."""
    problem = f"its header promises {width}x{height} pixels"
    if width <= 0 or height <= 0:
        raise PictureError(source.name, problem, "get a whole copy of it")
    pixels = width * height
    most = source.max_pixels or MAX_PIXELS
    if pixels > most:
        raise PictureError(source.name, f"{problem}, more than {most}", _raise_to(pixels))
    check_bytes(source, problem, pixels, pixel_bytes)


def check_frames(source: Source, count: int, width: int, height: int, pixel_bytes: int = 4) -> None:
    """Raise :class:`PictureError` for too many frames, or frames that have too many pixels together."""
    check_pages(source, count)
    problem = f"its header promises {count} frames of {width}x{height} pixels"
    check_bytes(source, problem, count * width * height, pixel_bytes)


def check_pages(source: Source, count: int) -> None:
    """Raise :class:`PictureError` for more pages than a file of its size has."""
    most = _ANY_PAGES + source.length // _PAGE_SIZE
    if count > most:
        problem = f"it has more pages ({count} or more) than a file of {source.length} bytes should"
        raise PictureError(source.name, problem, "get a whole copy of it, or split it")


def check_bytes(source: Source, problem: str, pixels: int, pixel_bytes: int, *, in_memory: bool = True) -> None:
    """Raise :class:`PictureError` for what no file of its size holds, unless ``--max-pixels`` allows as many pixels.

    Raise it too for what memory has no room for, if that is where pixels go: those of a TIFF may go to the disk.
    """
    needed = pixels * pixel_bytes
    if needed <= _ANY_SIZE:
        return
    problem += f", {needed / 2**20:.0f} MiB"
    plausible = _ANY_SIZE + _EXPANSION * source.length
    if needed > plausible and pixels > (source.max_pixels or 0):
        raise PictureError(source.name, f"{problem} from a file of {source.length} bytes", _raise_to(pixels))
    free = available()
    if in_memory and needed > free:
        problem += f", and {free / 2**20:.0f} MiB of memory are free"
        raise PictureError(source.name, problem, "free some")


def _raise_to(pixels: int) -> str:
    return f"raise --max-pixels to {pixels} if that is right"


@contextmanager
def open_image(source: Source, formats: tuple[str, ...] | None = None) -> Iterator[Image.Image]:
    """Open a picture with Pillow, whose own limit makes way for this one."""
    before = Image.MAX_IMAGE_PIXELS
    most = source.max_pixels or MAX_PIXELS
    Image.MAX_IMAGE_PIXELS = (most + 1) // 2  # above it Pillow warns; it refuses above twice as many
    try:
        with source.open() as stream, Image.open(stream, formats=formats) as image:
            check_size(source, image.width, image.height, _PILLOW_BYTES)
            yield image
    except Image.DecompressionBombError as error:
        problem = f"it promises a picture or a frame of more than {most} pixels"
        raise PictureError(source.name, problem, "raise --max-pixels if that is right") from error
    except UnidentifiedImageError as error:  # which names an object in memory
        raise DamageError("its header makes no sense") from error
    finally:
        Image.MAX_IMAGE_PIXELS = before


def inflate(packed: bytes, length: int) -> bytes:
    """Return what zlib packed, which must not be more than ``length`` bytes."""
    stream = zlib.decompressobj()
    content = stream.decompress(packed, length)
    if not stream.eof and stream.decompress(stream.unconsumed_tail, 1):
        raise DamageError(f"it holds more than the {length} bytes that it should")
    return content
