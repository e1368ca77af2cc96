"""The inner loops on a graphics card, by Triton: many steps of the ascent while a tile lies in registers.

The answers are those of torch's operations up to rounding, since a card fuses products and sums. Importing this module
loads Triton; :mod:`tvdenoise.kernels.dispatch` decides when.
"""

from tvdenoise.kernels.gpu.alternation import alternate
from tvdenoise.kernels.gpu.ascent import ascend

# The certificate is computed by torch's operations in float64: what proves must not be unproven itself.
CERTIFIES = False

__all__ = ["CERTIFIES", "alternate", "ascend"]
