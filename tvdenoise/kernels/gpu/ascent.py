"""The steps of FISTA on the dual, several a launch: a tile is read once, moved on in registers, and written once."""

from functools import partial

import torch
import triton.language as tl
from torch import Tensor

from tvdenoise.kernels.gpu.tiles import SIZES, Tiling, jit, shift, take_steps
from tvdenoise.kernels.state import State

# Steps a launch where the picture is larger than a tile. Each takes a row and a column from every side of a tile.
STEPS = 4


def ascend(state: State, tv: str, rate: float, steps: range) -> tuple[Tensor, Tensor]:
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
    row = tl.arange(0, ROWS)[None, :, None]
    column = tl.arange(0, COLUMNS)[None, None, :]
    i = (tile // across) * (ROWS - 2 * row_halo) - row_halo + row
    j = (tile % across) * (COLUMNS - 2 * column_halo) - column_halo + column
    plane = group + c * stride
    offsets = (plane.to(tl.int64) * height + i) * width + j
    is_inside = (c < planes) & (i >= 0) & (i < height) & (j >= 0) & (j < width)
    is_core = (row >= row_halo) & (row < ROWS - row_halo) & (column >= column_halo) & (column < COLUMNS - column_halo)
    is_own = is_inside & is_core
    f = tl.load(f_at + offsets, is_inside, other=0.0)
    down = tl.load(p_at + offsets, is_inside, other=0.0)
    right = tl.load(p_at + values + offsets, is_inside, other=0.0)
    old_down = tl.load(previous_at + offsets, is_inside, other=0.0)
    old_right = tl.load(previous_at + values + offsets, is_inside, other=0.0)
    average = tl.load(average_at + offsets, is_own, other=0.0) if AVERAGES else f
    weight = tl.load(weights_at + group)
    has_lower = is_inside & (i < height - 1)
    has_right = is_inside & (j < width - 1)
    for s in range(steps):
        k = step + s
        momentum = (k - 1) / (k + 2)
        r_down = down + momentum * (down - old_down)
        r_right = right + momentum * (right - old_right)
        u = f + r_down - tl.where(i > 0, shift(r_down, -2, -1), 0.0) + r_right
        u -= tl.where(j > 0, shift(r_right, -1, -1), 0.0)
        if AVERAGES:
            average += 3 / (k + 2) * (u - average)
        old_down = down
        old_right = right
        down = r_down + rate * tl.where(has_lower, shift(u, -2, 1) - u, 0.0)
        right = r_right + rate * tl.where(has_right, shift(u, -1, 1) - u, 0.0)
        down, right = project(down, right, weight, IS_ISOTROPIC, PLANES)
    tl.store(new_p_at + offsets, down, is_own)
    tl.store(new_p_at + values + offsets, right, is_own)
    tl.store(new_previous_at + offsets, old_down, is_own)
    tl.store(new_previous_at + values + offsets, old_right, is_own)
    if AVERAGES:
        tl.store(average_at + offsets, average, is_own)


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
        down = tl.minimum(tl.maximum(down, -weight), weight)
        right = tl.minimum(tl.maximum(right, -weight), weight)
    return down, right


@jit
def shorten(x, squares, weight):
    """Return components of vectors, of which ``squares`` are summed over the planes, no longer than the weight."""
    length = tl.sqrt(tl.sum(squares, 0, keep_dims=True))
    least = tl.maximum(weight, 1e-37)  # a vector of length 0 is no longer than a weight of 0
    return x * (weight / tl.maximum(length, least))
