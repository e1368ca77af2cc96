"""A field to start from: the answer to the picture at half its size, found from that at a quarter, and so on."""

from dataclasses import replace

from torch import Tensor

from tvdenoise.model import operators, tensors
from tvdenoise.model.problem import Problem
from tvdenoise.solvers.ascents import ascend

# Steps of FISTA at half the size, and of alternating descent; twice as many at each size below.
STEPS = 15
ALTERNATING_STEPS = 10

# The side at which the steps of the size above do as well from nothing.
MIN_SIDE = 32

# Lambda over the picture's standard deviation below which so few steps are needed that a start does not pay.
LEAST_WEIGHT = 0.12


def coarse_start(problem: Problem) -> Tensor:
    r"""Return a field near the maximiser of d(p), 0 where lambda is so small that looking for one does not pay.

    Where four pixels become one, an edge of the half picture stands for two edges and its data term for four: it is the
    same problem with :math:`\lambda/2`, and twice its field, laid over both edges, is nearly feasible and nearly
    optimal. Steps mend fine detail soon and large areas late, and here those are small.
    """
    if not problem.weight > LEAST_WEIGHT * problem.spread:  # nor where the spread is not a number
        return operators.new_field(problem.f, problem.axes)
    return _start(problem, ALTERNATING_STEPS if problem.alternates else STEPS)


def _start(problem: Problem, steps: int) -> Tensor:
    """Return the start from half the size after some steps there, and more at the sizes below."""
    sides = problem.f.shape[-problem.axes :]
    if max(sides) <= MIN_SIDE:
        return operators.new_field(problem.f, problem.axes)
    small = _halve(problem.f, problem.axes)
    half = replace(problem, f=small, weight=problem.weight / 2)
    field = ascend(half, _start(half, 2 * steps), steps)
    return _double(field, problem.f, problem.axes)


def _halve(f: Tensor, axes: int) -> Tensor:
    """Return the means of 2 by 2 (by 2) pixels; where a side is odd, the last is one pixel wide."""
    for axis in range(-axes, 0):  # rows before columns: they lie side by side
        n = f.shape[axis] // 2
        half = _resized(f, axis, f.shape[axis] - n)
        tensors.array(half)[...] = tensors.array(_every_other(f, 0, axis))
        pairs = tensors.array(half.narrow(axis, 0, n))
        pairs += tensors.array(_every_other(f, 1, axis))
        pairs *= 0.5
        f = half
    return f


def _double(p: Tensor, f: Tensor, axes: int) -> Tensor:
    """Return twice the field at the size of ``f``, every value repeated."""
    tensors.array(p)[...] *= 2
    for axis in range(-1, -axes - 1, -1):
        large = _resized(p, axis, f.shape[axis])
        for start in (0, 1):
            part = _every_other(large, start, axis)
            values = p.narrow(axis, 0, part.shape[axis])
            tensors.array(part)[...] = tensors.array(values)
        p = large
    return p


def _resized(t: Tensor, axis: int, length: int) -> Tensor:
    """Return an empty tensor like another, but for the length of an axis."""
    shape = list(t.shape)
    shape[axis] = length
    return tensors.empty(tuple(shape), t)


def _every_other(t: Tensor, start: int, axis: int) -> Tensor:
    return t.movedim(axis, 0)[start::2].movedim(0, axis)
