"""Denoise an array or a tensor: what ``from tvdenoise import denoise`` gives."""

import dataclasses
import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple

import torch
from torch import Tensor

from tvdenoise import calculus, colour, engine
from tvdenoise.aggregation import RULES, aggregated, worst
from tvdenoise.devices import is_out_of_memory, pick_device
from tvdenoise.errors import ArrayError, SettingError
from tvdenoise.kinds import ColorChoice, ColorKind, TVKind
from tvdenoise.noise_level import ChannelNoise
from tvdenoise.planes import Image, Planes, as_planes
from tvdenoise.probe import noise_and_probe
from tvdenoise.rof import Problem
from tvdenoise.selection import Selection, select_weight
from tvdenoise.settings import Settings
from tvdenoise.solve import Progress, Solution, Status, solve, solve_together
from tvdenoise.stacking import stacking_key

TYPICAL_WEIGHT = 0.1

MAX_STACKED_VALUES = 2**22
"""Values of pictures that are solved together: more than any accelerator works on at once."""

MAX_PINNED_VALUES = MAX_STACKED_VALUES
"""Values up to which a picture goes to a card from pinned memory, while the next is prepared."""


@dataclass(frozen=True, eq=False)
class Result(Generic[Image]):
    """A denoised picture or volume, or a stack of them, and what is proven about it.

    Attributes
    ----------
    image
        Of the kind, shape and type of the input.
    status
        Why it stopped: ``"tolerance"`` (certified), ``"max_steps"`` or ``"non_finite"``. The image is the
        best seen, of a method on the dual the last.
    steps
        Steps taken at full size; in a stack the largest number.
    energy
        E(u) on the unit scale; in a stack the sum.
    gap
        E(u) - d(p), at least E(u) - E(u*); in a stack the sum.
    rms_bound
        The certified RMS distance to the exact minimiser as a fraction of the intensity range: of floats with their
        rounding to the type of the image, which may exceed ``tol``; of integers before. Not counted is what scaling
        integers to float32 moves, 6e-8 at most. In a stack the largest.
    tol
        The tolerance that was to be reached; in a stack the largest.
    seconds
        Time spent in steps, those at coarser sizes among them, without certifying.
    device
        Where it was solved.
    weight
        Lambda; in a stack the mean.
    color
        The colour model used.
    sigma
        The standard deviation of the noise, if lambda was chosen by it; in a stack the mean of the estimates.
    risk
        Stein's estimate of the mean squared error, if lambda was chosen by it; chance may bring it below 0.
    is_noise_correlated
        Whether neighbouring pixels were found to share noise; None where the noise was not estimated.
    is_noise_signal_dependent
        Whether the noise was found to grow with the intensity, as where photons are counted, so that ``sigma`` is its
        root mean square; None where the noise was not estimated.
    pages
        For a stack, the result of each of its pictures or volumes; else empty.
    """

    image: Image
    status: Status
    steps: int
    energy: float
    gap: float
    rms_bound: float
    tol: float
    seconds: float
    device: str
    weight: float
    color: ColorKind
    sigma: float | None = None
    risk: float | None = None
    is_noise_correlated: bool | None = None
    is_noise_signal_dependent: bool | None = None
    pages: "tuple[Result[Image], ...]" = ()


def denoise(
    image: Image,
    weight: float | Literal["auto"] = "auto",
    *,
    tv: TVKind = "anisotropic",
    color: ColorChoice = "rgb",
    sigma: float | None = None,
    volume: bool = False,
    spacing: float = 1.0,
    optimizer: str = "auto",
    lr: float | None = None,
    tol: float | None = None,
    max_steps: int | None = None,
    device: str | torch.device = "auto",
    channel_axis: int | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> Result[Image]:
    r"""Minimise :math:`\frac12\|u - f\|^2 + \lambda\,\mathrm{TV}(u)` and certify the answer.

    The result is certified to lie within ``tol`` RMS of the exact minimiser, as a fraction of the intensity range. Sums
    run over all pixels and channels, for intensities in [0, 1].

    Parameters
    ----------
    image
        A NumPy array (H, W) or (H, W, C), or a torch tensor (H, W), (C, H, W) or (N, C, H, W), whose N pictures are
        solved each for itself. Integers are scaled by the largest value of their type and come back in it, rounded;
        floats are taken as they are and come back as floats.
    weight
        :math:`\lambda`: larger is smoother. With ``tv="isotropic"`` the ``weight`` of scikit-image's
        ``denoise_tv_chambolle``. ``"auto"`` chooses it for the picture: see :mod:`tvdenoise.selection`.
    tv
        ``"anisotropic"`` or ``"isotropic"``: the sum of the absolute differences, or of their lengths.
    color
        ``"rgb"``: channel by channel, whatever the channels are. ``"opponent"``: luma with lambda, both chromas with
        2 lambda, in an orthonormal transform of RGB. ``"coupled"``: the 2-norm over all channels before summing.
        ``"auto"``: opponent for 3 channels, rgb for all else.
    sigma
        The standard deviation of the noise for intensities in [0, 1], where lambda is chosen; left out, an estimate.
    volume
        Take the image as a volume, whose slices are coupled by differences of their own: an array (D, H, W) or
        (D, H, W, C), or a tensor (D, H, W), (C, D, H, W) or (N, C, D, H, W). All that is said here of pictures then
        holds for volumes.
    spacing
        The distance between the slices of a volume in units of that between pixels, by which the differences between
        slices are divided.
    optimizer
        A row of the method table: ``"alternating"``, ``"fista"``, or an optimizer of ``torch.optim`` by its lower-case
        name; ``"auto"`` for the first of these that the model and ``lr`` allow.
    lr, max_steps
        The optimizer's rate and the step limit; the method's own by default.
    tol
        The tolerance; by default 1e-3, or 0.04 lambda where that is less.
    device
        ``"auto"`` (a tensor's own accelerator; else the one that is there for pictures of 4 million values or more, and
        the CPU for smaller ones, and for those that fail there) or a torch device.
    channel_axis
        The axis of the channels. Left out, a 3-D array whose last axis has at most 4 entries is (H, W, C), and a 3-D
        tensor (C, H, W), unless its last axis is so short and its first is not; any other is an error.
    callback
        Called with a :class:`Progress` after each certificate.

    Raises
    ------
    SettingError, ArrayError
        For an impossible setting or image; each is a ``ValueError``.
    DeviceError
        If the device is unknown or not there.
    PrecisionError
        If it does not know float64, which the image or the tolerance needs.

    Notes
    -----
    Float64 images, 32-bit integers, and tolerances too fine for float32 are solved in float64, all else in float32.

    Examples
    --------
    Two pixels: while lambda is at most 1/2, each moves by lambda towards the other.

    >>> import numpy as np
    >>> result = denoise(np.array([[0.0, 1.0]]), 0.1, tol=1e-6)
    >>> result.status, result.image.round(4)
    ('tolerance', array([[0.1, 0.9]]))
    """
    name = str(device) if isinstance(device, torch.device) else device
    settings = Settings(
        weight,
        tv=tv,
        color=color,
        sigma=sigma,
        volume=volume,
        spacing=spacing,
        optimizer=optimizer,
        lr=lr,
        tol=tol,
        max_steps=max_steps,
        device=name,
    )
    return denoise_as_set(image, settings, channel_axis=channel_axis, callback=callback)


def denoise_as_set(
    image: Image,
    settings: Settings,
    *,
    channel_axis: int | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> Result[Image]:
    """Do what :func:`denoise` does, with the model and the solver as ``settings`` say."""
    with torch.inference_mode(mode=False):  # in which autograd, and so torch's optimizers, would find nothing to do
        if isinstance(image, Tensor) and image.ndim == settings.axes + 2:
            if channel_axis is not None:
                raise ArrayError("channel_axis", "in a stack the channels are at axis 1", "leave it out")
            pages = (_Task(page, settings, 0) for page in image)
            return _stacked([task.done(callback) for task in pages] if callback else _done_together(pages))
        return _Task(image, settings, channel_axis).done(callback)


def denoise_together(
    images: Iterable[Image], settings: Iterable[Settings], *, channel_axis: int | None = None
) -> list[Result[Image]]:
    """Do what :func:`denoise` does for several pictures, each with settings of its own.

    Those that an accelerator is to solve take their steps together where they are of one size and model.
    """
    pairs = zip(images, settings, strict=True)
    return _done_together(_Task(image, one, channel_axis) for image, one in pairs)


class _Posed(NamedTuple):
    """The problem that a picture poses, and how lambda was chosen if it was."""

    problem: Problem
    noise: tuple[ChannelNoise, ...] = ()
    choice: Selection | None = None


class _Task(Generic[Image]):
    """A picture, and what is to be done with it."""

    def __init__(self, image: Image, settings: Settings, channel_axis: int | None) -> None:
        self._planes: Planes[Image] = as_planes(image, channel_axis, settings.axes)
        self.f: Tensor = self._planes.f
        self._model = colour.chosen(settings.color, len(self.f))
        self.settings = dataclasses.replace(settings, color=self._model)
        if self._planes.dtype is None and (settings.sigma or 0) > 1:
            problem = f"{settings.sigma:g} is more than the whole range, whose width is 1"
            raise SettingError("sigma", problem, "divide it by the largest value of the type, as in 25/255")
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

        An accelerator that nobody asked for and that fails before anything is heard of it is done without.
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
                engine.remark(f"the CPU did what {self.device} could not: {' '.join(str(error).split())[:200]}")
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
        noise, probe = noise_and_probe(f, problem, self.settings.sigma)
        choice = select_weight(problem, probe)
        dtype = _dtype(problem.f, self.settings, choice.weight)
        home = home if away else pick_device(self.settings.device, home, dtype, f.numel())
        problem = dataclasses.replace(problem, f=_placed(problem.f, home, dtype), weight=choice.weight)
        return _Posed(problem, noise, choice)

    def solution(self, posed: _Posed, callback: Callable[[Progress], object] | None = None) -> Solution:
        """Solve the problem by itself."""
        problem, _, choice = posed
        return solve(
            problem,
            self.settings.method,
            tol=self.settings.tolerance(problem.weight),
            lr=self.settings.lr,
            max_steps=self.settings.max_steps,
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
            sigma=math.sqrt(sum(channel.sigma**2 for channel in noise) / len(noise)) if noise else None,
            risk=choice.risk if choice else None,
            is_noise_correlated=any(channel.is_correlated for channel in noise) if is_estimated else None,
            is_noise_signal_dependent=any(channel.gain > 0 for channel in noise) if is_estimated else None,
        )

    def _rounding(self, problem: Problem, solved: Tensor, u: Tensor) -> float:
        """Return how far the picture moves, RMS, on its way to opponent colours and back, and to a narrower type."""
        moved = 0.0
        if problem.ratios:
            moved += colour.rounding_bound(problem.f) + colour.rounding_bound(solved)
        dtype = self._planes.dtype
        if dtype is not None and dtype.itemsize < u.dtype.itemsize:
            moved += calculus.cast_error(u, dtype)
        return moved


def _done_together(tasks: Iterable[_Task[Image]]) -> list[Result[Image]]:
    """Do what is ordered, as much at a time as is to be solved together."""
    results, chunk = list[Result[Image]](), list[_Task[Image]]()
    for task in tasks:
        chunk.append(task)
        if not task.may_stack or sum(one.f.numel() for one in chunk) >= MAX_STACKED_VALUES:
            results += _chunk_done(chunk)
            chunk = []
    return results + _chunk_done(chunk)


def _chunk_done(tasks: Sequence[_Task[Image]]) -> list[Result[Image]]:
    """Do what is ordered: what fits together, or where that takes too much memory each for itself."""
    if len(tasks) > 1:
        try:
            return _results(tasks)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
    return [task.done() for task in tasks]


def _results(tasks: Sequence[_Task[Image]]) -> list[Result[Image]]:
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
        found = solve_together(problems, settings.method, tol=tol, lr=settings.lr, max_steps=settings.max_steps)
        solutions |= zip((first, *others), found, strict=True)
    return [task.result(posed[number], solutions[number]) for number, task in enumerate(tasks)]


def _dtype(f: Tensor, settings: Settings, weight: float) -> torch.dtype:
    """Return the precision that a picture is to be solved in.

    Picture and field are held to the last bit of their type: below a tolerance of about 1e-3 lambda^(2/3), and of
    6e-4 (lambda |f|)^(1/2), the rounding of float32 would keep the certificate from closing.
    """
    tol = settings.tolerance(weight)
    values = calculus.array(f.to(torch.promote_types(f.dtype, torch.float32)))  # NumPy knows no bfloat16
    rounded = 6e-4 * math.sqrt(weight * max(abs(float(values.min())), abs(float(values.max()))))
    wide = f.dtype == torch.float64 or tol < max(1e-3 * weight ** (2 / 3), rounded)
    return torch.float64 if wide else torch.float32


def _placed(f: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return a picture on a device in some precision, or on its way there."""
    if f.device.type == "cpu" and device.type == "cuda" and f.numel() <= MAX_PINNED_VALUES:
        with torch.accelerator.device_index(device.index):  # or another's driver is begun with
            return f.to(dtype).contiguous().pin_memory().to(device, non_blocking=True)
    f = f.to(device, dtype)
    return f if f.is_contiguous() else calculus.contiguous_copy(f)


def _problem(f: Tensor, settings: Settings, away: torch.device | None) -> Problem:
    """Return the problem in the colour model's own coordinates; lambda 0 stands for one yet to be chosen."""
    is_opponent = settings.color == "opponent"
    return Problem(
        colour.to_opponent(f) if is_opponent else f,
        0.0 if settings.weight == "auto" else float(settings.weight),
        settings.tv,
        settings.axes,
        settings.spacing,
        coupled=settings.color == "coupled",
        ratios=colour.OPPONENT_RATIOS if is_opponent else (),
        away=away,
    )


def _stacked(pages: list[Result[Tensor]]) -> Result[Tensor]:
    """Put the results of a stack's pictures together."""
    if not pages:
        raise ArrayError("image", "the stack is empty", "give at least one picture")
    figures = aggregated(pages, RULES | {"status": worst})
    return Result(image=torch.stack([page.image for page in pages]), pages=tuple(pages), **figures)
