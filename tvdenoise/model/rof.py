r"""The problem of Rudin, Osher and Fatemi, its dual, and the certificate that judges any answer.

Primal: minimise :math:`E(u) = \frac12 \|u - f\|^2 + \lambda\,\mathrm{TV}(u)`. Dual: maximise
:math:`d(p) = \frac12\|f\|^2 - \frac12\|f - D^\top p\|^2` over the fields with :math:`|p| \le \lambda`. For every
picture and every feasible field :math:`d(p) \le d(p^*) = E(u^*) \le E(u)`.

Sources: Rudin, Osher and Fatemi, Physica D 60 (1992); Chambolle, "An algorithm for total variation minimization and
applications", J. Mathematical Imaging and Vision 20 (2004).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from tvdenoise.kernels import dispatch
from tvdenoise.model import operators
from tvdenoise.options.kinds import Group, TVKind

SLAB_VALUES = 2**15
"""Values of the picture judged at a time: the float64 copies stay small beside the picture."""

LARGE_SLAB_VALUES = 2**24
"""The same where it takes as long to begin with an operation as some thousands of values do: on accelerators."""

STRETCH = 1.3
"""How much longer than 1/L a step is. FISTA's rate is proven up to 1; with its momentum a quadratic is stable up to
4/3, and the certificate judges what comes of it. (Liang, Luo and Schönlieb, "Improving FISTA: faster, smarter, and
greedier", SIAM J. Scientific Computing 44, 2022, step as far, but restart; nothing here does.)"""

ROUNDING = 1e-13
"""What rounding in float64 may add to a sum, relative to the sum of the magnitudes: 450 units in the last place."""

UNDERFLOW = 1e-305
"""What a sum may have lost, for each value, of squares that are too small for float64: the least that it holds in full
is 2e-308."""


@dataclass(frozen=True)
class Problem:
    """What is to be minimised.

    Attributes
    ----------
    f
        One picture (C, H, W), or volume (C, D, H, W).
    weight
        The weight lambda of the total variation.
    tv
        Its kind.
    axes
        The number of spatial axes: 2 for a picture, 3 for a volume.
    spacing
        The distance between the slices of a volume in units of that between pixels.
    coupled
        Whether the channels of a pixel make one vector.
    ratios
        The weight of each channel as a multiple of lambda; empty for lambda itself.
    """

    f: Tensor
    weight: float
    tv: TVKind
    axes: Literal[2, 3] = 2
    spacing: float = 1.0
    coupled: bool = False
    ratios: tuple[float, ...] = ()

    @property
    def step_size(self) -> float:
        r"""The step size on the dual: :data:`STRETCH` times :math:`1/L`, with :math:`L = \|D\|^2`."""
        is_single = self.axes == 3 and self.f.shape[-3] == 1  # whose distance to others does not matter
        return STRETCH / operators.operator_bound(self.axes, math.inf if is_single else self.spacing)

    @property
    def alternates(self) -> bool:
        """Whether differences count one by one, so that edges without common pixels are for themselves."""
        return self.tv == "anisotropic" and self.axes == 2 and not (self.coupled and len(self.f) > 1)

    def project(self, p: Tensor, scratch: Tensor | None = None) -> Tensor:
        """Project a field in place on the feasible set; ``scratch`` may be any tensor like ``f``."""
        for channels, weight in self.channel_weights():
            buffer = None if scratch is None else scratch[channels]
            operators.project(p[:, channels], weight, self.tv, coupled=self.coupled, scratch=buffer)
        return p

    def penalty(self, g: Tensor) -> Tensor:
        r"""Return :math:`\lambda\,\mathrm{TV}` as a sum over the differences ``g``."""
        sums = [
            weight * operators.magnitude(g[:, channels], self.tv, coupled=self.coupled).sum()
            for channels, weight in self.channel_weights()
        ]
        return torch.stack(sums).sum()

    def channel_weights(self) -> list[tuple[slice, float]]:
        """Return the channels of equal weight and that weight."""
        if not self.ratios:
            return [(slice(None), self.weight)]
        return [(slice(c, c + 1), ratio * self.weight) for c, ratio in enumerate(self.ratios)]

    def kernels(self, *tensors: Tensor) -> ModuleType | None:
        """Return what :func:`tvdenoise.kernels.dispatch.kernels` does for ``f`` and these tensors."""
        if self.weight == 0:
            return None
        return dispatch.kernels(self.f, *tensors, tv=self.tv, axes=self.axes, planes=len(self.f) if self.coupled else 1)

    def groups(self) -> list[Group]:
        """Return which of the planes (H, W), or (D, H, W), of ``f`` make vectors together."""
        stride, groups = math.prod(self.f.shape[1 : -self.axes]), []
        for channels, weight in self.channel_weights():
            first, stop, _ = channels.indices(len(self.f))
            planes = stop - first if self.coupled else 1
            last = (first + 1 if self.coupled else stop) * stride
            groups += [Group(plane, stride, planes, weight, self.spacing) for plane in range(first * stride, last)]
        return groups

    @cached_property
    def flat(self) -> Tensor:
        """The picture that is the mean of each channel everywhere: the answer for a large enough lambda."""
        means = torch.as_tensor(operators.array(self.f).mean(tuple(range(-self.axes, 0))), device=self.f.device)
        return means.reshape(*self.f.shape[: -self.axes], *[1] * self.axes).expand_as(self.f)

    @cached_property
    def flat_energy(self) -> float:
        """The energy of :attr:`flat`, which has no variation: half the sum of squares around the mean."""
        total = 0.0
        for slab in _slabs(self.f, -self.axes):
            f, mean = (
                operators.array(t.narrow(-self.axes, slab.start + slab.offset, slab.own)) for t in (self.f, self.flat)
            )
            total += float(((f - mean) ** 2).sum())
        return 0.5 * total

    @property
    def spread(self) -> float:
        """The standard deviation of the picture around the mean of each channel, over all channels."""
        return math.sqrt(2 * self.flat_energy / self.f.numel())


@dataclass(frozen=True)
class Certificate:
    """What is proven about a picture ``u``.

    Attributes
    ----------
    energy
        :math:`E(u)`, a sum over all values.
    gap
        :math:`E(u) - d(p)`, which is at least :math:`E(u) - E(u^*)`.
    rms_bound
        An upper bound on the root mean square of :math:`u - u^*`, in units of the intensity range.
    """

    energy: float
    gap: float
    rms_bound: float

    @property
    def is_finite(self) -> bool:
        """Whether the picture and the field it was judged with are free of infinities and NaN."""
        return math.isfinite(self.energy) and math.isfinite(self.rms_bound)

    def is_better_than(self, other: "Certificate") -> bool:
        """Return whether it proves more; a number is better than none."""
        return self.is_finite and not (other.is_finite and other.rms_bound <= self.rms_bound)


def certify(problem: Problem, u: Tensor, p: Tensor, v: Tensor | None = None) -> Certificate:
    r"""Judge the picture ``u`` with the field ``p`` and a second picture ``v``, any of them, in float64.

    ``p`` is first projected on the feasible set. Let :math:`q = f - D^\top p` and :math:`G = E(v) - d(p)`. Strong
    convexity of both problems gives :math:`\frac12\|v - u^*\|^2 + \frac12\|q - u^*\|^2 \le G`, and the parallelogram
    law turns the left side into :math:`\|c - u^*\|^2 + \frac14\|v - q\|^2` with :math:`c = (v + q)/2`. So the exact
    minimiser lies in a ball around ``c``, and

    .. math::
        \|u - u^*\| \le \|u - c\| + \sqrt{G - \tfrac14\|v - q\|^2}.

    ``u`` itself takes the part of ``v`` where that is better (or ``v`` is left out), and the bound is then at most
    :math:`\sqrt{2 (E(u) - d(p))}`, the one in common use. At :math:`u = c` it is smaller than that by :math:`\sqrt2` or
    more.
    """
    sums = _sums(problem, u, p, u if v is None else v)
    energy_u, energy_v, dual, dual_magnitude, u_to_q, v_to_q, u_to_centre = sums

    is_exact = not (energy_u or dual_magnitude) and torch.equal(u, problem.f)
    least = 0.0 if is_exact else UNDERFLOW * problem.f.numel()

    def radius(energy: float, to_q: float) -> float:
        slack = max(ROUNDING * (energy + dual_magnitude), least)
        return math.sqrt(max(energy - dual - 0.25 * to_q, 0.0) + slack)  # in this order max lets a NaN through

    around_u = 0.5 * math.sqrt(u_to_q) + radius(energy_u, u_to_q)
    around_v = math.sqrt(u_to_centre) + radius(energy_v, v_to_q)
    return Certificate(energy_u, energy_u - dual, min(around_u, around_v) / math.sqrt(problem.f.numel()))


def _sums(problem: Problem, u: Tensor, p: Tensor, v: Tensor) -> Sequence[float]:
    """Return E(u), E(v), d(p) and its magnitude, |u - q|^2, |v - q|^2 and |u - (v + q) / 2|^2."""
    kernels = problem.kernels(u, p, v)
    if kernels is not None and kernels.CERTIFIES:
        totals: list[float] = kernels.sums(problem.f, u, p, v, problem.groups(), problem.tv)
        return totals
    sums = operators.to_float64(problem.f.new_zeros(7))
    for slab in _slabs(problem.f, -problem.axes):
        sums += _slab_sums(problem, slab, u, p, v)
    dispatch.count_steps(problem.f, dispatch.STEPS_OF_CERTIFICATE)
    return sums.tolist()


class _Slab(NamedTuple):
    """Some rows of a picture: where they start and stop with a halo, where their own start in that, and how many."""

    start: int
    stop: int
    offset: int
    own: int


def _slabs(f: Tensor, axis: int) -> Iterator[_Slab]:
    """Cut an axis into slabs with a halo of one row on each side, as far as D and its adjoint reach."""
    n = f.shape[axis]
    own = max(1, (SLAB_VALUES if f.device.type == "cpu" else LARGE_SLAB_VALUES) * n // f.numel())
    for first in range(0, n, own):
        start, last = max(first - 1, 0), min(first + own, n)
        yield _Slab(start, min(last + 1, n), first - start, last - first)


def _slab_sums(problem: Problem, slab: _Slab, *tensors: Tensor) -> Tensor:
    """Return one slab's share of E(u), E(v), d(p) and its magnitude, |u - q|^2, |v - q|^2 and |u - (v + q) / 2|^2."""
    axis = -problem.axes
    rows = (t.narrow(axis, slab.start, slab.stop - slab.start) for t in (problem.f, *tensors))
    f, u, p, v = map(operators.to_float64, rows)

    def own(t: Tensor) -> Tensor:
        return t.narrow(axis, slab.offset, slab.own)

    def square(t: Tensor) -> Tensor:
        norm: Tensor = torch.linalg.vector_norm(own(t))
        return norm.square()

    def energy(w: Tensor) -> Tensor:
        g = operators.gradient(w, operators.new_field(w, problem.axes), problem.spacing)
        return 0.5 * square(w - f) + problem.penalty(own(g))

    problem.project(operators.clear_border(p))
    change = operators.subtract_adjoint(torch.zeros_like(f), p, torch.empty_like(f), problem.spacing)
    q = f + change
    # d(p) = -<q - f, q + f> / 2, where large intensities do not drown it.
    dual_terms = own(change) * own(f + q)
    dual, dual_magnitude = -0.5 * dual_terms.sum(), 0.5 * torch.linalg.vector_norm(dual_terms, 1)
    u_to_q, v_to_q = u - q, v - q
    distances = square(u_to_q), square(v_to_q), square(u_to_q.sub_(v_to_q, alpha=0.5))
    return torch.stack([energy(u), energy(v), dual, dual_magnitude, *distances])
