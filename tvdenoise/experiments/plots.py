"""Curves of a sweep through Matplotlib: quality by lambda, and the certified distance by the time it took."""

import io
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from tvdenoise.errors import missing_extra
from tvdenoise.experiments.tables import group_rows
from tvdenoise.files.rows import RowDict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg", ".pdf")  # the formats of charts
WIDTH = 4.7  # inches of a panel: three are as wide as a page
HEIGHT = 3.4  # inches
LABELS = 0.75  # inches to the left of a panel and below it, for its labels
MOST_LABELLED = 500  # of the ends of a logarithmic axis the ratio up to which 2 and 5 fit between powers of ten
INK = "#123456"  # stands for the colour of text, which a page has of its own

Point = tuple[float, float]
Curves = Mapping[str, Sequence[Point]]


def check_installed() -> None:
    """Raise :class:`MissingExtraError` if there is no Matplotlib."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise missing_extra("charts", "Matplotlib is not installed", "plot") from error


def draw_figure(rows: Sequence[RowDict], ink: str = "black") -> "Figure | None":
    """Return a figure with a panel for each kind of curve that the rows have, or None if they have none.

    PSNR and SSIM by lambda are means over pictures and seeds, the best marked by a ring, lambda "auto" by a star; the
    convergence is that of the first picture and seed at the largest lambda, which takes longest. Raises
    MissingExtraError if Matplotlib is not installed.
    """
    check_installed()
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    panels = _plan_panels([row for row in rows if row["status"] == "done"])
    if not panels:
        return None
    inked = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    with rc_context({**dict.fromkeys(inked, ink), "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(WIDTH * len(panels), HEIGHT))
        # Margins that are given take half the time of a layout that is found.
        left = LABELS / figure.get_figwidth()
        bottom = LABELS / HEIGHT
        gap = 1.3 * LABELS / (WIDTH - LABELS)
        figure.subplots_adjust(left, bottom, 1 - left / 5, 1 - bottom / 5, wspace=gap)
        all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, draw in zip(all_axes, panels, strict=True):
            draw(axes)
    return figure


def save(figure: "Figure", file: BinaryIO, ending: str) -> None:
    """Write a figure in the format of one of the endings."""
    figure.savefig(file, format=ending.removeprefix("."), dpi=150)


def to_svg(figure: "Figure") -> str:
    """Return a figure drawn in ``INK`` as an SVG element whose text has the colour of the text around it."""
    from matplotlib import rc_context

    out = io.StringIO()
    with rc_context({"svg.fonttype": "none"}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    # An element of a page has no XML declaration.
    _, start, element = out.getvalue().partition("<svg")
    return start + element.replace(INK, "currentColor")


def _plan_panels(rows: Sequence[RowDict]) -> "list[Callable[[Axes], None]]":
    """Return the functions that draw the panels."""
    panels: list[Callable[[Axes], None]] = []
    for name, label in (("psnr_after", "PSNR (dB)"), ("ssim_after", "SSIM")):
        curves = {}
        stars = {}
        for group, own in group_rows(rows).items():
            curve = _average([row for row in own if not row["criterion"]], name)
            if len(curve) > 1:
                curves[group] = curve
                stars[group] = _average([row for row in own if row["criterion"] and row["strength"] == 1], name)
        if curves:
            panels.append(partial(_draw_quality, curves=curves, stars=stars, label=label))
    slowest = _find_slowest(rows)
    traces = {group: _trace(own[-1]) for group, own in group_rows(slowest).items()}
    if any(traces.values()):
        first = slowest[0]
        label = f"seconds ({Path(first['input']).name}, lambda {first['lambda']:.4g})"
        panels.append(partial(_draw_convergence, traces=traces, label=label))
    return panels


def _average(rows: Iterable[RowDict], name: str) -> list[Point]:
    """Return the means of a figure by lambda, where it is finite and lambda has a logarithm."""
    values = defaultdict(list)
    for row in rows:
        if row[name] is not None and math.isfinite(row[name]) and row["lambda"] > 0:
            values[row["lambda"]].append(row[name])
    return [(weight, fmean(values[weight])) for weight in sorted(values)]


def _find_slowest(rows: Iterable[RowDict]) -> list[RowDict]:
    """Return the runs with traces of the first picture and seed at the largest lambda."""
    runs = defaultdict(list)
    for row in rows:
        if row["trace"]:
            runs[row["input"], row["seed"]].append(row)
    first = next(iter(runs.values()), [])
    largest = max((row["lambda"] for row in first), default=None)
    return [row for row in first if row["lambda"] == largest]


def _trace(row: RowDict) -> list[Point]:
    """Return the certified distance by seconds, as far as a logarithmic scale has them."""
    points = [(entry["seconds"], entry["rms_bound"]) for entry in row["trace"] if entry["step"] > 0]
    return [point for point in points if 0 < min(point) <= max(point) < math.inf]


def _draw_quality(axes: "Axes", *, curves: Curves, stars: Curves, label: str) -> None:
    for group, points in curves.items():
        (line,) = axes.plot(*zip(*points, strict=True), marker=".", label=group)
        best = max(points, key=itemgetter(1))
        axes.plot(*best, "o", ms=10, mfc="none", color=line.get_color())
        if stars[group]:
            axes.plot(*np.mean(stars[group], axis=0), "*", ms=11, color=line.get_color())
    axes.set(xscale="log", xlabel="lambda", ylabel=label)
    _label_plainly(axes.xaxis)
    _add_legend(axes)


def _draw_convergence(axes: "Axes", *, traces: Curves, label: str) -> None:
    for group, points in traces.items():
        if points:
            axes.plot(*zip(*points, strict=True), marker=".", label=group)
    axes.set(xscale="log", yscale="log", xlabel=label, ylabel="certified RMS distance")
    _label_plainly(axes.xaxis)
    _label_plainly(axes.yaxis)
    _add_legend(axes)


def _label_plainly(axis: "Axis") -> None:
    """Write 0.02 at a logarithmic axis, and not 2 times a power, which takes more room than there is."""
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axis.get_data_interval()
    subs = (1, 2, 5) if high < MOST_LABELLED * low else (1,)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _add_legend(axes: "Axes") -> None:
    handles, _ = axes.get_legend_handles_labels()
    if len(handles) > 1:
        axes.legend(frameon=False, fontsize="small")
