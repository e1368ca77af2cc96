"""``tvdenoise INPUT...``: denoise one picture or many."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
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
    from tvdenoise.files.plan import Naming, Pair

SUSPICIOUS_LAMBDA = 2
"""Lambda above which hardly anything remains of a picture: it may be meant for other intensities."""

SEPARATORS = ("/", os.sep)
"""What a path ends in that is meant to be a folder."""

# The parts of the help.
_in_input: Any = partial(typer.Option, rich_help_panel="Input")
_in_output: Any = partial(typer.Option, rich_help_panel="Output")
_in_batch: Any = partial(typer.Option, rich_help_panel="Batch")
_in_report: Any = partial(typer.Option, rich_help_panel="Report")


def _print_version(asked: bool) -> None:
    if asked:
        messages.print_data(f"tvdenoise {__version__}")
        raise typer.Exit


def _complete_command(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the first word, where it begins as no file does, but as another command."""
    if context.params.get("sources") or not incomplete or any(Path().glob(f"{incomplete}*")):
        return []
    group = context.parent and context.parent.command
    return [name for name in getattr(group, "commands", ()) if name.startswith(incomplete)]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What is typed: a field for each option, and ``given`` for those of the model and the solver."""

    sources: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="INPUT",
            parser=values.parse_path,
            help="Pictures, of any depth, in one page or many, and folders of them; - is standard input.",
            show_default=False,
            autocompletion=_complete_command,
        ),
    ] = None
    output: Annotated[
        str | None,
        _in_output(
            "--output",
            "-o",
            metavar="PATH",
            help="File, or - for standard output; a folder if it is one, ends in /, or there are several pictures. "
            "Default: INPUT_denoised beside each.",
        ),
    ] = None
    suffix: Annotated[
        str | None,
        _in_output(
            metavar="TEXT", help="Appended to the picture's name. Default: _denoised beside it, nothing in a folder."
        ),
    ] = None
    format_: Annotated[
        str | None,
        _in_output(
            "--format",
            "-f",
            metavar="NAME",
            help="Format of the output. Default: by its ending.",
            autocompletion=values.complete_format,
        ),
    ] = None
    overwrite: Annotated[bool, _in_output("--overwrite", help="Replace an output that exists.")] = False
    allow_loss: Annotated[
        bool, _in_output("--allow-loss", help="Convert even if depth, alpha, pages or metadata are lost.")
    ] = False
    no_metadata: Annotated[
        bool, _in_output("--no-metadata", help="Write pixels and colour profile alone, turned upright.")
    ] = False
    scale: options.Range = None
    axes: options.Axes = None
    nonfinite: Annotated[
        Nonfinite,
        _in_input(
            help="Pixels that are NaN or infinite: refuse them, or keep them: each takes the value of the nearest "
            "finite pixel while its page is denoised, and is written back as it was."
        ),
    ] = "refuse"
    pages: Annotated[
        str | None,
        _in_input(metavar="LIST", help="Denoise only these pages, such as 1,4-6; the others come back as they are."),
    ] = None
    max_pixels: options.MaxPixels = None
    given: dict[str, Any]
    preset: Annotated[
        Literal["best"] | None,
        typer.Option(
            help="best: --lambda auto --tv isotropic --color auto, save where you give another.",
            rich_help_panel="Model",
        ),
    ] = None
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="What the process may take, such as 4G or 800M; what does not fit lies in a scratch file beside the "
            "output. Default: half of what is free.",
            rich_help_panel="Solver",
        ),
    ] = None
    recursive: Annotated[
        bool, _in_batch("--recursive", "-r", help="Enter subfolders too; the output repeats their tree.")
    ] = False
    include: Annotated[
        list[str] | None,
        _in_batch(
            metavar="PATTERN",
            help="In folders only pictures whose name, or path for a pattern with a /, matches: *.tif. Repeatable.",
            show_default=False,
        ),
    ] = None
    exclude: Annotated[
        list[str] | None,
        _in_batch(
            metavar="PATTERN",
            help="In folders leave out pictures and subfolders that match: *_old. Repeatable.",
            show_default=False,
        ),
    ] = None
    files_from: Annotated[
        Path | None,
        _in_batch(
            metavar="FILE",
            help="More pictures, one path per line, or NUL-separated; - is standard input. In an output folder "
            "they keep their folders, absolute ones all of them.",
        ),
    ] = None
    jobs: Annotated[
        str,
        _in_batch(
            "--jobs",
            "-j",
            metavar="INTEGER|auto",
            help="Pictures at once, each in a process. auto: one per core, if there is memory.",
        ),
    ] = "auto"
    shard: Annotated[
        str | None, _in_batch(metavar="K/N", help="Only part K of N of the pictures, split by path: for N machines.")
    ] = None
    scheduler: Annotated[
        str | None,
        _in_batch(
            metavar="ADDRESS",
            help="Give the pictures to a Dask cluster: tcp://HOST:8786, file:SCHEDULER.json, or local, a cluster of "
            "its own. --jobs is then how many at once, --memory what each worker may take.",
        ),
    ] = None
    fail_fast: Annotated[bool, _in_batch("--fail-fast", help="Start no more pictures once one has failed.")] = False
    dry_run: Annotated[bool, _in_batch("--dry-run", "-n", help="Only print which picture would go where.")] = False
    reference: Annotated[
        Path | None,
        _in_report(
            metavar="PATH",
            help="Clean picture, or folder of clean pictures of the same paths: report PSNR and SSIM before and after; "
            "the peak is the range.",
        ),
    ] = None
    as_json: Annotated[bool, _in_report("--json", help="Print one JSON object per picture on stdout.")] = False
    quiet: Annotated[bool, _in_report("--quiet", "-q", help="Print errors only.")] = False
    verbose: Annotated[bool, _in_report("--verbose", "-v", help="Say what was read and reached.")] = False
    version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False


def denoise_files(arguments: Arguments) -> int:
    """Remove noise from a picture and keep its edges, with a proof of how close the answer is to the exact one.

    Minimises 1/2 ||u - f||^2 + lambda TV(u) over pictures u, where f is the input with intensities in [0, 1].
    """
    # NumPy and Pillow load here: --help does not wait for them.
    from tvdenoise.files.plan import Naming, is_folder
    from tvdenoise.images import check_source

    _check_output(arguments)
    make_job = _prepare_jobs(arguments)
    run_options = RunOptions(
        shard=values.parse_shard(arguments.shard),
        workers=values.parse_workers(arguments.jobs),
        scheduler=arguments.scheduler,
        memory=values.parse_memory(arguments.memory),
        overwrite=arguments.overwrite,
        fail_fast=arguments.fail_fast,
        dry_run=arguments.dry_run,
        as_json=arguments.as_json,
        quiet=arguments.quiet,
        verbose=arguments.verbose and not arguments.quiet,
    )
    folder = None if arguments.output is None else Path(arguments.output)
    naming = Naming(folder, values.parse_suffix(arguments.suffix), values.parse_format(arguments.format_))
    if arguments.reference is not None and not is_folder(arguments.reference):
        check_source(arguments.reference, "reference")
    inputs = values.expand_patterns(arguments.sources or [])
    if arguments.files_from is not None or len(inputs) > 1:
        return _denoise_many(inputs, arguments, naming, make_job, run_options)
    if not inputs:
        raise InputError("INPUT", "there is none", "name a picture or a folder, or --files-from FILE; see --help")
    if is_folder(inputs[0]):
        return _denoise_many(inputs, arguments, naming, make_job, run_options)
    return _denoise_one(inputs[0], arguments, naming, make_job, run_options)


def _check_output(arguments: Arguments) -> None:
    """Refuse an output that is no path, or a standard output that cannot take the picture."""
    from tvdenoise.images import STREAM

    output = arguments.output
    if output == "":
        raise OutputError("''", "an empty path names no file", "check what was to be in it, or give ./ for this folder")
    is_piped = output is None and arguments.sources == [STREAM]
    if not is_piped and output != str(STREAM):
        return
    if arguments.as_json:
        raise SettingError("json", "the picture goes to standard output itself", "name a file with --output")
    if sys.stdout.isatty():
        raise OutputError("-", "standard output is a terminal", "send it on with > or |, or name a file")


def _prepare_jobs(arguments: Arguments) -> "Callable[[Pair], Job]":
    """Return what makes a job of a picture and the place of its result."""
    from tvdenoise.files.job import Job
    from tvdenoise.files.plan import counterpart
    from tvdenoise.images import WriteOptions

    settings, file_sigma = values.parse_settings(arguments.given, arguments.preset)
    is_fraction = "/" in arguments.given["weight"]
    if settings.weight != "auto" and settings.weight > SUSPICIOUS_LAMBDA and not is_fraction and not arguments.quiet:
        number = f"{settings.weight:g}"
        messages.note(f"lambda {number} is for intensities 0 to 1; if it was meant for 0 to 255, give {number}/255")
    make_job = partial(
        Job,
        settings=settings,
        sigma=file_sigma,
        writing=WriteOptions(
            values.parse_format(arguments.format_),
            allow_loss=arguments.allow_loss,
            metadata=not arguments.no_metadata,
        ),
        memory=values.parse_memory(arguments.memory),
        reading=values.parse_reading(
            axes=arguments.axes,
            scale=arguments.scale,
            max_pixels=arguments.max_pixels,
            nonfinite=arguments.nonfinite,
        ),
        pages=values.parse_pages(arguments.pages),
    )

    def make(pair: "Pair") -> Job:
        clean = arguments.reference and counterpart(arguments.reference, pair.relative)
        return make_job(pair.source, pair.target, reference=clean)

    return make


def _denoise_one(
    source: Path, arguments: Arguments, naming: "Naming", make_job: "Callable[[Pair], Job]", run_options: RunOptions
) -> int:
    from tvdenoise.cli.one import denoise_one
    from tvdenoise.files.plan import Pair, is_folder
    from tvdenoise.images import check_source

    check_source(source)
    output = arguments.output
    makes_folder = output is not None and (output.endswith(SEPARATORS) or is_folder(Path(output)))
    if output is None or makes_folder:
        target = naming.beside_or_below(source)
    elif arguments.suffix is None:
        target = Path(output)
    else:
        remedy = "leave it out, or let --output be a folder"
        raise SettingError("suffix", "the result has a name of its own", remedy)
    job = make_job(Pair(source, target, Path(source.name)))
    return denoise_one(job, run_options, makes_folder=makes_folder)


def _denoise_many(
    inputs: list[Path],
    arguments: Arguments,
    naming: "Naming",
    make_job: "Callable[[Pair], Job]",
    run_options: RunOptions,
) -> int:
    from tvdenoise.files.plan import FileFilter, plan_files

    if arguments.output is None and len(inputs) == 2:
        first, second = inputs
        if os.path.lexists(first) and not os.path.lexists(second):
            raise InputError(second, "there is no such file", "check the path, or put -o before the name of a result")
    _check_folder(arguments.output)
    from tvdenoise.cli.many import denoise_many

    listed = values.read_list(arguments.files_from) if arguments.files_from else []
    file_filter = FileFilter(
        arguments.recursive,
        tuple(arguments.include or ()),
        tuple(arguments.exclude or ()),
    )
    plan = plan_files(inputs, naming, file_filter, listed=listed)
    return denoise_many(plan, make_job, run_options)


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


command = options.with_settings(Arguments, denoise_files)
