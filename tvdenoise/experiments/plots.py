"""Curves of a sweep through Matplotlib: quality by lambda, and the certified distance by the time it took."""

import io
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tvdenoise.errors import missing_extra
from tvdenoise.experiments.tables import group_rows
from tvdenoise.files.rows import RowDict, RowDicts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg", ".pdf")  # the formats of charts
WIDTH = 4.7  # inches of a panel: three are as wide as a page
HEIGHT = 3.4  # inches
LABELS = 0.9  # inches to the left of a panel and below it, for its labels
LONGEST_NAME = 30  # characters of a file's name that a panel is wide enough for
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


def draw_figure(rows: RowDicts, ink: str = "black") -> "Figure | None":
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
    style: dict[str, Any] = {"axes.spines.top": False, "axes.spines.right": False}
    for key in ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"):
        style[key] = ink
    with rc_context(style):
        figure = Figure(figsize=(WIDTH * len(panels), HEIGHT))
        # Margins that are given take half the time of a layout that is found.
        left = LABELS / figure.get_figwidth()
        bottom = LABELS / HEIGHT
        gap = 1.3 * LABELS / (WIDTH - LABELS)
        right = 1 - left / 5
        top = 1 - bottom / 5
        figure.subplots_adjust(left, bottom, right, top, wspace=gap)
        figure.subplots(1, len(panels))
        for axes, panel in zip(figure.axes, panels, strict=True):
            _draw(axes, panel)
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


@dataclass(frozen=True)
class _Panel:
    curves: Curves  # by the names of groups
    axes: Mapping[str, str]  # arguments of Matplotlib's Axes.set
    stars: Curves | None = None  # the lambdas that were chosen, where the best point of each curve is marked too


def _plan_panels(rows: RowDicts) -> list[_Panel]:
    panels = []
    for name, label in (("psnr_after", "PSNR (dB)"), ("ssim_after", "SSIM")):
        curves = {}
        stars = {}
        for group, own in group_rows(rows).items():
            given = [row for row in own if not row["criterion"]]
            curve = _average(given, name)
            if len(curve) > 1:
                chosen = [row for row in own if row["criterion"] and row["strength"] == 1]
                curves[group] = curve
                stars[group] = _average(chosen, name)
        if curves:
            panels.append(_Panel(curves, {"xlabel": "lambda", "ylabel": label}, stars))
    slowest = _find_slowest(rows)
    traces = {}
    for group, own in group_rows(slowest).items():
        trace = _trace(own[-1])
        if trace:
            traces[group] = trace
    if traces:
        first = slowest[0]
        picture = _shorten(Path(first["input"]).name)
        label = f"seconds\n{picture}, lambda {first['weight']:.4g}"
        panels.append(_Panel(traces, {"xlabel": label, "ylabel": "certified RMS distance", "yscale": "log"}))
    return panels


def _shorten(name: str) -> str:
    """Return a name without its middle if it is long: series of pictures differ at their ends."""
    if len(name) <= LONGEST_NAME:
        return name
    half = LONGEST_NAME // 2
    beginning = name[:half]
    end = name[-half:]
    return f"{beginning}...{end}"


def _average(rows: Iterable[RowDict], name: str) -> list[Point]:
    """Return the means of a figure by lambda, where it is finite and lambda has a logarithm."""
    values = defaultdict(list)
    for row in rows:
        weight = row["weight"]
        value = row[name]
        if value is not None and math.isfinite(value) and weight > 0:
            values[weight].append(value)
    return [(weight, fmean(values[weight])) for weight in sorted(values)]


def _find_slowest(rows: Iterable[RowDict]) -> list[RowDict]:
    """Return the runs with traces of the first picture and seed at the largest lambda."""
    traced = [row for row in rows if row["trace"]]
    if not traced:
        return []
    place = itemgetter("input", "seed")
    first_place = place(traced[0])
    first = [row for row in traced if place(row) == first_place]
    largest = max(row["weight"] for row in first)
    return [row for row in first if row["weight"] == largest]


def _trace(row: RowDict) -> list[Point]:
    """Return the certified distance by seconds, as far as a logarithmic scale has them."""
    seconds_and_bound = itemgetter("seconds", "rms_bound")
    entries = [entry for entry in row["trace"] if entry["step"] > 0 and entry["rms_bound"] is not None]
    points = map(seconds_and_bound, entries)
    return [point for point in points if 0 < min(point) <= max(point) < math.inf]


def _draw(axes: "Axes", panel: _Panel) -> None:
    axes.set(xscale="log", **panel.axes)
    for group, points in panel.curves.items():
        (line,) = axes.plot(*np.transpose(points), marker=".", label=group)
        if panel.stars is None:
            continue
        colour = line.get_color()
        best = max(points, key=itemgetter(1))
        axes.plot(*best, "o", ms=10, mfc="none", color=colour)
        if panel.stars[group]:
            chosen = np.mean(panel.stars[group], axis=0)
            axes.plot(*chosen, "*", ms=11, color=colour)
    _label_plainly(axes.xaxis)
    if panel.stars is None:
        _label_plainly(axes.yaxis)
    if len(panel.curves) > 1:
        axes.legend(frameon=False, fontsize="small")


def _label_plainly(axis: "Axis") -> None:
    """Write 0.02 at a logarithmic axis, and not 2 times a power, which takes more room than there is."""
    from matplotlib.ticker import LogLocator

    low, high = axis.get_data_interval()
    is_short = high < MOST_LABELLED * low
    subs = (1, 2, 5) if is_short else (1,)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")
