"""What an optimizer moves: the dual field, or the picture itself. Either yields candidates with their certificates."""

from typing import Protocol

import torch
from torch import Tensor

from tvdenoise import calculus
from tvdenoise.optimizers import FISTA
from tvdenoise.rof import Certificate, Problem, certify
from tvdenoise.total_variation import TotalVariation


class Formulation(Protocol):
    """A way to put the problem to an optimizer."""

    parameter: Tensor
    """The tensor the optimizer moves."""

    def closure(self) -> Tensor | None:
        """Set the parameter's gradient at its present value; return the loss where it costs nothing."""

    def candidate(self) -> tuple[Tensor, Certificate]:
        """Return the answer at the parameter's present value and its certificate; the next step overwrites it."""


class Ascent:
    """Maximise :math:`d(p)` over the feasible fields; the optimizer keeps ``p`` feasible with :meth:`project`."""

    def __init__(self, problem: Problem, start: Tensor | None = None) -> None:
        self.problem = problem
        self.parameter = calculus.new_field(problem.f, problem.axes) if start is None else problem.project(start)
        self._gradient = torch.zeros_like(self.parameter)
        self._picture = problem.f.clone()

    def closure(self) -> None:
        """Set the gradient of d: that of the picture :math:`f - D^T p`."""
        u = calculus.subtract_adjoint(self.problem.f, self.parameter, self._picture)
        self.parameter.grad = calculus.gradient(u, self._gradient)

    def project(self, p: Tensor) -> None:
        """Project a field on the feasible set in place."""
        self.problem.project(p, scratch=self._picture)


def ascend(problem: Problem, start: Tensor, steps: int) -> Tensor:
    """Return the field that some steps reach from ``start``, which is overwritten."""
    ascent = Ascent(problem, start)
    optimizer = FISTA([ascent.parameter], problem.step_size, ascent.project, maximize=True)
    for _ in range(steps):
        optimizer.step(ascent.closure)
    return ascent.parameter


class Dual(Ascent):
    r"""The ascent with a candidate.

    It is the centre of the ball in which :func:`tvdenoise.rof.certify` finds the exact minimiser: half way
    between :math:`q = f - D^\top p` and :math:`v`, the average of the pictures at which gradients were taken, weighted
    by the square of the step number (such an average has a smaller gap than the last picture: Tseng 2008). Where lambda
    is so large that the flat picture has less energy than that, it takes the part of :math:`v`.
    """

    def __init__(self, problem: Problem, start: Tensor | None = None) -> None:
        super().__init__(problem, start)
        self._average = problem.f.clone()
        self._steps = 0

    def closure(self) -> None:
        """Set the gradient of d and take the picture it was found at into the average."""
        super().closure()
        self._steps += 1
        self._average.lerp_(self._picture, 3 / (self._steps + 2))

    def candidate(self) -> tuple[Tensor, Certificate]:
        """Return the centre of the smaller ball and its certificate."""
        centre, certificate = self._centre(self._average)
        if self.problem.flat_energy < certificate.energy:
            return self._centre(self.problem.flat)
        return centre, certificate

    def _centre(self, v: Tensor) -> tuple[Tensor, Certificate]:
        """Return (q + v) / 2, in a buffer that lies idle between steps, and its certificate."""
        q = calculus.subtract_adjoint(self.problem.f, self.parameter, self._picture)
        centre = q.lerp_(v, 0.5)
        return centre, certify(self.problem, centre, self.parameter, v)

    def judge(self, u: Tensor) -> Certificate:
        """Certify any picture by what the field has reached."""
        return certify(self.problem, u, self.parameter, self._average)


class Primal:
    """Minimise E(u) over the picture itself, with :class:`TotalVariation` and autograd.

    Its candidate is certified by a field that takes one accelerated projected gradient step of its own for every
    gradient taken here: how far the method has come is not for the method to say.
    """

    def __init__(self, problem: Problem, smoothing: float) -> None:
        self.problem = problem
        self.parameter = problem.f.clone().requires_grad_()
        self._variation = TotalVariation(tv=problem.tv, smoothing=smoothing, axes=problem.axes, coupled=problem.coupled)
        self._weights = problem.f.new_tensor(problem.ratios or (1.0,)) * problem.weight
        self._judge = Dual(problem)
        self._ascent = FISTA([self._judge.parameter], problem.step_size, self._judge.project, maximize=True)
        self._owed = 0

    def closure(self) -> Tensor:
        """Set the gradient of E by autograd and return E, each with the kinks rounded."""
        self._owed += 1
        self.parameter.grad = None
        with torch.enable_grad():
            fidelity = 0.5 * (self.parameter - self.problem.f).square().sum()
            u = self.parameter.unsqueeze(1) if self.problem.ratios else self.parameter
            loss: Tensor = fidelity + (self._weights * self._variation(u)).sum()
        torch.autograd.backward(loss)
        return loss.detach()

    def candidate(self) -> tuple[Tensor, Certificate]:
        """Return the picture and its certificate, once the field has caught up."""
        for _ in range(self._owed):
            self._ascent.step(self._judge.closure)
        self._owed = 0
        u = self.parameter.detach()
        return u, self._judge.judge(u)
