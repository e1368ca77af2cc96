"""``tvdenoise sweep INPUT...``: a grid of settings over pictures, a row each, and tables at the end."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tvdenoise.cli import experiment_file, messages, options, values
from tvdenoise.cli import report as pages
from tvdenoise.errors import InputError, OutputError, SettingError, TVDenoiseError

if TYPE_CHECKING:
    from tvdenoise.experiments.row_file import RowFile
    from tvdenoise.experiments.sweep import Grid, Specimen
    from tvdenoise.files.plan import Plan
    from tvdenoise.files.rows import RowDict, TrialRow
    from tvdenoise.images import ReadOptions

MENTION = "[bold]tvdenoise sweep INPUT... --lambda 0.02,0.05,0.1[/bold] tries settings and tells the best."


# The parts of the help.
_in_front = options.in_panel(None)
_in_grid = options.in_panel("Grid")
_in_report = options.in_panel("Report")


def _configure(context: typer.Context, path: Path | None) -> Path | None:
    """Take what a file says for what is not said on the command line."""
    if path is not None:
        context.default_map = experiment_file.read(path, context)
    return path


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What is typed: a field for each option, and ``given`` for those of the model and the solver."""

    sources: list[Path] | None = typer.Argument(
        None, metavar="INPUT", parser=values.parse_path, help="Pictures, and folders of them.", show_default=False
    )
    given: dict[str, Any]
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
    reference: Path | None = _in_report(metavar="PATH", help="Clean picture, or folder of them.")
    out: Path | None = _in_report(
        "--out",
        "-o",
        metavar="FILE",
        help="Rows, as they end: .jsonl, where those that are there already are not made again, or .csv.",
    )
    trace: bool = _in_report("--trace", default=False, help="Rows tell every certificate on the way (.jsonl).")
    report: Path | None = _in_report(
        metavar="FILE", help="Rows, curves and pictures in one page, .html, that opens offline."
    )
    overwrite: bool = _in_report("--overwrite", default=False, help="Replace a page, a chart or a .csv that exists.")
    plot: Path | None = _in_report(
        metavar="FILE",
        help="Curves as .png, .svg or .pdf: PSNR and SSIM by lambda, with --trace how fast runs converge.",
    )
    markdown: bool = _in_report("--markdown", default=False, help="Tables in Markdown.")
    as_json: bool = _in_report("--json", default=False, help="Print the rows on stdout, no tables.")
    quiet: bool = _in_report("--quiet", "-q", default=False, help="Print errors and tables.")


def sweep_files(arguments: Arguments) -> int:
    """Try every combination of settings over pictures, and tell which is best.

    Each run is measured against the clean picture: the input itself where --noise is given, else --reference.
    """
    from tvdenoise.files.plan import FileFilter, plan_files

    sources = values.expand_patterns(arguments.sources or [])
    _check_arguments(arguments)
    grid = _parse_grid(arguments)
    plan = plan_files(sources, file_filter=FileFilter(arguments.recursive), are_written=False)
    if arguments.report is not None:
        pages.check(arguments.report, *_list_read(arguments, plan), overwrite=arguments.overwrite)
    _check_plot(arguments, plan, grid)
    reading = values.parse_reading(arguments.axes, arguments.scale, arguments.max_pixels)
    runner = _Runner(arguments, plan, grid, reading)
    code = runner.run()
    rows = runner.rows
    if not arguments.as_json:
        _print_tables(rows, markdown=arguments.markdown)
    if arguments.plot is not None:
        _plot(rows, arguments.plot)
    if arguments.report is not None and rows:
        pages.write(arguments.report, rows, runner.ignored, reading, command=messages.command_line())
    elif arguments.report is not None:
        messages.note(f"{arguments.report} is not written: there are no rows")
    return code


def _check_arguments(arguments: Arguments) -> None:
    """Refuse what is missing, and what does not go together."""
    from tvdenoise.files.plan import is_folder
    from tvdenoise.images import check_source

    reference = arguments.reference
    out = arguments.out
    if not arguments.sources:
        raise InputError("INPUT", "there is none", "name a picture or a folder")
    if arguments.noise and reference is not None:
        raise SettingError("reference", "with --noise the pictures themselves are clean", "leave one of them out")
    if arguments.clip_noise and not arguments.noise:
        raise SettingError("clip-noise", "there is no noise to clip", "give --noise, or leave it out")
    if arguments.trace and out is not None and out.suffix.lower() == ".csv":
        raise SettingError("trace", "no table holds it", "let --out end in .jsonl")
    if reference is not None and not is_folder(reference):
        check_source(reference, "reference")


def _parse_grid(arguments: Arguments) -> "Grid":
    from tvdenoise.experiments.degradations import Noise
    from tvdenoise.machine.signals import ENDING, defer_signals

    with defer_signals(*ENDING):  # torch, while it is imported, would abort
        from tvdenoise.experiments.sweep import Grid

    settings = values.parse_grid(arguments.given)
    noise = [Noise.read(item, is_clipped=arguments.clip_noise) for item in values.split_list(arguments.noise or "")]
    return Grid(**settings, noise=noise or (None,), seed=values.parse_seeds(arguments.seed))


def _list_read(arguments: Arguments, plan: "Plan") -> list[Path]:
    """Return the files that are read, which must not be written over."""
    from tvdenoise.files.plan import counterpart

    read = [path for path in (arguments.out, arguments.config) if path is not None]
    for pair in plan.pairs():
        read.append(pair.source)
        if arguments.reference is not None:
            read.append(counterpart(arguments.reference, pair.relative))
    return read


def _check_plot(arguments: Arguments, plan: "Plan", grid: "Grid") -> None:
    """Refuse, before any work, a chart of no known format, that must not be written, or that would be empty."""
    from tvdenoise.experiments.plots import ENDINGS, check_installed
    from tvdenoise.images import check_place

    path = arguments.plot
    if path is None:
        return
    if path.suffix.lower() not in ENDINGS:
        raise OutputError(path, "charts are PNG, SVG or PDF", f"end it in one of {', '.join(ENDINGS)}")
    check_place(path, *_list_read(arguments, plan), overwrite=arguments.overwrite)
    check_installed()
    is_measured = arguments.noise or arguments.reference
    weights = [weight for weight in grid.values["weight"] if weight not in (0, "auto")]
    has_curves = is_measured and len(weights) > 1
    if not (has_curves or arguments.trace):
        remedy = "give several lambdas and --noise or --reference, or --trace"
        raise SettingError("plot", "there would be nothing to draw", remedy)


@dataclass
class _Runner:
    """Makes the rows, or takes them from a file."""

    arguments: Arguments
    plan: "Plan"
    grid: "Grid"
    reading: "ReadOptions"
    rows: list["RowDict"] = field(init=False, default_factory=list)
    ignored: list[str] = field(init=False, default_factory=list)  # what else the file holds
    _counts: Counter[str] = field(init=False, default_factory=Counter)  # of runs, by what became of them

    def run(self) -> int:
        """Make the rows that are not in the file, and return the exit code."""
        from tvdenoise.experiments import row_file

        began = time.perf_counter()
        path = self.arguments.out
        with ExitStack() as stack:
            file = None
            if path is not None:
                file = stack.enter_context(row_file.open_rows(path, overwrite=self.arguments.overwrite))
                self.ignored = file.ignored
            if not (self.arguments.reference or self.arguments.noise):
                self._note("there will be no PSNR without clean pictures: give --noise or --reference")
            for words in self.ignored:
                messages.note(f"{path}: ignored {words}")
            try:
                self._make(file)
            except (KeyboardInterrupt, SystemExit):
                if path is not None and self.rows:
                    # A CSV is written anew each time.
                    others = "" if path.suffix.lower() == ".csv" else "; the same command makes the others"
                    self._note(f"{path} keeps the rows made so far{others}")
                raise
        counts = f"{messages.format_count(self._counts['done'], 'run')} done, {self._counts['failed']} failed"
        if self._counts["there"]:
            counts += f", {self._counts['there']} there already"
        self._note(f"{counts}, {time.perf_counter() - began:.1f} s")
        return 1 if self._counts["failed"] else 0

    def _note(self, message: str) -> None:
        if not self.arguments.quiet:
            messages.note(message)

    def _make(self, file: "RowFile | None") -> None:
        from tqdm import tqdm

        from tvdenoise.experiments.sweep import sweep

        known = {}
        if file is not None:
            known = {row["key"]: row for row in file.rows if row["status"] == "done"}
        count = len(self.plan) * len(self.grid)
        # Without --quiet tqdm shows the bar on terminals only (None).
        with tqdm(total=count, unit="run", leave=False, disable=self.arguments.quiet or None) as bar:

            def is_known(row: "TrialRow") -> bool:
                if row.key not in known:
                    return False
                bar.update()
                self._counts["there"] += 1
                names = {"input": row.input, "reference": row.reference}  # which may be others this time
                self._take({**known[row.key], **names})
                return True

            for row in sweep(self._read_pictures(), self.grid, is_known=is_known, trace=self.arguments.trace):
                bar.update()
                self._counts[row.status] += 1
                if file is not None:
                    file.add(row)
                self._take(row.as_dict())
                if row.error is not None:
                    messages.print_failure(row.error)

    def _take(self, row: "RowDict") -> None:
        """Keep a row, and print it if that is asked for."""
        from tvdenoise.files.rows import finite

        self.rows.append(row)
        if self.arguments.as_json:
            messages.print_json(finite(row))

    def _read_pictures(self) -> Iterator["Specimen"]:
        from tvdenoise.experiments.sweep import Specimen
        from tvdenoise.files.plan import counterpart

        reference = self.arguments.reference
        for pair in self.plan.pairs():
            try:
                clean = reference and counterpart(reference, pair.relative)
                yield Specimen.read(pair.source, clean, self.reading)
            except TVDenoiseError as error:
                self._counts["failed"] += 1
                messages.print_error(error)


def _plot(rows: list["RowDict"], path: Path) -> None:
    from tvdenoise.experiments import plots
    from tvdenoise.images.atomic import atomic

    figure = plots.draw_figure(rows)
    if figure is None:
        messages.note(f"{path} is not drawn: these runs have nothing to draw")
        return
    with atomic(path) as file:
        plots.save(figure, file, path.suffix.lower())


def _print_tables(rows: list["RowDict"], *, markdown: bool) -> None:
    from tvdenoise.experiments.tables import summary_tables

    for table in summary_tables(rows):
        text = table.markdown() if markdown else table.text()
        messages.print_data(f"{text}\n")


command = options.with_settings(Arguments, sweep_files, in_sweep=True)
