"""The page: pictures to lay over each other, curves, and a table that sorts."""

import base64
import io
import math
from collections.abc import Iterable, Mapping, Sequence
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
from tvdenoise.files.rows import RowDicts

BUDGET = 2 * 2**20  # bytes of the page for a picture as noisy, denoised first, clean, and the residual
VISIBLE = 0.15  # the standard deviation at which residuals are shown, on gray
SLIDER = "8.0.7"  # the version of img-comparison-slider

Images = Mapping[str, NDArray[np.floating]]
NamedImages = Iterable[tuple[str, NDArray[np.floating]]]

# The keys of rows that the table shows where any row has a value, and its headings.
COLUMNS = {
    "input": "picture",
    "noise": "noise",
    "seed": "seed",
    "noise_model": "noise model",
    "tv": "TV",
    "color": "colour",
    "chroma": "chroma",
    "strength": "strength",
    "optimizer": "optimizer",
    "weight": "lambda",
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
FORMATS = {"psnr_before": ".2f", "psnr_after": ".2f", "ssim_before": ".4f", "ssim_after": ".4f", "rms_bound": "#.2g"}
FORMATS |= {"seconds": ".3f"}


@dataclass(frozen=True)
class Exhibit:
    """A picture of an experiment: what was done to it, and all its runs.

    ``images`` can be laid over each other, by name, on the unit scale: noisy, denoised and clean; there are none if
    ``caption`` says why. ``others`` are denoised otherwise; they are encoded one by one, so that memory holds one.
    """

    title: str
    caption: str
    rows: RowDicts
    images: Images = field(default_factory=dict)
    others: NamedImages = ()


def make_page(
    rows: RowDicts,
    exhibits: Iterable[Exhibit],
    *,
    title: str = "tvdenoise",
    command: str = "",
    ignored: Sequence[str] = (),
) -> str:
    """Return the page for rows and the pictures to show, made by a command; ``ignored`` says what rows were left out.

    Raises MissingExtraError if Matplotlib, which draws the curves, is not installed.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(_read("template.html"))
    pictures = {(row["input"], row["noise"]) for row in rows}
    has_several = len(pictures) > 1
    return template.render(
        title=title,
        command=command,
        versions=_describe_versions(rows),
        ignored=ignored,
        # With one picture, its own chart says it all.
        chart=has_several and _draw_chart(rows),
        pictures=[_describe_picture(exhibit) for exhibit in exhibits],
        columns=_make_columns(rows),
        count=len(rows),
        style=_read("page.css"),
        script=_read("page.js"),
        slider=_read("img-comparison-slider.js"),
        slider_version=SLIDER,
        budget=BUDGET >> 20,
        licence=_read("img-comparison-slider.LICENSE"),
    )


def _read(name: str) -> str:
    return (resources.files(__package__) / name).read_text("utf-8")


def _describe_versions(rows: RowDicts) -> str:
    made = ", ".join(sorted({row["version"] for row in rows}))
    names = ("torch", "numpy", "scikit-image")
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    return f"Runs by tvdenoise {made}; page by {__version__} with {packages}"


@dataclass(frozen=True)
class _Column:
    heading: str
    values: Sequence[Any]  # to sort by, "" where there is none
    texts: Sequence[str]
    is_of_numbers: bool


def _make_columns(rows: RowDicts) -> list[_Column]:
    """Return the columns of the table, without those that are empty."""
    columns = []
    for key, heading in COLUMNS.items():
        values = ["" if row[key] is None else row[key] for row in rows]
        if not any(value != "" for value in values):
            continue
        digits = FORMATS.get(key, ".4g")
        texts = [format(value, digits) if isinstance(value, float) else str(value) for value in values]
        words = [value for value in values if isinstance(value, str) and value]
        is_of_numbers = not words
        if is_of_numbers:
            texts = _align(texts)
        columns.append(_Column(heading, values, texts, is_of_numbers))
    return columns


def _align(numbers: Sequence[str]) -> list[str]:
    """Return numbers with spaces behind them: aligned right, their points stand under each other."""
    wholes = [number.partition(".")[0] for number in numbers]
    tails = [len(number) - len(whole) for number, whole in zip(numbers, wholes, strict=True)]
    longest = max(tails)
    return [number + " " * (longest - tail) for number, tail in zip(numbers, tails, strict=True)]


def _describe_picture(exhibit: Exhibit) -> dict[str, Any]:
    images, factor = _encode(exhibit.images)
    for name, image in exhibit.others:
        images[name] = _data_url(image, factor, lossless=True)
    height, width = np.shape(exhibit.images.get("noisy", [[]]))[:2]
    return {
        "exhibit": exhibit,
        "images": images,
        "factor": factor,
        "width": math.ceil(width / factor),
        "height": math.ceil(height / factor),
        "chart": _draw_chart(exhibit.rows),
    }


def _draw_chart(rows: RowDicts) -> str | None:
    figure = plots.draw_figure(rows, plots.INK)
    if figure is None:
        return None
    return plots.to_svg(figure)


def _encode(images: Images) -> tuple[dict[str, str], int]:
    """Return pictures and the residual as data URLs, and the factor by which they are made smaller to fit."""
    residual: NDArray[np.floating] = np.zeros(1)
    if len(images) > 1:
        noisy, denoised, *_ = images.values()
        residual = noisy - denoised
    spread = float(residual.std())
    factor = 1
    while True:
        urls = {name: _data_url(image, factor, lossless=True) for name, image in images.items()}
        if spread > 0:
            gain = VISIBLE / spread
            around_gray = 0.5 + gain * residual
            urls[f"residual, {gain:.2g} times"] = _data_url(around_gray, factor, lossless=False)
        if sum(map(len, urls.values())) <= BUDGET:
            return urls, factor
        factor *= 2


def _data_url(image: NDArray[np.floating], factor: int, *, lossless: bool) -> str:
    """Return a picture as WebP of 8 bits, made smaller by a whole factor; of many channels the first three."""
    levels = np.clip(image, 0, 1) * 255
    values = np.rint(levels).astype(np.uint8)
    if values.ndim == 3:
        colours = values[..., :3]
        missing = 3 - colours.shape[2]
        values = np.pad(colours, ((0, 0), (0, 0), (0, missing)))
    # A lossless file's quality is the effort of packing it: more takes long and saves little.
    quality = 20 if lossless else 80
    content = io.BytesIO()
    small = Image.fromarray(values).reduce(factor)
    small.save(content, "WEBP", lossless=lossless, quality=quality, method=1)
    return "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode()
