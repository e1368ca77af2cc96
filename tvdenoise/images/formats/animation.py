"""Animations: frames composed of what is drawn on one another, and what changes from one frame to the next."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ImageSequence

from tvdenoise.errors import DamageError
from tvdenoise.images import limits
from tvdenoise.images.picture import Picture, PictureFile, Pixels, Source, Timing, squeeze

STAYS, CLEARED, RESTORED = range(3)
"""What becomes of the place of a patch when its time is over: nothing, all transparent, as it was before."""


class Patch(NamedTuple):
    """What makes a frame of the one before: pixels (H, W, samples), the last sample transparency, and their place."""

    pixels: NDArray[Any]
    x: int
    y: int
    disposal: int  # one of those above
    is_over: bool  # whether it is laid over what is there; if not, it replaces that


def check_place(x: int, y: int, width: int, height: int, canvas: tuple[int, int]) -> None:
    """Raise ValueError for a patch that reaches beyond the width and the height of the canvas."""
    canvas_width, canvas_height = canvas
    if x + width > canvas_width or y + height > canvas_height:
        raise DamageError("a frame reaches beyond the picture")


def compose(patches: Iterable[Patch], frames: NDArray[Any]) -> Picture:
    """Fill frames (N, H, W, samples) with what is seen when patches are drawn; return them as a picture, TYXS."""
    canvas = np.zeros_like(frames[0])
    for patch, frame in zip(patches, frames, strict=True):
        height, width = patch.pixels.shape[:2]
        bottom = patch.y + height
        right = patch.x + width
        place = canvas[patch.y : bottom, patch.x : right]
        before = place.copy()
        place[...] = patch.pixels
        if patch.is_over:
            place[...] = _lay_over(before, patch.pixels)
        frame[...] = canvas
        if patch.disposal == CLEARED:
            place[...] = 0
        elif patch.disposal == RESTORED:
            place[...] = before
    return _without_needless_alpha(Picture(frames, "TYXS", alpha=1))


def _without_needless_alpha(picture: Picture) -> Picture:
    return picture.opaque if picture.is_opaque else picture


def _lay_over(below: NDArray[Any], above: NDArray[Any]) -> NDArray[Any]:
    white = np.iinfo(above.dtype).max
    opacity = above[..., -1]
    is_opaque = above[..., -1:] == white
    result = np.where(is_opaque, above, below)
    is_mixed = (opacity > 0) & (opacity < white)
    mixed = _mix(below[is_mixed] / white, above[is_mixed] / white)
    result[is_mixed] = np.rint(white * mixed)
    return result


def _mix(below: NDArray[Any], above: NDArray[Any]) -> NDArray[Any]:
    """Return pixels laid over others, neither multiplied by their transparency: Porter and Duff's "over"."""
    share_above = above[..., -1:]
    rest = 1 - share_above
    share_below = rest * below[..., -1:]
    alpha = share_above + share_below
    weighted_above = share_above * above[..., :-1]
    weighted_below = share_below * below[..., :-1]
    colours = (weighted_above + weighted_below) / alpha
    return np.concatenate([colours, alpha], axis=-1)


class Change(NamedTuple):
    """What of a frame differs from the one before: a rectangle of pixels, as libraries take them, and its place."""

    pixels: Pixels
    x: int
    y: int
    duration: float  # of the frame, in milliseconds


def changes(file: PictureFile, single: Timing | None = None) -> Iterator[Change]:
    """Iterate over the changes from frame to frame; where nothing differs, some pixel stands for the frame.

    They begin at even numbers, as WebP has it. ``single`` is the timing of an only frame.
    """
    (picture,) = file.parts
    frames = picture.frames
    before = ~frames[0]  # from which all of the first frame differs
    durations = timing_of(file, single).durations
    for frame, duration in zip(frames, durations, strict=True):
        is_changed = (before != frame).any(axis=-1)
        rows = _extent(is_changed.any(axis=1))
        columns = _extent(is_changed.any(axis=0))
        changed = squeeze(frame[rows, columns])
        yield Change(changed, columns.start, rows.start, duration)
        before = frame


def _extent(is_changed: NDArray[np.bool_]) -> slice:
    if not is_changed.any():
        return slice(0, 1)
    numbers = np.flatnonzero(is_changed)
    first = int(numbers[0])
    last = int(numbers[-1])
    return slice(first - first % 2, last + 1)


def timing_of(file: PictureFile, single: Timing | None = None) -> Timing:
    """Return the timing of the frames of a file; ``single`` is that of an only one."""
    timing = file.metadata.timing or single
    if timing is not None and len(timing.durations) == file.page_count:
        return timing
    return Timing((0,) * file.page_count, 1)


def read(source: Source) -> tuple[Picture, Timing | None]:
    """Return all frames of a WebP or AVIF file, TYXS, which Pillow composes as their libraries do."""
    with limits.open_image(source) as image:
        width, height = image.size
        count = getattr(image, "n_frames", 1)
        limits.check_frames(source, count, width, height)
        samples = len(image.getbands())
        pixels = np.empty((count, height, width, samples), np.uint8)
        durations = []
        for target, frame in zip(pixels, ImageSequence.Iterator(image), strict=True):
            target[...] = np.asarray(frame).reshape(target.shape)
            duration = frame.info.get("duration", 0)
            durations.append(float(duration))
        timing = Timing(tuple(durations), image.info.get("loop", 0))
    picture = Picture(pixels, "TYXS", alpha=int(samples == 4))
    own_timing = timing if timing.is_given else None
    return _without_needless_alpha(picture), own_timing
