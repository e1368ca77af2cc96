"""The 8-bit formats, through Pillow: gray and RGB in PNG, JPEG, BMP and WebP. What it would reduce is refused."""

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin, UnidentifiedImageError

from tvdenoise import intensity
from tvdenoise.errors import PictureError
from tvdenoise.images.picture import Picture

FORMATS = ("PNG", "JPEG", "BMP", "WEBP")
MAX_PIXELS = 2**30
"""A header that promises more than this is refused before anything is allocated for it."""

_CONVERT = "convert it to 8-bit gray or RGB, or to an .npy array"
_MODES = {
    "1": "1-bit",
    "LA": "gray with alpha",
    "RGBA": "RGB with alpha",
    "P": "palette",
    "PA": "palette with alpha",
    "CMYK": "CMYK",
    "I;16": "16-bit gray",
}
_METADATA = ("icc_profile", "exif", "xmp", "dpi")
_PNG_DEPTH_AT = 24
"""Where the bit depth stands in a PNG file."""


def read_pillow(path: Path) -> Picture:
    """Read one 8-bit gray or RGB picture, or raise :class:`PictureError` where that would lose something."""
    try:
        Image.MAX_IMAGE_PIXELS = None  # MAX_PIXELS is checked instead: large pictures are an ordinary job
        with Image.open(path, formats=FORMATS) as image:
            _refuse_what_would_be_lost(path, image)
            image.load()
            metadata = {key: image.info[key] for key in _METADATA if image.info.get(key)}
            pixels = np.array(image)
            return Picture(pixels, intensity.type_range(pixels.dtype), str(image.format), metadata, _encoding(image))
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        remedy = f"give a {', '.join(FORMATS)} or .npy file"
        raise PictureError(path, "it is not a picture of a kind that can be read", remedy) from error
    except Exception as error:  # broken files make Pillow raise a dozen kinds of exceptions
        raise PictureError(path, f"the file is damaged ({error})", "get a whole copy of it") from error


def write_pillow(file: BinaryIO, pixels: NDArray[np.generic], source: Picture, target_format: str) -> None:
    """Encode 8-bit pixels with the source's metadata; JPEG from JPEG with its tables, WebP without loss."""
    options: dict[str, Any] = dict(source.metadata)
    if target_format == "JPEG":
        options |= source.encoding or {"quality": 95, "subsampling": "4:4:4"}
    elif target_format == "WEBP":
        options |= {"lossless": True}
    Image.fromarray(pixels.squeeze()).save(file, format=target_format, **options)


def _refuse_what_would_be_lost(path: Path, image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        problem = f"its header promises {width}x{height} pixels, more than {MAX_PIXELS}"
        raise PictureError(path, problem, "cut it into parts")
    kind = _kind_beyond_8_bit_gray_or_rgb(path, image)
    if kind is not None:
        raise PictureError(path, f"a {kind} {image.format} picture cannot be kept whole yet", _CONVERT)


def _kind_beyond_8_bit_gray_or_rgb(path: Path, image: Image.Image) -> str | None:
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        return f"{frames}-frame"
    if image.mode not in ("L", "RGB"):
        return _MODES.get(image.mode, image.mode)
    if "transparency" in image.info:
        return "transparent"
    if image.format == "PNG":  # Pillow opens 16-bit colour as 8-bit, and 2- and 4-bit gray too
        with path.open("rb") as file:
            depth = file.read(_PNG_DEPTH_AT + 1)[_PNG_DEPTH_AT]
        return None if depth == 8 else f"{depth}-bit"
    return None


def _encoding(image: Image.Image) -> dict[str, Any]:
    """Return what encodes a JPEG like its source: the quantisation tables and the chroma subsampling."""
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return {}
    sampling = JpegImagePlugin.get_sampling(image)
    return {"qtables": image.quantization} | ({"subsampling": sampling} if sampling >= 0 else {})
