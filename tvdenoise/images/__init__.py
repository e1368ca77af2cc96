"""Picture files: all that is in them, and back. Nothing else opens picture files."""

from tvdenoise.images.atomic import discard
from tvdenoise.images.checks import STREAM, check_place, check_source
from tvdenoise.images.conversion import WriteOptions, check_target, fit_to_format, prepare_target
from tvdenoise.images.formats.table import FORMATS, format_by_extension, format_called, holds_type
from tvdenoise.images.orientation import turn_back, turn_page
from tvdenoise.images.picture import Page, Picture, PictureFile
from tvdenoise.images.reading import ReadOptions, find_format, options_for_other, read
from tvdenoise.images.writing import write

__all__ = [
    "FORMATS",
    "STREAM",
    "Page",
    "Picture",
    "PictureFile",
    "ReadOptions",
    "WriteOptions",
    "check_place",
    "check_source",
    "check_target",
    "discard",
    "find_format",
    "fit_to_format",
    "format_by_extension",
    "format_called",
    "holds_type",
    "options_for_other",
    "prepare_target",
    "read",
    "turn_back",
    "turn_page",
    "write",
]
