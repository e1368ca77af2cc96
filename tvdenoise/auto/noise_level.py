"""The noise in one picture. Each threshold names the picture that needs it, where one is known."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tvdenoise.auto.patches import (
    CORRELATED_RATIO,
    FLATNESS,
    MIN_PATCHES,
    SIDE,
    Array,
    Survey,
    estimate_variance,
    measure_autocorrelation,
    survey,
)
from tvdenoise.model import tensors

SEED = 0x71DE  # of the white noise for comparison: hardly that of noise that a user adds

# Distances between the pixels of a patch, tried in turn where neighbours share noise. Blurred and demosaicked noise
# needs those above 2, the colours of a JPEG 8, as far as its blocks reach.
DILATIONS = (2, 3, 4, 6, 8)
# The ratio of the median to the smallest eigenvalues below which pixels share little noise, which counts where no
# dilation is without. Needed by: 04.png of Set12, noise of 10 blurred by 0.8 pixels (read as 8.9, else as 1.6).
NEARLY_RATIO = 1.35

TEXTURE_FROM = 6  # From this dilation on texture such as grass passes for noise, ...
# ... and an estimate counts only below this share of the standard deviation of the picture. Needed by: scikit-image's
# grass and gravel with noise of 10 (else read as more than three times that).
TEXTURE_SHARE = 0.75

# How many times the standard deviation must be found at a larger dilation: less of it is texture. Needed by: fur and
# bricks in colour pictures with noise of 10 (else read up to a fifth too high).
MIN_INCREASE = 1.3
# The same from TEXTURE_FROM on. Needed by: the chroma of CSet9's baboon with noise of 10 (else read as 16 from pixels 8
# apart, which loses 1.3 dB).
FAR_INCREASE = 2.5
# The ratio of the median to the smallest eigenvalues below which FAR_INCREASE is asked of all dilations: shared noise
# has a larger one. Needed by: the lawn of scikit-image's camera with noise of 3 and 5, and fur (CSet9 at 10: else the
# worst picture loses 1.14 dB, not 0.17).
LEAST_SHARED = 1.45
# Where so many patches are without texture at a larger dilation, any increase counts. It came with JPEGs of quality 60;
# without a bound, scikit-image's coins with noise of 3 are taken for shared noise.
FREE_SHARE = 0.75
CHANGE_SHARE = 0.3  # How many patches must lack texture at a larger dilation for groups of them to tell of a change.
# The least kurtosis of noise that is shared. Two values that are equally frequent have 1, many have 1.8. Needed by:
# patterns of few values, such as bar codes, which are as random as noise at a large dilation.
MIN_KURTOSIS = 2.2

# The ratio of the median to the smallest eigenvalues below which noise is nearly white: the median is hardly more than
# its variance, and hardly touched by texture. Needed by: pictures halved by Lanczos (Set12, noise of 25: else 0.38 dB
# lost, not 0.05).
NEARLY_WHITE = 2.2
FAR_EXCESS = 0.25  # Texture adds about so many times that median to the variance further apart (the same pictures).
# The ratio of the median to the smallest eigenvalues above which noise is called shared where no dilation is without.
# Needed by: grass, gravel, coins and lawn with white noise, whose texture has ratios from 1.25 on.
SHARED_RATIO = 1.6

BINS = 8  # Groups of equally many patches, by their brightness.
# Noise changes with the signal where a line through the groups has at one end more than so many times the variance of
# the other, times the third power of the median ratio of eigenvalues, as texture does the same. Without that power
# noise seemed to fall in 21 of 288 degraded pictures, with it in 9.
MIN_CHANGE = 1.5
# How much texture patches may seem to have where noise rises with the signal, in the lights too: counts scatter more
# than normal noise. Their ratio tells of that too, and its root is taken. Needed by: the confocal micrographs (else
# 1.4 dB lost, not 0.2).
LENIENT = 2 * FLATNESS

Points = tuple[tuple[float, float], ...]
Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class ChannelNoise:
    """The noise of one channel."""

    sigma: float  # the root mean square of the standard deviation over the picture
    # The variance at some brightnesses, from dark to bright: between two of them it lies on a line, beyond the ends it
    # is that of the end.
    curve: Points
    # The rise of a line through the curve, 0 where that may be chance or texture; of counts what one photon is.
    slope: float = 0.0
    is_correlated: bool = False  # whether neighbouring pixels share noise, as after JPEG, demosaicking and resampling
    # At lags of some pixels down and across, 1 in the middle; empty if it is unknown, and where noise is white.
    autocorrelation: Rows = ()

    @classmethod
    def constant(cls, sigma: float) -> "ChannelNoise":
        """Return noise that is the same everywhere."""
        return cls(sigma, ((0.0, sigma**2),))

    def scale_variance(self, factor: float) -> "ChannelNoise":
        """Return noise of ``factor`` times the variance."""
        return replace(
            self,
            sigma=math.sqrt(factor) * self.sigma,
            curve=tuple((brightness, factor * variance) for brightness, variance in self.curve),
            slope=factor * self.slope,
        )

    def map_variance(self, plane: Tensor) -> Tensor:
        """Return the variance in every pixel of the noisy (..., H, W), whose brightness is the mean around it."""
        result = torch.full_like(plane, self.curve[0][1])
        if len(self.curve) == 1:
            return result
        pictures = plane.reshape(-1, 1, *plane.shape[-2:])
        padding = SIDE // 2
        means = functional.avg_pool2d(pictures, SIDE, 1, padding, count_include_pad=False)
        brightness = means.view_as(plane)
        for (dark, first), (bright, last) in pairwise(self.curve):
            width = bright - dark
            slope = (last - first) / width
            result += (brightness - dark).clamp_(0, width).mul_(slope)
        return result.clamp_(min=min(variance for _, variance in self.curve))

    def stabilize(self, plane: Tensor) -> Tensor:
        r"""Return the plane on a scale where its noise has variance 1: :math:`\int dx / \sigma(x)`."""
        if not self.sigma:
            return plane
        darkest, variance = self.curve[0]
        below = (plane - darkest).clamp_(max=0)
        result = below / math.sqrt(variance)
        brightest, variance = self.curve[-1]
        above = (plane - brightest).clamp_(min=0)
        result += above / math.sqrt(variance)
        for (dark, first), (bright, last) in pairwise(self.curve):
            width = bright - dark
            slope = (last - first) / width
            step = (plane - dark).clamp_(0, width)
            variances = first + step * slope
            deviation = variances.clamp_(min=min(first, last)).sqrt_()
            # The integral of 1 / sqrt(v) over a step on which the variance v is linear.
            result += 2 * step / (deviation + math.sqrt(first))
        return result


Noise = tuple[ChannelNoise, ...]  # of each channel


def estimate_noise(f: Tensor) -> Noise:
    r"""Estimate the noise in each channel of (C, H, W), or (C, D, H, W), by its weakly textured patches.

    In patches without texture the covariance of the pixels is that of the noise, :math:`\sigma^2 I`. Such patches are
    those whose neighbour differences are no larger than noise of the present estimate makes them; estimate and
    selection take turns until they agree. The estimate is the mean of the smallest eigenvalues of the covariance over
    the same mean for white noise. In the smallest pictures the median absolute difference serves.

    Groups of patches of like brightness are estimated one by one, as the variance changes with the signal where photons
    are counted. Texture that is left makes the larger eigenvalues larger: the estimate is divided by the ratio of their
    median to the smallest. Where neighbours share noise, patches are made of pixels further apart until these share
    none; in them a rise with the signal cannot be told from texture, a fall can.

    Sources: Liu, Tanaka and Okutomi, "Single-image noise level estimation for blind denoising", IEEE Trans. Image
    Processing 22 (2013); eigenvalues as in Pyatykh, Hesser and Zheng, the same volume.
    """
    generator = torch.Generator().manual_seed(SEED)
    white = torch.randn(f.shape[1:], generator=generator, device="cpu", dtype=torch.float32)
    white = white.to(f.dtype)
    return tuple(_estimate_channel(plane, white) for plane in f)


def _estimate_channel(plane: Tensor, white: Tensor) -> ChannelNoise:
    near = survey(plane, white, dilation=1)
    if near is None:  # too small a picture for patches
        return ChannelNoise.constant(_estimate_by_differences(plane))
    noise, ratio = _estimate_by_brightness(near)
    if near.is_clear() or ratio <= CORRELATED_RATIO:
        return noise
    shared = _estimate_shared(plane, white, near)
    return shared or replace(noise, is_correlated=near.ratio > SHARED_RATIO)


def _estimate_by_differences(plane: Tensor) -> float:
    """Return the standard deviation in a small picture by the median absolute difference of neighbours."""
    across = plane.diff().flatten()
    down = plane.diff(dim=-2).flatten()
    differences = torch.cat((across, down)).abs()
    if not len(differences):
        return 0.0
    # The median absolute value is 0.6745 in normal noise of variance 1; differences have twice the variance.
    return float(differences.median()) / (math.sqrt(2) * 0.6745)


def _estimate_shared(plane: Tensor, white: Tensor, near: Survey) -> ChannelNoise | None:
    """Return noise that neighbouring pixels share, or None if pixels further apart do not tell of any."""
    far = _survey_far(plane, white)
    if far is None or _is_texture(plane, near, far):
        return None
    autocorrelation = measure_autocorrelation(plane, far)
    noise, ratio = _estimate_by_brightness(far)
    falls_with_signal = noise.slope < 0 and ratio <= CORRELATED_RATIO and far.weak_share >= CHANGE_SHARE
    if not falls_with_signal:
        noise = ChannelNoise.constant(math.sqrt(far.variance))
    if near.ratio < NEARLY_WHITE:
        # Texture hardly touches the median eigenvalue of near pixels, but adds to what is found further apart.
        median = near.ratio * near.variance
        without_texture = max(far.variance - FAR_EXCESS * median, median)
        noise = noise.scale_variance(min(without_texture / far.variance, 1.0))
    rows = tuple(map(tuple, autocorrelation.tolist()))
    return replace(noise, is_correlated=True, autocorrelation=rows)


def _survey_far(plane: Tensor, white: Tensor) -> Survey | None:
    """Return what patches say at the least dilation at which pixels share no noise, else little."""
    surveys = []
    for dilation in DILATIONS:
        far = survey(plane, white, dilation)
        if far is None:  # nor is there room for patches of a larger dilation
            break
        if far.is_clear():
            return far
        surveys.append(far)
    return next((far for far in surveys if far.is_clear(NEARLY_RATIO)), None)


def _is_texture(plane: Tensor, near: Survey, far: Survey) -> bool:
    """Return whether texture may explain that more noise is found at a larger dilation."""
    if far.kurtosis < MIN_KURTOSIS:
        return True
    is_far = far.dilation >= TEXTURE_FROM
    if is_far and far.variance > TEXTURE_SHARE**2 * float(tensors.array(plane).var()):
        return True
    if far.weak_share >= FREE_SHARE:
        increase = 1.0
    elif is_far or near.ratio < LEAST_SHARED:
        increase = FAR_INCREASE
    else:
        increase = MIN_INCREASE
    return far.variance <= increase**2 * near.variance


def _estimate_by_brightness(found: Survey) -> tuple[ChannelNoise, float]:
    """Return noise by the estimates of groups of patches with like means, and the median of their ratios."""
    constant = ChannelNoise.constant(math.sqrt(found.variance))
    if len(found.brightness) < 2 * BINS * MIN_PATCHES:
        return constant, found.ratio
    x, variances, ratios = _estimate_groups(found, FLATNESS)
    # What texture adds to an estimate it adds to its ratio too.
    variances = variances / ratios
    ratio = float(np.median(ratios))
    if not (variances.all() and np.ptp(x)):
        return constant, ratio
    slope, change = _fit_line(x, variances)
    # Groups may differ by their texture, which shows in the ratio: noise has to change more.
    is_change = max(change, 1 / change) > MIN_CHANGE * ratio**3
    if not is_change:
        if ratio > CORRELATED_RATIO:
            return constant, ratio
        slope = 0.0
    # A cut-off at black makes noise rise in the lower half alone: photons go on in the upper one.
    half = BINS // 2
    rise_in_the_lights = variances[-1] - variances[half]
    rise_of_the_line = slope * np.ptp(x[half:])
    if rise_in_the_lights > 0.5 * rise_of_the_line > 0:
        least = variances.min()
        x, variances, ratios = _estimate_groups(found, LENIENT)
        variances = np.maximum(variances / np.sqrt(ratios), least)
        brightest = float(found.brightness.max())
        beyond = variances[-1] + slope * (brightest - x[-1])
        x = np.append(x, brightest)
        variances = np.append(variances, beyond)
    curve = dict(zip(x.tolist(), variances.tolist(), strict=True))  # groups of one value have one brightness
    brightness = found.brightness.double().numpy()
    by_patch = np.interp(brightness, list(curve), list(curve.values()))
    sigma = math.sqrt(by_patch.mean())
    return ChannelNoise(sigma, tuple(curve.items()), slope), ratio


def _estimate_groups(found: Survey, flatness: float) -> Array:
    """Return brightness, variance and ratio of :data:`BINS` groups of patches, from dark to bright."""
    estimates = []
    for group in found.brightness.argsort().tensor_split(BINS):
        patches = found.patches[:, group]
        flat, variance, ratio = estimate_variance(patches, flatness)
        brightness = float(found.brightness[group[flat]].mean())
        estimates.append((brightness, variance, ratio))
    return np.array(estimates).T


def _fit_line(x: Array, variances: Array) -> tuple[float, float]:
    """Fit a line by weighted least squares; return its slope, and the ratio of its last value to its first."""
    least = variances.min()
    line = variances
    for _ in range(3):
        # The relative errors of variances are equal: their weights follow from the line of the round before.
        weights = (least / line) ** 2
        height = np.average(variances, weights=weights)
        offsets = x - np.average(x, weights=weights)
        moment = weights @ (offsets * variances)
        spread = weights @ offsets**2
        slope = float(moment / spread)
        line = np.maximum(height + slope * offsets, least)
    return slope, float(line[-1] / line[0])
