"""An array or a tensor as planes (C, ...) on the unit scale, and the way back to its kind, shape and type."""

from collections.abc import Callable
from numbers import Integral
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tvdenoise.arrays import intensity
from tvdenoise.errors import ArrayError
from tvdenoise.model import operators
from tvdenoise.options.kinds import FEW_CHANNELS

Image = TypeVar("Image", NDArray[Any], Tensor)


class Planes(NamedTuple, Generic[Image]):
    """A picture (C, H, W), or a volume (C, D, H, W), on the unit scale.

    Attributes
    ----------
    f
        The picture.
    restored
        Turns planes into the like of what these were made of.
    dtype
        The type of that, if it is one of floats.
    """

    f: Tensor
    restored: Callable[[Tensor], Image]
    dtype: torch.dtype | None


def as_planes(image: Image, channel_axis: int | None, axes: Literal[2, 3] = 2) -> Planes[Image]:
    """Return one picture, or with ``axes=3`` one volume, as planes.

    Raises
    ------
    ArrayError
        If it is not one picture, or volume, of finite numbers of a type that has an intensity range.
    """
    if isinstance(image, np.ndarray):
        return _array_as_planes(image, _channel_axis(image.shape, channel_axis, axes))
    if not isinstance(image, Tensor):
        problem = f"it is of type {type(image).__name__}"
        raise ArrayError("image", problem, "give a NumPy array, such as numpy.asarray makes, or a torch tensor")
    axis = _channel_axis(image.shape, channel_axis, axes, first=True)
    if image.layout != torch.strided or image.is_meta or (image.is_floating_point() and image.itemsize < 2):
        problem = f"it is a tensor of layout {image.layout}, type {image.dtype} on {image.device}"
        raise ArrayError("image", problem, "give a dense one, with values, of floats of 16 bits or more, or integers")
    image = image.detach().resolve_neg()
    if not image.is_floating_point():
        f, restored_array, dtype = _array_as_planes(image.numpy(force=True), axis)
        return Planes(f, lambda u: torch.from_numpy(restored_array(u)).to(image.device), dtype)
    if image.device.type == "cpu" or image.numel() == 0 or not torch.isfinite(image).all():
        readable = image.to(torch.promote_types(image.dtype, torch.float32))  # NumPy knows no bfloat16
        intensity.check_finite("image", readable.numpy(force=True))
    return Planes(_to_front(image, axis), lambda u: _from_front(u, axis).to(image.device, image.dtype), image.dtype)


def _array_as_planes(image: NDArray[Any], axis: int | None) -> Planes[NDArray[Any]]:
    if np.ma.is_masked(image):
        raise ArrayError("image", "it has a mask, which means nothing here", "fill it, such as with image.filled(0)")
    intensity.check_type("image", image.dtype)
    intensity.check_finite("image", image)
    scale = intensity.type_range(image.dtype)
    unit = torch.from_numpy(np.require(intensity.to_unit(image, scale), requirements=["C", "W"]))

    def restored(u: Tensor) -> NDArray[Any]:
        unit = operators.contiguous_copy(_from_front(u, axis)).numpy(force=True)
        values = intensity.from_unit(unit, scale, image.dtype)
        return np.ascontiguousarray(values)

    dtype = getattr(torch, image.dtype.name) if image.dtype.kind == "f" else None
    return Planes(_to_front(unit, axis), restored, dtype)


def _to_front(picture: Tensor, axis: int | None) -> Tensor:
    return picture[None] if axis is None else picture.movedim(axis, 0)


def _from_front(u: Tensor, axis: int | None) -> Tensor:
    return u[0] if axis is None else u.movedim(0, axis)


def _channel_axis(shape: tuple[int, ...], asked: int | None, axes: Literal[2, 3], *, first: bool = False) -> int | None:
    """Return the axis of the channels, None where there is none: the last if it is short, or the ``first``."""
    what, layout = ("picture", "H, W") if axes == 2 else ("volume", "D, H, W")
    if len(shape) not in (axes, axes + 1):
        problem = f"{len(shape)} dimensions of shape {tuple(shape)} are not one {what}"
        raise ArrayError("image", problem, f"give ({layout}) or ({layout}, C), or a stack as a tensor (N, C, {layout})")
    if len(shape) == axes:
        if asked is not None:
            raise ArrayError("channel_axis", f"a {what} of {axes} dimensions has no channels", "leave it out")
        return None
    if asked is None:
        if (shape[-1] > FEW_CHANNELS) if not first else (shape[-1] <= FEW_CHANNELS < shape[0]):
            problem = f"its shape {tuple(shape)} does not say where the channels are"
            volume = "" if axes == 3 else ", or volume=True for a volume; a stack is a tensor (N, C, H, W)"
            raise ArrayError("image", problem, f"set channel_axis{volume}")
        return 0 if first else -1
    if not isinstance(asked, Integral) or isinstance(asked, bool):
        raise ArrayError("channel_axis", f"{asked!r} is no whole number", "give such as -1")
    if not -len(shape) <= asked < len(shape):
        remedy = f"use one from {-len(shape)} to {axes}"
        raise ArrayError("channel_axis", f"{asked} is not an axis of shape {tuple(shape)}", remedy)
    return int(asked)
