"""Patches of a picture: which of them are without texture, and what these say of the noise."""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

SIDE = 5
"""The side of the patches."""

NOISE_EIGENVALUES = 3
"""How many of the smallest eigenvalues count as noise alone."""

MIN_PATCHES = 3 * SIDE * SIDE
"""Three for each row of their covariance: of fewer its smallest eigenvalues say little."""

MOST_ROUNDS, SETTLED = 10, 2e-3
"""Estimate and selection take turns so often at most, and until the variance moves by no more than such a share."""

PATCHES = 2**14
"""About how many there are of a large picture."""

BLOCK = 256
"""Patches per block of the running moments: those of the first n patches cost one block then, and not n."""

FLATNESS = 155.9
"""The 0.99 quantile of a patch's sum of squared neighbour differences in white noise of variance 1."""

CORRELATED_RATIO = 1.25
"""The ratio of the median to the smallest eigenvalues above which the pixels of a patch share noise."""

MIN_WEAK_SHARE = 0.05
"""The share of patches without texture that a reading should rest on: where it takes noise for less than it is, what
is left of that looks like texture."""

WINDOWS = 2**18
"""Values of the windows in which neighbours are compared."""


class Reading(NamedTuple):
    """What patches say of the noise in them."""

    brightness: float
    variance: float
    ratio: float
    """Of the median to the smallest eigenvalues, 1 in white noise."""


class Survey(NamedTuple):
    """What the patches of a plane say.

    Attributes
    ----------
    brightness, patches
        The mean of each usable patch, and the patches less their means.
    reference
        White noise at the same places.
    places
        Which of all patches of the plane are without texture, by their numbers.
    reading
        What these say.
    kurtosis
        That of the values in them, less the means of the patches: 3 for normal noise.
    """

    brightness: Tensor
    patches: Tensor
    reference: Tensor
    places: Tensor
    reading: Reading
    kurtosis: float

    def is_clear(self, most: float = CORRELATED_RATIO) -> bool:
        """Return whether the pixels of a patch share no noise, and enough patches say so."""
        return self.reading.ratio <= most and self.weak_share >= MIN_WEAK_SHARE

    @property
    def weak_share(self) -> float:
        """The share of the patches that are without texture."""
        return len(self.places) / len(self.patches)


def survey(plane: Tensor, dilation: int, reference: Tensor) -> Survey | None:
    """Return the survey of a plane with patches of a dilation, None where there are too few.

    Patches of nothing but the one value most common in such are left out as a border or a mask, unless too few others
    remain. ``reference`` are the patches of white noise at the same places, their means 0.
    """
    patches = patches_of(plane, dilation)
    usable = ~_border(patches)
    if int(usable.sum()) < MIN_PATCHES:
        usable = torch.ones_like(usable)
    patches, reference = patches[usable], reference[usable]
    if len(patches) < MIN_PATCHES:
        return None
    brightness = patches.mean(1)
    patches -= brightness[:, None]
    flat, reading = read(brightness, patches, reference)
    squares = patches[flat].double().square()
    kurtosis = float(squares.square().mean() / squares.mean() ** 2)
    return Survey(brightness, patches, reference, usable.nonzero()[flat, 0], reading, kurtosis)


def read(brightness: Tensor, patches: Tensor, reference: Tensor, flatness: float = FLATNESS) -> tuple[Tensor, Reading]:
    """Return which patches hold no more texture than the noise makes, by their numbers, and what these say.

    ``reference`` is white noise at the same places.
    """
    texture, order = _texture(patches).sort()
    pair = torch.stack((patches[order], reference[order]))
    whole = len(patches) // BLOCK
    blocks = moments(pair[:, : whole * BLOCK].view(2, whole, BLOCK, patches.shape[-1]))
    running = functional.pad(blocks.cumsum(1), (0, 0, 0, 0, 1, 0))  # of so many blocks

    def levels(number: int) -> tuple[float, float]:
        """Return the noise in the first of them by the smallest eigenvalues, and by the one in the middle."""
        whole = number // BLOCK
        eigenvalues = _eigenvalues(running[:, whole] + moments(pair[:, whole * BLOCK : number]))
        smallest, middle = eigenvalues[:, :NOISE_EIGENVALUES].mean(1), eigenvalues[:, eigenvalues.shape[1] // 2]
        return max(float(smallest[0] / smallest[1]), 0.0), float(middle[0] / middle[1])

    number, previous = len(patches), 0.0
    variance, median = levels(number)
    for _ in range(MOST_ROUNDS):
        narrowed = int(torch.searchsorted(texture, flatness * variance))
        if narrowed < MIN_PATCHES or abs(variance - previous) <= SETTLED * variance:
            break
        number, previous = narrowed, variance
        variance, median = levels(number)
    flat = order[:number]
    ratio = median / variance if variance else math.inf if median else 1.0
    return flat, Reading(float(brightness[flat].mean()), variance, ratio)


def autocorrelation(plane: Tensor, dilation: int, found: Survey) -> NDArray[np.float64]:
    r"""Return the autocorrelation of the noise at lags of up to ``dilation`` pixels each way, that of 0 in the middle.

    It is :math:`1 - \mathrm{E}(x_i - x_{i+d})^2 / 2\sigma^2` in places without texture, where what there is of the
    picture hardly changes from a pixel to one so near. The median over the places passes over hot pixels between those
    of which the patches are made.
    """
    squares = _windows(plane, dilation)
    span = squares.shape[-1]
    places = found.places[:: math.ceil(len(found.places) * span**2 / WINDOWS)]
    x = squares[torch.unravel_index(places, squares.shape[:-2])].cpu().double().numpy()
    result = np.ones((2 * dilation + 1,) * 2)
    for down in range(dilation + 1):
        for across in range(-dilation, dilation + 1):
            here = x[:, : span - down, max(-across, 0) : span - max(across, 0)]
            there = x[:, down:, max(across, 0) : span - max(-across, 0)]
            squares_of_differences = np.median(((here - there) ** 2).mean((1, 2)))
            value = max(1 - float(squares_of_differences) / (2 * found.reading.variance), -1.0)
            result[dilation + down, dilation + across] = result[dilation - down, dilation - across] = value
    return result


def patches_of(plane: Tensor, dilation: int) -> Tensor:
    """Return evenly spread patches of pixels that are ``dilation`` apart, row by row, (N, SIDE * SIDE) on the CPU."""
    return _windows(plane, dilation)[..., ::dilation, ::dilation].reshape(-1, SIDE * SIDE).cpu()


def _windows(plane: Tensor, dilation: int) -> Tensor:
    """Return the squares that such patches span, (..., span, span).

    The steps from one to the next are odd, so that patches begin at every place of the 2x2 pixels of a camera's colour
    filter and of the blocks of a JPEG.
    """
    span = (SIDE - 1) * dilation + 1
    if min(plane.shape[-2:]) < span:
        return plane.new_zeros(0, span, span)
    ratio = max(plane.numel() / PATCHES, 1.0)
    down = _nearest_odd(ratio**0.5)
    across = _nearest_odd(ratio / down)
    return plane.unfold(-2, span, down).unfold(-2, span, across)


def _nearest_odd(number: float) -> int:
    return 2 * round((number - 1) / 2) + 1


def _border(patches: Tensor) -> Tensor:
    """Return which patches are constant at the commonest constant value."""
    low, high = patches.aminmax(dim=1) if len(patches) else (patches.new_zeros(0),) * 2
    is_constant = low == high
    return is_constant & (low == (low[is_constant].mode().values if is_constant.any() else torch.nan))


def _texture(patches: Tensor) -> Tensor:
    """Return the sum of the squared differences of neighbours in each patch."""
    squares = patches.view(-1, SIDE, SIDE)
    return squares.diff(dim=1).square_().sum((1, 2)) + squares.diff(dim=2).square_().sum((1, 2))


def moments(patches: Tensor) -> Tensor:
    """Return the sums of products of two pixels of (..., N, SIDE * SIDE), and last of one and 1, in float64.

    Values are first rounded to so many bits of the largest that the sums are exact, and so the same whatever libraries
    and threads, which share them, the order.
    """
    number = patches.shape[-2]
    if not number:
        return patches.new_zeros((patches.shape[-1] + 1,) * 2, dtype=torch.float64)
    bits = (53 - number.bit_length()) // 2
    largest = patches.abs().amax((-2, -1), keepdim=True).numpy()
    digits = np.finfo(largest.dtype).nmant
    # Beside such a number nothing is left of digits beyond those.
    shift = torch.from_numpy(np.ldexp(np.full_like(largest, 1.5), np.frexp(largest)[1] - bits + digits))
    wide = functional.pad(patches.add(shift).sub_(shift).double(), (0, 1), value=1.0)
    return wide.mT @ wide


def _eigenvalues(sums: Tensor) -> Tensor:
    """Return the eigenvalues of the covariance of patches whose own means are 0, smallest first, but for that 0."""
    mean, number = sums[..., -1:, :-1] / sums[..., -1:, -1:], sums[..., -1:, -1:]
    eigenvalues: Tensor = torch.linalg.eigvalsh(sums[..., :-1, :-1] / number - mean.mT @ mean)[..., 1:]
    return eigenvalues
