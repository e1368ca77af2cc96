"""Denoise an array or a tensor: what ``from tvdenoise import denoise`` gives."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Generic, Literal

import torch
from torch import Tensor

from tvdenoise import calculus, colour
from tvdenoise.devices import is_out_of_memory, pick_device
from tvdenoise.errors import ArrayError
from tvdenoise.kinds import ColorChoice, ColorKind, TVKind
from tvdenoise.noise_level import ChannelNoise, noise_level
from tvdenoise.planes import Image, as_planes
from tvdenoise.rof import Problem
from tvdenoise.selection import Selection, select_weight
from tvdenoise.settings import Settings
from tvdenoise.solve import Progress, Solution, Status, solve

TYPICAL_WEIGHT = 0.1

UNLIKE = 1.2
"""How far apart the noise levels of opponent colours are where channels do not have noise of their own."""

SHARED = 20
"""The same for noise that grows with the signal: in weak light the readings of chroma scatter."""

COINS = 2**20
"""Signs drawn at a time."""

SEED = 0x5EED
"""Of the draw by which lambda is chosen: none that anybody would draw a picture's noise with."""


@dataclass(frozen=True)
class Result(Generic[Image]):
    """A denoised picture or volume, or a stack of them, and what is proven about it.

    Attributes
    ----------
    image
        Of the kind, shape and type of the input.
    status
        Why it stopped: ``"tolerance"`` (certified), ``"max_steps"`` or ``"non_finite"``. The image is the best seen.
    steps
        Steps taken at full size; in a stack the largest number.
    energy
        E(u) on the unit scale; in a stack the sum.
    gap
        E(u) - d(p), at least E(u) - E(u*); in a stack the sum.
    rms_bound
        The certified RMS distance to the exact minimiser as a fraction of the intensity range, before any rounding to
        integers; in a stack the largest.
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
        Whether neighbouring pixels were found to share noise, so that ``sigma`` and ``weight`` may be too small; None
        where the noise was not estimated.
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
    optimizer: str = "auto",
    lr: float | None = None,
    tol: float | None = None,
    max_steps: int | None = None,
    device: str = "auto",
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
    optimizer
        A row of the method table: ``"alternating"``, ``"fista"``, or an optimizer of ``torch.optim`` by its lower-case
        name; ``"auto"`` for the first of these that the model and ``lr`` allow.
    lr, max_steps
        The optimizer's rate and the step limit; the method's own by default.
    tol
        The tolerance; by default 1e-3, or 0.04 lambda where that is less.
    device
        ``"auto"`` (a tensor's own accelerator; else the one that is there for pictures of 4 million values or more, and
        the CPU for smaller ones) or a torch device.
    channel_axis
        The axis of the channels. Left out, a 3-D array whose last axis has at most 4 entries is (H, W, C), any other
        3-D array is an error, and a 3-D tensor is (C, H, W).
    callback
        Called with a :class:`Progress` after each certificate.

    Raises
    ------
    SettingError, ArrayError
        For an impossible setting or image; each is a ``ValueError``.
    DeviceError
        If the device is unknown or not there.

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
    settings = Settings(weight, tv, color, sigma, volume, optimizer, lr, tol, max_steps, device)
    return denoise_as_set(image, settings, channel_axis=channel_axis, callback=callback)


def denoise_as_set(
    image: Image,
    settings: Settings,
    *,
    channel_axis: int | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> Result[Image]:
    """Do what :func:`denoise` does, with the model and the solver as ``settings`` say."""
    if isinstance(image, Tensor) and image.ndim == settings.axes + 2:
        if channel_axis is not None:
            raise ArrayError("channel_axis", "in a stack the channels are at axis 1", "leave it out")
        return _stacked([denoise_as_set(page, settings, channel_axis=0, callback=callback) for page in image])
    f, restored = as_planes(image, channel_axis, settings.axes)
    model = colour.chosen(settings.color, len(f))
    settings = dataclasses.replace(settings, color=model)
    dtype = _dtype(f, settings, TYPICAL_WEIGHT if settings.weight == "auto" else settings.weight)
    device = pick_device(settings.device, f.device, dtype, f.numel())
    solved = partial(_solved, f, settings, model, callback, dtype)
    found = None
    try:
        found = solved(device)
    except RuntimeError as error:
        if device.type == "cpu" or not is_out_of_memory(error):
            raise
    if found is None:  # and nothing refers to what took the memory any more
        with suppress(RuntimeError):  # where there is not memory for so much as a beginning
            torch.accelerator.empty_cache()
        found = solved(torch.device("cpu"), away=device)
    problem, noise, choice, solution = found
    proof = solution.certificate
    is_estimated = settings.weight == "auto" and settings.sigma is None
    return Result(
        image=restored(colour.from_opponent(solution.u) if problem.ratios else solution.u),
        status=solution.status,
        steps=solution.steps,
        energy=proof.energy,
        gap=proof.gap,
        rms_bound=proof.rms_bound,
        tol=settings.tolerance(problem.weight),
        seconds=solution.seconds,
        device=str(solution.device),
        weight=problem.weight,
        color=model,
        sigma=math.sqrt(sum(channel.sigma**2 for channel in noise) / len(noise)) if noise else None,
        risk=choice.risk if choice else None,
        is_noise_correlated=any(channel.is_correlated for channel in noise) if is_estimated else None,
        is_noise_signal_dependent=any(channel.gain > 0 for channel in noise) if is_estimated else None,
    )


def _solved(
    f: Tensor,
    settings: Settings,
    model: ColorKind,
    callback: Callable[[Progress], object] | None,
    dtype: torch.dtype,
    home: torch.device,
    away: torch.device | None = None,
) -> tuple[Problem, tuple[ChannelNoise, ...], Selection | None, Solution]:
    """Return the problem, the noise and the choice of lambda if there was one, and the solution.

    The picture lies at ``home``; its steps may be taken ``away``.
    """
    f = _placed(f, home, dtype)
    problem = _problem(f, settings, model)
    choice, noise = None, tuple[ChannelNoise, ...]()
    if settings.weight == "auto":
        noise, draw = _noise(f, problem, settings.sigma)
        choice = select_weight(problem, draw)
        dtype = _dtype(problem.f, settings, choice.weight)
        home = home if away else pick_device(settings.device, home, dtype, f.numel())
        problem = dataclasses.replace(problem, f=_placed(problem.f, home, dtype), weight=choice.weight)
    problem = dataclasses.replace(problem, away=away)
    solution = solve(
        problem,
        settings.method,
        tol=settings.tolerance(problem.weight),
        lr=settings.lr,
        max_steps=settings.max_steps,
        start=None if choice is None or choice.field is None else choice.field.to(problem.f),
        callback=callback,
    )
    return problem, noise, choice, solution


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
    f = f.to(device, dtype)
    return f if f.is_contiguous() else calculus.copied(f)


def _problem(f: Tensor, settings: Settings, model: ColorKind) -> Problem:
    """Return the problem in the colour model's own coordinates; lambda 0 stands for one yet to be chosen."""
    is_opponent = model == "opponent"
    return Problem(
        colour.to_opponent(f) if is_opponent else f,
        0.0 if settings.weight == "auto" else float(settings.weight),
        settings.tv,
        settings.axes,
        coupled=model == "coupled",
        ratios=colour.OPPONENT_RATIOS if is_opponent else (),
    )


def _noise(f: Tensor, problem: Problem, sigma: float | None) -> tuple[tuple[ChannelNoise, ...], Tensor]:
    """Return the noise in the picture, and a draw of it in the coordinates of the problem.

    It is read colour by colour, as photons are counted, unless opponent colours tell that channels share it, or that
    chroma has lost some of it, as in a JPEG.
    """
    if sigma is not None:
        noise = (ChannelNoise.constant(sigma),) * len(f)
        return noise, _draw(problem.f, noise)
    noise = noise_level(f)
    if not problem.ratios:
        return noise, _draw(f, noise)
    if any(channel.gain for channel in noise):
        return noise, _growing_draw(f, noise)
    opponent = noise_level(problem.f)
    if not _unlike(opponent, UNLIKE):
        return noise, colour.to_opponent(_draw(f, noise))
    is_correlated = any(channel.is_correlated for channel in noise)
    opponent = tuple(dataclasses.replace(own, is_correlated=own.is_correlated or is_correlated) for own in opponent)
    return opponent, _draw(problem.f, opponent)


def _growing_draw(f: Tensor, noise: Sequence[ChannelNoise]) -> Tensor:
    """Return the draw in opponent colours of noise that grows with the signal, and that the channels may share."""
    alike = torch.stack([channel.stabilized(plane) for channel, plane in zip(noise, f, strict=True)])
    opponent = noise_level(colour.to_opponent(alike))
    if not _unlike(opponent, SHARED):
        return colour.to_opponent(_draw(f, noise))
    variance = torch.stack([channel.variance(plane) for channel, plane in zip(noise, f, strict=True)]).mean(0)
    shares = f.new_tensor([channel.sigma for channel in opponent])
    shares /= shares.square().mean().sqrt()
    return _signs(f) * variance.sqrt_() * shares.view(-1, *(1,) * variance.ndim)


def _unlike(noise: Sequence[ChannelNoise], factor: float) -> bool:
    sigmas = [channel.sigma for channel in noise]
    return max(sigmas) > factor * min(sigmas)


def _draw(f: Tensor, noise: Sequence[ChannelNoise]) -> Tensor:
    """Return the standard deviation of the noise in every value of ``f`` with a random sign, always the same."""
    draw = _signs(f)
    for plane, channel, values in zip(f, noise, draw, strict=True):
        values *= channel.variance(plane).sqrt_() if channel.gain else channel.sigma
    return draw


def _signs(f: Tensor) -> Tensor:
    """Return a random sign for every value, some at a time, so that they take no more memory than the result."""
    generator = torch.Generator().manual_seed(SEED)
    signs = calculus.empty(f.shape, f)
    for part in torch.split(signs.view(-1), COINS):
        part.copy_(torch.randint(0, 2, part.shape, generator=generator, dtype=torch.int8).mul_(2).sub_(1))
    return signs


def _stacked(pages: list[Result[Tensor]]) -> Result[Tensor]:
    """Put the results of a stack's pictures together."""
    if not pages:
        raise ArrayError("image", "the stack is empty", "give at least one picture")
    return Result(
        image=torch.stack([page.image for page in pages]),
        status=max((page.status for page in pages), key=("tolerance", "max_steps", "non_finite").index),
        steps=max(page.steps for page in pages),
        energy=sum(page.energy for page in pages),
        gap=sum(page.gap for page in pages),
        rms_bound=max(page.rms_bound for page in pages),
        tol=max(page.tol for page in pages),
        seconds=sum(page.seconds for page in pages),
        device=pages[0].device,
        weight=sum(page.weight for page in pages) / len(pages),
        color=pages[0].color,
        sigma=_mean([page.sigma for page in pages]),
        risk=_mean([page.risk for page in pages]),
        is_noise_correlated=_any([page.is_noise_correlated for page in pages]),
        is_noise_signal_dependent=_any([page.is_noise_signal_dependent for page in pages]),
        pages=tuple(pages),
    )


def _any(values: list[bool | None]) -> bool | None:
    return None if None in values else any(values)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
