"""The steps of FISTA on the dual, several a launch: a tile is read once, moved on in registers, and written once."""

from collections.abc import Sequence

import torch
import triton.language as tl
from torch import Tensor

from tvdenoise.kernels.gpu.tiles import REGISTERS, SIZES, Tiling, jit, moved, place
from tvdenoise.options.kinds import Group

STEPS = 4
"""Steps a launch where the picture is larger than a tile. Each takes a row and a column from every side of a tile."""


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
    r"""Take the steps ``first_step`` and following; return the newest field and the one before it.

    Both fields are overwritten, as tiles of one launch read what others write and two pairs of fields change places;
    ``average`` takes in the pictures at which gradients were taken.
    """
    _, stride, planes, *_ = groups[0]
    weights = f.new_tensor([group.weight for group in groups])
    at_once = steps if Tiling.of(f, planes, 0).is_whole else STEPS
    now = (p, previous)
    then = (torch.empty_like(p), torch.empty_like(p))
    with torch.cuda.device_of(f):
        for step in range(first_step, first_step + steps, at_once):
            number = min(at_once, first_step + steps - step)
            tiling = Tiling.of(f, planes, number)
            _ascend[(len(groups) * tiling.tiles,)](
                f,
                *now,
                f if average is None else average,
                *then,
                weights,
                f.numel(),
                *f.shape[-2:],
                stride,
                planes,
                tiling.across,
                tiling.tiles,
                tiling.row_halo,
                tiling.column_halo,
                rate,
                step,
                number,
                PLANES=tiling.planes,
                ROWS=tiling.rows,
                COLUMNS=tiling.columns,
                IS_ISOTROPIC=tv == "isotropic",
                AVERAGES=average is not None,
                num_warps=tiling.warps,
                maxnreg=REGISTERS,
            )
            now, then = then, now
    return now


@jit(do_not_specialize=[*SIZES, "rate", "step", "steps"])
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
    stride,
    planes,
    across,
    tiles,
    row_halo,
    column_halo,
    rate,
    step,
    steps,
    PLANES: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    IS_ISOTROPIC: tl.constexpr,
    AVERAGES: tl.constexpr,
):
    group, offsets, i, j, is_inside, is_own = place(
        height, width, stride, planes, across, tiles, row_halo, column_halo, PLANES, ROWS, COLUMNS
    )
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
        u = f + r_down - tl.where(i > 0, moved(r_down, -2, -1), 0.0) + r_right
        u -= tl.where(j > 0, moved(r_right, -1, -1), 0.0)
        if AVERAGES:
            average += 3 / (k + 2) * (u - average)
        old_down = down
        old_right = right
        down = r_down + rate * tl.where(has_lower, moved(u, -2, 1) - u, 0.0)
        right = r_right + rate * tl.where(has_right, moved(u, -1, 1) - u, 0.0)
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
    least = tl.maximum(weight, 1e-37)  # a vector of length 0 is no longer than a weight of 0
    if IS_ISOTROPIC:
        length = tl.sqrt(tl.sum(down * down + right * right, 0, keep_dims=True))
        down *= weight / tl.maximum(length, least)
        right *= weight / tl.maximum(length, least)
    elif PLANES > 1:
        down *= weight / tl.maximum(tl.sqrt(tl.sum(down * down, 0, keep_dims=True)), least)
        right *= weight / tl.maximum(tl.sqrt(tl.sum(right * right, 0, keep_dims=True)), least)
    else:
        down = tl.minimum(tl.maximum(down, -weight), weight)
        right = tl.minimum(tl.maximum(right, -weight), weight)
    return down, right
