"""Write a file whole or not at all."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tvdenoise.errors import WriteError


@contextmanager
def atomic(target: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``target`` that takes its place when the block ends, and is removed if it fails.

    Whatever happens, ``target`` is its old self or the whole new file.

    Raises
    ------
    WriteError
        If the operating system refuses: no space, no permission, a read-only file system.
    """
    place = target.resolve()  # what a link points to is replaced, not the link
    temporary = place.with_name(f".tvdenoise-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("x+b") as file:
            _take_mode(place, file)
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(place)
    except OSError as error:
        raise WriteError(
            target, f"writing it failed ({error.strerror or error})", "make room or choose another folder"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _take_mode(place: Path, file: BinaryIO) -> None:
    """Let a file be read and written by whom the one that it replaces is, if there is one."""
    with suppress(OSError):
        os.fchmod(file.fileno(), stat.S_IMODE(place.stat().st_mode))
