"""The norms that total variation sums, and the projection on the dual ball that belongs to each."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tvdenoise.options.kinds import TVKind


def magnitude(g: Tensor, tv: TVKind, *, coupled: bool = False) -> Tensor:
    """Return what total variation sums: the 2-norms of a pixel's differences that make one vector.

    Anisotropic: each difference for itself; isotropic: those along all axes. Coupled: those of all channels, too.
    """
    dims = []
    if tv == "isotropic":
        dims.append(0)
    if coupled:
        dims.append(1)
    if not dims:
        return g.abs()
    return g.square().sum(dims).sqrt_()


def project(p: Tensor, radius: float, tv: TVKind, *, coupled: bool = False, scratch: Tensor | None = None) -> Tensor:
    """Project ``p`` in place on the dual ball: no vector that :func:`magnitude` measures is longer than ``radius``.

    ``scratch`` has the shape of one component; without it one is allocated, where one is needed.
    """
    if tv == "anisotropic" and not coupled:
        return p.clamp_(-radius, radius)
    if radius == 0:
        return p.zero_()
    if not coupled:
        _shorten(p.unbind(), radius, scratch)
        return p
    plane = None if scratch is None else scratch[0]
    # Anisotropic: a vector for each axis, with all channels; isotropic: one vector with all axes and channels.
    vectors = p if tv == "anisotropic" else p.flatten(0, 1)[None]
    for vector in vectors:
        _shorten(vector.unbind(), radius, plane)
    return p


def _shorten(components: Sequence[Tensor], radius: float, scratch: Tensor | None) -> None:
    """Scale the vectors with these components down to at most ``radius``."""
    scale = torch.mul(components[0], components[0], out=scratch)
    for component in components[1:]:
        scale.add_(component * component)
    scale.rsqrt_().mul_(radius).clamp_(max=1.0)
    for component in components:
        component.mul_(scale)
