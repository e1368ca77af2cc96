"""Write a file whole or not at all."""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

from tvdenoise.errors import WriteError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows, where an open file is neither replaced nor removed
    fcntl = None


@contextmanager
def atomic(target: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``target`` that takes its place when the block ends, and is removed if it fails.

    Whatever happens, ``target`` is its old self or the whole new file. The temporary file's name is always the same for
    a target: what a killed process left there is taken over, and of two processes one waits for the other. Where the
    operating system refuses (no space, no permission), :class:`WriteError` is raised.
    """
    place = target.resolve()  # what a link points to is replaced, not the link
    temporary = _temporary_path(place)
    try:
        with _open_locked(temporary) as file:
            try:
                file.truncate()
                _copy_mode(place, file)
                yield file
                file.flush()
                os.fsync(file.fileno())
                if fcntl is None:
                    file.close()
                temporary.replace(place)
            except BaseException:
                if fcntl is None:
                    file.close()
                with suppress(OSError):
                    temporary.unlink()
                raise
    except OSError as error:
        raise WriteError(
            target, f"writing it failed ({error.strerror or error})", "make room or choose another folder"
        ) from error


def discard(target: Path) -> None:
    """Remove what a killed process left of writing ``target``."""
    temporary = _temporary_path(target.resolve())
    with suppress(OSError):
        if fcntl is None:
            temporary.unlink()
            return
        with _open_locked(temporary):
            temporary.unlink()


def _temporary_path(place: Path) -> Path:
    digest = hashlib.sha256(os.fsencode(place.name)).hexdigest()
    return place.with_name(f".tvdenoise-{digest[:16]}.tmp")


def _open_locked(path: Path) -> BinaryIO:
    """Open a file, a new one or one left behind, that nobody else has open in this way."""
    while True:
        file = open(path, "r+b", opener=_open_or_make)  # noqa: SIM115 (a path's own method takes no opener)
        if fcntl is None:
            return file
        with suppress(OSError):  # some network file systems know no locks
            fcntl.flock(file, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # it has become the target meanwhile, or is gone


def _open_or_make(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT, 0o666)


def _copy_mode(place: Path, file: BinaryIO) -> None:
    """Let a file be read and written by whom the one that it replaces is, if there is one."""
    with suppress(OSError, AttributeError):  # Windows has no fchmod before Python 3.13
        os.fchmod(file.fileno(), stat.S_IMODE(place.stat().st_mode))
