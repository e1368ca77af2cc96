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

Pixels = NDArray[np.generic]

CHUNK = 2**20
"""Values rounded at a time, so that what lies between costs no memory to speak of."""

UNIT: Range = (0.0, 1.0)
NOISY_UNIT: Range = (-1.0, 2.0)
"""Where floats lie that are on the unit scale, with room for the noise on it."""

MAX_UNIT = 1e9
"""Far beyond any picture on the unit scale, and safe from overflow when squared and summed."""

_REPLACE = "replace them first: a single one spreads over the whole result"


def _is_integer(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "iu"


def check_type(subject: object, dtype: np.dtype[Any]) -> None:
    """Raise :class:`ArrayError` unless the type has an intensity range."""
    # Larger integers do not fit in float64, nor do larger floats.
    largest = {"f": 8, "i": 4, "u": 4}
    if dtype.itemsize > largest.get(dtype.kind, -1):
        problem = f"values of type {dtype} have no intensity range"
        raise ArrayError(subject, problem, "convert it to 8-, 16- or 32-bit integers or to floats")


def is_finite(pixels: Pixels) -> bool:
    """Return whether no value is infinite or NaN."""
    if _is_integer(pixels.dtype):
        return True
    return all(np.isfinite(pixels[rows]).all() for rows in _chunks(pixels))


def check_finite(subject: object, pixels: Pixels, remedy: str = _REPLACE) -> None:
    """Raise :class:`ArrayError` unless there are values and each is finite."""
    if pixels.size == 0:
        raise ArrayError(subject, f"it is empty, of shape {pixels.shape}", "give at least one pixel")
    if is_finite(pixels):
        return
    finite = np.isfinite(pixels)
    count = finite.size - np.count_nonzero(finite)
    place = np.unravel_index(np.argmin(finite), finite.shape)
    first = ", ".join(str(int(i)) for i in place)
    problem = f"{count} of its values are not finite (NaN or infinite), the first at ({first})"
    raise ArrayError(subject, problem, remedy)


def type_range(dtype: DTypeLike) -> Range:
    """Return the range of a type: 0 to the largest value of an integer type, 0 to 1 for floats."""
    dtype = np.dtype(dtype)
    if not _is_integer(dtype):
        return UNIT
    return 0.0, float(np.iinfo(dtype).max)


def measure_range(pixels: Pixels) -> Range:
    """Return the range of a file's pixels: by type for integers, by their values for floats.

    Floats within :data:`NOISY_UNIT` are taken as they are. Others are scaled by their smallest and largest value.
    """
    if _is_integer(pixels.dtype):
        return type_range(pixels.dtype)
    low, high = find_extremes(pixels)
    least, largest = NOISY_UNIT
    if least <= low and high <= largest:
        return UNIT
    if low == high:  # a range needs a width that is not lost beside so large a number
        high = low + max(1.0, 1e-9 * abs(low))
    return low, high


def check_range(subject: object, pixels: Pixels, scale: Range) -> None:
    """Raise :class:`ArrayError` if a range is too wide or too narrow for the pixels to be scaled by it."""
    if _is_integer(pixels.dtype) and scale == type_range(pixels.dtype):
        return
    low, high = scale
    span = abs(high - low)
    limits = np.finfo(unit_type(pixels.dtype))
    is_number = float(limits.tiny) <= span <= float(limits.max)
    farthest = max(abs(value - low) for value in find_extremes(pixels))
    if not (is_number and farthest <= MAX_UNIT * span):
        problem = f"{low:g}..{high:g} is too wide or too narrow a range to scale its {pixels.dtype} values by"
        raise ArrayError(subject, problem, "give another --range")


def find_extremes(pixels: Pixels) -> Range:
    """Return the smallest and the largest of the finite values, 0 and 1 if there are none."""
    # As a rule all are finite: then no copy is needed.
    low = float(pixels.min())
    high = float(pixels.max())
    if math.isfinite(low) and math.isfinite(high):
        return low, high
    finite = pixels[np.isfinite(pixels)]
    if not finite.size:
        return UNIT
    return float(finite.min()), float(finite.max())


def fill_nonfinite(pixels: Pixels) -> Pixels:
    """Return a page (H, W, C) in which values that are not finite are those of the nearest finite pixel of a channel.

    A channel without any becomes 0. A page that is finite is returned itself.
    """
    if is_finite(pixels):
        return pixels
    from scipy.ndimage import distance_transform_edt  # rarely needed, slow to import

    filled = pixels.copy()
    for channel in range(pixels.shape[-1]):
        values = pixels[..., channel]
        bad = ~np.isfinite(values)
        if bad.all():
            filled[..., channel] = 0
        elif bad.any():
            nearest = distance_transform_edt(bad, return_distances=False, return_indices=True)
            filled[..., channel] = values[tuple(nearest)]
    return filled


def unit_type(dtype: np.dtype[Any]) -> np.dtype[np.floating]:
    """Return the type for the unit scale: float64 where numbers have more than 24 significant bits, else float32."""
    return np.result_type(dtype, np.float32)


def scale_to_unit(pixels: Pixels, scale: Range) -> NDArray[np.floating]:
    """Return the pixels on the unit scale, in the type that :func:`unit_type` says.

    Pixels that already are what is asked for are returned themselves, not copied.
    """
    dtype = unit_type(pixels.dtype)
    if scale == UNIT and pixels.dtype == dtype:
        return pixels.view(dtype)
    unit: NDArray[np.floating] = scratch.empty(pixels.shape, dtype)
    low, high = scale
    if low:
        # Differences from it may be small beside it.
        for rows in _chunks(pixels):
            unit[rows] = (pixels[rows].astype(np.float64) - low) / (high - low)
        return unit
    np.copyto(unit, pixels)
    if scale != UNIT:
        unit /= dtype.type(high)
    return unit


def scale_from_unit(unit: NDArray[np.floating], scale: Range, dtype: DTypeLike) -> Pixels:
    """Undo :func:`scale_to_unit`: integers are rounded and clipped to their type, floats never."""
    dtype = np.dtype(dtype)
    low, high = scale
    pixels: Pixels = scratch.empty(unit.shape, dtype)
    for rows in _chunks(unit):
        values = unit[rows]
        if low:  # what it is added to may be small beside it
            values = values.astype(np.float64)
        if scale != UNIT:
            number = values.dtype.type
            values = values * number(high - low) + number(low)
        if _is_integer(dtype):
            limits = np.iinfo(dtype)
            values = np.clip(np.rint(values), limits.min, limits.max)
        pixels[rows] = values
    return pixels


def measure_rounding(unit: NDArray[np.floating], pixels: Pixels, scale: Range) -> float:
    """Return the RMS difference on the unit scale between ``unit`` and what :func:`scale_from_unit` made of it.

    Of integers it is 0: they are meant to be rounded. Pixels that are not finite do not count.
    """
    is_exact = scale == UNIT and pixels.dtype.itemsize >= unit.dtype.itemsize
    if is_exact or _is_integer(pixels.dtype):
        return 0.0
    low, high = scale
    total = 0.0
    for rows in _chunks(unit):
        shown = (pixels[rows].astype(np.float64) - low) / (high - low)
        difference = np.zeros_like(shown)
        np.subtract(shown, unit[rows], where=np.isfinite(shown), out=difference)
        total += float(np.vdot(difference, difference))
    return math.sqrt(total / unit.size)


def _chunks(values: Pixels) -> Iterator[slice]:
    """Cut the first axis into slices of :data:`CHUNK` values."""
    rows = max(1, CHUNK * len(values) // max(values.size, 1))
    for start in range(0, len(values), rows):
        yield slice(start, start + rows)
