"""Animations (GIF, WebP, AVIF, animated PNG) through Pillow: whole frames as a viewer shows them, with their timing."""

import io
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from tvdenoise.images import limits
from tvdenoise.images.picture import Picture, Pixels, Source, Timing, squeeze

# What makes Pillow keep every frame as it is, as far as the format can
OPTIONS: Mapping[str, Any] = {
    "GIF": {"disposal": 2, "optimize": False},
    "PNG": {"disposal": 0, "blend": 0},
    "WEBP": {"lossless": True, "exact": True},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
}
MAX_COLOURS = 256  # of a GIF frame, transparency among them
_HALF_OPAQUE = 128  # the least transparency value that counts as opaque where a format knows only holes


def read(source: Source) -> tuple[Picture, Timing | None]:
    """Return all frames, TYXS, as RGB, or RGBA if any of them is transparent somewhere; a hidden still is no frame."""
    with limits.open_image(source) as image:
        size = image.size  # which a damaged frame may change
        width, height = size
        hidden = int(getattr(image, "default_image", False))
        count = getattr(image, "n_frames", 1) - hidden
        limits.check_frames(source, count, width, height)
        pixels = np.empty((count, height, width, 4), np.uint8)
        durations = []
        frames = itertools.islice(ImageSequence.Iterator(image), hidden, None)
        for target, frame in zip(pixels, frames, strict=True):
            if frame.size != size:
                raise ValueError("a frame reaches beyond the picture")
            target[...] = frame.convert("RGBA")
            durations.append(float(frame.info.get("duration", 0)))
        loop = image.info.get("loop")
    picture = Picture(pixels, "TYXS", alpha=1)
    if picture.is_opaque:
        picture = picture.opaque
    if loop is None and not any(durations):
        return picture, None
    return picture, Timing(tuple(durations), loop)


def encode(picture: Picture, timing: Timing | None, format_: str, **options: Any) -> bytes:  # noqa: ANN401 (Pillow's)
    """Return the frames as a file."""
    images = _gif_images(picture.frames) if format_ == "GIF" else list(map(_as_image, picture.frames))
    stream = io.BytesIO()
    options = {**OPTIONS[format_], **_timing_options(timing, format_), **options}
    images[0].save(stream, format_, save_all=True, append_images=images[1:], **options)
    return stream.getvalue()


def _timing_options(timing: Timing | None, format_: str) -> dict[str, Any]:
    if timing is None:
        return {}
    durations = list(timing.durations)
    if format_ == "AVIF":
        durations = [round(duration) for duration in durations]
    options: dict[str, Any] = {"duration": durations}
    if timing.loop is not None:
        options["loop"] = timing.loop
    elif format_ != "GIF":  # which is shown once where nothing is said
        options["loop"] = 1
    return options


def _as_image(frame: Pixels) -> Image.Image:
    return Image.fromarray(squeeze(frame))


def _gif_images(frames: NDArray[Any]) -> list[Image.Image]:
    """Return frames with a palette each; what is less than half opaque is the index 0 of all of them."""
    samples = frames.shape[-1]
    if samples == 1:
        return list(map(_as_image, frames))
    if samples == 3:
        return [_with_own_palette(frame, MAX_COLOURS) for frame in frames]
    holes = frames[..., -1] < _HALF_OPAQUE
    images = []
    for frame, hole in zip(frames, holes, strict=True):
        images.append(_with_own_palette(_fill_hole(frame, hole), MAX_COLOURS - 1))
    # Pillow takes the colour of a hole for what it cleared and leaves it out, so no frame may show it.
    unused = _unused_colour(images)
    return [_with_hole(image, hole, unused) for image, hole in zip(images, holes, strict=True)]


def _fill_hole(frame: Pixels, hole: NDArray[np.bool_]) -> Pixels:
    """Return the colours of a frame; in its holes one that is there anyhow."""
    count = min(3, frame.shape[-1] - 1)
    colours = np.broadcast_to(frame[..., :count], (*hole.shape, 3)).copy()  # gray stands for all three
    if not hole.all():
        colours[hole] = colours[~hole][0]
    return colours


def _unused_colour(images: list[Image.Image]) -> tuple[int, ...]:
    used: set[tuple[int, ...]] = set()
    for image in images:
        palette = image.getpalette() or []
        used.update(zip(palette[::3], palette[1::3], palette[2::3], strict=True))
    colours = itertools.product(range(256), repeat=3)
    return next(colour for colour in colours if colour not in used)


def _with_hole(image: Image.Image, hole: NDArray[np.bool_], colour: tuple[int, ...]) -> Image.Image:
    """Return an image whose palette begins with the colour of its hole."""
    palette = image.getpalette() or []
    index = np.asarray(image) + np.uint8(1)
    result = Image.fromarray(np.where(hole, 0, index))
    result.putpalette([*colour, *palette[: 3 * (MAX_COLOURS - 1)]])
    result.info["transparency"] = 0
    return result


def _with_own_palette(frame: Pixels, count: int) -> Image.Image:
    """Return an RGB frame with the palette of its very colours; of more than ``count`` the closest are merged."""
    image = _as_image(frame)
    if image.getcolors(count) is None:
        return image.quantize(count, dither=Image.Dither.NONE)
    colours, index = np.unique(frame.reshape(-1, 3), axis=0, return_inverse=True)
    index = index.astype(np.uint8)
    exact = Image.fromarray(index.reshape(frame.shape[:2]), "P")
    exact.putpalette(colours.tobytes())
    return exact
