"""Curves of a sweep through Matplotlib: quality by lambda, and the certified distance by the time it took."""

import io
import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, BinaryIO

from tvdenoise.errors import missing_extra
from tvdenoise.experiments.tables import by_model, group_of, varied
from tvdenoise.files.rows import RowDict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg", ".pdf")
"""Of the formats of charts."""

WIDTH, HEIGHT, LABELS = 4.7, 3.4, 0.75
"""Inches of a panel, and of what is written beside it."""

MOST_LABELLED = 500
"""The ratio of the ends of a logarithmic axis up to which there is room for more than the powers of ten."""

INK = "#123456"
"""What stands for the colour of text in a figure for a page, which has one of its own."""


def check_installed() -> None:
    """Raise :class:`MissingExtraError` if there is no Matplotlib."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise missing_extra("charts", "Matplotlib is not installed", "plot") from error


def drawn(rows: Sequence[RowDict], ink: str = "black") -> "Figure | None":
    """Return a figure with a panel for each kind of curve that the rows have, or None if they have none.

    PSNR and SSIM by lambda are means over pictures and seeds, the best marked by a ring, lambda "auto" by a star; the
    convergence is that of the first picture and seed at the largest lambda, which takes longest.

    Raises
    ------
    MissingExtraError
        If Matplotlib is not installed.
    """
    check_installed()
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    done = [row for row in rows if row["status"] == "done"]
    panels: list[Callable[[Axes], None]] = []
    for name, label in (("psnr_after", "PSNR (dB)"), ("ssim_after", "SSIM")):
        if curves := _by_lambda(done, name):
            panels.append(partial(_quality, curves=curves, label=label))
    alike = _traced(done)
    if traces := _traces(alike):
        what = f"{Path(alike[0]['input']).name}, lambda {alike[0]['lambda']:.4g}"
        panels.append(partial(_convergence, traces=traces, what=what))
    if not panels:
        return None
    colours = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), ink)
    with rc_context({**colours, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(WIDTH * len(panels), HEIGHT))
        left, bottom = LABELS / figure.get_figwidth(), LABELS / HEIGHT  # twice as fast as a layout that is found
        figure.subplots_adjust(left, bottom, 1 - left / 5, 1 - bottom / 5, wspace=1.3 * LABELS / (WIDTH - LABELS))
        for axes, draw in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            draw(axes)
    return figure


def save(figure: "Figure", file: BinaryIO, ending: str) -> None:
    """Write a figure in the format of one of the endings."""
    figure.savefig(file, format=ending.removeprefix("."), dpi=150)


def svg(figure: "Figure") -> str:
    """Return a figure drawn in ``INK`` as an SVG element whose text has the colour of the text around it."""
    from matplotlib import rc_context

    out = io.StringIO()
    with rc_context({"svg.fonttype": "none"}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    element = out.getvalue()[out.getvalue().index("<svg") :]
    return re.sub(INK, "currentColor", element)


Curves = dict[str, tuple[list[tuple[float, float]], tuple[float, float] | None]]
"""For each group its points, and the point of lambda "auto"."""


def _by_lambda(rows: Sequence[RowDict], name: str) -> Curves:
    """Return the means of a figure by lambda, where there are several."""
    values: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    chosen: dict[str, list[tuple[float, float]]] = defaultdict(list)
    rows = by_model(rows)
    names = varied(rows)
    for row in rows:
        value = row[name]
        if value is None or not math.isfinite(value) or not row["lambda"]:
            continue
        group = group_of(row, names)
        if not row["criterion"]:
            values[group][row["lambda"]].append(value)
        elif row["strength"] == 1:
            chosen[group].append((row["lambda"], value))
    return {
        group: (
            sorted((weight, fmean(found)) for weight, found in points.items()),
            (fmean(w for w, _ in chosen[group]), fmean(v for _, v in chosen[group])) if chosen[group] else None,
        )
        for group, points in values.items()
        if len(points) > 1
    }


def _traced(rows: Sequence[RowDict]) -> list[RowDict]:
    """Return the runs of the first picture and seed at the largest lambda, as far as they have traces."""
    traced = [row for row in rows if row["trace"]]
    first = [row for row in traced if all(row[name] == traced[0][name] for name in ("input", "seed"))]
    largest = max((row["lambda"] for row in first), default=0)
    return [row for row in first if row["lambda"] == largest]


def _traces(rows: Sequence[RowDict]) -> dict[str, list[tuple[float, float]]]:
    """Return the certified distance by seconds, as far as a logarithmic scale has them."""
    names, traces = varied(rows), {}
    for row in rows:
        points = [(entry["seconds"], entry["rms_bound"]) for entry in row["trace"] if entry["step"]]
        shown = [point for point in points if 0 < min(point) <= max(point) < math.inf]
        if shown:
            traces[group_of(row, names)] = shown
    return traces


def _quality(axes: "Axes", *, curves: Curves, label: str) -> None:
    for group, (points, chosen) in curves.items():
        (line,) = axes.plot(*zip(*points, strict=True), marker=".", label=group)
        axes.plot(*max(points, key=lambda point: point[1]), "o", ms=10, mfc="none", color=line.get_color())
        if chosen is not None:
            axes.plot(*chosen, "*", ms=11, color=line.get_color())
    axes.set(xscale="log", xlabel="lambda", ylabel=label)
    _with_plain_numbers(axes.xaxis)
    _legend(axes, curves)


def _convergence(axes: "Axes", *, traces: Mapping[str, list[tuple[float, float]]], what: str) -> None:
    for group, points in traces.items():
        axes.plot(*zip(*points, strict=True), marker=".", label=group)
    axes.set(xscale="log", yscale="log", xlabel=f"seconds ({what})", ylabel="certified RMS distance")
    _with_plain_numbers(axes.xaxis)
    _with_plain_numbers(axes.yaxis)
    _legend(axes, traces)


def _with_plain_numbers(axis: "Axis") -> None:
    """Write 0.02 at a logarithmic axis, and not 2 times a power, which takes more room than there is."""
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axis.get_data_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < MOST_LABELLED * low else (1,)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _legend(axes: "Axes", curves: Mapping[str, object]) -> None:
    if len(curves) > 1:
        axes.legend(frameon=False, fontsize="small")
