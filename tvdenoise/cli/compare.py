"""``tvdenoise compare REFERENCE IMAGE...``: how far pictures are from a clean one."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tvdenoise.cli import messages, options, values
from tvdenoise.errors import TVDenoiseError

MENTION = "[bold]tvdenoise compare REFERENCE IMAGE...[/bold] measures PSNR, SSIM and MSE."


def command(
    reference: Annotated[Path, typer.Argument(metavar="REFERENCE", help="The clean picture.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Pictures of the same size and colours.")],
    axes: options.Axes = None,
    max_pixels: options.MaxPixels = None,
    scale: Annotated[
        str | None,
        typer.Option(
            "--range",
            metavar="LO,HI",
            help="The numbers that stand for 0 and 1 in the reference, and in pictures of its type. Default: its own.",
            rich_help_panel="Input",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per picture.")] = False,
) -> None:
    """Measure PSNR, SSIM, MSE and the largest difference of pictures from a clean one, unclipped, on its range."""
    from tvdenoise import images as files
    from tvdenoise.experiments.comparison import compare_files
    from tvdenoise.files.rows import finite
    from tvdenoise.images.facts import describe

    reading, worst = values.read_options(axes=axes, scale=scale, max_pixels=max_pixels), 0
    clean = files.read(reference, reading)
    for hint in [] if scale else describe(clean)["hints"]:
        messages.note(f"{reference}: {hint}")
    for path in values.matched(images):
        try:
            row = compare_files(clean, path, reading)
        except TVDenoiseError as error:
            messages.failure(messages.error_text(error))
            worst = max(worst, error.exit_code)
            continue
        messages.data(json.dumps(finite(row)) if as_json else messages.one_line(_sentence(row)))
    raise typer.Exit(worst)


def _sentence(row: dict[str, Any]) -> str:
    ssim = "" if row["ssim"] is None else f", SSIM {row['ssim']:.4f}"
    low, high = row["range"]
    return (
        f"{row['input']}: PSNR {row['psnr']:.2f} dB{ssim}, MSE {row['mse']:.4g}, largest difference "
        f"{row['largest']:.4g} (of {messages.span(low, high)}, unclipped)"
    )
