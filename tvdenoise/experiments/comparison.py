"""How far a picture file is from a clean one, in figures."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvdenoise import images
from tvdenoise.errors import PictureError
from tvdenoise.files.metrics import quality
from tvdenoise.files.pages import describe_shape
from tvdenoise.images import PictureFile, ReadOptions

Pixels = NDArray[np.float64]


def compare_files(reference: PictureFile, path: Path, options: ReadOptions = ReadOptions()) -> dict[str, Any]:
    """Return PSNR and SSIM, MSE and the largest difference of a file to a clean one, over all pages.

    Transparency does not count. MSE and differences are in the reference's own numbers, PSNR and SSIM relative to its
    range; nothing is clipped. A file of another type is measured by its own range, unless both are of floats.
    Raises PictureError if pages, sizes or colours differ.
    """
    file = images.read(path, images.options_for_other(path, options))
    wanted = describe_shape(reference)
    found = describe_shape(file)
    if wanted != found:
        raise PictureError(path, f"it is {found}, the reference {wanted}", "compare versions of one picture")
    count = 0
    squares = 0.0
    own_squares = 0.0  # in the reference's own numbers
    largest = 0.0
    ssims = []
    for clean, other, span in _page_pairs(reference, file):
        difference = np.abs(clean - other)
        count += difference.size
        total = float(np.square(difference).sum())
        squares += total
        own_squares += total * span * span  # the square of a span may be too large for a float
        largest = max(largest, float(difference.max()) * span)
        ssim = quality(clean, other).ssim
        if ssim is not None:
            ssims.append(ssim)
    mean_square = squares / count
    low, high = reference.parts[0].scale
    return {
        "input": str(path),
        "psnr": -10 * math.log10(mean_square) if mean_square else math.inf,
        "ssim": float(np.mean(ssims)) if ssims else None,
        "mse": own_squares / count,
        "largest": largest,
        "range": (low, high),
        "data_range": high - low,
        "is_clipped": False,
    }


def _page_pairs(reference: PictureFile, file: PictureFile) -> Iterator[tuple[Pixels, Pixels, float]]:
    """Iterate over the pages of both on the unit scale, with the span of the reference's range."""
    for clean, other in zip(reference.parts, file.parts, strict=True):
        low, high = clean.scale
        # Numbers of the same type mean the same in both files.
        scale = clean.scale if other.is_numbered_like(clean) else other.scale
        rescaled = replace(other, scale=scale)
        for page in clean.pages():
            expected = clean.display_values(page).astype(float)
            found = rescaled.display_values(page).astype(float)
            yield expected, found, high - low
