"""Types of options, and constants that several folders share."""

from typing import Literal, NamedTuple

# How total variation treats colours: channel by channel, as luma and chroma, or as one vector per pixel.
ColorKind = Literal["rgb", "opponent", "coupled"]

ColorChoice = Literal[ColorKind, "auto"]  # a colour model, or ``"auto"``: by picture and noise

# What noise the data term is made for: the square, the absolute difference, or the divergence of counts.
NoiseModel = Literal["gaussian", "laplace", "poisson"]

# Which length of a pixel's differences total variation sums: the 1-norm or the 2-norm.
TVKind = Literal["anisotropic", "isotropic"]

Nonfinite = Literal["refuse", "keep"]  # what becomes of a picture with pixels that are NaN or infinite

# How often a JPEG holds the colour of a pixel: at each, at every other one of a row, at one of four.
Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]

FEW_CHANNELS = 4  # the longest last axis of an array that is taken for its channels where nothing says so

# Far below any spacing between slices, in pixel widths; a solver needs steps in proportion to its inverse.
MIN_SPACING = 0.01

MAX_SPACING = 1000  # far beyond any spacing at which they have to do with each other

# The distance between slices, in pixel widths, or the distances along the last axes, ending with columns.
Spacing = float | tuple[float, ...]


def spacing_by_axis(spacing: Spacing, axes: int) -> tuple[float, ...]:
    """Return the distance between neighbours along each of the spatial axes."""
    if isinstance(spacing, tuple):
        return spacing[-axes:]
    return (spacing, 1.0, 1.0)[-axes:]


class Group(NamedTuple):
    """The planes ``first``, ``first + stride``, ... whose differences at a pixel make one vector, and their weight.

    Planes are pictures (H, W), or volumes (D, H, W) whose slices lie at a distance of ``spacing``.
    """

    first: int
    stride: int
    planes: int
    weight: float
    spacing: float = 1.0
