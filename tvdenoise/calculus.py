"""The forward difference, its adjoint and the projections on the dual ball, on tensors whose last axes are spatial.

A field has one component an axis, in front: for pictures ``u`` of shape (..., H, W), :math:`D u` has shape
(2, ..., H, W); for volumes (..., D, H, W) it has shape (3, ..., D, H, W). The last entry along an axis has no forward
neighbour: its difference is 0, and what a field holds there never counts.
"""

import torch
from torch import Tensor

from tvdenoise.kinds import TVKind


def operator_bound(axes: int) -> float:
    r"""Return an upper bound on :math:`\|D\|^2`: 4 for each axis (Chambolle 2004)."""
    return 4.0 * axes


def new_field(u: Tensor, axes: int = 2) -> Tensor:
    """Return a field of zeros for ``u``."""
    return u.new_zeros((axes, *u.shape))


def gradient(u: Tensor, out: Tensor) -> Tensor:
    """Write the forward differences :math:`D u` into ``out`` (which holds 0 where no neighbour is) and return it."""
    axes = out.shape[0]
    for component, axis in zip(out, range(-axes, 0), strict=True):
        n = u.shape[axis] - 1
        torch.sub(u.narrow(axis, 1, n), u.narrow(axis, 0, n), out=component.narrow(axis, 0, n))
    return out


def subtract_adjoint(f: Tensor, p: Tensor, out: Tensor) -> Tensor:
    r"""Write :math:`f - D^\top p` into ``out`` and return it."""
    axes = p.shape[0]
    out.copy_(f)
    for component, axis in zip(p, range(-axes, 0), strict=True):
        n = f.shape[axis] - 1
        inside = component.narrow(axis, 0, n)
        out.narrow(axis, 0, n).add_(inside)
        out.narrow(axis, 1, n).sub_(inside)
    return out


def magnitude(g: Tensor, tv: TVKind) -> Tensor:
    """Return what total variation sums: the absolute components, or the 2-norm of each pixel's differences."""
    return g.abs() if tv == "anisotropic" else g.square().sum(0).sqrt_()


def project(p: Tensor, radius: float, tv: TVKind, scratch: Tensor | None = None) -> Tensor:
    """Project ``p`` in place on the dual ball of radius ``radius``, componentwise or by each pixel's 2-norm.

    ``scratch`` has the shape of one component; without it one is allocated (isotropic only).
    """
    if tv == "anisotropic":
        return p.clamp_(-radius, radius)
    if radius == 0:
        return p.zero_()
    scale = torch.mul(p[0], p[0], out=scratch) if scratch is not None else p[0] * p[0]
    for component in p[1:]:
        scale.addcmul_(component, component)
    scale.rsqrt_().mul_(radius).clamp_(max=1.0)
    return p.mul_(scale)
