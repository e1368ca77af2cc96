"""The noise in a picture, and a probe like it, in the coordinates of the problem, that measures what a result keeps."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tvdenoise.arrays import colour
from tvdenoise.auto.noise_level import ChannelNoise, noise_level
from tvdenoise.model import operators
from tvdenoise.model.rof import Problem

CHANNEL_RATIO = 1.2
"""How far apart the noise levels of opponent colours are where channels do not have noise of their own."""

MOST_PIXELS, BLOCKS = 2**21, 8
"""Pixels up to which the whole picture is asked, and how many blocks of a larger one, of so many pixels in sum."""

SIGNS_AT_ONCE = 2**20
"""Signs drawn at a time."""

BAND = 64
"""Rows, at least, of a band of noise that neighbours share, which is drawn for itself."""

SEED = 0x5EED
"""Of the probe: hardly the seed of noise that a user adds."""


def sample(f: Tensor, axes: int) -> Tensor:
    """Return a large picture (C, ...) as evenly spread blocks (C, blocks, ...), any other as it is.

    A sample's sample is itself. Axes shorter than a block's side leave their share to the others. No two blocks are at
    the same place along an axis.
    """
    if f[0].numel() <= MOST_PIXELS:
        return f
    values, sides = MOST_PIXELS / BLOCKS, {}
    for rank, axis in enumerate(sorted(range(1, axes + 1), key=lambda axis: f.shape[axis])):
        sides[axis] = min(f.shape[axis], int(values ** (1 / (axes - rank))))
        values /= sides[axis]
    blocks = []
    for number in range(BLOCKS):
        block = f
        for axis, side in sides.items():
            place = number * (2 * axis - 1) % BLOCKS  # an odd factor makes each axis a permutation of its own
            block = block.narrow(axis, place * (f.shape[axis] - side) // (BLOCKS - 1), side)
        blocks.append(block)
    return torch.stack(blocks, dim=1)


def noise_and_probe(f: Tensor, problem: Problem, sigma: float | None) -> tuple[tuple[ChannelNoise, ...], Tensor]:
    """Return the noise in the picture, and a probe: a draw of such noise in a sample, in the problem's coordinates.

    It is read colour by colour, as photons are counted, unless opponent colours tell that channels share it, or that
    chroma has lost some of it, as in a JPEG.
    """
    part = sample(f, problem.axes)
    if sigma is not None:
        noise = (ChannelNoise.constant(sigma),) * len(f)
        return noise, _probe(part, noise)
    noise = noise_level(f)
    if not problem.ratios:
        return noise, _probe(part, noise)
    if any(channel.slope for channel in noise):
        return noise, _signal_dependent_probe(part, noise)
    opponent = noise_level(problem.f)
    if not _unlike(opponent):
        return noise, colour.to_opponent(_probe(part, noise))
    return opponent, _probe(sample(problem.f, problem.axes), opponent)


def _signal_dependent_probe(f: Tensor, noise: Sequence[ChannelNoise]) -> Tensor:
    """Return the probe in opponent colours for noise that changes with the signal, and that the channels may share."""
    alike = torch.stack([channel.stabilized(plane) for channel, plane in zip(noise, f, strict=True)])
    opponent = noise_level(colour.to_opponent(alike))
    if not _unlike(opponent):
        return colour.to_opponent(_probe(f, noise))
    variance = torch.stack([channel.variance(plane) for channel, plane in zip(noise, f, strict=True)]).mean(0)
    shares = f.new_tensor([channel.sigma for channel in opponent])
    shares /= shares.square().mean().sqrt()
    return _unit_probe(f, opponent) * variance.sqrt_() * shares.view(-1, *(1,) * variance.ndim)


def _unlike(noise: Sequence[ChannelNoise]) -> bool:
    sigmas = [channel.sigma for channel in noise]
    return max(sigmas) > CHANNEL_RATIO * min(sigmas)


def _probe(f: Tensor, noise: Sequence[ChannelNoise]) -> Tensor:
    """Return a draw of the noise in every value of ``f``."""
    probe = _unit_probe(f, noise)
    for plane, channel, values in zip(f, noise, probe, strict=True):
        values *= channel.variance(plane).sqrt_()
    return probe


def _unit_probe(f: Tensor, noise: Sequence[ChannelNoise]) -> Tensor:
    """Return noise of variance 1, always the same: random signs, coloured where neighbours share noise."""
    generator = torch.Generator().manual_seed(SEED)
    probe = operators.empty(f.shape, f)
    for part in torch.split(probe.view(-1), SIGNS_AT_ONCE):  # which takes no memory to speak of
        signs = torch.randint(0, 2, part.shape, generator=generator, device="cpu", dtype=torch.int8)
        part.copy_(signs.mul_(2).sub_(1))
    for plane, channel in zip(probe, noise, strict=True):
        if channel.autocorrelation:
            for band in _bands(plane):
                coloured = _coloured(band.numpy(force=True), np.array(channel.autocorrelation))
                band.copy_(torch.from_numpy(coloured).to(band.dtype))
    return probe


def _bands(plane: Tensor) -> Iterator[Tensor]:
    """Cut (..., H, W) into (h, W) of about :data:`SIGNS_AT_ONCE` values, but of no fewer than :data:`BAND` rows."""
    height, width = plane.shape[-2:]
    number = max(1, min(height * width // SIGNS_AT_ONCE, height // BAND))
    for picture in plane.view(-1, height, width):
        yield from torch.tensor_split(picture, number)


def _coloured(white: NDArray[np.floating], autocorrelation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return white noise (H, W) given an autocorrelation and variance 1.

    Its spectrum is multiplied by the root of the power spectrum, which is the transform of the autocorrelation
    (Wiener-Khinchin).
    """
    lags = np.arange(len(autocorrelation)) - len(autocorrelation) // 2
    kernel = np.zeros(white.shape)
    np.add.at(kernel, np.ix_(*(lags % side for side in white.shape)), autocorrelation)
    power = np.maximum(np.fft.rfft2(kernel).real, 0.0)
    noise = np.fft.irfft2(np.fft.rfft2(white) * np.sqrt(power), s=white.shape)
    return noise / math.sqrt(float((noise**2).mean()))
