"""NumPy's ``.npy`` files, for scripts that need exact floats."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from tvdenoise import intensity
from tvdenoise.errors import ArrayError, PictureError
from tvdenoise.images.picture import NPY, Picture


def read_npy(path: Path) -> Picture:
    """Read a gray (H, W) or colour (H, W, 3) array of floats or integers."""
    try:
        pixels: NDArray[np.generic] = np.load(path, allow_pickle=False)
    except Exception as error:  # broken headers raise what they please
        raise PictureError(path, f"it is not a whole .npy array ({error})", "save it again with numpy.save") from error
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3))):
        problem = f"an array of shape {pixels.shape} is not one gray (H, W) or colour (H, W, 3) picture"
        raise ArrayError(path, problem, "save its pictures one by one, or call tvdenoise.denoise from Python")
    intensity.check_type(path, pixels.dtype)
    intensity.check_finite(path, np.isfinite(pixels))
    return Picture(pixels, intensity.measured_range(pixels), NPY)


def write_npy(file: BinaryIO, pixels: NDArray[np.generic]) -> None:
    """Write an array."""
    np.save(file, pixels, allow_pickle=False)
