r"""Linear operators as objects, each with ``forward`` and its adjoint, on tensors whose last axes are spatial.

A dual variable (a field) has one component an axis, in front: for pictures ``u`` of shape (..., H, W), :math:`D u` has
shape (2, ..., H, W); for volumes (..., D, H, W) it has shape (3, ..., D, H, W).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from tvdenoise.model import tensors
from tvdenoise.options.kinds import Spacing, spacing_by_axis


class Operator(Protocol):
    r"""A linear operator A with :math:`\langle A u, p \rangle = \langle u, A^\top p \rangle`."""

    @property
    def squared_norm_bound(self) -> float:
        r"""An upper bound on :math:`\|A\|^2`."""

    def forward(self, u: Tensor) -> Tensor:
        r"""Return :math:`A u`."""

    def adjoint(self, p: Tensor) -> Tensor:
        r"""Return :math:`A^\top p`."""


@dataclass(frozen=True)
class ForwardDifference:
    """The forward difference D, with no wrap at the border.

    The last entry along an axis has no forward neighbour: its difference is 0, and what a field holds there never
    counts.
    """

    axes: Literal[2, 3] = 2  # 2 for pictures, 3 for volumes
    spacing: Spacing = 1.0  # differences are divided by that of their axis

    @property
    def squared_norm_bound(self) -> float:
        """4 for each axis, over the square of its spacing (Chambolle 2004)."""
        distances = reversed(self._distances)
        return sum(4.0 / distance**2 for distance in distances)

    @property
    def _distances(self) -> tuple[float, ...]:
        return spacing_by_axis(self.spacing, self.axes)

    def forward(self, u: Tensor) -> Tensor:
        """Return the differences of ``u``."""
        return self.forward_into(u, new_field(u, self.axes))

    def forward_into(self, u: Tensor, out: Tensor) -> Tensor:
        """Write the differences of ``u`` into ``out``, which holds 0 where no neighbour is, and return it."""
        axes = range(-self.axes, 0)
        for component, axis, distance in zip(out, axes, self._distances, strict=True):
            n = u.shape[axis] - 1
            pixels = u.narrow(axis, 0, n)
            neighbours = u.narrow(axis, 1, n)
            torch.sub(neighbours, pixels, out=component.narrow(axis, 0, n))
            if distance != 1:
                component.div_(distance)
        return out

    def adjoint(self, p: Tensor) -> Tensor:
        r"""Return :math:`D^\top p`."""
        zero = torch.zeros_like(p[0])
        return self.subtract_adjoint(zero, p, torch.empty_like(zero)).neg_()

    def subtract_adjoint(self, f: Tensor, p: Tensor, out: Tensor) -> Tensor:
        r"""Write :math:`f - D^\top p` into ``out`` and return it."""
        out.copy_(f)
        axes = range(-self.axes, 0)
        for component, axis, distance in zip(p, axes, self._distances, strict=True):
            n = out.shape[axis] - 1
            inside = component.narrow(axis, 0, n)
            if distance != 1:
                inside = inside / distance
            out.narrow(axis, 0, n).add_(inside)
            out.narrow(axis, 1, n).sub_(inside)
        return out


@dataclass(frozen=True)
class ChannelMix:
    """The product of an orthonormal matrix with the channels, the first axis."""

    matrix: Sequence[Sequence[float]]

    squared_norm_bound = 1.0

    def forward(self, u: Tensor) -> Tensor:
        """Return the channels that the matrix makes of those of ``u``."""
        return _mix(self.matrix, u)

    def adjoint(self, p: Tensor) -> Tensor:
        """Undo :meth:`forward`: the transpose of the matrix is its inverse."""
        return _mix(tuple(zip(*self.matrix, strict=True)), p)


def _mix(matrix: Sequence[Sequence[float]], channels: Tensor) -> Tensor:
    result: Tensor = tensors.empty(channels.shape, channels).zero_()
    for row, mixed in zip(matrix, result, strict=True):
        for factor, channel in zip(row, channels, strict=True):
            mixed.add_(channel, alpha=factor)
    return result


def new_field(u: Tensor, axes: int = 2) -> Tensor:
    """Return a field of zeros for ``u``."""
    field = tensors.empty((axes, *u.shape), u)
    tensors.array(field)[...] = 0
    return field


def clear_border(p: Tensor) -> Tensor:
    """Put 0 in place where a field never counts, and return it."""
    axes = p.shape[0]
    for component, axis in zip(p, range(-axes, 0), strict=True):
        component.select(axis, -1).zero_()
    return p
