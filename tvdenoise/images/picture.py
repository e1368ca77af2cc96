"""A picture as it stands in its file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvdenoise import intensity
from tvdenoise.intensity import Range

NPY = "NPY"


@dataclass(frozen=True)
class Picture:
    """Pixels in the file's own type, what their numbers mean, and what the writer must restore.

    Attributes
    ----------
    pixels
        (H, W) for gray, (H, W, 3) for colour.
    scale
        The numbers that stand for black and white.
    format
        A name of Pillow's, or ``"NPY"``.
    metadata
        What Pillow's writers take: colour profile, EXIF, XMP, resolution.
    encoding
        What Pillow's writer of the same format needs to encode alike.
    """

    pixels: NDArray[np.generic]
    scale: Range
    format: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    encoding: Mapping[str, Any] = field(default_factory=dict)

    @property
    def unit(self) -> NDArray[np.floating]:
        """The pixels on the unit scale."""
        return intensity.to_unit(self.pixels, self.scale)

    def encoded(self, u: NDArray[np.floating], target_format: str) -> NDArray[np.generic]:
        """Return ``u``, on the unit scale, as the numbers that a file of ``target_format`` gets.

        A picture file holds the type of the source, rounded and clipped. An ``.npy`` array keeps the type of an
        ``.npy`` source and holds the unrounded floats of any other.
        """
        if target_format == NPY and self.format != NPY:
            return u
        return intensity.from_unit(u, self.scale, self.pixels.dtype)

    def on_unit_scale(self, numbers: NDArray[np.generic]) -> NDArray[np.floating]:
        """Undo :meth:`encoded`."""
        is_unit = numbers.dtype.kind == "f" and self.pixels.dtype.kind != "f"
        return numbers if is_unit else intensity.to_unit(numbers, self.scale)  # type: ignore[return-value]
