"""Denoise an array or a tensor: what ``from tvdenoise import denoise`` gives."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from tvdenoise.api.aggregation import RULES, aggregated, worst
from tvdenoise.api.result import Result
from tvdenoise.api.task import Task
from tvdenoise.arrays.planes import Image
from tvdenoise.errors import ArrayError
from tvdenoise.options.kinds import ColorChoice, TVKind
from tvdenoise.options.settings import Settings
from tvdenoise.solvers.loop import Progress


def denoise(
    image: Image,
    weight: float | Literal["auto"] = "auto",
    *,
    tv: TVKind = "anisotropic",
    color: ColorChoice = "rgb",
    chroma: float | None = None,
    strength: float = 1.0,
    sigma: float | None = None,
    volume: bool = False,
    spacing: float | None = None,
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
        floats are taken as they are and come back as floats. All channels are denoised: take transparency off before.
    weight
        :math:`\lambda`: larger is smoother. With ``tv="isotropic"`` the ``weight`` of scikit-image's
        ``denoise_tv_chambolle``. ``"auto"`` chooses it for the picture: see :mod:`tvdenoise.auto.selection`.
    tv
        ``"anisotropic"`` or ``"isotropic"``: the sum of the absolute differences, or of their lengths.
    color
        ``"rgb"``: channel by channel, whatever the channels are. ``"opponent"``: luma :math:`(R+G+B)/\sqrt3` with
        lambda, chroma :math:`(R-B)/\sqrt2` and :math:`(R-2G+B)/\sqrt6` with a multiple of it. ``"coupled"``: the 2-norm
        over all channels before summing. ``"auto"``: opponent for 3 channels, rgb for all else.
    chroma
        That multiple; left out, 1.5, or one that is chosen where lambda is.
    strength
        By what a chosen lambda is multiplied: above 1 smoother, below it closer to the noisy picture.
    sigma
        The standard deviation of the noise for intensities in [0, 1], where lambda is chosen; left out, an estimate.
    volume
        Take the image as a volume, whose slices are coupled by differences of their own: an array (D, H, W) or
        (D, H, W, C), or a tensor (D, H, W), (C, D, H, W) or (N, C, D, H, W). All that is said here of pictures then
        holds for volumes.
    spacing
        The distance between the slices of a volume in units of that between pixels, by which the differences between
        slices are divided; 1 by default.
    optimizer
        A row of the method table: ``"alternating"``, ``"fista"``, or an optimizer of ``torch.optim`` by its lower-case
        name; ``"auto"`` for the first of these that the model and ``lr`` allow.
    lr, max_steps
        The optimizer's rate and the step limit; by default the method's own, a limit of 10,000 on the dual, and of 500
        (``"lbfgs"``: 25) for the optimizers of torch.
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
    Float64 images, 32-bit integers, and tolerances too fine for float32 are solved in float64, all else in float32. No
    gradient flows from the result to the image; :class:`tvdenoise.TotalVariation` is the loss for one's own training.
    In a process forked from one that has used torch, call ``torch.set_num_threads(1)`` first: threads do not outlive a
    fork.

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
        chroma=chroma,
        strength=strength,
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


@contextmanager
def _own_modes() -> Iterator[None]:
    """Compute as always, whatever modes of torch and NumPy the caller has set."""
    with torch.inference_mode(mode=False), np.errstate(all="ignore"):  # optimizers need autograd
        yield


@_own_modes()
def denoise_as_set(
    image: Image,
    settings: Settings,
    *,
    channel_axis: int | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> Result[Image]:
    """Do what :func:`denoise` does, with the model and the solver as ``settings`` say."""
    if not isinstance(image, Tensor) or image.ndim != settings.axes + 2:
        return Task(image, settings, channel_axis).solve(callback)
    if channel_axis is not None:
        raise ArrayError("channel_axis", "in a stack the channels are at axis 1", "leave it out")
    if len(image) == 0:
        raise ArrayError("image", "the stack is empty", "give at least one picture")
    pages = [Task(page, settings, 0).solve(callback) for page in image]
    figures = aggregated(pages, RULES | {"status": worst})
    return Result(image=torch.stack([page.image for page in pages]), pages=tuple(pages), **figures)
