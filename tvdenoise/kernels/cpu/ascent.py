r"""The steps of FISTA on the dual, fused: all that happens to a row happens while it is in the cache.

Every value comes out bit by bit as :class:`tvdenoise.solvers.optimizers.FISTA` computes it with torch.
"""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

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
from tvdenoise.kernels.state import Fields, State
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
    top = rows.top + s * rows.top_slope
    bottom = rows.bottom + s * rows.bottom_slope
    return top, bottom


class Part(NamedTuple):
    """The rows from ``start`` to ``stop`` (not included) that take a step, and whether these border on other bands."""

    start: int
    stop: int
    shrinks_above: bool
    grows_below: bool


def ascend(state: State, tv: str, rate: float, steps: range) -> Fields:
    r"""Take steps in place; return the newest field and the one before it.

    Every thread takes a band of rows, which shrinks by a row a step where it borders on another, and then a gap,
    which grows around a row between two bands: so nothing is computed twice.
    """
    arrays = as_arrays(state)
    f = arrays.f
    real = f.dtype.type
    width = state.f.shape[-1]
    most = STEPS if len(state.p) == 2 else STEPS_OF_SLICES
    edges = threads.cut_into_bands(f.shape[1], 2 * most + 1)
    bands = len(edges) - 1
    for start in range(0, len(steps), most):
        sweep = steps[start : start + most]
        shrinking = []
        growing = []
        for group in state.groups:
            left_behind = (bands, len(sweep), group.planes, f.shape[2])
            above = np.zeros(left_behind, f.dtype)
            below = np.zeros(left_behind, f.dtype)
            weight = real(group.weight)
            spacing = real(group.spacing)
            rounded = group._replace(weight=weight, spacing=spacing)
            model = Model(rounded, tv == "isotropic", real(rate), width)
            take = partial(_ascend, arrays, model, sweep.start, len(sweep))
            for band, (top, bottom) in enumerate(pairwise(edges)):
                has_upper = int(band > 0)
                has_lower = int(band < bands - 1)
                rows = Trapezoid(top + has_upper, has_upper, bottom, -has_lower)
                shrinking.append(partial(take, rows, above[band], below[band]))
            for band, edge in enumerate(edges[1:-1], 1):
                rows = Trapezoid(edge, -1, edge + 1, 1)
                growing.append(partial(take, rows, above[band - 1], below[band]))
        threads.run(shrinking)
        threads.run(growing)
    if len(steps) % 2:  # only the last sweep may be odd
        return state.previous, state.p
    return state.p, state.previous


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
    components = len(p)
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
            shrinks_above = start == top and rows.top_slope > 0
            grows_below = stop == bottom and rows.bottom_slope > 0
            part = Part(start, stop, shrinks_above, grows_below)
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
        through = r[before % 2, c, 0]
        if part.shrinks_above:
            extrapolate(now[0, plane, before], old[0, plane, before], momentum, through)
        else:
            copy(above[c], through)
    for i in range(part.start, part.stop + 1):  # the field of a row needs the picture in the next
        for c in range(group.planes):
            plane = group.first + c * group.stride
            picture = u[i % 2, c]
            if i == f.shape[1]:  # no difference leads out of the picture
                copy(u[(i - 1) % 2, c], picture)
            elif i == part.stop and part.grows_below:  # a band has been there already
                copy(below[c], picture)
            else:
                _update_row(arrays, model, c, i, momentum, r, u)
                if i < part.stop and arrays.average.size > 0:
                    mix(arrays.average[plane, i], picture, share)
                if i == part.start and part.shrinks_above:  # for the gap above, which comes later
                    copy(picture, below[c])
        if i > part.start:
            _move_row(old, model, i - 1, r, u, scale)
    last = part.stop - 1
    for c in range(group.planes):
        copy(r[last % 2, c, 0], above[c])


@inlined
def _update_row(arrays: Arrays, model: Model, c: int, i: int, momentum: float, r: Array, u: Array) -> None:
    """Extrapolate the field in row ``i`` of a plane, and compute the picture there."""
    f, now, old, _ = arrays
    group = model.group
    plane = group.first + c * group.stride
    last = len(now) - 1
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
        spacing = group.spacing
        subtract_adjoint_3d(f[plane, i], through, over, down, along, width, spacing, picture)


@inlined
def _move_row(p: Array, model: Model, i: int, r: Array, u: Array, scale: Array) -> None:
    """Write the field in row ``i`` after a step along the gradient and the projection."""
    group, is_isotropic, rate, width = model
    last = len(p) - 1
    fields = r[i % 2]
    pictures = u[i % 2]
    pictures_below = u[(i + 1) % 2]
    if group.planes == 1 and last == 1:
        x = p[0, group.first, i]
        y = p[1, group.first, i]
        move_plane(fields[0], pictures[0], pictures_below[0], rate, group.weight, is_isotropic, x, y)
        return
    for c in range(group.planes):
        plane = group.first + c * group.stride
        through = fields[c, 0]
        along = fields[c, last]
        picture = pictures[c]
        under = pictures_below[c]
        out = p[0, plane, i]
        out_along = p[last, plane, i]
        if last == 1:
            move(through, picture, under, rate, out)
            move_along(along, picture, rate, out_along)
        else:
            move_through(through, picture, under, group.spacing, rate, out)
            vertical = fields[c, 1, width:]
            move(vertical, picture, picture[width:], rate, p[1, plane, i])
            for j in range(0, len(picture), width):  # line by line
                end = j + width
                move_along(along[j : end + 1], picture[j:end], rate, out_along[j:end])
    project(p, i, group, is_isotropic, scale)
