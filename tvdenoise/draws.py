"""The noise in a picture, and a draw of it in the coordinates in which the picture is solved."""

import dataclasses
from collections.abc import Sequence

import torch
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
    is_correlated = any(channel.is_correlated for channel in noise)
    opponent = tuple(dataclasses.replace(own, is_correlated=own.is_correlated or is_correlated) for own in opponent)
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
    return _signs(f) * variance.sqrt_() * shares.view(-1, *(1,) * variance.ndim)


def _unlike(noise: Sequence[ChannelNoise], factor: float) -> bool:
    sigmas = [channel.sigma for channel in noise]
    return max(sigmas) > factor * min(sigmas)


def _draw(f: Tensor, noise: Sequence[ChannelNoise]) -> Tensor:
    """Return the standard deviation of the noise in every value of ``f`` with a random sign, always the same."""
    draw = _signs(f)
    for plane, channel, values in zip(f, noise, draw, strict=True):
        values *= channel.variance(plane).sqrt_() if channel.gain else channel.sigma
    return draw


def _signs(f: Tensor) -> Tensor:
    """Return a random sign for every value, some at a time, so that they take no more memory than the result."""
    generator = torch.Generator().manual_seed(SEED)
    signs = calculus.empty(f.shape, f)
    for part in torch.split(signs.view(-1), COINS):
        part.copy_(torch.randint(0, 2, part.shape, generator=generator, dtype=torch.int8).mul_(2).sub_(1))
    return signs
