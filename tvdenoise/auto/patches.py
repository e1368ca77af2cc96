"""Patches of a picture: which of them are without texture, and what these say of the noise."""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Array = NDArray[np.float64]

SIDE = 5
"""The side of the patches."""
NOISE_EIGENVALUES = 3
"""How many of the smallest eigenvalues count as noise alone."""
MIN_PATCHES = 3 * SIDE * SIDE
"""Three for each row of their covariance: with fewer its smallest eigenvalues say little."""

MOST_ROUNDS = 10
"""How often estimate and selection take turns at most, ..."""
SETTLED = 2e-3
"""... and the share of the variance below which a change ends that."""

PATCHES = 2**14
"""About how many patches are cut from a large picture. Twice as many read Set12 and CSet9 no better."""
BLOCK = 256
"""Patches per block of the running sums."""

FLATNESS = 155.9
"""The 0.99 quantile of a patch's sum of squared neighbour differences in white noise of variance 1."""
CORRELATED_RATIO = 1.25
"""The ratio of the median to the smallest eigenvalues above which the pixels of a patch share noise."""
MIN_WEAK_SHARE = 0.05
"""The share of patches without texture that an estimate should rest on: one that is too low takes the rest of the noise
for texture."""

WINDOWS = 2**18
"""Values of the windows in which neighbours are compared."""


class Estimate(NamedTuple):
    """What some patches say of the noise."""

    brightness: float  # the mean of the patches
    variance: float  # of the noise
    ratio: float  # of the median to the smallest eigenvalues of the covariance: 1 in white noise


class Survey(NamedTuple):
    """What the patches of a plane say."""

    brightness: Tensor  # the mean of each usable patch
    patches: Tensor  # the same patches less their means
    reference: Tensor  # white noise at the same places
    places: Tensor  # the numbers, among all patches of the plane, of those without texture
    estimate: Estimate  # the noise in those
    kurtosis: float  # of the values in those, less the means of the patches: 3 for normal noise

    def is_clear(self, most: float = CORRELATED_RATIO) -> bool:
        """Return whether the pixels of a patch share no noise, and enough patches say so."""
        return self.estimate.ratio <= most and self.weak_share >= MIN_WEAK_SHARE

    @property
    def weak_share(self) -> float:
        """The share of the patches that are without texture."""
        return len(self.places) / len(self.patches)


def survey(plane: Tensor, dilation: int, reference: Tensor) -> Survey | None:
    """Return what patches of pixels ``dilation`` apart say, or None where there are too few of them.

    Patches that belong to a border or a mask are left out, unless too few others remain. ``reference`` are the patches
    of white noise at the same places, less their means.
    """
    patches = cut_patches(plane, dilation)
    if len(patches) < MIN_PATCHES:
        return None
    usable = ~_find_border(patches)
    if int(usable.sum()) < MIN_PATCHES:
        usable = torch.ones_like(usable)
    patches = patches[usable]
    reference = reference[usable]
    brightness = patches.mean(1)
    patches -= brightness[:, None]
    flat, estimate = estimate_variance(brightness, patches, reference)
    # The kurtosis tells noise from patterns of few values.
    squares = patches[flat].double().square()
    fourth_moment = squares.square().mean()
    kurtosis = float(fourth_moment / squares.mean() ** 2)
    places = usable.nonzero()[flat, 0]
    return Survey(brightness, patches, reference, places, estimate, kurtosis)


def estimate_variance(
    brightness: Tensor, patches: Tensor, reference: Tensor, flatness: float = FLATNESS
) -> tuple[Tensor, Estimate]:
    """Return the numbers of the patches without texture, and the noise in them.

    Their sum of squared neighbour differences is at most ``flatness`` times the variance. ``reference`` is white noise
    at the same places.
    """
    # Sorted by their texture, the patches below any threshold are the first ones.
    texture, order = _measure_texture(patches).sort()
    sums = _RunningSums(torch.stack((patches[order], reference[order])))
    number = len(patches)
    previous = 0.0
    variance, median = _compare_with_white(sums.over_first(number))
    for _ in range(MOST_ROUNDS):
        has_settled = abs(variance - previous) <= SETTLED * variance
        selected = int(torch.searchsorted(texture, flatness * variance))
        if has_settled or selected < MIN_PATCHES:
            break
        number = selected
        previous = variance
        variance, median = _compare_with_white(sums.over_first(number))
    if variance:
        ratio = median / variance
    elif median:
        ratio = math.inf
    else:
        ratio = 1.0
    flat = order[:number]
    mean = float(brightness[flat].mean())
    return flat, Estimate(mean, variance, ratio)


def measure_autocorrelation(plane: Tensor, dilation: int, found: Survey) -> Array:
    r"""Return the autocorrelation of the noise at lags of up to ``dilation`` pixels each way, lag 0 in the middle.

    It is :math:`1 - \mathrm{E}(x_i - x_{i+d})^2 / 2\sigma^2` in places without texture, where the picture itself hardly
    changes from a pixel to one so near.
    """
    windows = _unfold_windows(plane, dilation)
    side = windows.shape[-1]
    step = math.ceil(len(found.places) * side**2 / WINDOWS)
    places = torch.unravel_index(found.places[::step], windows.shape[:-2])
    x = windows[places].cpu().double().numpy()
    lags = 2 * dilation + 1
    result = np.ones((lags, lags))
    for down in range(dilation + 1):
        for across in range(-dilation, dilation + 1):
            left = max(-across, 0)
            right = max(across, 0)
            here = x[:, : side - down, left : side - right]
            there = x[:, down:, right : side - left]
            # The median passes over hot pixels between those of which the patches are made.
            by_place = ((here - there) ** 2).mean((1, 2))
            variogram = float(np.median(by_place))
            value = max(1 - variogram / (2 * found.estimate.variance), -1.0)
            # It is the same for a lag and its negative.
            result[dilation + down, dilation + across] = value
            result[dilation - down, dilation - across] = value
    return result


def cut_patches(plane: Tensor, dilation: int) -> Tensor:
    """Return evenly spread patches of pixels that are ``dilation`` apart, row by row, (N, SIDE * SIDE) on the CPU."""
    pixels = _unfold_windows(plane, dilation)[..., ::dilation, ::dilation]
    return pixels.reshape(-1, SIDE * SIDE).cpu()


def _unfold_windows(plane: Tensor, dilation: int) -> Tensor:
    """Return the squares that such patches span, (..., span, span)."""
    span = (SIDE - 1) * dilation + 1
    if min(plane.shape[-2:]) < span:
        return plane.new_zeros(0, span, span)
    pixels_per_patch = max(plane.numel() / PATCHES, 1.0)
    # Odd steps begin at every place of a camera's 2x2 colour filter and of the blocks of a JPEG.
    down = _round_to_odd(math.sqrt(pixels_per_patch))
    across = _round_to_odd(pixels_per_patch / down)
    return plane.unfold(-2, span, down).unfold(-2, span, across)


def _round_to_odd(number: float) -> int:
    return 2 * round((number - 1) / 2) + 1


def _find_border(patches: Tensor) -> Tensor:
    """Return which patches are constant at the commonest constant value: that of a border or a mask."""
    low, high = patches.aminmax(dim=1)
    is_constant = low == high
    if not is_constant.any():
        return is_constant
    commonest = low[is_constant].mode().values
    return is_constant & (low == commonest)


def _measure_texture(patches: Tensor) -> Tensor:
    """Return the sum of the squared differences of neighbours in each patch."""
    squares = patches.view(-1, SIDE, SIDE)
    down = squares.diff(dim=1).square_().sum((1, 2))
    across = squares.diff(dim=2).square_().sum((1, 2))
    return down + across


class _RunningSums:
    """The sums that make the covariance of the first n of some patches (..., N, SIDE * SIDE)."""

    def __init__(self, patches: Tensor) -> None:
        *leading, number, pixels = patches.shape
        blocks = number // BLOCK
        whole = patches[..., : blocks * BLOCK, :].view(*leading, blocks, BLOCK, pixels)
        before_first = (0, 0, 0, 0, 1, 0)
        self._over_blocks = functional.pad(sum_products(whole).cumsum(-3), before_first)
        self._patches = patches

    def over_first(self, number: int) -> Tensor:
        """Return the sums over the first ``number`` patches."""
        blocks = number // BLOCK
        rest = self._patches[..., blocks * BLOCK : number, :]
        return self._over_blocks[..., blocks, :, :] + sum_products(rest)


def sum_products(patches: Tensor) -> Tensor:
    """Return the sums of products of two pixels of (..., N, SIDE * SIDE), and last of one and 1, in float64.

    Values are first rounded to so many bits of the largest that the sums are exact, and so the same in any order.
    """
    number = patches.shape[-2]
    if number == 0:
        rows = patches.shape[-1] + 1
        return patches.new_zeros(rows, rows, dtype=torch.float64)
    # float64 has 53 bits: a product takes twice the bits of its factors, a sum the bits of their number more.
    bits = (53 - number.bit_length()) // 2
    largest = patches.abs().amax((-2, -1), keepdim=True).numpy()
    exponent = np.frexp(largest)[1] - bits + np.finfo(largest.dtype).nmant
    # Beside a number as large as this the digits beyond those bits are lost.
    shift = torch.from_numpy(np.ldexp(np.full_like(largest, 1.5), exponent))
    rounded = patches.add(shift).sub_(shift).double()
    with_ones = functional.pad(rounded, (0, 1), value=1.0)
    return with_ones.mT @ with_ones


def _compare_with_white(sums: Tensor) -> tuple[float, float]:
    """Return the variance by the smallest eigenvalues of the covariance and by the median one.

    ``sums`` are those for patches, and for white noise of variance 1 at the same places.
    """
    number = sums[..., -1:, -1:]
    mean = sums[..., -1:, :-1] / number
    second_moment = sums[..., :-1, :-1] / number
    covariance = second_moment - mean.mT @ mean
    # One eigenvalue is 0: that of constant patches, since each patch has lost its own mean.
    eigenvalues = torch.linalg.eigvalsh(covariance)[..., 1:]
    smallest = eigenvalues[:, :NOISE_EIGENVALUES].mean(1)
    median = eigenvalues[:, eigenvalues.shape[1] // 2]
    by_smallest = float(smallest[0] / smallest[1])
    by_median = float(median[0] / median[1])
    return max(by_smallest, 0.0), by_median
