r"""What is done to one row, compiled by numba: the operations of torch in their order, each rounded for itself.

Pictures are arrays (planes, H, W), fields (2, planes, H, W). What rows are of pictures, slices are of volumes, their
pixels in a line: (planes, D, H W), fields (3, planes, D, H W). A ``Group`` names the planes whose vectors make one.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tvdenoise.kernels.cpu.compilation import compiled
from tvdenoise.kernels.state import State
from tvdenoise.options.kinds import Group

Array = NDArray[Any]


class Arrays(NamedTuple):
    """What an ascent works on, as arrays."""

    f: Array
    now: Array  # the newest field
    old: Array  # the one before it
    average: Array  # without rows if there is none


def as_arrays(state: State) -> Arrays:
    """Return the tensors of an ascent as arrays in the same memory."""
    axes = len(state.p)
    f = as_planes(state.f, axes)
    average = f[:, :0].copy()
    if state.average is not None:
        average = as_planes(state.average, axes)
    now = as_field(state.p)
    old = as_field(state.previous)
    return Arrays(f, now, old, average)


def as_planes(picture: Tensor, axes: int) -> Array:
    """Return a picture (..., H, W), or a volume (..., D, H, W), as planes in the same memory."""
    return picture.flatten(1 - axes).flatten(0, -3).numpy()


def as_field(p: Tensor) -> Array:
    """Return a field of these, in the same memory."""
    return p.flatten(1 - len(p)).flatten(1, -3).numpy()


@compiled
def find_rows(i: int, height: int) -> range:
    """Return those of the rows ``i`` and ``i`` + 1 that exist."""
    return range(max(i, 0), min(i + 2, height))


@compiled
def copy(source: Array, target: Array) -> None:
    """Write ``source`` into ``target``, many times faster than an assignment does."""
    for j in range(len(target)):
        target[j] = source[j]


@compiled
def extrapolate(now: Array, old: Array, momentum: float, out: Array) -> None:
    """Write now + momentum (now - old) into ``out``."""
    for j in range(len(now)):
        out[j] = now[j] + momentum * (now[j] - old[j])


@compiled
def subtract_adjoint(f: Array, vertical: Array, over: Array, horizontal: Array, u: Array) -> None:
    """Write a row of f - D^T r into ``u``; ``horizontal`` starts with the 0 to the left of the first pixel."""
    for j in range(len(u)):
        u[j] = f[j] + vertical[j] - over[j] + horizontal[j + 1] - horizontal[j]


@compiled
def subtract_adjoint_3d(
    f: Array, depth: Array, over: Array, vertical: Array, horizontal: Array, width: int, spacing: float, u: Array
) -> None:
    """Write a slice of f - D^T r into ``u``; ``vertical`` starts with a row of 0, ``horizontal`` with one."""
    below = vertical[width:]  # an index j + width is not known to be no negative one, and so not vectorized
    for j in range(len(u)):
        along_depth = f[j] + depth[j] / spacing - over[j] / spacing
        along_columns = along_depth + below[j] - vertical[j]
        u[j] = along_columns + horizontal[j + 1] - horizontal[j]


@compiled
def mix(mean: Array, u: Array, share: float) -> None:
    """Give ``u`` a share in ``mean``."""
    for j in range(len(u)):
        mean[j] += share * (u[j] - mean[j])


@compiled
def move(r: Array, u: Array, following: Array, rate: float, out: Array) -> None:
    """Write r + rate D u along an axis into ``out``, where each value of ``u`` has one that follows."""
    for j in range(len(following)):
        out[j] = r[j] + rate * (following[j] - u[j])


@compiled
def move_along(horizontal: Array, u: Array, rate: float, out: Array) -> None:
    """Do so along a row; ``horizontal`` starts with a 0."""
    for j in range(len(u) - 1):
        difference = u[j + 1] - u[j]
        out[j] = horizontal[j + 1] + rate * difference


@compiled
def move_through(depth: Array, u: Array, under: Array, spacing: float, rate: float, out: Array) -> None:
    """Write a slice of r + rate D u, across slices, into ``out``."""
    for j in range(len(u)):
        difference = (under[j] - u[j]) / spacing
        out[j] = depth[j] + rate * difference


@compiled
def move_plane(
    r: Array, u: Array, under: Array, rate: float, weight: float, is_isotropic: bool, out: Array, out_along: Array
) -> None:
    """Move across rows and along them, and project, at once for a single plane: it takes less time."""
    vertical = r[0]
    horizontal = r[1]
    last = len(u) - 1
    for j in range(last):
        x = vertical[j] + rate * (under[j] - u[j])
        along = u[j + 1] - u[j]
        y = horizontal[j + 1] + rate * along
        if is_isotropic:
            factor = find_factor(x * x + y * y, weight)
            out[j] = x * factor
            out_along[j] = y * factor
        else:
            out[j] = clamp(x, weight)
            out_along[j] = clamp(y, weight)
    # The last column has no difference along the row.
    x = vertical[last] + rate * (under[last] - u[last])
    if is_isotropic:
        out[last] = x * find_factor(x * x, weight)
    else:
        out[last] = clamp(x, weight)


@compiled
def clamp(x: float, bound: float) -> float:
    """Return the nearest value whose magnitude is at most ``bound``."""
    return min(max(x, -bound), bound)


@compiled
def find_factor(square: float, bound: float) -> float:
    """Return the factor that makes a vector at most ``bound`` long, from the square of its length."""
    one = type(bound)(1)
    inverse = one / np.sqrt(square)
    factor: float = min(one, bound * inverse)
    return factor


@compiled
def project(p: Array, i: int, group: Group, is_isotropic: bool, scale: Array) -> None:
    """Project row ``i`` of a field on the dual ball."""
    first, stride, planes, weight, _ = group
    components = len(p)
    if planes == 1 and not is_isotropic:
        for component in range(components):
            row = p[component, first, i]
            for j in range(len(row)):
                row[j] = clamp(row[j], weight)
        return
    stop = first + planes * stride
    together = components if is_isotropic else 1
    for begin in range(0, components, together):
        for j in range(len(scale)):
            scale[j] = 0
        for component in range(begin, begin + together):
            for plane in range(first, stop, stride):
                row = p[component, plane, i]
                for j in range(len(row)):
                    scale[j] += row[j] * row[j]
        for j in range(len(scale)):
            scale[j] = find_factor(scale[j], weight)
        for component in range(begin, begin + together):
            for plane in range(first, stop, stride):
                row = p[component, plane, i]
                for j in range(len(row)):
                    row[j] *= scale[j]
