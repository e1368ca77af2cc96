"""Picture files read, whatever their format, and checked."""

import errno
import io
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from tvdenoise.arrays import intensity
from tvdenoise.arrays.intensity import Range
from tvdenoise.errors import DamageError, InputError, PictureError, TVDenoiseError, reason
from tvdenoise.images import complaints
from tvdenoise.images.checks import STREAM, check_source
from tvdenoise.images.formats.table import (
    FORMATS,
    HEAD,
    MARKS,
    RAW,
    RAW_ENDINGS,
    UNREAD,
    find_mark,
    format_by_extension,
    module_for,
)
from tvdenoise.images.orientation import orientation
from tvdenoise.images.picture import Picture, PictureFile, Source
from tvdenoise.options.kinds import Nonfinite

AXES = "ABDEFGHIJKLMNOPQRUVWTZYX"  # names for axes of which nothing is known; the last ones first


@dataclass(frozen=True)
class ReadOptions:
    """How files are read."""

    axes: str | None = None  # names of the axes, a letter each, in place of what the file says
    scale: Range | None = None  # the numbers that stand for black and white, in place of the rule for their type
    # With "keep" NaN and infinite pixels are denoised as the nearest finite one, and written back as they were.
    nonfinite: Nonfinite = "refuse"
    # A header that promises more a page is refused before anything is allocated for it. None stands for the default,
    # and for fewer in a small file.
    max_pixels: int | None = None
    nodata: float | None = None  # the number that stands for no data, in place of what the file says
    strict: bool = False  # refuse what a library finds fault with, even if it reads on


def read(path: Path, options: ReadOptions = ReadOptions()) -> PictureFile:
    """Read a picture file whole; ``-`` is standard input.

    Raises :class:`InputError`, :class:`PictureError` or :class:`ArrayError` if there is no such file, or it is damaged,
    no picture, or of a kind that cannot be kept whole; :class:`SettingError` if the axes asked for do not fit it.
    """
    source = _source(path, options)
    file = decode(source, _format_of(path, source))
    if options.strict and file.flaws:
        raise PictureError(path, file.flaws[0], "get a whole copy of it, or leave out --strict")
    promised = format_by_extension(path)
    if promised not in (None, file.format):
        file = replace(file, misnamed=promised)
    if options.axes is not None and not FORMATS[file.format].open_axes:
        able = ", ".join(name for name, row in FORMATS.items() if row.open_axes)
        problem = f"the axes of a {file.format} file are fixed, --axes is for {able}"
        raise InputError(path, problem, "leave --axes out")
    parts = [_interpret(path, part, file.scale, options) for part in file.parts]
    turned = orientation(file.metadata)
    upright = tuple(replace(part, orientation=turned) for part in parts)
    return replace(file, parts=upright)


def _interpret(path: Path, part: Picture, scale: Range | None, options: ReadOptions) -> Picture:
    """Return a part with the axes and scale asked for, checked."""
    intensity.check_type(path, part.pixels.dtype)
    if options.axes is not None:
        part = part.with_axes(options.axes)
    shape = part.pixels.shape
    if len(shape) < 2:
        raise PictureError(path, f"its shape {shape} is no picture's", "give two axes or more")
    if not {"Y", "X"} <= set(part.axes):
        problem = f"nothing says what the axes of its shape {shape} are"
        names = AXES[-len(shape) :]
        raise PictureError(path, problem, f"name them, such as --axes {names}, with C for colours")
    nodata = part.nodata if options.nodata is None else options.nodata
    if nodata is not None and not intensity.holds_number(part.pixels.dtype, nodata):
        nodata = None  # none of its pixels is that
    if options.nonfinite == "refuse" or not part.pixels.size:
        remedy = "replace them, or denoise around them with --nonfinite keep"
        intensity.check_finite(path, part.pixels, remedy, nodata=nodata)
    scale = options.scale or scale or intensity.measure_range(part.pixels, nodata)
    intensity.check_range(path, part.pixels, scale, nodata)
    return replace(part, scale=scale, nodata=nodata)


def find_format(path: Path) -> str | None:
    """Return the format that the ending of a file promises, or without one the format that it is."""
    promised = format_by_extension(path)
    if promised is not None or path == STREAM:
        return promised
    return _format_of(path, _source(path, ReadOptions()))


def options_for_other(path: Path, options: ReadOptions) -> ReadOptions:
    """Return how to read what is compared with a picture read so: by its own range, and axes where they are fixed."""
    format_ = find_format(path)
    if format_ is None or not FORMATS[format_].open_axes:
        options = replace(options, axes=None)
    return replace(options, scale=None)


def _source(path: Path, options: ReadOptions) -> Source:
    if path != STREAM:
        check_source(path)
        return Source(str(path), lambda: path.open("rb"), options.max_pixels)
    try:
        content = sys.stdin.buffer.read()  # which can be read only once
    except OSError as error:
        problem = f"it cannot be read ({error.strerror or error})"
        raise InputError("standard input", problem, "check where it comes from, or name a file") from error
    return Source("-", lambda: io.BytesIO(content), options.max_pixels)


def _format_of(path: Path, source: Source) -> str:
    try:
        with source.open() as stream:
            start = stream.read(HEAD)
    except OSError as error:
        raise PictureError(path, f"it cannot be read ({error.strerror})", "check its permissions") from error
    if not start:
        raise PictureError(path, "the file is empty", "get a whole copy of it")
    format_ = find_mark(start, MARKS)
    is_raw = format_ == "TIFF" and path.suffix.lower() in RAW_ENDINGS
    if format_ is None or is_raw:
        remedy = f"give a {', '.join(FORMATS)} file"
        other = RAW if is_raw else find_mark(start, UNREAD)
        if other is not None:
            raise PictureError(path, f"it is a file of {other}, which is not read", f"convert it, and {remedy}")
        raise PictureError(path, "it is not a picture of a kind that can be read", remedy)
    return format_


def decode(source: Source, format_: str) -> PictureFile:
    """Read a file of a format, whatever is in it."""
    try:
        module = module_for(source.name, format_)
        with complaints.collected() as said:
            file: PictureFile = module.read(source)
        return replace(file, flaws=file.flaws + complaints.describe(said))
    except TVDenoiseError:
        raise
    except MemoryError as error:
        raise PictureError(source.name, "it does not fit into memory", "cut it into parts") from error
    except Exception as error:  # broken files make the libraries raise dozens of kinds of exceptions
        damage = describe_damage(error)
        if damage.startswith("Unsupported"):  # as Pillow says of whole files of rare kinds
            problem = f"its kind of {format_} is not supported ({damage})"
            raise PictureError(source.name, problem, "convert it to PNG or TIFF first") from error
        problem = f"the {format_} file is damaged ({damage})"
        raise PictureError(source.name, problem, "get a whole copy of it") from error


def describe_damage(error: Exception) -> str:
    """Say what is wrong with a file in words of ours or of Pillow, not in those of Python or of a codec."""
    if isinstance(error, OSError) and error.errno in (errno.EINVAL, errno.EOVERFLOW):  # before or beyond any file
        return "an offset in it makes no sense"
    text, *_advice = reason(error, named=False).split(". ")  # what Astropy advises is for programmers
    if isinstance(error, DamageError | OSError) and text.isprintable():
        return text
    if type(error).__module__.startswith("imagecodecs"):
        return "its pixels cannot be unpacked"
    return "its structure makes no sense"
