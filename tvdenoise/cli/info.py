"""``tvdenoise info``: what the reader understands of files, or what there is on this machine."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tvdenoise.cli import messages, options, values
from tvdenoise.errors import TVDenoiseError

MENTION = "[bold]tvdenoise info FILE...[/bold] tells what is read from files."


def command(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="Pictures; - is standard input. None: versions, devices and formats."),
    ] = None,
    axes: options.Axes = None,
    volume: Annotated[bool, options.setting("volume")] = False,
    max_pixels: options.MaxPixels = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per file.")] = False,
) -> int:
    """Show what tvdenoise reads from files: format, axes, type, range, metadata, memory and device."""
    from tvdenoise import images
    from tvdenoise.images.facts import describe, device, installation

    if not files:
        messages.data(json.dumps(installation()) if as_json else messages.installation_text(installation()))
        return 0
    reading = values.read_options(axes=axes, max_pixels=max_pixels, nonfinite="keep")
    worst = 0
    for path in values.matched(files):
        try:
            file = images.read(path, reading)
        except TVDenoiseError as error:
            messages.failure(messages.error_text(error))
            worst = max(worst, error.exit_code)
            continue
        facts = describe(file, volume=volume) | {"device": device(file, volume=volume)}
        messages.data(
            json.dumps({"input": str(path)} | facts)
            if as_json
            else messages.one_line(f"{path}: {messages.file_line(facts)}")
        )
    return worst
