"""How much is lost by choosing lambda from a photograph alone, where the truth is known.

``python benchmarks/cameras.py simulate FOLDER --out rows.jsonl`` takes the photographs of a folder for the truth: each
is reduced, so that its own noise and compression are gone, and cut. Simulated cameras take pictures of it: light ->
photons and read noise at a Bayer mosaic -> demosaicking -> white balance, colour matrix, tone curve -> smoothing,
sharpening and resizing -> 8 bits -> JPEG. The truth that results are compared with is what the same camera makes of the
same light without noise, before it is rounded. ``pairs FOLDER`` takes real ones: ``NAME_real.png``, one shot, and
``NAME_mean.png``, the mean of many.

``auto`` is what the default command does; ``best`` the highest PSNR of a grid of lambdas of ratio 1.15, with 1, 1.5, 2
or 3.1 times that for chroma. PSNR is that of floats, before they are clipped. ``table`` reads rows.
"""

import io
import math
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated

import numpy as np
import rows
import torch
import typer
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import convolve, gaussian_filter

from tvdenoise import denoise
from tvdenoise.arrays import colour

RATIO = 1.15
CHROMA_STEPS = (0, 3, 5, 8)
"""Of the grid, from lambda to that of chroma: 1, 1.5, 2 and 3.1 times as much."""

SIDE = 384
"""Of the part of a photograph that is used, in pixels."""

GAINS = np.array([2.0, 1.0, 1.6])
"""White balance for daylight: what red and blue are multiplied by."""

MATRIX = np.array([[1.60, -0.45, -0.15], [-0.20, 1.45, -0.25], [0.02, -0.50, 1.48]])
"""From the colours of a sensor to those of sRGB. Each row has the sum 1, so that gray stays gray."""

# The four filters of Malvar, He and Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color
# images", ICASSP 2004, times 8.
GREEN = np.array([[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]]) / 8
ALONG_ROW = (
    np.array([[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]]) / 8
)
ACROSS = np.array([[0, 0, -1.5, 0, 0], [0, 2, 0, 2, 0], [-1.5, 0, 6, 0, -1.5], [0, 2, 0, 2, 0], [0, 0, -1.5, 0, 0]]) / 8

Pixels = NDArray[np.floating]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


def choose_colours(height: int, width: int) -> Pixels:
    """Return a mask (H, W, 3): which colour each pixel of a Bayer mosaic (RGGB) sees."""
    mask = np.zeros((height, width, 3))
    mask[::2, ::2, 0] = 1
    mask[::2, 1::2, 1] = 1
    mask[1::2, ::2, 1] = 1
    mask[1::2, 1::2, 2] = 1
    return mask


def demosaic_bilinearly(mosaic: Pixels) -> Pixels:
    """Take the mean of the nearest pixels of each colour."""
    mask = choose_colours(*mosaic.shape)
    kernel = np.outer((0.5, 1, 0.5), (0.5, 1, 0.5))[..., None]
    seen = convolve(mask * mosaic[..., None], kernel, mode="mirror")
    return seen / convolve(mask, kernel, mode="mirror")


def demosaic_by_gradients(mosaic: Pixels) -> Pixels:
    """Correct the bilinear means by the gradients of the colour that a pixel has (Malvar, He and Cutler)."""
    red, green, blue = np.moveaxis(choose_colours(*mosaic.shape), -1, 0).astype(bool)
    along_row = convolve(mosaic, ALONG_ROW, mode="mirror")
    along_column = convolve(mosaic, ALONG_ROW.T, mode="mirror")
    across = convolve(mosaic, ACROSS, mode="mirror")
    beside_red = green & red.any(1)[:, None]
    beside_blue = green & blue.any(1)[:, None]
    kinds = [red, beside_red, beside_blue, blue]
    return np.stack(
        [
            np.select(kinds, [mosaic, along_row, along_column, across]),
            np.where(green, mosaic, convolve(mosaic, GREEN, mode="mirror")),
            np.select(kinds, [across, along_column, along_row, mosaic]),
        ],
        axis=-1,
    )


@dataclass(frozen=True)
class Camera:
    """What a camera does, and a program after it."""

    name: str
    photons: float  # counted in a white pixel
    reading: float = 3.0  # the standard deviation of the noise of reading, in photons
    demosaic: Callable[[Pixels], Pixels] = demosaic_by_gradients
    smoothing: float = 0.0  # the standard deviation of a Gaussian filter, in pixels
    sharpening: float = 0.0  # how much of the difference to a smooth picture is added
    scale: float = 1.0  # of the sides
    jpeg: int | None = None  # its quality
    subsampling: str = "4:2:0"

    def shoot(self, light: Pixels, random: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Return the noisy picture as a file has it, and the truth, for linear light (H, W, 3) from 0 to 1."""
        colours = np.clip(light @ np.linalg.inv(MATRIX).T, 0, 1) / GAINS
        mosaic = (colours * choose_colours(*light.shape[:2])).sum(-1)
        counts = random.poisson(self.photons * mosaic) + random.normal(0, self.reading, mosaic.shape)
        noisy = self._develop(counts / self.photons)
        return self._save(noisy), self._develop(mosaic)

    def _develop(self, mosaic: Pixels) -> Pixels:
        colours = np.clip(self.demosaic(mosaic) * GAINS, 0, 1)
        picture = brighten(np.clip(colours @ MATRIX.T, 0, 1))
        if self.smoothing:
            picture = gaussian_filter(picture, (self.smoothing, self.smoothing, 0))
        if self.sharpening:
            smooth = gaussian_filter(picture, (1, 1, 0))
            picture = picture + self.sharpening * (picture - smooth)
        if self.scale != 1:
            picture = resize(picture, self.scale)
        return np.clip(picture, 0, 1)

    def _save(self, picture: Pixels) -> Pixels:
        pixels = np.rint(255 * picture).astype(np.uint8)
        if self.jpeg:
            content = io.BytesIO()
            Image.fromarray(pixels).save(content, "JPEG", quality=self.jpeg, subsampling=self.subsampling)
            pixels = np.asarray(Image.open(content))
        return pixels / 255


def brighten(light: Pixels) -> Pixels:
    """Return what sRGB shows of light, with a little more contrast, as cameras do."""
    shown = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)
    contrast = shown * shown * (3 - 2 * shown)
    return 0.7 * shown + 0.3 * contrast


def resize(picture: Pixels, scale: float) -> Pixels:
    """Resize (H, W, 3) by a Lanczos filter."""
    height, width = (round(scale * side) for side in picture.shape[:2])
    planes = [Image.fromarray(plane.astype(np.float32)) for plane in np.moveaxis(picture, -1, 0)]
    resized = [np.asarray(plane.resize((width, height), Image.Resampling.LANCZOS)) for plane in planes]
    return np.stack(resized, -1).astype(float)


CAMERAS = (
    Camera("raw converter, ISO low", 8000),
    Camera("raw converter, ISO high", 800),
    Camera("bilinear", 800, demosaic=demosaic_bilinearly),
    Camera("JPEG 98, 4:4:4", 800, jpeg=98, subsampling="4:4:4"),
    Camera("JPEG 92", 800, jpeg=92),
    Camera("JPEG 92, ISO low", 4000, jpeg=92),
    Camera("JPEG 80", 800, jpeg=80),
    Camera("JPEG 75, ISO highest", 200, jpeg=75),
    Camera("smoothed, JPEG 92", 400, smoothing=0.7, jpeg=92),
    Camera("smoothed, sharpened, JPEG 92", 400, smoothing=0.8, sharpening=0.8, jpeg=92),
    Camera("halved, JPEG 92", 200, scale=0.5, jpeg=92),
    Camera("enlarged by half, JPEG 92", 1500, scale=1.5, jpeg=92),
)


@app.command()
def simulate(
    folder: Path,
    out: Annotated[Path, typer.Option(help="The rows, as JSON lines.")] = Path("cameras.jsonl"),
    reduce: Annotated[int, typer.Option(help="What the sides of the photographs are divided by.")] = 3,
    most: Annotated[int, typer.Option(help="How many photographs.")] = 1000,
) -> None:
    """Measure simulated cameras."""
    paths = sorted(folder.glob("*.jpg"))[:most]
    print(make_table(rows.written(_simulated(paths, reduce), out)))


@app.command()
def pairs(
    folder: Path, out: Annotated[Path, typer.Option(help="The rows, as JSON lines.")] = Path("pairs.jsonl")
) -> None:
    """Measure real pairs of a noisy shot and the mean of many."""
    print(make_table(rows.written(_real(folder), out)))


@app.command()
def table(path: Path) -> None:
    """Print a Markdown table of the rows of a file."""
    print(make_table(rows.read(path)))


def _simulated(paths: list[Path], factor: int) -> Iterator[rows.Row]:
    for path in paths:
        photograph = Image.open(path).convert("RGB").reduce(factor)
        left = (photograph.width - SIDE) // 2
        top = (photograph.height - SIDE) // 2
        part = photograph.crop((left, top, left + SIDE, top + SIDE))
        light = (np.asarray(part) / 255) ** 2.2
        for camera in CAMERAS:
            random = np.random.default_rng(zlib.crc32((path.name + camera.name).encode()))
            noisy, clean = camera.shoot(light, random)
            yield {"camera": camera.name, "picture": path.stem} | _measure(noisy, clean)


def _real(folder: Path) -> Iterator[rows.Row]:
    for path in sorted(folder.glob("*_real.*")):
        noisy, clean = (np.asarray(Image.open(file)) / 255 for file in (path, _mean_of(path)))
        yield {"camera": folder.name, "picture": path.stem} | _measure(noisy, clean)


def _mean_of(path: Path) -> Path:
    return path.with_name(path.name.replace("_real", "_mean"))


def _measure(noisy: Pixels, clean: Pixels) -> rows.Row:
    """Return the PSNR before, by lambda auto, and by the best lambda, and what goes with them."""
    f = noisy.astype(np.float32)
    auto = denoise(f, tv="isotropic", color="auto")
    return {
        "noisy": _psnr(np.square(f - clean).mean()),
        "auto": _psnr(np.square(auto.image - clean).mean()),
        **_find_best(to_opponent(noisy), to_opponent(clean)),
        "sigma": float(np.std(noisy - clean)),
        "sigma_read": auto.sigma,
        "auto_lambda": auto.weight,
        "auto_chroma": auto.chroma,
    }


def to_opponent(picture: Pixels) -> Pixels:
    """Return luma and chroma (3, H, W) of (H, W, 3)."""
    planes = np.ascontiguousarray(np.moveaxis(picture, -1, 0))
    return colour.to_opponent(torch.from_numpy(planes)).numpy()


def _find_best(noisy: Pixels, clean: Pixels) -> rows.Row:
    """Climb the grid of lambdas to the highest PSNR: strides of 4, 2, then 1.

    Luma and chroma have no difference in common: each is denoised by itself, once at each lambda.
    """
    luma = _Errors(noisy[:1], clean[:1])
    chroma = _Errors(noisy[1:], clean[1:])

    def measure(i: int) -> float:
        return luma.at(i) + min(chroma.at(i + more) for more in CHROMA_STEPS)

    here = round(math.log(max(float(np.std(noisy - clean)), 1e-4), RATIO))
    for stride in (4, 2, 1):
        while (best := min((here - stride, here, here + stride), key=measure)) != here:
            here = best
    more = min(CHROMA_STEPS, key=lambda steps: chroma.at(here + steps))
    return {"best": _psnr(measure(here) / 3), "best_lambda": RATIO**here, "best_chroma": RATIO**more}


class _Errors:
    """The squared error of some channels together, by the number of lambda on the grid."""

    def __init__(self, noisy: Pixels, clean: Pixels) -> None:
        self._noisy = noisy.astype(np.float32)
        self._clean = clean
        self._known: dict[int, float] = {}

    def at(self, i: int) -> float:
        if i not in self._known:
            answer = denoise(self._noisy, RATIO**i, tv="isotropic", channel_axis=0, range=(0, 1))
            self._known[i] = float(np.square(answer.image - self._clean).mean((1, 2)).sum())
        return self._known[i]


def _psnr(error: float) -> float:
    return -10 * math.log10(error)


def make_table(found: list[rows.Row]) -> str:
    """Return the means of each camera."""
    cameras: dict[str, list[rows.Row]] = defaultdict(list)
    for row in found:
        cameras[row["camera"]].append(row)
    body = []
    for name, group in cameras.items():
        losses = [row["best"] - row["auto"] for row in group]
        means = [f"{fmean(row[key] for row in group):.2f}" for key in ("noisy", "auto", "best")]
        sigma = f"{255 * fmean(row['sigma'] for row in group):.1f}"
        read = fmean((row["sigma_read"] or 0) / row["sigma"] for row in group)
        weights = fmean(row["best_lambda"] / row["sigma"] for row in group)
        loss = f"{fmean(losses):.2f} / {max(losses):.2f}"
        body.append([name, sigma, *means, loss, f"{read:.2f}", f"{weights:.2f}"])
    header = ["camera", "sigma of 255", "noisy", "auto", "best", "loss", "sigma read", "best lambda over sigma"]
    return rows.table(header, body)


if __name__ == "__main__":
    app()
