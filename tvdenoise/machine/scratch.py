"""Where large arrays lie: in memory while a budget lasts, beyond it in a scratch file that is mapped into memory.

A mapped array is used like any other. Rows that were worked on leave memory again when the process has grown to its
budget, and come back from the file when they are needed. Without a budget, as in the Python interface, all lies in
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
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tvdenoise.errors import ScratchError, SettingError, reason
from tvdenoise.machine.resources import available, resident

PROGRAM = 400 * 2**20
"""Bytes that the program itself takes once all of it is loaded."""

LEAST = 2**27
"""Bytes that a budget must leave beside the program itself: some dozens of rows of any picture, on every thread."""

MINIMUM = PROGRAM + LEAST
"""The least that a process may be given."""

SMALL = 2**22
"""Bytes up to which arrays lie in memory and do not count."""

SHARE = 0.5
"""How much of the budget beyond the program itself arrays in memory take; the rest is for mapped rows and libraries."""

FULL = 0.75
"""The same at which mapped rows leave memory."""

PERIOD = 0.002
"""Seconds between two looks at how large the process has grown."""


def array_bytes_within(limit: int) -> int:
    """Return the bytes of arrays that a budget lets lie in memory."""
    return int(SHARE * (limit - PROGRAM))


def limit_for(size: int) -> int:
    """Return the budget that lets arrays of so many bytes lie in memory."""
    return PROGRAM + math.ceil(size / SHARE)


class Budget:
    """The bytes that the process may take (None: half of what is free), and the folder for scratch files.

    Without a folder they go where temporary files do.
    """

    def __init__(self, limit: int | None, folder: Path | None) -> None:
        own = max(resident(), PROGRAM)
        if limit is None:
            limit = max(available() // 2, own + LEAST)
        if limit < MINIMUM:
            problem = f"{limit / 2**20:.0f}M is hardly more than the program itself takes"
            raise SettingError("memory", problem, f"give at least {math.ceil(MINIMUM / 2**20)}M")
        limit = max(limit, own + LEAST)  # of a process in which libraries, such as CUDA's, have grown
        self.left = int(SHARE * (limit - own))
        self._full = own + FULL * (limit - own)
        self._folder = folder
        self._maps = weakref.WeakSet[mmap.mmap]()
        self._lock = threading.Lock()
        self._keeper: threading.Thread | None = None
        self._done = threading.Event()

    def empty(self, size: int) -> NDArray[np.uint8]:
        """Return so many bytes."""
        if size > self.left:
            return self._mapped(size)
        array = np.empty(size, np.uint8)
        self.left -= size
        weakref.finalize(array, self._give_back, size)
        return array

    def _give_back(self, size: int) -> None:
        self.left += size

    def _mapped(self, size: int) -> NDArray[np.uint8]:
        try:
            with tempfile.TemporaryFile(dir=self._folder, prefix=".tvdenoise-") as file:
                _allocate(file, size)
                mapped = mmap.mmap(file.fileno(), size)
        except OSError as error:
            where = self._folder or "the folder for temporary files"
            problem = f"a scratch file of {size / 2**20:.0f}M cannot be made there ({reason(error)})"
            raise ScratchError(where, problem, "free some space, or give more --memory") from error
        with self._lock:
            self._maps.add(mapped)
        if self._keeper is None:
            self._keeper = threading.Thread(target=self._keep_small, name="tvdenoise-memory", daemon=True)
            self._keeper.start()
        return np.frombuffer(mapped, np.uint8)

    def _keep_small(self) -> None:
        """Let go of mapped rows whenever the process is about to outgrow its budget: they are safe in their file."""
        if sys.platform == "win32":  # where nothing can tell rows to leave
            return
        while not self._done.wait(PERIOD):
            if resident() > self._full:
                with self._lock:
                    maps = list(self._maps)
                for mapped in maps:
                    mapped.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Stop looking."""
        self._done.set()


_budget: ContextVar[Callable[[], Budget] | None] = ContextVar("budget", default=None)


@contextmanager
def limited(limit: int | None, folder: Path | None) -> Iterator[None]:
    """Keep to a budget, by default half of what is free, with scratch files in ``folder``, or where temporary files go.

    Raises
    ------
    SettingError
        If that is less than the program itself takes.
    """
    budget = cache(lambda: Budget(limit, folder))  # measured when a large array is wanted, which is seldom
    if limit is not None:
        budget()
    token = _budget.set(budget)
    try:
        yield
    finally:
        _budget.reset(token)
        if budget.cache_info().currsize:
            budget().close()


def memory_left() -> int | None:
    """Return the bytes for which arrays may still lie in memory, None without a budget."""
    budget = _budget.get()
    return None if budget is None else budget().left


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array whose values do not matter yet.

    Raises
    ------
    ScratchError
        If it does not fit the budget, and the scratch folder has no room.
    """
    budget, dtype = _budget.get(), np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if budget is None or size <= SMALL:
        return np.empty(shape, dtype)
    return budget().empty(size).view(dtype).reshape(shape)


def _allocate(file: IO[bytes], size: int) -> None:
    """Take the room on disk now: a full disk later would kill the process in the middle of its work."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    for start in range(0, size, SMALL):
        file.write(bytes(min(SMALL, size - start)))
    file.flush()
