"""Which colours total variation sees, and the orthonormal way there and back."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from tvdenoise.errors import ArrayError
from tvdenoise.model import operators
from tvdenoise.options.kinds import ColorChoice, ColorKind

CHROMA = 1.5
"""The weight of the chroma channels as a multiple of lambda, luma's: they have fewer edges and as much noise."""

_OPPONENT = tuple(
    tuple(entry / math.sqrt(sum(e * e for e in row)) for entry in row) for row in ((1, 1, 1), (1, 0, -1), (1, -2, 1))
)


def chosen(choice: ColorChoice, channels: int) -> ColorKind:
    """Return the colour model for a picture of so many channels; with a single one all are the same: rgb.

    Raises
    ------
    ArrayError
        If opponent colours are asked of what is not RGB.
    """
    if channels == 1 or (choice == "auto" and channels != 3):
        return "rgb"
    if choice == "auto":
        return "opponent"
    if choice == "opponent" and channels != 3:
        raise ArrayError("image", f"it has {channels} channels, not red, green and blue", "use coupled or rgb colours")
    return choice


def ratios(chroma: float | None) -> tuple[float, float, float]:
    """Return the weights of luma and of both chroma channels as multiples of lambda."""
    chroma = CHROMA if chroma is None else chroma
    return 1.0, chroma, chroma


def to_opponent(rgb: Tensor) -> Tensor:
    r"""Return luma :math:`(R+G+B)/\sqrt3` and chromas :math:`(R-B)/\sqrt2`, :math:`(R-2G+B)/\sqrt6` of (3, ...)."""
    return _combined(_OPPONENT, rgb)


def from_opponent(opponent: Tensor) -> Tensor:
    """Undo :func:`to_opponent`, whose matrix is orthonormal."""
    return _combined(tuple(zip(*_OPPONENT, strict=True)), opponent)


def rounding_bound(channels: Tensor) -> float:
    r"""Return a bound on the root mean square of what rounding adds to either transform.

    A factor, a product and two sums are rounded, each by half the :math:`\epsilon` of the type, relative to
    :math:`|M| |x|`, whose 2-norm is at most :math:`\sqrt3 \|x\|`.
    """
    rms = float(torch.linalg.vector_norm(channels)) / math.sqrt(channels.numel())
    return 2 * math.sqrt(3) * torch.finfo(channels.dtype).eps * rms


def _combined(rows: Sequence[Sequence[float]], channels: Tensor) -> Tensor:
    """Return the channels that a matrix makes of others."""
    result: Tensor = operators.empty(channels.shape, channels).zero_()
    for row, channel in zip(rows, result, strict=True):
        for factor, other in zip(row, channels, strict=True):
            channel.add_(other, alpha=factor)
    return result
