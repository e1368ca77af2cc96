"""Total-variation denoising with a certificate of how close the answer is to the exact one.

Conventions, everywhere in this package:

- Images inside are float tensors (C, H, W), black 0, white 1.
- One objective: ``E(u) = 1/2 ||u - f||^2 + lambda TV(u)``, sums over all pixels and channels, intensities in [0, 1];
  larger lambda is smoother. By default TV is the anisotropic sum of absolute neighbour differences, channel by channel:
  what ``TotalVariation()`` returns.
- One tolerance: the result is certified to lie within ``tol`` RMS of the exact minimiser, as a fraction of the
  intensity range. The default is 1e-3, a quarter of an 8-bit gray level, or 0.04 lambda where that is less.

Importing the package imports no torch; using one of its names does.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tvdenoise.denoising import denoise
    from tvdenoise.errors import TVDenoiseError
    from tvdenoise.noise import Noise
    from tvdenoise.result import Result
    from tvdenoise.solve import Progress
    from tvdenoise.sweeping import Grid, Specimen, sweep
    from tvdenoise.total_variation import TotalVariation

__version__ = "0.1.0"
__all__ = [
    "Grid",
    "Noise",
    "Progress",
    "Result",
    "Specimen",
    "TVDenoiseError",
    "TotalVariation",
    "TrialRow",
    "denoise",
    "sweep",
]

_ROOMS = {
    "Grid": "sweeping",
    "Noise": "noise",
    "Progress": "solve",
    "Result": "result",
    "Specimen": "sweeping",
    "TVDenoiseError": "errors",
    "TotalVariation": "total_variation",
    "TrialRow": "rows",
    "denoise": "denoising",
    "sweep": "sweeping",
}


def __getattr__(name: str) -> object:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
