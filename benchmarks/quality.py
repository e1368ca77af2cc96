"""How good a picture gets, and how much of it is lost by choosing lambda from the picture alone.

``python benchmarks/quality.py run FOLDER --out rows.jsonl`` adds Gaussian noise to the clean pictures of a folder, by
the protocol of the literature: N(0, sigma^2), neither clipped nor rounded, PSNR and SSIM on [0, 1] after clipping the
result. ``--noisy FOLDER`` takes real noisy versions instead, of the same names. ``table`` and ``plot`` read rows.

Methods of a model (kind of total variation and of colour): ``best``, the lambda of the highest PSNR on a grid of ratio
1.03, with the default multiple for chroma; ``auto_known``, lambda chosen by the tool told sigma; ``auto``, by the tool
alone. ``--peers`` adds scikit-image's ``denoise_tv_chambolle`` with its best weight (``chambolle``) and with that of
``calibrate_denoiser`` (``calibrated``), and ``bm3d`` told sigma, which is no total variation: the horizon.
"""

import math
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import numpy as np
import rows
import typer
from numpy.typing import NDArray

from tvdenoise import denoise, images
from tvdenoise.files.metrics import quality

RATIO = 1.03
"""Of one lambda of the grid to the next."""

Pixels = NDArray[np.floating]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def run(
    folders: list[Path],
    out: Annotated[Path, typer.Option(help="The rows, as JSON lines.")] = Path("quality.jsonl"),
    noisy: Annotated[Path | None, typer.Option(help="Real noisy versions of the pictures.")] = None,
    sigmas: Annotated[str, typer.Option(help="Of the noise to add, on 0 to 255.")] = "10,15,25,50",
    models: Annotated[str, typer.Option(help="Colour models for colour pictures.")] = "rgb,opponent,coupled",
    *,
    peers: Annotated[bool, typer.Option(help="Measure scikit-image and BM3D too.")] = False,
) -> None:
    """Measure every method on every picture and noise level."""
    paths = [path for folder in folders for path in sorted(folder.iterdir()) if path.suffix in (".png", ".tif")]
    levels = [None] if noisy else [float(sigma) for sigma in sigmas.split(",")]
    print(_table(rows.written(_all_rows(paths, noisy, levels, models.split(","), peers=peers), out)))


@app.command()
def table(path: Path) -> None:
    """Print a Markdown table of the rows of a file."""
    print(_table(rows.read(path)))


@app.command()
def plot(path: Path, image: Path) -> None:
    """Draw the gains over scikit-image by noise level; needs rows with peers."""
    _plot(rows.read(path), image)


@app.command()
def curves(picture: Path, image: Path) -> None:
    """Draw true PSNR and what the risk estimate says of it against lambda, for a clean gray picture."""
    _curves(_unit(picture), image)


def _unit(path: Path) -> Pixels:
    part = images.read(path).parts[0]
    page = part.unit(next(iter(part.pages())))
    return page[..., 0] if page.shape[-1] == 1 else page


def _all_rows(
    paths: list[Path], noisy: Path | None, levels: list[float | None], models: list[str], *, peers: bool
) -> Iterator[rows.Row]:
    for path in paths:
        clean = _unit(path)
        for level in levels:
            if noisy is not None:
                f, sigma = _unit(noisy / path.name), None
            else:
                sigma = (level or 0) / 255
                seed = [zlib.crc32(path.name.encode()), int(level or 0)]
                f = (clean + np.random.default_rng(seed).normal(0, sigma, clean.shape)).astype(np.float32)
            about = {"set": path.parent.name, "picture": path.stem, "sigma": level}
            yield about | {"method": "noisy", **_figures(clean, f)}
            for color in models if clean.ndim == 3 else ["rgb"]:
                for tv in ("anisotropic", "isotropic"):
                    model = {"color": color if clean.ndim == 3 else "gray", "tv": tv}
                    for row in _own_rows(clean, f, sigma, tv, color):
                        yield about | model | row
            if peers:
                for row in _peer_rows(clean, f, sigma):
                    yield about | row


def _figures(clean: Pixels, u: Pixels) -> rows.Row:
    psnr, ssim = quality(clean, np.clip(u, 0, 1).astype(clean.dtype))
    return {"psnr": psnr, "ssim": ssim}


def _own_rows(clean: Pixels, f: Pixels, sigma: float | None, tv: str, color: str) -> Iterator[rows.Row]:
    def solved(weight: float, chroma: float | None = None) -> Pixels:
        return denoise(f, weight, tv=tv, color=color, chroma=chroma).image

    for name, known in {"auto_known": sigma, "auto": None}.items():
        if name == "auto_known" and sigma is None:
            continue
        start = time.perf_counter()
        result = denoise(f, "auto", tv=tv, color=color, sigma=known)
        middle = time.perf_counter()
        solved(result.weight, result.chroma)
        end = time.perf_counter()
        yield {
            "method": name,
            **_figures(clean, result.image),
            "lambda": result.weight,
            "chroma": result.chroma,
            "sigma_read": 255 * result.sigma,
            "time_over_one_solve": (middle - start) / (end - middle),
            "seconds": middle - start,
        }
    yield {"method": "best", **_best(clean, solved, result.weight)}


def _best(clean: Pixels, solved: Callable[[float], Pixels], start: float) -> rows.Row:
    """Climb the grid of lambdas to the highest PSNR: strides of 8, 4, 2, then 1."""
    known: dict[int, Any] = {}

    def psnr(i: int) -> float:
        if i not in known:
            known[i] = _figures(clean, solved(RATIO**i))
        return known[i]["psnr"]

    here = round(math.log(max(start, 1e-4), RATIO))
    for stride in (8, 4, 2, 1):
        while (best := max((here - stride, here, here + stride), key=psnr)) != here:
            here = best
    return known[here] | {"lambda": RATIO**here}


def _peer_rows(clean: Pixels, f: Pixels, sigma: float | None) -> Iterator[rows.Row]:
    from skimage.restoration import calibrate_denoiser, denoise_tv_chambolle

    options = {"channel_axis": -1 if f.ndim == 3 else None}
    start = 0.8 * float(np.std(f - clean))
    best = _best(clean, lambda weight: denoise_tv_chambolle(f, weight, **options), start)
    yield {"method": "chambolle", **best}
    grid = {"weight": list(np.geomspace(start / 4, start * 4, 41))} | {key: [value] for key, value in options.items()}
    calibrated = calibrate_denoiser(f, denoise_tv_chambolle, denoise_parameters=grid)
    yield {"method": "calibrated", **_figures(clean, calibrated(f))}
    try:
        import bm3d
    except ImportError:
        yield {"method": "bm3d", "missing": 'pip install -c constraints.txt ".[bench]"'}
        return
    denoiser = bm3d.bm3d if f.ndim == 2 else bm3d.bm3d_rgb
    yield {"method": "bm3d", **_figures(clean, denoiser(f.astype(float), sigma or float(np.std(f - clean))))}


def _table(found: list[rows.Row]) -> str:
    """Return means over the pictures; losses are against the best lambda of the same picture and model."""
    groups: dict[tuple[Any, ...], dict[str, list[rows.Row]]] = defaultdict(lambda: defaultdict(list))
    for row in found:
        if "psnr" in row:
            groups[tuple(row.get(key) for key in ("set", "sigma", "color", "tv"))][row["method"]].append(row)
    body = []
    for (folder, sigma, color, tv), methods in groups.items():
        about = [folder, "real" if sigma is None else f"{sigma:g}"]
        if color is None:
            body += [[*about, name, *_means(group), "", "", "", ""] for name, group in methods.items()]
            continue
        best = methods["best"]
        noisy = {row["picture"]: row["psnr"] for row in groups[folder, sigma, None, None]["noisy"]}
        losses = [_losses(best, methods[name]) if name in methods else "" for name in ("auto_known", "auto")]
        gains = [
            (row["psnr"] - noisy[row["picture"]]) / (most["psnr"] - noisy[row["picture"]])
            for row, most in zip(methods["auto"], best, strict=True)
            if most["psnr"] > noisy[row["picture"]]
        ]
        ratio = fmean(row["time_over_one_solve"] for row in methods["auto"])
        body.append(
            [*about, f"{color} {tv}", *_means(best), *losses, f"{100 * min(gains, default=1):.0f} %", f"{ratio:.1f}"]
        )
    header = ["set", "sigma", "method", "PSNR", "SSIM", "loss told sigma", "loss alone", "least gain", "time"]
    return rows.table(header, body)


def _means(group: list[rows.Row]) -> list[str]:
    return [f"{fmean(row['psnr'] for row in group):.2f}", f"{fmean(row['ssim'] for row in group):.4f}"]


def _losses(best: list[rows.Row], group: list[rows.Row]) -> str:
    losses = [most["psnr"] - row["psnr"] for most, row in zip(best, group, strict=True)]
    return f"{fmean(losses):.3f} / {max(losses):.3f}"


def _plot(found: list[rows.Row], image: Path) -> None:
    """Draw what is gained over scikit-image's best weights, which takes ``--peers``, without knowing the answer."""
    import matplotlib.pyplot as plt

    peer = {(row["picture"], row["sigma"]): row["psnr"] for row in found if row["method"] == "chambolle"}
    series: dict[tuple[str, str], dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in found:
        if "psnr" in row and row["sigma"] and row["method"] in ("auto", "calibrated", "bm3d"):
            name = " ".join(row[key] for key in ("color", "tv", "method") if key in row)
            gain = row["psnr"] - peer[row["picture"], row["sigma"]]
            series[row["set"], name][row["sigma"]].append(gain)
    sets = list(dict.fromkeys(folder for folder, _ in series))
    _, panels = plt.subplots(1, len(sets), figsize=(6 * len(sets), 4.2), squeeze=False)
    names = list(dict.fromkeys(name for _, name in series))
    colours = dict(zip(names, cycle(plt.colormaps["tab10"].colors), strict=False))
    for panel, folder in zip(panels[0], sets, strict=True):
        for name in (name for place, name in series if place == folder):
            points = series[folder, name]
            means = [fmean(gains) for gains in points.values()]
            panel.plot(points.keys(), means, "o-", label=name, markersize=4, color=colours[name])
        panel.axhline(0, color="black", linewidth=1)
        panel.set(title=folder, xlabel="sigma of the noise, on 0 to 255")
        panel.set_ylabel("dB over scikit-image with the best weights")
        panel.legend(fontsize=7, loc="lower right")
    plt.tight_layout()
    plt.savefig(image, dpi=80)


def _curves(clean: Pixels, image: Path) -> None:
    import matplotlib.pyplot as plt
    import torch

    from tvdenoise.auto.selection import select_weight
    from tvdenoise.model.problem import Problem

    levels = (10, 25, 50)
    _, panels = plt.subplots(1, len(levels), figsize=(4.2 * len(levels), 3.8))
    for panel, level in zip(panels, levels, strict=True):
        noise = np.random.default_rng(level).normal(0, level / 255, clean.shape)
        f = (clean + noise).astype(np.float32)
        draw = level / 255 * torch.randn(1, *f.shape, generator=torch.Generator().manual_seed(0))
        for tv, colour in {"anisotropic": "tab:orange", "isotropic": "tab:blue"}.items():
            choice = select_weight(Problem(torch.from_numpy(f)[None], 0.0, tv), draw)
            grid = choice.weight * RATIO ** np.arange(-24, 25)
            true = [-10 * math.log10(np.mean((denoise(f, float(w), tv=tv).image - clean) ** 2)) for w in grid]
            tried, risks = zip(*choice.curve, strict=True)
            panel.plot(grid, true, color=colour, label=f"true, {tv}")
            panel.plot(tried, -10 * np.log10(risks), "o", color=colour, label="by SURE, where it looked")
            panel.axvline(choice.weight, color=colour, linestyle=":", label=f"chosen {choice.weight:.3f}")
        panel.set(title=f"noise of sigma {level}/255", xlabel="lambda", ylabel="PSNR, dB", xscale="log")
        panel.set_xticks([], minor=True)
        ticks = [float(f"{w:.2g}") for w in grid[[0, 16, 32, 48]]]
        panel.set_xticks(ticks, [f"{w:g}" for w in ticks])
        panel.legend(fontsize=7)
    plt.tight_layout()
    plt.savefig(image, dpi=80)


if __name__ == "__main__":
    app()
