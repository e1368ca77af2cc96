"""``tvdenoise sweep INPUT...``: a grid of settings over pictures, a row each, and tables at the end."""

import json
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tvdenoise.cli import messages, values
from tvdenoise.cli import report as pages
from tvdenoise.cli.denoise import Axes, MaxPixels
from tvdenoise.errors import InputError, OutputError, SettingError, TVDenoiseError

if TYPE_CHECKING:
    from tvdenoise.images import ReadOptions
    from tvdenoise.plan import Plan
    from tvdenoise.sweeping import Grid, Specimen

MENTION = "[bold]tvdenoise sweep INPUT... --lambda 0.02,0.05,0.1[/bold] tries settings and tells the best."

LISTS = {
    "lambda": "0.1",
    "tv": "anisotropic",
    "color": "rgb",
    "optimizer": "fista",
    "noise": "",
    "seed": "0",
}
"""Options that are lists, and what they are where nothing is said."""

SINGLE = ("reference", "out", "sigma", "lr", "tol", "max_steps", "device", "clip_noise", "trace", "inputs")
"""What else an experiment's file may say."""


def command(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(metavar="INPUT...", help="Pictures, and folders of them.", show_default=False),
    ] = None,
    weight: Annotated[
        str | None,
        typer.Option(
            "--lambda",
            "-l",
            metavar="LIST|FROM:TO:COUNT",
            help="Such as 0.02,0.05,auto, or 0.01:1:12 for twelve evenly spaced by their logarithms; 0:0.2:5:lin.",
            rich_help_panel="Grid",
        ),
    ] = None,
    tv: Annotated[
        str | None, typer.Option(metavar="LIST", help="anisotropic, isotropic.", rich_help_panel="Grid")
    ] = None,
    color: Annotated[
        str | None, typer.Option(metavar="LIST", help="rgb, opponent, coupled, auto.", rich_help_panel="Grid")
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(metavar="LIST", help="Such as fista,adam,lbfgs.", rich_help_panel="Grid")
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Added to the pictures, which are clean then: gaussian:25/255, poisson, salt-pepper:0.05, "
            "speckle:0.2; unclipped.",
            rich_help_panel="Grid",
        ),
    ] = None,
    seed: Annotated[str | None, typer.Option(metavar="LIST", help="Of the noise [0].", rich_help_panel="Grid")] = None,
    clip_noise: Annotated[
        bool, typer.Option("--clip-noise", help="Clip noisy pictures to 0..1.", rich_help_panel="Grid")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The same in TOML: inputs, lambda, tv, ... Options given here win.",
            rich_help_panel="Grid",
        ),
    ] = None,
    sigma: Annotated[str | None, typer.Option(metavar="NUMBER", help="For lambda auto, such as 25/255.")] = None,
    lr: Annotated[float | None, typer.Option(metavar="FLOAT", help="The optimizers' rate.")] = None,
    tol: Annotated[float | None, typer.Option(metavar="FLOAT", help="The certified RMS distance [0.001].")] = None,
    max_steps: Annotated[int | None, typer.Option(metavar="INTEGER", help="Step limit.")] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:1, mps, xpu.")] = "auto",
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Folders with their subfolders.")] = False,
    axes: Axes = None,
    max_pixels: MaxPixels = None,
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
            help="Rows, as they end: .jsonl or .csv. Those that are there already are not made again.",
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
        bool, typer.Option("--overwrite", help="Replace a page that exists.", rich_help_panel="Report")
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
    from tvdenoise.plan import Selection, is_folder, planned

    given = {
        "lambda": weight,
        "tv": tv,
        "color": color,
        "optimizer": optimizer,
        "noise": noise,
        "seed": seed,
        "clip_noise": clip_noise or None,
        "inputs": [str(source) for source in sources or []] or None,
        "reference": reference and str(reference),
        "out": out and str(out),
        "sigma": sigma,
        "lr": lr,
        "tol": tol,
        "max_steps": max_steps,
        "device": None if device == "auto" else device,
        "trace": trace or None,
    }
    said = _configured(config) | {name: value for name, value in given.items() if value is not None}
    if not said.get("inputs"):
        raise InputError("INPUT", "there is none", "name a picture or a folder")
    if said.get("noise") and said.get("reference"):
        problem = "with --noise the pictures themselves are clean"
        raise SettingError("reference", problem, "leave one of them out")
    results_path = Path(said["out"]) if said.get("out") else None
    if said.get("trace") and results_path is not None and results_path.suffix == ".csv":
        raise SettingError("trace", "no table holds it", "let --out end in .jsonl")
    clean = Path(said["reference"]) if said.get("reference") else None
    if clean is not None and not is_folder(clean):
        from tvdenoise.images import check_source

        check_source(clean)
    grid = _grid(said)
    if report is not None:
        pages.check(report, overwrite=overwrite)
    if plot is not None:
        _check_plot(plot)
    plan = planned([Path(name) for name in said["inputs"]], selection=Selection(recursive))
    reading = values.reading(axes=axes, max_pixels=max_pixels, nonfinite="refuse")
    runner = _Runner(plan, grid, clean, reading, as_json=as_json, quiet=quiet, trace=bool(said.get("trace")))
    code = runner.run(results_path)
    if not as_json:
        _print_tables(runner.rows, markdown=markdown)
    if plot is not None:
        _plot(runner.rows, plot)
    if report is not None:
        pages.write(report, runner.rows, runner.ignored, reading, command=messages.command_line())
    raise typer.Exit(code)


class _Runner:
    """Makes the rows, or takes them from a file."""

    def __init__(
        self,
        plan: "Plan",
        grid: "Grid",
        reference: Path | None,
        reading: "ReadOptions",
        *,
        as_json: bool,
        quiet: bool,
        trace: bool,
    ) -> None:
        self.rows: list[dict[str, Any]] = []
        self.ignored: list[str] = []
        self._plan, self._grid, self._reference, self._reading = plan, grid, reference, reading
        self._as_json, self._quiet, self._trace = as_json, quiet, trace
        self._counts: Counter[str] = Counter()

    def run(self, path: Path | None) -> int:
        """Make the rows that are not in the file, and return the exit code."""
        from tqdm import tqdm

        from tvdenoise import results
        from tvdenoise.sweeping import sweep

        began = time.perf_counter()
        is_hidden = self._quiet or not sys.stderr.isatty()
        with nullcontext() if path is None else results.opened(path) as file:
            known = {} if file is None else {row["key"]: row for row in file.rows if row["status"] == "done"}
            self.ignored = [] if file is None else file.ignored
            for words in self.ignored:
                messages.note(f"{path}: ignored {words}")
            with tqdm(total=len(self._plan) * len(self._grid), unit="run", leave=False, disable=is_hidden) as bar:
                for row in sweep(self._specimens(), self._grid, known=known, trace=self._trace):
                    bar.update()
                    self._counts[row.status] += 1
                    if file is not None:
                        file.add(row)
                    if self._as_json:
                        messages.data(json.dumps(row.as_json()))
                    if row.error is not None:
                        messages.failure(row.error)
                    self.rows.append(row.as_dict())
        if not self._quiet:
            kept = f", {len(known)} there already" if known else ""
            seconds = time.perf_counter() - began
            messages.note(f"{self._counts['done']} runs done, {self._counts['failed']} failed{kept}, {seconds:.1f} s")
        self.rows += known.values()
        return 1 if self._counts["failed"] else 0

    def _specimens(self) -> Iterator["Specimen"]:
        from tvdenoise.plan import counterpart
        from tvdenoise.specimens import read_specimen

        for pair in self._plan.pairs():
            try:
                clean = self._reference and counterpart(self._reference, pair.relative)
                yield read_specimen(pair.source, clean, self._reading)
            except TVDenoiseError as error:
                self._counts["failed"] += 1
                messages.failure(messages.told(error))


def _grid(said: dict[str, Any]) -> "Grid":
    """Return what was asked for."""
    from tvdenoise.noise import Noise
    from tvdenoise.sweeping import Grid

    lists = {name: _items(said.get(name, default)) for name, default in LISTS.items()}
    clipped = bool(said.get("clip_noise"))
    try:
        seeds = tuple(int(seed) for seed in lists["seed"])
        if min(seeds) < 0:
            raise ValueError
    except ValueError:
        raise SettingError("seed", f"{said['seed']} are no whole numbers of 0 or more", "give such as 0,1,2") from None
    sigma, file_sigma = values.sigmas_of(None if said.get("sigma") is None else str(said["sigma"]))
    if file_sigma is not None:
        raise SettingError("sigma", "pictures of many ranges have no numbers in common", "give such as 25/255")
    return Grid(
        weight=tuple(weight for item in lists["lambda"] for weight in values.weights_of(item)),
        tv=lists["tv"],  # type: ignore[arg-type]
        color=lists["color"],  # type: ignore[arg-type]
        optimizer=lists["optimizer"],
        noise=tuple(Noise.read(item, is_clipped=clipped) for item in lists["noise"]) or (None,),
        seed=seeds,
        sigma=sigma,
        **{name: said.get(name) for name in ("lr", "tol", "max_steps")},
        device=said.get("device", "auto"),
    )


def _items(said: object) -> tuple[str, ...]:
    """Return the items of a list, in TOML's form or with commas."""
    items = said if isinstance(said, list) else str(said).split(",")
    return tuple(str(item).strip() for item in items if str(item).strip())


def _configured(path: Path | None) -> dict[str, Any]:
    """Return what an experiment's file says, by the names of the options."""
    if path is None:
        return {}
    try:
        said = tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(path, f"it cannot be read ({error.strerror})", "check the path") from error
    except ValueError as error:
        raise InputError(path, f"it is no TOML ({error})", "correct it") from error
    known = (*LISTS, *SINGLE)
    for name in said:
        if name not in known:
            near: Sequence[str] = get_close_matches(name, known, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"choose from {', '.join(known)}"
            raise InputError(path, f"{name!r} is unknown", remedy)
    if "inputs" in said:
        said["inputs"] = [said["inputs"]] if isinstance(said["inputs"], str) else said["inputs"]
        said["inputs"] = [str(path.parent / name) for name in said["inputs"]]
    for name in ("reference", "out"):
        if name in said:
            said[name] = str(path.parent / said[name])
    return said


def _check_plot(path: Path) -> None:
    """Refuse, before any work, a chart of no known format."""
    from tvdenoise.plots import ENDINGS

    if path.suffix.lower() not in ENDINGS:
        raise OutputError(path, "charts are PNG, SVG or PDF", f"end it in one of {', '.join(ENDINGS)}")
    pages.check_folder(path)


def _plot(rows: list[dict[str, Any]], path: Path) -> None:
    from tvdenoise import plots

    figure = plots.drawn(rows)
    if figure is None:
        messages.note(f"{path} is not drawn: there are no several lambdas with a PSNR, and no --trace")
    else:
        plots.save(figure, path)


def _print_tables(rows: list[dict[str, Any]], *, markdown: bool) -> None:
    from tvdenoise.tables import summary

    tables = summary(rows)
    for table in tables:
        messages.data((table.markdown() if markdown else table.text()) + "\n")
    if not tables and rows:
        messages.note("no PSNR without clean pictures: give --noise or --reference")
