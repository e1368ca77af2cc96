"""What is refused of paths before any work."""

import stat
import tempfile
from pathlib import Path

from tvdenoise.errors import InputError, OutputError, UnwritableError

STREAM = Path("-")  # standard input or output


def check_source(path: Path, what: str = "file") -> None:
    """Raise :class:`InputError` if there is no file that can be read; ``-`` is standard input."""
    if path == STREAM:
        return
    mode = _mode(path, InputError)
    if mode is None:
        raise InputError(path, f"there is no such {what}", "check the path")
    if stat.S_ISDIR(mode):
        raise InputError(path, "it is a folder", "name a picture in it")
    if not stat.S_ISREG(mode):
        raise InputError(path, "it is not a file", "name a picture file")
    if path.suffix.lower() == ".gz":
        raise InputError(path, "it is packed by gzip", "unpack it first, such as with gunzip")


def check_place(target: Path, *others: Path, overwrite: bool) -> None:
    """Raise :class:`OutputError` if no file can be written to ``target``, or one that must not be replaced is there."""
    mode = _mode(target, OutputError)
    folder = target.resolve().parent
    folder_mode = _mode(folder, OutputError)
    if folder_mode is None:
        raise OutputError(target, f"its folder {target.parent} is missing", "create it first")
    if not stat.S_ISDIR(folder_mode):
        raise OutputError(target, f"{target.parent} is a file, not a folder", "choose another folder")
    try:  # permissions alone do not tell
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        problem = f"its folder {target.parent} cannot be written to ({error.strerror})"
        raise UnwritableError(target, problem, "choose another folder") from error
    if mode is None:
        return
    for other in others:
        if _mode(other, InputError) is not None and target.samefile(other):
            raise OutputError(target, "it is a file this run reads", "choose another name")
    if not stat.S_ISREG(mode):
        raise OutputError(target, "it is not a regular file", "choose another name")
    if not overwrite:
        raise OutputError(target, "it exists", "choose another name, or replace it with --overwrite")


def _mode(path: Path, kind: type[InputError | OutputError]) -> int | None:
    """Return what stands at a path, or where it links to, None for nothing; what cannot be known is a ``kind``."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:  # a name too long, links in a circle, a folder that may not be entered
        remedy = "check the path" if kind is InputError else "choose another name or folder"
        raise kind(path, f"it cannot be reached ({error.strerror})", remedy) from error
