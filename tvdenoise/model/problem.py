r"""The problem of Rudin, Osher and Fatemi, and its dual.

Primal: minimise :math:`E(u) = \frac12 \|u - f\|^2 + \lambda\,\mathrm{TV}(u)`. Dual: maximise
:math:`d(p) = \frac12\|f\|^2 - \frac12\|f - D^\top p\|^2` over the fields with :math:`|p| \le \lambda`. For every
picture and every feasible field :math:`d(p) \le d(p^*) = E(u^*) \le E(u)`.

Sources: Rudin, Osher and Fatemi, Physica D 60 (1992); Chambolle, "An algorithm for total variation minimization and
applications", J. Mathematical Imaging and Vision 20 (2004).
"""

import math
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Literal

import torch
from torch import Tensor

from tvdenoise.kernels import dispatch
from tvdenoise.model import dual_ball, tensors
from tvdenoise.model.data_terms import DATA_TERMS, DataTerm
from tvdenoise.model.operators import ForwardDifference
from tvdenoise.options.kinds import Group, NoiseModel, Spacing, TVKind, spacing_by_axis

# How much longer than 1/L a step is. FISTA's rate is proven up to 1; with its momentum a quadratic is stable up to 4/3,
# and the certificate judges what comes of it. (Liang, Luo and Schönlieb, "Improving FISTA: faster, smarter, and
# greedier", SIAM J. Scientific Computing 44, 2022, step as far, but restart; nothing here does.)
STRETCH = 1.3


@dataclass(frozen=True)
class Problem:
    """What is to be minimised."""

    f: Tensor  # one picture (C, H, W), or volume (C, D, H, W)
    weight: float  # lambda
    tv: TVKind
    axes: Literal[2, 3] = 2  # the number of spatial axes: 2 for a picture, 3 for a volume
    spacing: Spacing = 1.0  # between the slices of a volume, or along all axes, in units of that between columns
    coupled: bool = False  # whether the channels of a pixel make one vector
    ratios: tuple[float, ...] = ()  # the weight of each channel as a multiple of lambda; empty for lambda itself
    noise_model: NoiseModel = "gaussian"  # what the data term is made for, which takes the place of the square

    @property
    def difference(self) -> ForwardDifference:
        """The operator D."""
        return ForwardDifference(self.axes, self.spacing)

    @property
    def step_size(self) -> float:
        r"""The step size on the dual: :data:`STRETCH` times :math:`1/L`, with :math:`L = \|D\|^2`."""
        difference = self.difference
        if self.axes == 3 and self.f.shape[-3] == 1:  # a single slice has no differences along D
            difference = ForwardDifference(2, self.spacing)
        return STRETCH / difference.squared_norm_bound

    @property
    def alternates(self) -> bool:
        """Whether each difference counts for itself, so that edges without common pixels are independent."""
        is_coupled = self.coupled and len(self.f) > 1
        is_flat = self.axes == 2 and self.is_square
        return self.tv == "anisotropic" and is_flat and not is_coupled

    @property
    def is_square(self) -> bool:
        """Whether rows are as far apart as columns, as compiled code takes them to be."""
        return spacing_by_axis(self.spacing, 2) == (1, 1)

    @property
    def slice_spacing(self) -> float:
        """The distance between slices, which means nothing for a picture."""
        first, *_ = spacing_by_axis(self.spacing, self.axes)
        return first

    def project(self, p: Tensor, scratch: Tensor | None = None) -> Tensor:
        """Project a field in place on the feasible set; ``scratch`` may be any tensor like ``f``."""
        for channels, weight in self.channel_weights():
            buffer = None if scratch is None else scratch[channels]
            own = p[:, channels]
            dual_ball.project(own, weight, self.tv, coupled=self.coupled, scratch=buffer)
        return p

    def penalty(self, g: Tensor) -> Tensor:
        r"""Return :math:`\lambda\,\mathrm{TV}` as a sum over the differences ``g``."""
        sums = []
        for channels, weight in self.channel_weights():
            own = g[:, channels]
            lengths = dual_ball.magnitude(own, self.tv, coupled=self.coupled)
            sums.append(weight * lengths.sum())
        return torch.stack(sums).sum()

    def channel_weights(self) -> list[tuple[slice, float]]:
        """Return the channels of equal weight and that weight."""
        if not self.ratios:
            return [(slice(None), self.weight)]
        weights = [ratio * self.weight for ratio in self.ratios]
        return [(slice(c, c + 1), weight) for c, weight in enumerate(weights)]

    def kernels(self, *others: Tensor) -> ModuleType | None:
        """Return what :func:`tvdenoise.kernels.dispatch.kernels` does for ``f`` and other tensors."""
        if self.weight == 0 or not self.is_square:
            return None
        planes = len(self.f) if self.coupled else 1
        return dispatch.kernels(self.f, *others, tv=self.tv, axes=self.axes, planes=planes)

    def groups(self) -> list[Group]:
        """Return which of the planes (H, W), or (D, H, W), of ``f`` make vectors together."""
        stride = math.prod(self.f.shape[1 : -self.axes])
        groups = []
        for channels, weight in self.channel_weights():
            first, stop, _ = channels.indices(len(self.f))
            if self.coupled:  # one group a plane of the first channel, with all channels
                planes = stop - first
                firsts = range(first * stride, (first + 1) * stride)
            else:
                planes = 1
                firsts = range(first * stride, stop * stride)
            groups += [Group(plane, stride, planes, weight, self.slice_spacing) for plane in firsts]
        return groups

    @property
    def is_gaussian(self) -> bool:
        """Whether the data term is the square, on which the duality above rests."""
        return self.noise_model == "gaussian"

    @cached_property
    def data_term(self) -> DataTerm:
        """The data term F, and the box of each channel in which the minimiser lies."""
        spatial = tuple(range(-self.axes, 0))
        low = self.f.amin(spatial, keepdim=True)
        high = self.f.amax(spatial, keepdim=True)
        return DATA_TERMS[self.noise_model](self.f, low, high)

    @cached_property
    def means(self) -> Tensor:
        """The mean of each channel, (C, 1, 1) or (C, 1, 1, 1)."""
        spatial = tuple(range(-self.axes, 0))
        means = tensors.array(self.f).mean(spatial)
        ones = [1] * self.axes
        shape = (*self.f.shape[: -self.axes], *ones)
        return torch.as_tensor(means, device=self.f.device).reshape(shape)

    def make_flat(self) -> Tensor:
        """Return the picture that is the mean of each channel everywhere: the answer for a large enough lambda."""
        flat = tensors.empty(self.f.shape, self.f)  # no expanded view, which compiled code does not take
        tensors.array(flat)[...] = tensors.array(self.means)
        return flat

    @cached_property
    def flat_energy(self) -> float:
        """The energy of the flat picture, which has no variation: half the sum of squares around the mean."""
        means = tensors.array(self.means)
        total = 0.0
        for start, rows in tensors.row_chunks(self.f, -self.axes):
            f = tensors.array(self.f.narrow(-self.axes, start, rows))
            total += float(((f - means) ** 2).sum())
        return 0.5 * total

    @property
    def spread(self) -> float:
        """The standard deviation of the picture around the mean of each channel, over all channels."""
        variance = 2 * self.flat_energy / self.f.numel()
        return math.sqrt(variance)
