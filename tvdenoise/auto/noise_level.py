"""The standard deviation of the noise, from one picture."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise, product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tvdenoise.auto.patches import (
    CORRELATED_RATIO,
    FLATNESS,
    MIN_PATCHES,
    SIDE,
    Survey,
    autocorrelation,
    patches_of,
    read,
    survey,
)
from tvdenoise.model import operators

SEED = 0x71DE
"""Of the white noise that serves for comparison: hardly the seed of noise that a user adds."""

DILATIONS = (2, 3, 4, 6, 8)
"""Distances between the pixels of a patch, tried in turn where neighbours share noise: far enough apart none do."""

NEARLY_RATIO = 1.35
"""The ratio of the median to the smallest eigenvalues below which pixels share little noise: where they always do."""

TEXTURE_FROM, TEXTURE_SHARE = 6, 0.75
"""From this dilation on texture such as grass passes for noise: a reading counts only below so much of the standard
deviation of the picture."""

MIN_INCREASE, FAR_INCREASE = 1.3, 2.5
"""How much more noise must be read at a larger dilation, and from :data:`TEXTURE_FROM` on: less of it is texture such
as bricks and fur, ..."""

FREE_SHARE = 0.75
"""... unless so many patches are without texture there."""

LEAST_SHARED = 1.45
"""The ratio of the median to the smallest eigenvalues below which :data:`FAR_INCREASE` is asked of all dilations:
noise that is shared at all has a larger one, unless compression has left hardly any between neighbours."""

CHANGE_SHARE = 0.3
"""How many of the patches must be without texture at a larger dilation for groups of them to tell of a change."""

MIN_KURTOSIS = 2.2
"""Of noise that is shared. Patterns of few values, such as bar codes, pass for it otherwise: two have a kurtosis of 1,
many, equally frequent, one of 1.8."""

NEARLY_WHITE, FAR_EXCESS = 2.2, 0.25
"""The ratio of the median to the smallest eigenvalues below which noise, as that of pictures made smaller, is so nearly
white that the median is hardly more than its variance, and hardly touched by texture. Texture adds about so many times
the median to what is read at a larger dilation."""

SHARED_RATIO = 1.6
"""The ratio of the median to the smallest eigenvalues above which noise counts as shared where none is found that is
not."""

BINS = 8
"""Groups of equally many patches, by their brightness."""

LENIENT = 2 * FLATNESS
"""How much texture patches of a group may seem to have where noise rises with the signal, in the lights too: counts
scatter more than normal noise. Their ratio tells of that too, and its root is taken."""

MIN_CHANGE = 1.5
"""Noise changes with the signal where a line through the groups has at one end more than so many times the variance of
the other; as texture does the same, so many times the third power of the median ratio of eigenvalues."""


@dataclass(frozen=True)
class ChannelNoise:
    """The noise of one channel.

    Attributes
    ----------
    sigma
        The root mean square of the standard deviation over the picture.
    curve
        The variance at some brightnesses, from dark to bright: between two of them it lies on a line, beyond the ends
        it is that of the end.
    slope
        The rise of a line through the curve, 0 where that may be chance or texture; of counts what one photon is.
    is_correlated
        Whether neighbouring pixels share noise (JPEG, demosaicking, resampling).
    autocorrelation
        The noise's, at lags of some pixels down and across, 1 in the middle; empty if it could not be read, and
        where noise is white.
    """

    sigma: float
    curve: tuple[tuple[float, float], ...]
    slope: float = 0.0
    is_correlated: bool = False
    autocorrelation: tuple[tuple[float, ...], ...] = ()

    @classmethod
    def constant(cls, sigma: float) -> "ChannelNoise":
        """Return noise that is the same everywhere."""
        return cls(sigma, ((0.0, sigma**2),))

    def times(self, factor: float) -> "ChannelNoise":
        """Return noise of so many times the variance."""
        curve = tuple((brightness, factor * variance) for brightness, variance in self.curve)
        return replace(self, sigma=math.sqrt(factor) * self.sigma, curve=curve, slope=factor * self.slope)

    def variance(self, plane: Tensor) -> Tensor:
        """Return the variance in every pixel of the noisy (..., H, W), whose brightness is the mean around it."""
        result = torch.full_like(plane, self.curve[0][1])
        if len(self.curve) == 1:
            return result
        pictures = plane.reshape(-1, 1, *plane.shape[-2:])
        brightness = functional.avg_pool2d(pictures, SIDE, 1, SIDE // 2, count_include_pad=False).view_as(plane)
        for (dark, least), (bright, most) in pairwise(self.curve):
            result += (brightness - dark).clamp_(0, bright - dark).mul_((most - least) / (bright - dark))
        return result.clamp_(min=min(variance for _, variance in self.curve))

    def stabilized(self, plane: Tensor) -> Tensor:
        """Return the plane on a scale where its noise has variance 1: the integral of 1 over the deviation."""
        if not self.sigma:
            return plane
        (dark, first), (bright, last) = self.curve[0], self.curve[-1]
        result = (plane - dark).clamp_(max=0) / math.sqrt(first) + (plane - bright).clamp_(min=0) / math.sqrt(last)
        for (dark, least), (bright, most) in pairwise(self.curve):
            step = (plane - dark).clamp_(0, bright - dark)
            variance = least + step * ((most - least) / (bright - dark))
            deviation = variance.clamp_(min=min(least, most)).sqrt_()
            result += 2 * step / (deviation + math.sqrt(least))
        return result


def noise_level(f: Tensor) -> tuple[ChannelNoise, ...]:
    r"""Estimate the noise in each channel of (C, H, W), or (C, D, H, W), by its weakly textured patches.

    In patches without texture the covariance of the pixels is that of the noise, :math:`\sigma^2 I`. Such patches are
    those whose neighbour differences are no larger than noise of the present estimate makes them; estimate and
    selection take turns until they agree. The estimate is the mean of the smallest eigenvalues of the covariance over
    the same mean for white noise at the same places. Patches of nothing but the one value most common in such are a
    border or a mask, and do not count. In the smallest pictures the median absolute difference takes the place of
    patches.

    This is done in groups of patches of like brightness: the variance rises with the signal where photons are counted,
    falls where a photograph's shadows are brightened, and is less in black and white, which cut it off. What little
    texture the patches still have makes neighbours alike, so that the larger eigenvalues tell of it: the estimate is
    divided by the ratio of their median to the smallest.

    Where neighbours share noise the smallest eigenvalues say too little. Patches are made of pixels further apart then,
    until these share none; a rise with the signal could not be told from texture in them, a fall can. Of noise that is
    nearly white, as in pictures made smaller, the median of the first eigenvalues tells better. Where pixels always
    share some, it is the texture of the picture that is alike, or noise too much like a picture, and the first reading
    stands.

    Sources: Liu, Tanaka and Okutomi, "Single-image noise level estimation for blind denoising", IEEE Trans. Image
    Processing 22 (2013); eigenvalues as in Pyatykh, Hesser and Zheng, the same volume.
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
    near = survey(plane, 1, reference(1))
    if near is None:
        return ChannelNoise.constant(_median_level(plane))
    noise, ratio = _by_brightness(near)
    if near.is_clear() or ratio <= CORRELATED_RATIO:
        return noise
    return _shared(plane, near, reference) or replace(noise, is_correlated=near.reading.ratio > SHARED_RATIO)


def _shared(plane: Tensor, near: Survey, reference: Callable[[int], Tensor]) -> ChannelNoise | None:
    """Return noise that neighbouring pixels share, if pixels further apart tell that it is so."""

    @cache
    def surveys(dilation: int) -> Survey | None:
        return survey(plane, dilation, reference(dilation))

    for most, dilation in product((CORRELATED_RATIO, NEARLY_RATIO), DILATIONS):
        far = surveys(dilation)
        if far is not None and far.is_clear(most):
            break
    else:
        return None
    variance = far.reading.variance
    is_far = dilation >= TEXTURE_FROM
    is_texture = is_far and variance > TEXTURE_SHARE**2 * float(operators.array(plane).var())
    is_doubtful = is_far or near.reading.ratio < LEAST_SHARED
    increase = 1.0 if far.weak_share >= FREE_SHARE else FAR_INCREASE if is_doubtful else MIN_INCREASE
    if is_texture or far.kurtosis < MIN_KURTOSIS or variance <= increase**2 * near.reading.variance:
        return None
    found = autocorrelation(plane, dilation, far)
    noise, ratio = _by_brightness(far)
    if noise.slope >= 0 or ratio > CORRELATED_RATIO or far.weak_share < CHANGE_SHARE:
        noise = ChannelNoise.constant(math.sqrt(variance))
    if near.reading.ratio < NEARLY_WHITE:
        median = near.reading.ratio * near.reading.variance
        noise = noise.times(min(max(variance - FAR_EXCESS * median, median) / variance, 1.0))
    return replace(noise, is_correlated=True, autocorrelation=tuple(map(tuple, found.tolist())))


def _by_brightness(found: Survey) -> tuple[ChannelNoise, float]:
    """Return noise by the readings of groups of patches with like means, and the median of their ratios.

    What texture adds to a reading it adds to its ratio too, by which that is divided. Where it adds much, groups differ
    by it, and count only if noise changes more.
    """
    brightness, patches, reference, _, whole, _ = found
    constant = ChannelNoise.constant(math.sqrt(whole.variance))
    if len(patches) < 2 * BINS * MIN_PATCHES:
        return constant, whole.ratio
    groups = brightness.argsort().tensor_split(BINS)

    def readings(flatness: float) -> NDArray[np.float64]:
        found = [read(brightness[group], patches[group], reference[group], flatness)[1] for group in groups]
        return np.array(found).T

    x, variances, ratios = readings(FLATNESS)
    variances /= ratios
    ratio = float(np.median(ratios))
    if not (variances.all() and np.ptp(x)):
        return constant, ratio
    line, slope, least = variances, 0.0, variances.min()
    for _ in range(3):  # relative errors count
        weights = (least / line) ** 2
        middle, height = (np.average(values, weights=weights) for values in (x, variances))
        slope = float(weights @ ((x - middle) * variances) / (weights @ (x - middle) ** 2))
        line = np.maximum(height + slope * (x - middle), least)
    change = float(line[-1] / line[0])
    is_change = max(change, 1 / change) > MIN_CHANGE * ratio**3
    if not is_change and ratio > CORRELATED_RATIO:
        return constant, ratio
    half = len(x) // 2  # a cut-off at black makes noise rise in the lower half alone
    rises_in_the_lights = variances[-1] - variances[half] > 0.5 * slope * (x[-1] - x[half]) > 0
    if is_change and rises_in_the_lights:
        x, variances, ratios = readings(LENIENT)
        variances = np.maximum(variances / np.sqrt(ratios), least)
        most = float(brightness.max())
        x, variances = np.append(x, most), np.append(variances, variances[-1] + slope * (most - x[-1]))
    curve = dict(zip(x.tolist(), variances.tolist(), strict=True))  # groups of one value have one brightness
    sigma = math.sqrt(np.interp(brightness.double().numpy(), list(curve), list(curve.values())).mean())
    return ChannelNoise(sigma, tuple(curve.items()), slope if is_change else 0.0), ratio


def _median_level(plane: Tensor) -> float:
    """Return the noise level of a small picture by the median absolute difference of neighbours."""
    differences = [plane.diff(dim=dim).abs().flatten() for dim in (-1, -2)]
    pooled = torch.cat(differences)
    return float(pooled.median()) / (2**0.5 * 0.6745) if len(pooled) else 0.0
