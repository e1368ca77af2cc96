"""``tvdenoise info FILE...``: what the reader understands of files."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tvdenoise.cli import messages
from tvdenoise.cli.denoise import Axes, MaxPixels, reading
from tvdenoise.errors import TVDenoiseError

MENTION = "Another command: [bold]tvdenoise info FILE...[/bold] tells what is read from files."


def command(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Pictures; - is standard input.")],
    axes: Axes = None,
    max_pixels: MaxPixels = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a file.")] = False,
) -> int:
    """Tell what the reader understands of files: format, axes, type, range, metadata, memory."""
    from tvdenoise import images
    from tvdenoise.description import describe

    options = reading(axes=axes, max_pixels=max_pixels, nonfinite="keep")
    worst = 0
    for path in files:
        try:
            facts = describe(images.read(path, options))
        except TVDenoiseError as error:
            messages.failure(str(error))
            worst = max(worst, error.exit_code)
            continue
        if as_json:
            print(json.dumps({"input": str(path)} | facts))
        else:
            print(f"{path}: {messages.sentence(facts)}")
    return worst
