"""How a picture is cut into tiles, each the work of one program on the card, and how kernels are launched on them.

The sides of a tile are powers of two, as Triton asks. Neighbours are found by moving a tile one place along an axis.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from tvdenoise.kernels.state import Fields, State

# Float32 values of the picture that a thread holds; the ascent keeps fifteen numbers for each in its registers.
WORDS = 8
# The most registers that a thread may take, so that a multiprocessor holds 16 warps and more.
REGISTERS = 128
LEAST_SIDE = 8
# Arguments that no code is compiled for: one program does for pictures of every size and for every step.
SIZES = ("values", "height", "width", "across", "tiles", "row_halo", "column_halo", "step", "steps")
# The same of where pictures and fields lie: rows of any width are read value by value.
POINTERS = ("f_at", "p_at", "previous_at", "average_at", "new_p_at", "new_previous_at")

jit: Any = partial(triton.jit, do_not_specialize_on_alignment=POINTERS)


class Tiling(NamedTuple):
    """The sides of a tile, its halo, and how many there are."""

    planes: int
    rows: int
    columns: int
    row_halo: int  # outermost rows that are there for their neighbours' sake alone; 0 for a single tile
    column_halo: int
    across: int
    tiles: int
    warps: int

    @classmethod
    def of(cls, f: Tensor, planes: int, halo: int) -> "Tiling":
        """Cut the last two axes of a picture whose planes make vectors of ``planes`` components."""
        height, width = f.shape[-2:]
        depth = triton.next_power_of_2(planes)
        warps = 8 if planes == 1 else 16
        area = max(LEAST_SIDE**2, WORDS * 32 * warps * 4 // (f.element_size() * depth))
        return cls.cut(depth, warps, area, height, width, halo)

    @classmethod
    def cut(cls, planes: int, warps: int, area: int, height: int, width: int, halo: int) -> "Tiling":
        """Cut what has so many rows and columns into tiles of an area."""
        rows = 1 << (area.bit_length() - 1) // 2
        columns = area // rows
        row_halo = halo if height > rows else 0
        column_halo = halo if width > columns else 0
        down = triton.cdiv(height, rows - 2 * row_halo)
        across = triton.cdiv(width, columns - 2 * column_halo)
        return cls(planes, rows, columns, row_halo, column_halo, across, down * across, warps)


def take_steps(
    kernel: Any,  # noqa: ANN401 (Triton has no types)
    state: State,
    then: Fields,
    cut: Callable[[int], Tiling],
    most: int,
    steps: range,
    *more: float,
    **constants: int,
) -> Fields:
    """Take steps, ``most`` a launch where ``cut``, given a halo, makes several tiles; return both fields."""
    f, p, previous, average, groups = state
    weights = f.new_tensor([group.weight for group in groups])
    at_once = len(steps) if cut(0).tiles == 1 else most
    mean = f if average is None else average
    now = (p, previous)
    with torch.cuda.device_of(f):
        for start in range(0, len(steps), at_once):
            part = steps[start : start + at_once]
            tiling = cut(len(part))
            kernel[(len(groups) * tiling.tiles,)](
                f,
                *now,
                mean,
                *then,
                weights,
                f.numel(),
                *f.shape[-2:],
                tiling.across,
                tiling.tiles,
                tiling.row_halo,
                tiling.column_halo,
                part.start,
                len(part),
                *more,
                ROWS=tiling.rows,
                COLUMNS=tiling.columns,
                AVERAGES=average is not None,
                num_warps=tiling.warps,
                maxnreg=REGISTERS,
                **constants,
            )
            now, then = then, now  # tiles of one launch read what others write
    return now


@jit
def lay_out(number, halo, SIDE: tl.constexpr):
    """Return where the rows (or columns) of a tile lie among all, and which of them are its own, not its halo."""
    place = tl.arange(0, SIDE)
    start = number * (SIDE - 2 * halo) - halo
    is_own = is_among(place - halo, SIDE - 2 * halo)
    return start + place, is_own


@jit
def is_among(places, count):
    """Return which places are some of ``count``."""
    return (places >= 0) & (places < count)


@jit
def clamp(x, bound):
    """Return the nearest values whose magnitude is at most ``bound``."""
    return tl.minimum(tl.maximum(x, -bound), bound)


@jit
def shift(x, AXIS: tl.constexpr, BY: tl.constexpr):
    """Return what lies ``BY`` places further along one of the last two axes of a tile; beyond its end, the last."""
    length: tl.constexpr = x.shape[AXIS]
    index = tl.arange(0, length) + BY
    index = tl.minimum(tl.maximum(index, 0), length - 1)
    index = index[:, None] if AXIS == -2 else index[None, :]
    index = index[None] if len(x.shape) == 3 else index
    return tl.gather(x, tl.broadcast_to(index, x.shape), AXIS)
