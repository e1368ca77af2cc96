"""Choose the device that computes: the one that was named, or the best one there is."""

import warnings

import torch

from tvdenoise.errors import DeviceError, PrecisionError

# Values of a picture from which on "auto" takes an accelerator: two cores need some 0.4 s for them at lambda 0.1, and
# an accelerator tenths of a second to start. The number of pictures does not count: a resumed run goes on alike.
MIN_VALUES_FOR_ACCELERATOR = 2**22

OUT_OF_MEMORY = ("out of memory", "out_of_device_memory", "invalid buffer size")  # say CUDA, Intel and Apple

_worker_index: int | None = None


def set_worker_index(index: int | None) -> None:
    """Let devices without an index mean accelerator ``index``, modulo their count, in this process."""
    global _worker_index
    _worker_index = index


def pick_device(name: str, home: torch.device, dtype: torch.dtype, values: int) -> torch.device:
    """Return the device called ``name`` for a picture of so many values, computed in ``dtype``.

    ``"auto"`` is ``home`` if that is an accelerator. Otherwise it is the accelerator if there is one that computes in
    ``dtype`` and there are :data:`MIN_VALUES_FOR_ACCELERATOR` values, else the CPU.

    Raises :class:`DeviceError` if the name is unknown to torch or the device is not there, :class:`PrecisionError` if
    it does not compute in ``dtype``.
    """
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if name == "auto":
        device = home
        is_large = values >= MIN_VALUES_FOR_ACCELERATOR
        if home.type == "cpu" and accelerator is not None and is_large:
            device = _with_index(accelerator)
        return device if _computes_in(dtype, device) else torch.device("cpu")
    remedy = "use auto or cpu" if accelerator is None else f"use auto, cpu or {accelerator.type}"
    try:
        with warnings.catch_warnings(action="ignore"):  # of kinds of devices that torch no longer supports
            device = torch.device(name)
    except RuntimeError:
        raise DeviceError(name, "torch knows no such device", remedy) from None
    if device.type == "cpu":
        return device
    count = torch.accelerator.device_count()
    is_there = (device.index or 0) < count
    if accelerator is None or device.type != accelerator.type or not is_there:
        raise DeviceError(name, "torch finds no such device on this machine", remedy)
    if not _computes_in(dtype, device):
        problem = f"{name} computes in float32 at most, too coarse for it or for the tolerance"
        raise PrecisionError("image", problem, "use the device cpu")
    return _with_index(device)


def _with_index(device: torch.device) -> torch.device:
    """Return the accelerator of this process if the device has no index, in turn with the other processes."""
    if _worker_index is None or device.index is not None:
        return device
    return torch.device(device.type, _worker_index % torch.accelerator.device_count())


def synchronize(device: torch.device) -> None:
    """Wait for the work queued on a device, so that a clock measures the work and not its launch."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error says that a device has too little memory."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    message = str(error).lower()
    return any(words in message for words in OUT_OF_MEMORY)


def knows_float64(device: torch.device) -> bool:
    """Return whether a device computes in float64: Apple's and some of Intel's do not."""
    if device.type == "xpu":
        return bool(torch.xpu.get_device_properties(device).has_fp64)
    return device.type != "mps"


def _computes_in(dtype: torch.dtype, device: torch.device) -> bool:
    return dtype != torch.float64 or knows_float64(device)
