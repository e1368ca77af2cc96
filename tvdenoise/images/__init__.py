"""Picture files: all that is in them, and back. No other room opens picture files."""

from tvdenoise.images.atomic import discard
from tvdenoise.images.files import (
    MAX_PIXELS,
    STREAM,
    ReadOptions,
    WriteOptions,
    check_kind,
    check_place,
    check_source,
    check_target,
    conformed,
    options_for_other,
    prepared,
    read,
    write,
)
from tvdenoise.images.formats import FORMATS, format_by_extension, format_called
from tvdenoise.images.picture import Page, Picture, PictureFile

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "STREAM",
    "Page",
    "Picture",
    "PictureFile",
    "ReadOptions",
    "WriteOptions",
    "check_kind",
    "check_place",
    "check_source",
    "check_target",
    "conformed",
    "discard",
    "format_by_extension",
    "format_called",
    "options_for_other",
    "prepared",
    "read",
    "write",
]
