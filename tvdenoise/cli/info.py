"""``tvdenoise info``: what the reader understands of files, or what there is on this machine."""

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tvdenoise.cli import messages
from tvdenoise.cli.denoise import Axes, MaxPixels, reading
from tvdenoise.errors import TVDenoiseError

if TYPE_CHECKING:
    from tvdenoise.images import PictureFile

MENTION = "Another command: [bold]tvdenoise info FILE...[/bold] tells what is read from files."

PACKAGES = ("tvdenoise", "torch", "numpy", "pillow", "tifffile", "imagecodecs", "scikit-image", "astropy")


def command(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", help="Pictures; - is standard input. None: versions, devices and formats."),
    ] = None,
    axes: Axes = None,
    max_pixels: MaxPixels = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a file.")] = False,
) -> int:
    """Tell what the reader understands of files: format, axes, type, range, metadata, memory and device."""
    from tvdenoise import images
    from tvdenoise.description import describe

    if not files:
        print(json.dumps(machine()) if as_json else messages.listed(machine()))
        return 0
    options = reading(axes=axes, max_pixels=max_pixels, nonfinite="keep")
    worst = 0
    for path in files:
        try:
            file = images.read(path, options)
        except TVDenoiseError as error:
            messages.failure(str(error))
            worst = max(worst, error.exit_code)
            continue
        facts = describe(file) | {"device": _device(file)}
        print(json.dumps({"input": str(path)} | facts) if as_json else f"{path}: {messages.sentence(facts)}")
    return worst


def machine() -> dict[str, Any]:
    """Return versions, devices and formats."""
    import torch

    from tvdenoise.images import FORMATS

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


def _device(file: "PictureFile") -> str:
    """Return the device on which ``--device auto`` solves a file."""
    import torch

    from tvdenoise.devices import pick_device

    wide = any(part.unit_type.itemsize > 4 for part in file.parts)
    return str(pick_device("auto", torch.device("cpu"), torch.float64 if wide else torch.float32))
