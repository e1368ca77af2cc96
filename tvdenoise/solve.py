"""The loop: step any optimizer, certify now and then, keep the best, stop and say why."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR

from tvdenoise.ascents import Alternating, Projected
from tvdenoise.coarse import coarse_start
from tvdenoise.formulations import Dual, Formulation, Primal
from tvdenoise.methods import Method
from tvdenoise.rof import Certificate, Problem
from tvdenoise.streaming import Streamed

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
    """The best candidate seen, or the last of a steady method, its certificate, and why and when the loop stopped.

    Attributes
    ----------
    u
        The picture, (C, H, W).
    steps
        Steps taken at full size, by the optimizer's own count.
    seconds
        Time spent in steps, a coarse start included; the clock stands still while certifying.
    device
        Where the last of them were taken.
    """

    u: Tensor
    certificate: Certificate
    status: Status
    steps: int
    seconds: float
    device: torch.device


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
    limit = method.max_steps if max_steps is None else max_steps
    formulation = _formulation(problem, method, lr, limit, start)
    steps, seconds = 0, time.perf_counter() - began
    best, best_certificate = problem.f, Certificate(math.nan, math.nan, math.nan)
    while True:
        u, certificate = formulation.candidate()
        if steps == 0 or formulation.is_steady or certificate.is_better_than(best_certificate):
            best, best_certificate = u if formulation.is_steady else u.clone(), certificate
        if callback is not None:
            callback(Progress(steps, seconds, certificate, tol))
        status = _status(certificate, tol, steps, limit)
        if status is not None:
            return Solution(best, best_certificate, status, steps, seconds, formulation.device)
        target = min(_next_check(steps, certificate.rms_bound / tol), limit)
        began = time.perf_counter()
        formulation.advance(target - steps)
        _synchronize(formulation.device)
        seconds += time.perf_counter() - began
        steps = target


def _status(certificate: Certificate, tol: float, steps: int, max_steps: int) -> Status | None:
    if not certificate.is_finite:
        return "non_finite"
    if certificate.rms_bound <= tol:
        return "tolerance"
    return "max_steps" if steps >= max_steps else None


def _next_check(steps: int, excess: float) -> int:
    """Return the step at which a bound ``excess`` times the tolerance may have come down to it.

    Certified distances fall about as the step number to the power -1.5; between two certificates lie a tenth to three
    times as many steps as before, so that they cost little beside the steps whatever happens.
    """
    return max(FIRST_CHECK, math.ceil(steps * min(4.0, max(1.1, math.pow(excess, 2 / 3)))))


def _formulation(problem: Problem, method: Method, lr: float | None, limit: int, start: Tensor | None) -> Formulation:
    if method.formulation == "dual":
        dual = Dual if problem.away is None else Streamed
        way = Alternating if method.optimizer == "AlternatingDescent" else partial(Projected, rate=lr)
        return dual(problem, coarse_start(problem) if start is None else start, way)
    optimizer = partial(getattr(torch.optim, method.optimizer), lr=method.lr if lr is None else lr, **method.options)
    scheduler = partial(CosineAnnealingLR, T_max=limit) if method.annealed else None
    return Primal(problem, optimizer, scheduler, method.smoothing)


def _synchronize(device: torch.device) -> None:
    """Wait for queued work, so that the clock measures work and not its launch."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
