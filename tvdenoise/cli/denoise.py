"""``tvdenoise INPUT``: denoise one picture."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tvdenoise import __version__
from tvdenoise.cli import messages
from tvdenoise.errors import TVDenoiseError
from tvdenoise.kinds import TVKind
from tvdenoise.methods import METHODS
from tvdenoise.settings import DEFAULT_TOL, Settings

FLAGS = {"weight": "lambda", "max_steps": "max-steps"}
"""The flags whose names are not those of the fields of Settings."""


def _print_version(asked: bool) -> None:
    if asked:
        print(f"tvdenoise {__version__}")
        raise typer.Exit


def command(
    source: Annotated[
        Path, typer.Argument(metavar="INPUT", help="The picture: 8-bit gray or RGB PNG, JPEG, BMP or WebP, or .npy.")
    ],
    weight: Annotated[
        float,
        typer.Option(
            "--lambda",
            "-l",
            metavar="FLOAT",
            help="Weight of the total variation, for intensities 0 to 1: larger is smoother.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="File, or folder that exists. Default: INPUT_denoised beside it.",
            rich_help_panel="Output",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an output that exists.", rich_help_panel="Output")
    ] = False,
    tv: Annotated[
        TVKind,
        typer.Option(
            help="Sum of the absolute differences, or of the lengths of their vectors.", rich_help_panel="Model"
        ),
    ] = "anisotropic",
    optimizer: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=f"One of {', '.join(METHODS)}.",
            rich_help_panel="Solver",
            autocompletion=lambda incomplete: [name for name in METHODS if name.startswith(incomplete)],
        ),
    ] = "fista",
    lr: Annotated[
        float | None,
        typer.Option(
            metavar="FLOAT", help="The optimizer's rate. Default: the method's own.", rich_help_panel="Solver"
        ),
    ] = None,
    tol: Annotated[
        float,
        typer.Option(
            metavar="FLOAT",
            help="The result is certified to lie within this RMS of the exact minimiser, as a fraction of the range.",
            rich_help_panel="Solver",
        ),
    ] = DEFAULT_TOL,
    max_steps: Annotated[
        int | None,
        typer.Option(metavar="INTEGER", help="Step limit. Default: the method's own.", rich_help_panel="Solver"),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:1, mps, xpu.", rich_help_panel="Solver")
    ] = "auto",
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Clean picture: report PSNR and SSIM before and after.", rich_help_panel="Report"
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout.", rich_help_panel="Report")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.", rich_help_panel="Report")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say what was read and reached.", rich_help_panel="Report")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Remove noise from a picture and keep its edges, with a proof of how close the answer is to the exact one.

    Minimises 1/2 ||u - f||^2 + lambda TV(u) over pictures u, where f is the input with intensities in [0, 1].
    """
    from tvdenoise import job  # NumPy and Pillow load here: --help does not wait for them

    settings = Settings(weight, tv, optimizer, lr, tol, max_steps, device)
    task = job.Job(source, _target(source, output), settings, reference)
    task.check(overwrite=overwrite)
    try:
        with messages.progress_bar(tol, shown=not quiet) as callback:
            on_read = (lambda picture: messages.note(f"{source}: {messages.described(picture)}")) if verbose else None
            row = job.run(task, on_read=on_read, callback=callback)
    except TVDenoiseError as error:
        if as_json and error.exit_code == 1:
            print(json.dumps(job.failed(task, error).as_json()))
        raise
    if as_json:
        print(json.dumps(row.as_json()))
    if quiet:
        return
    messages.note(messages.summary(row, tol))
    if verbose:
        messages.note(f"energy {row.energy:.6g}, gap {row.gap:.3g}, {row.tv}")
    if reference is not None:
        messages.note(f"{messages.comparison(row)} against {reference}")


def _target(source: Path, output: Path | None) -> Path:
    """Return where the result goes: beside the source when nothing is said, into a folder under the source's name."""
    if output is None:
        return source.with_name(f"{source.stem}_denoised{source.suffix}")
    return output / source.name if output.is_dir() else output
