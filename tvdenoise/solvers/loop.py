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

from tvdenoise.machine.devices import synchronize
from tvdenoise.model import tensors
from tvdenoise.model.certificate import Certificate
from tvdenoise.model.problem import Problem
from tvdenoise.options.methods import Method
from tvdenoise.solvers.ascents import AlternatingAscent, FISTAAscent
from tvdenoise.solvers.coarse import coarse_start
from tvdenoise.solvers.formulations import Candidate, Dual, Formulation, Primal
from tvdenoise.solvers.primal_dual import PrimalDual

# Why the loop stopped: certified within the tolerance, as close as the arithmetic allows, out of steps, or no longer
# finite.
Status = Literal["tolerance", "precision", "max_steps", "non_finite"]

# Steps before the first certificate, which takes as long as several steps; at most this share of the step limit.
FIRST_CHECK = 20
FIRST_SHARE = 0.1

# The share of the step limit from which on the best picture of a method on the dual is kept, in one more copy: before
# that its certified distance falls from check to check, but where lambda is large.
KEPT_SHARE = 0.1

# How many times the least bound that rounding leaves is as close as the arithmetic allows.
NEAR = 1.5

# Certified distances fall about as the step number to the power of minus this.
CERTIFIED_RATE = 1.5

# How many times larger the step number is at the next certificate: so that certificates cost little beside the steps,
# and that a method that stalls is still watched.
LEAST_GROWTH = 1.1
MOST_GROWTH = 4.0

# The same where the tolerance is for the gap: it falls faster than a power, by and by, as the method starts again.
MOST_GROWTH_BY_GAP = 1.5


@dataclass(frozen=True)
class Progress:
    """What is known after a step at which the loop certified.

    Attributes
    ----------
    step, seconds
        As in :class:`tvdenoise.api.result.Result`: how far the optimizer has come.
    certificate
        What is proven of the picture at this step: its ``energy``, ``gap`` and ``rms_bound``.
    tol
        The bound on the certificate's ``error`` that is to be reached.
    """

    step: int
    seconds: float
    certificate: Certificate
    tol: float


Callback = Callable[[Progress], object]  # is called after each certificate


@dataclass(frozen=True)
class Solution:
    """The answer, its certificate, and why and when the loop stopped."""

    u: Tensor  # (C, H, W): the best candidate; of those of a method on the dual before the limit was near, the last
    certificate: Certificate
    status: Status
    steps: int  # taken at full size, by the optimizer's own count
    seconds: float  # spent in steps, a coarse start included; the clock stands still while certifying


def solve(
    problem: Problem,
    method: Method,
    *,
    tol: float,
    start: Tensor | None = None,
    callback: Callback | None = None,
) -> Solution:
    """Minimise E(u) by ``method`` until the result is certified to lie within ``tol`` RMS of the exact minimiser.

    For other noise models than gaussian, until its gap is certified to be at most ``tol`` of its energy.

    ``start`` is a field for methods on the dual to start from, and is overwritten. ``callback`` is called after each
    certificate.
    """
    began = time.perf_counter()
    formulation = _make_formulation(problem, method, start)
    synchronize(problem.f.device)
    seconds = time.perf_counter() - began
    steps = 0
    kept: Candidate | None = None
    while True:
        u, certificate = formulation.candidate()
        best = kept
        if best is None or certificate.is_better_than(best[1]):
            best = u, certificate
        if callback is not None:
            callback(Progress(steps, seconds, certificate, tol))
        status = _find_status(certificate, tol, steps, method.max_steps)
        if status is not None:
            return Solution(*best, status, steps, seconds)
        is_late = steps >= KEPT_SHARE * method.max_steps
        if best is not kept and (is_late or not formulation.returns_last):
            room = tensors.empty(u.shape, u) if kept is None else kept[0]
            tensors.array(room)[...] = tensors.array(u)  # the next step overwrites u
            kept = room, certificate
        next_check = _plan_next_check(steps, certificate, tol, method.max_steps)
        began = time.perf_counter()
        formulation.advance(next_check - steps)
        synchronize(problem.f.device)
        seconds += time.perf_counter() - began
        steps = next_check


def _make_formulation(problem: Problem, method: Method, start: Tensor | None) -> Formulation:
    if method.formulation == "dual":
        if start is None:
            start = coarse_start(problem)
        if method.optimizer == "AlternatingDescent":
            return Dual(problem, start, AlternatingAscent)
        return Dual(problem, start, partial(FISTAAscent, rate=method.lr))
    if method.formulation == "primal-dual":
        return PrimalDual(problem, method.lr)
    optimizer = partial(getattr(torch.optim, method.optimizer), lr=method.lr, **method.options)
    scheduler = partial(CosineAnnealingLR, T_max=method.max_steps) if method.annealed else None
    return Primal(problem, optimizer, scheduler, method.smoothing)


def _find_status(certificate: Certificate, tol: float, steps: int, max_steps: int) -> Status | None:
    if not certificate.is_finite:
        return "non_finite"
    if certificate.error <= tol:
        return "tolerance"
    least_bound = certificate.least_bound
    if tol < least_bound and certificate.error <= NEAR * least_bound:
        return "precision"
    if steps >= max_steps:
        return "max_steps"
    return None


def _plan_next_check(steps: int, certificate: Certificate, tol: float, max_steps: int) -> int:
    """Return the step at which the bound may have come down to the tolerance."""
    first = min(FIRST_CHECK, math.ceil(FIRST_SHARE * max_steps))
    excess = certificate.error / tol if tol else math.inf
    most = MOST_GROWTH_BY_GAP if certificate.is_by_gap else MOST_GROWTH
    needed_growth = math.pow(excess, 1 / CERTIFIED_RATE)
    growth = min(most, max(LEAST_GROWTH, needed_growth))
    next_check = math.ceil(steps * growth)
    return min(max(first, next_check), max_steps)
