"""From the name of a device to one that is there."""

import torch

from tvdenoise.errors import DeviceError


def pick_device(name: str, home: torch.device) -> torch.device:
    """Return the device called ``name``; ``"auto"`` is ``home`` if that is an accelerator, else one if there is any.

    Raises
    ------
    DeviceError
        If the name is unknown to torch or the device is not there.
    """
    there = torch.accelerator.current_accelerator(check_available=True)
    if name == "auto":
        return home if home.type != "cpu" or there is None else there
    remedy = f"use auto, cpu or {there.type}" if there is not None else "use auto or cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(name, "torch knows no such device", remedy) from None
    if device.type == "cpu":
        return device
    if there is None or device.type != there.type or (device.index or 0) >= torch.accelerator.device_count():
        raise DeviceError(name, "torch finds no such device on this machine", remedy)
    return device
