"""``tvdenoise sweep INPUT...``: a grid of settings over pictures, a row each, and tables at the end."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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


def _configure(context: typer.Context, path: Path | None) -> Path | None:
    """Take what a file says for what is not said on the command line."""
    if path is not None:
        context.default_map = experiment_file.read(path, context)
    return path


@partial(options.with_settings, in_sweep=True)
def command(
    *,
    sources: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="INPUT", parser=values.path_of, help="Pictures, and folders of them.", show_default=False
        ),
    ] = None,
    given: dict[str, Any],
    noise: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Noise to add to the pictures, taken as clean: gaussian:25/255, poisson:100, salt-pepper:0.05, "
            "speckle:0.2; unclipped.",
            rich_help_panel="Grid",
        ),
    ] = None,
    seed: Annotated[str, typer.Option(metavar="LIST", help="Seed of noise.", rich_help_panel="Grid")] = "0",
    clip_noise: Annotated[
        bool, typer.Option("--clip-noise", help="Clip noisy pictures to 0..1.", rich_help_panel="Grid")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The same in TOML: inputs, lambda, tv, ... Options given here win.",
            callback=_configure,
            is_eager=True,
            rich_help_panel="Grid",
        ),
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Folders with their subfolders.")] = False,
    axes: options.Axes = None,
    scale: options.Range = None,
    max_pixels: options.MaxPixels = None,
    reference: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Clean picture, or folder of them.", rich_help_panel="Report"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Rows, as they end: .jsonl, where those that are there already are not made again, or .csv.",
            rich_help_panel="Report",
        ),
    ] = None,
    trace: Annotated[
        bool,
        typer.Option("--trace", help="Rows tell every certificate on the way (.jsonl).", rich_help_panel="Report"),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Rows, curves and pictures in one page, .html, that opens offline.",
            rich_help_panel="Report",
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace a page, a chart or a .csv that exists.", rich_help_panel="Report"),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Curves as .png, .svg or .pdf: PSNR and SSIM by lambda, with --trace how fast runs converge.",
            rich_help_panel="Report",
        ),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Tables in Markdown.", rich_help_panel="Report")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the rows on stdout, no tables.", rich_help_panel="Report")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors and tables.", rich_help_panel="Report")] = (
        False
    ),
) -> None:
    """Try every combination of settings over pictures, and tell which is best.

    Each run is measured against the clean picture: the input itself where --noise is given, else --reference.
    """
    from tvdenoise.experiments.degradations import Noise
    from tvdenoise.files.plan import FileFilter, counterpart, is_folder, plan_files
    from tvdenoise.machine.signals import ENDING, defer_signals

    with defer_signals(*ENDING):  # torch, while it is imported, would abort
        from tvdenoise.experiments.sweep import Grid

    if not sources:
        raise InputError("INPUT", "there is none", "name a picture or a folder")
    if noise and reference is not None:
        raise SettingError("reference", "with --noise the pictures themselves are clean", "leave one of them out")
    if clip_noise and not noise:
        raise SettingError("clip-noise", "there is no noise to clip", "give --noise, or leave it out")
    if trace and out is not None and out.suffix.lower() == ".csv":
        raise SettingError("trace", "no table holds it", "let --out end in .jsonl")
    if reference is not None and not is_folder(reference):
        from tvdenoise.images import check_source

        check_source(reference, "reference")
    grid = Grid(
        **values.lists_of(given),
        noise=[Noise.read(item, is_clipped=clip_noise) for item in values.items_of(noise or "")] or (None,),
        seed=_seeds(seed),
    )
    plan = plan_files(values.matched(sources), file_filter=FileFilter(recursive), are_written=False)
    read = [path for path in (out, config) if path is not None]
    for pair in plan.pairs() if report or plot else ():
        read += [pair.source] if reference is None else [pair.source, counterpart(reference, pair.relative)]
    if report is not None:
        pages.check(report, *read, overwrite=overwrite)
    if plot is not None:
        _check_plot(plot, *read, overwrite=overwrite)
        has_curves = (noise or reference) and sum(number not in (0, "auto") for number in grid.values["weight"]) > 1
        if not (has_curves or trace):
            remedy = "give several lambdas and --noise or --reference, or --trace"
            raise SettingError("plot", "there would be nothing to draw", remedy)
    reading = values.read_options(axes=axes, scale=scale, max_pixels=max_pixels)
    runner = _Runner(plan, grid, reference, reading, as_json=as_json, quiet=quiet, trace=trace)
    code = runner.run(out, overwrite=overwrite)
    if not as_json:
        _print_tables(runner.rows, markdown=markdown)
    if plot is not None:
        _plot(runner.rows, plot)
    if report is not None and not runner.rows:
        messages.note(f"{report} is not written: there are no rows")
    elif report is not None:
        pages.write(report, runner.rows, runner.ignored, reading, command=messages.command_line())
    raise typer.Exit(code)


@dataclass
class _Runner:
    """Makes the rows, or takes them from a file."""

    plan: "Plan"
    grid: "Grid"
    reference: Path | None
    reading: "ReadOptions"
    _: KW_ONLY
    as_json: bool
    quiet: bool
    trace: bool
    rows: list["RowDict"] = field(init=False, default_factory=list)
    ignored: list[str] = field(init=False, default_factory=list)
    _counts: Counter[str] = field(init=False, default_factory=Counter)

    def run(self, path: Path | None, *, overwrite: bool) -> int:
        """Make the rows that are not in the file, and return the exit code."""
        from tvdenoise.experiments import row_file

        began = time.perf_counter()
        with nullcontext() if path is None else row_file.open_rows(path, overwrite=overwrite) as file:
            self.ignored = [] if file is None else file.ignored
            if self.reference is None and self.grid.noise == (None,) and not self.quiet:
                messages.note("there will be no PSNR without clean pictures: give --noise or --reference")
            for words in self.ignored:
                messages.note(f"{path}: ignored {words}")
            try:
                self._make(file)
            except (KeyboardInterrupt, SystemExit):
                if path is not None and self.rows and not self.quiet:
                    others = "" if path.suffix.lower() == ".csv" else "; the same command makes the others"
                    messages.note(f"{path} keeps the rows made so far{others}")
                raise
        if not self.quiet:
            already = f", {self._counts['there']} there already" if self._counts["there"] else ""
            seconds = time.perf_counter() - began
            done = self._counts["done"]
            runs = f"{done} run{'s' * (done != 1)} done, {self._counts['failed']} failed"
            messages.note(f"{runs}{already}, {seconds:.1f} s")
        return 1 if self._counts["failed"] else 0

    def _make(self, file: "RowFile | None") -> None:
        from tqdm import tqdm

        from tvdenoise.experiments.sweep import sweep

        there = {} if file is None else {row["key"]: row for row in file.rows if row["status"] == "done"}
        count = len(self.plan) * len(self.grid)
        with tqdm(total=count, unit="run", leave=False, disable=self.quiet or None) as bar:

            def is_known(row: "TrialRow") -> bool:
                if row.key in there:
                    bar.update()
                    self._counts["there"] += 1
                    self._take({**there[row.key], "input": row.input, "reference": row.reference})
                return row.key in there

            for row in sweep(self._specimens(), self.grid, is_known=is_known, trace=self.trace):
                bar.update()
                self._counts[row.status] += 1
                if file is not None:
                    file.add(row)
                self._take(row.as_dict())
                if row.error is not None:
                    messages.failure(row.error)

    def _take(self, row: "RowDict") -> None:
        """Take in a row, and print it if that is asked for."""
        from tvdenoise.files.rows import finite

        self.rows.append(row)
        if self.as_json:
            messages.data(json.dumps(finite(row)))

    def _specimens(self) -> Iterator["Specimen"]:
        from tvdenoise.experiments.sweep import Specimen
        from tvdenoise.files.plan import counterpart

        for pair in self.plan.pairs():
            try:
                clean = self.reference and counterpart(self.reference, pair.relative)
                yield Specimen.read(pair.source, clean, self.reading)
            except TVDenoiseError as error:
                self._counts["failed"] += 1
                messages.failure(messages.error_text(error))


def _seeds(said: str) -> tuple[int, ...]:
    seeds = tuple(int(item) if re.fullmatch(r"\d{1,18}", item) else -1 for item in values.items_of(said))
    if not seeds or min(seeds) < 0:
        raise SettingError("seed", f"{said!r} are no whole numbers of 0 or more", "give such as 0,1,2")
    return seeds


def _check_plot(path: Path, *others: Path, overwrite: bool) -> None:
    """Refuse, before any work, a chart of no known format, or that must not be written."""
    from tvdenoise.experiments.plots import ENDINGS, check_installed
    from tvdenoise.images import check_place

    if path.suffix.lower() not in ENDINGS:
        raise OutputError(path, "charts are PNG, SVG or PDF", f"end it in one of {', '.join(ENDINGS)}")
    check_place(path, *others, overwrite=overwrite)
    check_installed()


def _plot(rows: list["RowDict"], path: Path) -> None:
    from tvdenoise.experiments import plots
    from tvdenoise.images.atomic import atomic

    figure = plots.draw_figure(rows)
    if figure is None:
        messages.note(f"{path} is not drawn: these runs have nothing to draw")
    else:
        with atomic(path) as file:
            plots.save(figure, file, path.suffix.lower())


def _print_tables(rows: list["RowDict"], *, markdown: bool) -> None:
    from tvdenoise.experiments.tables import summary_tables

    for table in summary_tables(rows):
        messages.data((table.markdown() if markdown else table.text()) + "\n")
