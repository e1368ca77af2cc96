"""Ascent methods for the dual objective d(p): optimizers with torch's operations, or kernels that do the same."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor

from tvdenoise.kernels import dispatch
from tvdenoise.kernels.state import Fields, State
from tvdenoise.model import operators, tensors
from tvdenoise.model.problem import Problem
from tvdenoise.solvers.optimizers import FISTA, AlternatingDescent

# Steps of alternating descent after which the picture is computed anew from the field.
REFRESH = 24

# Steps of alternating descent from one picture that the average takes in to the next: more would bring nothing.
AVERAGE_EVERY = 2


class Ascent(ABC):
    """Maximise :math:`d(p)` over the feasible fields.

    Attributes
    ----------
    parameter, previous
        The newest field :math:`p_k` and the one before it, as far as it is needed.
    step
        The number k of steps taken.
    average
        A picture that takes in those on the way, weighted by the square of the step number; None for none.
    scratch
        A picture that lies idle between steps.
    """

    def __init__(self, problem: Problem, start: Tensor | None = None) -> None:
        self.problem = problem
        if start is None:
            self.parameter = operators.new_field(problem.f, problem.axes)
        else:
            self.parameter = operators.clear_border(start)
        self.previous = tensors.contiguous_copy(self.parameter)
        self.step = 0
        self.average: Tensor | None = None
        self.scratch = tensors.empty(problem.f.shape, problem.f)

    @property
    def state(self) -> State:
        """What compiled code works on."""
        groups = self.problem.groups()
        return State(self.problem.f, self.parameter, self.previous, self.average, groups)

    def advance(self, steps: int) -> None:
        """Take some steps."""
        first = self.step + 1
        numbers = range(first, first + steps)
        kernels = self.problem.kernels(self.parameter, self.previous)
        if kernels is not None:
            self.parameter, self.previous = self._advance_compiled(kernels, numbers)
        else:
            self._advance_with_torch(numbers)
            dispatch.count_steps(self.problem.f, steps)
        self.step += steps

    @abstractmethod
    def _advance_compiled(self, kernels: ModuleType, steps: range) -> Fields:
        """Take the steps of these numbers with compiled code; return both fields."""

    @abstractmethod
    def _advance_with_torch(self, steps: range) -> None:
        """Take the steps of these numbers with torch's operations."""


class FISTAAscent(Ascent):
    """The ascent by :class:`FISTA`, which any problem allows."""

    def __init__(self, problem: Problem, start: Tensor | None = None, rate: float | None = None) -> None:
        super().__init__(problem, start)
        self.rate = rate or problem.step_size

    def _advance_compiled(self, kernels: ModuleType, steps: range) -> Fields:
        fields: Fields = kernels.ascend(self.state, self.problem.tv, self.rate, steps)
        return fields

    def _advance_with_torch(self, steps: range) -> None:
        difference = self.problem.difference
        project = partial(self.problem.project, scratch=self.scratch)
        optimizer = FISTA([self.parameter], self.rate, project, maximize=True)
        state = optimizer.state[self.parameter]
        state |= {"step": self.step, "previous": self.previous}
        gradient = torch.zeros_like(self.parameter)

        def closure() -> None:
            """Set the gradient of d, that of the picture f - D^T p, and take the picture into the average."""
            u = difference.subtract_adjoint(self.problem.f, self.parameter, self.scratch)
            self.parameter.grad = difference.forward_into(u, gradient)
            if self.average is not None:
                share = 3 / (state["step"] + 2)
                self.average.add_(u.sub_(self.average).mul_(share))

        for _ in steps:
            optimizer.step(closure)
        self.parameter.grad = None
        self.previous = state["previous"]


# Rows i, i + 2, ... and columns j, j + 2, ... of a picture, by (i, j).
Corners = Mapping[tuple[int, int], Tensor]


def _split(t: Tensor) -> Corners:
    """Return even and odd rows and columns apart: torch is several times as fast on what lies side by side."""
    corners = product((0, 1), (0, 1))
    return {(i, j): t[..., i::2, j::2].contiguous() for i, j in corners}


def _join(corners: Corners, t: Tensor) -> None:
    """Undo :func:`_split`, in place."""
    for (i, j), values in corners.items():
        t[..., i::2, j::2] = values


class Edge(NamedTuple):
    """Differences b - a of a picture, the field on them and before, and the weight of their total variation."""

    a: Tensor
    b: Tensor
    x: Tensor
    previous: Tensor
    weight: float

    def maximize(self) -> None:
        """Maximise d(p) over the field on these edges, no two of which share a pixel, and move the picture along."""
        best = torch.sub(self.b, self.a).mul_(0.5).add_(self.x)
        best.clamp_(-self.weight, self.weight)
        self.x.sub_(best)
        self.a.sub_(self.x)
        self.b.add_(self.x)
        self.x.copy_(best)

    def follow(self) -> None:
        """Move the picture along with the field since it was ``previous``."""
        change = torch.sub(self.x, self.previous)
        self.a.add_(change)
        self.b.sub_(change)


def _maximize(edges: Sequence[Edge]) -> None:
    for edge in edges:
        edge.maximize()


def _follow(edges: Sequence[Edge]) -> None:
    for edge in edges:
        edge.follow()


class AlternatingAscent(Ascent):
    r"""The ascent by :class:`AlternatingDescent`, for differences that total variation takes one by one.

    The edges between the pixels of a picture fall into two sets of 2 by 2 squares: those whose corners are even, and
    those whose corners are odd. No two squares of a set share a pixel, so that over the four edges of each d(p) is
    maximised for itself: over the horizontal ones, then the vertical ones, and in the first set once more over the
    horizontal ones, which is as good as exact. It takes less than half the steps of FISTA.
    """

    def __init__(self, problem: Problem, start: Tensor | None = None) -> None:
        if not problem.alternates:
            raise ValueError("alternating descent is for anisotropic TV of pictures without coupling")
        super().__init__(problem, start)

    def advance(self, steps: int) -> None:
        """Take some steps."""
        for taken in range(0, steps, REFRESH):
            super().advance(min(REFRESH, steps - taken))

    def _advance_compiled(self, kernels: ModuleType, steps: range) -> Fields:
        fields: Fields = kernels.alternate(self.state, steps, AVERAGE_EVERY, self.scratch)
        return fields

    def _advance_with_torch(self, steps: range) -> None:
        self.problem.difference.subtract_adjoint(self.problem.f, self.parameter, self.scratch)
        wholes = [*self.parameter, *self.previous]
        parts = [_split(whole) for whole in wholes]
        down, right, old_down, old_right = parts
        u = _split(self.scratch)
        average = None if self.average is None else _split(self.average)

        even_across = self._edges(-1, 0, u, right, old_right)
        even_along = self._edges(-2, 0, u, down, old_down)
        odd_across = self._edges(-1, 1, u, right, old_right)
        odd_along = self._edges(-2, 1, u, down, old_down)
        odd_edges = odd_across + odd_along
        solve_even = partial(_maximize, even_across + even_along + even_across)
        solve_odd = partial(_maximize, odd_edges)
        follow = partial(_follow, odd_edges)
        even = [right[0, 0], right[1, 0], down[0, 0], down[0, 1]]
        odd = [right[0, 1], right[1, 1], down[1, 0], down[1, 1]]
        old_odd = [old_right[0, 1], old_right[1, 1], old_down[1, 0], old_down[1, 1]]
        even_block = {"params": even, "minimize": solve_even}
        odd_block = {"params": odd, "minimize": solve_odd}
        optimizer = AlternatingDescent([even_block, odd_block])
        for x, previous in zip(odd, old_odd, strict=True):
            optimizer.state[x] |= {"step": self.step, "previous": previous}
        for step in steps:
            optimizer.step(follow)
            if average is not None and step % AVERAGE_EVERY == 0:
                share = 3 / (step // AVERAGE_EVERY + 2)
                for corner, mean in average.items():
                    change = torch.sub(u[corner], mean)
                    mean.add_(change.mul_(share))
        for corners, whole in zip(parts, wholes, strict=True):
            _join(corners, whole)
        if average is not None and self.average is not None:
            _join(average, self.average)

    def _edges(self, axis: int, start: int, u: Corners, field: Corners, previous: Corners) -> list[Edge]:
        """Return the edges along an axis whose first pixels are even, or odd."""
        n = (self.problem.f.shape[axis] - start) // 2
        edges = []
        for other in (0, 1):
            first = (start, other)
            second = (1 - start, other)
            if axis == -1:
                first = first[::-1]
                second = second[::-1]
            a = u[first].narrow(axis, 0, n)
            b = u[second].narrow(axis, start, n)
            x = field[first].narrow(axis, 0, n)
            old = previous[first].narrow(axis, 0, n)
            for channels, weight in self.problem.channel_weights():
                edge = Edge(a[channels], b[channels], x[channels], old[channels], weight)
                edges.append(edge)
        return edges


# Makes an ascent that starts at a field, or at 0.
MakeAscent = Callable[[Problem, Tensor | None], Ascent]


def choose_ascent(problem: Problem, start: Tensor | None = None) -> Ascent:
    """Return the quickest way up from a field, which is overwritten."""
    if problem.alternates:
        return AlternatingAscent(problem, start)
    return FISTAAscent(problem, start)


def ascend(problem: Problem, start: Tensor, steps: int) -> Tensor:
    """Return the field that some steps reach from ``start``, which is overwritten."""
    ascent = choose_ascent(problem, start)
    ascent.advance(steps)
    return ascent.parameter
