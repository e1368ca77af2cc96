"""The steps of FISTA on the dual, several a launch: a tile is read once, moved on in registers, and written once."""

from functools import partial

import torch
import triton.language as tl

from tvdenoise.kernels.gpu.tiles import SIZES, Tiling, clamp, is_among, jit, lay_out, shift, take_steps
from tvdenoise.kernels.state import Fields, State

# Steps a launch where the picture is larger than a tile. Each takes a row and a column from every side of a tile.
STEPS = 4


def ascend(state: State, tv: str, rate: float, steps: range) -> Fields:
    """Take steps; return the newest field and the one before it."""
    _, stride, planes, *_ = state.groups[0]
    then = (torch.empty_like(state.p), torch.empty_like(state.p))
    cut = partial(Tiling.of, state.f, planes)
    constants = {"PLANES": cut(0).planes, "IS_ISOTROPIC": tv == "isotropic"}
    return take_steps(_ascend, state, then, cut, STEPS, steps, stride, planes, rate, **constants)


@jit(do_not_specialize=[*SIZES, "stride", "planes", "rate"])
def _ascend(
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
    stride,
    planes,
    rate,
    PLANES: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    IS_ISOTROPIC: tl.constexpr,
    AVERAGES: tl.constexpr,
):
    program = tl.program_id(0)
    group = program // tiles
    tile = program % tiles
    c = tl.arange(0, PLANES)[:, None, None]
    rows, are_own_rows = lay_out(tile // across, row_halo, ROWS)
    columns, are_own_columns = lay_out(tile % across, column_halo, COLUMNS)
    i = rows[None, :, None]
    j = columns[None, None, :]
    is_core = are_own_rows[None, :, None] & are_own_columns[None, None, :]
    is_inside = (c < planes) & is_among(i, height) & is_among(j, width)
    is_own = is_inside & is_core
    plane = group + c * stride
    down_offsets = (plane.to(tl.int64) * height + i) * width + j
    right_offsets = values + down_offsets
    f = tl.load(f_at + down_offsets, is_inside, other=0.0)
    down = tl.load(p_at + down_offsets, is_inside, other=0.0)
    right = tl.load(p_at + right_offsets, is_inside, other=0.0)
    old_down = tl.load(previous_at + down_offsets, is_inside, other=0.0)
    old_right = tl.load(previous_at + right_offsets, is_inside, other=0.0)
    average = tl.load(average_at + down_offsets, is_own, other=0.0) if AVERAGES else f
    weight = tl.load(weights_at + group)
    has_lower = is_inside & (i < height - 1)
    has_right = is_inside & (j < width - 1)
    for s in range(steps):
        k = step + s
        momentum = (k - 1) / (k + 2)
        r_down = down + momentum * (down - old_down)
        r_right = right + momentum * (right - old_right)
        over = tl.where(i > 0, shift(r_down, -2, -1), 0.0)
        left = tl.where(j > 0, shift(r_right, -1, -1), 0.0)
        u = f + r_down - over + r_right
        u -= left
        if AVERAGES:
            average += 3 / (k + 2) * (u - average)
        old_down = down
        old_right = right
        to_lower = tl.where(has_lower, shift(u, -2, 1) - u, 0.0)
        to_right = tl.where(has_right, shift(u, -1, 1) - u, 0.0)
        down = r_down + rate * to_lower
        right = r_right + rate * to_right
        down, right = project(down, right, weight, IS_ISOTROPIC, PLANES)
    tl.store(new_p_at + down_offsets, down, is_own)
    tl.store(new_p_at + right_offsets, right, is_own)
    tl.store(new_previous_at + down_offsets, old_down, is_own)
    tl.store(new_previous_at + right_offsets, old_right, is_own)
    if AVERAGES:
        tl.store(average_at + down_offsets, average, is_own)


@jit
def project(down, right, weight, IS_ISOTROPIC: tl.constexpr, PLANES: tl.constexpr):
    """Return the nearest field in which no vector is longer than the weight."""
    if IS_ISOTROPIC:
        squares = down * down + right * right
        down = shorten(down, squares, weight)
        right = shorten(right, squares, weight)
    elif PLANES > 1:
        down = shorten(down, down * down, weight)
        right = shorten(right, right * right, weight)
    else:
        down = clamp(down, weight)
        right = clamp(right, weight)
    return down, right


@jit
def shorten(x, squares, weight):
    """Return components of vectors, of which ``squares`` are summed over the planes, no longer than the weight."""
    length = tl.sqrt(tl.sum(squares, 0, keep_dims=True))
    least = tl.maximum(weight, 1e-37)  # a vector of length 0 is no longer than a weight of 0
    return x * (weight / tl.maximum(length, least))
