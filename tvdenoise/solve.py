"""The loop: step any optimizer, certify now and then, keep the best, stop and say why."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR

from tvdenoise import optimizers
from tvdenoise.coarse import coarse_start
from tvdenoise.formulations import Dual, Formulation, Primal
from tvdenoise.methods import Method
from tvdenoise.rof import Certificate, Problem

Status = Literal["tolerance", "max_steps", "non_finite"]
"""Why the loop stopped: certified within the tolerance, out of steps, or no longer finite."""

FIRST_CHECK = 20


@dataclass(frozen=True)
class Progress:
    """What is known after a step at which the loop certified, and the tolerance it is to reach."""

    step: int
    seconds: float
    certificate: Certificate
    tol: float


@dataclass(frozen=True)
class Solution:
    """The best candidate seen, its certificate, and why and when the loop stopped.

    Attributes
    ----------
    u
        The picture, (C, H, W).
    steps
        Steps taken at full size, by the optimizer's own count.
    seconds
        Time spent in steps, a coarse start included; the clock stands still while certifying.
    """

    u: Tensor
    certificate: Certificate
    status: Status
    steps: int
    seconds: float


def solve(
    problem: Problem,
    method: Method,
    *,
    tol: float,
    lr: float | None = None,
    max_steps: int | None = None,
    start: Tensor | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> Solution:
    """Minimise E(u) by ``method`` until the result is certified to lie within ``tol`` RMS of the exact minimiser.

    ``lr`` and ``max_steps`` replace the method's own; ``start`` is a field for methods on the dual to start from, and
    is overwritten. ``callback`` is called after each certificate.
    """
    began = time.perf_counter()
    run = _prepare(problem, method, lr, max_steps, start)
    steps, seconds = 0, time.perf_counter() - began
    best = torch.empty_like(problem.f)
    best_certificate = Certificate(math.nan, math.nan, math.nan)
    while True:
        u, certificate = run.formulation.candidate()
        if steps == 0 or certificate.is_better_than(best_certificate):
            best_certificate = certificate
            best.copy_(u)
        if callback is not None:
            callback(Progress(steps, seconds, certificate, tol))
        status = _status(certificate, tol, steps, run.max_steps)
        if status is not None:
            return Solution(best, best_certificate, status, steps, seconds)
        target = min(_next_check(steps, certificate.rms_bound / tol), run.max_steps)
        seconds += run.advance(target - steps)
        steps = target


def _status(certificate: Certificate, tol: float, steps: int, max_steps: int) -> Status | None:
    if not certificate.is_finite:
        return "non_finite"
    if certificate.rms_bound <= tol:
        return "tolerance"
    return "max_steps" if steps >= max_steps else None


def _next_check(steps: int, excess: float) -> int:
    """Return the step at which a bound ``excess`` times the tolerance may have come down to it.

    Certified distances fall about as the step number to the power -1.5; a tenth to once again as many steps lie between
    two certificates, so that they cost little beside the steps whatever happens.
    """
    return max(FIRST_CHECK, math.ceil(steps * min(2.0, max(1.1, math.pow(excess, 2 / 3)))))


@dataclass(frozen=True)
class _Run:
    """A formulation with the optimizer that moves it."""

    formulation: Formulation
    optimizer: Optimizer
    scheduler: CosineAnnealingLR | None
    max_steps: int

    def advance(self, steps: int) -> float:
        """Take some steps and return the seconds they took."""
        start = time.perf_counter()
        for _ in range(steps):
            self.optimizer.step(self.formulation.closure)  # type: ignore[arg-type]
            if self.scheduler is not None:
                self.scheduler.step()
        _synchronize(self.formulation.parameter.device)
        return time.perf_counter() - start


def _prepare(problem: Problem, method: Method, lr: float | None, max_steps: int | None, start: Tensor | None) -> _Run:
    limit = method.max_steps if max_steps is None else max_steps
    if method.formulation == "dual":
        dual = Dual(problem, coarse_start(problem) if start is None else start)
        kind = getattr(optimizers, method.optimizer)
        rate = problem.step_size if lr is None else lr
        return _Run(dual, kind([dual.parameter], rate, dual.project, maximize=True), None, limit)
    primal = Primal(problem, method.smoothing)
    primal_rate = method.lr if lr is None else lr
    optimizer = getattr(torch.optim, method.optimizer)([primal.parameter], lr=primal_rate, **method.options)
    return _Run(primal, optimizer, CosineAnnealingLR(optimizer, limit) if method.annealed else None, limit)


def _synchronize(device: torch.device) -> None:
    """Wait for queued work, so that the clock measures work and not its launch."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
