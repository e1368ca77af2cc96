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
from tvdenoise.model import tensors
from tvdenoise.options.kinds import FEW_CHANNELS

Image = TypeVar("Image", NDArray[Any], Tensor)


class Planes(NamedTuple, Generic[Image]):
    """A picture (C, H, W), or a volume (C, D, H, W), on the unit scale: ``f``.

    ``restore`` turns planes into an image of the kind, shape and type of the one that these were made of; ``dtype`` is
    that type, if it is one of floats.
    """

    f: Tensor
    restore: Callable[[Tensor], Image]
    dtype: torch.dtype | None


def as_planes(image: Image, channel_axis: int | None, axes: Literal[2, 3] = 2) -> Planes[Image]:
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


def _array_as_planes(image: NDArray[Any], axis: int | None) -> Planes[NDArray[Any]]:
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

    def restore(u: Tensor) -> NDArray[Any]:
        unit = tensors.contiguous_copy(_from_front(u, axis))
        values = intensity.scale_from_unit(unit.numpy(force=True), scale, image.dtype)
        return np.ascontiguousarray(values)

    return Planes(_to_front(f, axis), restore, dtype)


def _tensor_as_planes(image: Tensor, axis: int | None) -> Planes[Tensor]:
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


def _to_front(picture: Tensor, axis: int | None) -> Tensor:
    if axis is None:
        return picture[None]
    return picture.movedim(axis, 0)


def _from_front(u: Tensor, axis: int | None) -> Tensor:
    if axis is None:
        return u[0]
    return u.movedim(0, axis)


def _find_channel_axis(shape: tuple[int, ...], asked: int | None, axes: int, default: int) -> int | None:
    """Return the axis of the channels: ``default`` where none is asked for, None where there is none."""
    what = "picture"
    layout = "H, W"
    if axes == 3:
        what = "volume"
        layout = "D, H, W"
    if len(shape) == axes:
        if asked is None:
            return None
        raise ArrayError("channel_axis", f"a {what} of {axes} dimensions has no channels", "leave it out")
    if len(shape) != axes + 1:
        problem = f"{len(shape)} dimensions of shape {tuple(shape)} are not one {what}"
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
    if not -len(shape) <= asked < len(shape):
        problem = f"{asked} is not an axis of shape {tuple(shape)}"
        remedy = f"use one from {-len(shape)} to {axes}"
        raise ArrayError("channel_axis", problem, remedy)
    return int(asked)


def _is_doubtful(shape: tuple[int, ...], default: int) -> bool:
    """Return whether the channels may lie elsewhere than at ``default``, the last axis or the first."""
    if default == -1:
        return shape[-1] > FEW_CHANNELS
    # Many "channels" in front of few columns: it is (H, W, C).
    return shape[-1] <= FEW_CHANNELS < shape[0]
