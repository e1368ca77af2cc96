"""A sweep: what is refused before any work, the rows as they are made, and what is shown of them at the end."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from tvdenoise.cli import messages, values
from tvdenoise.cli import report as pages
from tvdenoise.cli.arguments import SweepArguments
from tvdenoise.errors import InputError, OutputError, SettingError, TVDenoiseError
from tvdenoise.experiments import plots, row_file, sweep
from tvdenoise.experiments.degradations import Noise
from tvdenoise.experiments.row_file import RowFile
from tvdenoise.experiments.tables import summary_tables
from tvdenoise.files.plan import FileFilter, Plan, counterpart, is_folder, plan_files
from tvdenoise.files.rows import RowDict, TrialRow, finite
from tvdenoise.images import ReadOptions, check_place, check_source
from tvdenoise.images.atomic import atomic


def sweep_files(arguments: SweepArguments) -> int:
    """Make the rows that are asked for, show them, and return the exit code."""
    sources = values.expand_patterns(arguments.sources or [])
    _check_arguments(arguments)
    grid = _parse_grid(arguments)
    plan = plan_files(sources, file_filter=FileFilter(arguments.recursive), are_written=False)
    if arguments.report is not None:
        pages.check(arguments.report, *_list_read(arguments, plan), overwrite=arguments.overwrite)
    _check_plot(arguments, plan, grid)
    _check_is_of_use(arguments)
    reading = values.parse_reading(arguments.axes, arguments.scale, arguments.max_pixels)
    runner = _Runner(arguments, plan, grid, reading)
    code = runner.run()
    rows = runner.rows
    if not arguments.as_json:
        _print_tables(rows, arguments)
    written = []
    if arguments.out is not None and rows:
        count = messages.format_count(len(rows), "row")
        written.append(f"{arguments.out} ({count} of this sweep)")
    if arguments.plot is not None and _plot(rows, arguments.plot):
        written.append(str(arguments.plot))
    if arguments.report is not None and rows:
        pages.write(arguments.report, rows, runner.ignored, reading)
        written.append(str(arguments.report))
    elif arguments.report is not None:
        messages.note(f"{arguments.report} is not written: there are no rows")
    if written and not arguments.quiet:
        messages.note(f"written: {', '.join(written)}")
    return code


def _check_arguments(arguments: SweepArguments) -> None:
    """Refuse what is missing, and what does not go together."""
    reference = arguments.reference
    out = arguments.out
    if not arguments.sources:
        raise InputError("INPUT", "there is none", "name a picture or a folder")
    if arguments.noise and reference is not None:
        raise SettingError("reference", "with --noise the pictures themselves are clean", "leave one of them out")
    if arguments.clip_noise and not arguments.noise:
        raise SettingError("clip-noise", "there is no noise to clip", "give --noise, or leave it out")
    is_csv = out is not None and out.suffix.lower() == ".csv"
    if arguments.trace and is_csv:
        raise SettingError("trace", "no table holds it", "let --out end in .jsonl")
    forms = [arguments.as_json, arguments.markdown, arguments.latex]
    if sum(forms) > 1:
        raise SettingError("json", "with --markdown or --latex it would print two forms", "give one of the three")
    if reference is not None and not is_folder(reference):
        check_source(reference, "reference")


def _check_is_of_use(arguments: SweepArguments) -> None:
    """Refuse runs that are neither measured nor kept."""
    is_measured = arguments.noise is not None or arguments.reference is not None
    places = (arguments.out, arguments.report, arguments.plot)
    is_kept = arguments.as_json or any(places)
    if not is_measured and not is_kept:
        problem = "without clean pictures nothing is measured, and no results are kept"
        raise SettingError("reference", problem, "give it, or --noise, or keep rows with --out or --report")


def _parse_grid(arguments: SweepArguments) -> sweep.Grid:
    settings = values.parse_grid(arguments.given)
    items = values.split_list(arguments.noise or "")
    noise = [Noise.read(item, is_clipped=arguments.clip_noise) for item in items]
    seeds = values.parse_seeds(arguments.seed)
    return sweep.Grid(**settings, noise=noise or (None,), seed=seeds)


def _list_read(arguments: SweepArguments, plan: Plan) -> list[Path]:
    """Return the files that are read, which must not be written over."""
    read = [path for path in (arguments.out, arguments.config) if path is not None]
    for pair in plan.pairs():
        read.append(pair.source)
        if arguments.reference is not None:
            read.append(counterpart(arguments.reference, pair.relative))
    return read


def _check_plot(arguments: SweepArguments, plan: Plan, grid: sweep.Grid) -> None:
    """Refuse, before any work, a chart of no known format, that must not be written, or that would be empty."""
    path = arguments.plot
    if path is None:
        return
    if path.suffix.lower() not in plots.ENDINGS:
        raise OutputError(path, "charts are PNG, SVG or PDF", f"end it in one of {', '.join(plots.ENDINGS)}")
    check_place(path, *_list_read(arguments, plan), overwrite=arguments.overwrite)
    plots.check_installed()
    is_measured = arguments.noise or arguments.reference
    weights = [weight for weight in grid.values["weight"] if weight not in (0, "auto")]
    has_curves = is_measured and len(weights) > 1
    if not (has_curves or arguments.trace):
        remedy = "give several lambdas and --noise or --reference, or --trace"
        raise SettingError("plot", "there would be nothing to draw", remedy)


@dataclass
class _Runner:
    """Makes the rows, or takes them from a file."""

    arguments: SweepArguments
    plan: Plan
    grid: sweep.Grid
    reading: ReadOptions
    rows: list[RowDict] = field(init=False, default_factory=list)
    ignored: list[str] = field(init=False, default_factory=list)  # what else the file holds
    _counts: Counter[str] = field(init=False, default_factory=Counter)  # of runs, by what became of them

    def run(self) -> int:
        """Make the rows that are not in the file, and return the exit code."""
        began = time.perf_counter()
        path = self.arguments.out
        with ExitStack() as stack:
            file = None
            if path is not None:
                file = stack.enter_context(row_file.open_rows(path, overwrite=self.arguments.overwrite))
                self.ignored = file.ignored
            is_measured = self.arguments.reference is not None or any(self.grid.noise)
            if not is_measured:
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
                elif self.rows and not self.arguments.as_json:
                    made = messages.format_count(len(self.rows), "finished run")
                    self._note(f"{made} lost: --out FILE.jsonl keeps them, and goes on from there")
                raise
        failed = self._counts["failed"]
        done = messages.format_count(self._counts["done"], "run")
        text = f"{done} done, {failed} failed"
        if self._counts["there"]:
            text += f", {self._counts['there']} there already"
        seconds = time.perf_counter() - began
        self._note(f"{text}, {seconds:.1f} s")
        return 1 if failed else 0

    def _note(self, message: str) -> None:
        if not self.arguments.quiet:
            messages.note(message)

    def _make(self, file: RowFile | None) -> None:
        known = {}
        if file is not None:
            known = {row["key"]: row for row in file.rows if row["status"] == "done"}
        count = len(self.plan) * len(self.grid)
        is_hidden = self.arguments.quiet or None  # None: tqdm shows the bar on terminals only
        with tqdm(total=count, unit="run", leave=False, disable=is_hidden) as bar:

            def is_known(row: TrialRow) -> bool:
                if row.key not in known:
                    return False
                bar.update()
                self._counts["there"] += 1
                names = {"input": row.input, "reference": row.reference}  # which may be others this time
                self._take({**known[row.key], **names})
                return True

            pictures = self._read_pictures()
            for row in sweep.sweep(pictures, self.grid, is_known=is_known, trace=self.arguments.trace):
                bar.update()
                self._counts[row.status] += 1
                if file is not None:
                    file.add(row)
                self._take(row.as_dict())
                if row.error is not None:
                    messages.print_failure(row.error)

    def _take(self, row: RowDict) -> None:
        """Keep a row, and print it if that is asked for."""
        self.rows.append(row)
        if self.arguments.as_json:
            messages.print_json(finite(row))

    def _read_pictures(self) -> Iterator[sweep.Specimen]:
        reference = self.arguments.reference
        for pair in self.plan.pairs():
            try:
                clean = reference and counterpart(reference, pair.relative)
                yield sweep.Specimen.read(pair.source, clean, self.reading)
            except TVDenoiseError as error:
                self._counts["failed"] += 1
                messages.print_error(error)


def _plot(rows: list[RowDict], path: Path) -> bool:
    """Draw the chart, and return whether there was anything to draw."""
    figure = plots.draw_figure(rows)
    if figure is None:
        messages.note(f"{path} is not drawn: these runs have nothing to draw")
        return False
    with atomic(path) as file:
        plots.save(figure, file, path.suffix.lower())
    return True


def _print_tables(rows: list[RowDict], arguments: SweepArguments) -> None:
    for table in summary_tables(rows):
        text = table.text()
        if arguments.markdown:
            text = table.markdown()
        elif arguments.latex:
            text = table.latex()
        messages.print_data(f"{text}\n")
