"""The noise in a picture, and a probe: a draw of such noise that measures how much of it a result keeps."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from tvdenoise.arrays import colour
from tvdenoise.auto.noise_level import ChannelNoise, Noise, Rows, estimate_noise
from tvdenoise.auto.spectrum import estimate_camera_noise
from tvdenoise.model import tensors
from tvdenoise.model.problem import Problem

CHANNEL_RATIO = 1.2  # How far apart the noise levels of opponent colours are where channels share noise.

MOST_PIXELS = 2**21  # Up to so many the whole picture is used; ...
BLOCKS = 8  # ... of a larger one as many in so many blocks.

VALUES_AT_ONCE = 2**20  # Values drawn at a time, to save memory: noise that neighbours share in bands, ...
BAND = 64  # ... of so many rows at least.

SEED = 0x5EED  # of the probe: hardly that of noise that a user adds


def sample(f: Tensor, axes: int, most_pixels: int = MOST_PIXELS) -> Tensor:
    """Return a large picture (C, ...) as evenly spread blocks (C, blocks, ...), any other as it is."""
    if f[0].numel() <= most_pixels:
        return f
    sides = _choose_sides(f.shape[1 : axes + 1], most_pixels / BLOCKS)
    blocks = []
    for number in range(BLOCKS):
        block = f
        for axis, side in sides.items():
            # An odd factor makes a permutation: no two blocks are at the same place along an axis.
            factor = 2 * axis - 1
            place = number * factor % BLOCKS
            last = f.shape[axis] - side
            start = place * last // (BLOCKS - 1)
            block = block.narrow(axis, start, side)
        blocks.append(block)
    return torch.stack(blocks, dim=1)


def _choose_sides(shape: Sequence[int], pixels: float) -> dict[int, int]:
    """Return the sides of a block, about equal, by their axes in a picture (C, ...)."""
    sides = {}
    # Axes shorter than a block's side leave their share to the others.
    axes = sorted(range(len(shape)), key=lambda axis: shape[axis])
    for rank, axis in enumerate(axes):
        left = len(shape) - rank
        equal = int(pixels ** (1 / left))
        side = min(shape[axis], equal)
        sides[axis + 1] = side
        pixels /= side
    return sides


def draw_probe(
    f: Tensor, problem: Problem, sigma: float | None, most_pixels: int = MOST_PIXELS
) -> tuple[Noise, Tensor]:
    """Return the noise in the picture, and a draw of such noise in a sample, in the problem's coordinates.

    The noise is estimated colour by colour, as photons are counted, unless opponent colours tell that channels share
    it, or that chroma has lost some of it, as in a JPEG. Noise with the spectrum of a camera's is estimated in luma and
    chroma from the start. Where ``sigma`` is given, that is the noise.
    """
    part = sample(f, problem.axes, most_pixels)
    if sigma is not None:
        given = (ChannelNoise.constant(sigma),) * len(f)
        return given, draw_noise(part, given)
    if problem.ratios or len(f) == 1:
        camera = estimate_camera_noise(problem.f)
        if camera is not None:
            return camera, draw_noise(sample(problem.f, problem.axes, most_pixels), camera)
    noise = estimate_noise(f)
    if not problem.ratios:
        return noise, draw_noise(part, noise)
    if any(channel.slope for channel in noise):
        return noise, _draw_signal_dependent(part, noise)
    opponent = estimate_noise(problem.f)
    if _differ(opponent):
        return opponent, draw_noise(sample(problem.f, problem.axes, most_pixels), opponent)
    return noise, colour.to_opponent(draw_noise(part, noise))


def _draw_signal_dependent(f: Tensor, noise: Noise) -> Tensor:
    """Return a draw in opponent colours of noise that changes with the signal, and that the channels may share."""
    stable = torch.stack([*map(ChannelNoise.stabilize, noise, f)])
    opponent = estimate_noise(colour.to_opponent(stable))
    if not _differ(opponent):
        return colour.to_opponent(draw_noise(f, noise))
    variances = torch.stack([*map(ChannelNoise.map_variance, noise, f)])
    deviation = variances.mean(0).sqrt_()
    # Stabilized noise has variance 1 in the mean of the channels: what is left are their shares.
    shares = f.new_tensor([channel.sigma for channel in opponent])
    shares /= shares.square().mean().sqrt()
    draw = _draw_unit_noise(f, opponent)
    draw *= deviation
    for plane, share in zip(draw, shares, strict=True):
        plane *= share
    return draw


def _differ(noise: Noise) -> bool:
    sigmas = [channel.sigma for channel in noise]
    return max(sigmas) > CHANNEL_RATIO * min(sigmas)


def draw_noise(f: Tensor, noise: Noise, values_at_once: int = VALUES_AT_ONCE) -> Tensor:
    """Return a draw of the noise in every value of ``f``, always the same."""
    draw = _draw_unit_noise(f, noise, values_at_once)
    for plane, channel, values in zip(f, noise, draw, strict=True):
        values *= channel.map_variance(plane).sqrt_()
    return draw


def _draw_unit_noise(f: Tensor, noise: Noise, values_at_once: int = VALUES_AT_ONCE) -> Tensor:
    """Return noise of variance 1: random signs, with the noise's autocorrelation where neighbours share it."""
    generator = torch.Generator().manual_seed(SEED)
    draw = tensors.empty(f.shape, f)
    for part in torch.split(draw.view(-1), values_at_once):
        coins = torch.randint(0, 2, part.shape, generator=generator, device="cpu", dtype=torch.int8)
        part.copy_(coins.mul_(2).sub_(1))
    for plane, channel in zip(draw, noise, strict=True):
        if channel.autocorrelation:
            for band in _cut_bands(plane, values_at_once):
                _correlate(band, channel.autocorrelation)
    return draw


def _cut_bands(plane: Tensor, values: int) -> Iterator[Tensor]:
    """Cut (..., H, W) into (h, W) of about so many values, but of no fewer than :data:`BAND` rows."""
    for picture in plane.view(-1, *plane.shape[-2:]):
        by_values = picture.numel() // values
        by_rows = len(picture) // BAND
        number = min(by_values, by_rows)
        yield from picture.tensor_split(max(number, 1))


def _correlate(band: Tensor, autocorrelation: Rows) -> None:
    """Give white noise (H, W) an autocorrelation and variance 1, in place."""
    white = band.numpy(force=True)
    number = len(autocorrelation)
    lags = np.arange(number) - number // 2
    periodic = np.zeros(white.shape)
    rows, columns = (lags % side for side in white.shape)
    # In a small picture several lags may fall on one place.
    np.add.at(periodic, np.ix_(rows, columns), autocorrelation)
    # The power spectrum is the transform of the autocorrelation (Wiener-Khinchin), its root the filter.
    power = np.fft.rfft2(periodic).real
    amplitude = np.sqrt(np.maximum(power, 0.0))
    spectrum = np.fft.rfft2(white) * amplitude
    noise = np.fft.irfft2(spectrum, s=white.shape)
    noise /= np.sqrt((noise**2).mean())
    band.copy_(torch.from_numpy(noise))
