"""The page: pictures to lay over each other, curves, and a table that sorts."""

import base64
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from importlib.metadata import version
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tvdenoise import __version__
from tvdenoise.experiments import plots
from tvdenoise.files.rows import RowDict

BUDGET = 2 * 2**20
"""Bytes of the page that a picture may take, with all that is laid over it."""

VISIBLE = 0.15
"""The standard deviation at which residuals are shown, on gray."""

SLIDER = "8.0.7"
"""The version of img-comparison-slider."""

COLUMNS = {
    "input": "picture",
    "noise": "noise",
    "seed": "seed",
    "tv": "TV",
    "color": "colour",
    "chroma": "chroma",
    "optimizer": "optimizer",
    "lambda": "lambda",
    "criterion": "chosen by",
    "psnr_before": "PSNR before",
    "psnr_after": "PSNR",
    "ssim_before": "SSIM before",
    "ssim_after": "SSIM",
    "steps": "steps",
    "stop": "stopped by",
    "rms_bound": "certified within",
    "seconds": "seconds",
    "error": "error",
}
"""What the table shows of the rows, where any row has it."""


@dataclass(frozen=True)
class Exhibit:
    """A picture of an experiment.

    Attributes
    ----------
    title
        What it is called.
    caption
        What was done to it.
    rows
        All its runs.
    images
        What can be laid over each other, on the unit scale, by name; none if ``caption`` says why.
    residual
        The noise that was taken out, on the unit scale around 0.
    """

    title: str
    caption: str
    rows: Sequence[RowDict]
    images: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)
    residual: NDArray[np.floating] | None = None


def page(
    rows: Sequence[RowDict],
    exhibits: Iterable[Exhibit],
    *,
    title: str = "tvdenoise",
    command: str = "",
    ignored: Sequence[str] = (),
) -> str:
    """Return the page for rows and pictures.

    Parameters
    ----------
    rows
        All runs.
    exhibits
        The pictures to show, in their order.
    title, command
        What the page is called, and the command line that made the rows.
    ignored
        What was left out of the rows, in words.

    Raises
    ------
    MissingExtraError
        If Matplotlib, which draws the curves, is not installed.
    """
    here = resources.files(__package__)
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True).from_string(
        (here / "template.html").read_text("utf-8")
    )
    shown = {key: name for key, name in COLUMNS.items() if any(row.get(key) is not None for row in rows)}
    return template.render(
        title=title,
        command=command,
        versions=_versions(rows),
        ignored=[f"Ignored: {words}." for words in ignored],
        chart=_chart(rows) if len({(row["input"], row["noise"]) for row in rows}) > 1 else "",
        pictures=list(_pictures(exhibits)),
        header=list(shown.values()),
        body=[[_cell(row.get(key)) for key in shown] for row in rows],
        style=(here / "page.css").read_text("utf-8"),
        script=(here / "page.js").read_text("utf-8"),
        slider=(here / "img-comparison-slider.js").read_text("utf-8"),
        slider_version=SLIDER,
        budget=BUDGET >> 20,
        licence=(here / "img-comparison-slider.LICENSE").read_text("utf-8"),
    )


def _versions(rows: Sequence[RowDict]) -> str:
    made = ", ".join(sorted({str(row["version"]) for row in rows}))
    return f"Runs by tvdenoise {made}; page by {__version__} with " + ", ".join(
        f"{name} {version(name)}" for name in ("torch", "numpy", "scikit-image")
    )


def _pictures(exhibits: Iterable[Exhibit]) -> Iterator[dict[str, Any]]:
    for exhibit in exhibits:
        images, factor = _encoded(exhibit.images, exhibit.residual)
        height, width = next(iter(exhibit.images.values())).shape[:2] if exhibit.images else (0, 0)
        yield {
            "title": exhibit.title,
            "caption": exhibit.caption,
            "images": images,
            "others": dict(list(images.items())[2:]),  # than those that are shown first
            "width": -(-width // factor),
            "height": -(-height // factor),
            "note": f"Shown at 1/{factor} of its size, to keep it within {BUDGET >> 20} MB." if factor > 1 else "",
            "chart": _chart(exhibit.rows),
        }


def _chart(rows: Sequence[RowDict]) -> str:
    figure = plots.drawn(rows, plots.INK)
    return "" if figure is None else plots.svg(figure)


def _encoded(
    images: Mapping[str, NDArray[np.floating]], residual: NDArray[np.floating] | None
) -> tuple[dict[str, str], int]:
    """Return pictures as data URLs, every pixel kept but in the residual, and by what they had to be made smaller."""
    spread = 0.0 if residual is None else float(residual.std())
    factor = 1
    while True:
        sources = {name: _data_url(image, factor, lossless=True) for name, image in images.items()}
        if residual is not None and spread > 0:
            gray = 0.5 + residual * (VISIBLE / spread)
            sources[f"residual, {VISIBLE / spread:.2g} times"] = _data_url(gray, factor, lossless=False)
        if sum(map(len, sources.values())) <= BUDGET:
            return sources, factor
        factor *= 2


def _data_url(image: NDArray[np.floating], factor: int, *, lossless: bool) -> str:
    """Return a picture as WebP of 8 bits, made smaller by a whole factor; of many channels the first three."""
    values = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    if values.ndim == 3:
        values = np.pad(values[..., :3], ((0, 0), (0, 0), (0, max(0, 3 - values.shape[2]))))
    content = io.BytesIO()
    Image.fromarray(values).reduce(factor).save(
        content, "WEBP", lossless=lossless, quality=20 if lossless else 80, method=1
    )
    return "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode()


def _cell(value: object) -> dict[str, str]:
    if value is None:
        return {"value": "", "text": ""}
    if isinstance(value, float):
        return {"value": repr(value), "text": "inf" if value == math.inf else f"{value:.4g}"}
    return {"value": str(value), "text": str(value)}
