"""Keep large arrays in memory while a budget lasts, and beyond it in a scratch file that is mapped into memory.

A mapped array is used like any other. Rows that were worked on leave memory when the process has grown to its budget,
and come back from the file when they are needed. Without a budget, as in the Python interface, all arrays are in
memory.
"""

import math
import mmap
import os
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tvdenoise.errors import ScratchError, SettingError, reason
from tvdenoise.machine.resources import available, resident


@dataclass(frozen=True)
class Thresholds:
    """The sizes in bytes by which a budget decides, and how it measures memory."""

    program: int = 400 * 2**20  # what the program itself takes once all of it is loaded
    workspace: int = 2**27  # what must be left beside it: some dozens of rows of any picture, on every thread
    small: int = 2**22  # arrays up to this size are in memory and do not count
    period: float = 0.002  # seconds between two looks at the memory in use: some dozen megabytes may come back
    resident: Callable[[], int] = resident
    available: Callable[[], int] = available


DEFAULTS = Thresholds()

MINIMUM = DEFAULTS.program + DEFAULTS.workspace  # the smallest budget of a process, in bytes
ARRAY_SHARE = 0.5  # of the budget beyond the program, for arrays in memory; the rest is for mapped rows and libraries
RELEASE_SHARE = 0.75  # of the same, at which mapped rows leave memory


def array_bytes_within(limit: int) -> int:
    """Return the bytes of arrays that fit in memory under a budget."""
    return int(ARRAY_SHARE * (limit - DEFAULTS.program))


def limit_for(size: int) -> int:
    """Return the budget under which arrays of so many bytes fit in memory."""
    return DEFAULTS.program + math.ceil(size / ARRAY_SHARE)


class Budget:
    """The bytes that the process may take (None: half of what is free), and the folder for scratch files, if any.

    Raises :class:`SettingError` if the limit is less than the program itself takes.
    """

    def __init__(self, limit: int | None, folder: Path | None, thresholds: Thresholds = DEFAULTS) -> None:
        least = thresholds.program + thresholds.workspace
        if limit is not None and limit < least:
            problem = f"{limit / 2**20:.0f}M is hardly more than the program itself takes"
            least_mebibytes = math.ceil(least / 2**20)
            raise SettingError("memory", problem, f"give at least {least_mebibytes}M")
        if limit is None:
            limit = thresholds.available() // 2
        program = max(thresholds.resident(), thresholds.program)  # libraries such as CUDA's may have grown
        workspace = max(limit - program, thresholds.workspace)
        self.thresholds = thresholds
        self.left = int(ARRAY_SHARE * workspace)  # bytes of arrays that still fit in memory
        self._full = program + RELEASE_SHARE * workspace
        self._folder = folder
        self._maps: list[weakref.ref[mmap.mmap]] = []
        self._is_closed = threading.Event()

    def empty(self, size: int) -> NDArray[np.uint8]:
        """Return so many bytes in memory if they fit, else mapped."""
        if size > self.left:
            return np.frombuffer(self._map(size), np.uint8)
        array = np.empty(size, np.uint8)
        self.left -= size
        weakref.finalize(array, self._give_back, size)
        return array

    def _give_back(self, size: int) -> None:
        self.left += size

    def _map(self, size: int) -> mmap.mmap:
        try:
            with tempfile.TemporaryFile(dir=self._folder, prefix=".tvdenoise-") as file:
                _allocate(file, size)
                mapped = mmap.mmap(file.fileno(), size)
        except OSError as error:
            where = self._folder or "the folder for temporary files"
            mebibytes = size / 2**20
            problem = f"a scratch file of {mebibytes:.0f}M cannot be made there ({reason(error)})"
            raise ScratchError(where, problem, "free some space, or give more --memory") from error
        self._maps.append(weakref.ref(mapped))
        if len(self._maps) == 1:
            threading.Thread(target=self._release_rows, name="tvdenoise-memory", daemon=True).start()
        return mapped

    def _release_rows(self) -> None:
        """Let mapped rows leave memory when the process outgrows its budget: a step of a solver may touch them all."""
        if sys.platform == "win32":  # it has no such advice
            return
        while not self._is_closed.wait(self.thresholds.period):
            if self.thresholds.resident() < self._full:
                continue
            for reference in self._maps:
                mapped = reference()
                if mapped is not None:
                    mapped.madvise(mmap.MADV_DONTNEED)
                mapped = None  # or its file would stay until the next look

    def close(self) -> None:
        """End the thread that watches the memory in use."""
        self._is_closed.set()


_budget: ContextVar[Budget | None] = ContextVar("budget", default=None)


@contextmanager
def limit_memory(limit: int | None, folder: Path | None, thresholds: Thresholds = DEFAULTS) -> Iterator[None]:
    """Keep to a :class:`Budget` of these arguments; raises what it raises."""
    budget = Budget(limit, folder, thresholds)
    token = _budget.set(budget)
    try:
        yield
    finally:
        _budget.reset(token)
        budget.close()


def memory_left() -> int | None:
    """Return the bytes of arrays that still fit in memory, None without a budget."""
    budget = _budget.get()
    return None if budget is None else budget.left


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array without initial values, as ``numpy.empty`` does.

    Raises :class:`ScratchError` if it fits neither into the budget nor into the scratch folder.
    """
    budget = _budget.get()
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if budget is None or size <= budget.thresholds.small:
        return np.empty(shape, dtype)
    return budget.empty(size).view(dtype).reshape(shape)


def _allocate(file: IO[bytes], size: int) -> None:
    """Reserve the space on disk now: a full disk later would kill the process in the middle of its work."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    chunk = bytes(2**22)
    for start in range(0, size, len(chunk)):
        file.write(chunk[: size - start])
    file.flush()
