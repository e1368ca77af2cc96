"""An array or a tensor as planes (C, ...) on the unit scale, and the way back to its kind, shape and type."""

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tvdenoise.arrays import intensity
from tvdenoise.errors import ArrayError
from tvdenoise.model import tensors
from tvdenoise.options.kinds import FEW_CHANNELS

Array = NDArray[Any]
Image = TypeVar("Image", Array, Tensor)
Axis = int | None  # of the channels; None where there is none


class Planes(NamedTuple, Generic[Image]):
    """A picture (C, H, W), or a volume (C, D, H, W), on the unit scale, and the way back."""

    f: Tensor
    restore: Callable[[Tensor], Image]  # from planes to the kind, shape and type of the image they were made of
    dtype: torch.dtype | None  # that type, if it is one of floats


def as_planes(image: Image, channel_axis: Axis, axes: Literal[2, 3] = 2) -> Planes[Image]:
    """Return one picture, or with ``axes=3`` one volume, as planes.

    Raises :class:`ArrayError` unless it has finite numbers, of a type that has an intensity range.
    """
    if isinstance(image, np.ndarray):
        axis = _find_channel_axis(image.shape, channel_axis, axes, default=-1)
        return _array_as_planes(image, axis)
    if isinstance(image, Tensor):
        axis = _find_channel_axis(image.shape, channel_axis, axes, default=0)
        return _tensor_as_planes(image, axis)
    problem = f"it is of type {type(image).__name__}"
    raise ArrayError("image", problem, "give a NumPy array, such as numpy.asarray makes, or a torch tensor")


def _array_as_planes(image: Array, axis: Axis) -> Planes[Array]:
    if np.ma.is_masked(image):
        problem = "it has a mask, which means nothing here"
        raise ArrayError("image", problem, "fill it, such as with image.filled(0)")
    intensity.check_type("image", image.dtype)
    intensity.check_finite("image", image)
    scale = intensity.type_range(image.dtype)
    unit = intensity.scale_to_unit(image, scale)
    # torch takes no read-only arrays and none with negative strides.
    f = torch.from_numpy(np.require(unit, requirements=["C", "W"]))
    dtype = None
    if image.dtype.kind == "f":
        dtype = getattr(torch, image.dtype.name)

    def restore(u: Tensor) -> Array:
        unit = tensors.contiguous_copy(_from_front(u, axis))
        values = intensity.scale_from_unit(unit.numpy(force=True), scale, image.dtype)
        return np.ascontiguousarray(values)

    return Planes(_to_front(f, axis), restore, dtype)


def _tensor_as_planes(image: Tensor, axis: Axis) -> Planes[Tensor]:
    is_narrow = image.is_floating_point() and image.itemsize < 2
    if image.layout != torch.strided or image.is_meta or is_narrow:
        problem = f"it is a tensor of layout {image.layout}, type {image.dtype} on {image.device}"
        remedy = "give a dense one, with values, of floats of 16 bits or more, or integers"
        raise ArrayError("image", problem, remedy)
    image = image.detach().resolve_neg()
    if not image.is_floating_point():
        array = _array_as_planes(image.numpy(force=True), axis)
        return Planes(
            array.f,
            lambda u: torch.from_numpy(array.restore(u)).to(image.device),
            array.dtype,
        )
    # From an accelerator only what is refused anyway is copied to the CPU.
    if image.device.type == "cpu" or image.numel() == 0 or not torch.isfinite(image).all():
        # NumPy knows no bfloat16.
        readable = image.to(torch.promote_types(image.dtype, torch.float32))
        intensity.check_finite("image", readable.numpy(force=True))
    return Planes(
        _to_front(image, axis),
        lambda u: _from_front(u, axis).to(image.device, image.dtype),
        image.dtype,
    )


def _to_front(picture: Tensor, axis: Axis) -> Tensor:
    if axis is None:
        return picture[None]
    return picture.movedim(axis, 0)


def _from_front(u: Tensor, axis: Axis) -> Tensor:
    if axis is None:
        return u[0]
    return u.movedim(0, axis)


def _find_channel_axis(shape: Sequence[int], asked: Axis, axes: int, default: int) -> Axis:
    """Return the axis of the channels: ``default`` where none is asked for, None where there is none."""
    what = "picture"
    layout = "H, W"
    if axes == 3:
        what = "volume"
        layout = "D, H, W"
    number = len(shape)
    if number == axes:
        if asked is None:
            return None
        raise ArrayError("channel_axis", f"a {what} of {axes} dimensions has no channels", "leave it out")
    if number != axes + 1:
        problem = f"{number} dimensions of shape {tuple(shape)} are not one {what}"
        remedy = f"give ({layout}) or ({layout}, C), or a stack as a tensor (N, C, {layout})"
        raise ArrayError("image", problem, remedy)
    if asked is None:
        if _is_doubtful(shape, default):
            problem = f"its shape {tuple(shape)} does not say where the channels are"
            remedy = "set channel_axis"
            if axes == 2:
                remedy += ", or volume=True for a volume; a stack is a tensor (N, C, H, W)"
            raise ArrayError("image", problem, remedy)
        return default
    if not isinstance(asked, Integral) or isinstance(asked, bool):  # True is an integer in Python
        raise ArrayError("channel_axis", f"{asked!r} is no whole number", "give such as -1")
    if asked not in range(-number, number):
        problem = f"{asked} is not an axis of shape {tuple(shape)}"
        remedy = f"use one from {-number} to {axes}"
        raise ArrayError("channel_axis", problem, remedy)
    return int(asked)


def _is_doubtful(shape: Sequence[int], default: int) -> bool:
    """Return whether the channels may lie elsewhere than at ``default``, the last axis or the first."""
    first, *_, last = shape
    if default == -1:
        return last > FEW_CHANNELS
    # Many "channels" in front of few columns: it is (H, W, C).
    return last <= FEW_CHANNELS < first
