"""Whether inner loops run as torch operations, or compiled for the CPU, or fused for a graphics card.

On a CPU the pictures are the same bit by bit. Loading numba and its compiled code takes as long as denoising a small
picture, so torch computes until it has spent that time (in all, whatever the number of pictures), or is about to.
"""

import logging
from functools import cache
from types import ModuleType

import torch
from torch import Tensor

from tvdenoise.errors import reason
from tvdenoise.machine.devices import is_out_of_memory
from tvdenoise.machine.signals import ENDING, deferred
from tvdenoise.options.kinds import Group, TVKind

LOADING_SECONDS = 0.5
"""Seconds that loading takes, once the code has been compiled on a machine."""

SECONDS_A_VALUE = 3e-7
"""What torch takes for a value from start to end: 150 steps of 2 ns by FISTA, about as long by alternating descent."""

MOST_PLANES = 8
"""Planes in a vector beyond which a tile on a card would hardly be more than its halo."""

_spent = 0.0


def spend(seconds: float) -> None:
    """Add to the time that torch has spent on what compiled code would do faster."""
    global _spent
    _spent += seconds


def kernels(f: Tensor, *others: Tensor, tv: TVKind, axes: int = 2, planes: int = 1) -> ModuleType | None:
    """Return the compiled kernels for a picture and others of its kind, or None where torch is to compute.

    On graphics cards that CUDA knows it is :mod:`tvdenoise.kernels.gpu`, on CPUs :mod:`tvdenoise.kernels.cpu` once
    that pays. ``planes`` make one vector.
    """
    if not all(t.is_contiguous() and t.dtype == f.dtype and t.device == f.device for t in (f, *others)):
        return None
    if f.dtype not in (torch.float32, torch.float64) or f.device.type not in ("cpu", "cuda"):
        return None
    if f.device.type == "cpu" and _spent + SECONDS_A_VALUE * f.numel() < LOADING_SECONDS:
        return None
    if f.device.type == "cuda" and (planes > MOST_PLANES or axes > 2):
        return None
    return _load(f.device, f.dtype, tv, planes)


def load() -> None:
    """Load what most pictures need now, instead of when it pays."""
    spend(LOADING_SECONDS)
    _load(torch.device("cpu"), torch.float32, "anisotropic", 1)


_remarks: list[str] = []


def remark(text: str) -> None:
    """Keep a remark on how the work is done, which ``-v`` shows, and log it for those who listen."""
    if text not in _remarks:
        _remarks.append(text)
        logging.getLogger("tvdenoise").info(text)


def remarks() -> list[str]:
    """Return what was remarked."""
    return list(_remarks)


@cache
def _load(device: torch.device, dtype: torch.dtype, tv: TVKind, planes: int) -> ModuleType | None:
    """Return the room for a device, tried out, or None: what it is made of may fail in ways of its own."""
    room: ModuleType
    try:
        with deferred(*ENDING):  # which compilers, called back from C, would swallow
            if device.type == "cuda":
                from tvdenoise.kernels import gpu as room
            else:
                from tvdenoise.kernels import cpu as room
            _try_out(room, device, dtype, tv, planes)
    except Exception as error:
        if is_out_of_memory(error):  # not for good
            raise
        remedy = "; let NUMBA_CACHE_DIR be a folder that may be written to" if "no locator" in str(error) else ""
        remark(f"computed by torch alone, which takes several times as long: {reason(error)[:200]}{remedy}")
        return None
    return room


def _try_out(room: ModuleType, device: torch.device, dtype: torch.dtype, tv: TVKind, planes: int) -> None:
    """Run on a tiny picture all that is to be compiled for large ones."""
    f = torch.zeros(planes, 2, 2, device=device, dtype=dtype)
    p, group = torch.zeros(2, planes, 2, 2, device=device, dtype=dtype), [Group(0, 1, planes, 1.0)]
    for average in (None, f.clone()):
        room.ascend(f, p, p.clone(), average, group, tv, 0.1, 1, 1)
        if tv == "anisotropic" and planes == 1:
            room.alternate(f, p, p.clone(), average, group, 1, 2, 2, f.clone())
    room.centre(f, p, f, f.clone(), 1.0)
    room.sums(f, f, p, f, group, tv)
