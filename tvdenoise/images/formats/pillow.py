"""The 8-bit formats, through Pillow: JPEG, WebP, BMP and AVIF. What it would reduce is refused."""

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image, JpegImagePlugin

from tvdenoise.images import limits
from tvdenoise.images.formats import animation, avif, bmp, jpeg, webp
from tvdenoise.images.formats.table import FORMATS
from tvdenoise.images.picture import (
    EXIF_MARK,
    Metadata,
    Names,
    Picture,
    PictureFile,
    Source,
    Timing,
    from_samples,
    squeeze,
)

_NAMES = tuple(name for name, row in FORMATS.items() if row.module == "pillow")
# How a picture that was of another format is encoded
_ENCODINGS: Mapping[str, Any] = {
    "JPEG": jpeg.DEFAULT,
    "WEBP": webp.LOSSLESS,
    "AVIF": avif.BEST,
}
_NOTES = {"P": ("palette resolved",), "1": ("1-bit became 8-bit",)}


class _Native(NamedTuple):
    """What restores a file: the arguments of Pillow's writer, a JPEG's segments and what stands behind its end."""

    encoding: Mapping[str, Any]
    segments: tuple[bytes, ...] = ()
    trailer: bytes = b""
    colour_space: bytes | None = None  # of an AVIF, even one like sRGB


def read(source: Source) -> PictureFile:
    """Read a picture or an animation."""
    with source.open() as stream:
        content = stream.read()
    _check_kind(source, content)
    with limits.open_image(source, _NAMES) as image:
        is_mpo = image.format == "MPO"
        name = "JPEG" if is_mpo else str(image.format)
        notes = _NOTES.get(image.mode, ())
        timing = None
        if getattr(image, "is_animated", False) and not is_mpo:
            picture, timing = animation.read(source)
        else:
            picture = _picture(image)
        metadata = _shared_metadata(image)
        if name == "AVIF" and avif.is_gray(content) and picture.samples > 2:  # the same sample three times
            picture = replace(picture, pixels=picture.pixels[..., ::3])
        losses: Names = ()
        if name == "BMP":
            metadata["icc_profile"], losses = bmp.read_colours(content)
        if name == "WEBP" and webp.is_lossy(content):
            notes = ("lossy compression, which becomes lossless",)
        native = _native(content, image)
        if native.colour_space not in avif.LIKE_SRGB:
            metadata["colour_space"] = native.colour_space
        if native.trailer and (is_mpo or "mp" in image.info):
            notes = (*notes, "further pictures behind it, such as a gain map, stay as they are")
        return PictureFile(
            name,
            (picture,),
            Metadata(timing=timing, **metadata),
            native,
            bare_native=_Native(native.encoding, colour_space=native.colour_space),
            own_metadata=jpeg.metadata_names(native.segments, native.trailer),
            notes=notes,
            flaws=jpeg.find_flaws(content) if name == "JPEG" else (),
            losses=losses,
        )


def _check_kind(source: Source, content: bytes) -> None:
    """Raise :class:`PictureError` for a picture that Pillow would reduce, or not read."""
    if content.startswith(jpeg.START):
        jpeg.check_kind(source, content)
    elif content.startswith(b"BM"):
        bmp.check_kind(source, content)
    elif content[4:8] == b"ftyp":
        avif.check_depth(source, content)


def write(stream: BinaryIO, file: PictureFile) -> None:
    """Write like the source, if that had the same format; else with as little loss as the format allows."""
    native: _Native = file.native or _Native(_ENCODINGS.get(file.format, {}))
    (picture,) = file.parts
    options = {name: block for name, block in vars(file.metadata).items() if block and name != "timing"}
    options |= native.encoding
    if file.format == "WEBP" and (file.page_count > 1 or "timing" in options):
        stream.write(webp.encode(file, **native.encoding))
        return
    if file.format == "BMP":
        pixels = squeeze(picture.frames[0])
        stream.write(bmp.encode(pixels, file.metadata.dpi, file.metadata.icc_profile))
        return
    mode = "CMYK" if picture.is_cmyk else None
    image, *others = [Image.fromarray(squeeze(frame), mode) for frame in picture.frames]
    if file.format == "AVIF" and picture.colours == 1:
        options["subsampling"] = "4:0:0"
    if others:
        durations = map(round, animation.timing_of(file).durations)
        options |= {"save_all": True, "append_images": others, "duration": list(durations)}
    if native.segments:  # which hold all other metadata too
        for name in ("icc_profile", "exif", "xmp"):
            options.pop(name, None)
    if file.format == "JPEG" and file.quality is not None:
        options["quality"] = file.quality
        options.pop("qtables", None)  # which would go before it
    if file.format == "JPEG" and file.subsampling is not None:
        options["subsampling"] = file.subsampling
        options["keep_rgb"] = False  # as red, green and blue it is always 4:4:4
    content = io.BytesIO()
    image.save(content, file.format, **options)
    encoded = content.getvalue()
    if file.format == "JPEG":
        encoded = jpeg.insert_segments(encoded, native.segments) + native.trailer
    numbers = native.colour_space or file.metadata.colour_space
    if file.format == "AVIF" and numbers:
        encoded = avif.with_colour_space(encoded, numbers)
    stream.write(encoded)


def _picture(image: Image.Image) -> Picture:
    if image.mode == "P":
        image = image.convert("RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode == "CMYK":
        return Picture(np.array(image), "YXS", is_cmyk=True)
    return from_samples(np.array(image))


def _shared_metadata(image: Image.Image) -> dict[str, Any]:
    metadata = {name: image.info.get(name) or None for name in ("icc_profile", "exif", "xmp")}
    exif = metadata["exif"]
    if exif and not exif.startswith(EXIF_MARK):
        metadata["exif"] = EXIF_MARK + exif
    x, y = image.info.get("dpi", (0, 0))
    if x and y:
        metadata["dpi"] = (float(x), float(y))
    return metadata


def _native(content: bytes, image: Image.Image) -> _Native:
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        jpeg.check_whole(content)
        return _Native(jpeg.encoding(image), jpeg.segments(content), jpeg.trailer(content))
    name = str(image.format)
    encoding = dict(_ENCODINGS.get(name, {}))
    if name == "WEBP" and webp.is_animation(content):
        encoding["background"] = image.info["background"]
        duration = float(image.info.get("duration", 0))
        encoding["timing"] = Timing((duration,), image.info["loop"])  # of a single frame
    colour_space = avif.colour_space(content) if name == "AVIF" else None
    return _Native(encoding, colour_space=colour_space)
