"""The intensity range: from an array's own numbers to the unit scale, on which lambda is meant, and back."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tvdenoise.errors import ArrayError
from tvdenoise.machine import scratch

Range = tuple[float, float]
"""The numbers that stand for black and white."""

CHUNK = 2**20
"""Values rounded at a time, so that what lies between costs no memory to speak of."""

UNIT: Range = (0.0, 1.0)
NOISY_UNIT: Range = (-1.0, 2.0)
"""Where floats lie that are on the unit scale, with room for the noise on it."""

MAX_UNIT = 1e9
"""Far beyond any picture on the unit scale, and safe from overflow when squared and summed."""


def check_type(subject: object, dtype: np.dtype[Any]) -> None:
    """Raise :class:`ArrayError` unless the type has an intensity range: floats, and integers of up to 32 bits."""
    if not ((dtype.kind == "f" and dtype.itemsize <= 8) or (dtype.kind in "iu" and dtype.itemsize <= 4)):
        remedy = "convert it to 8-, 16- or 32-bit integers or to floats"
        raise ArrayError(subject, f"values of type {dtype} have no intensity range", remedy)


_REPLACE = "replace them first: a single one spreads over the whole result"


def is_finite(pixels: NDArray[np.generic]) -> bool:
    """Return whether no value is infinite or NaN."""
    if pixels.dtype.kind in "iu":
        return True
    return all(bool(np.isfinite(pixels[rows]).all()) for rows in _chunks(pixels))


def check_finite(subject: object, pixels: NDArray[np.generic], remedy: str = _REPLACE) -> None:
    """Raise :class:`ArrayError` unless there are values and each is finite."""
    if pixels.size == 0:
        raise ArrayError(subject, f"it is empty, of shape {pixels.shape}", "give at least one pixel")
    if not is_finite(pixels):
        finite = np.isfinite(pixels)
        first = ", ".join(str(int(i)) for i in np.unravel_index(np.argmin(finite), finite.shape))
        count = finite.size - np.count_nonzero(finite)
        problem = f"{count} of its values are not finite (NaN or infinite), the first at ({first})"
        raise ArrayError(subject, problem, remedy)


def type_range(dtype: DTypeLike) -> Range:
    """Return the range of a type: 0 to the largest value of an integer type, 0 to 1 for floats."""
    dtype = np.dtype(dtype)
    return (0.0, float(np.iinfo(dtype).max)) if dtype.kind in "iu" else UNIT


def measured_range(pixels: NDArray[np.generic]) -> Range:
    """Return the range of a file's pixels: by type for integers, by their values for floats.

    Floats within :data:`NOISY_UNIT` are taken as they are. Others are scaled by their smallest and largest value.
    """
    if pixels.dtype.kind in "iu":
        return type_range(pixels.dtype)
    low, high = extremes(pixels)
    if low >= NOISY_UNIT[0] and high <= NOISY_UNIT[1]:
        return UNIT
    return (low, high) if high > low else (low, low + max(1.0, 1e-9 * abs(low)))


def check_range(subject: object, pixels: NDArray[np.generic], scale: Range) -> None:
    """Raise :class:`ArrayError` if a range is too wide or too narrow for the pixels to be scaled by it."""
    if pixels.dtype.kind in "iu" and scale == type_range(pixels.dtype):
        return
    (low, high), kind = scale, unit_type(pixels.dtype)
    limits, span = np.finfo(kind), abs(high - low)
    largest = max(abs(value - low) for value in extremes(pixels))
    if not (float(limits.tiny) <= span <= float(limits.max) and largest <= MAX_UNIT * span):
        problem = f"{low:g}..{high:g} is too wide or too narrow a range to scale its {pixels.dtype} values by"
        raise ArrayError(subject, problem, "give another --range")


def extremes(pixels: NDArray[np.generic]) -> Range:
    """Return the smallest and the largest of the finite values."""
    low, high = float(pixels.min()), float(pixels.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        finite = pixels[np.isfinite(pixels)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else UNIT
    return low, high


def filled(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return a page (H, W, C) in which values that are not finite are those of the nearest finite pixel of a channel.

    A channel without any becomes 0. A page that is finite is returned itself.
    """
    if is_finite(pixels):
        return pixels
    bad = ~np.isfinite(pixels)
    from scipy.ndimage import distance_transform_edt  # rarely needed, slow to import

    whole = pixels.copy()
    for channel in np.flatnonzero(bad.any(tuple(range(pixels.ndim - 1)))):
        nearest = distance_transform_edt(bad[..., channel], return_distances=False, return_indices=True)
        whole[..., channel] = 0 if bad[..., channel].all() else pixels[..., channel][tuple(nearest)]
    return whole


def unit_type(dtype: np.dtype[Any]) -> np.dtype[np.floating]:
    """Return the type for the unit scale: float64 where numbers have more than 24 significant bits, else float32."""
    return np.dtype(np.float64 if dtype.itemsize == (8 if dtype.kind == "f" else 4) else np.float32)


def to_unit(pixels: NDArray[np.generic], scale: Range) -> NDArray[np.floating]:
    """Return the pixels on the unit scale, in the type that :func:`unit_type` says.

    Pixels that already are what is asked for are returned themselves, not copied.
    """
    kind = unit_type(pixels.dtype)
    if scale == UNIT and pixels.dtype == kind:
        return pixels.view(kind)
    unit: NDArray[np.floating] = scratch.empty(pixels.shape, kind)
    low, high = scale
    if low:  # differences from it may be small beside it
        for rows in _chunks(pixels):
            unit[rows] = (pixels[rows].astype(np.float64) - low) / (high - low)
        return unit
    np.copyto(unit, pixels)
    if scale != UNIT:
        unit /= unit.dtype.type(high)
    return unit


def rounding(unit: NDArray[np.floating], pixels: NDArray[np.generic], scale: Range) -> float:
    """Return the RMS difference on the unit scale between ``unit`` and what :func:`from_unit` made of it.

    Of integers it is 0: they are meant to be rounded. Pixels that are not finite do not count.
    """
    low, high = scale
    if pixels.dtype.kind in "iu" or (scale == UNIT and pixels.dtype.itemsize >= unit.dtype.itemsize):
        return 0.0
    total = 0.0
    for rows in _chunks(unit):
        shown = (pixels[rows].astype(np.float64) - low) / (high - low)
        difference = np.subtract(shown, unit[rows], where=np.isfinite(shown), out=np.zeros_like(shown))
        total += float(np.vdot(difference, difference))
    return math.sqrt(total / unit.size)


def from_unit(unit: NDArray[np.floating], scale: Range, dtype: DTypeLike) -> NDArray[np.generic]:
    """Undo :func:`to_unit`: integers are rounded and clipped to their type, floats never."""
    dtype, (low, high) = np.dtype(dtype), scale
    pixels: NDArray[np.generic] = scratch.empty(unit.shape, dtype)
    for rows in _chunks(unit):
        part = unit[rows].astype(np.float64) if low else unit[rows]
        values = part if scale == UNIT else part * part.dtype.type(high - low) + part.dtype.type(low)
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            values = np.clip(np.rint(values), limits.min, limits.max)
        pixels[rows] = values
    return pixels


def _chunks(values: NDArray[np.generic]) -> Iterator[slice]:
    """Cut the first axis into slices of :data:`CHUNK` values."""
    rows = max(1, CHUNK * len(values) // max(values.size, 1))
    return (slice(start, start + rows) for start in range(0, len(values), rows))
