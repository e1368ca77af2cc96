r"""The steps of FISTA on the dual, fused: all that happens to a row happens while it is in the cache.

Every value comes out bit by bit as :class:`tvdenoise.solvers.optimizers.FISTA` computes it with torch.
"""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tvdenoise.kernels.cpu import threads
from tvdenoise.kernels.cpu.compilation import compiled, inlined
from tvdenoise.kernels.cpu.rows import (
    Array,
    Arrays,
    as_arrays,
    copy,
    extrapolate,
    mix,
    move,
    move_along,
    move_plane,
    move_through,
    project,
    subtract_adjoint,
    subtract_adjoint_3d,
)
from tvdenoise.kernels.state import State
from tvdenoise.options.kinds import Group

# Rows taken through all steps of a sweep before the next.
BLOCK = 16
# Steps taken on one part of the picture before the next; even, so that the fields change places in the last alone.
STEPS = 16
# The same for volumes, whose slices are what rows are of pictures.
BLOCK_OF_SLICES = 8
STEPS_OF_SLICES = 4


class Model(NamedTuple):
    """What steps depend on, rounded to the type of the picture."""

    group: Group
    is_isotropic: bool
    rate: float
    width: int


class Trapezoid(NamedTuple):
    """The rows from ``top`` to ``bottom`` (not included), which move by their slopes at every step."""

    top: int
    top_slope: int
    bottom: int
    bottom_slope: int


@compiled
def find_borders(rows: Trapezoid, s: int) -> tuple[int, int]:
    """Return the first row of a trapezoid at step ``s``, and the one after its last."""
    return rows.top + s * rows.top_slope, rows.bottom + s * rows.bottom_slope


class Part(NamedTuple):
    """The rows from ``start`` to ``stop`` (not included) that take a step, and whether these border on other bands."""

    start: int
    stop: int
    shrinks_above: bool
    grows_below: bool


def ascend(state: State, tv: str, rate: float, steps: range) -> tuple[Tensor, Tensor]:
    r"""Take steps in place; return the newest field and the one before it.

    Every thread takes a band of rows, which shrinks by a row a step where it borders on another, and then a gap,
    which grows around a row between two bands: so nothing is computed twice.
    """
    arrays = as_arrays(state)
    f = arrays.f
    real = f.dtype.type
    height = f.shape[1]
    width = state.f.shape[-1]
    most = STEPS if len(state.p) == 2 else STEPS_OF_SLICES
    bands = max(1, min(torch.get_num_threads(), height // (2 * most + 1)))
    edges = [height * band // bands for band in range(bands + 1)]
    for start in range(0, len(steps), most):
        sweep = steps[start : start + most]
        shrinking = []
        growing = []
        for group in state.groups:
            above, below = np.zeros((2, bands, len(sweep), group.planes, f.shape[2]), f.dtype)
            rounded = group._replace(weight=real(group.weight), spacing=real(group.spacing))
            model = Model(rounded, tv == "isotropic", real(rate), width)
            take = partial(_ascend, arrays, model, sweep.start, len(sweep))
            for band, (top, bottom) in enumerate(pairwise(edges)):
                rows = Trapezoid(top + int(band > 0), int(band > 0), bottom, -int(band < bands - 1))
                shrinking.append(partial(take, rows, above[band], below[band]))
            for band, edge in enumerate(edges[1:-1], 1):
                growing.append(partial(take, Trapezoid(edge, -1, edge + 1, 1), above[band - 1], below[band]))
        threads.run(shrinking)
        threads.run(growing)
    return (state.previous, state.p) if len(steps) % 2 else (state.p, state.previous)  # only the last sweep may be odd


@compiled
def _ascend(
    arrays: Arrays, model: Model, first_step: int, steps: int, rows: Trapezoid, above: Array, below: Array
) -> None:
    r"""Take the steps ``first_step`` and following on a trapezoid of rows, in place.

    :math:`p_k` is written where :math:`p_{k-2}` was: after an odd number the newest field is in ``arrays.old``. A
    trapezoid that shrinks finds in the next row what it needs. One that grows takes what its neighbours left: the
    extrapolated vertical component of the last row in ``above`` (steps, planes, W), the first picture in ``below``.
    """
    f, p, previous, average = arrays
    components = p.shape[0]
    planes = model.group.planes
    w = f.shape[2]
    r = np.zeros((2, planes, components, w + model.width), f.dtype)
    u = np.zeros((2, planes, w), f.dtype)
    scale = np.zeros(w, f.dtype)
    block_size = BLOCK if components == 2 else BLOCK_OF_SLICES
    top, bottom = find_borders(rows, steps - 1)
    block = min(rows.top, top)
    last = max(rows.bottom, bottom)
    while block < last + steps:
        for s in range(steps):  # a row goes one step further than the next
            top, bottom = find_borders(rows, s)
            start = max(top, block - s)
            stop = min(bottom, block + block_size - s)
            if start >= stop:
                continue
            part = Part(start, stop, start == top and rows.top_slope > 0, stop == bottom and rows.bottom_slope > 0)
            ordered = Arrays(f, p, previous, average) if s % 2 == 0 else Arrays(f, previous, p, average)
            _take_step(ordered, model, first_step + s, part, above[s], below[s], r, u, scale)
        block += block_size


@inlined
def _take_step(
    arrays: Arrays, model: Model, k: int, part: Part, above: Array, below: Array, r: Array, u: Array, scale: Array
) -> None:
    """Take step ``k`` on some rows: the new field overwrites ``arrays.old``.

    ``r`` is the extrapolated field (2, planes, components, zeros and W) in the row in work and the one above it, the
    even row first, ``u`` the picture f - D^T r there (2, planes, W); ``scale`` is for the projection.
    """
    f, now, old, _ = arrays
    group = model.group
    momentum = f.dtype.type((k - 1) / (k + 2))
    share = f.dtype.type(3 / (k + 2))
    before = part.start - 1
    for c in range(group.planes):
        plane = group.first + c * group.stride
        if part.shrinks_above:
            extrapolate(now[0, plane, before], old[0, plane, before], momentum, r[before % 2, c, 0])
        else:
            copy(above[c], r[before % 2, c, 0])
    for i in range(part.start, part.stop + 1):  # the field of a row needs the picture in the next
        for c in range(group.planes):
            plane = group.first + c * group.stride
            if i == f.shape[1]:  # no difference leads out of the picture
                copy(u[(i - 1) % 2, c], u[i % 2, c])
            elif i == part.stop and part.grows_below:  # a band has been there already
                copy(below[c], u[i % 2, c])
            else:
                _update_row(arrays, model, c, i, momentum, r, u)
                if i < part.stop and arrays.average.size > 0:
                    mix(arrays.average[plane, i], u[i % 2, c], share)
                if i == part.start and part.shrinks_above:  # for the gap above, which comes later
                    copy(u[i % 2, c], below[c])
        if i > part.start:
            _move_row(old, model, i - 1, r, u, scale)
    for c in range(group.planes):
        copy(r[(part.stop - 1) % 2, c, 0], above[c])


@inlined
def _update_row(arrays: Arrays, model: Model, c: int, i: int, momentum: float, r: Array, u: Array) -> None:
    """Extrapolate the field in row ``i`` of a plane, and compute the picture there."""
    f, now, old, _ = arrays
    plane = model.group.first + c * model.group.stride
    last = now.shape[0] - 1
    extrapolated = r[i % 2, c]
    picture = u[i % 2, c]
    through = extrapolated[0]
    over = r[(i - 1) % 2, c, 0]
    along = extrapolated[last]  # starts with a 0
    extrapolate(now[0, plane, i], old[0, plane, i], momentum, through)
    extrapolate(now[last, plane, i], old[last, plane, i], momentum, along[1:])
    if last == 1:
        subtract_adjoint(f[plane, i], through, over, along, picture)
    else:
        width = model.width
        down = extrapolated[1]
        extrapolate(now[1, plane, i], old[1, plane, i], momentum, down[width:])
        subtract_adjoint_3d(f[plane, i], through, over, down, along, width, model.group.spacing, picture)


@inlined
def _move_row(p: Array, model: Model, i: int, r: Array, u: Array, scale: Array) -> None:
    """Write the field in row ``i`` after a step along the gradient and the projection."""
    group, is_isotropic, rate, width = model
    last = p.shape[0] - 1
    here = i % 2
    below = (i + 1) % 2
    if group.planes == 1 and last == 1:
        x = p[0, group.first, i]
        y = p[1, group.first, i]
        move_plane(r[here, 0], u[here, 0], u[below, 0], rate, group.weight, is_isotropic, x, y)
        return
    for c in range(group.planes):
        plane = group.first + c * group.stride
        through = r[here, c, 0]
        along = r[here, c, last]
        picture = u[here, c]
        out = p[last, plane, i]
        if last == 1:
            move(through, picture, u[below, c], rate, p[0, plane, i])
            move_along(along, picture, rate, out)
        else:
            move_through(through, picture, u[below, c], group.spacing, rate, p[0, plane, i])
            move(r[here, c, 1, width:], picture, picture[width:], rate, p[1, plane, i])
            for j in range(0, picture.shape[0], width):  # line by line
                move_along(along[j : j + width + 1], picture[j : j + width], rate, out[j : j + width])
    project(p, i, group, is_isotropic, scale)
