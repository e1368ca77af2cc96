"""How far a picture file is from a clean one, in figures."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvdenoise import images
from tvdenoise.errors import PictureError
from tvdenoise.files.metrics import quality
from tvdenoise.images import Picture, PictureFile, ReadOptions


def compared(reference: PictureFile, path: Path, options: ReadOptions = ReadOptions()) -> dict[str, Any]:
    """Return PSNR and SSIM, MSE and the largest difference of a file to a clean one, over all pages.

    Transparency does not count. MSE and differences are in the reference's own numbers, PSNR and SSIM relative to its
    range; nothing is clipped. A file of another type, but for two of floats, is measured by the range of its own.

    Raises
    ------
    PictureError
        If pages, sizes or colours differ.
    """
    file = images.read(path, images.options_for_other(path, options))
    wanted, found = (", ".join(map(_shape, each.parts)) for each in (reference, file))
    if wanted != found:
        raise PictureError(path, f"it is {found}, the reference {wanted}", "compare versions of one picture")
    squares, own_squares, values, largest = 0.0, 0.0, 0, 0.0
    ssims: list[float] = []
    for clean, other in zip(reference.parts, file.parts, strict=True):
        scale = clean.scale
        span = scale[1] - scale[0]
        for page in clean.pages():
            a, b = (
                _shown(clean, scale, page),
                _shown(other, scale if other.is_numbered_like(clean) else other.scale, page),
            )
            difference = np.abs(a - b)
            total = float(np.square(difference).sum())
            squares, own_squares = squares + total, own_squares + total * span * span
            values += difference.size
            largest = max(largest, float(difference.max()) * span)
            ssim = quality(a, b).ssim
            ssims += [] if ssim is None else [ssim]
    (low, high), mse = reference.parts[0].scale, squares / values
    return {
        "input": str(path),
        "psnr": -10 * math.log10(mse) if mse else math.inf,
        "ssim": float(np.mean(ssims)) if ssims else None,
        "mse": own_squares / values,
        "largest": largest,
        "range": (low, high),
        "data_range": high - low,
        "is_clipped": False,
    }


def _shape(part: Picture) -> str:
    return "x".join(map(str, part.content_shape))


def _shown(picture: Picture, scale: tuple[float, float], page: images.Page) -> NDArray[np.float64]:
    return dataclasses.replace(picture, scale=scale).display_values(page).astype(np.float64)
