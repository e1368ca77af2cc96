"""The pictures of an experiment, made again from its rows: as noisy as they were, and denoised as came out best."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvdenoise.api.denoising import denoise_as_set
from tvdenoise.errors import TVDenoiseError
from tvdenoise.experiments.degradations import Noise
from tvdenoise.experiments.report import Exhibit
from tvdenoise.experiments.sweep import Draw, Specimen, digest_of
from tvdenoise.files.pages import pages_of
from tvdenoise.files.rows import RowDict
from tvdenoise.images import ReadOptions
from tvdenoise.options.settings import Settings


def exhibits(rows: Sequence[RowDict], options: ReadOptions = ReadOptions()) -> Iterator[Exhibit]:
    """Yield an exhibit for every picture under every noise, at its first seed.

    It shows the run of the highest PSNR; without any, that whose lambda was chosen for the picture, or the one in the
    middle. The picture is denoised anew, by the fastest method, which ends at the same minimiser.
    """
    read = lru_cache(1)(lambda source, reference: Specimen.read(Path(source), reference and Path(reference), options))
    groups: dict[tuple[str, str | None, bool], list[RowDict]] = {}
    for row in rows:
        groups.setdefault((row["input"], row["noise"], row["is_noise_clipped"]), []).append(row)
    for (name, noise, is_clipped), own in groups.items():
        title = name + (f" with {noise}" if noise else "")
        done = [row for row in own if row["status"] == "done"]
        if not done:
            yield Exhibit(title, f"No run was done: {own[0]['error']}", own)
            continue
        best = _best([row for row in done if row["seed"] == done[0]["seed"]])
        try:
            specimen = read(name, best["reference"])
        except TVDenoiseError as error:
            yield Exhibit(title, f"It cannot be shown: {error}", own)
            continue
        picture, clean = specimen.picture.on_unit_scale, specimen.clean and specimen.clean.on_unit_scale
        if digest_of(picture) != best["hash"]:
            changed = "the file, or how it is read (--range, --axes), is no longer what it was"
            yield Exhibit(title, f"It cannot be shown: {changed}.", own)
            continue
        try:
            draw = Draw.of(picture, clean, Noise.read(noise, is_clipped=is_clipped) if noise else None, best["seed"])
            images, what = _shown(draw, best)
        except TVDenoiseError as error:  # of values that no sweep writes
            yield Exhibit(title, f"It cannot be shown: {error}", own)
            continue
        caption = f"Shown: {what}. Of the whole file: {_caption(best)}" if what else f"Shown: {_caption(best)}"
        yield Exhibit(title, caption, own, images, images["noisy"] - images["denoised"])


def _shown(draw: Draw, row: RowDict) -> tuple[dict[str, NDArray[Any]], str]:
    """Return the first page, of a volume the slice in the middle, noisy, denoised and clean; and which that is."""
    model = {name: row[name] for name in ("tv", "color", "volume", "spacing")}
    settings = Settings(row["lambda"], **model, chroma=row["chroma"], tol=row["tol"] or None)
    noisy, pages = draw.noisy, list(pages_of(draw.noisy, settings, row["input"]))
    figures: Iterable[RowDict] = row["pages"] or itertools.repeat(row)
    shown: dict[str, list[NDArray[Any]]] = {"noisy": [], "denoised": [], "reference": []}
    channels = noisy.colours if noisy.is_by_channel(settings.color) else 1
    for page, own in zip(pages[:channels], figures, strict=False):
        own_settings = replace(settings, weight=own["lambda"], chroma=own["chroma"])
        shown["noisy"].append(noisy.unit(page))
        shown["denoised"].append(denoise_as_set(noisy.unit(page), own_settings, channel_axis=-1).image)
        if draw.clean is not None:
            shown["reference"].append(draw.clean.unit(page))
    images = {name: _flat(np.concatenate(parts, -1)) for name, parts in shown.items() if parts}
    of = "the first page" if len(pages) > channels else ""
    if settings.volume:
        of = "the slice in the middle" + " of the first volume" * bool(of)
    return images, of


def _flat(page: NDArray[Any]) -> NDArray[Any]:
    """Return a picture (H, W) or (H, W, C): of a volume the slice in the middle."""
    picture = page[len(page) // 2] if page.ndim == 4 else page
    return picture[..., 0] if picture.shape[-1] == 1 else picture


def _best(rows: Sequence[RowDict]) -> RowDict:
    measured = [row for row in rows if row["psnr_after"] is not None]
    if measured:
        return max(measured, key=lambda row: row["psnr_after"])
    chosen = [row for row in rows if row["criterion"]]
    return chosen[0] if chosen else sorted(rows, key=lambda row: row["lambda"])[len(rows) // 2]


def _caption(row: RowDict) -> str:
    how = ", chosen from the noisy picture" if row["criterion"] else ""
    chroma = f" (chroma {row['chroma']:.3g} times that)" if row["chroma"] is not None else ""
    parts = [f"{row['tv']}, {row['color']}, lambda {row['lambda']:.4g}{chroma}{how}"]
    if row["psnr_after"] is not None:
        parts.append(f"PSNR {row['psnr_before']:.2f} → {row['psnr_after']:.2f} dB")
    if None not in (row["ssim_before"], row["ssim_after"]):
        parts.append(f"SSIM {row['ssim_before']:.4f} → {row['ssim_after']:.4f}")
    return ", ".join(parts) + f", certified within {row['rms_bound']:.2g} of the exact minimiser."
