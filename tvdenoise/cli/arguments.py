"""What is typed: a field for each option of ``tvdenoise INPUT...``, and of ``tvdenoise sweep``."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import typer

from tvdenoise import __version__
from tvdenoise.cli import experiment_file, messages, options, values
from tvdenoise.options.kinds import Nonfinite, Subsampling

# Far beyond any number of threads that a picture has use for.
MOST_THREADS = 1024

# The parts of the help.
_in_front = options.in_panel(None)
_in_input = options.in_panel("Input")
_in_output = options.in_panel("Output")
_in_model = options.in_panel("Model")
_in_solver = options.in_panel("Solver")
_in_batch = options.in_panel("Batch")
_in_grid = options.in_panel("Grid")
_in_report = options.in_panel("Report")


def _print_version(asked: bool) -> None:
    if asked:
        messages.print_data(f"tvdenoise {__version__}")
        raise typer.Exit


def _complete_command(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the first word, where it begins as no file does, but as another command."""
    if context.params.get("sources") or not incomplete:
        return []
    if any(Path().glob(f"{incomplete}*")):
        return []
    group = context.parent and context.parent.command
    return [name for name in getattr(group, "commands", ()) if name.startswith(incomplete)]


def _configure(context: typer.Context, path: Path | None) -> Path | None:
    """Take what a file says for what is not said on the command line."""
    if path is not None:
        context.default_map = experiment_file.read(path, context)
    return path


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What is typed."""

    sources: list[Path] | None = options.declare_sources(
        "Pictures, of any depth, in one page or many, and folders of them; - is standard input.",
        autocompletion=_complete_command,
    )
    output: str | None = _in_output(
        "--output",
        "-o",
        metavar="PATH",
        help="File, or - for standard output; a folder if it is one, has no ending, ends in /, or there are several "
        "pictures. "
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
    quality: int | None = _in_output(
        metavar="1..100", help="Of a JPEG that is written. Default: what its source had, 95 from another format."
    )
    subsampling: Subsampling | None = _in_output(
        help="Of the colours of a JPEG that is written. Default: what its source had, 4:4:4 from another format."
    )
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
    nodata: str | None = _in_input(
        metavar="VALUE",
        help="The number in the file that stands for no data, such as -9999: each such pixel takes the value of the "
        "nearest one with data while its page is denoised, and is written back as it was. Default: what a GeoTIFF "
        "or FITS file says.",
    )
    strict: bool = _in_input(
        "--strict", default=False, help="Refuse a file in which a library finds fault; without it that is only said."
    )
    pages: str | None = _in_input(
        metavar="LIST", help="Denoise only these pages, such as 1,4-6; the others come back as they are."
    )
    max_pixels: options.MaxPixels = None
    given: dict[str, Any] = field(default_factory=dict)  # the options of the model and the solver
    preset: Literal["best"] | None = _in_model(
        help="best: --lambda auto --tv isotropic --color auto, save where you give another. It is the default where "
        "lambda is auto."
    )
    memory: str | None = _in_solver(
        metavar="SIZE",
        help="What the process may take, such as 4G or 800M; what does not fit lies in a scratch file beside the "
        "output. Default: half of what is free.",
    )
    threads: int | None = _in_solver(
        metavar="INTEGER",
        min=1,
        max=MOST_THREADS,
        help="Threads for a picture. Default: one per core, of several pictures at once the share of each.",
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
        parser=values.parse_path,
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
        parser=values.parse_path,
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

    @property
    def says_more(self) -> bool:
        """Whether to say what was read and reached."""
        return self.verbose and not self.quiet


@dataclass(frozen=True, kw_only=True)
class SweepArguments:
    """What is typed."""

    sources: list[Path] | None = options.declare_sources("Pictures, and folders of them.")
    given: dict[str, Any] = field(default_factory=dict)  # the options of the model and the solver
    noise: str | None = _in_grid(
        metavar="LIST",
        help="Noise to add to the pictures, taken as clean: gaussian:25/255, poisson:100, salt-pepper:0.05, "
        "speckle:0.2; unclipped.",
    )
    seed: str = _in_grid(default="0", metavar="LIST", help="Seed of noise.")
    clip_noise: bool = _in_grid("--clip-noise", default=False, help="Clip noisy pictures to 0..1.")
    config: Path | None = _in_grid(
        metavar="FILE",
        help="The same in TOML: inputs, lambda, tv, ... Options given here win.",
        callback=_configure,
        is_eager=True,
    )
    recursive: bool = _in_front("--recursive", "-r", default=False, help="Folders with their subfolders.")
    axes: options.Axes = None
    scale: options.Range = None
    max_pixels: options.MaxPixels = None
    reference: Path | None = _in_report(
        parser=values.parse_path, metavar="PATH", help="Clean picture, or folder of them."
    )
    out: Path | None = _in_report(
        "--out",
        "-o",
        parser=values.parse_path,
        metavar="FILE",
        help="Rows, as they end: .jsonl, where those that are there already are not made again, or .csv.",
    )
    trace: bool = _in_report("--trace", default=False, help="Rows tell every certificate on the way (.jsonl).")
    report: Path | None = _in_report(
        parser=values.parse_path,
        metavar="FILE",
        help="Rows, curves and pictures in one page, .html, that opens offline.",
    )
    overwrite: bool = _in_report("--overwrite", default=False, help="Replace a page, a chart or a .csv that exists.")
    plot: Path | None = _in_report(
        parser=values.parse_path,
        metavar="FILE",
        help="Curves as .png, .svg or .pdf: PSNR and SSIM by lambda, with --trace how fast runs converge.",
    )
    markdown: bool = _in_report("--markdown", default=False, help="Tables in Markdown.")
    latex: bool = _in_report("--latex", default=False, help="Tables in LaTeX, which need no package.")
    as_json: bool = _in_report("--json", default=False, help="Print the rows on stdout, no tables.")
    quiet: bool = _in_report("--quiet", "-q", default=False, help="Print errors and tables.")
