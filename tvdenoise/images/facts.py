"""What a picture file and this machine are, in facts: for people who wonder what will be read, kept and needed."""

import math
from importlib.metadata import PackageNotFoundError, version
from operator import attrgetter
from typing import Any

import numpy as np

from tvdenoise.arrays import intensity
from tvdenoise.images import FORMATS, Picture, PictureFile
from tvdenoise.options.kinds import ColorChoice

SAMPLE = 2**20  # values that are looked at to find a mark of no data
LEAST_SHARE = 0.005  # of pixels with such a mark

# What results depend on.
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


def describe(file: PictureFile, *, volume: bool = False, color: ColorChoice = "rgb") -> dict[str, Any]:
    """Return what there is to know of a file; one whose pages differ is described by its first part."""
    first = file.parts[0]
    values = intensity.find_extremes(first.pixels, first.nodata)
    lost = [f"cannot be kept: {loss}" for loss in file.losses]
    return {
        "format": file.format,
        "shape": first.pixels.shape,
        "axes": first.axes,
        "dtype": str(first.pixels.dtype),
        "values": values,
        "range": first.scale,
        "nodata": first.nodata,
        "spacing": file.spacing,
        "colours": _colours(first),
        "channels_apart": first.colours if first.is_by_channel(color) else 1,  # which are denoised one by one
        "pages": file.page_count,
        "metadata": list(file.metadata_names),
        "notes": [*_differences(file), *file.notes, *lost],
        "flaws": list(file.flaws),
        "warnings": [*_warnings(file), *_find_markers(first, values)],
        "hints": _hints(first, values),
        "memory": _memory(file, volume=volume, color=color),
    }


def _memory(file: PictureFile, *, volume: bool, color: ColorChoice) -> int:
    """Return the bytes that denoising takes: the file twice, and the arrays of the solver for its largest page."""
    held = sum(part.pixels.nbytes for part in file.parts)
    page = 0
    for part in file.parts:
        size = _solve_size(part, volume=volume, color=color)
        page = max(page, size * part.unit_type.itemsize)
    arrays = 9 if volume else 7  # f, two pictures like it, and two fields of 3 or 2 components
    return 2 * held + arrays * page


def _solve_size(part: Picture, *, volume: bool, color: ColorChoice = "rgb") -> int:
    page = next(part.pages_to_solve(volume=volume, color=color))
    return part.by_page[page].size


def _differences(file: PictureFile) -> list[str]:
    """Say what differs among the pages, if anything does."""
    attributes = {"axes": "axes", "type": "pixels.dtype", "range": "scale"}
    differing = []
    for name, attribute in attributes.items():
        found = set(map(attrgetter(attribute), file.parts))
        if len(found) > 1:
            differing.append(name)
    return [f"pages of other {' and '.join(differing)} too"] if differing else []


def _warnings(file: PictureFile) -> list[str]:
    if file.misnamed is None:
        return []
    return [f"its ending says {file.misnamed}, but it is a {file.format} file: it is treated as one and keeps its name"]


def _find_markers(part: Picture, values: intensity.Range) -> list[str]:
    """Name a number that many pixels have, far from all others, which may be a mark of no data."""
    is_own_range = part.pixels.dtype.kind == "f" and part.scale == values
    is_below_black = part.pixels.dtype.kind == "i" and values[0] < 0
    if not (is_own_range or is_below_black) or not (part.nodata is None or math.isnan(part.nodata)):
        return []
    flat = part.pixels.ravel("K")
    some = flat[:: max(1, flat.size // SAMPLE)].astype(np.float64)
    some = some[np.isfinite(some)]
    for end in values:
        others = some[some != end]
        share = 1 - others.size / max(some.size, 1)
        least, largest = intensity.find_extremes(others)
        if max(least - end, end - largest) > largest - least > 0 and LEAST_SHARE < share < 1:
            say = f"if it stands for no data, say --nodata {end:.9g}"
            return [f"many of its pixels are {end:.9g}, far from all others: {say}"]
    return []


def _hints(part: Picture, values: intensity.Range) -> list[str]:
    """Say where a picture uses so little of its range, which nobody gave, that its white may be elsewhere."""
    least, largest = values
    _, top = part.scale
    if part.scale != part.type_range or least < 0 or largest == 0:
        return []
    white = largest
    if part.pixels.dtype.kind in "iu":
        bits = max(8, int(largest).bit_length())
        bits += bits % 2  # cameras have 8, 10, 12 or 14
        white = 2**bits - 1
    if 4 * white > top:
        return []
    return [f"no value above {white:.6g} of {top:.0f}: if that is its white, say --range 0,{white:.6g}"]


def _colours(part: Picture) -> str:
    name = "gray"
    if part.is_cmyk:
        name = "CMYK"
    elif part.is_rgb:
        name = "RGB"
    elif part.has_channels:
        name = f"{part.colours} channels"
    return f"{name} with alpha" if part.alpha else name


def device(file: PictureFile, *, volume: bool = False) -> str:
    """Return the device on which ``"auto"`` solves the largest page, or volume, of a file."""
    import torch  # late: it takes longer to load than all else here

    from tvdenoise.machine.devices import pick_device

    is_wide = any(part.unit_type.itemsize > 4 for part in file.parts)
    dtype = torch.float64 if is_wide else torch.float32
    size = max(_solve_size(part, volume=volume) for part in file.parts)
    return str(pick_device("auto", torch.device("cpu"), dtype, size))


def installation() -> dict[str, Any]:
    """Return the versions of what results depend on (None: not installed), the devices, and endings by format."""
    import torch

    devices = [f"cpu ({torch.get_num_threads()} threads)"]
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is not None:
        count = torch.accelerator.device_count()
        devices += [f"{accelerator}:{i}" for i in range(count)]
    return {
        "versions": {name: _version(name) for name in PACKAGES},
        "devices": devices,
        "formats": {name: row.endings for name, row in FORMATS.items()},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
