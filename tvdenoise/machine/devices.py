"""From the name of a device to one that is there."""

import warnings

import torch

from tvdenoise.errors import DeviceError, PrecisionError

MIN_VALUES_FOR_ACCELERATOR = 2**22
"""Values of a picture from which on an accelerator is taken without being asked for: two cores need some 0.4 s for them
at lambda 0.1, and an accelerator takes tenths of a second to start. The picture decides and not how many there are, so
that a run that is broken off and taken up again goes on in the same way."""

OUT_OF_MEMORY = ("out of memory", "out_of_device_memory", "invalid buffer size")
"""What CUDA, Intel's and Apple's say."""


_turn: int | None = None


def set_worker_index(turn: int) -> None:
    """Give this process accelerator number ``turn``, modulo their count, wherever the name of a device has no index."""
    global _turn
    _turn = turn


def pick_device(name: str, home: torch.device, dtype: torch.dtype, values: int) -> torch.device:
    """Return the device called ``name`` for so many values, which must know numbers of type ``dtype``.

    ``"auto"`` is ``home`` if that is an accelerator, else one that does, if there is any
    and there are :data:`MIN_VALUES_FOR_ACCELERATOR` values, else the CPU.

    Raises
    ------
    DeviceError
        If the name is unknown to torch, or the device is not there.
    PrecisionError
        If it does not know the type.
    """
    there = torch.accelerator.current_accelerator(check_available=True)
    if name == "auto":
        is_worth_it = home.type == "cpu" and values >= MIN_VALUES_FOR_ACCELERATOR
        device = home if there is None or not is_worth_it else _for_worker(there)
        return device if _knows(device, dtype) else torch.device("cpu")
    remedy = f"use auto, cpu or {there.type}" if there is not None else "use auto or cpu"
    try:
        with warnings.catch_warnings(action="ignore"):  # of devices that are there no more
            device = torch.device(name)
    except RuntimeError:
        raise DeviceError(name, "torch knows no such device", remedy) from None
    if device.type == "cpu":
        return device
    if there is None or device.type != there.type or (device.index or 0) >= torch.accelerator.device_count():
        raise DeviceError(name, "torch finds no such device on this machine", remedy)
    if not _knows(device, dtype):
        problem = f"{name} computes in float32 at most, too coarse for it or for the tolerance"
        raise PrecisionError("image", problem, "use the device cpu")
    return _for_worker(device)


def _for_worker(device: torch.device) -> torch.device:
    """Return the device, of several that whose turn it is where no number is told."""
    if _turn is None or device.index is not None:
        return device
    return torch.device(device.type, _turn % torch.accelerator.device_count())


def synchronize(device: torch.device) -> None:
    """Wait for what is queued on a device, so that a clock measures work and not its launch."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether a device had too little memory, for whatever it was that it needed it."""
    said = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or any(words in said for words in OUT_OF_MEMORY)


def knows_float64(device: torch.device) -> bool:
    """Return whether a device computes in float64: Apple's and some of Intel's do not."""
    if device.type == "xpu":
        return bool(torch.xpu.get_device_properties(device).has_fp64)
    return device.type != "mps"


def _knows(device: torch.device, dtype: torch.dtype) -> bool:
    return dtype != torch.float64 or knows_float64(device)
