"""How much is lost by choosing lambda from the picture alone where noise is not white, or not the same everywhere.

``python benchmarks/correlated.py FOLDER`` adds Gaussian noise to the clean pictures of a folder, does to them what
cameras and programs do (to the clean ones too where pixels are resampled; they are never compressed), and compares
``denoise`` with the lambda of the highest PSNR on a grid of ratio 1.2, by the plain model, that of
``TotalVariation()``, or that of ``--preset best``. The noise is given twice as strong before a picture is halved. With
``--photons`` it is that of a photograph, counted and read, which a gamma of 2.2 brightens. Pictures are cut to 400 by
400 pixels.
"""

import io
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import numpy as np
import rows
import typer
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import convolve, gaussian_filter

from tvdenoise import denoise, images
from tvdenoise.files.metrics import quality
from tvdenoise.options.settings import BEST, PLAIN

SIDE = 400
GRID = 1.2 ** np.arange(-10, 9)
"""Lambdas, as multiples of the standard deviation of what is added to the clean picture."""

GAMMA = 2.2
READING = 1.5
"""The standard deviation of the noise of reading, in photons."""

Pixels = NDArray[np.floating]


def main(
    folders: list[Path],
    sigmas: Annotated[str, typer.Option(help="Of the noise, on 0 to 255.")] = "10,25",
    photons: Annotated[str, typer.Option(help="Of photographs, at most in a pixel; instead of sigmas.")] = "",
    preset: Annotated[str | None, typer.Option(help="best, or the plain model.")] = None,
) -> None:
    """Print a table."""
    model = BEST if preset == "best" else PLAIN
    found = defaultdict[tuple[str, float, str], list[tuple[float, ...]]](list)
    for folder in folders:
        for path in sorted(folder.glob("*.png")):
            clean = _unit(path)
            for amount in map(float, (photons or sigmas).split(",")):
                random = np.random.default_rng(zlib.crc32(path.name.encode()))
                if photons:
                    degraded = _photographed(clean, amount, random)
                else:
                    degraded = _degraded(clean, random.normal(0, amount / 255, clean.shape))
                for name, noisy, target in degraded:
                    found[folder.name, amount, name].append(_measured(noisy.astype(np.float32), target, model))
    body = []
    for (folder_name, amount, name), measured in found.items():
        before, auto, best, ratio = zip(*measured, strict=True)
        losses = [most - own for most, own in zip(best, auto, strict=True)]
        about = [folder_name, f"{amount:g}", name, *(f"{fmean(psnr):.2f}" for psnr in (before, auto, best))]
        body.append([*about, f"{fmean(losses):.2f} / {max(losses):.2f}", f"{fmean(ratio):.2f}"])
    print(
        rows.table(
            ["set", "photons" if photons else "sigma", "what was done", "noisy", "auto", "best", "loss", "sigma read"],
            body,
        )
    )


def _unit(path: Path) -> Pixels:
    part = images.read(path).parts[0]
    page = part.unit(next(iter(part.pages())))[:SIDE, :SIDE].astype(float)
    return page[..., 0] if page.shape[-1] == 1 else page


def _degraded(clean: Pixels, noise: Pixels) -> Iterator[tuple[str, Pixels, Pixels]]:
    """Yield what was done, the noisy picture, and the clean one to compare with."""

    def by(change: Callable[[Pixels], Pixels], factor: float = 1) -> tuple[Pixels, Pixels]:
        return change(clean + factor * noise), change(clean)

    blurred = gaussian_filter(noise, (0.8, 0.8, 0)[: noise.ndim], mode="wrap")
    yield "nothing", clean + noise, clean
    yield "rounded to 8 bits", np.rint(255 * np.clip(clean + noise, 0, 1)) / 255, clean
    yield "noise blurred, 0.8 pixels", clean + blurred * noise.std() / blurred.std(), clean
    yield "halved, Lanczos", *by(_halved, 2)
    for quality_ in (90, 75, 50):
        yield f"JPEG, quality {quality_}", _jpeg(clean + noise, quality_), clean
    if clean.ndim == 3:
        yield "demosaicked", *by(_demosaicked)
        yield "demosaicked, JPEG, quality 90", _jpeg(_demosaicked(clean + noise), 90), _demosaicked(clean)


def _photographed(clean: Pixels, photons: float, random: np.random.Generator) -> Iterator[tuple[str, Pixels, Pixels]]:
    """Yield the same for what a camera counts of the light."""
    light = clean**GAMMA
    counted = random.poisson(photons * light) / photons + random.normal(0, READING / photons, light.shape)
    yield "photograph", _brightened(counted), clean
    if clean.ndim == 3:
        noisy, target = (_brightened(_demosaicked(picture)) for picture in (counted, light))
        yield "demosaicked", noisy, target
        yield "demosaicked, JPEG, quality 90", _jpeg(noisy, 90), target


def _brightened(light: Pixels) -> Pixels:
    return np.clip(light, 0, 1) ** (1 / GAMMA)


def _measured(noisy: Pixels, clean: Pixels, model: dict[str, Any]) -> tuple[float, float, float, float]:
    """Return PSNR before, by lambda auto, and by the best lambda, and sigma as it was read over what it is."""
    spread = float(np.std(noisy - clean))
    auto = denoise(noisy, **model)
    best = max(_psnr(clean, denoise(noisy, float(spread * factor), **model).image) for factor in GRID)
    return _psnr(clean, noisy), _psnr(clean, auto.image), best, (auto.sigma or 0) / spread


def _psnr(clean: Pixels, u: Pixels) -> float:
    return quality(clean.astype(np.float32), np.clip(u, 0, 1).astype(np.float32)).psnr


def _halved(picture: Pixels) -> Pixels:
    height, width = picture.shape[:2]
    planes = np.atleast_3d(picture).astype(np.float32)
    halves = [
        np.asarray(Image.fromarray(plane).resize((width // 2, height // 2), Image.Resampling.LANCZOS))
        for plane in np.moveaxis(planes, -1, 0)
    ]
    return np.stack(halves, -1).reshape(height // 2, width // 2, *picture.shape[2:]).astype(float)


def _jpeg(picture: Pixels, quality_: int) -> Pixels:
    content = io.BytesIO()
    Image.fromarray(np.clip(np.rint(255 * picture), 0, 255).astype(np.uint8)).save(content, "JPEG", quality=quality_)
    return np.asarray(Image.open(content)) / 255


def _demosaicked(picture: Pixels) -> Pixels:
    """Keep one colour a pixel, as sensors do (RGGB), and interpolate the others bilinearly."""
    kept = np.zeros(picture.shape)
    kept[::2, ::2, 0] = kept[::2, 1::2, 1] = kept[1::2, ::2, 1] = kept[1::2, 1::2, 2] = 1
    kernel = np.outer((0.5, 1, 0.5), (0.5, 1, 0.5))[..., None]
    return convolve(kept * picture, kernel, mode="mirror") / convolve(kept, kernel, mode="mirror")


if __name__ == "__main__":
    typer.run(main)
