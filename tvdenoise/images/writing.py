"""Picture files written whole or not at all, and read back before they take their place."""

import io
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tvdenoise.errors import PictureError, WriteError
from tvdenoise.images import complaints
from tvdenoise.images.atomic import atomic
from tvdenoise.images.checks import STREAM
from tvdenoise.images.formats.table import FORMATS, Format, module_for
from tvdenoise.images.picture import Picture, PictureFile, Source
from tvdenoise.images.reading import decode, describe_damage


def write(target: Path, file: PictureFile) -> None:
    """Write a file, atomically, and read it back before it takes its place; ``-`` is standard output.

    Raises :class:`WriteError` if the system refuses, or it reads back as something else; an old file stays.
    """
    if target == STREAM:
        stream = io.BytesIO()
        _write_checked(target, stream, file, lambda: io.BytesIO(stream.getvalue()))
        _write_to_standard_output(stream.getbuffer())
        return
    with atomic(target) as temporary:
        path = Path(temporary.name)
        _write_checked(target, temporary, file, lambda: path.open("rb"))


def _write_to_standard_output(content: memoryview) -> None:
    """Write all of it: a stream without a buffer may take only a part at a time."""
    try:
        while content:
            content = content[sys.stdout.buffer.write(content) :]
        sys.stdout.buffer.flush()
    except OSError as error:
        problem = f"writing it failed ({error.strerror or error})"
        raise WriteError("standard output", problem, "check where it goes, or name a file with --output") from error


def _write_checked(target: Path, stream: BinaryIO, file: PictureFile, reopen: Callable[[], BinaryIO]) -> None:
    try:
        with complaints.collected():
            module_for(target, file.format).write(stream, file)
        stream.flush()
    except Exception as error:  # what an encoder refuses: sizes, counts, metadata of broken sources
        if isinstance(error, OSError) and error.errno is not None:
            raise
        problem = f"a {file.format} file cannot be made of it ({describe_damage(error)})"
        raise WriteError(target, problem, "choose another format, or try --no-metadata") from error
    try:
        again = decode(Source(str(target), reopen, max_pixels=sys.maxsize), file.format)
    except PictureError as error:
        problem = f"what was written cannot be read back ({error.problem})"
        raise WriteError(target, problem, "choose another format") from error
    if not _is_same(file, again):
        raise WriteError(target, "what was written reads back as something else", "choose another format")


def _is_same(file: PictureFile, again: PictureFile) -> bool:
    if len(again.parts) != len(file.parts):
        return False
    row = FORMATS[file.format]
    for part, copy in zip(file.parts, again.parts, strict=True):
        if part.pixels.shape == copy.pixels.shape:  # the file may not say what its axes are
            copy = replace(copy, axes=part.axes, alpha=part.alpha)
        if part.size != copy.size or part.pixels.dtype != copy.pixels.dtype:
            return False
        if not _shows_the_same(part, copy, row):
            return False
    return True


def _shows_the_same(picture: Picture, copy: Picture, row: Format) -> bool:
    """Return whether a copy shows the same: gray as RGB, without an alpha that hides nothing."""
    frames = picture.frames
    copied = copy.frames
    if picture.samples != copy.samples:
        are_gray_or_rgb = {picture.colours, copy.colours} <= {1, 3}
        if picture.is_cmyk or picture.alpha > 1 or not are_gray_or_rgb:
            return False
        frames = _rgba_frames(picture)
        copied = _rgba_frames(copy)
        _, white = picture.type_range
        is_transparent = frames[..., 3] < white / 2
        if is_transparent.any() and not copy.alpha:
            return False
    if frames.shape != copied.shape:
        return False
    if not row.exact:
        return True
    return np.array_equal(frames, copied, equal_nan=frames.dtype.kind == "f")


def _rgba_frames(picture: Picture) -> NDArray[Any]:
    frames = picture.frames
    _, white = picture.type_range
    rgba = np.full((*frames.shape[:-1], 4), white, frames.dtype)
    rgba[..., :3] = frames[..., : picture.colours]  # gray stands for all three
    if picture.alpha:
        rgba[..., 3] = frames[..., -1]
    return rgba
