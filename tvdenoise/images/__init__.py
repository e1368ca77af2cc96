"""Picture files: all that is in them, and back. No other room opens picture files."""

from tvdenoise.images.atomic import discard
from tvdenoise.images.checks import STREAM, check_place, check_source
from tvdenoise.images.conversion import WriteOptions, check_target, conformed, prepared
from tvdenoise.images.formats.table import FORMATS, format_by_extension, format_called, holds_type
from tvdenoise.images.picture import Page, Picture, PictureFile
from tvdenoise.images.reading import MAX_PIXELS, ReadOptions, check_kind, options_for_other, read
from tvdenoise.images.writing import write

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
    "holds_type",
    "options_for_other",
    "prepared",
    "read",
    "write",
]
