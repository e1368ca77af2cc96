"""The inner loops on a graphics card, by Triton: many steps of the ascent while a tile lies in registers.

The answers are those of torch's operations up to rounding, since a card fuses products and sums. Importing this room
loads Triton; :mod:`tvdenoise.engine` decides when.
"""

import torch

from tvdenoise.fused.ascent import ascend
from tvdenoise.fused.certificate import centre, sums


def try_out(device: torch.device, dtype: torch.dtype) -> None:
    """Run everything once on tiny pictures of a type, so that what cannot be compiled fails here."""
    f = torch.zeros(1, 2, 2, device=device, dtype=dtype)
    p, group = torch.zeros(2, 1, 2, 2, device=device, dtype=dtype), [(0, 1, 1, 1.0)]
    ascend(f, p, p.clone(), f.clone(), group, "isotropic", 0.1, 1, 1)
    centre(f, p, f, f.clone())
    sums(f, f, p, f, group, "isotropic")


__all__ = ["ascend", "centre", "sums"]
