"""``tvdenoise info``: what the reader understands of files, or what there is on this machine."""

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
        found = installation()
        if as_json:
            messages.print_json(found)
        else:
            messages.print_data(messages.describe_installation(found))
        return 0
    reading = values.parse_reading(axes, None, max_pixels, nonfinite="keep")
    worst = 0
    for path in values.expand_patterns(files):
        try:
            file = images.read(path, reading)
        except TVDenoiseError as error:
            messages.print_error(error)
            worst = max(worst, error.exit_code)
            continue
        facts = {"input": str(path), **describe(file, volume=volume)}
        facts["device"] = device(file, volume=volume)
        sentence = f"{path}: {messages.describe_file(facts)}"
        messages.print_result(facts, sentence, as_json=as_json)
    return worst
