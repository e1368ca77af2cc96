"""Animations (GIF, WebP, AVIF, animated PNG) through Pillow: whole frames as a viewer shows them, with their timing."""

import io
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from tvdenoise.images import limits
from tvdenoise.images.picture import Picture, Source, Timing, squeezed

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "GIF": {"disposal": 2, "optimize": False},
    "PNG": {"disposal": 0, "blend": 0},
    "WEBP": {"lossless": True, "exact": True},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
}
"""What makes Pillow keep every frame as it is, as far as the format can."""

MAX_COLOURS = 256
"""Of a GIF frame, transparency among them."""

_HALF_OPAQUE = 128


@dataclass(frozen=True)
class Animation:
    """Frames with axes TYXS, and their timing."""

    picture: Picture
    timing: Timing | None

    @classmethod
    def read(cls, source: Source) -> "Animation":
        """Read all frames as RGB, or RGBA where any of them is transparent somewhere; a hidden still is no frame."""
        with limits.opened(source) as image:
            hidden = int(getattr(image, "default_image", False))
            count = getattr(image, "n_frames", 1) - hidden
            limits.check_frames(source, count, image.width, image.height)
            frames, durations = np.empty((count, image.height, image.width, 4), np.uint8), []
            for target, frame in zip(
                frames, itertools.islice(ImageSequence.Iterator(image), hidden, None), strict=True
            ):
                if frame.size != target.shape[1::-1]:
                    raise ValueError("a frame reaches beyond the picture")
                target[...] = frame.convert("RGBA")
                durations.append(float(frame.info.get("duration", 0)))
            loop = image.info.get("loop")
        is_opaque = bool((frames[..., 3] == 255).all())
        picture = Picture(frames[..., :3] if is_opaque else frames, "TYXS", alpha=0 if is_opaque else 1)
        return cls(picture, Timing(tuple(durations), loop) if any(durations) or loop is not None else None)

    def encoded(self, format_: str, **options: Any) -> bytes:  # noqa: ANN401 (Pillow's)
        """Return the frames as a file."""
        frames = self.picture.frames
        first, *others = _for_gif(frames) if format_ == "GIF" else map(_as_image, frames)
        options = {**OPTIONS[format_], **_timing_options(self.timing, format_), **options}
        stream = io.BytesIO()
        first.save(stream, format_, save_all=True, append_images=others, **options)
        return stream.getvalue()


def _timing_options(timing: Timing | None, format_: str) -> dict[str, Any]:
    """Return the arguments of Pillow's writers; only a GIF is shown once where nothing is said."""
    if timing is None:
        return {}
    durations = [round(duration) for duration in timing.durations] if format_ == "AVIF" else list(timing.durations)
    loop = 1 if timing.loop is None and format_ != "GIF" else timing.loop
    return {"duration": durations} | ({} if loop is None else {"loop": loop})


def _as_image(frame: NDArray[np.generic]) -> Image.Image:
    return Image.fromarray(squeezed(frame))


def _for_gif(frames: NDArray[Any]) -> list[Image.Image]:
    """Return frames with a palette each; what is less than half opaque is the index 0 of all of them.

    Its colour is shown by no frame, for Pillow takes that to be what it cleared and leaves it out.
    """
    samples = frames.shape[-1]
    if samples in (1, 3):
        return [_as_image(frame) if samples == 1 else _with_own_palette(frame, MAX_COLOURS) for frame in frames]
    holes = frames[..., -1] < _HALF_OPAQUE
    images = [_with_own_palette(_seen(*pair), MAX_COLOURS - 1) for pair in zip(frames, holes, strict=True)]
    palettes = [image.getpalette() or [] for image in images]
    used = {colour for palette in palettes for colour in zip(*(palette[i::3] for i in range(3)), strict=True)}
    unused = next(colour for colour in itertools.product(range(256), repeat=3) if colour not in used)
    prepared = []
    for image, hole, palette in zip(images, holes, palettes, strict=True):
        holed = Image.fromarray(np.where(hole, 0, np.asarray(image) + np.uint8(1)))
        holed.putpalette([*unused, *palette[: 3 * (MAX_COLOURS - 1)]])
        holed.info["transparency"] = 0
        prepared.append(holed)
    return prepared


def _seen(frame: NDArray[np.generic], hole: NDArray[np.bool_]) -> NDArray[np.generic]:
    """Return the colours of a frame; in its holes one that is there anyhow."""
    colours = np.repeat(frame[..., :1], 3, 2) if frame.shape[2] == 2 else frame[..., :3].copy()
    if not hole.all():
        colours[hole] = colours[~hole][0]
    return colours


def _with_own_palette(frame: NDArray[np.generic], count: int) -> Image.Image:
    """Return an RGB frame with the palette of its very colours; of more than ``count`` the closest are merged."""
    image = _as_image(frame)
    packed, index = np.unique(np.asarray(image.convert("RGBA")).view(np.uint32), return_inverse=True)
    if len(packed) > count:
        return image.quantize(count, dither=Image.Dither.NONE)
    exact = Image.fromarray(index.reshape(frame.shape[:2]).astype(np.uint8), "P")
    exact.putpalette(packed.view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
    return exact
