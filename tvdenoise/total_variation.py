"""The total variation of a picture or a volume, as a differentiable loss."""

import math
from functools import reduce
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from tvdenoise.options.kinds import TVKind

_LAYOUTS = {
    2: "2-, 3- or 4-dimensional ((H, W), (C, H, W) or (N, C, H, W))",
    3: "3-, 4- or 5-dimensional ((D, H, W), (C, D, H, W) or (N, C, D, H, W))",
}


class TotalVariation(nn.Module):
    r"""Total variation of a picture or a volume, or of each of a batch.

    With the forward differences :math:`D_v u` (between rows) and :math:`D_h u` (between columns), no wrap at the
    border, and the sums over all channels and pixels of one picture:

    .. math::
        \mathrm{TV}(u) = \sum |D_v u| + |D_h u| \quad\text{(anisotropic)}, \qquad
        \mathrm{TV}(u) = \sum \sqrt{(D_v u)^2 + (D_h u)^2} \quad\text{(isotropic)}.

    In a volume the differences between its slices join them, divided by their ``spacing``, as a third term or a third
    square.

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
    axes
        2 for pictures (H, W), 3 for volumes (D, H, W).
    coupled
        Take the 2-norm of the differences of all channels at a pixel before summing: over the channels alone in each
        direction (anisotropic), or over channels and directions (isotropic). Not with ``is_mean_reduction``.
    spacing
        The distance between the slices of a volume in units of that between pixels.

    Notes
    -----
    At a difference of exactly 0 the gradient is the subgradient 0, never NaN. A direction in which the picture is one
    pixel wide contributes 0.

    Sources: Rudin, Osher and Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 60 (1992);
    coupled: Blomgren and Chan, "Color TV", IEEE Trans. Image Processing 7 (1998), Bresson and Chan, "Fast dual
    minimization of the vectorial total variation norm", Inverse Problems and Imaging 2 (2008).

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

    def __init__(
        self,
        *,
        is_mean_reduction: bool = False,
        tv: TVKind = "anisotropic",
        smoothing: float = 0.0,
        axes: Literal[2, 3] = 2,
        coupled: bool = False,
        spacing: float = 1.0,
    ) -> None:
        super().__init__()
        if tv not in ("anisotropic", "isotropic"):
            raise ValueError(f"tv must be 'anisotropic' or 'isotropic', not {tv!r}")
        if is_mean_reduction and tv != "anisotropic":
            raise ValueError("is_mean_reduction counts the differences of each direction: it needs tv='anisotropic'")
        if is_mean_reduction and coupled:
            raise ValueError("is_mean_reduction counts the differences of each channel: it needs coupled=False")
        if not 0 <= smoothing < math.inf:
            raise ValueError(f"smoothing must be 0 or more, and finite, not {smoothing}")
        if axes not in _LAYOUTS:
            raise ValueError(f"axes must be 2 (pictures) or 3 (volumes), not {axes}")
        if not (0 < spacing < math.inf and (axes == 3 or spacing == 1)):
            raise ValueError(f"spacing must be a finite number above 0, and 1 without axes=3, not {spacing}")
        self.is_mean_reduction = is_mean_reduction
        self.tv = tv
        self.smoothing = smoothing
        self.axes = axes
        self.coupled = coupled
        self.spacing = spacing

    def forward(self, u: Tensor) -> Tensor:
        """Return the total variation: a scalar for (H, W) or (C, H, W), N values for (N, C, H, W).

        Likewise for (D, H, W), (C, D, H, W) and (N, C, D, H, W) with ``axes=3``. Of 16-bit floats it is in float32.

        Raises
        ------
        ValueError
            If ``u`` has another number of dimensions.
        TypeError
            If ``u`` is no tensor, or holds no floating-point numbers (differences of unsigned integers wrap around).
        """
        if not isinstance(u, Tensor):
            raise TypeError(f"a torch tensor is asked for, not a {type(u).__name__}: use torch.as_tensor")
        if u.ndim - self.axes not in (0, 1, 2):
            raise ValueError(
                f"the tensor must be {_LAYOUTS[self.axes]}, not {u.ndim}-dimensional with shape {tuple(u.shape)}"
            )
        if not u.is_floating_point():
            raise TypeError(f"the tensor must hold floating-point numbers, not {u.dtype}: convert it first")
        u = u.float() if u.itemsize < 4 else u  # a sum may be beyond what 16 bits hold
        one = tuple(range(-min(u.ndim, self.axes + 1), 0))
        differences = [u.diff(dim=axis) for axis in range(-self.axes, 0)]
        if self.spacing != 1:
            differences[0] = differences[0] / self.spacing
        if self.coupled and u.ndim > self.axes:
            differences = [reduce(_length, torch.split(d, 1, -self.axes - 1)) for d in differences]
        if self.tv == "isotropic":
            padded = [
                functional.pad(d, (0, 0) * (-axis - 1) + (0, 1)) for axis, d in enumerate(differences, -self.axes)
            ]
            return self._absolute(reduce(_length, padded)).sum(one)
        lengths = [self._absolute(d) for d in differences]
        if self.is_mean_reduction:
            return torch.stack([t.mean(one) if t.numel() else t.sum(one) for t in lengths]).sum(0)
        return torch.stack([t.sum(one) for t in lengths]).sum(0)

    def extra_repr(self) -> str:
        """Name the arguments in ``repr``."""
        arguments = ("is_mean_reduction", "tv", "smoothing", "axes", "coupled", "spacing")
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in arguments)

    def _absolute(self, t: Tensor) -> Tensor:
        if self.smoothing == 0:
            return t.abs()
        return functional.smooth_l1_loss(t, torch.zeros_like(t), reduction="none", beta=self.smoothing)


def _length(a: Tensor, b: Tensor) -> Tensor:
    """Return the length of (a, b), with gradient 0 at the origin, where that of ``torch.hypot`` is NaN."""
    origin = (a == 0) & (b == 0)
    return torch.hypot(a.masked_fill(origin, 1), b).masked_fill(origin, 0)
