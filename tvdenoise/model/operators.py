"""The forward difference, its adjoint and the projections on the dual ball, on tensors whose last axes are spatial.

A field has one component an axis, in front: for pictures ``u`` of shape (..., H, W), :math:`D u` has shape
(2, ..., H, W); for volumes (..., D, H, W) it has shape (3, ..., D, H, W). The last entry along an axis has no forward
neighbour: its difference is 0, and what a field holds there never counts. Differences along D are divided by the
``spacing`` of the slices, their distance in units of that between pixels.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tvdenoise.machine import scratch
from tvdenoise.machine.devices import knows_float64
from tvdenoise.options.kinds import TVKind

CHUNK = 2**20
"""Values that are copied to float64 at a time."""


def operator_bound(axes: int, spacing: float = 1.0) -> float:
    r"""Return an upper bound on :math:`\|D\|^2`: 4 for each axis (Chambolle 2004), over the square of its spacing."""
    return 4.0 * 2 + (4.0 / spacing**2 if axes == 3 else 0.0)


def empty(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Return a tensor of the type of another and beside it, whose values do not matter yet."""
    if like.device.type != "cpu":
        return like.new_empty(shape)
    return torch.from_numpy(scratch.empty(shape, like.new_empty(0).numpy().dtype))


def array(t: Tensor) -> Any:  # noqa: ANN401
    """Return a tensor for plain arithmetic in place: as an array where it lies in memory.

    After each large operation torch's threads stay awake for some milliseconds, in the way of those that run compiled
    code next; NumPy has none.
    """
    return t.numpy() if t.device.type == "cpu" else t


def contiguous_copy(t: Tensor) -> Tensor:
    """Return a contiguous copy."""
    copy = empty(t.shape, t)
    array(copy)[...] = array(t)
    return copy


def to_float64(t: Tensor) -> Tensor:
    """Return a copy in float64, which lies on the CPU where its device knows none."""
    return t.to(t.device if knows_float64(t.device) else "cpu").to(torch.float64, copy=True)


def cast_error(u: Tensor, dtype: torch.dtype) -> float:
    """Return the root mean square difference between (C, H, W), or (C, D, H, W), and the same in another type."""
    rows = max(1, CHUNK * u.shape[1] // u.numel())
    total = 0.0
    for start in range(0, u.shape[1], rows):
        part = to_float64(u[:, start : start + rows])
        total += float((part.to(dtype).double() - part).square_().sum())
    return math.sqrt(total / u.numel())


def new_field(u: Tensor, axes: int = 2) -> Tensor:
    """Return a field of zeros for ``u``."""
    field = empty((axes, *u.shape), u)
    array(field)[...] = 0
    return field


def clear_border(p: Tensor) -> Tensor:
    """Put 0 in place where a field never counts, and return it."""
    axes = p.shape[0]
    for component, axis in zip(p, range(-axes, 0), strict=True):
        component.select(axis, -1).zero_()
    return p


def gradient(u: Tensor, out: Tensor, spacing: float) -> Tensor:
    """Write the forward differences :math:`D u` into ``out`` (which holds 0 where no neighbour is) and return it."""
    axes = out.shape[0]
    for component, axis in zip(out, range(-axes, 0), strict=True):
        n = u.shape[axis] - 1
        torch.sub(u.narrow(axis, 1, n), u.narrow(axis, 0, n), out=component.narrow(axis, 0, n))
    if axes == 3 and spacing != 1:
        out[0].div_(spacing)
    return out


def subtract_adjoint(f: Tensor, p: Tensor, out: Tensor, spacing: float) -> Tensor:
    r"""Write :math:`f - D^\top p` into ``out`` and return it."""
    out.copy_(f)
    for component, axis in zip(p, range(-p.shape[0], 0), strict=True):
        n = out.shape[axis] - 1
        inside = component.narrow(axis, 0, n)
        if axis == -3 and spacing != 1:
            inside = inside / spacing
        out.narrow(axis, 0, n).add_(inside)
        out.narrow(axis, 1, n).sub_(inside)
    return out


def magnitude(g: Tensor, tv: TVKind, *, coupled: bool = False) -> Tensor:
    """Return what total variation sums: the 2-norms of a pixel's differences that make one vector.

    Anisotropic: each difference for itself; isotropic: those along all axes. Coupled: those of all channels, too.
    """
    dims = (0,) * (tv == "isotropic") + (1,) * coupled
    return g.square().sum(dims).sqrt_() if dims else g.abs()


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
    elif tv == "isotropic":
        _shorten(p.flatten(0, 1).unbind(), radius, None if scratch is None else scratch[0])
    else:
        for component in p:
            _shorten(component.unbind(), radius, None if scratch is None else scratch[0])
    return p


def _shorten(components: Sequence[Tensor], radius: float, scratch: Tensor | None) -> None:
    """Scale the vectors with these components down to at most ``radius``."""
    scale = torch.mul(components[0], components[0], out=scratch)
    for component in components[1:]:
        scale.add_(component * component)
    scale.rsqrt_().mul_(radius).clamp_(max=1.0)
    for component in components:
        component.mul_(scale)
