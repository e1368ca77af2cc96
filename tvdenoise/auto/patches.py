"""Patches of a picture: which of them are without texture, and what these say of the noise."""

import math
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Array = NDArray[np.float64]

SIDE = 5  # of the patches, in pixels
NOISE_EIGENVALUES = 3  # How many of the smallest eigenvalues count as noise alone.
MIN_PATCHES = 3 * SIDE * SIDE  # Three a row of their covariance: with fewer its smallest eigenvalues say little.

MOST_ROUNDS = 11  # How often the variance is estimated at most, while estimate and selection take turns.
SETTLED = 2e-3  # The share of the variance below which a change ends that.

PATCHES = 2**14  # About how many are cut from a large picture. Twice as many read Set12 and CSet9 no better.
BLOCK = 256  # Patches per block of the running sums.
WINDOWS = 2**18  # Values of the windows in which neighbours are compared.

# The 0.99 quantile of a patch's sum of squared neighbour differences in white noise of variance 1.
FLATNESS = 155.9
# The ratio of the median to the smallest eigenvalues above which the pixels of a patch share noise.
CORRELATED_RATIO = 1.25
# The share of patches without texture below which an estimate may be too low, taking the rest of the noise for texture.
MIN_WEAK_SHARE = 0.05


class Survey(NamedTuple):
    """What the patches of a plane say."""

    dilation: int  # the distance between the pixels of a patch
    brightness: Tensor  # the mean of each usable patch
    patches: Tensor  # (2, N, SIDE * SIDE), less their means: these patches, and white noise at the same places
    places: Tensor  # the numbers, among all patches of the plane, of those without texture
    variance: float  # of the noise in those
    ratio: float  # of the median to the smallest eigenvalues of their covariance: 1 in white noise
    kurtosis: float  # of the values in those, less the means of the patches: 3 for normal noise

    def is_clear(self, most: float = CORRELATED_RATIO) -> bool:
        """Return whether the pixels of a patch share no noise, and enough patches say so."""
        return self.ratio <= most and self.weak_share >= MIN_WEAK_SHARE

    @property
    def weak_share(self) -> float:
        """The share of the patches that are without texture."""
        return len(self.places) / len(self.brightness)


def survey(plane: Tensor, white: Tensor, dilation: int) -> Survey | None:
    """Return what patches of pixels ``dilation`` apart say, or None where there are too few of them.

    Patches that belong to a border or a mask are left out, unless too few others remain. ``white`` is white noise of
    the plane's shape.
    """
    of_plane = cut_patches(plane, dilation)
    if len(of_plane) < MIN_PATCHES:
        return None
    usable = ~_find_border(of_plane)
    if int(usable.sum()) < MIN_PATCHES:
        usable[:] = True
    of_white = cut_patches(white, dilation)
    patches = torch.stack((of_plane[usable], of_white[usable]))
    means = patches.mean(2, keepdim=True)
    patches -= means
    flat, variance, ratio = estimate_variance(patches)
    # The kurtosis tells noise from patterns of few values.
    squares = patches[0, flat].double().square()
    fourth_moment = squares.square().mean()
    kurtosis = float(fourth_moment / squares.mean() ** 2)
    places = usable.nonzero()[flat, 0]
    return Survey(dilation, means[0, :, 0], patches, places, variance, ratio, kurtosis)


def estimate_variance(patches: Tensor, flatness: float = FLATNESS) -> tuple[Tensor, float, float]:
    """Return the numbers of the patches without texture, the variance of the noise in them, and the ratio for it.

    Without texture are those whose sum of squared neighbour differences is at most ``flatness`` times the variance.
    """
    # Sorted by their texture, the patches below any threshold are the first ones.
    texture, order = _measure_texture(patches[0]).sort()
    sums = _RunningSums(patches[:, order])
    selected = len(order)
    previous = 0.0
    for _ in range(MOST_ROUNDS):
        number = selected
        variance, median = _compare_with_white(sums.over_first(number))
        has_settled = abs(variance - previous) <= SETTLED * variance
        selected = int(torch.searchsorted(texture, flatness * variance))
        if has_settled or selected < MIN_PATCHES:
            break
        previous = variance
    ratio = 1.0
    if variance:
        ratio = median / variance
    elif median:
        ratio = math.inf
    return order[:number], variance, ratio


def measure_autocorrelation(plane: Tensor, found: Survey) -> Array:
    r"""Return the autocorrelation of the noise at lags of up to the dilation each way, lag 0 in the middle.

    It is :math:`1 - \mathrm{E}(x_i - x_{i+d})^2 / 2\sigma^2` in places without texture, where the picture itself hardly
    changes from a pixel to one so near.
    """
    reach = found.dilation
    windows = _unfold_windows(plane, reach)
    side = windows.shape[-1]
    step = math.ceil(len(found.places) * side**2 / WINDOWS)
    places = torch.unravel_index(found.places[::step], windows.shape[:-2])
    x = windows[places].cpu().double().numpy()
    variogram = np.empty((reach + 1, 2 * reach + 1))
    for down, across in product(range(reach + 1), repeat=2):
        height = side - down
        width = side - across
        above = x[:, :height]
        below = x[:, down:]
        to_the_right = above[..., :width] - below[..., across:]
        to_the_left = above[..., across:] - below[..., :width]
        variogram[down, reach + across] = _average_square(to_the_right)
        variogram[down, reach - across] = _average_square(to_the_left)
    lower = np.maximum(1 - variogram / (2 * found.variance), -1.0)
    # It is the same for a lag and its negative.
    upper = np.flip(lower[1:])
    return np.concatenate((upper, lower))


def _average_square(differences: Array) -> float:
    by_window = (differences**2).mean((1, 2))
    # The median passes over hot pixels between those of which the patches are made.
    return float(np.median(by_window))


def cut_patches(plane: Tensor, dilation: int) -> Tensor:
    """Return evenly spread patches of pixels that are ``dilation`` apart, row by row, (N, SIDE * SIDE) on the CPU."""
    windows = _unfold_windows(plane, dilation)
    pixels = windows[..., ::dilation, ::dilation]
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
    """Return which patches are constant at the least, the greatest, or the commonest of such values.

    Those are of a border or a mask, or what was cut off at black and white.
    """
    low, high = patches.aminmax(dim=1)
    is_constant = low == high
    if not is_constant.any():
        return is_constant
    values = low[is_constant]
    ends = torch.stack((values.min(), values.max(), values.mode().values))
    return is_constant & torch.isin(low, ends)


def _measure_texture(patches: Tensor) -> Tensor:
    """Return the sum of the squared differences of neighbours in each patch."""
    pixels = patches.view(-1, SIDE, SIDE)
    down = pixels.diff(dim=1).square_()
    across = pixels.diff(dim=2).square_()
    return down.sum((1, 2)) + across.sum((1, 2))


class _RunningSums:
    """The sums that make the covariance of the first n of some patches (2, N, SIDE * SIDE)."""

    def __init__(self, patches: Tensor) -> None:
        blocks = patches.shape[1] // BLOCK
        end = blocks * BLOCK
        whole = patches[:, :end].view(2, blocks, BLOCK, SIDE * SIDE)
        sums = sum_products(whole).cumsum(1)
        before_first = (0, 0, 0, 0, 1, 0)
        self._over_blocks = functional.pad(sums, before_first)
        self._patches = patches

    def over_first(self, number: int) -> Tensor:
        """Return the sums over the first ``number`` patches, at least one."""
        blocks = (number - 1) // BLOCK
        end = blocks * BLOCK
        rest = self._patches[:, end:number]
        return self._over_blocks[:, blocks] + sum_products(rest)


def sum_products(patches: Tensor) -> Tensor:
    """Return the sums of products of two pixels of (..., N, SIDE * SIDE), and first of 1 and a pixel, in float64.

    Values are rounded to so many bits of the largest that the sums are exact, and so the same in any order.
    """
    number = patches.shape[-2]
    # float64 has 53 bits: a product takes twice the bits of its factors, a sum the bits of their number more.
    bits = (53 - number.bit_length()) // 2
    largest = patches.abs().amax((-2, -1), keepdim=True).numpy()
    _, exponent = np.frexp(largest)
    exponent += np.finfo(largest.dtype).nmant - bits
    # Beside a number as large as this the digits beyond those bits are lost.
    shift = torch.from_numpy(np.ldexp(np.full_like(largest, 1.5), exponent))
    rounded = patches.add(shift).sub_(shift).double()
    with_ones = functional.pad(rounded, (1, 0), value=1.0)
    return with_ones.mT @ with_ones


def _compare_with_white(sums: Tensor) -> tuple[float, float]:
    """Return the variance by the smallest eigenvalues of the covariance and by the median one.

    ``sums`` are those for patches, and for white noise of variance 1 at the same places.
    """
    number = sums[:, :1, :1]
    moments = sums / number
    mean = moments[:, :1, 1:]
    second_moment = moments[:, 1:, 1:]
    covariance = second_moment - mean.mT @ mean
    # One eigenvalue is 0: that of constant patches, since each patch has lost its own mean.
    eigenvalues = torch.linalg.eigvalsh(covariance)[:, 1:]
    smallest = eigenvalues[:, :NOISE_EIGENVALUES].mean(1)
    middle = eigenvalues.shape[1] // 2
    noise, white = torch.stack((smallest, eigenvalues[:, middle]), 1)
    by_smallest, by_median = (noise / white).tolist()
    return max(by_smallest, 0.0), by_median
