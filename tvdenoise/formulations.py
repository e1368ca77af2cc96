"""What an optimizer moves: the dual field, or the picture itself. Either yields candidates with their certificates."""

import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from tvdenoise import calculus, engine
from tvdenoise.optimizers import FISTA
from tvdenoise.rof import Certificate, Problem, certify
from tvdenoise.total_variation import TotalVariation


class Formulation(Protocol):
    """A way to put the problem to an optimizer."""

    parameter: Tensor
    """The tensor the optimizer moves."""

    device: torch.device
    """Where steps are taken."""

    is_steady: bool
    """Whether the last candidate may stand for the best, which need not be kept then."""

    def advance(self, steps: int) -> None:
        """Take some steps."""

    def candidate(self) -> tuple[Tensor, Certificate]:
        """Return the answer at the parameter's present value and its certificate; the next step overwrites it."""


class Ascent:
    """Maximise :math:`d(p)` over the feasible fields, by :class:`FISTA` or by what computes the same numbers faster."""

    def __init__(self, problem: Problem, start: Tensor | None = None, rate: float | None = None) -> None:
        self.problem = problem
        self.device = problem.f.device
        if start is None:
            self.parameter = calculus.new_field(problem.f, problem.axes)
        else:
            self.parameter = calculus.clear_border(start)
        self._picture = calculus.empty(problem.f.shape, problem.f)
        project = partial(problem.project, scratch=self._picture)  # no method, or all lives on in a circle
        self._optimizer = FISTA([self.parameter], rate or problem.step_size, project, maximize=True)
        self._optimizer.state[self.parameter] |= {"step": 0, "previous": calculus.copied(self.parameter)}
        self._gradient: Tensor | None = None
        self._average: Tensor | None = None

    @property
    def fields(self) -> tuple[Tensor, Tensor]:
        """The newest field and the one before it."""
        return self.parameter.data, self._optimizer.state[self.parameter]["previous"]

    def resume(self, previous: Tensor, step: int, average: Tensor) -> None:
        """Go on after ``step`` steps that others took, with the field before the newest and the average so far."""
        self._optimizer.state[self.parameter] |= {"previous": previous, "step": step}
        self._average = average

    def advance(self, steps: int) -> None:
        """Take some steps."""
        state = self._optimizer.state[self.parameter]
        p, previous = self.parameter.data, state["previous"]
        kernels = self.problem.kernels(p, previous)
        if kernels is not None:
            groups, rate = list(self.problem.groups()), self._optimizer.param_groups[0]["lr"]
            self.parameter.data, state["previous"] = kernels.ascend(
                self.problem.f, p, previous, self._average, groups, self.problem.tv, rate, state["step"] + 1, steps
            )
            state["step"] += steps
            return
        began = time.perf_counter()
        for _ in range(steps):
            self._optimizer.step(self._closure)
        engine.spend(time.perf_counter() - began)

    def _closure(self) -> None:
        """Set the gradient of d, that of the picture :math:`f - D^T p`, and take the picture into the average."""
        if self._gradient is None:
            self._gradient = torch.zeros_like(self.parameter)
        u = calculus.subtract_adjoint(self.problem.f, self.parameter, self._picture)
        self.parameter.grad = calculus.gradient(u, self._gradient)
        if self._average is not None:
            step = self._optimizer.state[self.parameter]["step"]
            self._average.add_(u.sub_(self._average).mul_(3 / (step + 2)))


def ascend(problem: Problem, start: Tensor, steps: int) -> Tensor:
    """Return the field that some steps reach from ``start``, which is overwritten."""
    ascent = Ascent(problem, start)
    ascent.advance(steps)
    return ascent.parameter


class Dual(Ascent):
    r"""The ascent with a candidate.

    It is the centre of the ball in which :func:`tvdenoise.rof.certify` finds the exact minimiser: half way
    between :math:`q = f - D^\top p` and :math:`v`, the average of the pictures at which gradients were taken, weighted
    by the square of the step number (such an average has a smaller gap than the last picture: Tseng 2008). Where lambda
    is so large that the flat picture has less energy than that, it takes the part of :math:`v`.
    """

    is_steady = True
    _average: Tensor

    def __init__(self, problem: Problem, start: Tensor | None = None, rate: float | None = None) -> None:
        super().__init__(problem, start, rate)
        self._average = calculus.copied(problem.f)

    def candidate(self) -> tuple[Tensor, Certificate]:
        """Return the centre of the smaller ball and its certificate."""
        centre, certificate = self._centre(self._average)
        if self.problem.flat_energy < certificate.energy:
            return self._centre(self.problem.flat)
        return centre, certificate

    def _centre(self, v: Tensor) -> tuple[Tensor, Certificate]:
        """Return (q + v) / 2, in a buffer that lies idle between steps, and its certificate."""
        centre = self._picture
        kernels = self.problem.kernels(self.parameter, v)
        if kernels is not None:
            kernels.centre(self.problem.f, self.parameter, v, centre)
        else:
            calculus.subtract_adjoint(self.problem.f, self.parameter, centre).mul_(0.5).add_(v, alpha=0.5)
        return centre, certify(self.problem, centre, self.parameter, v)

    def judge(self, u: Tensor) -> Certificate:
        """Certify any picture by what the field has reached."""
        return certify(self.problem, u, self.parameter, self._average)


class Primal:
    """Minimise E(u) over the picture itself, with :class:`TotalVariation` and autograd.

    Its candidate is certified by a field that takes one accelerated projected gradient step of its own for every
    gradient taken here: how far the method has come is not for the method to say.
    """

    is_steady = False

    def __init__(
        self,
        problem: Problem,
        optimizer: Callable[[list[Tensor]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler] | None = None,
        smoothing: float = 0.0,
    ) -> None:
        self.problem = problem
        self.device = problem.f.device
        self.parameter = problem.f.clone().requires_grad_()
        self._optimizer = optimizer([self.parameter])
        self._scheduler = scheduler and scheduler(self._optimizer)
        self._variation = TotalVariation(tv=problem.tv, smoothing=smoothing, axes=problem.axes, coupled=problem.coupled)
        self._weights = problem.f.new_tensor(problem.ratios or (1.0,)) * problem.weight
        self._judge = Dual(problem)
        self._owed = 0

    def advance(self, steps: int) -> None:
        """Take some steps."""
        for _ in range(steps):
            self._optimizer.step(self._closure)  # type: ignore[arg-type]
            if self._scheduler is not None:
                self._scheduler.step()

    def _closure(self) -> Tensor:
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
        self._judge.advance(self._owed)
        self._owed = 0
        u = self.parameter.detach()
        return u, self._judge.judge(u)
