"""NumPy's ``.npy`` files, for scripts that need exact floats."""

import math
import os
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
from numpy.lib import format as npy_format

from tvdenoise.errors import DamageError
from tvdenoise.images import limits
from tvdenoise.images.picture import Picture, PictureFile, Source, to_native_order
from tvdenoise.options.kinds import FEW_CHANNELS

# How the header of a file is read, by the version of the format
_HEADERS = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}


class _Layout(NamedTuple):
    """How the numbers lie in a file: their type with its order of bytes, and the order of axes."""

    dtype: np.dtype[np.generic]
    order: Literal["C", "F"]


def read(source: Source) -> PictureFile:
    """Read an array; (H, W) and (H, W, C) with at most 4 channels are known by their shape."""
    with source.open() as stream:
        version = npy_format.read_magic(stream)
        if version not in _HEADERS:
            raise DamageError(f"its version {version} is for arrays of structures")
        shape, is_fortran, dtype = _HEADERS[version](stream)
        if len(shape) >= 2:
            height, width, *_ = shape
            limits.check_size(source, width, height)
        size = math.prod(shape) * max(dtype.itemsize, 1)
        if size > stream.seek(0, os.SEEK_END):
            raise DamageError(f"it is too short for an array of shape {shape}")
        stream.seek(0)
        pixels = npy_format.read_array(stream, allow_pickle=False)
    axes = ""
    if len(shape) == 2:
        axes = "YX"
    elif len(shape) == 3 and shape[2] <= FEW_CHANNELS:
        axes = "YXS"
    layout = _Layout(dtype, "F" if is_fortran else "C")
    picture = Picture(to_native_order(pixels), axes)
    return PictureFile("NPY", (picture,), native=layout, bare_native=layout)


def write(stream: BinaryIO, file: PictureFile) -> None:
    """Write the array, laid out as its source is."""
    (picture,) = file.parts
    layout: _Layout = file.native or _Layout(picture.pixels.dtype, "C")
    pixels = np.asarray(picture.pixels, layout.dtype, order=layout.order)
    np.save(stream, pixels, allow_pickle=False)
