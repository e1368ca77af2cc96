"""A field to start from: the answer to the picture at half its size, found from that at a quarter, and so on."""

import dataclasses

from torch import Tensor

from tvdenoise.model import operators, tensors
from tvdenoise.model.problem import Problem
from tvdenoise.solvers.ascents import ascend

STEPS = 15
"""Steps of FISTA at half the size; twice as many at each size below."""

ALTERNATING_STEPS = 10
"""Steps of alternating descent there."""

MIN_SIDE = 32
"""The side at which the steps of the size above do as well from nothing."""

LEAST_WEIGHT = 0.12
"""Lambda over the picture's standard deviation below which so few steps are needed that a start does not pay."""


def coarse_start(problem: Problem) -> Tensor:
    r"""Return a field near the maximiser of d(p), 0 where lambda is so small that looking for one does not pay.

    Where four pixels become one, an edge of the half picture stands for two edges and its data term for four: it is the
    same problem with :math:`\lambda/2`, and twice its field, laid over both edges, is nearly feasible and nearly
    optimal. Steps mend fine detail soon and large areas late, and here those are small.
    """
    return start_from_half(problem) if is_worthwhile(problem) else operators.new_field(problem.f, problem.axes)


def is_worthwhile(problem: Problem) -> bool:
    """Return whether a start is worth looking for; it never is where the spread is not a number."""
    return problem.weight > LEAST_WEIGHT * problem.spread


def start_from_half(problem: Problem) -> Tensor:
    """Return the start, whether it pays or not."""
    return _start(problem, ALTERNATING_STEPS if problem.alternates else STEPS)


def _start(problem: Problem, steps: int) -> Tensor:
    """Return the start from half the size after some steps there, and more at the sizes below."""
    if max(problem.f.shape[-problem.axes :]) <= MIN_SIDE:
        return operators.new_field(problem.f, problem.axes)
    half = dataclasses.replace(problem, f=_halved(problem.f, problem.axes), weight=problem.weight / 2)
    return _doubled(ascend(half, _start(half, 2 * steps), steps), problem.f, problem.axes)


def _halved(f: Tensor, axes: int) -> Tensor:
    """Return the means of 2 by 2 (by 2) pixels; where a side is odd, the last is one pixel wide."""
    for axis in range(-axes, 0):  # rows before columns: they lie side by side
        n, lacks_one = divmod(f.shape[axis], 2)
        half = tensors.empty((*f.shape[:axis], n + lacks_one, *f.shape[f.ndim + axis + 1 :]), f)
        first, second, means = (tensors.array(t) for t in (_every_other(f, 0, axis), _every_other(f, 1, axis), half))
        means[...] = first
        pairs = tensors.array(half.narrow(axis, 0, n))
        pairs += second
        pairs *= 0.5
        f = half
    return f


def _doubled(p: Tensor, f: Tensor, axes: int) -> Tensor:
    """Return twice the field at the size of ``f``, every value repeated."""
    tensors.array(p)[...] *= 2
    for axis in range(-1, -axes - 1, -1):
        large = tensors.empty((*p.shape[:axis], f.shape[axis], *p.shape[p.ndim + axis + 1 :]), p)
        for start in (0, 1):
            part = _every_other(large, start, axis)
            tensors.array(part)[...] = tensors.array(p.narrow(axis, 0, part.shape[axis]))
        p = large
    return p


def _every_other(t: Tensor, start: int, axis: int) -> Tensor:
    return t.movedim(axis, 0)[start::2].movedim(0, axis)
