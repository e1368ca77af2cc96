"""An array or a tensor as planes (C, ...) on the unit scale, and the way back to its kind, shape and type."""

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tvdenoise.arrays import intensity
from tvdenoise.arrays.intensity import UNIT, Range
from tvdenoise.errors import ArrayError
from tvdenoise.model import tensors
from tvdenoise.options.kinds import FEW_CHANNELS

Array = NDArray[Any]
Image = TypeVar("Image", Array, Tensor)
Axis = int | None  # of the channels; None where there is none


class Planes(NamedTuple, Generic[Image]):
    """A picture (C, H, W), or a volume (C, D, H, W), on the unit scale, and the way back."""

    f: Tensor
    scale: Range  # the numbers of the image that stand for black and white
    # From planes to the kind, shape and type of the image they were made of, and how far that moves them: RMS, on the
    # unit scale, where the type is one of floats.
    restore: Callable[[Tensor], tuple[Image, float]]
    dtype: torch.dtype | None  # that type, if it is one of floats


def as_planes(image: Image, channel_axis: Axis, axes: Literal[2, 3] = 2, scale: Range | None = None) -> Planes[Image]:
    """Return one picture, or with ``axes=3`` one volume, as planes; without a scale, by :func:`measure_range`.

    Raises :class:`ArrayError` unless it has finite numbers, of a type that has an intensity range.
    """
    if isinstance(image, np.ndarray):
        axis = _find_channel_axis(image.shape, channel_axis, axes, default=-1)
        return _array_as_planes(image, axis, scale)
    if isinstance(image, Tensor):
        _check_tensor(image)
        axis = _find_channel_axis(image.shape, channel_axis, axes, default=0)
        return _tensor_as_planes(image, axis, scale)
    problem = f"it is of type {type(image).__name__}"
    remedy = "give a NumPy array, such as numpy.asarray makes (of a PIL image in mode L or RGB), or a torch tensor"
    raise ArrayError("image", problem, remedy)


def _check_tensor(image: Tensor) -> None:
    """Raise :class:`ArrayError` unless the values are there, and of a type that has a range."""
    is_narrow = image.is_floating_point() and image.itemsize < 2
    is_packed = image.layout != torch.strided or image.is_nested or image.is_quantized
    if is_packed or is_narrow or image.is_meta:
        problem = f"it is a tensor of layout {image.layout}, type {image.dtype} on {image.device}"
        remedy = "give a dense one, with values, of floats of 16 bits or more, or integers"
        raise ArrayError("image", problem, remedy)
    is_traced = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    if is_traced or not _can_be_read(image):
        problem = "its values cannot be read inside vmap, torch.func or other transforms of functions"
        remedy = "call denoise outside, on plain tensors; for gradients TotalVariation is the loss"
        raise ArrayError("image", problem, remedy)


def _can_be_read(image: Tensor) -> bool:
    try:
        image.data_ptr()  # which no tensor has under torch.func.grad, ...
        image.detach().reshape(-1)[:1].tolist()  # ... and this none that is masked or functionalized
    except RuntimeError:
        return False
    return True


def _array_as_planes(image: Array, axis: Axis, scale: Range | None) -> Planes[Array]:
    intensity.check_plain("image", image)
    intensity.check_type("image", image.dtype)
    intensity.check_finite("image", image)
    if scale is None:
        scale = intensity.measure_range(image)
    if scale != UNIT:
        intensity.check_range("image", image, scale)
    unit = intensity.scale_to_unit(image, scale)
    # torch takes no read-only arrays and none with negative strides.
    f = torch.from_numpy(np.require(unit, requirements=["C", "W"]))
    dtype = None
    if image.dtype.kind == "f":
        dtype = getattr(torch, image.dtype.name)

    def restore(u: Tensor) -> tuple[Array, float]:
        solved = tensors.contiguous_copy(_from_front(u, axis)).numpy(force=True)
        values = intensity.scale_from_unit(solved, scale, image.dtype)
        if dtype is not None and scale != UNIT:  # what has not changed keeps its bits
            np.copyto(values, image, where=solved == unit)
        rounding = intensity.measure_rounding(solved, values, scale)
        return np.ascontiguousarray(values), rounding

    return Planes(_to_front(f, axis), scale, restore, dtype)


def _tensor_as_planes(image: Tensor, axis: Axis, scale: Range | None) -> Planes[Tensor]:
    image = image.detach().resolve_neg()
    readable = image
    if image.is_floating_point():
        is_finite = torch.isfinite(image).all()
        if image.numel() and is_finite:
            low, high = image.aminmax()
            scale = scale or intensity.choose_range(float(low), float(high))
            if scale == UNIT:
                return _unit_tensor_as_planes(image, axis)
        wide_dtype = torch.promote_types(image.dtype, torch.float32)  # NumPy knows no bfloat16
        readable = image.to(wide_dtype)
    # Scaled, or refused, as an array is, on the CPU.
    array = _array_as_planes(readable.numpy(force=True), axis, scale)

    def restore(u: Tensor) -> tuple[Tensor, float]:
        values, rounding = array.restore(u)
        wide = torch.from_numpy(values)
        low, high = array.scale
        rounding += tensors.cast_error(wide, image.dtype) / (high - low)
        return wide.to(image.device, image.dtype), rounding

    dtype = None
    if image.is_floating_point():
        dtype = image.dtype
    return Planes(array.f, array.scale, restore, dtype)


def _unit_tensor_as_planes(image: Tensor, axis: Axis) -> Planes[Tensor]:
    """Return finite floats that are on the unit scale, on the device where they are."""

    def restore(u: Tensor) -> tuple[Tensor, float]:
        values = _from_front(u, axis).to(image.device, image.dtype)
        rounding = tensors.cast_error(u, image.dtype)
        return values, rounding

    return Planes(_to_front(image, axis), UNIT, restore, image.dtype)


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
