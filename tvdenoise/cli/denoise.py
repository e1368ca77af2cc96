"""``tvdenoise INPUT``: denoise one picture."""

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tvdenoise import __version__
from tvdenoise.cli import messages
from tvdenoise.errors import SettingError, TVDenoiseError
from tvdenoise.kinds import ColorChoice, TVKind
from tvdenoise.methods import METHODS
from tvdenoise.settings import Settings

if TYPE_CHECKING:
    from tvdenoise.images import ReadOptions


Axes = Annotated[
    str | None,
    typer.Option(
        metavar="LETTERS",
        help="Name the axes of an array or a TIFF: Y, X, S or C for colours, others for pages. Default: what it says.",
        rich_help_panel="Model",
    ),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(metavar="INTEGER", help="Refuse pictures of more pixels a page [2^30].", rich_help_panel="Input"),
]
Nonfinite = Literal["refuse", "keep"]


def _print_version(asked: bool) -> None:
    if asked:
        messages.data(f"tvdenoise {__version__}")
        raise typer.Exit


def command(
    source: Annotated[
        Path,
        typer.Argument(metavar="INPUT", help="The picture, of any depth, in one page or many; - is standard input."),
    ],
    weight: Annotated[
        str,
        typer.Option(
            "--lambda",
            "-l",
            metavar="FLOAT|auto",
            help="Weight of the total variation, for intensities 0 to 1: larger is smoother. auto: chosen by the noise "
            "in the picture.",
        ),
    ] = "auto",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="File, folder that exists, or - for standard output. Default: INPUT_denoised beside it.",
            rich_help_panel="Output",
        ),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="NAME",
            help="Format of the output. Default: by its ending.",
            rich_help_panel="Output",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an output that exists.", rich_help_panel="Output")
    ] = False,
    allow_loss: Annotated[
        bool,
        typer.Option(
            "--allow-loss", help="Convert even where depth, alpha, pages or metadata go.", rich_help_panel="Output"
        ),
    ] = False,
    no_metadata: Annotated[
        bool,
        typer.Option(
            "--no-metadata", help="Write pixels and colour profile alone, turned upright.", rich_help_panel="Output"
        ),
    ] = False,
    scale: Annotated[
        str | None,
        typer.Option(
            "--range",
            metavar="LO,HI",
            help="The numbers that stand for 0 and 1. Default: the type's range; floats beyond -1 to 2, their own.",
            rich_help_panel="Input",
        ),
    ] = None,
    axes: Axes = None,
    nonfinite: Annotated[
        Nonfinite,
        typer.Option(
            help="Pixels that are NaN or infinite: refuse them, or keep them: each takes the value of the nearest "
            "finite pixel while its page is denoised, and is written back as it was.",
            rich_help_panel="Input",
        ),
    ] = "refuse",
    max_pixels: MaxPixels = None,
    sigma: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER",
            help="Standard deviation of the noise, for --lambda auto: in the file's units, or as a fraction of the "
            "range such as 25/255. Default: estimated.",
            rich_help_panel="Model",
        ),
    ] = None,
    tv: Annotated[
        TVKind | None,
        typer.Option(
            help="What is summed: |Dx u| + |Dy u|, or sqrt(|Dx u|^2 + |Dy u|^2). Default: anisotropic.",
            rich_help_panel="Model",
        ),
    ] = None,
    color: Annotated[
        ColorChoice | None,
        typer.Option(
            help="rgb: TV of each channel, summed. opponent: TV(L) + 2 TV(P) + 2 TV(Q) for L = (R+G+B)/sqrt 3, "
            "P = (R-B)/sqrt 2, Q = (R-2G+B)/sqrt 6; RGB only. coupled: differences as vectors over all channels. "
            "auto: opponent for RGB, rgb for all else. Default: rgb. Transparency is never touched.",
            rich_help_panel="Model",
        ),
    ] = None,
    preset: Annotated[
        Literal["best"] | None,
        typer.Option(
            help="best: --lambda auto --tv isotropic --color auto, but for what is said otherwise.",
            rich_help_panel="Model",
        ),
    ] = None,
    volume: Annotated[
        bool,
        typer.Option(
            "--volume",
            help="Couple the slices of a stack along its depth too, instead of denoising them one by one.",
            rich_help_panel="Model",
        ),
    ] = False,
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
        float | None,
        typer.Option(
            metavar="FLOAT",
            help="The result is certified to lie within this RMS of the exact minimiser, as a fraction of the range. "
            "Default: 0.001, or 0.04 lambda where that is less.",
            rich_help_panel="Solver",
        ),
    ] = None,
    max_steps: Annotated[
        int | None,
        typer.Option(metavar="INTEGER", help="Step limit. Default: the method's own.", rich_help_panel="Solver"),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:1, mps, xpu.", rich_help_panel="Solver")
    ] = "auto",
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="What the process may take, such as 4G or 800M; what does not fit lies in a scratch file beside the "
            "output. Default: half of what is free.",
            rich_help_panel="Solver",
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Clean picture: report PSNR and SSIM before and after; the peak is the range.",
            rich_help_panel="Report",
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
    from tvdenoise.cli.watching import watching
    from tvdenoise.images import STREAM, WriteOptions, check_source

    if as_json and output == STREAM:
        raise SettingError("json", "the picture goes to standard output itself", "name a file with --output")
    is_best = preset == "best"
    unit_sigma, file_sigma = _sigma(sigma)
    settings = Settings(
        weight=_weight(weight),
        tv=tv or ("isotropic" if is_best else "anisotropic"),
        color=color or ("auto" if is_best else "rgb"),
        sigma=unit_sigma,
        volume=volume,
        optimizer=optimizer,
        lr=lr,
        tol=tol,
        max_steps=max_steps,
        device=device,
    )
    check_source(source)
    output_format = _format(format_)
    task = job.Job(
        source,
        _target(source, output, output_format),
        settings,
        reference,
        file_sigma,
        reading(axes=axes, scale=scale, max_pixels=max_pixels, nonfinite=nonfinite),
        WriteOptions(output_format, allow_loss=allow_loss, metadata=not no_metadata),
        _bytes(memory),
    )
    task.check(overwrite=overwrite)
    try:
        with watching(settings, quiet=quiet, verbose=verbose) as watcher:
            row = job.run(task, watcher)
    except TVDenoiseError as error:
        if as_json and error.exit_code == 1:
            messages.data(json.dumps(job.failed(task, error).as_json()))
        raise
    if as_json:
        messages.data(json.dumps(row.as_json()))
    if quiet:
        return
    messages.note(messages.summary(row, watcher.facts))
    if verbose:
        from tvdenoise.engine import trouble

        model = f"{row.tv}, {row.figures.color}" + (", slices coupled" if volume else "")
        if trouble():
            messages.note(f"computed by torch alone, which takes several times as long: {trouble()}")
        messages.note(f"energy {row.figures.energy:.6g}, gap {row.figures.gap:.3g}, {model}")
    if reference is not None:
        messages.note(f"{messages.comparison(row)} against {reference}")


def reading(
    *, axes: str | None, max_pixels: int | None, nonfinite: Nonfinite, scale: str | None = None
) -> "ReadOptions":
    """Return what the flags say of reading, or raise :class:`SettingError`."""
    from tvdenoise.images import MAX_PIXELS, ReadOptions

    if max_pixels is not None and max_pixels < 1:
        raise SettingError("max_pixels", f"{max_pixels} is not a number of 1 or more", "leave it out")
    return ReadOptions(axes, _range(scale), nonfinite, max_pixels or MAX_PIXELS)


def _weight(text: str) -> float | Literal["auto"]:
    if text == "auto":
        return "auto"
    try:
        return float(text)
    except ValueError:
        raise SettingError("weight", f"{text!r} is neither a number nor auto", "leave it out for auto") from None


def _sigma(text: str | None) -> tuple[float | None, float | None]:
    """Return sigma on the unit scale, if given as a fraction, and in the file's units, if given as a number."""
    if text is None:
        return None, None
    try:
        numerator, *denominator = (float(number) for number in text.split("/", 1))
        value = numerator / denominator[0] if denominator else numerator
    except (ValueError, ZeroDivisionError):
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise SettingError("sigma", f"{text!r} is not a number of 0 or more", "give such as 25, or 25/255")
    return (value, None) if denominator else (None, value)


def _range(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = (float(number) for number in text.split(","))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise SettingError("range", f"{text!r} is not two finite numbers, the smaller first", "give such as 0,4095")
    return low, high


def _bytes(text: str | None) -> int | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmgt]?)(?:i?b)?", text.strip().lower())
    if found is None:
        raise SettingError("memory", f"{text!r} is not a size", "give such as 4G or 800M")
    return int(float(found[1]) * 1024 ** " kmgt".index(found[2] or " "))


def _format(name: str | None) -> str | None:
    from tvdenoise.images import format_called

    if name is None:
        return None
    found = format_called(name)
    if found is None:
        from tvdenoise.images import FORMATS

        raise SettingError("format", f"{name!r} is unknown", f"choose from {', '.join(FORMATS).lower()}")
    return found


def _target(source: Path, output: Path | None, format_: str | None) -> Path:
    """Return where the result goes: beside the source when nothing is said, into a folder under the source's name."""
    if output is None:
        return source if str(source) == "-" else _ending(source.with_stem(f"{source.stem}_denoised"), format_)
    return output / _ending(Path(source.name), format_) if _is_folder(output) else output


def _ending(path: Path, format_: str | None) -> Path:
    """Return a path that ends as files of a format do."""
    from tvdenoise.images import FORMATS

    if format_ is None or path.suffix.lower() in FORMATS[format_].endings:
        return path
    return path.with_suffix(FORMATS[format_].endings[0])


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name too long, say: told when the target is checked
        return False
