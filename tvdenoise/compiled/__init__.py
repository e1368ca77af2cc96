"""The inner loops, compiled by numba: the same numbers as with torch alone, several times as fast.

Importing this room loads numba; :mod:`tvdenoise.engine` decides when that pays.
"""

import numba
import torch

from tvdenoise.compiled.ascent import ascend
from tvdenoise.compiled.certificate import centre, sums


def try_out(device: torch.device, dtype: torch.dtype) -> None:
    """Run everything once on tiny pictures of a type, so that what cannot be compiled fails here."""
    if numba.config.DISABLE_JIT:
        raise RuntimeError("NUMBA_DISABLE_JIT is set")
    f = torch.zeros(1, 2, 2, device=device, dtype=dtype)
    p, group = torch.zeros(2, 1, 2, 2, device=device, dtype=dtype), [(0, 1, 1, 1.0)]
    ascend(f, p, p.clone(), f.clone(), group, "isotropic", 0.1, 1, 1)
    centre(f, p, f, f.clone())
    sums(f, f, p, f, group, "isotropic")


__all__ = ["ascend", "centre", "sums"]
