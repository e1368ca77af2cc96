"""Denoise an array or a tensor: what ``from tvdenoise import denoise`` gives."""

import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import fill, indent
from typing import Concatenate, ParamSpec

import numpy as np
import torch
from torch import Tensor

from tvdenoise.api.aggregation import aggregate
from tvdenoise.api.result import Result
from tvdenoise.api.task import Task
from tvdenoise.arrays.intensity import UNIT, Range
from tvdenoise.arrays.planes import Image
from tvdenoise.errors import ArrayError
from tvdenoise.options.rules import check_range, show
from tvdenoise.options.settings import OPTIONS, Settings, doubt_weight
from tvdenoise.solvers.loop import Progress


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
    range: Range | None = UNIT,  # noqa: A002 (as ``denoise`` has it)
    callback: Callable[[Progress], object] | None = None,
) -> Result[Image]:
    """Denoise an image with given settings, by default one of floats on the unit scale; see :func:`denoise`."""
    if not isinstance(image, Tensor) or image.ndim != settings.axes + 2:
        return Task(image, settings, channel_axis, range).solve(callback)
    if channel_axis is not None:
        raise ArrayError("channel_axis", "in a stack the channels are at axis 1", "leave it out")
    if len(image) == 0:
        raise ArrayError("image", "the stack is empty", "give at least one picture")
    pages = [Task(page, settings, 0, range).solve(callback) for page in image]
    image = torch.stack([page.image for page in pages])
    return Result(image=image, pages=tuple(pages), **aggregate(pages))


@dataclass(frozen=True, kw_only=True)
class Arguments(Settings):
    """The arguments of :func:`denoise` beside the image: the settings, and what only arrays need."""

    channel_axis: int | None = None
    range: Range | None = None
    callback: Callable[[Progress], object] | None = None

    def __post_init__(self) -> None:
        """Check the range too."""
        super().__post_init__()
        if self.range is not None:
            object.__setattr__(self, "range", check_range(self.range, show(self.range)))


_P = ParamSpec("_P")


def _with_arguments(make: Callable[_P, Arguments]) -> Callable[Concatenate[Image, _P], Result[Image]]:
    """Return ``denoise``: its arguments, for people and for type checkers, are those that are declared."""

    def denoise(image: Image, *args: _P.args, **kwargs: _P.kwargs) -> Result[Image]:
        if torch.compiler.is_dynamo_compiling():  # compiled functions call it as it is
            reason = "denoise ends when its result is certified, and leaves torch on the way"
            as_it_is: Callable[..., Result[Image]]
            as_it_is = torch.compiler.disable(denoise, reason=reason)  # type: ignore[no-untyped-call]
            return as_it_is(image, *args, **kwargs)
        arguments = make(*args, **kwargs)
        doubt = doubt_weight(arguments)
        if doubt is not None and arguments.range is None:
            warnings.warn(doubt, stacklevel=2)
        result = denoise_as_set(
            image,
            arguments,
            channel_axis=arguments.channel_axis,
            range=arguments.range,
            callback=arguments.callback,
        )
        if isinstance(image, Tensor) and image.requires_grad and torch.is_grad_enabled():
            text = "no gradient flows through denoise: give it image.detach(), or take TotalVariation for the loss"
            warnings.warn(text, stacklevel=2)
        return result

    parameters = [inspect.Parameter("image", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    parameters.extend(inspect.signature(make).parameters.values())
    denoise.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return denoise  # type: ignore[return-value]  # Concatenate knows no names, and image has one


def _documentation() -> str:
    """Return the settings as the parameters of a docstring."""
    lines = []
    for name, option in OPTIONS.items():
        lines.append(f"{name} ({option.unit})" if option.unit else name)
        lines.append(indent(fill(option.help, 110), "    "))
    return indent("\n".join(lines), "    ").lstrip()


denoise = _with_arguments(Arguments)
denoise.__qualname__ = "denoise"
denoise.__doc__ = rf"""Minimise :math:`\frac12\|u - f\|^2 + \lambda\,\mathrm{{TV}}(u)` and certify the answer.

    The result is certified to lie within ``tol`` RMS of the exact minimiser, as a fraction of the intensity range. Sums
    run over all pixels and channels, for intensities in [0, 1]. ``noise_model`` puts another data term in the place of
    the square.

    Parameters
    ----------
    image
        A NumPy array (H, W) or (H, W, C), or a torch tensor (H, W), (C, H, W) or (N, C, H, W), whose N pictures are
        solved each for itself. Integers are scaled by the largest value of their type and come back in it, rounded.
        Floats come back as floats. Those from -1 to 2 are taken as they are, as [0, 1] with noise; others, and those
        that spread less than 1/255, are scaled by their smallest and largest value, picture by picture. All channels
        are denoised: take transparency off before. With ``volume=True`` an array (D, H, W) or (D, H, W, C), or a tensor
        (D, H, W), (C, D, H, W) or (N, C, D, H, W); what is said here of pictures then holds for volumes.
    {_documentation()}
    channel_axis
        The axis of the channels. Left out, a 3-D array whose last axis has at most 4 entries is (H, W, C), and a 3-D
        tensor (C, H, W), unless its last axis is so short and its first is not; any other is an error.
    range
        The two numbers that stand for 0 and 1, such as (0, 4095) for 12 bits, in place of this. (0, 1) takes all floats
        as they are. The result says which range was used.
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
    A mirrored or turned picture has the mirrored or turned result with ``tv="anisotropic"``. With ``"isotropic"`` that
    holds of the transpose alone, for its differences are forward ones: turn pictures upright first.

    With ``tv="isotropic"`` lambda is the ``weight`` of scikit-image's ``denoise_tv_chambolle``. How it is chosen for a
    picture: :mod:`tvdenoise.auto.selection`.

    A tensor that lies on an accelerator is solved there. The device ``"auto"`` is the accelerator that is there for
    pictures of 4 million values or more, and the CPU for smaller ones, and for those that fail there.

    Float64 images, 32-bit integers, and tolerances too fine for float32 are solved in float64, all else in float32. No
    gradient flows from the result to the image, which a warning says once where one is asked for;
    :class:`tvdenoise.TotalVariation` is the loss for one's own training. ``torch.compile`` calls it as it is.
    A process that is forked from one that has denoised computes on one thread: threads do not outlive a fork.

    Examples
    --------
    Two pixels: while lambda is at most 1/2, each moves by lambda towards the other.

    >>> import numpy as np
    >>> result = denoise(np.array([[0.0, 1.0]]), 0.1, tol=1e-6)
    >>> result.stop, result.image.round(4)
    ('tolerance', array([[0.1, 0.9]]))
    """
