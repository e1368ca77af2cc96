"""The loop: step any optimizer, certify now and then, keep the best, stop and say why."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR

from tvdenoise.machine.devices import synchronize
from tvdenoise.model.rof import Certificate, Problem
from tvdenoise.options.methods import Method
from tvdenoise.solvers.ascents import AlternatingAscent, FISTAAscent, MakeAscent
from tvdenoise.solvers.coarse import coarse_start
from tvdenoise.solvers.formulations import Dual, Formulation, Primal
from tvdenoise.solvers.stacking import Stack
from tvdenoise.solvers.streaming import Streamed

Status = Literal["tolerance", "max_steps", "non_finite"]
"""Why the loop stopped: certified within the tolerance, out of steps, or no longer finite."""

FIRST_CHECK = 20
"""Steps before the first certificate, which takes as long as several; but no more than a tenth of the limit."""


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
        The bound that is to be reached.
    """

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
    start: Tensor | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> Solution:
    """Minimise E(u) by ``method`` until the result is certified to lie within ``tol`` RMS of the exact minimiser.

    ``start`` is a field for methods on the dual to start from, and is overwritten. ``callback`` is called after each
    certificate.
    """
    began = time.perf_counter()
    formulation = _formulation(problem, method, start)
    synchronize(formulation.device)
    run = _Run(tol, method.max_steps, callback, returns_last=formulation.returns_last)
    steps, seconds = 0, time.perf_counter() - began
    while (solution := run.check(formulation.candidate(), steps, seconds, formulation.device)) is None:
        began = time.perf_counter()
        formulation.advance(run.next_check - steps)
        synchronize(formulation.device)
        seconds, steps = seconds + time.perf_counter() - began, run.next_check
    return solution


def solve_together(problems: Sequence[Problem], method: Method, *, tol: float) -> list[Solution]:
    """Do what :func:`solve` does for problems of one :func:`stacking_key`, by a method on the dual.

    Each is certified, and done, for itself; its seconds are its share of every round that it took part in.
    """
    began = time.perf_counter()
    stack = Stack(problems, _ascent_maker(method))
    unsolved = {number: _Run(tol, method.max_steps) for number in range(len(problems))}
    solutions: dict[int, Solution] = {}
    synchronize(stack.device)
    steps, seconds = 0, (time.perf_counter() - began) / len(problems)
    while True:
        due = [(number, run) for number, run in unsolved.items() if run.next_check == steps]
        for number, run in due:
            solution = run.check(stack.candidate(number), steps, seconds, stack.device)
            if solution is not None:
                solutions[number] = solution
                del unsolved[number]
        if not unsolved:
            return [solutions[number] for number in range(len(problems))]
        began = time.perf_counter()
        stack.keep(unsolved)
        target = min(run.next_check for run in unsolved.values())
        stack.advance(target - steps)
        synchronize(stack.device)
        seconds, steps = seconds + (time.perf_counter() - began) / len(unsolved), target


class _Run:
    """One picture on its way to its tolerance, or to the limit of its steps; ``next_check`` is a number of steps."""

    def __init__(
        self,
        tol: float,
        limit: int,
        callback: Callable[[Progress], object] | None = None,
        *,
        returns_last: bool = True,
    ) -> None:
        self.next_check = 0
        self._tol, self._limit, self._callback, self._returns_last = tol, limit, callback, returns_last
        self._best: tuple[Tensor, Certificate] | None = None

    def check(
        self, candidate: tuple[Tensor, Certificate], steps: int, seconds: float, device: torch.device
    ) -> Solution | None:
        """Judge a candidate after some steps; return the solution, or set the next check."""
        u, certificate = candidate
        if self._best is None or self._returns_last or certificate.is_better_than(self._best[1]):
            self._best = u if self._returns_last else u.clone(), certificate
        if self._callback is not None:
            self._callback(Progress(steps, seconds, certificate, self._tol))
        status = _status(certificate, self._tol, steps, self._limit)
        if status is not None:
            return Solution(*self._best, status, steps, seconds, device)
        excess = certificate.rms_bound / self._tol if self._tol else math.inf
        least = min(FIRST_CHECK, math.ceil(self._limit / 10))
        self.next_check = min(max(least, _next_check(steps, excess)), self._limit)
        return None


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
    return math.ceil(steps * min(4.0, max(1.1, math.pow(excess, 2 / 3))))


def _formulation(problem: Problem, method: Method, start: Tensor | None) -> Formulation:
    if method.formulation == "dual":
        dual = Dual if problem.away is None else Streamed
        return dual(problem, coarse_start(problem) if start is None else start, _ascent_maker(method))
    optimizer = partial(getattr(torch.optim, method.optimizer), lr=method.lr, **method.options)
    scheduler = partial(CosineAnnealingLR, T_max=method.max_steps) if method.annealed else None
    return Primal(problem, optimizer, scheduler, method.smoothing)


def _ascent_maker(method: Method) -> MakeAscent:
    return AlternatingAscent if method.optimizer == "AlternatingDescent" else partial(FISTAAscent, rate=method.lr)
