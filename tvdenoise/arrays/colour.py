"""Which colours total variation sees, and the orthonormal way there and back."""

import math

import torch
from torch import Tensor

from tvdenoise.errors import ArrayError
from tvdenoise.model.operators import ChannelMix
from tvdenoise.options.kinds import ColorChoice, ColorKind

# The weight of the chroma channels as a multiple of lambda, luma's: they have fewer edges and as much noise.
CHROMA = 1.5


def _normalize(*row: float) -> tuple[float, ...]:
    length = math.hypot(*row)
    return tuple(entry / length for entry in row)


# The orthonormal transform to opponent colours: luma (R+G+B)/sqrt 3, and chromas (R-B)/sqrt 2 and (R-2G+B)/sqrt 6.
_LUMA = _normalize(1, 1, 1)
_RED_BLUE = _normalize(1, 0, -1)
_GREEN = _normalize(1, -2, 1)
OPPONENT = ChannelMix((_LUMA, _RED_BLUE, _GREEN))
to_opponent = OPPONENT.forward
from_opponent = OPPONENT.adjoint


def choose_model(choice: ColorChoice, channels: int, rgb_model: ColorKind = "opponent") -> ColorKind:
    """Return the colour model for a picture of so many channels; ``rgb_model`` is what ``auto`` is for three.

    Raises :class:`ArrayError` if opponent colours are asked of what is not RGB.
    """
    if channels == 1:  # all models are the same
        return "rgb"
    if choice == "auto":
        return rgb_model if channels == 3 else "rgb"
    if choice == "opponent" and channels != 3:
        problem = f"it has {channels} channels, not red, green and blue"
        raise ArrayError("image", problem, "use coupled or rgb colours")
    return choice


def ratios(chroma: float | None) -> tuple[float, float, float]:
    """Return the weights of luma and of both chroma channels as multiples of lambda."""
    if chroma is None:
        chroma = CHROMA
    return 1.0, chroma, chroma


def rounding_bound(channels: Tensor) -> float:
    """Return a bound on the root mean square of what rounding adds to either transform."""
    epsilon = torch.finfo(channels.dtype).eps
    length = float(torch.linalg.vector_norm(channels))
    rms = length / math.sqrt(channels.numel())
    # A factor, a product and two sums are rounded, each by half of epsilon, relative to |M| |x|, whose 2-norm is at
    # most sqrt(3) |x|.
    return 2 * math.sqrt(3) * epsilon * rms
