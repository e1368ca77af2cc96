"""A field to start from: the answer to the picture at half its size, found from that at a quarter, and so on."""

import dataclasses

from torch import Tensor
from torch.nn import functional

from tvdenoise import calculus
from tvdenoise.formulations import ascend
from tvdenoise.rof import Problem

STEPS = 15
"""Steps at half the size; twice as many at each size below."""

LEAST_WEIGHT = 0.12
"""Lambda over the picture's standard deviation below which so few steps are needed that a start does not pay."""


def coarse_start(problem: Problem, steps: int = STEPS) -> Tensor:
    r"""Return a field near the maximiser of d(p), 0 where lambda is so small that looking for one does not pay.

    Where four pixels become one, an edge of the half picture stands for two edges and its data term for four: it is the
    same problem with :math:`\lambda/2`, and twice its field, laid over both edges, is nearly feasible and nearly
    optimal. Steps mend fine detail soon and large areas late, and here those are small.
    """
    if problem.weight <= LEAST_WEIGHT * problem.spread or max(problem.f.shape[-problem.axes :]) == 1:
        return calculus.new_field(problem.f, problem.axes)
    half = dataclasses.replace(problem, f=_halved(problem.f, problem.axes), weight=problem.weight / 2)
    return _doubled(ascend(half, coarse_start(half, 2 * steps), steps), problem.f, problem.axes)


def _halved(f: Tensor, axes: int) -> Tensor:
    """Return the means of 2 by 2 (by 2) pixels, which overlap where a side is odd."""
    size = [(side + 1) // 2 for side in f.shape[-axes:]]
    return functional.interpolate(f.flatten(0, -axes - 1).unsqueeze(1), size, mode="area").view(*f.shape[:-axes], *size)


def _doubled(p: Tensor, f: Tensor, axes: int) -> Tensor:
    """Return twice the field at the size of ``f``, every value repeated."""
    large = functional.interpolate(p.mul_(2).flatten(0, -axes - 1).unsqueeze(1), f.shape[-axes:], mode="nearest")
    return large.view(axes, *f.shape)
