r"""The steps of FISTA on the dual, fused: all that happens to a row happens while it is in the cache.

Every value comes out bit by bit as :class:`tvdenoise.solvers.optimizers.FISTA` computes it with torch.
"""

from collections.abc import Sequence
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
    as_fields,
    as_planes,
    copy,
    extrapolate,
    mix,
    move,
    move_along,
    move_plane,
    move_through,
    project,
    subtract_adjoint,
    subtract_adjoint_of_slice,
)
from tvdenoise.options.kinds import Group

BLOCK = 16
"""Rows taken through all steps of a sweep before the next."""

STEPS = 16
"""Steps taken on one part of the picture before the next; even, so that the fields change places in the last alone."""

BLOCK_OF_SLICES = 8
"""The same for volumes, whose slices are what rows are of pictures."""

STEPS_OF_SLICES = 4
"""Likewise."""


class Trapezoid(NamedTuple):
    """The rows from ``top + s * top_slope`` to ``bottom + s * bottom_slope`` (not included) at step s."""

    top: int
    top_slope: int
    bottom: int
    bottom_slope: int


class Part(NamedTuple):
    """The rows from ``start`` to ``stop`` (not included) that take a step, and whether these border on other bands."""

    start: int
    stop: int
    shrinks_above: bool
    grows_below: bool


def ascend(
    f: Tensor,
    p: Tensor,
    previous: Tensor,
    average: Tensor | None,
    groups: Sequence[Group],
    tv: str,
    rate: float,
    first_step: int,
    steps: int,
) -> tuple[Tensor, Tensor]:
    r"""Take the steps ``first_step`` and following in place; return the newest field and the one before it.

    Every thread takes a band of rows, which shrinks by a row a step where it borders on another, and then one of the
    gaps, which grow around a row between two bands: so nothing is computed twice, and no copy is needed.
    """
    axes = len(p)
    width = f.shape[-1]
    picture, mean = as_planes(f, f.new_empty(0, *f.shape[-axes:]) if average is None else average, axes=axes)
    now, old = as_fields(p, previous)
    height, in_row = picture.shape[1:]
    most = STEPS if axes == 2 else STEPS_OF_SLICES
    bands = max(1, min(torch.get_num_threads(), height // (2 * most + 1)))
    edges = [height * band // bands for band in range(bands + 1)]
    for step in range(first_step, first_step + steps, most):
        number = min(most, first_step + steps - step)
        shrinking = []
        growing = []
        for group in groups:
            above, below = np.zeros((2, bands, number, group.planes, in_row), picture.dtype)
            take = partial(_ascend, picture, now, old, mean, group, tv == "isotropic", rate, width, step, number)
            for band, (top, bottom) in enumerate(pairwise(edges)):
                rows = Trapezoid(top + int(band > 0), int(band > 0), bottom, -int(band < bands - 1))
                shrinking.append(partial(take, rows, above[band], below[band]))
            for band, edge in enumerate(edges[1:-1], 1):
                growing.append(partial(take, Trapezoid(edge, -1, edge + 1, 1), above[band - 1], below[band]))
        threads.run(shrinking)
        threads.run(growing)
    return (previous, p) if steps % 2 else (p, previous)  # only the last sweep may be odd


@compiled
def _ascend(
    f: Array,
    p: Array,
    previous: Array,
    average: Array,
    group: Group,
    is_isotropic: bool,
    rate: float,
    width: int,
    first_step: int,
    steps: int,
    rows: Trapezoid,
    above: Array,
    below: Array,
) -> None:
    r"""Take the steps ``first_step`` and following on a trapezoid of rows, in place.

    Two fields are all that steps need, since :math:`p_k` is written where :math:`p_{k-2}` was: after an odd number the
    newest is in ``previous``. At a slanted border a trapezoid that shrinks finds in the next row what it needs. One
    that grows finds that its neighbour has moved on, and takes what the neighbour left: the extrapolated vertical
    component of the last row in ``above`` (steps, planes, W), the picture in the first row in ``below``.

    ``average`` takes in the pictures at which gradients were taken, unless it is empty.
    """
    components = p.shape[0]
    w = f.shape[2]
    real = f.dtype.type
    rounded = Group(group.first, group.stride, group.planes, real(group.weight), real(group.spacing))
    model = (rounded, is_isotropic, real(rate), width)
    r = np.zeros((2, components, group.planes, w + width), f.dtype)
    u = np.zeros((2, group.planes, w), f.dtype)
    scale = np.zeros(w, f.dtype)
    block_size = BLOCK if components == 2 else BLOCK_OF_SLICES
    block = min(rows.top, rows.top + (steps - 1) * rows.top_slope)
    last = max(rows.bottom, rows.bottom + (steps - 1) * rows.bottom_slope)
    while block < last + steps:
        for s in range(steps):  # a row goes one step further than the next
            top = rows.top + s * rows.top_slope
            bottom = rows.bottom + s * rows.bottom_slope
            start = max(top, block - s)
            stop = min(bottom, block + block_size - s)
            if start >= stop:
                continue
            part = Part(start, stop, start == top and rows.top_slope > 0, stop == bottom and rows.bottom_slope > 0)
            now = p if s % 2 == 0 else previous
            old = previous if s % 2 == 0 else p
            _take_step(f, now, old, average, model, first_step + s, part, above[s], below[s], r, u, scale)
        block += block_size


@inlined
def _take_step(
    f: Array,
    now: Array,
    old: Array,
    average: Array,
    model: tuple[Group, bool, float, int],
    k: int,
    part: Part,
    above: Array,
    below: Array,
    r: Array,
    u: Array,
    scale: Array,
) -> None:
    """Take step ``k`` on some rows: the new field overwrites ``old``.

    ``r`` is the extrapolated field (2, components, planes, zeros and W) in the row in work and the one above it, the
    even row first, ``u`` the picture f - D^T r there (2, planes, W); ``scale`` is for the projection.
    """
    group, is_isotropic, rate, width = model
    first, stride, planes, weight, spacing = group
    w = f.shape[2]
    last = now.shape[0] - 1
    momentum = f.dtype.type((k - 1) / (k + 2))
    share = f.dtype.type(3 / (k + 2))
    before = (part.start - 1) % 2
    for c in range(planes):
        plane = first + c * stride
        if part.shrinks_above:
            extrapolate(now[0, plane, part.start - 1], old[0, plane, part.start - 1], momentum, r[before, 0, c])
        else:
            copy(above[c], r[before, 0, c])
    for i in range(part.start, part.stop + 1):  # the field of a row needs the picture in the next
        here = i % 2
        before = (i - 1) % 2
        for c in range(planes):
            plane = first + c * stride
            if i == f.shape[1]:  # no difference leads out of the picture
                copy(u[before, c], u[here, c])
                continue
            if i == part.stop and part.grows_below:  # a band has been there already
                copy(below[c], u[here, c])
                continue
            through = r[here, 0, c]
            over = r[before, 0, c]
            along = r[here, last, c]  # starts with a 0
            extrapolate(now[0, plane, i], old[0, plane, i], momentum, through)
            extrapolate(now[last, plane, i], old[last, plane, i], momentum, along[1:])
            if last == 1:
                subtract_adjoint(f[plane, i], through, over, along, u[here, c])
            else:
                down = r[here, 1, c]
                extrapolate(now[1, plane, i], old[1, plane, i], momentum, down[width:])
                subtract_adjoint_of_slice(f[plane, i], through, over, down, along, width, spacing, u[here, c])
            if i < part.stop and average.size > 0:
                mix(average[plane, i], u[here, c], share)
            if i == part.start and part.shrinks_above:  # for the gap above, which comes later
                copy(u[here, c], below[c])
        if i > part.start and planes == 1 and last == 1:
            x = old[0, first, i - 1]
            y = old[1, first, i - 1]
            move_plane(r[before, 0, 0], r[before, 1, 0], u[before, 0], u[here, 0], rate, weight, is_isotropic, x, y)
        elif i > part.start:
            for c in range(planes):
                plane = first + c * stride
                if last == 1:
                    move(r[before, 0, c], u[before, c], u[here, c], rate, old[0, plane, i - 1])
                    move_along(r[before, 1, c], u[before, c], rate, old[1, plane, i - 1])
                    continue
                move_through(r[before, 0, c], u[before, c], u[here, c], spacing, rate, old[0, plane, i - 1])
                move(r[before, 1, c, width:], u[before, c], u[before, c, width:], rate, old[1, plane, i - 1])
                x = r[before, 2, c]
                y = old[2, plane, i - 1]
                for j in range(0, w, width):  # line by line
                    move_along(x[j : j + width + 1], u[before, c, j : j + width], rate, y[j : j + width])
            project(old, i - 1, group, is_isotropic, scale)
    for c in range(planes):
        copy(r[(part.stop - 1) % 2, 0, c], above[c])
