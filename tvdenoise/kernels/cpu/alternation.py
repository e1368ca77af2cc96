r"""The steps of alternating descent on the dual, fused: all that happens to a row happens while it is in the cache.

Every value comes out bit by bit as :class:`tvdenoise.solvers.ascents.AlternatingAscent` computes it with torch.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tvdenoise.kernels.cpu import threads
from tvdenoise.kernels.cpu.ascent import Trapezoid
from tvdenoise.kernels.cpu.compilation import compiled
from tvdenoise.kernels.cpu.rows import Array, as_fields, as_planes, copy, mix
from tvdenoise.kernels.cpu.squares import deinterleave, extrapolate_odd, interleave, solve
from tvdenoise.options.kinds import Group

BLOCK = 4
"""Pairs of rows taken through all steps before the next."""


def alternate(
    f: Tensor,
    p: Tensor,
    previous: Tensor,
    average: Tensor | None,
    groups: Sequence[Group],
    first_step: int,
    steps: int,
    every: int,
    picture: Tensor,
) -> tuple[Tensor, Tensor]:
    r"""Take the steps ``first_step`` and following in place, with ``picture`` for a buffer; return both fields.

    ``average`` takes in the picture at every so many steps. Every thread takes a band of pairs of rows, which shrinks
    by a pair a step where it borders on another, and then one of the gaps, which grow around a border between two
    bands: so nothing is computed twice.
    """
    height, width = f.shape[-2:]
    data, u, mean = as_planes(f, picture, f.new_empty(0, height, width) if average is None else average)
    now, old = as_fields(p, previous)
    pairs = height // 2 + 1
    bands = max(1, min(torch.get_num_threads(), pairs // (2 * steps + 5)))
    edges = [pairs * band // bands for band in range(bands + 1)]
    shrinking, growing = list[Callable[[], None]](), list[Callable[[], None]]()
    for plane, _, _, weight, _ in groups:
        take = partial(_alternate, data, u, now, old, mean, plane, weight, first_step, steps, every)
        for band, (top, bottom) in enumerate(pairwise(edges)):
            is_inner, ends_inside = int(band > 0), int(band < bands - 1)
            over = now[0, plane, 2 * top - 1].copy() if is_inner else np.zeros(width, data.dtype)
            shrunk = Trapezoid(top + is_inner, is_inner, bottom - ends_inside, -ends_inside)
            shrinking.append(partial(take, shrunk, top, bottom, over))
        nothing = np.zeros(0, data.dtype)
        gaps = ((Trapezoid(edge - 1, -1, edge + 1, 1), edge) for edge in edges[1:-1])
        growing.extend(partial(take, grown, edge, edge, nothing) for grown, edge in gaps)
    threads.run(shrinking)
    threads.run(growing)
    return p, previous


@compiled
def _alternate(
    f: Array,
    u: Array,
    p: Array,
    previous: Array,
    average: Array,
    plane: int,
    weight: float,
    first_step: int,
    steps: int,
    every: int,
    rows: Trapezoid,
    top: int,
    bottom: int,
    over: Array,
) -> None:
    r"""Take the steps ``first_step`` and following on a trapezoid of pairs of rows, in place.

    Pair r means the even squares of rows 2r and 2r + 1, and the odd ones of rows 2r - 1 and 2r, which need the even
    ones of pairs r - 1 and r. Of a band, the rows of the pairs ``top`` to ``bottom`` (not included) are laid out first,
    for which ``over`` is the vertical component above them; in a gap, where these are the same, the first extrapolation
    between its two bands is still to be done. Where a trapezoid shrinks, odd squares begin a pair later than even ones;
    where it grows, they end a pair later.
    """
    h, w = f.shape[1:]
    real = f.dtype.type
    bound = real(weight)
    field = p[0, plane], p[1, plane], previous[0, plane], previous[1, plane]
    picture, down, right = u[plane], field[0], field[1]
    buffer = np.zeros(w, f.dtype)
    if top == bottom:
        extrapolate_odd(picture, field, top, _momentum(first_step, real))
    block = min(top, rows.top, rows.top + (steps - 1) * rows.top_slope)
    last = max(bottom, rows.bottom + 1, rows.bottom + 1 + (steps - 1) * rows.bottom_slope)
    while block < last + steps:
        for r in range(max(block, top), min(block + BLOCK, bottom)):
            for i in range(2 * r, min(2 * r + 2, h)):
                _lay_out(f[plane, i], down[i], over, right[i], picture[i])
                deinterleave(picture[i], buffer)
                for component in field:
                    deinterleave(component[i], buffer)
                if average.size > 0:
                    deinterleave(average[plane, i], buffer)
            if r > top or r == 0:
                extrapolate_odd(picture, field, r, _momentum(first_step, real))
        for s in range(steps):
            k = first_step + s
            even_top, even_bottom = rows.top + s * rows.top_slope, rows.bottom + s * rows.bottom_slope
            odd_top, odd_bottom = even_top + int(rows.top_slope > 0), even_bottom + int(rows.bottom_slope > 0)
            for r in range(max(even_top, block - s - 1), min(odd_bottom, block + BLOCK - s - 1)):
                if r < even_bottom:
                    solve(picture, down, right, 2 * r, bound)
                if r < odd_top:
                    continue
                solve(picture, down, right, 2 * r - 1, bound)
                own = range(max(2 * r - 1, 0), min(2 * r + 1, h))
                if average.size > 0 and k % every == 0:
                    for i in own:
                        mix(average[plane, i], picture[i], real(3 / (k // every + 2)))
                if s < steps - 1:
                    extrapolate_odd(picture, field, r, _momentum(k + 1, real))
                    continue
                for i in own:
                    for component in field:
                        interleave(component[i], buffer)
                    if average.size > 0:
                        interleave(average[plane, i], buffer)
        block += BLOCK


@compiled
def _momentum(k: int, real: Any) -> Any:  # noqa: ANN401 (a type of numbers, and one)
    return real((k - 1) / (k + 2))


@compiled
def _lay_out(f: Array, vertical: Array, over: Array, horizontal: Array, u: Array) -> None:
    """Write a row of f - D^T p into ``u``, and the vertical component into ``over`` for the row below."""
    u[0] = f[0] + vertical[0] - over[0] + horizontal[0]
    for j in range(1, u.shape[0]):
        u[j] = f[j] + vertical[j] - over[j] + horizontal[j] - horizontal[j - 1]
    copy(vertical, over)
