"""One picture to denoise: its problem, its lambda, the device and precision it is solved in, and what is proven."""

import math
from dataclasses import replace
from typing import Generic, NamedTuple

import torch
from torch import Tensor

from tvdenoise.api.result import Result
from tvdenoise.arrays import colour
from tvdenoise.arrays.intensity import NOISY_UNIT, UNIT, Range
from tvdenoise.arrays.planes import Image, Planes, as_planes
from tvdenoise.auto.noise_level import Noise
from tvdenoise.auto.probe import draw_probe
from tvdenoise.auto.selection import Selection, choose_epsilon, select_luma_and_chroma, select_weight
from tvdenoise.errors import ArrayError, SettingError
from tvdenoise.machine.devices import is_out_of_memory, pick_device
from tvdenoise.machine.remarks import remark
from tvdenoise.model import tensors
from tvdenoise.model.problem import Problem
from tvdenoise.options.settings import Settings
from tvdenoise.solvers.loop import Callback, Progress, Solution, solve

TYPICAL_WEIGHT = 0.1  # stands for a lambda that is yet to be chosen, where it decides the precision
MAX_SPREAD = 1e150  # the largest standard deviation of a picture whose square, the variance, is still a number


LEAST_GAP = 2e-5  # as a share of the energy, that float32 reaches where data terms are no squares

ROOM = 1.1  # what is left for rounding, as a multiple of what it is expected to move


class _Posed(NamedTuple):
    """A problem with its lambda, and how that was chosen, if it was."""

    problem: Problem
    noise: Noise = ()
    selection: Selection | None = None


class Task(Generic[Image]):
    """A picture, or a volume, and the settings for it, whose colour model is decided.

    Raises ArrayError if the image is not one picture, or volume, SettingError if sigma is beyond its range.
    """

    def __init__(self, image: Image, settings: Settings, channel_axis: int | None, scale: Range | None = None) -> None:
        self._planes: Planes[Image] = as_planes(image, channel_axis, settings.axes, scale)
        self._home = image.device if isinstance(image, Tensor) else torch.device("cpu")
        self._color = colour.choose_model(settings.color, len(self._planes.f), settings.rgb_model)
        self.settings = settings.with_color(self._color)
        self._check_sigma()
        self._check_counts()

    def _check_sigma(self) -> None:
        sigma = self.settings.sigma
        if sigma is None or sigma <= 1:
            return
        if self._planes.dtype is None or _is_on_unit_scale(self._planes.f):
            problem = f"{sigma:g} is more than the whole range, whose width is 1"
            remedy = "divide it by the number for white, as in 25/255"
            if self._planes.dtype is not None and self._planes.scale != UNIT:
                remedy += " with range=(0, 255)"
            raise SettingError("sigma", problem, remedy)

    def _check_counts(self) -> None:
        if self.settings.noise_model != "poisson":
            return
        low, high = self._planes.scale
        if low != 0:
            problem = f"the range of the image is {low:g} to {high:g}, and counts begin at 0"
            raise SettingError("noise_model", problem, f"give range=(0, {high:g})")
        least = float(self._planes.f.min()) * high
        if least < 0:
            problem = f"the image has negative numbers, the least {least:g}, and counts are 0 or more"
            raise SettingError("noise_model", problem, "take off no background before, or use gaussian")

    def solve(self, callback: Callback | None = None) -> Result[Image]:
        """Denoise the picture.

        The CPU does it where the accelerator has too little memory, and where one that nobody asked for fails before
        its first certificate.
        """
        has_begun = False

        def report(progress: Progress) -> None:
            nonlocal has_begun
            has_begun = True
            if callback is not None:
                callback(progress)

        device, dtype = self._place(self.settings, self._home)
        try:
            return self._solve_on(device, dtype, self.settings, report)
        except RuntimeError as error:
            was_asked_for = self.settings.device != "auto" or self._home.type != "cpu"
            is_fatal = has_begun or was_asked_for
            has_room = not is_out_of_memory(error)
            if device.type == "cpu" or (is_fatal and has_room):
                raise
            reason = " ".join(str(error).split())
            remark(f"the CPU did what {device} could not: {reason[:200]}")
        settings = replace(self.settings, device="cpu")
        device, dtype = self._place(settings, torch.device("cpu"))
        return self._solve_on(device, dtype, settings, callback)

    def _place(
        self, settings: Settings, home: torch.device, weight: float | None = None
    ) -> tuple[torch.device, torch.dtype]:
        """Return the device and the precision for a lambda; None for one that is yet to be chosen."""
        f = self._planes.f
        if weight is None:
            weight = TYPICAL_WEIGHT if settings.weight == "auto" else settings.weight
        tol = settings.tolerance(weight)
        dtype = _precision(f, tol, weight) if settings.is_gaussian else _precision_of_gap(f, tol)
        return pick_device(str(settings.device), home, dtype, f.numel()), dtype

    def _solve_on(
        self,
        device: torch.device,
        dtype: torch.dtype,
        settings: Settings,
        callback: Callback | None,
    ) -> Result[Image]:
        posed = self._pose(device, dtype, settings)
        problem = posed.problem
        start = None
        if posed.selection is not None and posed.selection.field is not None:
            start = posed.selection.field.to(problem.f)
        tol = settings.tolerance(problem.weight)
        goal = tol
        if problem.is_gaussian:
            rounding = self._expect_rounding(problem)
            goal = max(tol - rounding, 0.5 * tol)
        centred = _centre(problem)
        solution = solve(centred, settings.method, tol=goal, start=start, callback=callback)
        if centred is not problem:
            u = tensors.array(solution.u)
            u += tensors.array(problem.means)
        return self._result(posed, solution, tol)

    def _pose(self, device: torch.device, dtype: torch.dtype, settings: Settings) -> _Posed:
        """Return the problem, for which lambda is chosen if that is asked for."""
        f = _move(self._planes.f, device, dtype)
        problem = _problem(f, settings)
        if settings.weight != "auto":
            return _Posed(problem)
        if not problem.spread < MAX_SPREAD:
            reason = "the squares of its values are too large for a computer's numbers"
            raise ArrayError("image", reason, "scale it to 0..1")
        noise, probe = draw_probe(f, problem, settings.sigma)
        epsilon = choose_epsilon(noise)
        if problem.ratios and settings.chroma is None:
            selection = select_luma_and_chroma(problem, probe, settings.strength, epsilon=epsilon)
        else:
            selection = select_weight(problem, probe, settings.strength, epsilon=epsilon)
        device, exact = self._place(settings, device, selection.weight)
        if exact != dtype:  # opponent colours are made anew: no certificate would know how float32 rounded them
            problem = _problem(_move(self._planes.f, device, exact), settings)
        problem = replace(problem, weight=selection.weight, ratios=selection.ratios)
        return _Posed(problem, noise, selection)

    def _result(self, posed: _Posed, solution: Solution, tol: float) -> Result[Image]:
        """Return what is proven, and the picture in the type and layout of the input."""
        problem, noise, selection = posed
        certificate = solution.certificate
        u = solution.u
        chroma = None
        if problem.ratios:
            chroma = problem.ratios[1]
            u = colour.from_opponent(u)
        if problem.weight == 0:  # as it is, so that no bit changes on the way to other colours and back
            u = self._planes.f.to(u, copy=True)
        image, rounding = self._planes.restore(u)
        result = Result(
            image=image,
            stop=solution.status,
            steps=solution.steps,
            energy=certificate.energy,
            gap=certificate.gap,
            rms_bound=certificate.rms_bound,
            range=self._planes.scale,
            tol=tol,
            seconds=solution.seconds,
            device=str(problem.f.device),
            weight=problem.weight,
            color=self._color,
            chroma=chroma,
        ).with_rounding(self._rounding(problem, solution.u) + rounding)
        if selection is None:
            return result
        variance = sum(channel.sigma**2 for channel in noise) / len(noise)
        result = replace(result, sigma=math.sqrt(variance), risk=selection.risk)
        if self.settings.sigma is not None:
            return result
        return replace(
            result,
            is_noise_correlated=any(channel.is_correlated for channel in noise),
            is_noise_signal_dependent=any(channel.slope != 0 for channel in noise),
        )

    def _rounding(self, problem: Problem, solved: Tensor) -> float:
        """Return how far, RMS, rounding moves the picture: in opponent colours and back, and without its means."""
        distance = 0.0
        if problem.ratios and problem.weight:
            distance += colour.rounding_bound(problem.f) + colour.rounding_bound(solved)
        if _is_centred(problem):
            largest = float(problem.means.abs().max()) + problem.spread
            distance += torch.finfo(torch.float64).eps * largest
        return distance

    def _expect_rounding(self, problem: Problem) -> float:
        """Return about how far rounding will move the answer, and not less: as if that were as large as f."""
        distance = 0.0
        if problem.ratios:
            distance += 2 * colour.rounding_bound(problem.f)
        dtype = self._planes.dtype
        low, high = self._planes.scale
        is_narrow = dtype is not None and dtype.itemsize < problem.f.itemsize
        if dtype is not None and (is_narrow or low):
            length = float(torch.linalg.vector_norm(problem.f))
            rms = length / math.sqrt(problem.f.numel())
            rms += abs(low) / (high - low)
            distance += 0.5 * torch.finfo(dtype).eps * rms
        return ROOM * distance


def _precision(f: Tensor, tol: float, weight: float) -> torch.dtype:
    """Return the type in which a picture is solved.

    The picture and its dual variable are held to the last bit of their type: below a tolerance of about
    1e-3 lambda^(2/3), and of 6e-4 (lambda |f|)^(1/2), float32 would keep the certificate from closing.
    """
    if f.dtype == torch.float64:
        return torch.float64
    wide_dtype = torch.promote_types(f.dtype, torch.float32)  # NumPy knows no bfloat16
    values = tensors.array(f.to(wide_dtype))
    low = float(values.min())
    high = float(values.max())
    largest = max(abs(low), abs(high))
    least_tol_of_weight = 1e-3 * weight ** (2 / 3)
    least_tol_of_values = 6e-4 * math.sqrt(weight * largest)
    least_tol = max(least_tol_of_weight, least_tol_of_values)
    return torch.float64 if tol < least_tol else torch.float32


def _precision_of_gap(f: Tensor, tol: float) -> torch.dtype:
    """Return the type in which a gap of ``tol`` times the energy is reached, below which rounding keeps it open."""
    if f.dtype == torch.float64 or tol < LEAST_GAP:
        return torch.float64
    return torch.float32


def _is_centred(problem: Problem) -> bool:
    """Return whether a problem is solved around the mean of each channel.

    Total variation does not see the mean, and beside a large one rounding would keep the certificate from closing. In
    float32 it would round anew what the picture has, and opponent colours have means of their own.
    """
    is_exact = problem.f.dtype == torch.float64 and not problem.ratios and problem.is_gaussian
    return is_exact and problem.weight > 0 and problem.spread < MAX_SPREAD


def _centre(problem: Problem) -> Problem:
    """Return the problem around the mean of each channel, if that is how it is solved."""
    if not _is_centred(problem):
        return problem
    f = tensors.contiguous_copy(problem.f)
    values = tensors.array(f)
    values -= tensors.array(problem.means)
    return replace(problem, f=f)


def _is_on_unit_scale(f: Tensor) -> bool:
    """Return whether there is more than one value, and all are from 0 to 1 but for noise."""
    low, high = f.aminmax()
    return bool(NOISY_UNIT[0] <= low < high <= NOISY_UNIT[1])


def _move(f: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    f = f.to(device, dtype)
    return f if f.is_contiguous() else tensors.contiguous_copy(f)


def _problem(f: Tensor, settings: Settings) -> Problem:
    """Return the problem in the coordinates of the colour model; lambda is 0 where it is yet to be chosen."""
    ratios: tuple[float, ...] = ()
    if settings.color == "opponent":
        f = colour.to_opponent(f)
        ratios = colour.ratios(settings.chroma)
    return Problem(
        f,
        0.0 if settings.weight == "auto" else settings.weight,
        settings.tv,
        settings.axes,
        settings.spacing or 1.0,
        coupled=settings.color == "coupled",
        ratios=ratios,
        noise_model=settings.noise_model,
    )
