"""The pictures of an experiment, made again from its rows: as noisy as they were, and denoised as came out best."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvdenoise.api.denoising import denoise_as_set
from tvdenoise.errors import TVDenoiseError
from tvdenoise.experiments.degradations import Noise
from tvdenoise.experiments.report import Exhibit
from tvdenoise.experiments.sweep import Draw, Specimen
from tvdenoise.files.pages import pages_of
from tvdenoise.files.rows import RowDict
from tvdenoise.images import ReadOptions
from tvdenoise.options.settings import Settings


def make_exhibits(rows: Sequence[RowDict], options: ReadOptions = ReadOptions()) -> Iterator[Exhibit]:
    """Yield an exhibit for every picture under every noise, at its first seed, denoised anew by the fastest method.

    It shows the run of the highest PSNR; without any, that whose lambda was chosen, or the lambda in the middle.
    """
    # The next exhibit is often of the same picture.
    read = lru_cache(1)(partial(Specimen.read, options=options))
    groups = defaultdict(list)
    for row in rows:
        groups[row["input"], row["noise"], row["is_noise_clipped"]].append(row)
    for own in groups.values():
        yield _make_exhibit(own, read)


def _make_exhibit(rows: Sequence[RowDict], read: Callable[[str, str | None], Specimen]) -> Exhibit:
    """Return the exhibit for the rows of one picture under one noise."""
    title = rows[0]["input"]
    if rows[0]["noise"]:
        title += f" with {rows[0]['noise']}"
    done = [row for row in rows if row["status"] == "done"]
    if not done:
        return Exhibit(title, f"No run was done: {rows[0]['error']}", rows)
    best = _choose([row for row in done if row["seed"] == done[0]["seed"]])
    try:
        specimen = read(best["input"], best["reference"])
        if specimen.hashes[0] != best["hash"]:
            changed = "the file, or how it is read (--range, --axes), is no longer what it was"
            return Exhibit(title, f"It cannot be shown: {changed}.", rows)
        images, part = _make_images(specimen, best)
    except TVDenoiseError as error:  # also of values that no sweep writes
        return Exhibit(title, f"It cannot be shown: {error}", rows)
    caption = f"Shown: {_caption(best)}"
    if part:
        caption = f"Shown: {part}. Of the whole file: {_caption(best)}"
    return Exhibit(title, caption, rows, images)


def _choose(rows: Sequence[RowDict]) -> RowDict:
    """Return the row of the run to show."""
    measured = [row for row in rows if row["psnr_after"] is not None]
    if measured:
        return max(measured, key=itemgetter("psnr_after"))
    upper_half = sorted(rows, key=itemgetter("lambda"))[len(rows) // 2 :]
    chosen = [row for row in rows if row["criterion"]]
    return (chosen or upper_half)[0]


def _make_images(specimen: Specimen, row: RowDict) -> tuple[dict[str, NDArray[Any]], str]:
    """Return the first page, or the middle slice of a volume, noisy, denoised and clean; and in words which it is."""
    noise = row["noise"] and Noise.read(row["noise"], is_clipped=row["is_noise_clipped"])
    draw = Draw.of(specimen, noise, row["seed"])
    model = {name: row[name] for name in ("tv", "color", "volume", "spacing")}
    settings = Settings(row["lambda"], **model, tol=row["tol"] or None)
    pages = list(pages_of(draw.noisy, settings, row["input"]))
    # Channels that were denoised one by one are shown together.
    channels = draw.noisy.colours if draw.noisy.is_by_channel(settings.color) else 1
    figures = row["pages"] or itertools.repeat(row)
    parts = defaultdict(list)
    for page, own in zip(pages[:channels], figures, strict=False):
        own_settings = replace(settings, weight=own["lambda"], chroma=own["chroma"])
        noisy = draw.noisy.unit(page)
        parts["noisy"].append(noisy)
        parts["denoised"].append(denoise_as_set(noisy, own_settings, channel_axis=-1).image)
        if draw.clean is not None:
            parts["reference"].append(draw.clean.unit(page))
    images = {name: _flatten(np.concatenate(planes, -1)) for name, planes in parts.items()}
    words = []
    unit = "page"
    if settings.volume:
        words = ["the slice in the middle"]
        unit = "volume"
    if len(pages) > channels:
        words.append(f"the first {unit}")
    return images, " of ".join(words)


def _flatten(page: NDArray[Any]) -> NDArray[Any]:
    """Return a picture (H, W) or (H, W, C): of a volume the slice in the middle."""
    if page.ndim == 4:
        page = page[len(page) // 2]
    return page[..., 0] if page.shape[-1] == 1 else page


def _caption(row: RowDict) -> str:
    """Return what was done and what came of it, in words."""
    run = f"{row['tv']}, {row['color']}, lambda {row['lambda']:.4g}"
    if row["chroma"] is not None:
        run += f" (chroma {row['chroma']:.3g} times that)"
    if row["criterion"]:
        run += ", chosen from the noisy picture"
    if None not in (row["psnr_before"], row["psnr_after"]):
        run += f", PSNR {row['psnr_before']:.2f} → {row['psnr_after']:.2f} dB"
    if None not in (row["ssim_before"], row["ssim_after"]):
        run += f", SSIM {row['ssim_before']:.4f} → {row['ssim_after']:.4f}"
    return f"{run}, certified within {row['rms_bound']:.2g} of the exact minimiser."
