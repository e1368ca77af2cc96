"""The inner loops, compiled by numba: the same numbers as with torch alone, several times as fast.

Importing this room loads numba; :mod:`tvdenoise.engine` decides when that pays.
"""

import numba

from tvdenoise.compiled.alternation import alternate
from tvdenoise.compiled.ascent import ascend
from tvdenoise.compiled.certificate import centre, sums

if numba.config.DISABLE_JIT:
    raise ImportError("NUMBA_DISABLE_JIT is set")

__all__ = ["alternate", "ascend", "centre", "sums"]
