"""The noise in a picture, and a draw of it in the coordinates in which the picture is solved."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tvdenoise import calculus, colour
from tvdenoise.noise_level import ChannelNoise, noise_level
from tvdenoise.rof import Problem

UNLIKE = 1.2
"""How far apart the noise levels of opponent colours are where channels do not have noise of their own."""

SHARED = 20
"""The same for noise that grows with the signal: in weak light the readings of chroma scatter."""

COINS = 2**20
"""Signs drawn at a time."""

BAND = 64
"""Rows, at least, of a band of noise that neighbours share, which is drawn for itself."""

SEED = 0x5EED
"""Of the draw by which lambda is chosen: none that anybody would draw a picture's noise with."""


def drawn_noise(f: Tensor, problem: Problem, sigma: float | None) -> tuple[tuple[ChannelNoise, ...], Tensor]:
    """Return the noise in the picture, and a draw of it in the coordinates of the problem.

    It is read colour by colour, as photons are counted, unless opponent colours tell that channels share it, or that
    chroma has lost some of it, as in a JPEG.
    """
    if sigma is not None:
        noise = (ChannelNoise.constant(sigma),) * len(f)
        return noise, _draw(problem.f, noise)
    noise = noise_level(f)
    if not problem.ratios:
        return noise, _draw(f, noise)
    if any(channel.gain for channel in noise):
        return noise, _growing_draw(f, noise)
    opponent = noise_level(problem.f)
    if not _unlike(opponent, UNLIKE):
        return noise, colour.to_opponent(_draw(f, noise))
    return opponent, _draw(problem.f, opponent)


def _growing_draw(f: Tensor, noise: Sequence[ChannelNoise]) -> Tensor:
    """Return the draw in opponent colours of noise that grows with the signal, and that the channels may share."""
    alike = torch.stack([channel.stabilized(plane) for channel, plane in zip(noise, f, strict=True)])
    opponent = noise_level(colour.to_opponent(alike))
    if not _unlike(opponent, SHARED):
        return colour.to_opponent(_draw(f, noise))
    variance = torch.stack([channel.variance(plane) for channel, plane in zip(noise, f, strict=True)]).mean(0)
    shares = f.new_tensor([channel.sigma for channel in opponent])
    shares /= shares.square().mean().sqrt()
    return _standard(f, opponent) * variance.sqrt_() * shares.view(-1, *(1,) * variance.ndim)


def _unlike(noise: Sequence[ChannelNoise], factor: float) -> bool:
    sigmas = [channel.sigma for channel in noise]
    return max(sigmas) > factor * min(sigmas)


def _draw(f: Tensor, noise: Sequence[ChannelNoise]) -> Tensor:
    """Return a draw of the noise in every value of ``f``."""
    draw = _standard(f, noise)
    for plane, channel, values in zip(f, noise, draw, strict=True):
        values *= channel.variance(plane).sqrt_() if channel.gain else channel.sigma
    return draw


def _standard(f: Tensor, noise: Sequence[ChannelNoise]) -> Tensor:
    """Return noise of variance 1, always the same: random signs, coloured where neighbours share noise."""
    generator = torch.Generator().manual_seed(SEED)
    draw = calculus.empty(f.shape, f)
    for part in torch.split(draw.view(-1), COINS):  # which takes no memory to speak of
        coins = torch.randint(0, 2, part.shape, generator=generator, device="cpu", dtype=torch.int8)
        part.copy_(coins.mul_(2).sub_(1))
    for plane, channel in zip(draw, noise, strict=True):
        if channel.autocorrelation:
            for band in _bands(plane):
                coloured = _coloured(band.numpy(force=True), np.array(channel.autocorrelation))
                band.copy_(torch.from_numpy(coloured).to(band.dtype))
    return draw


def _bands(plane: Tensor) -> Iterator[Tensor]:
    """Cut (..., H, W) into (h, W) of about :data:`COINS` values, but of no fewer than :data:`BAND` rows."""
    height, width = plane.shape[-2:]
    number = max(1, min(height * width // COINS, height // BAND))
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
