"""The standard deviation of the noise, from one picture."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

SIDE = 5
"""The side of the patches."""

SMALLEST = 3
"""How many of the smallest eigenvalues count as noise alone."""

MIN_PATCHES = 3 * SIDE * SIDE
MAX_PATCHES = 2**15

FLATNESS = 155.9
"""The 0.99 quantile of a patch's sum of squared neighbour differences in white noise of variance 1."""

NOT_WHITE = 1.6
"""The ratio of the median to the smallest eigenvalues above which noise counts as spatially correlated."""


@dataclass(frozen=True)
class NoiseLevel:
    """The noise of a picture.

    Attributes
    ----------
    sigma
        The standard deviation in each channel.
    is_correlated
        Whether neighbouring pixels share noise (JPEG, demosaicking, resampling), so that sigma is too small a reading.
    """

    sigma: tuple[float, ...]
    is_correlated: bool = False

    @property
    def rms(self) -> float:
        """The root mean square of the standard deviations."""
        return math.sqrt(sum(sigma**2 for sigma in self.sigma) / len(self.sigma))


def noise_level(f: Tensor) -> NoiseLevel:
    r"""Estimate the noise in each channel of (C, H, W), or (C, D, H, W), by its weakly textured patches.

    In patches without texture the covariance of the pixels is that of the noise, :math:`\sigma^2 I`. Such patches are
    those whose neighbour differences are no larger than noise of the present estimate makes them; estimate and
    selection take turns until they agree. The estimate is the mean of the smallest eigenvalues of the covariance over
    the same mean for white noise at the same places. Pixels at the ends of a channel's values may be saturated:
    patches with them do not count. Where hardly any patch remains, the median absolute difference takes its place.

    Source: Liu, Tanaka and Okutomi, "Single-image noise level estimation for blind denoising", IEEE Trans. Image
    Processing 22 (2013); eigenvalues as in Pyatykh, Hesser and Zheng, the same volume.
    """
    readings = [_channel(plane) for plane in f]
    return NoiseLevel(tuple(sigma for sigma, _ in readings), any(ratio > NOT_WHITE for _, ratio in readings))


def _channel(plane: Tensor) -> tuple[float, float]:
    """Return the standard deviation, and the ratio of the median eigenvalue to the smallest."""
    grid = _patches(plane)
    within = ~_patches((plane == plane.min()) | (plane == plane.max())).flatten(-2).any(-1)
    patches = grid[within]
    if len(patches) < MIN_PATCHES:
        return _median_level(plane), 1.0
    texture = patches.diff(dim=1).square().sum((1, 2)) + patches.diff(dim=2).square().sum((1, 2))
    chosen = torch.ones(len(patches), dtype=torch.bool, device=plane.device)
    variance = 0.0
    for _ in range(10):
        eigenvalues = _spectrum(patches[chosen])
        previous, variance = variance, float(eigenvalues[:SMALLEST].mean())
        if abs(variance - previous) <= 2e-3 * variance:
            break
        narrowed = texture < FLATNESS * variance
        if int(narrowed.sum()) < MIN_PATCHES:
            break
        chosen = narrowed
    white = torch.randn(plane.shape, generator=torch.Generator().manual_seed(0)).to(plane)
    reference = _spectrum(_patches(white)[within][chosen])
    variance = max(variance / float(reference[:SMALLEST].mean()), 0.0)
    middle = len(eigenvalues) // 2
    ratio = float(eigenvalues[middle] / reference[middle]) / variance if variance > 0 else 1.0
    return variance**0.5, ratio


def _patches(plane: Tensor) -> Tensor:
    """Return a view of evenly spread patches, (..., SIDE, SIDE)."""
    if min(plane.shape[-2:]) < SIDE:
        return plane.new_zeros(0, SIDE, SIDE)
    step = math.ceil((plane.numel() / MAX_PATCHES) ** 0.5)
    return plane.unfold(-2, SIDE, step).unfold(-2, SIDE, step)


def _spectrum(patches: Tensor) -> Tensor:
    """Return the eigenvalues of the covariance of patches, smallest first."""
    rows = patches.flatten(1)
    centred = rows - rows.mean(0)
    covariance: Tensor = (centred.T @ centred).double() / len(rows)
    eigenvalues: Tensor = torch.linalg.eigvalsh(covariance.cpu())
    return eigenvalues


def _median_level(plane: Tensor) -> float:
    """Return the noise level of a small picture by the median absolute difference of neighbours."""
    differences = [plane.diff(dim=dim).abs().flatten() for dim in (-1, -2)]
    pooled = torch.cat(differences)
    return float(pooled.median()) / (2**0.5 * 0.6745) if len(pooled) else 0.0
