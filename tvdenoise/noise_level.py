"""The standard deviation of the noise, from one picture."""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tvdenoise import calculus

SEED = 0x71DE
"""Of the white noise that serves for comparison: none that anybody would draw a picture's noise with."""

SIDE = 5
"""The side of the patches."""

SMALLEST = 3
"""How many of the smallest eigenvalues count as noise alone."""

MIN_PATCHES = 3 * SIDE * SIDE
MAX_PATCHES = 2**14

CHUNK = 1024
"""Patches, sorted by their texture, that are summed up once."""

BLOCK = 256
"""Patches whose products are summed at a time: threads share larger sums, and the last bits tell how many they were."""

FLATNESS = 155.9
"""The 0.99 quantile of a patch's sum of squared neighbour differences in white noise of variance 1."""

NOT_WHITE = 1.6
"""The ratio of the median to the smallest eigenvalues above which noise counts as spatially correlated."""

TEXTURED = 1.5
"""The same ratio, in the median over the brighter groups, above which texture may be what makes a variance rise."""

BINS = 8
"""Groups of equally many patches, by their brightness."""

RISE = 2.0
"""How much more variance the brightest group must have than the darkest for noise that depends on the signal."""


@dataclass(frozen=True)
class ChannelNoise:
    """The noise of one channel: variance ``max(gain * (x - zero), least)`` where the picture has intensity x.

    Attributes
    ----------
    sigma
        The root mean square of the standard deviation over the picture.
    least
        The smallest variance; where noise does not depend on the signal, the only one.
    gain, zero
        The rise of the variance with the intensity, and the intensity without shot noise.
    is_correlated
        Whether neighbouring pixels share noise (JPEG, demosaicking, resampling), so that sigma is too small a reading.
    """

    sigma: float
    least: float
    gain: float = 0.0
    zero: float = 0.0
    is_correlated: bool = False

    @classmethod
    def constant(cls, sigma: float) -> "ChannelNoise":
        """Return noise that is the same everywhere."""
        return cls(sigma, sigma**2)

    def variance(self, plane: Tensor) -> Tensor:
        """Return the variance in every pixel of the noisy (..., H, W), whose intensity is the mean around it."""
        brightness = functional.avg_pool2d(plane[None], SIDE, 1, SIDE // 2, count_include_pad=False)[0]
        return (self.gain * (brightness - self.zero)).clamp_(min=self.least)

    def stabilized(self, plane: Tensor) -> Tensor:
        """Return the plane on a scale where its noise has variance 1 everywhere (Anscombe's for counts)."""
        if not self.gain:
            return plane / (self.sigma or 1.0)
        return (self.gain * (plane - self.zero)).clamp_(min=self.least).sqrt_() * (2 / self.gain)


def noise_level(f: Tensor) -> tuple[ChannelNoise, ...]:
    r"""Estimate the noise in each channel of (C, H, W), or (C, D, H, W), by its weakly textured patches.

    In patches without texture the covariance of the pixels is that of the noise, :math:`\sigma^2 I`. Such patches are
    those whose neighbour differences are no larger than noise of the present estimate makes them; estimate and
    selection take turns until they agree. The estimate is the mean of the smallest eigenvalues of the covariance over
    the same mean for white noise at the same places. Pixels at the ends of a channel's values may be saturated, and
    patches of nothing but the one value most common there a border or a mask: neither count unless hardly any other
    remains. In the smallest pictures the median absolute difference takes the place of patches.

    The same in groups of patches of like brightness shows whether the variance rises with the signal, as where photons
    are counted; a line is laid through the groups then. Texture, which may look alike, also makes neighbours alike, and
    is told by that.

    Sources: Liu, Tanaka and Okutomi, "Single-image noise level estimation for blind denoising", IEEE Trans. Image
    Processing 22 (2013); eigenvalues as in Pyatykh, Hesser and Zheng, the same volume; the line: Foi, Trimeche,
    Katkovnik and Egiazarian, "Practical Poissonian-Gaussian noise modeling and fitting", the same journal, 17 (2008).
    """
    white = _patches(torch.randn(f.shape[1:], generator=torch.Generator().manual_seed(SEED)).to(f))
    white -= white.mean(1, keepdim=True)
    return tuple(_channel(plane, white) for plane in f)


def _channel(plane: Tensor, white: Tensor) -> ChannelNoise:
    """Return the noise of a plane; ``white`` are the patches of white noise, their means 0."""
    patches = _patches(plane)
    usable = _usable(plane, patches)
    if int(usable.sum()) < MIN_PATCHES:
        usable = torch.ones_like(usable)
    patches = patches[usable]
    if len(patches) < MIN_PATCHES:
        return ChannelNoise.constant(_median_level(plane))
    white, brightness, texture = white[usable], patches.mean(1), _texture(patches)
    patches -= brightness[:, None]
    patches -= patches.mean(0)
    flat = _flat(patches, texture)
    reading = _read(brightness[flat], patches[flat], white[flat])
    return _rising(plane, _by_brightness(brightness, patches, white)) or replace(
        ChannelNoise.constant(math.sqrt(reading.variance)), is_correlated=reading.correlation > NOT_WHITE
    )


def _usable(plane: Tensor, patches: Tensor) -> Tensor:
    """Return which patches touch neither end of the values, and hold more than the value most of the constant hold."""
    low, high = patches.aminmax(dim=1) if len(patches) else (plane.new_zeros(0),) * 2
    is_constant = low == high
    border = low[is_constant].mode().values if is_constant.any() else torch.nan
    return (low > plane.min()) & (high < plane.max()) & ~(is_constant & (low == border))


class _Reading(NamedTuple):
    """What patches say of the noise in them."""

    brightness: float
    variance: float
    correlation: float
    """The ratio of the median to the smallest eigenvalues, 1 in white noise."""


def _read(brightness: Tensor, patches: Tensor, white: Tensor) -> _Reading:
    """Return the reading of patches, ``white`` being white noise at the same places."""
    eigenvalues, reference = _spectrum(_moments(patches)), _spectrum(_moments(white))
    variance = max(float(eigenvalues[:SMALLEST].mean() / reference[:SMALLEST].mean()), 0.0)
    middle = len(eigenvalues) // 2
    correlation = float(eigenvalues[middle] / reference[middle]) / variance if variance > 0 else 1.0
    return _Reading(float(brightness.mean()), variance, correlation)


def _texture(patches: Tensor) -> Tensor:
    """Return the sum of the squared differences of neighbours in each patch."""
    squares = patches.view(-1, SIDE, SIDE)
    return squares.diff(dim=1).square_().sum((1, 2)) + squares.diff(dim=2).square_().sum((1, 2))


def _flat(patches: Tensor, texture: Tensor) -> Tensor:
    """Return the places of the patches that hold no more texture than the noise makes."""
    texture, order = texture.sort()
    patches = patches[order]
    whole = len(patches) // CHUNK
    chunks = _moments(patches[: whole * CHUNK].view(whole, CHUNK, SIDE * SIDE))
    running = functional.pad(chunks.cumsum(0), (0, 0, 0, 0, 1, 0))  # of so many chunks
    number, variance = len(patches), 0.0
    for _ in range(10):
        whole = number // CHUNK
        moments = running[whole] + _moments(patches[whole * CHUNK : number])
        previous, variance = variance, float(_spectrum(moments)[:SMALLEST].mean())
        if abs(variance - previous) <= 2e-3 * variance:
            break
        narrowed = int(torch.searchsorted(texture, FLATNESS * variance))
        if narrowed < MIN_PATCHES:
            break
        number = narrowed
    return order[:number]


def _by_brightness(brightness: Tensor, patches: Tensor, white: Tensor) -> list[_Reading]:
    """Return the readings of groups of patches with like means that have any noise, from dark to bright."""
    if len(patches) < 2 * BINS * MIN_PATCHES:
        return []
    groups = brightness.argsort().tensor_split(BINS)
    readings = [_read(brightness[group], patches[group], white[group]) for group in groups]
    most = max(reading.variance for reading in readings)
    return [reading for reading in readings if reading.variance > 1e-3 * most]


def _rising(plane: Tensor, groups: list[_Reading]) -> ChannelNoise | None:
    """Return noise whose variance rises with the brightness along a line through the groups, if it does."""
    if len(groups) < BINS // 2:
        return None
    brightness, variance, correlation = np.array(groups).T
    fitted = variance
    for _ in range(3):  # relative errors count: texture only adds to a reading
        gain, offset = np.polyfit(brightness, variance, 1, w=1 / fitted)
        fitted = np.maximum(gain * brightness + offset, variance.min())
    if not (gain > 0 and fitted[-1] > RISE * fitted[0]) or np.median(correlation[len(groups) // 2 :]) > TEXTURED:
        return None
    noise = ChannelNoise(0.0, float(variance.min()), float(gain), float(-offset / gain))
    return replace(noise, sigma=math.sqrt(float(calculus.array(noise.variance(plane)).mean())))


def _patches(plane: Tensor) -> Tensor:
    """Return evenly spread patches, row by row each, (N, SIDE * SIDE)."""
    if min(plane.shape[-2:]) < SIDE:
        return plane.new_zeros(0, SIDE * SIDE)
    step = math.ceil((plane.numel() / MAX_PATCHES) ** 0.5)
    return plane.unfold(-2, SIDE, step).unfold(-2, SIDE, step).reshape(-1, SIDE * SIDE)


def _moments(patches: Tensor) -> Tensor:
    """Return the sums of products of two pixels of (..., N, SIDE * SIDE), and last of one and 1."""
    wide = functional.pad(patches, (0, 1), value=1.0)
    number, values = wide.shape[-2] // BLOCK, wide.shape[-1]
    rest = wide[..., number * BLOCK :, :]
    blocks = wide[..., : number * BLOCK, :].reshape(*wide.shape[:-2], number, BLOCK, values)
    sums: Tensor = (blocks.mT @ blocks).cpu().double().sum(-3) + (rest.mT @ rest).cpu().double()
    return sums


def _spectrum(moments: Tensor) -> Tensor:
    """Return the eigenvalues of the covariance of patches whose own means are 0, smallest first, but for that 0."""
    *_, sums = moments
    mean = sums[:-1] / sums[-1]
    eigenvalues: Tensor = torch.linalg.eigvalsh(moments[:-1, :-1] / sums[-1] - torch.outer(mean, mean))[1:]
    return eigenvalues


def _median_level(plane: Tensor) -> float:
    """Return the noise level of a small picture by the median absolute difference of neighbours."""
    differences = [plane.diff(dim=dim).abs().flatten() for dim in (-1, -2)]
    pooled = torch.cat(differences)
    return float(pooled.median()) / (2**0.5 * 0.6745) if len(pooled) else 0.0
