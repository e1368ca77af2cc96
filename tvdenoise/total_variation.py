"""The total variation of a picture or a volume, as a differentiable loss."""

import math
from functools import reduce
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from tvdenoise.options.kinds import Spacing, TVKind, spacing_by_axis

_LAYOUTS = {
    2: "2-, 3- or 4-dimensional ((H, W), (C, H, W) or (N, C, H, W))",
    3: "3-, 4- or 5-dimensional ((D, H, W), (C, D, H, W) or (N, C, D, H, W))",
}


class TotalVariation(nn.Module):
    r"""Total variation of a picture or a volume, or of each of a batch.

    With the forward differences :math:`D_v u` between rows and :math:`D_h u` between columns, which end at the border,
    and sums over all channels and pixels of one picture:

    .. math::
        \mathrm{TV}(u) = \sum |D_v u| + |D_h u| \quad\text{(anisotropic)}, \qquad
        \mathrm{TV}(u) = \sum \sqrt{(D_v u)^2 + (D_h u)^2} \quad\text{(isotropic)}.

    A volume adds the differences between its slices as a third term or a third square. Differences are divided by the
    ``spacing`` of their axis.

    Parameters
    ----------
    is_mean_reduction
        Take the mean over the differences of each direction in one picture (over C, H and W) instead of the sum, so
        that the value does not grow with the picture. Anisotropic only.
    tv
        ``"anisotropic"`` or ``"isotropic"``.
    smoothing
        The width s, in units of the intensity, of the Huber function that replaces each absolute value :math:`|t|`:
        :math:`t^2 / 2s` below s and :math:`|t| - s/2` above it, whose gradient has no jump at 0.
    axes
        2 for pictures (H, W), 3 for volumes (D, H, W).
    coupled
        Sum the 2-norms at each pixel: over the channels in each direction (anisotropic), or over channels and
        directions (isotropic). Not with ``is_mean_reduction``.
    spacing
        The distance between the slices of a volume, in pixel widths; or a tuple of the distances along all axes.

    Notes
    -----
    The differences are forward ones: mirrored or turned by a quarter, a picture has another isotropic variation, but
    for its transpose. The anisotropic one is the same.

    At a difference of 0 the gradient is the subgradient 0, never NaN. A direction with one pixel contributes 0.

    Sources: Rudin, Osher and Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 60 (1992);
    coupled: Blomgren and Chan, "Color TV", IEEE Trans. Image Processing 7 (1998), Bresson and Chan, "Fast dual
    minimization of the vectorial total variation norm", Inverse Problems and Imaging 2 (2008).

    Examples
    --------
    >>> import torch
    >>> TotalVariation()(torch.arange(0, 2.5, 0.1).reshape(5, 5))
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
        spacing: Spacing = 1.0,
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
        distances = spacing_by_axis(spacing, axes)
        are_possible = all(0 < distance < math.inf for distance in distances)
        if len(distances) != axes or not are_possible:
            raise ValueError(f"spacing must be a finite number above 0, or a tuple of {axes}, not {spacing}")
        if axes == 2 and spacing != 1 and not isinstance(spacing, tuple):
            raise ValueError(f"spacing as one number is that of slices, and 1 without axes=3, not {spacing}")
        self.is_mean_reduction = is_mean_reduction
        self.tv = tv
        self.smoothing = smoothing
        self.axes = axes
        self.coupled = coupled
        self.spacing = spacing

    def forward(self, u: Tensor) -> Tensor:
        """Return the total variation: a scalar for (H, W) or (C, H, W), N values for (N, C, H, W).

        Likewise for (D, H, W), (C, D, H, W) and (N, C, D, H, W) with ``axes=3``. For 16-bit floats it is float32.

        Raises
        ------
        ValueError
            If ``u`` has another number of dimensions.
        TypeError
            If ``u`` is no tensor of floating-point numbers (differences of unsigned integers wrap around).
        """
        self._check(u)
        if u.itemsize < 4:  # the sum may be beyond the largest 16-bit float
            u = u.float()
        picture = tuple(range(-min(u.ndim, self.axes + 1), 0))  # the axes of one picture, its channels too
        differences = []
        distances = spacing_by_axis(self.spacing, self.axes)
        for axis, distance in zip(range(-self.axes, 0), distances, strict=True):
            d = u.diff(dim=axis)
            if distance != 1:
                d = d / distance
            if self.coupled and u.ndim > self.axes:
                d = reduce(_length, torch.split(d, 1, -self.axes - 1))
            if self.tv == "isotropic":  # with 0 at the end all have the shape of the picture
                later_axes = -axis - 1
                d = functional.pad(d, [0, 0] * later_axes + [0, 1])
            differences.append(d)
        if self.tv == "isotropic":
            differences = [reduce(_length, differences)]
        values = []
        for d in differences:
            lengths = self._absolute(d)
            if self.is_mean_reduction and lengths.numel():  # the mean of no differences would be NaN
                values.append(lengths.mean(picture))
            else:
                values.append(lengths.sum(picture))
        return torch.stack(values).sum(0)

    def extra_repr(self) -> str:
        """Name the arguments in ``repr``."""
        arguments = ("is_mean_reduction", "tv", "smoothing", "axes", "coupled", "spacing")
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in arguments)

    def _check(self, u: object) -> None:
        if not isinstance(u, Tensor):
            raise TypeError(f"a torch tensor is asked for, not a {type(u).__name__}: use torch.as_tensor")
        if u.ndim - self.axes not in (0, 1, 2):
            shape = f"{u.ndim}-dimensional with shape {tuple(u.shape)}"
            raise ValueError(f"the tensor must be {_LAYOUTS[self.axes]}, not {shape}")
        if not u.is_floating_point():
            raise TypeError(f"the tensor must hold floating-point numbers, not {u.dtype}: convert it first")

    def _absolute(self, t: Tensor) -> Tensor:
        if self.smoothing == 0:
            return t.abs()
        return functional.smooth_l1_loss(t, torch.zeros_like(t), reduction="none", beta=self.smoothing)


def _length(a: Tensor, b: Tensor) -> Tensor:
    """Return the length of (a, b), whose gradient at the origin is 0 and not NaN as that of ``torch.hypot``."""
    origin = (a == 0) & (b == 0)
    return torch.hypot(a.masked_fill(origin, 1), b).masked_fill(origin, 0)
