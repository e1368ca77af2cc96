"""The words a model is made of, free of torch so that the command line can offer them before it loads anything."""

from typing import Literal

TVKind = Literal["anisotropic", "isotropic"]
"""Which length of a pixel's differences total variation sums: the 1-norm or the 2-norm."""
