"""The intensity range: from an array's own numbers to the unit scale, on which lambda is meant, and back."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tvdenoise.errors import ArrayError
from tvdenoise.machine import scratch

Range = tuple[float, float]  # the numbers that stand for black and white
Pixels = NDArray[np.generic]
UnitPixels = NDArray[np.floating]
DType = np.dtype[Any]

CHUNK = 2**20  # Values rounded at a time, so that what lies between costs no memory to speak of.

UNIT: Range = (0.0, 1.0)
NOISY_UNIT: Range = (-1.0, 2.0)  # where floats lie that are on the unit scale, with room for the noise on it
LEAST_SPREAD = 1 / 255  # Floats that spread less would be one gray level of 8 bits: their unit is another.
LEAST_WIDTH = 1e-36  # A narrower range is lost among the smallest numbers of float32.
MAX_UNIT = 1e9  # Far beyond any picture on the unit scale, and safe from overflow when squared and summed.


def _is_integer(dtype: DType) -> bool:
    return dtype.kind in "iu"


def check_type(subject: object, dtype: DType) -> None:
    """Raise :class:`ArrayError` unless the type has an intensity range."""
    # Larger integers do not fit in float64, nor do larger floats.
    largest = {"f": 8, "i": 4, "u": 4}
    if dtype.itemsize > largest.get(dtype.kind, -1):
        problem = f"values of type {dtype} have no intensity range"
        raise ArrayError(subject, problem, "convert it to 8-, 16- or 32-bit integers or to floats")


def check_plain(subject: object, array: Pixels) -> None:
    """Raise :class:`ArrayError` if an array holds more than numbers, such as a mask or a unit, which would be lost."""
    if np.ma.is_masked(array):
        problem = "it has a mask, which would be lost"
        raise ArrayError(subject, problem, "fill it with values like those around it, and mask the result again")
    if type(array) not in (np.ndarray, np.memmap):
        problem = f"it is a {type(array).__name__}, and what that adds to numbers, such as a unit, would be lost"
        raise ArrayError(subject, problem, "give numpy.asarray(image), and put it back on the result")


def is_finite(pixels: Pixels) -> bool:
    """Return whether no value is infinite or NaN."""
    if _is_integer(pixels.dtype):
        return True
    return all(np.isfinite(pixels[rows]).all() for rows in _chunks(pixels))


def holds_number(dtype: DType, number: float) -> bool:
    """Return whether a type has a number; floats have all of them."""
    if not _is_integer(dtype):
        return True
    limits = np.iinfo(dtype)
    return number.is_integer() and limits.min <= number <= limits.max


def find_nodata(pixels: Pixels, nodata: float | None) -> NDArray[np.bool_]:
    """Return where the values stand for no data: they are ``nodata``, or any NaN where that is NaN."""
    if nodata is None:
        return np.zeros(pixels.shape, bool)
    if math.isnan(nodata):
        return np.isnan(pixels)
    with np.errstate(over="ignore"):  # a number beyond the type is none of its values
        return np.equal(pixels, nodata)


def find_gaps(pixels: Pixels, nodata: float | None) -> NDArray[np.bool_]:
    """Return where the values are not finite, or stand for no data."""
    return ~np.isfinite(pixels) | find_nodata(pixels, nodata)


def step_off(whole: Pixels, nodata: float | None, most: float) -> None:
    """Move whole numbers of data by one, in place, where rounding has made them the one that stands for no data."""
    step = -1 if nodata == most else 1
    is_nodata = find_nodata(whole, nodata)
    np.add(whole, step, out=whole, where=is_nodata, casting="unsafe")


def check_finite(
    subject: object,
    pixels: Pixels,
    remedy: str = "replace them first: a single one spreads over the whole result",
    *,
    nodata: float | None = None,
) -> None:
    """Raise :class:`ArrayError` unless there are values and each is finite, or stands for no data."""
    if not pixels.size:
        raise ArrayError(subject, f"it is empty, of shape {pixels.shape}", "give at least one pixel")
    if is_finite(pixels):
        return
    is_nodata = find_nodata(pixels, nodata)
    bad = ~np.isfinite(pixels) & ~is_nodata
    if not bad.any():
        return
    count = np.count_nonzero(bad)
    place = np.unravel_index(bad.argmax(), bad.shape)
    first = ", ".join(map(str, place))
    problem = f"{count} of its values are not finite (NaN or infinite), the first at ({first})"
    raise ArrayError(subject, problem, remedy)


def type_range(dtype: DTypeLike) -> Range:
    """Return the range of a type: 0 to the largest value of an integer type, 0 to 1 for floats."""
    dtype = np.dtype(dtype)
    if not _is_integer(dtype):
        return UNIT
    return 0.0, float(np.iinfo(dtype).max)


def measure_range(pixels: Pixels, nodata: float | None = None) -> Range:
    """Return the range of pixels: by type for integers, by the values of floats that are not ``nodata``.

    Floats within :data:`NOISY_UNIT` are taken as they are, unless they spread less than :data:`LEAST_SPREAD`, as those
    of small physical units. Others are scaled by their smallest and largest value.
    """
    if _is_integer(pixels.dtype):
        return type_range(pixels.dtype)
    return choose_range(*find_extremes(pixels, nodata))


def choose_range(low: float, high: float) -> Range:
    """Return the range of floats from ``low`` to ``high``."""
    least, largest = NOISY_UNIT
    is_near_unit = least <= low and high <= largest
    is_small_unit = LEAST_WIDTH <= high - low < LEAST_SPREAD
    if is_near_unit and not is_small_unit:
        return UNIT
    if low == high:  # a range needs a width that is not lost beside so large a number
        high = low + max(1.0, 1e-9 * abs(low))
    return low, high


def check_range(subject: object, pixels: Pixels, scale: Range, nodata: float | None = None) -> None:
    """Raise :class:`ArrayError` if a range is too wide or too narrow for the pixels to be scaled by it."""
    if _is_integer(pixels.dtype) and scale == type_range(pixels.dtype):
        return
    low, high = scale
    span = abs(high - low)
    dtype = unit_type(pixels.dtype)
    limits = np.finfo(dtype)
    is_number = float(limits.tiny) <= span <= float(limits.max)
    darkest, brightest = find_extremes(pixels, nodata)
    distances = [abs(extreme - low) for extreme in (darkest, brightest)]
    is_near = max(distances) <= MAX_UNIT * span
    if not (is_number and is_near):
        problem = f"{low:g}..{high:g} is too wide or too narrow a range"
        problem += f" to scale its {pixels.dtype} values by"
        raise ArrayError(subject, problem, "give another range")


def find_extremes(pixels: Pixels, nodata: float | None = None) -> Range:
    """Return the smallest and the largest of the finite values that stand for data, 0 and 1 if there are none."""
    if not pixels.size:
        return UNIT
    low = float(pixels.min())
    high = float(pixels.max())
    are_finite = math.isfinite(low) and math.isfinite(high)
    if nodata is None and are_finite:  # as a rule; then no copy is needed
        return low, high
    return find_extremes(pixels[~find_gaps(pixels, nodata)])


def fill_gaps(pixels: Pixels, nodata: float | None = None) -> Pixels:
    """Return a page (H, W, C) with gaps (see :func:`find_gaps`) replaced by the nearest values of their channel.

    A channel without any becomes 0. A page without gaps is returned itself.
    """
    if nodata is None and is_finite(pixels):
        return pixels
    gaps = find_gaps(pixels, nodata)
    if not gaps.any():
        return pixels
    from scipy.ndimage import distance_transform_edt  # rarely needed, slow to import

    filled = pixels.copy()
    channels = np.moveaxis(filled, -1, 0)
    gaps_of_channels = np.moveaxis(gaps, -1, 0)
    for channel, bad in zip(channels, gaps_of_channels, strict=True):
        if bad.all():
            channel[...] = 0
        elif bad.any():
            nearest = distance_transform_edt(bad, return_distances=False, return_indices=True)
            channel[...] = channel[tuple(nearest)]
    return filled


def unit_type(dtype: DType) -> np.dtype[np.floating]:
    """Return the type for the unit scale: float64 where numbers have more than 24 significant bits, else float32."""
    return np.result_type(dtype, np.float32)


def scale_to_unit(pixels: Pixels, scale: Range) -> UnitPixels:
    """Return the pixels on the unit scale, in their :func:`unit_type`: themselves where they are that already."""
    dtype = unit_type(pixels.dtype)
    if scale == UNIT and pixels.dtype == dtype:
        return pixels.view(dtype)
    unit: UnitPixels = scratch.empty(pixels.shape, dtype)
    low, high = scale
    if low:  # differences from it may be small beside it
        for rows in _chunks(pixels):
            unit[rows] = _scale(pixels[rows], scale)
        return unit
    np.copyto(unit, pixels)
    if scale != UNIT:
        unit /= high
    return unit


def scale_from_unit(unit: UnitPixels, scale: Range, dtype: DTypeLike) -> Pixels:
    """Undo :func:`scale_to_unit`: integers are rounded and clipped to their type, floats never."""
    dtype = np.dtype(dtype)
    low, high = scale
    pixels: Pixels = scratch.empty(unit.shape, dtype)
    for rows in _chunks(unit):
        values = unit[rows]
        if low:  # what it is added to may be small beside it
            values = values.astype(np.float64)
        if scale != UNIT:
            values = values * (high - low) + low
        if _is_integer(dtype):
            limits = np.iinfo(dtype)
            values = np.clip(np.rint(values), limits.min, limits.max)
        pixels[rows] = values
    return pixels


def measure_rounding(unit: UnitPixels, pixels: Pixels, scale: Range, nodata: float | None = None) -> float:
    """Return the RMS difference on the unit scale between ``unit`` and what :func:`scale_from_unit` made of it.

    Of integers it is 0: they are meant to be rounded. Gaps do not count.
    """
    is_exact = scale == UNIT and pixels.itemsize >= unit.itemsize
    if is_exact or _is_integer(pixels.dtype):
        return 0.0
    total = 0.0
    for rows in _chunks(unit):
        difference = _scale(pixels[rows], scale) - unit[rows]
        difference[find_gaps(pixels[rows], nodata)] = 0.0
        total += float(np.vdot(difference, difference))
    return math.sqrt(total / unit.size)


@dataclass(frozen=True)
class Levels:
    """Whole numbers n, as a file stores them, and the numbers zero + step n that they stand for."""

    least: int
    most: int
    step: float = 1.0
    zero: float = 0.0
    nodata: float | None = None  # the n that stands for no data

    def to_whole(self, numbers: Pixels) -> NDArray[np.float64]:
        """Return the nearest n that can be stored; NaN stays NaN."""
        steps = (numbers.astype(np.float64) - self.zero) / self.step
        whole = np.clip(np.rint(steps), self.least, self.most)
        step_off(whole, self.nodata, self.most)
        return whole

    def to_numbers(self, whole: Pixels, dtype: DTypeLike) -> Pixels:
        """Return what some n stand for."""
        numbers = whole.astype(np.float64) * self.step + self.zero
        return numbers.astype(dtype)


def _scale(pixels: Pixels, scale: Range) -> NDArray[np.float64]:
    low, high = scale
    above_black = pixels.astype(np.float64) - low
    return above_black / (high - low)


def _chunks(values: Pixels) -> Iterator[slice]:
    """Cut the first axis into slices of :data:`CHUNK` values."""
    size = max(values.size, 1)
    rows = max(1, CHUNK * len(values) // size)
    for start in range(0, len(values), rows):
        yield slice(start, start + rows)
