"""From the name of a device to one that is there."""

import warnings

import torch

from tvdenoise.errors import DeviceError

WORTH = 2**22
"""Values of a picture from which on an accelerator is taken without being asked for: two cores need some 0.4 s for them
at lambda 0.1, and an accelerator takes tenths of a second to start. The picture decides and not how many there are, so
that a run that is broken off and taken up again goes on in the same way."""


def pick_device(name: str, home: torch.device, dtype: torch.dtype, values: int) -> torch.device:
    """Return the device called ``name`` for so many values, which must know numbers of type ``dtype``.

    ``"auto"`` is ``home`` if that is an accelerator, else one if there is any that does and they are :data:`WORTH` it,
    else the CPU.

    Raises
    ------
    DeviceError
        If the name is unknown to torch, the device is not there, or it does not know the type.
    """
    there = torch.accelerator.current_accelerator(check_available=True)
    if name == "auto":
        device = home if home.type != "cpu" or there is None or values < WORTH else there
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
        raise DeviceError(name, "it computes in float32 at most, too coarse for this picture or tolerance", "use cpu")
    return device


def synchronize(device: torch.device) -> None:
    """Wait for what is queued on a device, so that a clock measures work and not its launch."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether a device had too little memory, for whatever it was that it needed it."""
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error).lower()


def _knows(device: torch.device, dtype: torch.dtype) -> bool:
    """Return whether a device computes in ``dtype``: Apple's knows no float64."""
    return device.type != "mps" or dtype != torch.float64
