"""What an optimizer moves: the dual field, or the picture itself. Either yields candidates with their certificates.

:mod:`tvdenoise.solvers.primal_dual` has the third, which moves both.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from tvdenoise.model import tensors
from tvdenoise.model.certificate import Certificate, certify
from tvdenoise.model.problem import Problem
from tvdenoise.solvers.ascents import MakeAscent, choose_ascent
from tvdenoise.solvers.primal_dual import PrimalDual
from tvdenoise.total_variation import TotalVariation

Candidate = tuple[Tensor, Certificate]  # a picture, and what is proven of it


class Formulation(Protocol):
    """A way to put the problem to an optimizer."""

    returns_last: bool  # whether the last candidate stands for the best, but where the step limit is near

    def advance(self, steps: int) -> None:
        """Take some steps."""

    def candidate(self) -> tuple[Tensor, Certificate]:
        """Return the present answer and its certificate; the next step overwrites it."""


class Dual:
    """Maximise d(p) over the dual variable, the field."""

    returns_last = True

    def __init__(self, problem: Problem, start: Tensor | None = None, make_ascent: MakeAscent = choose_ascent) -> None:
        self.problem = problem
        self.ascent = make_ascent(problem, start)
        self.average = tensors.contiguous_copy(problem.f)
        self.ascent.average = self.average

    def advance(self, steps: int) -> None:
        """Take some steps."""
        self.ascent.advance(steps)

    def candidate(self) -> tuple[Tensor, Certificate]:
        r"""Return the centre of the ball in which :func:`certify` finds the minimiser, and its certificate.

        It is half way between :math:`q = f - D^\top p` and :math:`v`, the average of the pictures on the way, weighted
        by the square of the step number (such an average has a smaller gap than the last picture: Tseng 2008). Where
        lambda is so large that the flat picture has less energy than that, it takes the part of :math:`v`. The centre
        lies in a buffer that is idle between steps.
        """
        certificate = self._write_centre(self.average)
        if self.problem.flat_energy < certificate.energy:
            certificate = self._write_centre(self.problem.make_flat())
        return self.ascent.scratch, certificate

    def _write_centre(self, v: Tensor) -> Certificate:
        """Write (q + v) / 2 into the buffer and return its certificate."""
        problem = self.problem
        p = self.ascent.parameter
        out = self.ascent.scratch
        kernels = problem.kernels(p, v)
        if kernels is not None and kernels.CERTIFIES:
            kernels.centre(problem.f, p, v, out, problem.slice_spacing)
        else:
            q = problem.difference.subtract_adjoint(problem.f, p, out)
            q.mul_(0.5).add_(v, alpha=0.5)
        return certify(problem, out, p, v)

    def judge(self, u: Tensor) -> Certificate:
        """Certify any picture by what the field has reached."""
        return certify(self.problem, u, self.ascent.parameter, self.average)


class Primal:
    """Minimise E(u) over the picture itself, with :class:`TotalVariation` and autograd.

    Its candidate is certified by a field that takes one step of its own ascent for every gradient taken here: how far
    the method has come is not for the method to say.
    """

    returns_last = False

    def __init__(
        self,
        problem: Problem,
        optimizer: Callable[[list[Tensor]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler] | None = None,
        smoothing: float = 0.0,
    ) -> None:
        self.problem = problem
        self.parameter = problem.f.clone().requires_grad_()
        self._optimizer = optimizer([self.parameter])
        self._scheduler = None if scheduler is None else scheduler(self._optimizer)
        self._variation = TotalVariation(
            tv=problem.tv, smoothing=smoothing, axes=problem.axes, coupled=problem.coupled, spacing=problem.spacing
        )
        ratios = problem.f.new_tensor(problem.ratios or (1.0,))
        self._weights = problem.weight * ratios
        self._judge: Dual | PrimalDual = Dual(problem) if problem.is_gaussian else PrimalDual(problem)
        self._owed = 0

    def advance(self, steps: int) -> None:
        """Take some steps."""
        for _ in range(steps):
            self._optimizer.step(self._closure)  # type: ignore[arg-type]
            if not self.problem.is_gaussian:  # the certificate needs the box, and the slope of counts a part of it
                u = self.parameter.detach()
                u.copy_(self.problem.data_term.move_to_slope(u))
            if self._scheduler is not None:
                self._scheduler.step()

    def _closure(self) -> Tensor:
        """Set the gradient of E by autograd and return E, each with the kinks rounded."""
        self._owed += 1
        self.parameter.grad = None
        with torch.enable_grad():
            u = self.parameter
            if self.problem.is_gaussian:
                residual = u - self.problem.f
                fidelity = 0.5 * residual.square().sum()
            else:
                u = self.problem.data_term.move_to_slope(u)
                fidelity = self.problem.data_term.value(u).sum()
            u = u.unsqueeze(1) if self.problem.ratios else u
            penalties = self._weights * self._variation(u)
            loss: Tensor = fidelity + penalties.sum()
        torch.autograd.backward(loss)
        return loss.detach()

    def candidate(self) -> tuple[Tensor, Certificate]:
        """Return the picture and its certificate, once the field has caught up."""
        self._judge.advance(self._owed)
        self._owed = 0
        u = self.parameter.detach()
        return u, self._judge.judge(u)
