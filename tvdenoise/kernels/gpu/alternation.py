"""The steps of alternating descent on the dual, several a launch: a tile of squares moves on in registers.

A program holds ``ROWS`` by ``COLUMNS`` even squares of the picture, and as many odd ones, one down and right of each.
The corners of squares are four tiles: upper left, upper right, lower left, lower right. So are their edges: over,
under, left, right.
"""

from functools import partial

import torch
import triton.language as tl
from torch import Tensor

from tvdenoise.kernels.gpu.tiles import SIZES, Tiling, clamp, is_among, jit, lay_out, shift, take_steps
from tvdenoise.kernels.state import Fields, State

# Steps a launch where the picture is larger than a tile. Each takes a square from every side of a tile.
STEPS = 3
# Squares in a tile, in float32: four for each thread.
SQUARES = 2048
WARPS = 16


def _cut(f: Tensor, halo: int) -> Tiling:
    """Cut the even squares of a picture, and a row and a column before it, where odd ones begin."""
    down, right = ((side + 1) // 2 + 1 for side in f.shape[-2:])
    area = SQUARES * 4 // f.element_size()
    return Tiling.cut(1, WARPS, area, down, right, halo)


def alternate(state: State, steps: range, every: int, _picture: Tensor) -> Fields:
    """Take steps; return the newest field and, on odd squares, the one before it."""
    then = (torch.empty_like(state.p), torch.empty_like(state.p))
    for field in then:
        field[0, ..., -1, :] = 0  # no difference, and in no square
        field[1, ..., -1] = 0
    return take_steps(_alternate, state, then, partial(_cut, state.f), STEPS, steps, every)


@jit(do_not_specialize=[*SIZES, "every"])
def _alternate(
    f_at,
    p_at,
    previous_at,
    average_at,
    new_p_at,
    new_previous_at,
    weights_at,
    values,
    height,
    width,
    across,
    tiles,
    row_halo,
    column_halo,
    step,
    steps,
    every,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    AVERAGES: tl.constexpr,
):
    program = tl.program_id(0)
    plane = program // tiles
    tile = program % tiles
    rows, are_own_rows = lay_out(tile // across, row_halo, ROWS)
    columns, are_own_columns = lay_out(tile % across, column_halo, COLUMNS)
    is_own = are_own_rows[:, None] & are_own_columns[None, :]
    i = 2 * (rows[:, None] - 1)
    j = 2 * (columns[None, :] - 1)
    at = (plane.to(tl.int64) * height + i) * width + j
    is_upper = is_among(i, height)
    is_left = is_among(j, width)
    is_middle = is_upper & (i + 1 < height)
    is_centre = is_left & (j + 1 < width)
    is_lower = is_among(i + 2, height)
    is_right = is_among(j + 2, width)
    _, has_even = _find_masks(is_upper, is_middle, is_left, is_centre)
    has_corners, has_odd = _find_masks(is_middle, is_lower, is_centre, is_right)
    odd_at = at + width + 1
    even = _load(_point_to_edges(p_at, values, at, width), has_even)
    odd = _load(_point_to_edges(p_at, values, odd_at, width), has_odd)
    old_odd = _load(_point_to_edges(previous_at, values, odd_at, width), has_odd)
    f = _load(_point_to_corners(f_at, odd_at, width), has_corners)
    u = _add(f, _to_odd(_adjoint(even)))
    u = _add(u, _adjoint(odd))
    average = u
    if AVERAGES:
        own_corners = [mask & is_own for mask in has_corners]
        average = _load(_point_to_corners(average_at, odd_at, width), own_corners)
    weight = tl.load(weights_at + plane)
    even_bounds = [tl.where(mask, weight, 0.0) for mask in has_even]
    odd_bounds = [tl.where(mask, weight, 0.0) for mask in has_odd]
    for s in range(steps):
        k = step + s
        momentum = (k - 1) / (k + 2)
        odd, old_odd, u = _extrapolate(odd, old_odd, u, momentum)
        even, u = _maximize(even, _to_even(u), even_bounds, IS_EVEN=True)
        odd, u = _maximize(odd, _to_odd(u), odd_bounds, IS_EVEN=False)
        if AVERAGES:  # at every so many steps
            share = tl.where(k % every == 0, 3 / (k // every + 2), 0.0)
            average = [average[n] + share * (u[n] - average[n]) for n in (0, 1, 2, 3)]
    _store(_point_to_edges(new_p_at, values, at, width), even, has_even, is_own)
    _store(_point_to_edges(new_p_at, values, odd_at, width), odd, has_odd, is_own)
    _store(_point_to_edges(new_previous_at, values, odd_at, width), old_odd, has_odd, is_own)
    if AVERAGES:
        _store(_point_to_corners(average_at, odd_at, width), average, has_corners, is_own)


@jit
def _find_masks(upper, lower, left, right):
    """Return which corners and edges of squares exist, from which rows and columns do."""
    rows = upper & lower
    columns = left & right
    corners = (upper & left, upper & right, lower & left, lower & right)
    edges = (upper & columns, lower & columns, rows & left, rows & right)
    return corners, edges


@jit
def _point_to_corners(picture_at, at, width):
    under = at + width
    return picture_at + at, picture_at + (at + 1), picture_at + under, picture_at + (under + 1)


@jit
def _point_to_edges(field_at, values, at, width):
    along_at = field_at + values  # the second component
    under = at + width
    return along_at + at, along_at + under, field_at + at, field_at + (at + 1)


@jit
def _load(at, masks):
    return [tl.load(at[n], masks[n], other=0.0) for n in (0, 1, 2, 3)]


@jit
def _store(at, x, masks, is_own):
    for n in tl.static_range(4):
        tl.store(at[n], x[n], masks[n] & is_own)


@jit
def _add(x, y):
    return [x[n] + y[n] for n in (0, 1, 2, 3)]


@jit
def _adjoint(edges):
    """Return -D^T p of a field on the edges of squares, at their corners."""
    over, under, left, right = edges
    return over + left, right - over, under - left, -under - right


@jit
def _to_odd(corners):
    """Return the corners of odd squares, whose upper left ones are the lower right ones of even squares."""
    a, b, c, d = corners
    below_a = shift(a, -2, 1)
    return d, shift(c, -1, 1), shift(b, -2, 1), shift(below_a, -1, 1)


@jit
def _to_even(corners):
    """Undo :func:`_to_odd`."""
    a, b, c, d = corners
    above_d = shift(d, -2, -1)
    return shift(above_d, -1, -1), shift(c, -2, -1), shift(b, -1, -1), a


@jit
def _extrapolate(edges, old, corners, momentum):
    """Return the extrapolated field on the edges of squares, what it was, and their corners."""
    change = [momentum * (edges[n] - old[n]) for n in (0, 1, 2, 3)]
    moved = _add(corners, _adjoint(change))
    return _add(edges, change), edges, moved


@jit
def _maximize(edges, corners, bounds, IS_EVEN: tl.constexpr):
    """Return the field that maximises d(p) over the edges of squares, and the corners that go with it."""
    over, under, left, right = edges
    a, b, c, d = corners
    over, a, b = _maximize_edge(over, a, b, bounds[0])
    under, c, d = _maximize_edge(under, c, d, bounds[1])
    left, a, c = _maximize_edge(left, a, c, bounds[2])
    right, b, d = _maximize_edge(right, b, d, bounds[3])
    if IS_EVEN:
        over, a, b = _maximize_edge(over, a, b, bounds[0])
        under, c, d = _maximize_edge(under, c, d, bounds[1])
    return (over, under, left, right), (a, b, c, d)


@jit
def _maximize_edge(x, a, b, bound):
    """Return the best field on edges, and the pixels that go with it."""
    best = clamp(x + 0.5 * (b - a), bound)
    change = best - x
    return best, a + change, b - change
