r"""The steps of alternating descent on the dual, fused: all that happens to a row happens while it is in the cache.

Every value comes out bit by bit as :class:`tvdenoise.solvers.ascents.AlternatingAscent` computes it with torch.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
from torch import Tensor

from tvdenoise.kernels.cpu import threads
from tvdenoise.kernels.cpu.ascent import Trapezoid, find_borders
from tvdenoise.kernels.cpu.compilation import compiled, inlined
from tvdenoise.kernels.cpu.rows import Array, Arrays, as_arrays, as_planes, copy, find_rows, mix
from tvdenoise.kernels.cpu.squares import deinterleave, extrapolate_odd, interleave, solve
from tvdenoise.kernels.state import Fields, State

# Pairs of rows taken through all steps before the next.
BLOCK = 4


def alternate(state: State, steps: range, every: int, picture: Tensor) -> Fields:
    r"""Take steps in place, with ``picture`` for a buffer; return both fields.

    The average takes in the picture at every so many steps. Every thread takes a band of pairs of rows, and then a
    gap, as in :func:`tvdenoise.kernels.cpu.ascent.ascend`.
    """
    arrays = as_arrays(state)
    f = arrays.f
    u = as_planes(picture, 2)
    pairs = f.shape[1] // 2 + 1
    edges = threads.cut_into_bands(pairs, 2 * len(steps) + 5)
    last = len(edges) - 2
    shrinking = list[Callable[[], None]]()
    growing = list[Callable[[], None]]()
    for plane, _, _, weight, _ in state.groups:
        rounded = f.dtype.type(weight)
        take = partial(_alternate, arrays, u, plane, rounded, steps.start, len(steps), every)
        for band, (top, bottom) in enumerate(pairwise(edges)):
            above = int(band > 0)
            below = int(band < last)
            over = np.zeros(f.shape[2], f.dtype)
            if above:
                over[:] = arrays.now[0, plane, 2 * top - 1]
            shrunk = Trapezoid(top + above, above, bottom - below, -below)
            shrinking.append(partial(take, shrunk, top, bottom, over))
        for edge in edges[1:-1]:
            grown = Trapezoid(edge - 1, -1, edge + 1, 1)
            nothing = np.zeros(0, f.dtype)
            growing.append(partial(take, grown, edge, edge, nothing))
    threads.run(shrinking)
    threads.run(growing)
    return state.p, state.previous


@compiled
def _alternate(
    arrays: Arrays,
    picture: Array,
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
    ones of pairs r - 1 and r: where a trapezoid shrinks, odd squares begin a pair later than even ones; where it
    grows, they end a pair later. The pairs ``top`` to ``bottom`` (not included) of a band are laid out first, and
    ``over`` is the vertical component above them. A gap has none.
    """
    f = arrays.f[plane]
    u = picture[plane]
    down = arrays.now[0, plane]
    right = arrays.now[1, plane]
    old_down = arrays.old[0, plane]
    old_right = arrays.old[1, plane]
    field = (down, right, old_down, old_right)
    average = arrays.average[plane]
    buffer = np.zeros(f.shape[1], f.dtype)
    if top == bottom:  # in a gap, the first extrapolation between its two bands is still to be done
        extrapolate_odd(u, field, top, first_step)
    last_top, last_bottom = find_borders(rows, steps - 1)
    block = min(top, rows.top, last_top)
    last = max(bottom, rows.bottom + 1, last_bottom + 1)
    while block < last + steps:
        block_end = block + BLOCK
        for r in range(max(block, top), min(block_end, bottom)):
            _lay_out_pair(f, u, field, average, r, over, buffer)
            if r > top or r == 0:
                extrapolate_odd(u, field, r, first_step)
        for s in range(steps):  # a pair goes one step further than the next
            even_top, even_bottom = find_borders(rows, s)
            odd_top = even_top + int(rows.top_slope > 0)
            odd_bottom = even_bottom + int(rows.bottom_slope > 0)
            first = max(even_top, block - s - 1)
            end = min(odd_bottom, block_end - s - 1)
            for r in range(first, end):
                if r < even_bottom:
                    solve(u, down, right, 2 * r, weight)
                if r < odd_top:
                    continue
                solve(u, down, right, 2 * r - 1, weight)
                k = first_step + s
                if k % every == 0 and average.size > 0:
                    number = k // every
                    share = f.dtype.type(3 / (number + 2))
                    for i in find_rows(2 * r - 1, u.shape[0]):  # no other square of this step changes these
                        mix(average[i], u[i], share)
                if s < steps - 1:
                    extrapolate_odd(u, field, r, k + 1)
                else:
                    _put_back_pair(field, average, r, buffer)
        block = block_end


@inlined
def _lay_out_pair(
    f: Array, u: Array, field: tuple[Array, ...], average: Array, pair: int, over: Array, buffer: Array
) -> None:
    """Write the rows of a pair of u = f - D^T p, and put even columns before odd ones in all that steps work on."""
    for i in find_rows(2 * pair, u.shape[0]):
        down, right, _, _ = field
        _subtract_adjoint(f[i], down[i], over, right[i], u[i])
        deinterleave(u[i], buffer)
        for component in field:
            deinterleave(component[i], buffer)
        if average.size > 0:
            deinterleave(average[i], buffer)


@compiled
def _subtract_adjoint(f: Array, vertical: Array, over: Array, horizontal: Array, u: Array) -> None:
    """Write a row of f - D^T p into ``u``, and the vertical component into ``over`` for the row below."""
    u[0] = f[0] + vertical[0] - over[0] + horizontal[0]
    for j in range(1, len(u)):
        across = f[j] + vertical[j] - over[j]
        u[j] = across + horizontal[j] - horizontal[j - 1]
    copy(vertical, over)


@inlined
def _put_back_pair(field: tuple[Array, ...], average: Array, pair: int, buffer: Array) -> None:
    """Undo the order of columns in the two rows of odd squares."""
    for i in find_rows(2 * pair - 1, field[0].shape[0]):
        for component in field:
            interleave(component[i], buffer)
        if average.size > 0:
            interleave(average[i], buffer)
