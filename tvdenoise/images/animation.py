"""Animations (GIF, WebP, AVIF, animated PNG) through Pillow: whole frames as a viewer shows them, with their timing."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from tvdenoise.images import limits
from tvdenoise.images.picture import Picture, Source

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "GIF": {"disposal": 2, "optimize": False},
    "PNG": {"disposal": 0, "blend": 0},
    "WEBP": {"lossless": True, "exact": True},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
}
"""What makes Pillow keep every frame as it is, as far as the format can."""

MAX_COLOURS = 256
"""Of a GIF frame, transparency among them."""


@dataclass(frozen=True)
class Timing:
    """How long each frame lasts, in milliseconds, and how often all of them are shown; None for once."""

    durations: tuple[float, ...]
    loop: int | None

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of Pillow's writers."""
        return {"duration": list(self.durations)} | ({} if self.loop is None else {"loop": self.loop})


@dataclass(frozen=True)
class Animation:
    """Frames with axes TYXS, and their timing."""

    picture: Picture
    timing: Timing | None

    @classmethod
    def read(cls, source: Source) -> "Animation":
        """Read all frames as RGB, or RGBA where any of them is transparent somewhere."""
        with source.open() as stream, Image.open(stream) as image:
            count = getattr(image, "n_frames", 1)
            limits.check_size(source, image.width, image.height * count)
            frames, durations = np.empty((count, image.height, image.width, 4), np.uint8), []
            for target, frame in zip(frames, ImageSequence.Iterator(image), strict=True):
                target[...] = frame.convert("RGBA")
                durations.append(float(frame.info.get("duration", 0)))
            loop = image.info.get("loop")
        is_opaque = bool((frames[..., 3] == 255).all())
        picture = Picture(frames[..., :3] if is_opaque else frames, "TYXS", alpha=0 if is_opaque else 1)
        return cls(picture, Timing(tuple(durations), loop))

    def encoded(self, format_: str, **options: Any) -> bytes:  # noqa: ANN401 (Pillow's)
        """Return the frames as a file."""
        frames = self.picture.by_page.reshape(-1, *self.picture.size, self.picture.samples)
        prepare = _with_own_palette if format_ == "GIF" else _as_image
        first, *others = [prepare(frame) for frame in frames]
        timing = {} if self.timing is None else self.timing.options
        stream = io.BytesIO()
        first.save(stream, format_, save_all=True, append_images=others, **OPTIONS[format_], **timing, **options)
        return stream.getvalue()


def _as_image(frame: NDArray[np.generic]) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(frame.squeeze(2) if frame.shape[2] == 1 else frame))


def _with_own_palette(frame: NDArray[np.generic]) -> Image.Image:
    """Return a frame with the palette of its very colours; of more than 256 the closest are merged."""
    image = _as_image(frame)
    if frame.shape[2] == 1:
        return image
    if frame.shape[2] == 2:
        image = image.convert("RGBA")
    packed, index = np.unique(np.asarray(image.convert("RGBA")).view(np.uint32), return_inverse=True)
    if len(packed) > MAX_COLOURS:
        return image.quantize(MAX_COLOURS, dither=Image.Dither.NONE)
    exact = Image.fromarray(index.reshape(frame.shape[:2]).astype(np.uint8), "P")
    colours = packed.view(np.uint8).reshape(-1, 4)[:, : len(image.getbands())]
    exact.putpalette(colours.tobytes(), image.mode)
    return exact
