"""The inner loops, compiled by numba: the same numbers as with torch alone, several times as fast.

Importing this module loads numba; :mod:`tvdenoise.kernels.dispatch` decides when that pays.
"""

import numba

from tvdenoise.kernels.cpu.alternation import alternate
from tvdenoise.kernels.cpu.ascent import ascend
from tvdenoise.kernels.cpu.certificate import centre, sums

if numba.config.DISABLE_JIT:
    raise ImportError("NUMBA_DISABLE_JIT is set")

# Whether :func:`centre` and :func:`sums` are here too.
CERTIFIES = True

__all__ = ["CERTIFIES", "alternate", "ascend", "centre", "sums"]
