"""The steps of alternating descent on the dual, several a launch: a tile of squares moves on in registers.

A program holds ``ROWS`` by ``COLUMNS`` even squares of the picture, and as many odd ones, one down and right of each.
"""

from collections.abc import Sequence

import torch
import triton.language as tl
from torch import Tensor

from tvdenoise.kernels.gpu.tiles import REGISTERS, SIZES, Tiling, jit, moved
from tvdenoise.options.kinds import Group

STEPS = 3
"""Steps a launch where the picture is larger than a tile. Each takes a square from every side of a tile."""

SQUARES = 2048
"""In a tile, in float32: four for each thread."""

WARPS = 16


def _tiling(f: Tensor, halo: int) -> Tiling:
    """Cut the even squares of a picture, and a row and a column before it, where odd ones begin."""
    down, right = ((side + 1) // 2 + 1 for side in f.shape[-2:])
    return Tiling.cut(1, WARPS, SQUARES * 4 // f.element_size(), down, right, halo)


def alternate(
    f: Tensor,
    p: Tensor,
    previous: Tensor,
    average: Tensor | None,
    groups: Sequence[Group],
    first_step: int,
    steps: int,
    every: int,
    _picture: Tensor,
) -> tuple[Tensor, Tensor]:
    r"""Take the steps ``first_step`` and following; return the newest field and, on odd squares, the one before it.

    Both fields are overwritten, as tiles of one launch read what others write and two pairs of fields change places;
    ``average`` takes in the picture at every so many steps.
    """
    weights = f.new_tensor([group.weight for group in groups])
    at_once = steps if _tiling(f, 0).is_whole else STEPS
    now = (p, previous)
    then = (torch.empty_like(p), torch.empty_like(p))
    for field in then:
        field[0, ..., -1, :] = 0  # no difference, and in no square
        field[1, ..., -1] = 0
    with torch.cuda.device_of(f):
        for step in range(first_step, first_step + steps, at_once):
            number = min(at_once, first_step + steps - step)
            tiling = _tiling(f, number)
            _alternate[(len(groups) * tiling.tiles,)](
                f,
                *now,
                f if average is None else average,
                *then,
                weights,
                f.numel(),
                *f.shape[-2:],
                tiling.across,
                tiling.tiles,
                tiling.row_halo,
                tiling.column_halo,
                step,
                number,
                every,
                ROWS=tiling.rows,
                COLUMNS=tiling.columns,
                AVERAGES=average is not None,
                num_warps=tiling.warps,
                maxnreg=REGISTERS,
            )
            now, then = then, now
    return now


@jit(do_not_specialize=[*SIZES, "step", "steps", "every"])
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
    plane, tile = program // tiles, program % tiles
    row, column = tl.arange(0, ROWS)[:, None], tl.arange(0, COLUMNS)[None, :]
    i = 2 * ((tile // across) * (ROWS - 2 * row_halo) - row_halo - 1 + row)
    j = 2 * ((tile % across) * (COLUMNS - 2 * column_halo) - column_halo - 1 + column)
    is_own = (row >= row_halo) & (row < ROWS - row_halo) & (column >= column_halo) & (column < COLUMNS - column_halo)
    # Pixels are named by their rows and columns in a square of three, of which even squares have 0 and 1, odd 1 and 2.
    at_00 = (plane.to(tl.int64) * height + i) * width + j
    at_01 = at_00 + 1
    at_10 = at_00 + width
    at_11 = at_10 + 1
    at_12 = at_10 + 2
    at_21 = at_11 + width
    at_22 = at_12 + width
    row_0 = (i >= 0) & (i < height)
    row_1 = (i >= 0) & (i + 1 < height)
    row_2 = (i + 2 >= 0) & (i + 2 < height)
    column_0 = (j >= 0) & (j < width)
    column_1 = (j >= 0) & (j + 1 < width)
    column_2 = (j + 2 >= 0) & (j + 2 < width)
    weight = tl.load(weights_at + plane)

    has_over, has_under, has_left, has_right = row_0 & column_1, row_1 & column_1, row_1 & column_0, row_1 & column_1
    over = tl.load(p_at + values + at_00, has_over, other=0.0)
    under = tl.load(p_at + values + at_10, has_under, other=0.0)
    left = tl.load(p_at + at_00, has_left, other=0.0)
    right = tl.load(p_at + at_01, has_right, other=0.0)
    has_odd_over, has_odd_under = row_1 & column_1 & column_2, row_2 & column_1 & column_2
    has_odd_left, has_odd_right = row_1 & row_2 & column_1, row_1 & row_2 & column_2
    odd_over, old_over = _load_odd(p_at + values, previous_at + values, at_11, has_odd_over)
    odd_under, old_under = _load_odd(p_at + values, previous_at + values, at_21, has_odd_under)
    odd_left, old_left = _load_odd(p_at, previous_at, at_11, has_odd_left)
    odd_right, old_right = _load_odd(p_at, previous_at, at_12, has_odd_right)

    has_11, has_12, has_21, has_22 = row_1 & column_1, row_1 & column_2, row_2 & column_1, row_2 & column_2
    u_11 = tl.load(f_at + at_11, has_11, other=0.0) - under - right + odd_over + odd_left
    u_12 = tl.load(f_at + at_12, has_12, other=0.0) + moved(under - left, -1, 1) - odd_over + odd_right
    u_21 = tl.load(f_at + at_21, has_21, other=0.0) + moved(right - over, -2, 1) + odd_under - odd_left
    u_22 = tl.load(f_at + at_22, has_22, other=0.0) + moved(moved(over + left, -2, 1), -1, 1) - odd_under - odd_right
    if AVERAGES:
        mean_11 = tl.load(average_at + at_11, has_11 & is_own, other=0.0)
        mean_12 = tl.load(average_at + at_12, has_12 & is_own, other=0.0)
        mean_21 = tl.load(average_at + at_21, has_21 & is_own, other=0.0)
        mean_22 = tl.load(average_at + at_22, has_22 & is_own, other=0.0)

    bound_over, bound_under = tl.where(has_over, weight, 0.0), tl.where(has_under, weight, 0.0)
    bound_left, bound_right = tl.where(has_left, weight, 0.0), tl.where(has_right, weight, 0.0)
    bound_odd_over, bound_odd_under = tl.where(has_odd_over, weight, 0.0), tl.where(has_odd_under, weight, 0.0)
    bound_odd_left, bound_odd_right = tl.where(has_odd_left, weight, 0.0), tl.where(has_odd_right, weight, 0.0)
    for s in range(steps):
        k = step + s
        momentum = (k - 1) / (k + 2)
        odd_over, old_over, u_11, u_12 = _extrapolated(odd_over, old_over, u_11, u_12, momentum)
        odd_under, old_under, u_21, u_22 = _extrapolated(odd_under, old_under, u_21, u_22, momentum)
        odd_left, old_left, u_11, u_21 = _extrapolated(odd_left, old_left, u_11, u_21, momentum)
        odd_right, old_right, u_12, u_22 = _extrapolated(odd_right, old_right, u_12, u_22, momentum)

        u_00, u_01, u_10 = moved(moved(u_22, -2, -1), -1, -1), moved(u_21, -2, -1), moved(u_12, -1, -1)
        over, u_00, u_01 = _maximized(over, u_00, u_01, bound_over)
        under, u_10, u_11 = _maximized(under, u_10, u_11, bound_under)
        left, u_00, u_10 = _maximized(left, u_00, u_10, bound_left)
        right, u_01, u_11 = _maximized(right, u_01, u_11, bound_right)
        over, u_00, u_01 = _maximized(over, u_00, u_01, bound_over)
        under, u_10, u_11 = _maximized(under, u_10, u_11, bound_under)

        u_22, u_21, u_12 = moved(moved(u_00, -2, 1), -1, 1), moved(u_01, -2, 1), moved(u_10, -1, 1)
        odd_over, u_11, u_12 = _maximized(odd_over, u_11, u_12, bound_odd_over)
        odd_under, u_21, u_22 = _maximized(odd_under, u_21, u_22, bound_odd_under)
        odd_left, u_11, u_21 = _maximized(odd_left, u_11, u_21, bound_odd_left)
        odd_right, u_12, u_22 = _maximized(odd_right, u_12, u_22, bound_odd_right)
        if AVERAGES:
            share = tl.where(k % every == 0, 3 / (k // every + 2), 0.0)
            mean_11 += share * (u_11 - mean_11)
            mean_12 += share * (u_12 - mean_12)
            mean_21 += share * (u_21 - mean_21)
            mean_22 += share * (u_22 - mean_22)

    tl.store(new_p_at + values + at_00, over, has_over & is_own)
    tl.store(new_p_at + values + at_10, under, has_under & is_own)
    tl.store(new_p_at + at_00, left, has_left & is_own)
    tl.store(new_p_at + at_01, right, has_right & is_own)
    _store_odd(new_p_at + values, new_previous_at + values, at_11, odd_over, old_over, has_odd_over & is_own)
    _store_odd(new_p_at + values, new_previous_at + values, at_21, odd_under, old_under, has_odd_under & is_own)
    _store_odd(new_p_at, new_previous_at, at_11, odd_left, old_left, has_odd_left & is_own)
    _store_odd(new_p_at, new_previous_at, at_12, odd_right, old_right, has_odd_right & is_own)
    if AVERAGES:
        tl.store(average_at + at_11, mean_11, has_11 & is_own)
        tl.store(average_at + at_12, mean_12, has_12 & is_own)
        tl.store(average_at + at_21, mean_21, has_21 & is_own)
        tl.store(average_at + at_22, mean_22, has_22 & is_own)


@jit
def _load_odd(p_at, previous_at, offsets, mask):
    return tl.load(p_at + offsets, mask, other=0.0), tl.load(previous_at + offsets, mask, other=0.0)


@jit
def _store_odd(p_at, previous_at, offsets, x, old, mask):
    tl.store(p_at + offsets, x, mask)
    tl.store(previous_at + offsets, old, mask)


@jit
def _extrapolated(x, old, a, b, momentum):
    """Return the extrapolated field on edges, what it was, and the pixels that go with it."""
    change = momentum * (x - old)
    return x + change, x, a + change, b - change


@jit
def _maximized(x, a, b, bound):
    """Return the best field on edges, and the pixels that go with it."""
    best = tl.minimum(tl.maximum(x + 0.5 * (b - a), -bound), bound)
    return best, a + (best - x), b - (best - x)
