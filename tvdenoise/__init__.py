"""Total-variation denoising with a certificate of how close the answer is to the exact one.

Conventions, everywhere in this package:

- Images inside are float tensors (C, H, W), black 0, white 1.
- One objective: ``E(u) = 1/2 ||u - f||^2 + lambda TV(u)``, sums over all pixels and channels, intensities in [0, 1];
  larger lambda is smoother. Where lambda is given TV is by default the anisotropic sum of absolute neighbour
  differences, channel by channel: what ``TotalVariation()`` returns. Where lambda is chosen for the picture it is the
  model that comes out best: isotropic, and of luma and chroma for RGB.
- One tolerance: the result is certified to lie within ``tol`` RMS of the exact minimiser, as a fraction of the
  intensity range. The default is 1e-3, a quarter of an 8-bit gray level, or 0.04 lambda where that is less.

Importing the package imports no torch; using one of its names, which ``__init__.pyi`` lists, does.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
