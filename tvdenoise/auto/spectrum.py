r"""The noise of a camera: its power spectrum in luma and chroma, where neighbours share it and it changes with light.

A picture is cut into blocks of 16 x 16 pixels. The coefficients :math:`c_k` of their cosine transforms (DCT-II) have
for stationary noise the variances :math:`S(k)`, its power spectrum. Demosaicking, smoothing and JPEG make the noise of
a camera fall towards high frequencies as texture does, so only blocks without texture tell of it. One half of the
coefficients decides which blocks those are, the other half is measured there, and the other way round: no block counts
for being quiet by chance in what is measured.

Blocks without texture are often the darkest or brightest ones, which have less noise than others. So what is measured
is the ratio to the level of high frequencies in luma, and that level is found at each brightness.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tvdenoise.auto.noise_level import ChannelNoise, Noise
from tvdenoise.model import tensors

Array = NDArray[np.float64]
Groups = list[NDArray[np.intp]]

SIDE = 16  # of a block, in pixels
STRIDE = 8  # between blocks, or a multiple: that of a JPEG's blocks, so that all of ours meet them at the same places
MOST_BLOCKS = 2**13
LEAST_BLOCKS = 2000  # Needed by: 04.png of Set12, 256x256 pixels with blurred noise of 10 (else read as twice that).
REACH = 12  # How many pixels each way the autocorrelation is given for.

_ROWS, _COLUMNS = np.mgrid[:SIDE, :SIDE]
RADIUS = np.hypot(_ROWS, _COLUMNS)  # the frequency of a coefficient, in half waves a block
HALF = (_ROWS + _COLUMNS) % 2 == 0  # one half of the coefficients, like the black squares of a chessboard
# A brightness that rises along an axis shows in the odd coefficients of that axis alone.
IS_SLOPE = (np.minimum(_ROWS, _COLUMNS) == 0) & (RADIUS % 2 == 1)

TEXTURE = (RADIUS >= 0.5) & (RADIUS < 4.3)  # the frequencies that texture and edges are strongest in
LOWER_HIGH = (RADIUS >= 6) & (RADIUS < 9)
UPPER_HIGH = RADIUS >= 12
HIGH = RADIUS >= 6  # those of the level: on CC15 their spectrum was within 5 % of the truth in luma

LUMA_SHARE = 0.05  # of the blocks, those with the least texture, in which luma is measured, ...
CHROMA_SHARE = 0.25  # ... and chroma, which has less texture, ...
GROUP_SHARE = 0.2  # ... and the level, in each of ...
GROUPS = 8  # ... so many groups of equally many blocks, by brightness.

# Frequencies below these are not measured: shading adds to luma, and blotches of colour to chroma. A curve through
# those up to the second number goes on to them.
LUMA_RANGE = (3.5, 7.0)
CHROMA_RANGE = (1.6, 4.3)


# A group is quiet where the least texture of a fifth of its blocks is below so many times that of a twentieth: pure
# noise, whose sums of 15 squares have the chi-squared distribution, gives 1.42.
NOISE_SPREAD = 1.49
# In the whole picture a twenty-fifth may have so many times that of a hundredth. Needed by: tea-gardens.jpg of the CC0
# pictures, which is texture everywhere.
PICTURE_SPREAD = 2.9
# How many times the level of the quiet groups that of others may be. Needed by: the-spices-of-life.jpg of the CC0
# pictures, whose dark places alone are without texture, and CC15, where dark places have less noise.
MOST_CHANGE = 1.5
# How many times more noise there has to be at the lower than at the upper high frequencies: CC15 has 6 to 31 times as
# much. Needed by: kodim12 of CSet9 with white noise of 2 (at 2 this loses 1.3 dB by its texture).
FALL = 3.0
# Texture passes for noise that makes up much of the picture: noise of more than this share of its standard deviation
# has to fall far more. On CC15 the share was 0.2 at most. Needed by: scikit-image's grass (share 0.75, falls 7 times),
# gravel (0.61, 13 times) and brick (0.53, 3 times), else denoised to 22 to 33 dB where they are clean; page with
# coarse grain (0.76, 29 times), else worse than it was; kodim01 of CSet9 in a JPEG with noise of 10 (0.44, 5 times).
MOST_SHARE = 0.24
STEEP_FALL = 30.0


class _Blocks(NamedTuple):
    """The blocks of a channel."""

    means: Array  # (N,)
    energies: Array  # (N, SIDE, SIDE): the squares of the coefficients


def _make_cosines() -> Array:
    """Return the orthonormal matrix of the DCT-II."""
    k, n = np.mgrid[:SIDE, :SIDE]
    cosines: Array = math.sqrt(2 / SIDE) * np.cos(math.pi * k * (2 * n + 1) / (2 * SIDE))
    cosines[0] /= math.sqrt(2)
    return cosines


COSINES = _make_cosines()


def estimate_camera_noise(f: Tensor) -> Noise | None:
    """Return the noise in luma, and in other channels (C, ..., H, W), or None where this cannot tell.

    It cannot where neighbours share hardly any noise, where texture is everywhere, and in the smallest pictures.
    """
    luma = _transform(f[0])
    if len(luma.means) < LEAST_BLOCKS:
        return None
    spectrum = _measure(luma.energies, LUMA_SHARE)
    if not spectrum.all():
        return None
    fall = float(spectrum[LOWER_HIGH].mean() / spectrum[UPPER_HIGH].mean())
    if fall <= FALL:
        return None
    groups = _find_quiet_groups(luma, spectrum)
    if not groups:
        return None
    spectrum = _measure(luma.energies[np.concatenate(groups)], LUMA_SHARE)
    if not spectrum.all():
        return None
    spectrum /= spectrum[HIGH].mean()
    level = _find_level(luma, groups)
    if not level.all():
        return None
    mean_level = float(level.mean())
    found = [_describe(mean_level * _extend(spectrum, LUMA_RANGE))]
    share = found[0].sigma / float(tensors.array(f[0]).std())
    if share > MOST_SHARE and fall <= STEEP_FALL:
        return None
    for plane in f[1:]:
        energies = _transform(plane).energies
        energies /= level[:, None, None]
        spectrum = _measure(energies, CHROMA_SHARE)
        found.append(_describe(mean_level * _extend(spectrum, CHROMA_RANGE)))
    return tuple(found)


def _transform(plane: Tensor) -> _Blocks:
    """Return the blocks of (..., H, W)."""
    stride = STRIDE
    while plane.numel() / stride**2 > MOST_BLOCKS:
        stride += STRIDE
    if min(plane.shape[-2:]) < SIDE:
        return _Blocks(np.empty(0), np.empty((0, SIDE, SIDE)))
    blocks = plane.unfold(-2, SIDE, stride).unfold(-2, SIDE, stride)
    values = blocks.reshape(-1, SIDE, SIDE).double().numpy(force=True)
    coefficients = COSINES @ values @ COSINES.T
    means = coefficients[:, 0, 0] / SIDE
    return _Blocks(means, coefficients**2)


def _measure(energies: Array, share: float) -> Array:
    """Return the mean energy of each coefficient in the blocks with the least texture by the other half."""
    number = math.ceil(share * len(energies))
    spectrum = np.empty((SIDE, SIDE))
    for half in (HALF, ~HALF):
        texture = energies[:, TEXTURE & ~half].mean(1)
        quiet = np.argsort(texture, kind="stable")[:number]
        spectrum[half] = energies[quiet][:, half].mean(0)
    return spectrum


def _find_quiet_groups(luma: _Blocks, spectrum: Array) -> Groups:
    """Return the groups whose blocks with the least texture differ no more than noise makes them."""
    kept = TEXTURE & ~IS_SLOPE
    texture = (luma.energies[:, kept] / spectrum[kept]).mean(1)
    hundredth, more = np.quantile(texture, (0.01, 0.04))
    if more >= PICTURE_SPREAD * hundredth:
        return []
    quiet = []
    for group in _group(luma.means):
        twentieth, fifth = np.quantile(texture[group], (0.05, 0.2))
        if fifth < NOISE_SPREAD * twentieth:
            quiet.append(group)
    return quiet


def _group(brightness: Array) -> Groups:
    """Return the numbers of the blocks in groups of equally many, from dark to bright."""
    return np.array_split(np.argsort(brightness, kind="stable"), GROUPS)


def _find_level(luma: _Blocks, quiet: Groups) -> Array:
    """Return the mean energy of high frequencies in each block, by its brightness alone.

    Texture adds to that of groups that are not quiet: it counts up to a multiple of what the quiet ones say there.
    """
    x, level = _measure_level(luma, quiet)
    all_x, upper = _measure_level(luma, _group(luma.means))
    limited = np.minimum(upper, MOST_CHANGE * np.interp(all_x, x, level))
    by_block: Array = np.interp(luma.means, all_x, limited)
    return by_block


def _measure_level(luma: _Blocks, groups: Groups) -> tuple[Array, Array]:
    """Return the brightness of groups and the level in their blocks with the least texture."""
    texture = luma.energies[:, TEXTURE & ~IS_SLOPE].mean(1)
    high = luma.energies[:, HIGH].mean(1)
    points = []
    for group in groups:
        number = math.ceil(GROUP_SHARE * len(group))
        least = group[np.argsort(texture[group], kind="stable")[:number]]
        points.append((luma.means[least].mean(), high[least].mean()))
    brightness, level = np.array(points).T
    return brightness, level


def _extend(spectrum: Array, measured: tuple[float, float]) -> Array:
    r"""Return the spectrum with what :math:`\log S = a + b r^2`, fitted to the range, says below it."""
    low, high = measured
    is_fitted = (low <= RADIUS) & (high > RADIUS)
    if not spectrum[is_fitted].all():  # such as the chroma of a gray picture
        return spectrum
    slope, offset = np.polyfit(RADIUS[is_fitted] ** 2, np.log(spectrum[is_fitted]), 1)
    line = np.exp(slope * RADIUS**2 + offset)
    return np.where(low > RADIUS, line, spectrum)


def _describe(spectrum: Array) -> ChannelNoise:
    """Return the noise of that spectrum."""
    sigma = math.sqrt(spectrum.mean())
    if not sigma:
        return ChannelNoise.constant(0.0)
    # The covariance at a lag d is the integral of S(k) cos(k d), by the trapezoidal rule: half of frequency 0 counts.
    lags = np.arange(-REACH, REACH + 1)
    waves = np.cos(math.pi * np.outer(lags, np.arange(SIDE)) / SIDE)
    waves[:, 0] /= 2
    covariance = waves @ spectrum @ waves.T
    autocorrelation = covariance / covariance[REACH, REACH]
    rows = tuple(map(tuple, autocorrelation.tolist()))
    return ChannelNoise(sigma, ((0.0, sigma**2),), is_correlated=True, autocorrelation=rows)
