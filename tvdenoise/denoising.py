"""Denoise an array or a tensor: what ``from tvdenoise import denoise`` gives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tvdenoise import intensity
from tvdenoise.devices import pick_device
from tvdenoise.errors import ArrayError
from tvdenoise.kinds import TVKind
from tvdenoise.rof import Problem
from tvdenoise.settings import DEFAULT_TOL, Settings
from tvdenoise.solve import Progress, Solution, Status, solve

Image = TypeVar("Image", NDArray[Any], Tensor)


@dataclass(frozen=True)
class Result(Generic[Image]):
    """A denoised picture, or stack of pictures, and what is proven about it.

    Attributes
    ----------
    image
        Of the kind, shape and type of the input.
    status
        Why it stopped: ``"tolerance"`` (certified), ``"max_steps"`` or ``"non_finite"``. The image is the best seen.
    steps
        Steps taken; in a stack the largest number.
    energy
        E(u) on the unit scale; in a stack the sum.
    gap
        E(u) - d(p), at least E(u) - E(u*); in a stack the sum.
    rms_bound
        The certified RMS distance to the exact minimiser as a fraction of the intensity range, before any rounding to
        integers; in a stack the largest.
    seconds
        Time spent in steps, without certifying.
    device
        Where it was solved.
    pages
        For a stack, the result of each of its pictures; else empty.
    """

    image: Image
    status: Status
    steps: int
    energy: float
    gap: float
    rms_bound: float
    seconds: float
    device: str
    pages: "tuple[Result[Image], ...]" = ()


def denoise(
    image: Image,
    weight: float,
    *,
    tv: TVKind = "anisotropic",
    optimizer: str = "fista",
    lr: float | None = None,
    tol: float = DEFAULT_TOL,
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
        :math:`\lambda`: larger is smoother. The same as the ``weight`` of scikit-image's ``denoise_tv_chambolle``.
    tv
        ``"anisotropic"`` or ``"isotropic"``, channel by channel.
    optimizer
        A row of the method table: ``"fista"``, or an optimizer of ``torch.optim`` by its lower-case name.
    lr, max_steps
        The optimizer's rate and the step limit; the method's own by default.
    tol
        The tolerance.
    device
        ``"auto"`` (a tensor's own device; for arrays the accelerator, if there is one) or a torch device.
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
    settings = Settings(weight, tv, optimizer, lr, tol, max_steps, device)
    if isinstance(image, Tensor) and image.ndim == 4:
        return _denoise_stack(image, settings, callback)
    f, restore = _open(image, channel_axis)
    return _result(restore, *denoise_unit(f, settings, callback))


def denoise_unit(
    f: Tensor, settings: Settings, callback: Callable[[Progress], object] | None = None
) -> tuple[Solution, torch.device]:
    """Solve for a finite picture (C, H, W) on the unit scale; return the solution and where it was found.

    The dual field, as large as lambda, is held to the last bit of its type: below a tolerance of about
    1e-3 lambda^(2/3) the rounding of float32 would keep the certificate from closing.
    """
    where = pick_device(settings.device, f.device)
    wide = f.dtype == torch.float64 or settings.tol < 1e-3 * settings.weight ** (2 / 3)
    problem = Problem(
        f.to(where, torch.float64 if wide else torch.float32).contiguous(), float(settings.weight), settings.tv
    )
    solution = solve(
        problem, settings.method, tol=settings.tol, lr=settings.lr, max_steps=settings.max_steps, callback=callback
    )
    return solution, where


def _denoise_stack(stack: Tensor, settings: Settings, callback: Callable[[Progress], object] | None) -> Result[Tensor]:
    """Solve each picture of (N, C, H, W) for itself."""
    if len(stack) == 0:
        raise ArrayError("image", f"it is empty, of shape {tuple(stack.shape)}", "give at least one picture")
    pages = []
    for page in stack:
        f, restore = _open(page, 0)
        pages.append(_result(restore, *denoise_unit(f, settings, callback)))
    return Result(
        image=torch.stack([page.image for page in pages]),
        status=max((page.status for page in pages), key=("tolerance", "max_steps", "non_finite").index),
        steps=max(page.steps for page in pages),
        energy=sum(page.energy for page in pages),
        gap=sum(page.gap for page in pages),
        rms_bound=max(page.rms_bound for page in pages),
        seconds=sum(page.seconds for page in pages),
        device=pages[0].device,
        pages=tuple(pages),
    )


def _result(restore: Callable[[Tensor], Image], solution: Solution, where: torch.device) -> Result[Image]:
    proof = solution.certificate
    return Result(
        restore(solution.u),
        solution.status,
        solution.steps,
        proof.energy,
        proof.gap,
        proof.rms_bound,
        solution.seconds,
        str(where),
    )


def _open(image: Image, channel_axis: int | None) -> tuple[Tensor, Callable[[Tensor], Image]]:
    """Return the picture as (C, H, W) on the unit scale, and the way back to the kind of ``image``."""
    if isinstance(image, np.ndarray):
        return _open_array(image, _channel_axis(image.shape, channel_axis))
    if not isinstance(image, Tensor):
        raise ArrayError("image", f"it is a {type(image).__name__}", "give a NumPy array or a torch tensor")
    axis = _channel_axis(image.shape, 0 if channel_axis is None and image.ndim == 3 else channel_axis)
    if not image.is_floating_point():
        f, restore_array = _open_array(image.numpy(force=True), axis)
        return f, lambda u: torch.from_numpy(restore_array(u)).to(image.device)
    intensity.check_finite("image", image.isfinite().numpy(force=True))
    return _planes(image.detach(), axis), lambda u: _unplanes(u, axis).to(image.device, image.dtype)


def _open_array(image: NDArray[np.generic], axis: int | None) -> tuple[Tensor, Callable[[Tensor], NDArray[np.generic]]]:
    intensity.check_type("image", image.dtype)
    intensity.check_finite("image", np.isfinite(image))
    scale = intensity.type_range(image.dtype)
    unit = torch.from_numpy(np.require(intensity.to_unit(image, scale), requirements=["C", "W"]))

    def restore(u: Tensor) -> NDArray[np.generic]:
        values = intensity.from_unit(_unplanes(u, axis).numpy(force=True), scale, image.dtype)
        return np.ascontiguousarray(values)

    return _planes(unit, axis), restore


def _planes(picture: Tensor, axis: int | None) -> Tensor:
    return picture[None] if axis is None else picture.movedim(axis, 0)


def _unplanes(u: Tensor, axis: int | None) -> Tensor:
    return u[0] if axis is None else u.movedim(0, axis)


def _channel_axis(shape: tuple[int, ...], asked: int | None) -> int | None:
    """Return the axis of the channels, None where there is none."""
    if len(shape) not in (2, 3):
        problem = f"{len(shape)} dimensions of shape {tuple(shape)} are not one picture"
        raise ArrayError("image", problem, "give (H, W) or (H, W, C), or a stack as a tensor (N, C, H, W)")
    if len(shape) == 2:
        if asked is not None:
            raise ArrayError("channel_axis", "a picture of 2 dimensions has no channels", "leave it out")
        return None
    if asked is None:
        if shape[-1] > 4:
            raise ArrayError(
                "image", f"its shape {tuple(shape)} does not say where the channels are", "set channel_axis"
            )
        return -1
    if not -3 <= asked < 3:
        raise ArrayError("channel_axis", f"{asked} is not an axis of shape {tuple(shape)}", "use one from -3 to 2")
    return asked
