"""Paths to picture files and back: which reader, which writer, what is refused before any work."""

import io
import stat
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import BinaryIO, Literal

from tvdenoise import intensity
from tvdenoise.errors import (
    InputError,
    MissingExtraError,
    OutputError,
    PictureError,
    TVDenoiseError,
    UnwritableError,
    WriteError,
)
from tvdenoise.images.atomic import atomic
from tvdenoise.images.formats import (
    FORMATS,
    HEAD,
    WITHOUT_ORIENTATION,
    format_by_extension,
    format_by_magic,
    losses,
    stored_dtype,
    unread_format,
    why_impossible,
)
from tvdenoise.images.orientation import orientation, upright
from tvdenoise.images.picture import Metadata, Picture, PictureFile, Source, shows_the_same
from tvdenoise.intensity import Range

STREAM = Path("-")
"""Standard input or output."""

MAX_PIXELS = 2**30
AXES_CAN_BE_NAMED = ("TIFF", "NPY", "FITS")
"""Formats whose axes a user may know better than the file."""


@dataclass(frozen=True)
class ReadOptions:
    """How files are read.

    Attributes
    ----------
    axes
        Names of the axes, a letter each, in place of what the file says.
    scale
        The numbers that stand for black and white, in place of the rule for their type.
    nonfinite
        ``"refuse"`` pixels that are NaN or infinite, or ``"keep"`` them: each takes the value of the nearest finite
        pixel of its page while that is denoised, and is written back as it was.
    max_pixels
        A header that promises more pixels a page is refused before anything is allocated for it.
    """

    axes: str | None = None
    scale: Range | None = None
    nonfinite: Literal["refuse", "keep"] = "refuse"
    max_pixels: int = MAX_PIXELS


@dataclass(frozen=True)
class WriteOptions:
    """How files are written.

    Attributes
    ----------
    format
        A row of :data:`~tvdenoise.images.formats.FORMATS`; None for what the target's ending says.
    allow_loss
        Make conversions that lose something.
    metadata
        Write what the source has beside pixels; without it only what colours mean is kept, and the picture is turned
        as its orientation says.
    """

    format: str | None = None
    allow_loss: bool = False
    metadata: bool = True


def read(path: Path, options: ReadOptions = ReadOptions()) -> PictureFile:
    """Read a picture file whole; ``-`` is standard input.

    The one place that decodes files: whatever the libraries raise leaves as one kind of error.

    Raises
    ------
    InputError
        If there is no such file.
    PictureError, ArrayError
        If it is damaged, no picture, or of a kind that cannot be kept whole.
    SettingError
        If the axes asked for do not fit it.
    """
    source = _source(path, options)
    file = _decoded(source, _format_of(path, source))
    if options.axes is not None and file.format not in AXES_CAN_BE_NAMED:
        problem = f"the axes of a {file.format} file are fixed, --axes is for {', '.join(AXES_CAN_BE_NAMED)}"
        raise InputError(path, problem, "leave --axes out")
    return replace(file, parts=tuple(_interpreted(path, part, file.scale, options) for part in file.parts))


def _interpreted(path: Path, part: Picture, scale: Range | None, options: ReadOptions) -> Picture:
    """Return a part with its axes and its range, once all of it is checked."""
    intensity.check_type(path, part.pixels.dtype)
    if options.axes is not None:
        part = part.with_axes(options.axes)
    _check_content(path, part, options)
    part = replace(part, scale=options.scale or scale or intensity.measured_range(part.pixels))
    intensity.check_range(path, part.pixels, part.scale)
    return part


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


def check_kind(path: Path) -> str | None:
    """Return the format that the ending of a file promises, or without one the format that it is.

    Raises
    ------
    PictureError
        If it is no picture.
    """
    return format_by_extension(path) or (None if path == STREAM else _format_of(path, _source(path, ReadOptions())))


def options_for_other(path: Path, options: ReadOptions) -> ReadOptions:
    """Return how to read what is compared with a picture read so: by its own range, and axes where they are fixed."""
    return replace(options, scale=None, axes=options.axes if check_kind(path) in AXES_CAN_BE_NAMED else None)


def _mode(path: Path, kind: type[InputError | OutputError]) -> int | None:
    """Return what stands at a path, or where it links to, None for nothing; what cannot be known is a ``kind``."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:  # a name too long, links in a circle, a folder that may not be entered
        raise kind(path, f"it cannot be reached ({error.strerror})", "check the path") from error


def _source(path: Path, options: ReadOptions) -> Source:
    if path == STREAM:
        content = _standard_input()
        return Source("-", lambda: io.BytesIO(content), options.max_pixels)
    check_source(path)
    return Source(str(path), lambda: path.open("rb"), options.max_pixels)


def _standard_input() -> bytes:
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        problem = f"it cannot be read ({error.strerror or error})"
        raise InputError("standard input", problem, "check where it comes from, or name a file") from error


def _format_of(path: Path, source: Source) -> str:
    try:
        with source.open() as stream:
            start = stream.read(HEAD)
    except OSError as error:
        raise PictureError(path, f"it cannot be read ({error.strerror})", "check its permissions") from error
    if not start:
        raise PictureError(path, "the file is empty", "get a whole copy of it")
    told, promised = format_by_magic(start), format_by_extension(path)
    if told is None:
        remedy = f"give a {', '.join(FORMATS)} file"
        if other := unread_format(start):
            raise PictureError(path, f"it is a file of {other}, which is not read", f"convert it, and {remedy}")
        raise PictureError(path, "it is not a picture of a kind that can be read", remedy)
    if promised not in (None, told):
        problem = f"its ending says {promised}, but it is a {told} file"
        raise PictureError(path, problem, f"rename it to end in {FORMATS[told].endings[0]}")
    return told


def _decoded(source: Source, format_: str) -> PictureFile:
    try:
        with warnings.catch_warnings(action="ignore"):  # of damage that they get over
            file: PictureFile = _room_for(source.name, format_).read(source)
        return file
    except TVDenoiseError:
        raise
    except MemoryError as error:
        raise PictureError(source.name, "it does not fit into memory", "cut it into parts") from error
    except Exception as error:  # broken files make the libraries raise dozens of kinds of exceptions
        reason = str(error) if " " in str(error) else f"{type(error).__name__} {error}".strip()
        problem = f"the {format_} file is damaged ({reason})"
        raise PictureError(source.name, problem, "get a whole copy of it") from error


def _check_content(path: Path, part: Picture, options: ReadOptions) -> None:
    if not {"Y", "X"} <= set(part.axes):
        problem = f"nothing says what the axes of its shape {part.pixels.shape} are"
        names = "TZYX"[-part.pixels.ndim :].rjust(part.pixels.ndim, "Q")
        raise PictureError(path, problem, f"name them, such as --axes {names}, with C for colours")
    if options.nonfinite == "refuse" or not part.pixels.size:
        intensity.check_finite(path, part.pixels, "replace them, or denoise around them with --nonfinite keep")


def check_target(
    target: Path,
    *others: Path,
    overwrite: bool,
    options: WriteOptions = WriteOptions(),
    source_format: str | None = None,
) -> None:
    """Raise :class:`OutputError` if a picture must not or cannot be written to ``target``.

    ``others`` are files it must not be; a name without an ending takes the format of the source.
    """
    promised = format_by_extension(target)
    format_ = options.format or promised or (None if target.suffix else source_format)
    if format_ is not None:
        _room_for(target, format_)
    if target == STREAM:
        return
    if format_ is None:
        problem = (
            f"its ending {target.suffix!r} names no format that can be written"
            if target.suffix
            else "it is no folder and has no ending"
        )
        endings = ", ".join(row.endings[0] for row in FORMATS.values())
        raise OutputError(target, problem, f"end it in one of {endings}, or name a --format")
    if promised not in (None, format_):
        problem = f"its ending says {promised}, but --format says {format_}"
        raise OutputError(target, problem, f"end it in {FORMATS[format_].endings[0]}, or leave out --format")
    check_place(target, *others, overwrite=overwrite)


def check_place(target: Path, *others: Path, overwrite: bool) -> None:
    """Raise :class:`OutputError` if no file can be written to ``target``, or one that must not be replaced is there."""
    mode = _mode(target, OutputError)
    folder = target.resolve().parent
    folder_mode = _mode(folder, OutputError)
    if folder_mode is None:
        raise OutputError(target, f"its folder {target.parent} is missing", "create it first")
    if not stat.S_ISDIR(folder_mode):
        raise OutputError(target, f"{target.parent} is a file, not a folder", "choose another folder")
    _check_writable(folder, target)
    if mode is None:
        return
    if any(_mode(other, InputError) is not None and target.samefile(other) for other in others):
        raise OutputError(target, "it is a file this run reads", "choose another name")
    if not stat.S_ISREG(mode):
        raise OutputError(target, "it is not a regular file", "choose another name")
    if not overwrite:
        raise OutputError(target, "it exists", "choose another name, or replace it with --overwrite")


def _check_writable(folder: Path, target: Path) -> None:
    """Raise :class:`UnwritableError` where nothing can be written: permissions alone do not tell, trying does."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        problem = f"its folder {target.parent} cannot be written to ({error.strerror})"
        raise UnwritableError(target, problem, "choose another folder") from error


def prepared(
    file: PictureFile,
    target: Path,
    options: WriteOptions = WriteOptions(),
) -> tuple[PictureFile, PictureFile]:
    """Return the source as it is to be denoised (cut and turned for its target), and the target yet to be filled.

    Raises
    ------
    OutputError
        If the target's format cannot hold what ``file`` has, or would lose something of it without leave.
    """
    format_ = options.format or format_by_extension(target) or file.format
    reason = why_impossible(file, format_)
    if reason is not None:
        able = (FORMATS[name].endings[0] for name in ("TIFF", "NPY") if why_impossible(file, name) is None)
        raise OutputError(target, f"a {format_} file cannot hold {reason}", f"end it in {' or '.join(able)}")
    lost = losses(file, format_, metadata=options.metadata)
    if lost and not options.allow_loss:
        remedy = " or ".join(_endings_that_lose_nothing(file, options))
        remedy = f"end it in {remedy}, or say --allow-loss" if remedy else "say --allow-loss"
        raise OutputError(target, f"a {format_} file would lose {', '.join(lost)}", remedy)
    file = conformed(file, format_, options)
    metadata, native = file.metadata, file.native if format_ == file.format else None
    if not options.metadata:
        metadata = Metadata(icc_profile=metadata.icc_profile, timing=metadata.timing)
        native = native and _room(format_).without_metadata(native)
    blanks = tuple(_blank(part, file, format_) for part in file.parts)
    return file, PictureFile(format_, blanks, metadata, native)


def _endings_that_lose_nothing(file: PictureFile, options: WriteOptions) -> list[str]:
    """Return the endings of the formats, among those that hold the most and the file's own, that lose nothing of it."""
    is_bare = not (options.metadata and (file.metadata.kinds or file.kinds))
    names = dict.fromkeys(("TIFF", "PNG", *(["NPY"] if is_bare else []), file.format))
    able = (name for name in names if why_impossible(file, name) is None)
    return [FORMATS[name].endings[0] for name in able if not losses(file, name, metadata=options.metadata)]


def conformed(file: PictureFile, format_: str, options: WriteOptions) -> PictureFile:
    """Return ``file`` with what a format holds of pages and transparency, turned where nothing would tell to."""
    if file.page_count > 1 and not FORMATS[format_].frames and format_ != file.format:
        file = replace(file, parts=(file.parts[0].first_page,))
    if not FORMATS[format_].alpha and format_ != file.format:
        file = replace(file, parts=tuple(part.opaque for part in file.parts))
    if format_ in WITHOUT_ORIENTATION or not options.metadata:
        number = orientation(file.metadata)
        file = replace(file, parts=tuple(upright(part, number) for part in file.parts))
    return file


def _blank(part: Picture, source: PictureFile, target: str) -> Picture:
    """Return a picture of the type and scale that a file of format ``target`` gets.

    The numbers of the source where it can hold them and what they mean; else its own range, or, in an array, unrounded
    floats.
    """
    dtype, scale = stored_dtype(part, target), part.scale
    if target == "NPY" and source.format != "NPY" and part.pixels.dtype.kind in "iu":
        dtype, scale = part.unit_type, intensity.UNIT
    elif dtype != part.pixels.dtype or (target != source.format and scale == source.scale):
        scale = intensity.type_range(dtype)
    blank = part.blank(dtype, scale)
    if part.is_inverted and target not in (source.format, "TIFF"):
        blank = replace(blank, scale=blank.scale[::-1], is_inverted=False)
    return blank


def write(target: Path, file: PictureFile) -> None:
    """Write a file, atomically, and read it back before it takes its place; ``-`` is standard output.

    Raises
    ------
    WriteError
        If the operating system refuses, or what can be read back is not what was written; then no file, or the old
        one, is there.
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
        with warnings.catch_warnings(action="ignore"):
            _room(file.format).write(stream, file)
        stream.flush()
    except Exception as error:  # what an encoder refuses: sizes, counts, metadata of broken sources
        if isinstance(error, OSError) and error.errno is not None:
            raise
        remedy = "choose another format, or try --no-metadata"
        raise WriteError(target, f"a {file.format} file cannot be made of it ({error})", remedy) from error
    again = _decoded(Source(str(target), reopen, max_pixels=sys.maxsize), file.format)
    if not _is_same(file, again):
        raise WriteError(target, "what was written reads back as something else", "choose another format")


def _is_same(file: PictureFile, again: PictureFile) -> bool:
    """Return whether a file reads back as it should; equal frames of an animation may have become one."""
    if len(again.parts) != len(file.parts):
        return False
    for part, copy in zip(file.parts, again.parts, strict=True):
        if part.pixels.shape == copy.pixels.shape:
            copy = replace(copy, axes=part.axes, alpha=part.alpha)
        if (part.size, part.pixels.dtype) != (copy.size, copy.pixels.dtype):
            return False
        if not shows_the_same(part, copy, exact=FORMATS[file.format].exact, merges=FORMATS[file.format].merges):
            return False
    return True


def _room(format_: str) -> ModuleType:
    """Return the module that reads and writes a format; it loads its library when it is first asked for."""
    return import_module(f"tvdenoise.images.{FORMATS[format_].room}")


def _room_for(subject: object, format_: str) -> ModuleType:
    """Return the module that reads and writes a format; if an extra is missing, say that ``subject`` needs it."""
    try:
        return _room(format_)
    except MissingExtraError as error:
        raise MissingExtraError(subject, error.problem, "astro") from error
