"""From what was read to what is to be written: another format, type, range or number of pages."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tvdenoise.arrays import intensity
from tvdenoise.errors import OutputError
from tvdenoise.images.checks import STREAM, check_place
from tvdenoise.images.formats.table import FORMATS, format_by_extension, losses, module_for, why_impossible
from tvdenoise.images.orientation import orientation, turn
from tvdenoise.images.picture import Picture, PictureFile
from tvdenoise.options.kinds import Subsampling


@dataclass(frozen=True)
class WriteOptions:
    """How files are written."""

    format: str | None = None  # a row of the table of formats; None for what the target's ending says
    allow_loss: bool = False  # make conversions that lose something
    metadata: bool = True  # keep what is there beside pixels; if not, only what colours mean, and turn the picture
    quality: int | None = None  # of a JPEG, 1 to 100; None for what its source had
    subsampling: Subsampling | None = None  # of the colours of a JPEG; None for what its source had


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
    format_ = options.format or promised
    if format_ is None and not target.suffix:
        format_ = source_format
    if format_ is not None:
        module_for(target, format_)  # which raises where its library is missing
    if target == STREAM:
        return
    if format_ is None:
        named = f"its ending {target.suffix!r} names no format that can be written"
        problem = named if target.suffix else "it is no folder and has no ending"
        endings = ", ".join(row.endings[0] for row in FORMATS.values())
        raise OutputError(target, problem, f"end it in one of {endings}, or in / for a folder")
    if promised not in (None, format_):
        problem = f"its ending says {promised}, but --format says {format_}"
        ending = FORMATS[format_].endings[0]
        raise OutputError(target, problem, f"end it in {ending}, or leave out --format")
    check_place(target, *others, overwrite=overwrite)


def prepare_target(
    file: PictureFile, target: Path, options: WriteOptions = WriteOptions()
) -> tuple[PictureFile, PictureFile]:
    """Return the source as it is to be denoised (cut and turned for its target), and the target yet to be filled.

    Raises :class:`OutputError` if the target's format cannot hold ``file``, or would lose something without leave.
    """
    promised = format_by_extension(target)
    if promised == file.misnamed:  # the result has the wrong ending of its source, and is what that is
        promised = None
    format_ = options.format or promised or file.format
    _check_conversion(file, target, format_, options)
    source = fit_to_format(file, format_, options)
    metadata = file.metadata
    native = file.native
    if not options.metadata:
        metadata = replace(metadata, exif=None, xmp=None, dpi=None)
        native = file.bare_native
    if format_ != file.format:  # whose writer would not know what to do with it
        native = None
    is_copy = native is not None
    blanks = tuple(_blank(part, source, format_, is_copy=is_copy) for part in source.parts)
    if native is None:  # nothing but the type of its numbers says what a new file holds
        blanks = tuple(replace(blank, levels=None) for blank in blanks)
    target_file = PictureFile(format_, blanks, metadata, native)
    return source, replace(target_file, quality=options.quality, subsampling=options.subsampling)


def _check_conversion(file: PictureFile, target: Path, format_: str, options: WriteOptions) -> None:
    reason = why_impossible(file, format_)
    if reason is not None:
        endings = _possible_endings(file, ["TIFF", "NPY"])
        raise OutputError(target, f"a {format_} file cannot hold {reason}", f"end it in {endings}")
    lost = losses(file, format_, metadata=options.metadata)
    if lost and not options.allow_loss:
        endings = _endings_that_lose_nothing(file, options)
        remedy = f"end it in {endings}, or say --allow-loss" if endings else "say --allow-loss"
        problem = f"a {format_} file would lose {', '.join(lost)}"
        raise OutputError(target, problem, remedy)


def _endings_that_lose_nothing(file: PictureFile, options: WriteOptions) -> str:
    """Return the endings of the formats, among those that hold the most and the file's own, that lose nothing of it."""
    names = ["TIFF", "PNG"]
    if not options.metadata or not file.metadata_names:
        names.append("NPY")
    if file.format not in names:
        names.append(file.format)
    names = [name for name in names if not losses(file, name, metadata=options.metadata)]
    return _possible_endings(file, names)


def _possible_endings(file: PictureFile, names: list[str]) -> str:
    possible = [name for name in names if why_impossible(file, name) is None]
    return " or ".join(FORMATS[name].endings[0] for name in possible)


def fit_to_format(file: PictureFile, format_: str, options: WriteOptions) -> PictureFile:
    """Return ``file`` without the pages and transparency that a format does not hold, turned if that cannot say so."""
    row = FORMATS[format_]
    parts = file.parts
    if format_ != file.format:
        if file.page_count > 1 and not row.frames:
            parts = (parts[0].first_page,)
        if not row.alpha:
            parts = tuple(part.opaque for part in parts)
    if not (row.orientation and options.metadata):
        number = orientation(file.metadata)
        parts = tuple(turn(part, number) for part in parts)
    return replace(file, parts=parts)


def _blank(part: Picture, source: PictureFile, target: str, *, is_copy: bool) -> Picture:
    """Return a picture of the source's type and scale, or those which the target can hold; an array is not rounded."""
    dtype = _stored_dtype(part, target)
    scale = part.scale
    becomes_array = target == "NPY" and source.format != "NPY"
    if becomes_array and dtype.kind in "iu":
        dtype = part.unit_type
        scale = intensity.UNIT
    elif dtype != part.pixels.dtype or (scale == source.scale and not is_copy):
        scale = intensity.type_range(dtype)  # as no other file says which number is white
    blank = part.blank(dtype, scale)
    if part.is_inverted and target not in (source.format, "TIFF"):
        blank = replace(blank, scale=blank.scale[::-1], is_inverted=False)
    return blank


def _stored_dtype(part: Picture, target: str) -> np.dtype[np.generic]:
    """Return the type that takes the most of a picture's numbers into a file of format ``target``."""
    types = FORMATS[target].types
    dtype = part.pixels.dtype
    if dtype.str[1:] in types:
        return dtype.newbyteorder("=")
    if "u2" in types and dtype.itemsize > 1:
        return np.dtype("u2")
    return np.dtype("u1")
