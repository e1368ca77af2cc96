"""The options of the model as types, free of torch so that the command line can offer them before it loads anything."""

from typing import Literal, NamedTuple

ColorKind = Literal["rgb", "opponent", "coupled"]
"""How total variation treats colours: channel by channel, as luma and chroma, or as one vector per pixel."""

ColorChoice = Literal["rgb", "opponent", "coupled", "auto"]
"""A colour model, or ``"auto"``: opponent for RGB, rgb for all else."""

TVKind = Literal["anisotropic", "isotropic"]
"""Which length of a pixel's differences total variation sums: the 1-norm or the 2-norm."""

MAX_SPACING = 1000
"""Far beyond any spacing between slices, in pixel widths, at which they have to do with each other."""


class Group(NamedTuple):
    """The planes ``first``, ``first + stride``, ... whose differences at a pixel make one vector, and their weight.

    Planes are pictures (H, W), or volumes (D, H, W) whose slices lie at a distance of ``spacing``.
    """

    first: int
    stride: int
    planes: int
    weight: float
    spacing: float = 1.0
