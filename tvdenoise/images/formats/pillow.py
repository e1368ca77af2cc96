"""The 8-bit formats, through Pillow: JPEG, WebP, BMP, GIF and AVIF. What it would reduce is refused."""

import io
import re
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from tvdenoise.errors import PictureError
from tvdenoise.images import limits
from tvdenoise.images.formats import animation, jpeg
from tvdenoise.images.formats.animation import Animation
from tvdenoise.images.formats.table import FORMATS
from tvdenoise.images.picture import Metadata, Picture, PictureFile, Source, Timing, squeezed

_NAMES = tuple(name for name, row in FORMATS.items() if row.room == "pillow")
_ALPHA_MODES = ("LA", "RGBA")
_IN_SEGMENTS = ("exif", "icc_profile", "xmp")
_CONVERT = "convert it to PNG or TIFF first"


class _Native(NamedTuple):
    """What restores a file: the arguments of Pillow's writer, a JPEG's segments and what stands behind its end."""

    encoding: Mapping[str, Any]
    segments: tuple[bytes, ...] = ()
    behind: bytes = b""


def read(source: Source) -> PictureFile:
    """Read a picture or an animation."""
    with source.open() as stream:
        content = stream.read()
    if content.startswith(jpeg.START) and not jpeg.is_readable(content):
        problem = "its kind of JPEG (lossless, JPEG-LS, hierarchical or of more than 8 bits) is not supported"
        raise PictureError(source.name, problem, _CONVERT)
    with limits.opened(source, _NAMES) as image:
        name = "JPEG" if image.format == "MPO" else str(image.format)
        _refuse_what_would_be_reduced(source, name, image, content)
        frames = getattr(image, "n_frames", 1)
        losses = (f"{frames - 1} further pictures of an MPO file",) if image.format == "MPO" else ()
        notes = _notes(image)
        if frames > 1 and not losses:
            animated = Animation.read(source)
            picture, timing = animated.picture, animated.timing
        else:
            pixels, alpha = _pixels(image)
            picture = Picture(pixels, "YX" if pixels.ndim == 2 else "YXS", alpha, is_cmyk=image.mode == "CMYK")
            timing = None
        native = _native(content, image)
        kinds = ("comment",) if "comment" in native.encoding else jpeg.kinds(native.segments)
        if native.behind and "mp" in image.info:  # its list of pictures says where they are, and would be wrong
            losses = losses or ("what stands behind it, such as a gain map",)
            native = native._replace(behind=b"")
        elif native.behind:
            kinds += ("what stands behind it, such as a film",)
        return PictureFile(name, (picture,), _metadata(image, timing), native, kinds, notes, losses)


def write(stream: BinaryIO, file: PictureFile) -> None:
    """Write like the source, if that had the same format; else with as little loss as the format allows."""
    encoding, segments, behind = file.native or _Native(_default_encoding(file.format))
    (picture,) = file.parts
    options = _metadata_options(file) | dict(encoding)
    if file.page_count > 1:
        stream.write(Animation(picture, file.metadata.timing).encoded(file.format, **options))
        return
    if file.format == "GIF":
        stream.write(Animation(picture, None).encoded("GIF", **options))
        return
    if file.format == "BMP" and picture.alpha:
        stream.write(_bmp_with_alpha(picture.frames[0], file.metadata.dpi))
        return
    pixels = squeezed(picture.frames[0])
    image = Image.fromarray(pixels, mode="CMYK") if picture.is_cmyk else Image.fromarray(pixels)
    if not segments and not behind:
        image.save(stream, file.format, **options)
        return
    content = io.BytesIO()
    image.save(content, file.format, **{key: value for key, value in options.items() if key not in _IN_SEGMENTS})
    stream.write(jpeg.spliced(content.getvalue(), segments) + behind)


def _bmp_with_alpha(pixels: NDArray[np.generic], dpi: tuple[float, float] | None) -> bytes:
    """Return a BMP of RGBA pixels: 32 bits behind a header of version 4, which Pillow reads and does not write."""
    height, width, _ = pixels.shape
    data = np.ascontiguousarray(pixels[::-1, :, [2, 1, 0, 3]]).tobytes()
    start, x, y = 14 + 108, *(round(value / 0.0254) for value in dpi or (0, 0))
    header = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, 3, len(data), x, y, 0, 0)
    masks = struct.pack("<4I4s48x", 0xFF0000, 0xFF00, 0xFF, 0xFF000000, b"BGRs")
    return struct.pack("<2sIII", b"BM", start + len(data), 0, start) + header + masks + data


def without_metadata(native: _Native) -> _Native:
    """Return what a source is restored by, but for its comment, segments and what stands behind it."""
    return _Native({key: value for key, value in native.encoding.items() if key != "comment"})


def _refuse_what_would_be_reduced(source: Source, name: str, image: Image.Image, content: bytes) -> None:
    if name == "AVIF":
        depth = _avif_depth(content)
        if depth > 8:
            raise PictureError(source.name, f"a {depth}-bit {name} picture cannot be kept whole", _CONVERT)
    if image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK"):
        raise PictureError(source.name, f"a {name} picture of mode {image.mode} cannot be kept whole", _CONVERT)


def _avif_depth(content: bytes) -> int:
    """Return the most bits a channel that the boxes of an AVIF file tell which configure its decoder."""
    flags = re.findall(rb"\0\0..av1C\x81.(.)", content, re.DOTALL)
    return max((8 + 2 * (flag[0] >> 6 & 1) + 2 * (flag[0] >> 5 & 1) for flag in flags), default=8)


def _notes(image: Image.Image) -> tuple[str, ...]:
    if image.mode in ("P", "PA"):
        return ("palette resolved",)
    return ("1-bit became 8-bit",) if image.mode == "1" else ()


def _pixels(image: Image.Image) -> tuple[NDArray[np.generic], int]:
    """Return the pixels of the present frame and the number of samples that are transparency."""
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.mode in ("1", "RGBX"):
        image = image.convert({"1": "L", "RGBX": "RGB"}[image.mode])
    return np.array(image), int(image.mode in _ALPHA_MODES)


def _metadata(image: Image.Image, timing: Timing | None) -> Metadata:
    info = image.info
    exif = info.get("exif")
    if exif and not exif.startswith(b"Exif\0\0"):
        exif = b"Exif\0\0" + exif
    x, y = info.get("dpi", (0, 0))
    dpi = (float(x), float(y)) if x and y else None
    return Metadata(info.get("icc_profile") or None, exif or None, info.get("xmp") or None, dpi, timing)


def _metadata_options(file: PictureFile) -> dict[str, Any]:
    metadata = file.metadata
    options = {key: getattr(metadata, key) for key in ("icc_profile", "exif", "xmp", "dpi")}
    return {key: value for key, value in options.items() if value}


def _default_encoding(format_: str) -> Mapping[str, Any]:
    if format_ == "JPEG":
        return jpeg.DEFAULT
    return animation.OPTIONS[format_] if format_ in ("WEBP", "AVIF") else {}


def _native(content: bytes, image: Image.Image) -> _Native:
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        jpeg.check_whole(content)
        return _Native(jpeg.encoding(image), jpeg.segments(content), jpeg.behind(content))
    kept = {"WEBP": "background"}.get(str(image.format), "comment")
    own = {kept: image.info[kept]} if image.info.get(kept) else {}
    return _Native({**_default_encoding(str(image.format)), **own})
