"""``tvdenoise compare REFERENCE IMAGE...``: how far pictures are from a clean one."""

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
) -> int:
    """Measure PSNR, SSIM, MSE and the largest difference of pictures from a clean one, unclipped, on its range."""
    from tvdenoise import images as files
    from tvdenoise.experiments.comparison import compare_files
    from tvdenoise.files.rows import finite
    from tvdenoise.images.facts import describe

    reading = values.parse_reading(axes, scale, max_pixels)
    clean = files.read(reference, reading)
    if not scale:
        for hint in describe(clean)["hints"]:
            messages.note(f"{reference}: {hint}")
    worst = 0
    for path in values.expand_patterns(images):
        try:
            row = compare_files(clean, path, reading)
        except TVDenoiseError as error:
            messages.print_error(error)
            worst = max(worst, error.exit_code)
            continue
        messages.print_result(finite(row), _describe(row), as_json=as_json)
    return worst


def _describe(row: dict[str, Any]) -> str:
    quality = f"PSNR {row['psnr']:.2f} dB"
    if row["ssim"] is not None:
        quality += f", SSIM {row['ssim']:.4f}"
    scale = messages.format_range(*row["range"])
    largest = f"largest difference {row['largest']:.6g} (of {scale}, unclipped)"
    error = f"MSE {row['mse']:.4g}"
    return f"{row['input']}: {quality}, {error}, {largest}"
