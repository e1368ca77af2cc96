"""Paths to pictures and back: which reader, which writer, which targets are refused before any work."""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tvdenoise.errors import InputError, OutputError, PictureError
from tvdenoise.images.atomic import atomic
from tvdenoise.images.npy import read_npy, write_npy
from tvdenoise.images.picture import NPY, Picture
from tvdenoise.images.pillow import read_pillow, write_pillow

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP", ".webp": "WEBP", ".npy": NPY}
_NPY_MAGIC = b"\x93NUMPY"


def read(path: Path) -> Picture:
    """Read a picture file whole, its kind told by its content.

    Raises
    ------
    InputError
        If there is no such file.
    PictureError, ArrayError
        If it is damaged, no picture, or of a kind that cannot be kept whole.
    """
    if path.is_dir():
        raise InputError(path, "it is a folder", "name a picture in it")
    if not path.exists():
        raise InputError(path, "there is no such file", "check the path")
    if not path.is_file():
        raise InputError(path, "it is not a file", "name a picture file")
    try:
        with path.open("rb") as file:
            magic = file.read(len(_NPY_MAGIC))
    except OSError as error:
        raise PictureError(path, f"it cannot be read ({error.strerror})", "check its permissions") from error
    if not magic:
        raise PictureError(path, "the file is empty", "get a whole copy of it")
    return read_npy(path) if magic == _NPY_MAGIC else read_pillow(path)


def check_target(target: Path, *others: Path, overwrite: bool) -> None:
    """Raise :class:`OutputError` if ``target`` must not or cannot be written; ``others`` are files it must not be."""
    if target.suffix.lower() not in _FORMATS:
        problem = (
            f"its ending {target.suffix!r} names no format that can be written" if target.suffix else "it has no ending"
        )
        raise OutputError(target, problem, f"end it in one of {', '.join(_FORMATS)}")
    if not target.parent.is_dir():
        raise OutputError(target, f"its folder {target.parent} is missing", "create it first")
    _try_to_write_in(target)
    if not target.exists():
        return
    if any(other.exists() and target.samefile(other) for other in others):
        raise OutputError(target, "it is a file this run reads", "choose another name")
    if not target.is_file():
        raise OutputError(target, "it is not a regular file", "choose another name")
    if not overwrite:
        raise OutputError(target, "it exists", "choose another name, or replace it with --overwrite")


def _try_to_write_in(target: Path) -> None:
    """Try rather than ask: permissions alone do not tell (root, read-only and network file systems)."""
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        problem = f"its folder {target.parent} cannot be written to ({error.strerror})"
        raise OutputError(target, problem, "choose another folder") from error


def check_conversion(source: Picture, target: Path) -> None:
    """Raise :class:`OutputError` if the format of ``target`` cannot hold the depth of the source."""
    if _format(target) != NPY and source.pixels.dtype != np.uint8:
        problem = f"a {_format(target)} file would cut {source.pixels.dtype} values down to 8 bits"
        raise OutputError(target, problem, "end it in .npy")


def write(target: Path, source: Picture, u: NDArray[np.floating]) -> NDArray[np.floating]:
    """Write ``u``, on the unit scale, as ``source`` was stored, atomically; return what was written, on the unit scale.

    Raises
    ------
    WriteError
        If the operating system refuses; then no file, or the old one, is there.
    """
    numbers = source.encoded(u, _format(target))
    with atomic(target) as file:
        if _format(target) == NPY:
            write_npy(file, numbers)
        else:
            write_pillow(file, numbers, source, _format(target))
    return source.on_unit_scale(numbers)


def _format(target: Path) -> str:
    return _FORMATS[target.suffix.lower()]
