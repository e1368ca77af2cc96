"""The standard deviation of the noise, from one picture."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, special
from torch.nn import functional

from tvdenoise import calculus
from tvdenoise.patches import (
    CORRELATED_RATIO,
    MIN_PATCHES,
    SIDE,
    Reading,
    Survey,
    autocorrelation,
    patches_of,
    read,
    survey,
)

SEED = 0x71DE
"""Of the white noise that serves for comparison: hardly the seed of noise that a user adds."""

DILATIONS = (2, 3, 4, 6, 8)
"""Distances between the pixels of a patch, tried in turn where neighbours share noise: far enough apart none do."""

NEARLY_RATIO = 1.35
"""The ratio of the median to the smallest eigenvalues below which pixels share little noise: where they always do."""

TEXTURE_FROM, TEXTURE_SHARE = 6, 0.75
"""From this dilation on texture such as grass passes for noise: a reading counts only below so much of the standard
deviation of the picture."""

MIN_INCREASE, FAR_INCREASE = 1.4, 2.5
"""How much more noise must be read at a larger dilation, and from :data:`TEXTURE_FROM` on: less of it is texture such
as bricks and fur, ..."""

FREE_SHARE = 0.75
"""... unless so many patches are without texture there."""

SHARED_RATIO = 1.6
"""The ratio of the median to the smallest eigenvalues above which noise counts as shared where none is found that is
not."""

BINS = 8
"""Groups of equally many patches, by their brightness."""

MIN_SHARE = 0.3
"""Where fewer of the patches hold no saturated pixel they may be no sample of the noise: that of a dark picture is cut
off at black all over. Those that are at most half saturated count too then. If noise does not change with the signal
in them, the larger of both readings stands: where a picture itself is white, half of the noise is cut off."""

MIN_RISE, TEXTURE_RATIO = 2.0, 1.5
"""Noise grows with the signal where the brightest group has so many times the variance of the darkest, unless the ratio
of the median to the smallest eigenvalues, in the median of the brighter groups, is so large that it may be texture."""

MIN_CHANGE = 1.25
"""It changes, either way, where the noisiest group has this times that ratio times the variance of the quietest, ..."""

MAX_DEVIATION = 0.1
"""... the ratio is at most :data:`CORRELATED_RATIO`, and the groups lie so near a line (root mean square, relative)."""


FAR, LEAST_MASS, MAX_CORRECTION = 4.0, 1e-4, 2.0
"""Ends so many standard deviations away cut nothing off. Where noise is cut off much, less can be said of it."""

Values = NDArray[np.float64]


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
        The rise of the variance with the intensity, and the intensity at which the line of it comes to 0.
    is_correlated
        Whether neighbouring pixels share noise (JPEG, demosaicking, resampling).
    autocorrelation
        The noise's, at lags of some pixels down and across, 1 in the middle; empty if it could not be read, and
        where noise is white.
    """

    sigma: float
    least: float
    gain: float = 0.0
    zero: float = 0.0
    is_correlated: bool = False
    autocorrelation: tuple[tuple[float, ...], ...] = ()

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
    patches of nothing but the one value most common there a border or a mask: neither count unless too few others
    remain, as of a dark picture. In the smallest pictures the median absolute difference takes the place of patches.

    The same in groups of patches of like brightness shows whether the variance rises with the signal, as where photons
    are counted, or falls, as in photographs, whose shadows are brightened; a line is laid through the groups then.
    Texture, which may look alike, also makes neighbours alike, and is told by that; noise that black and white cut off
    is seen as what it was before.

    Where neighbours share noise the smallest eigenvalues say too little. Patches are made of pixels further apart then,
    until these share none; a rise with the signal could not be told from texture in them, a fall can. Where they always
    do, it is the texture of the picture that is alike, or noise too much like a picture, and the first reading stands.

    Sources: Liu, Tanaka and Okutomi, "Single-image noise level estimation for blind denoising", IEEE Trans. Image
    Processing 22 (2013); eigenvalues as in Pyatykh, Hesser and Zheng, the same volume; the line: Foi, Trimeche,
    Katkovnik and Egiazarian, "Practical Poissonian-Gaussian noise modeling and fitting", the same journal, 17 (2008).
    """
    generator = torch.Generator().manual_seed(SEED)
    white = torch.randn(f.shape[1:], generator=generator, device="cpu", dtype=torch.float32).to(f.dtype)

    @cache
    def white_patches(dilation: int) -> Tensor:
        patches = patches_of(white, dilation)
        return patches - patches.mean(1, keepdim=True)

    return tuple(_channel(plane, white_patches) for plane in f)


def _channel(plane: Tensor, reference: Callable[[int], Tensor]) -> ChannelNoise:
    """Return the noise of a plane; ``reference`` returns those patches of white noise, by their dilation."""
    pair = _narrow_and_wide(plane, 1, reference)
    if pair is None:
        return ChannelNoise.constant(_median_level(plane))
    if changing := _changing(plane, pair[1]):
        return changing
    near = max(pair, key=_variance)
    return (None if near.is_clear() else _shared(plane, near, reference)) or replace(
        ChannelNoise.constant(math.sqrt(near.reading.variance)), is_correlated=near.reading.ratio > SHARED_RATIO
    )


def _narrow_and_wide(plane: Tensor, dilation: int, reference: Callable[[int], Tensor]) -> tuple[Survey, Survey] | None:
    """Return a survey without saturated pixels and, where those are many, one with them, else the same twice."""
    narrow = survey(plane, dilation, reference(dilation))
    if narrow is None:
        return None
    if narrow.share >= MIN_SHARE:
        return narrow, narrow
    return narrow, survey(plane, dilation, reference(dilation), with_saturated=True) or narrow


def _variance(found: Survey) -> float:
    return found.reading.variance


def _shared(plane: Tensor, near: Survey, reference: Callable[[int], Tensor]) -> ChannelNoise | None:
    """Return noise that neighbouring pixels share, if pixels further apart tell that it is so."""

    @cache
    def surveys(dilation: int) -> Survey | None:
        return max(_narrow_and_wide(plane, dilation, reference) or (), key=_variance, default=None)

    for most, dilation in product((CORRELATED_RATIO, NEARLY_RATIO), DILATIONS):
        far = surveys(dilation)
        if far is not None and far.is_clear(most):
            break
    else:
        return None
    variance = far.reading.variance
    is_far = dilation >= TEXTURE_FROM
    is_texture = is_far and variance > TEXTURE_SHARE**2 * float(calculus.array(plane).var())
    increase = 1.0 if far.weak_share >= FREE_SHARE else FAR_INCREASE if is_far else MIN_INCREASE
    if is_texture or variance <= increase**2 * near.reading.variance:
        return None
    found = autocorrelation(plane, dilation, far)
    uncut = far._replace(ends=(-math.inf, math.inf))  # what was cut off was so before neighbours came to share it
    noise = _changing(plane, uncut)
    if noise is None or noise.gain > 0:
        noise = ChannelNoise.constant(math.sqrt(variance))
    return replace(noise, is_correlated=True, autocorrelation=tuple(map(tuple, found.tolist())))


def _by_brightness(found: Survey) -> list[Reading]:
    """Return the readings of groups of patches with like means that have any noise, from dark to bright."""
    brightness, patches, reference, *_ = found
    if len(patches) < 2 * BINS * MIN_PATCHES:
        return []
    groups = brightness.argsort().tensor_split(BINS)
    readings = [read(brightness[group], patches[group], reference[group]) for group in groups]
    most = max(reading.variance for reading in readings)
    return [reading for reading in readings if reading.variance > 1e-3 * most]


def _untruncated(means: Values, variances: Values, ends: tuple[float, float]) -> Values:
    r"""Return the variances of normal noise of which those means and variances remain between the ends.

    With :math:`a, b` the ends on the scale of the noise and :math:`Z = \Phi(b) - \Phi(a)`, the mean rises by
    :math:`\sigma r`, :math:`r = (\varphi(a) - \varphi(b)) / Z`, and the variance is multiplied by
    :math:`1 + (a\varphi(a) - b\varphi(b)) / Z - r^2`.
    """
    centres, result = means, variances
    for _ in range(20):
        deviations = np.sqrt(result)
        a, b = (torch.from_numpy((end - centres) / deviations).clamp_(-FAR, FAR) for end in ends)
        p, q = (torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi) for x in (a, b))
        mass = (special.ndtr(b) - special.ndtr(a)).clamp_(min=LEAST_MASS)
        r = (p - q) / mass
        centres = means - deviations * r.numpy()
        result = variances / (1 + (a * p - b * q) / mass - r**2).clamp_(min=1 / MAX_CORRECTION).numpy()
    return result


def _changing(plane: Tensor, found: Survey) -> ChannelNoise | None:
    """Return noise whose variance changes with the brightness along a line through groups of patches, if it does."""
    groups = _by_brightness(found)
    if len(groups) < BINS // 2:
        return None
    brightness, variance, correlation = np.array(groups).T
    if not np.ptp(brightness):
        return None
    variance = _untruncated(brightness, variance, found.ends)
    middle, half = brightness.mean(), len(groups) // 2
    line = variance
    for _ in range(3):  # relative errors count: texture only adds to a reading
        gain, offset = np.polyfit(brightness - middle, variance, 1, w=1 / line)
        line = np.maximum(gain * (brightness - middle) + offset, variance.min())
    low, high = (line[0], line[-1]) if gain > 0 else (line[-1], line[0])
    ratio = np.median(correlation[half:] if gain > 0 else correlation[:half])
    deviation = np.sqrt(np.mean((variance / line - 1) ** 2))
    is_steep = gain > 0 and high > MIN_RISE * low and ratio <= TEXTURE_RATIO
    is_line = high > MIN_CHANGE * ratio * low and ratio <= CORRELATED_RATIO and deviation <= MAX_DEVIATION
    if not (is_steep or is_line):
        return None
    noise = ChannelNoise(0.0, float(variance.min()), float(gain), float(middle - offset / gain))
    return replace(noise, sigma=math.sqrt(float(calculus.array(noise.variance(plane)).mean())))


def _median_level(plane: Tensor) -> float:
    """Return the noise level of a small picture by the median absolute difference of neighbours."""
    differences = [plane.diff(dim=dim).abs().flatten() for dim in (-1, -2)]
    pooled = torch.cat(differences)
    return float(pooled.median()) / (2**0.5 * 0.6745) if len(pooled) else 0.0
