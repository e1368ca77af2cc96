"""A picture and what is to be done with it: the problem it poses, where that is solved, and what is proven."""

import dataclasses
import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from typing import Generic, NamedTuple

import torch
from torch import Tensor

from tvdenoise.api.result import Result
from tvdenoise.arrays import colour
from tvdenoise.arrays.intensity import NOISY_UNIT
from tvdenoise.arrays.planes import Image, Planes, as_planes
from tvdenoise.auto.noise_level import ChannelNoise
from tvdenoise.auto.probe import noise_and_probe
from tvdenoise.auto.selection import Selection, perturbation, select_luma_and_chroma, select_weight
from tvdenoise.errors import ArrayError, SettingError
from tvdenoise.kernels import dispatch
from tvdenoise.machine.devices import is_out_of_memory, pick_device
from tvdenoise.model import operators
from tvdenoise.model.rof import Problem
from tvdenoise.options.settings import Settings
from tvdenoise.solvers.loop import Progress, Solution, solve, solve_together
from tvdenoise.solvers.stacking import stacking_key

TYPICAL_WEIGHT = 0.1
"""Decides the precision in which lambda is chosen."""

MAX_SPREAD = 1e150
"""The largest standard deviation of a picture whose square, the variance, is still a number."""

MAX_STACKED_VALUES = 2**22
"""Values of pictures that are solved together: more than any accelerator works on at once."""

MAX_PINNED_VALUES = MAX_STACKED_VALUES
"""Values up to which a picture goes to a card from pinned memory, while the next is prepared."""


class _Posed(NamedTuple):
    """The problem that a picture poses, and how lambda was chosen if it was."""

    problem: Problem
    noise: tuple[ChannelNoise, ...] = ()
    choice: Selection | None = None


class Task(Generic[Image]):
    """A picture, and what is to be done with it."""

    def __init__(self, image: Image, settings: Settings, channel_axis: int | None) -> None:
        self._planes: Planes[Image] = as_planes(image, channel_axis, settings.axes)
        self.f: Tensor = self._planes.f
        self._model = colour.chosen(settings.color, len(self.f))
        self.settings = settings.with_color(self._model)
        if (settings.sigma or 0) > 1 and (self._planes.dtype is None or _is_on_unit_scale(self.f)):
            problem = f"{settings.sigma:g} is more than the whole range, whose width is 1"
            raise SettingError("sigma", problem, "divide it by the number for white, as in 25/255")
        weight = TYPICAL_WEIGHT if settings.weight == "auto" else settings.weight
        self._dtype = _dtype(self.f, self.settings, weight)
        self._home = image.device if isinstance(image, Tensor) else torch.device("cpu")
        self.device = pick_device(settings.device, self._home, self._dtype, self.f.numel())

    @property
    def may_stack(self) -> bool:
        """Whether it may be solved together with others: where one small picture would leave most idle."""
        return self.device.type != "cpu" and self.settings.is_stackable

    def done(self, callback: Callable[[Progress], object] | None = None) -> Result[Image]:
        """Solve the problem, on the CPU or with its help where a device has no room for it.

        Where an accelerator was picked by itself and fails before the first certificate, the CPU takes its place.
        """
        heard: list[Progress] = []

        def hear(progress: Progress) -> None:
            heard.append(progress)
            if callback is not None:
                callback(progress)

        try:
            return self._done_at(self.device, None, hear)
        except RuntimeError as error:
            if self.device.type == "cpu":
                raise
            if not is_out_of_memory(error):
                if heard or self.settings.device != "auto" or self._home.type != "cpu":
                    raise
                dispatch.remark(f"the CPU did what {self.device} could not: {' '.join(str(error).split())[:200]}")
                self.settings = dataclasses.replace(self.settings, device="cpu")
                return self._done_at(self._home, None, callback)
        with suppress(RuntimeError):  # where there is not memory for so much as a beginning
            torch.accelerator.empty_cache()
        return self._done_at(torch.device("cpu"), self.device, callback)

    def _done_at(
        self, home: torch.device, away: torch.device | None, callback: Callable[[Progress], object] | None
    ) -> Result[Image]:
        posed = self.posed(home, away)
        return self.result(posed, self.solution(posed, callback))

    def posed(self, home: torch.device, away: torch.device | None = None) -> _Posed:
        """Pose the problem of a picture that lies at ``home``, whose steps may be taken ``away``."""
        f = _placed(self.f, home, self._dtype)
        problem = _problem(f, self.settings, away)
        if self.settings.weight != "auto":
            return _Posed(problem)
        if not problem.spread < MAX_SPREAD:
            problem_, remedy = "the squares of its values are too large for a computer's numbers", "scale it to 0..1"
            raise ArrayError("image", problem_, remedy)
        noise, probe = noise_and_probe(f, problem, self.settings.sigma)
        is_apart = bool(problem.ratios) and self.settings.chroma is None
        select = select_luma_and_chroma if is_apart else select_weight
        choice = select(problem, probe, self.settings.strength, epsilon=perturbation(noise))
        dtype = _dtype(problem.f, self.settings, choice.weight)
        home = home if away else pick_device(self.settings.device, home, dtype, f.numel())
        if dtype != f.dtype:  # what float32 rounded on the way to opponent colours would be in no certificate
            problem = _problem(_placed(self.f, home, dtype), self.settings, away)
        problem = dataclasses.replace(
            problem, f=_placed(problem.f, home, dtype), weight=choice.weight, ratios=choice.ratios
        )
        return _Posed(problem, noise, choice)

    def solution(self, posed: _Posed, callback: Callable[[Progress], object] | None = None) -> Solution:
        """Solve the problem by itself."""
        problem, _, choice = posed
        return solve(
            problem,
            self.settings.method,
            tol=self.settings.tolerance(problem.weight),
            start=None if choice is None or choice.field is None else choice.field.to(problem.f),
            callback=callback,
        )

    def result(self, posed: _Posed, solution: Solution) -> Result[Image]:
        """Return what is proven, and the picture as it came."""
        (problem, noise, choice), proof = posed, solution.certificate
        is_estimated = choice is not None and self.settings.sigma is None
        u = colour.from_opponent(solution.u) if problem.ratios else solution.u
        return Result(
            image=self._planes.restored(u),
            status=solution.status,
            steps=solution.steps,
            energy=proof.energy,
            gap=proof.gap,
            rms_bound=proof.rms_bound + self._rounding(problem, solution.u, u),
            tol=self.settings.tolerance(problem.weight),
            seconds=solution.seconds,
            device=str(solution.device),
            weight=problem.weight,
            color=self._model,
            chroma=problem.ratios[1] if problem.ratios else None,
            sigma=math.sqrt(sum(channel.sigma**2 for channel in noise) / len(noise)) if noise else None,
            risk=choice.risk if choice else None,
            is_noise_correlated=any(channel.is_correlated for channel in noise) if is_estimated else None,
            is_noise_signal_dependent=any(channel.slope != 0 for channel in noise) if is_estimated else None,
        )

    def _rounding(self, problem: Problem, solved: Tensor, u: Tensor) -> float:
        """Return how far the picture moves, RMS, on its way to opponent colours and back, and to a narrower type."""
        moved = 0.0
        if problem.ratios:
            moved += colour.rounding_bound(problem.f) + colour.rounding_bound(solved)
        dtype = self._planes.dtype
        if dtype is not None and dtype.itemsize < u.dtype.itemsize:
            moved += operators.cast_error(u, dtype)
        return moved


def done_together(tasks: Iterable[Task[Image]]) -> list[Result[Image]]:
    """Do what is ordered, as much at a time as is to be solved together."""
    results, chunk = list[Result[Image]](), list[Task[Image]]()
    for task in tasks:
        chunk.append(task)
        if not task.may_stack or sum(one.f.numel() for one in chunk) >= MAX_STACKED_VALUES:
            results += _chunk_done(chunk)
            chunk = []
    return results + _chunk_done(chunk)


def _chunk_done(tasks: Sequence[Task[Image]]) -> list[Result[Image]]:
    """Do what is ordered: what fits together, or where that takes too much memory each for itself."""
    if len(tasks) > 1:
        try:
            return _results(tasks)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
    return [task.done() for task in tasks]


def _results(tasks: Sequence[Task[Image]]) -> list[Result[Image]]:
    posed = [task.posed(task.device) for task in tasks]  # and on their way while we go on
    groups = defaultdict[tuple[Settings, Hashable], list[int]](list)
    for number, (task, (problem, *_)) in enumerate(zip(tasks, posed, strict=True)):
        groups[task.settings, stacking_key(problem)].append(number)
    solutions = dict[int, Solution]()
    for (settings, _), (first, *others) in groups.items():
        if not others:
            solutions[first] = tasks[first].solution(posed[first])
            continue
        problems = [posed[number].problem for number in (first, *others)]
        tol = settings.tolerance(problems[0].weight)
        found = solve_together(problems, settings.method, tol=tol)
        solutions |= zip((first, *others), found, strict=True)
    return [task.result(posed[number], solutions[number]) for number, task in enumerate(tasks)]


def _dtype(f: Tensor, settings: Settings, weight: float) -> torch.dtype:
    """Return the precision that a picture is to be solved in.

    Picture and field are held to the last bit of their type: below a tolerance of about 1e-3 lambda^(2/3), and of
    6e-4 (lambda |f|)^(1/2), the rounding of float32 would keep the certificate from closing.
    """
    tol = settings.tolerance(weight)
    values = operators.array(f.to(torch.promote_types(f.dtype, torch.float32)))  # NumPy knows no bfloat16
    rounded = 6e-4 * math.sqrt(weight * max(abs(float(values.min())), abs(float(values.max()))))
    wide = f.dtype == torch.float64 or tol < max(1e-3 * weight ** (2 / 3), rounded)
    return torch.float64 if wide else torch.float32


def _is_on_unit_scale(f: Tensor) -> bool:
    """Return whether floats show more than one value, all of the unit scale."""
    (least, largest), (low, high) = NOISY_UNIT, f.aminmax()
    return bool(least <= low < high <= largest)


def _placed(f: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return a picture on a device in some precision, or on its way there."""
    if f.device.type == "cpu" and device.type == "cuda" and f.numel() <= MAX_PINNED_VALUES:
        with torch.accelerator.device_index(device.index):  # or another's driver is begun with
            return f.to(dtype).contiguous().pin_memory().to(device, non_blocking=True)
    f = f.to(device, dtype)
    return f if f.is_contiguous() else operators.contiguous_copy(f)


def _problem(f: Tensor, settings: Settings, away: torch.device | None) -> Problem:
    """Return the problem in the colour model's own coordinates; lambda 0 stands for one yet to be chosen."""
    is_opponent = settings.color == "opponent"
    return Problem(
        colour.to_opponent(f) if is_opponent else f,
        0.0 if settings.weight == "auto" else settings.weight,
        settings.tv,
        settings.axes,
        settings.spacing or 1.0,
        coupled=settings.color == "coupled",
        ratios=colour.ratios(settings.chroma) if is_opponent else (),
        away=away,
    )
