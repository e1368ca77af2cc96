"""What a picture file and this machine are, in facts: for people who wonder what will be read, kept and needed."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tvdenoise.arrays import intensity
from tvdenoise.images import FORMATS, Picture, PictureFile
from tvdenoise.options.kinds import ColorChoice

PACKAGES = (
    "tvdenoise",
    "torch",
    "triton",
    "numpy",
    "pillow",
    "tifffile",
    "imagecodecs",
    "netpbmfile",
    "scikit-image",
    "astropy",
)
"""What results depend on."""


def describe(file: PictureFile, *, volume: bool = False, color: ColorChoice = "rgb") -> dict[str, Any]:
    """Return format, shape, axes, type, values, range, spacing, colours, pages, metadata, notes, hints, bytes.

    A file whose pages differ is described by the first kind of them. ``channels_apart`` counts the channels that are
    denoised one by one.
    """
    first, axes = file.parts[0], 3 if volume else 2
    values = intensity.find_extremes(first.pixels)
    held = sum(part.pixels.nbytes for part in file.parts)
    page = max(part.unit_type.itemsize * part.solved_together(volume=volume, color=color) for part in file.parts)
    return {
        "format": file.format,
        "shape": first.pixels.shape,
        "axes": first.axes,
        "dtype": str(first.pixels.dtype),
        "values": values,
        "range": first.scale,
        "spacing": file.spacing,
        "colours": _colours(first),
        "channels_apart": first.colours if first.is_by_channel(color) else 1,
        "pages": file.page_count,
        "metadata": [*file.metadata.kinds, *file.kinds],
        "notes": [*_kinds(file), *file.notes, *(f"cannot be kept: {loss}" for loss in file.losses)],
        "hints": _hints(first, values),
        "memory": 2 * held + (3 + 2 * axes) * page,  # f, two pictures like it, and two fields
    }


def _kinds(file: PictureFile) -> list[str]:
    """Say what differs among the pages, if anything does."""
    parts = [(part.axes, part.pixels.dtype, part.scale) for part in file.parts]
    names = ("axes", "type", "range")
    differing = [name for name, *values in zip(names, *parts, strict=True) if len(set(values)) > 1]
    return [f"pages of other {' and '.join(differing)} too"] if differing else []


def _hints(part: Picture, values: intensity.Range) -> list[str]:
    """Say where an integer picture uses so little of its type's range that its white may be elsewhere."""
    (least, largest), top = values, part.scale[1]
    bits = max(8, int(largest).bit_length())
    white = 2 ** (bits + bits % 2) - 1  # cameras have 8, 10, 12 or 14
    is_by_type = part.pixels.dtype.kind in "iu" and part.scale == intensity.type_range(part.pixels.dtype)
    if not is_by_type or least < 0 or largest == 0 or 4 * white > top:
        return []
    return [f"no value above {white} of {top:.0f}: if that is its white, say --range 0,{white}"]


def _colours(part: Picture) -> str:
    names = {"CMYK": part.is_cmyk, "RGB": part.is_rgb, f"{part.colours} channels": part.has_channels, "gray": True}
    name = next(name for name, is_so in names.items() if is_so)
    return f"{name} with alpha" if part.alpha else name


def device(file: PictureFile, *, volume: bool = False) -> str:
    """Return the device on which ``"auto"`` solves the largest page, or volume, of a file."""
    import torch  # late: it takes longer to load than all else here

    from tvdenoise.machine.devices import pick_device

    is_wide = any(part.unit_type.itemsize > 4 for part in file.parts)
    values = max(part.solved_together(volume=volume) for part in file.parts)
    return str(pick_device("auto", torch.device("cpu"), torch.float64 if is_wide else torch.float32, values))


def installation() -> dict[str, Any]:
    """Return the versions of what results depend on (None: not installed), the devices, and endings by format."""
    import torch

    there = torch.accelerator.current_accelerator(check_available=True)
    count = 0 if there is None else torch.accelerator.device_count()
    return {
        "versions": {name: _version(name) for name in PACKAGES},
        "devices": [f"cpu ({torch.get_num_threads()} threads)", *(f"{there}:{i}" for i in range(count))],
        "formats": {name: row.endings for name, row in FORMATS.items()},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
