"""The decorators that compile functions by numba, and the folder in which it keeps what it has compiled.

numba looks for compiled code by the file of the outermost function alone: after an upgrade it would run the helpers of
the old version. So the folder is named by all sources.
"""

import hashlib
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.misc.appdirs import AppDirs

Function = Callable[..., Any]


@cache
def _folder() -> str:
    """Return the first folder that may be written to, or "", of which numba makes an error that says what it lacks."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for source in sorted(here.glob("*.py")):
        digest.update(source.read_bytes())
    homes = [here / "__pycache__", Path(AppDirs("numba", appauthor=False).user_cache_dir)]
    if numba.config.CACHE_DIR:  # NUMBA_CACHE_DIR
        homes.insert(0, Path(numba.config.CACHE_DIR))
    for home in homes:
        folder = home / f"tvdenoise-{digest.hexdigest()[:16]}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError:
            continue
        return str(folder)
    return ""


def _decorator(**options: object) -> Callable[[Function], Function]:
    """Return a decorator that compiles without the interpreter's lock, and divides as C does."""
    compile_on_call = numba.njit(nogil=True, cache=True, error_model="numpy", **options)

    def decorate(function: Function) -> Function:
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = _folder()  # is read when a function is decorated
        try:
            dispatcher: Function = compile_on_call(function)
        finally:
            numba.config.CACHE_DIR = before
        return dispatcher

    return decorate


# Every operation is rounded for itself, in the order in which it is written: as by torch.
compiled = _decorator(fastmath=False)  # or it would be that of the caller that is compiled first
# The same for a part of a function: a call would cost small pictures time.
inlined = _decorator(fastmath=False, forceinline=True)
# Products may be fused with sums: where they are exact, it makes no difference.
contracting = _decorator(fastmath={"contract"})
# Sums may be taken in any order: the certificate allows for it.
summing = _decorator(fastmath={"reassoc"})
