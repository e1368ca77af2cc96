"""NumPy's ``.npy`` files, for scripts that need exact floats."""

import math
import os
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from tvdenoise.images import limits
from tvdenoise.images.picture import Picture, PictureFile, Source

MAX_SAMPLES = 4


def read(source: Source) -> PictureFile:
    """Read an array; (H, W) and (H, W, C) with at most 4 channels are known by their shape."""
    with source.open() as stream:
        shape, dtype = _header(stream)
        if len(shape) >= 2:
            limits.check_size(source, *shape[1::-1])
        if math.prod(shape) * dtype.itemsize > stream.seek(0, os.SEEK_END):
            raise ValueError(f"it is too short for an array of shape {shape}")
        stream.seek(0)
        pixels = npy_format.read_array(stream, allow_pickle=False)
    axes = {2: "YX", 3: "YXS"}.get(pixels.ndim, "")
    if axes == "YXS" and pixels.shape[2] > MAX_SAMPLES:
        axes = ""
    return PictureFile("NPY", (Picture(pixels.astype(pixels.dtype.newbyteorder("="), copy=False), axes),))


def write(stream: BinaryIO, file: PictureFile) -> None:
    """Write the array."""
    (picture,) = file.parts
    np.save(stream, np.ascontiguousarray(picture.pixels), allow_pickle=False)


def _header(stream: BinaryIO) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    version = npy_format.read_magic(stream)
    readers = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"its version {version} is for arrays of structures")
    shape, _, dtype = readers[version](stream)
    return shape, dtype
