"""``tvdenoise INPUT...``: denoise one picture or many."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from tvdenoise import __version__
from tvdenoise.cli import messages, options, values
from tvdenoise.cli.runs import RunOptions
from tvdenoise.errors import InputError, OutputError, SettingError
from tvdenoise.options.kinds import Nonfinite

if TYPE_CHECKING:
    from tvdenoise.files.job import Job
    from tvdenoise.files.plan import Naming, Pair

SUSPICIOUS_LAMBDA = 2  # above it hardly anything remains: it may be meant for other intensities
SEPARATORS = ("/", os.sep)  # at the end of a path that is meant to be a folder

# The parts of the help.
_in_front = options.in_panel(None)
_in_input = options.in_panel("Input")
_in_output = options.in_panel("Output")
_in_model = options.in_panel("Model")
_in_solver = options.in_panel("Solver")
_in_batch = options.in_panel("Batch")
_in_report = options.in_panel("Report")


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

    sources: list[Path] | None = typer.Argument(
        None,
        metavar="INPUT",
        parser=values.parse_path,
        help="Pictures, of any depth, in one page or many, and folders of them; - is standard input.",
        show_default=False,
        autocompletion=_complete_command,
    )
    output: str | None = _in_output(
        "--output",
        "-o",
        metavar="PATH",
        help="File, or - for standard output; a folder if it is one, ends in /, or there are several pictures. "
        "Default: INPUT_denoised beside each.",
    )
    suffix: str | None = _in_output(
        metavar="TEXT", help="Appended to the picture's name. Default: _denoised beside it, nothing in a folder."
    )
    format_: str | None = _in_output(
        "--format",
        "-f",
        metavar="NAME",
        help="Format of the output. Default: by its ending.",
        autocompletion=values.complete_format,
    )
    overwrite: bool = _in_output("--overwrite", default=False, help="Replace an output that exists.")
    allow_loss: bool = _in_output(
        "--allow-loss", default=False, help="Convert even if depth, alpha, pages or metadata are lost."
    )
    no_metadata: bool = _in_output(
        "--no-metadata", default=False, help="Write pixels and colour profile alone, turned upright."
    )
    scale: options.Range = None
    axes: options.Axes = None
    nonfinite: Nonfinite = _in_input(
        default="refuse",
        help="Pixels that are NaN or infinite: refuse them, or keep them: each takes the value of the nearest "
        "finite pixel while its page is denoised, and is written back as it was.",
    )
    pages: str | None = _in_input(
        metavar="LIST", help="Denoise only these pages, such as 1,4-6; the others come back as they are."
    )
    max_pixels: options.MaxPixels = None
    given: dict[str, Any]
    preset: Literal["best"] | None = _in_model(
        help="best: --lambda auto --tv isotropic --color auto, save where you give another."
    )
    memory: str | None = _in_solver(
        metavar="SIZE",
        help="What the process may take, such as 4G or 800M; what does not fit lies in a scratch file beside the "
        "output. Default: half of what is free.",
    )
    recursive: bool = _in_batch(
        "--recursive", "-r", default=False, help="Enter subfolders too; the output repeats their tree."
    )
    include: list[str] | None = _in_batch(
        metavar="PATTERN",
        help="In folders only pictures whose name, or path for a pattern with a /, matches: *.tif. Repeatable.",
        show_default=False,
    )
    exclude: list[str] | None = _in_batch(
        metavar="PATTERN",
        help="In folders leave out pictures and subfolders that match: *_old. Repeatable.",
        show_default=False,
    )
    files_from: Path | None = _in_batch(
        metavar="FILE",
        help="More pictures, one path per line, or NUL-separated; - is standard input. In an output folder "
        "they keep their folders, absolute ones all of them.",
    )
    jobs: str = _in_batch(
        "--jobs",
        "-j",
        default="auto",
        metavar="INTEGER|auto",
        help="Pictures at once, each in a process. auto: one per core, if there is memory.",
    )
    shard: str | None = _in_batch(
        metavar="K/N", help="Only part K of N of the pictures, split by path: for N machines."
    )
    scheduler: str | None = _in_batch(
        metavar="ADDRESS",
        help="Give the pictures to a Dask cluster: tcp://HOST:8786, file:SCHEDULER.json, or local, a cluster of "
        "its own. --jobs is then how many at once, --memory what each worker may take.",
    )
    fail_fast: bool = _in_batch("--fail-fast", default=False, help="Start no more pictures once one has failed.")
    dry_run: bool = _in_batch("--dry-run", "-n", default=False, help="Only print which picture would go where.")
    reference: Path | None = _in_report(
        metavar="PATH",
        help="Clean picture, or folder of clean pictures of the same paths: report PSNR and SSIM before and after; "
        "the peak is the range.",
    )
    as_json: bool = _in_report("--json", default=False, help="Print one JSON object per picture on stdout.")
    quiet: bool = _in_report("--quiet", "-q", default=False, help="Print errors only.")
    verbose: bool = _in_report("--verbose", "-v", default=False, help="Say what was read and reached.")
    version: bool = _in_front(
        "--version", "-V", default=False, callback=_print_version, is_eager=True, help="Print the version and exit."
    )


def denoise_files(arguments: Arguments) -> int:
    """Remove noise from a picture and keep its edges, with a proof of how close the answer is to the exact one.

    Minimises 1/2 ||u - f||^2 + lambda TV(u) over pictures u, where f is the input with intensities in [0, 1].
    """
    # NumPy and Pillow load here: --help does not wait for them.
    from tvdenoise.cli import many, one
    from tvdenoise.files.plan import FileFilter, Naming, Pair, is_folder, plan_files
    from tvdenoise.images import check_source

    _check_output(arguments)
    make_job = _prepare_jobs(arguments)
    run_options = _parse_run(arguments)
    folder = None if arguments.output is None else Path(arguments.output)
    naming = Naming(folder, values.parse_suffix(arguments.suffix), values.parse_format(arguments.format_))
    if arguments.reference is not None and not is_folder(arguments.reference):
        check_source(arguments.reference, "reference")
    inputs = values.expand_patterns(arguments.sources or [])
    if not inputs and arguments.files_from is None:
        raise InputError("INPUT", "there is none", "name a picture or a folder, or --files-from FILE; see --help")
    if arguments.files_from is None and len(inputs) == 1 and not is_folder(inputs[0]):
        source = inputs[0]
        check_source(source)
        target, makes_folder = _choose_target(source, arguments, naming)
        job = make_job(Pair(source, target, Path(source.name)))
        return one.denoise_one(job, run_options, makes_folder=makes_folder)
    _check_folder(arguments.output, inputs)
    listed = values.read_list(arguments.files_from) if arguments.files_from else []
    file_filter = FileFilter(arguments.recursive, tuple(arguments.include or ()), tuple(arguments.exclude or ()))
    return many.denoise_many(plan_files(inputs, naming, file_filter, listed=listed), make_job, run_options)


def _check_output(arguments: Arguments) -> None:
    """Refuse an output that is no path, or a standard output that cannot take the picture."""
    output = arguments.output
    if output == "":
        raise OutputError("''", "an empty path names no file", "check what was to be in it, or give ./ for this folder")
    is_piped = output is None and arguments.sources == [Path("-")]
    if not is_piped and output != "-":
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
    format_ = values.parse_format(arguments.format_)
    memory = values.parse_memory(arguments.memory)
    reading = values.parse_reading(arguments.axes, arguments.scale, arguments.max_pixels, arguments.nonfinite)
    writing = WriteOptions(format_, allow_loss=arguments.allow_loss, metadata=not arguments.no_metadata)
    pages = values.parse_pages(arguments.pages)

    def make_job(pair: "Pair") -> Job:
        clean = arguments.reference and counterpart(arguments.reference, pair.relative)
        return Job(pair.source, pair.target, settings, clean, file_sigma, reading, writing, pages, memory)

    return make_job


def _parse_run(arguments: Arguments) -> RunOptions:
    return RunOptions(
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


def _choose_target(source: Path, arguments: Arguments, naming: "Naming") -> tuple[Path, bool]:
    """Return where the result of a single picture goes, and whether that is in a folder that may have to be made."""
    from tvdenoise.files.plan import is_folder

    output = arguments.output
    if output is None:
        return naming.beside_or_below(source), False
    if output.endswith(SEPARATORS) or is_folder(Path(output)):
        return naming.beside_or_below(source), True
    if arguments.suffix is not None:
        remedy = "leave it out, or let --output be a folder"
        raise SettingError("suffix", "the result has a name of its own", remedy)
    return Path(output), False


def _check_folder(output: str | None, inputs: list[Path]) -> None:
    """Refuse what cannot be the folder of several results, or hardly was meant to be."""
    from tvdenoise.files.plan import is_folder
    from tvdenoise.images import format_by_extension

    # Two names of which the second is missing: as `cp` takes them, it would be the result.
    if output is None and list(map(os.path.lexists, inputs)) == [True, False]:
        problem = "there is no such file"
        raise InputError(inputs[1], problem, "check the path, or put -o before the name of a result")
    if output is None or is_folder(Path(output)):
        return
    if output == "-":
        raise OutputError("-", "standard output holds one picture, not several", "name a folder")
    if os.path.lexists(output):
        raise OutputError(output, "it is a file, and there may be more than one picture", "name a folder")
    if format_by_extension(Path(output)) is not None and not output.endswith(SEPARATORS):
        problem = "it ends as a picture does, and there may be more than one"
        raise OutputError(output, problem, "name a folder, with a / at its end if it is to be called so")


command = options.with_settings(Arguments, denoise_files)
