"""Tensors beside others: of the same type and device, in memory or in a scratch file, in float64 for proofs."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from tvdenoise.machine import scratch
from tvdenoise.machine.devices import knows_float64

# Values whose rounding is measured at a time.
CHUNK = 2**20

# Values of a picture that are judged at a time: float64 copies of so few stay small beside the picture.
CHUNK_VALUES = 2**15

# The same on accelerators, where it takes as long to begin with an operation as some thousands of values do.
LARGE_CHUNK_VALUES = 2**24


def empty(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Return a tensor of the type of another and beside it, whose values do not matter yet."""
    if like.device.type != "cpu":
        return like.new_empty(shape)
    return torch.from_numpy(scratch.empty(shape, like.new_empty(0).numpy().dtype))


def array(t: Tensor) -> Any:  # noqa: ANN401
    """Return a tensor for plain arithmetic in place: as an array where it lies in memory.

    After each large operation torch's threads stay awake for some milliseconds, in the way of those that run compiled
    code next; NumPy has none.
    """
    return t.numpy() if t.device.type == "cpu" else t


def contiguous_copy(t: Tensor) -> Tensor:
    """Return a contiguous copy."""
    copy = empty(t.shape, t)
    array(copy)[...] = array(t)
    return copy


def to_float64(t: Tensor) -> Tensor:
    """Return a copy in float64, which lies on the CPU where its device knows none."""
    if not knows_float64(t.device):
        t = t.to("cpu")
    return t.to(torch.float64, copy=True)


def cast_error(u: Tensor, dtype: torch.dtype) -> float:
    """Return the root mean square difference between (C, H, W), or (C, D, H, W), and the same in another type."""
    if dtype.itemsize >= u.dtype.itemsize:
        return 0.0
    total = 0.0
    for start, rows in row_chunks(u, 1, CHUNK):
        part = to_float64(u.narrow(1, start, rows))
        change = part.to(dtype).double() - part
        total += float(change.square_().sum())
    return math.sqrt(total / u.numel())


def row_chunks(f: Tensor, axis: int, values: int | None = None) -> Iterator[tuple[int, int]]:
    """Cut an axis into chunks of about so many values: the first row of each, and the number of its rows."""
    if values is None:
        values = CHUNK_VALUES if f.device.type == "cpu" else LARGE_CHUNK_VALUES
    n = f.shape[axis]
    rows = max(1, values * n // f.numel())
    for start in range(0, n, rows):
        yield start, min(rows, n - start)
