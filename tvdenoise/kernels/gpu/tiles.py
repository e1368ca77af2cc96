"""How a picture is cut into tiles, each the work of one program on the card, and what a program needs to find its own.

A program holds the values of ``PLANES`` planes that make vectors together, ``ROWS`` rows and ``COLUMNS`` columns: all
three powers of two, as Triton asks. Neighbours are found by moving a whole tile one place along an axis.
"""

from functools import partial
from typing import Any, NamedTuple

import triton
import triton.language as tl
from torch import Tensor

WORDS = 8
"""Float32 values of the picture that a thread holds; the ascent keeps fifteen numbers for each in its registers."""

REGISTERS = 128
"""The most that a thread may take, so that a multiprocessor holds 16 warps and more."""

LEAST_SIDE = 8


class Tiling(NamedTuple):
    """The sides of a tile, and how many of its outermost rows and columns are there for their neighbours' sake alone.

    A picture that is no larger than a tile needs no such halo.
    """

    planes: int
    rows: int
    columns: int
    row_halo: int
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
        row_halo, column_halo = halo * (height > rows), halo * (width > columns)
        down = triton.cdiv(height, rows - 2 * row_halo)
        across = triton.cdiv(width, columns - 2 * column_halo)
        return cls(planes, rows, columns, row_halo, column_halo, across, down * across, warps)

    @property
    def is_whole(self) -> bool:
        """Whether one tile holds the picture."""
        return self.tiles == 1


SIZES = ("values", "height", "width", "stride", "planes", "across", "tiles", "row_halo", "column_halo")
"""Arguments that no code is compiled for: one program does for pictures of every size."""

POINTERS = ("f_at", "p_at", "previous_at", "average_at", "new_p_at", "new_previous_at")
"""The same of where they lie: rows of any width are read value by value."""

jit: Any = partial(triton.jit, do_not_specialize_on_alignment=POINTERS)


@jit
def place(
    height,
    width,
    stride,
    planes,
    across,
    tiles,
    row_halo,
    column_halo,
    PLANES: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Return this program's group, the offsets of its values, its rows and columns, and which of them are its own.

    The planes of group g are g, g + stride, ...
    """
    program = tl.program_id(0)
    group, tile = program // tiles, program % tiles
    c = tl.arange(0, PLANES)[:, None, None]
    row = tl.arange(0, ROWS)[None, :, None]
    column = tl.arange(0, COLUMNS)[None, None, :]
    i = (tile // across) * (ROWS - 2 * row_halo) - row_halo + row
    j = (tile % across) * (COLUMNS - 2 * column_halo) - column_halo + column
    offsets = ((group + c * stride).to(tl.int64) * height + i) * width + j
    is_inside = (c < planes) & (i >= 0) & (i < height) & (j >= 0) & (j < width)
    in_core = (row >= row_halo) & (row < ROWS - row_halo) & (column >= column_halo) & (column < COLUMNS - column_halo)
    return group, offsets, i, j, is_inside, is_inside & in_core


@jit
def moved(x, AXIS: tl.constexpr, BY: tl.constexpr):
    """Return what lies ``BY`` places further along one of the last two axes of a tile; beyond its end, the last."""
    length: tl.constexpr = x.shape[AXIS]
    index = tl.arange(0, length)
    index = tl.minimum(tl.maximum(index + BY, 0), length - 1)
    index = index[:, None] if AXIS == -2 else index[None, :]
    index = index[None] if len(x.shape) == 3 else index
    return tl.gather(x, tl.broadcast_to(index, x.shape), AXIS)
