r"""The certificate: what is proven about any picture by any field, in float64.

Source: Chambolle, "An algorithm for total variation minimization and applications", J. Mathematical Imaging and Vision
20 (2004), for the dual; the bound itself is derived in :func:`certify`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tvdenoise.kernels import dispatch
from tvdenoise.model import operators, tensors
from tvdenoise.model.problem import Problem

# What rounding in float64 may add to a sum, relative to the sum of the magnitudes: 450 units in the last place.
ROUNDING = 1e-13

# What a sum may have lost, for each value, of squares that are too small for float64, which holds 2e-308 in full.
UNDERFLOW = 1e-305


@dataclass(frozen=True)
class Certificate:
    """What is proven about a picture ``u``.

    Attributes
    ----------
    energy
        :math:`E(u)`, a sum over all values.
    gap
        :math:`E(u) - d(p)` and what rounding may have taken of it: at least :math:`E(u) - E(u^*)`.
    rms_bound
        An upper bound on the root mean square of :math:`u - u^*`, in units of the intensity range; None where the data
        term is not strongly convex, so that pictures far apart may have nearly the same energy.
    least_bound
        What rounding alone makes of ``error``: no picture of such an energy is proven to be closer.
    is_by_gap
        Whether the tolerance is for the gap, and not for the distance.
    """

    energy: float
    gap: float
    rms_bound: float | None
    least_bound: float = 0.0
    is_by_gap: bool = False

    @property
    def error(self) -> float:
        """What the tolerance is compared with: ``rms_bound``, or the gap as a share of the energy."""
        if not self.is_by_gap and self.rms_bound is not None:
            return self.rms_bound
        return self.gap / self.energy if self.gap else 0.0

    @property
    def is_finite(self) -> bool:
        """Whether the picture and the field it was judged with are free of infinities and NaN."""
        return math.isfinite(self.energy) and math.isfinite(self.error)

    def is_better_than(self, other: "Certificate") -> bool:
        """Return whether it proves more; a number is better than none."""
        if not (self.is_finite and other.is_finite):
            return self.is_finite
        return self.error < other.error


def certify(
    problem: Problem, u: Tensor, p: Tensor, v: Tensor | None = None, *, chunk_values: int | None = None
) -> Certificate:
    r"""Judge the picture ``u`` with the field ``p`` and a second picture ``v``, any of them, in float64.

    ``p`` is first projected on the feasible set. Let :math:`q = f - D^\top p` and :math:`G = E(v) - d(p)`. E is
    strongly convex in the picture and -d in :math:`q`, so :math:`\frac12\|v - u^*\|^2 + \frac12\|q - u^*\|^2 \le G`.
    By the parallelogram law the left side is :math:`\|c - u^*\|^2 + \frac14\|v - q\|^2` with :math:`c = (v + q)/2`. So
    the exact minimiser lies in a ball around ``c``, and

    .. math::
        \|u - u^*\| \le \|u - c\| + \sqrt{G - \tfrac14\|v - q\|^2}.

    ``u`` itself takes the part of ``v`` where that is better (or ``v`` is left out), and the bound is then at most
    :math:`\sqrt{2 (E(u) - d(p))}`, the one in common use. At :math:`u = c` it is at most :math:`\sqrt G`.

    All bounds have room for what rounding and underflow may have taken of the sums.

    That rests on the square. For other noise models see :func:`certify_by_gap`, which needs no ``v``.
    """
    if not problem.is_gaussian:
        return certify_by_gap(problem, u, p, chunk_values=chunk_values)
    if v is None:
        v = u
    sums = _sums(problem, u, p, v, chunk_values)
    energy_u, energy_v, dual, dual_magnitude, u_to_q, v_to_q, u_to_centre = sums

    is_exact = problem.weight == 0 and torch.equal(u, problem.f)
    underflow = 0.0 if is_exact else UNDERFLOW * problem.f.numel()

    def slack(energy: float) -> float:
        return max(ROUNDING * (energy + dual_magnitude), underflow)

    def radius(energy: float, to_q: float) -> float:
        squared = max(energy - dual - 0.25 * to_q, 0.0)  # in this order max lets a NaN through
        return math.sqrt(squared + slack(energy))

    gap = max(energy_u - dual, 0.0) + slack(energy_u)
    around_u = 0.5 * math.sqrt(u_to_q) + radius(energy_u, u_to_q)
    around_v = math.sqrt(u_to_centre) + radius(energy_v, v_to_q)
    least_slack = slack(min(energy_u, energy_v))
    root = math.sqrt(problem.f.numel())
    rms_bound = min(around_u, around_v) / root
    least_bound = math.sqrt(least_slack) / root
    return Certificate(energy_u, gap, rms_bound, least_bound)


def certify_by_gap(problem: Problem, u: Tensor, p: Tensor, *, chunk_values: int | None = None) -> Certificate:
    r"""Judge the picture ``u`` with the field ``p`` in float64, whatever the data term F is.

    ``p`` is first projected on the feasible set. Weak duality: :math:`-F^*(-D^\top p) \le E(u^*)`, so

    .. math::
        E(u) - E(u^*) \le \mathrm{gap} = F(u) + \lambda\,\mathrm{TV}(u) + F^*(-D^\top p).

    Where F has a modulus m of strong convexity on its box, and u lies in that, :math:`\frac m2 \|u - u^*\|^2` is no
    more than the gap. Both have room for what rounding may have taken of the sums.
    """
    sums = tensors.to_float64(problem.f.new_zeros(4))
    for start, rows in tensors.row_chunks(problem.f, -problem.axes, chunk_values):
        sums += _gap_sums_of_rows(problem, start, rows, u, p)
    energy, conjugate, magnitude, outside = sums.tolist()

    slack = ROUNDING * magnitude
    gap = max(energy + conjugate, 0.0) + slack
    if energy <= 0 and torch.equal(u, problem.f):  # without a difference from f or in itself: no less is possible
        gap = slack = 0.0
    energy = max(energy, slack)  # which rounding may have brought below 0
    modulus = problem.data_term.modulus
    rms_bound = None
    if modulus > 0 and not outside:
        rms_bound = math.sqrt(2 * gap / modulus / problem.f.numel())
    least = slack / energy if slack else 0.0
    return Certificate(energy, gap, rms_bound, least, is_by_gap=True)


def _gap_sums_of_rows(problem: Problem, start: int, rows: int, u: Tensor, p: Tensor) -> Tensor:
    """Return what some rows add to E(u), F*(-D^T p), the magnitude of their terms, and the values outside the box."""
    axis = -problem.axes
    top = max(start - 1, 0)
    bottom = min(start + rows + 1, problem.f.shape[axis])
    f, u, p = (tensors.to_float64(t.narrow(axis, top, bottom - top)) for t in (problem.f, u, p))
    problem.project(operators.clear_border(p))
    z = problem.difference.subtract_adjoint(torch.zeros_like(f), p, torch.empty_like(f))
    halo = start - top
    penalty = problem.penalty(problem.difference.forward(u).narrow(axis, halo, rows))

    f, u, z = (t.narrow(axis, halo, rows) for t in (f, u, z))
    low, high = (tensors.to_float64(t) for t in (problem.data_term.low, problem.data_term.high))
    data_term = replace(problem.data_term, f=f, low=low, high=high)
    values = data_term.value(u)
    conjugates = data_term.conjugate(z)
    largest = torch.maximum(low.abs(), high.abs())
    terms = values.abs() + conjugates.abs() + u.abs() + f.abs() + z.abs() * largest
    outside = (u < low) | (u > high)
    return torch.stack([values.sum() + penalty, conjugates.sum(), terms.sum() + penalty, outside.sum().to(u)])


def _sums(problem: Problem, u: Tensor, p: Tensor, v: Tensor, chunk_values: int | None) -> Sequence[float]:
    """Return E(u), E(v), d(p) and its magnitude, |u - q|^2, |v - q|^2 and |u - (v + q) / 2|^2."""
    kernels = problem.kernels(u, p, v)
    if kernels is not None and kernels.CERTIFIES:
        groups = problem.groups()
        totals: list[float] = kernels.sums(problem.f, u, p, v, groups, problem.tv)
        return totals
    sums = tensors.to_float64(problem.f.new_zeros(7))
    for start, rows in tensors.row_chunks(problem.f, -problem.axes, chunk_values):
        sums += _sums_of_rows(problem, start, rows, u, p, v)
    dispatch.count_steps(problem.f, dispatch.STEPS_OF_CERTIFICATE)
    return sums.tolist()


def _sums_of_rows(problem: Problem, start: int, rows: int, u: Tensor, p: Tensor, v: Tensor) -> Tensor:
    """Return what some rows add to each of the sums.

    They are copied with a halo of one row on each side, as far as D and its adjoint reach.
    """
    axis = -problem.axes
    top = max(start - 1, 0)
    bottom = min(start + rows + 1, problem.f.shape[axis])
    length = bottom - top
    parts = [t.narrow(axis, top, length) for t in (problem.f, u, p, v)]
    f, u, p, v = map(tensors.to_float64, parts)
    difference = problem.difference
    problem.project(operators.clear_border(p))
    zero = torch.zeros_like(f)
    change = difference.subtract_adjoint(zero, p, torch.empty_like(f))

    def without_halo(t: Tensor) -> Tensor:
        return t.narrow(axis, start - top, rows)

    penalty_u = problem.penalty(without_halo(difference.forward(u)))
    penalty_v = problem.penalty(without_halo(difference.forward(v)))
    f, u, v, change = map(without_halo, (f, u, v, change))
    q = f + change
    # d(p) = -<q - f, q + f> / 2, where large intensities do not drown it.
    dual_terms = change * (f + q)
    return torch.stack(
        [
            0.5 * _square(u - f) + penalty_u,
            0.5 * _square(v - f) + penalty_v,
            -0.5 * dual_terms.sum(),
            0.5 * dual_terms.abs().sum(),
            _square(u - q),
            _square(v - q),
            _square(u - 0.5 * (v + q)),
        ]
    )


def _square(t: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(t)
    return norm.square()
