"""The total variation of a picture, as a differentiable loss."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from tvdenoise.kinds import TVKind


class TotalVariation(nn.Module):
    r"""Total variation of a picture or of each picture of a batch.

    With the forward differences :math:`D_v u` (between rows) and :math:`D_h u` (between columns), no wrap at the
    border, and the sums over all channels and pixels of one picture:

    .. math::
        \mathrm{TV}(u) = \sum |D_v u| + |D_h u| \quad\text{(anisotropic)}, \qquad
        \mathrm{TV}(u) = \sum \sqrt{(D_v u)^2 + (D_h u)^2} \quad\text{(isotropic)}.

    Parameters
    ----------
    is_mean_reduction
        Divide the sum over each direction by the number of differences in that direction in one picture (over C, H
        and W), so that the value does not grow with the picture. Anisotropic only.
    tv
        ``"anisotropic"`` or ``"isotropic"``.
    smoothing
        Width, in units of the intensity, below which each absolute value :math:`|t|` is replaced by the Huber function
        :math:`t^2 / 2s` (and :math:`|t| - s/2` above), whose gradient has no jump at 0.

    Notes
    -----
    At a difference of exactly 0 the gradient is the subgradient 0, never NaN. A direction in which the picture is one
    pixel wide contributes 0.

    Source: Rudin, Osher and Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 60 (1992).

    Examples
    --------
    >>> import torch
    >>> TotalVariation()(torch.arange(0, 2.5, 0.1).reshape(5, 5))
    tensor(12.)
    >>> TotalVariation()(torch.arange(0, 2.5, 0.1).reshape(1, 5, 5))
    tensor(12.)
    >>> TotalVariation()(torch.arange(0, 10, 0.1).reshape(4, 1, 5, 5))
    tensor([12.0000, 12.0000, 12.0000, 12.0000])
    >>> TotalVariation(is_mean_reduction=True)(torch.arange(0, 10, 0.1).reshape(4, 1, 5, 5))
    tensor([0.6000, 0.6000, 0.6000, 0.6000])
    """

    def __init__(self, *, is_mean_reduction: bool = False, tv: TVKind = "anisotropic", smoothing: float = 0.0) -> None:
        super().__init__()
        if tv not in ("anisotropic", "isotropic"):
            raise ValueError(f"tv must be 'anisotropic' or 'isotropic', not {tv!r}")
        if is_mean_reduction and tv != "anisotropic":
            raise ValueError("is_mean_reduction counts the differences of each direction: it needs tv='anisotropic'")
        if not smoothing >= 0:
            raise ValueError(f"smoothing must be 0 or more, not {smoothing}")
        self.is_mean_reduction = is_mean_reduction
        self.tv = tv
        self.smoothing = smoothing

    def forward(self, u: Tensor) -> Tensor:
        """Return the total variation: a scalar for (H, W) or (C, H, W), N values for (N, C, H, W).

        Raises
        ------
        ValueError
            If ``u`` is not 2-, 3- or 4-dimensional.
        TypeError
            If ``u`` does not hold floating-point numbers (differences of unsigned integers wrap around).
        """
        if u.ndim not in (2, 3, 4):
            raise ValueError(
                f"the tensor must be 2-, 3- or 4-dimensional ((H, W), (C, H, W) or (N, C, H, W)), "
                f"not {u.ndim}-dimensional with shape {tuple(u.shape)}"
            )
        if not u.is_floating_point():
            raise TypeError(f"the tensor must hold floating-point numbers, not {u.dtype}: scale it to [0, 1] first")
        picture = tuple(range(-min(u.ndim, 3), 0))
        vertical, horizontal = u.diff(dim=-2), u.diff(dim=-1)
        if self.tv == "isotropic":
            length = _length(functional.pad(vertical, (0, 0, 0, 1)), functional.pad(horizontal, (0, 1)))
            return self._absolute(length).sum(picture)
        sums = [self._absolute(differences).sum(picture) for differences in (vertical, horizontal)]
        if self.is_mean_reduction:
            counts = [math.prod(differences.shape[-3:]) for differences in (vertical, horizontal)]
            sums = [total / max(count, 1) for total, count in zip(sums, counts, strict=True)]
        return sums[0] + sums[1]

    def extra_repr(self) -> str:
        """Name the arguments in ``repr``."""
        return f"is_mean_reduction={self.is_mean_reduction}, tv={self.tv!r}, smoothing={self.smoothing}"

    def _absolute(self, t: Tensor) -> Tensor:
        if self.smoothing == 0:
            return t.abs()
        return functional.smooth_l1_loss(t, torch.zeros_like(t), reduction="none", beta=self.smoothing)


def _length(a: Tensor, b: Tensor) -> Tensor:
    """Return the length of (a, b), with gradient 0 at the origin, where that of ``torch.hypot`` is NaN."""
    origin = (a == 0) & (b == 0)
    return torch.hypot(a.masked_fill(origin, 1), b).masked_fill(origin, 0)
