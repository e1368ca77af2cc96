"""``tvdenoise INPUT...``: denoise one picture or many."""

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tvdenoise import __version__
from tvdenoise.cli import messages, options, values
from tvdenoise.cli.runs import RunOptions
from tvdenoise.errors import InputError, OutputError, SettingError
from tvdenoise.options.kinds import Nonfinite

if TYPE_CHECKING:
    from tvdenoise.files.job import Job
    from tvdenoise.files.plan import Pair


SUSPICIOUS_LAMBDA = 2
"""Lambda above which hardly anything remains of a picture: it may be meant for other intensities."""

SEPARATORS = ("/", os.sep)
"""What a path ends in that is meant to be a folder."""


def _print_version(asked: bool) -> None:
    if asked:
        messages.data(f"tvdenoise {__version__}")
        raise typer.Exit


def _other_commands(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the first word, where it begins as no file does, but as another command."""
    if context.params.get("sources"):
        return []
    group = context.parent and context.parent.command
    names = [name for name in getattr(group, "commands", ()) if incomplete and name.startswith(incomplete)]
    return [] if names and any(Path().glob(f"{incomplete}*")) else names


@options.with_settings
def command(
    *,
    sources: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="INPUT",
            parser=values.path_of,
            help="Pictures, of any depth, in one page or many, and folders of them; - is standard input.",
            show_default=False,
            autocompletion=_other_commands,
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="File, or - for standard output; a folder if it is one, ends in /, or there are several pictures. "
            "Default: INPUT_denoised beside each.",
            rich_help_panel="Output",
        ),
    ] = None,
    suffix: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Appended to the picture's name. Default: _denoised beside it, nothing in a folder.",
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
            autocompletion=values.formats_that_start,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an output that exists.", rich_help_panel="Output")
    ] = False,
    allow_loss: Annotated[
        bool,
        typer.Option(
            "--allow-loss", help="Convert even if depth, alpha, pages or metadata are lost.", rich_help_panel="Output"
        ),
    ] = False,
    no_metadata: Annotated[
        bool,
        typer.Option(
            "--no-metadata", help="Write pixels and colour profile alone, turned upright.", rich_help_panel="Output"
        ),
    ] = False,
    scale: options.Range = None,
    axes: options.Axes = None,
    nonfinite: Annotated[
        Nonfinite,
        typer.Option(
            help="Pixels that are NaN or infinite: refuse them, or keep them: each takes the value of the nearest "
            "finite pixel while its page is denoised, and is written back as it was.",
            rich_help_panel="Input",
        ),
    ] = "refuse",
    pages: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Denoise only these pages, such as 1,4-6; the others come back as they are.",
            rich_help_panel="Input",
        ),
    ] = None,
    max_pixels: options.MaxPixels = None,
    given: dict[str, Any],
    preset: Annotated[
        Literal["best"] | None,
        typer.Option(
            help="best: --lambda auto --tv isotropic --color auto, save where you give another.",
            rich_help_panel="Model",
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="What the process may take, such as 4G or 800M; what does not fit lies in a scratch file beside the "
            "output. Default: half of what is free.",
            rich_help_panel="Solver",
        ),
    ] = None,
    recursive: Annotated[
        bool,
        typer.Option(
            "--recursive",
            "-r",
            help="Enter subfolders too; the output repeats their tree.",
            rich_help_panel="Batch",
        ),
    ] = False,
    include: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="In folders only pictures whose name, or path for a pattern with a /, matches: *.tif. Repeatable.",
            rich_help_panel="Batch",
            show_default=False,
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="In folders leave out pictures and subfolders that match: *_old. Repeatable.",
            rich_help_panel="Batch",
            show_default=False,
        ),
    ] = None,
    files_from: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="More pictures, one path per line, or NUL-separated; - is standard input. In an output folder "
            "they keep their folders, absolute ones all of them.",
            rich_help_panel="Batch",
        ),
    ] = None,
    jobs: Annotated[
        str,
        typer.Option(
            "--jobs",
            "-j",
            metavar="INTEGER|auto",
            help="Pictures at once, each in a process. auto: one per core, if there is memory.",
            rich_help_panel="Batch",
        ),
    ] = "auto",
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="K/N",
            help="Only part K of N of the pictures, split by path: for N machines.",
            rich_help_panel="Batch",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Give the pictures to a Dask cluster: tcp://HOST:8786, file:SCHEDULER.json, or local, a cluster of "
            "its own. --jobs is then how many at once, --memory what each worker may take.",
            rich_help_panel="Batch",
        ),
    ] = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Start no more pictures once one has failed.", rich_help_panel="Batch")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only print which picture would go where.", rich_help_panel="Batch")
    ] = False,
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Clean picture, or folder of clean pictures of the same paths: report PSNR and SSIM before and after; "
            "the peak is the range.",
            rich_help_panel="Report",
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object per picture on stdout.", rich_help_panel="Report"),
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
    # NumPy and Pillow load here: --help does not wait for them.
    from tvdenoise.files.job import Job
    from tvdenoise.files.plan import FileFilter, Naming, counterpart, is_folder, plan_files
    from tvdenoise.images import STREAM, WriteOptions, check_source

    if output == "":
        raise OutputError("''", "an empty path names no file", "check what was to be in it, or give ./ for this folder")
    goes_to_stdout = output == str(STREAM) or (output is None and sources == [STREAM])
    if as_json and goes_to_stdout:
        raise SettingError("json", "the picture goes to standard output itself", "name a file with --output")
    if goes_to_stdout and sys.stdout.isatty():
        raise OutputError("-", "standard output is a terminal", "send it on with > or |, or name a file")
    settings, file_sigma = values.settings_of(given, preset)
    is_fraction = "/" in given["weight"]
    if settings.weight != "auto" and settings.weight > SUSPICIOUS_LAMBDA and not is_fraction and not quiet:
        number = f"{settings.weight:g}"
        messages.note(f"lambda {number} is for intensities 0 to 1; if it was meant for 0 to 255, give {number}/255")
    output_format, limit = values.format_of(format_), values.size_of(memory)
    job_of = partial(
        Job,
        settings=settings,
        sigma=file_sigma,
        reading=values.read_options(axes=axes, scale=scale, max_pixels=max_pixels, nonfinite=nonfinite),
        writing=WriteOptions(output_format, allow_loss=allow_loss, metadata=not no_metadata),
        pages=values.pages_of(pages),
        memory=limit,
    )
    run_options = RunOptions(
        shard=values.shard_of(shard),
        workers=values.workers_of(jobs),
        scheduler=scheduler,
        memory=limit,
        overwrite=overwrite,
        fail_fast=fail_fast,
        dry_run=dry_run,
        as_json=as_json,
        quiet=quiet,
        verbose=verbose and not quiet,
    )
    naming = Naming(None if output is None else Path(output), values.suffix_of(suffix), output_format)
    if reference is not None and not is_folder(reference):
        check_source(reference, "reference")
    inputs = values.matched(sources or [])
    if not inputs and files_from is None:
        raise InputError("INPUT", "there is none", "name a picture or a folder, or --files-from FILE; see --help")
    if files_from is None and len(inputs) == 1 and not is_folder(inputs[0]):
        from tvdenoise.cli.one import denoise_one

        (source,) = inputs
        check_source(source)
        into_folder = output is not None and (is_folder(Path(output)) or output.endswith(SEPARATORS))
        is_named = output is not None and not into_folder
        if is_named and suffix is not None:
            remedy = "leave it out, or let --output be a folder"
            raise SettingError("suffix", "the result has a name of its own", remedy)
        target = Path(output or "") if is_named else naming.beside_or_below(source)
        clean = reference and counterpart(reference, Path(source.name))
        raise typer.Exit(denoise_one(job_of(source, target, reference=clean), run_options, makes_folder=into_folder))
    if output is None and len(inputs) == 2 and os.path.lexists(inputs[0]) and not os.path.lexists(inputs[1]):
        raise InputError(inputs[1], "there is no such file", "check the path, or put -o before the name of a result")
    _check_folder(output)
    from tvdenoise.cli.many import denoise_many

    file_filter = FileFilter(recursive, tuple(include or ()), tuple(exclude or ()))
    plan = plan_files(inputs, naming, file_filter, listed=values.listed_paths(files_from))

    def job_for(pair: "Pair") -> "Job":
        clean = reference and counterpart(reference, pair.relative)
        return job_of(pair.source, pair.target, reference=clean)

    raise typer.Exit(denoise_many(plan, job_for, run_options))


def _check_folder(output: str | None) -> None:
    """Refuse what cannot be the folder of several results, or hardly was meant to be."""
    from tvdenoise.files.plan import is_folder
    from tvdenoise.images import STREAM, format_by_extension

    if output is None or is_folder(Path(output)):
        return
    if output == str(STREAM):
        raise OutputError("-", "standard output holds one picture, not several", "name a folder")
    if os.path.lexists(output):
        raise OutputError(output, "it is a file, and there may be more than one picture", "name a folder")
    if format_by_extension(Path(output)) is not None and not output.endswith(SEPARATORS):
        problem = "it ends as a picture does, and there may be more than one"
        raise OutputError(output, problem, "name a folder, with a / at its end if it is to be called so")
