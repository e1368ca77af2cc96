"""The inner loops on a graphics card, by Triton: many steps of the ascent while a tile lies in registers.

The answers are those of torch's operations up to rounding, since a card fuses products and sums. Importing this room
loads Triton; :mod:`tvdenoise.kernels.dispatch` decides when.
"""

from tvdenoise.kernels.gpu.alternation import alternate
from tvdenoise.kernels.gpu.ascent import ascend
from tvdenoise.kernels.gpu.certificate import centre, sums

__all__ = ["alternate", "ascend", "centre", "sums"]
