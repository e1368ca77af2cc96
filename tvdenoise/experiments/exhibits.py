"""The pictures of an experiment, made again from its rows: as noisy as they were, and denoised as came out best."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvdenoise.errors import TVDenoiseError
from tvdenoise.experiments.degradations import Noise
from tvdenoise.experiments.report import Exhibit
from tvdenoise.experiments.sweep import Specimen
from tvdenoise.files.pages import denoise_page, pages_of
from tvdenoise.files.rows import RowDict
from tvdenoise.images import ReadOptions
from tvdenoise.images.picture import squeeze
from tvdenoise.options.settings import OPTIONS, Settings


def make_exhibits(rows: Sequence[RowDict], options: ReadOptions = ReadOptions()) -> Iterator[Exhibit]:
    """Yield an exhibit for every picture under every noise, at its first seed, denoised anew by the fastest method.

    It shows the run of the highest PSNR; without any, that whose lambda was chosen, or the lambda in the middle.
    """
    read = lru_cache(1)(partial(Specimen.read, options=options))  # the next exhibit is often of the same picture
    groups = defaultdict(list)
    for row in rows:
        groups[row["input"], row["noise"], row["is_noise_clipped"]].append(row)
    for own in groups.values():
        yield _make_exhibit(own, read)


def _make_exhibit(rows: Sequence[RowDict], read: Callable[[str, str | None], Specimen]) -> Exhibit:
    first = rows[0]
    title = "{input} with {noise}" if first["noise"] else "{input}"
    title = title.format_map(first)
    done = [row for row in rows if row["status"] == "done"]
    if not done:
        return Exhibit(title, "No run was done: {error}".format_map(first), rows)
    seed = done[0]["seed"]
    best = _choose([row for row in done if row["seed"] == seed])
    try:
        specimen = read(best["input"], best["reference"])
        if specimen.hashes[0] != best["hash"]:
            changed = "the file, or how it is read (--range, --axes), is no longer what it was"
            return Exhibit(title, f"It cannot be shown: {changed}.", rows)
        images, part = _make_images(specimen, best)
    except TVDenoiseError as error:  # also of values that no sweep writes
        return Exhibit(title, f"It cannot be shown: {error}", rows)
    caption = _caption(best)
    if part:
        caption = f"{part}. Of the whole file: {caption}"
    return Exhibit(title, f"Shown: {caption}", rows, images)


def _choose(rows: Sequence[RowDict]) -> RowDict:
    """Return the row of the run to show."""
    measured = [row for row in rows if row["psnr_after"] is not None]
    if measured:
        return max(measured, key=itemgetter("psnr_after"))
    for row in rows:
        if row["criterion"]:
            return row
    by_lambda = sorted(rows, key=itemgetter("weight"))
    return by_lambda[len(rows) // 2]


def _make_images(specimen: Specimen, row: RowDict) -> tuple[dict[str, NDArray[Any]], str]:
    """Return the first page, or the middle slice of a volume, noisy, denoised and clean; and in words which it is."""
    noise = None
    if row["noise"]:
        noise = Noise.read(row["noise"], is_clipped=row["is_noise_clipped"])
    draw = specimen.draw(noise, row["seed"])
    # The lambda of the row is the one used, and any optimizer ends at the same minimiser.
    columns = [name for name, option in OPTIONS.items() if option.is_column and name not in ("strength", "optimizer")]
    model = {name: row[name] for name in columns}
    settings = Settings(row["weight"], color=row["color"], tol=row["tol"] or None, **model)
    pages = list(pages_of(draw.noisy, settings, row["input"]))
    # Channels that were denoised one by one are shown together.
    channels = draw.noisy.colours if draw.noisy.is_by_channel(settings.color) else 1
    planes = defaultdict(list)
    for page, figures in zip(pages[:channels], row["pages"] or [row], strict=False):
        own_settings = replace(settings, weight=figures["weight"], chroma=figures["chroma"])
        planes["noisy"].append(draw.noisy.unit(page))
        planes["denoised"].append(denoise_page(draw.noisy, page, own_settings).image)
        if draw.clean is not None:
            planes["reference"].append(draw.clean.unit(page))
    images = {}
    for name, own in planes.items():
        image = np.concatenate(own, -1)
        if settings.volume:
            image = image[len(image) // 2]
        images[name] = squeeze(image)
    words = []
    unit = "page"
    if settings.volume:
        words.append("the slice in the middle")
        unit = "volume"
    if len(pages) > channels:
        words.append(f"the first {unit}")
    return images, " of ".join(words)


def _caption(row: RowDict) -> str:
    text = "{tv}, {color}, lambda {weight:.4g}"
    if row["chroma"] is not None:
        text += " (chroma {chroma:.3g} times that)"
    if row["criterion"]:
        text += ", chosen from the noisy picture"
    if None not in (row["psnr_before"], row["psnr_after"]):
        text += ", PSNR {psnr_before:.2f} → {psnr_after:.2f} dB"
    if None not in (row["ssim_before"], row["ssim_after"]):
        text += ", SSIM {ssim_before:.4f} → {ssim_after:.4f}"
    text += ", certified within {rms_bound:.2g} of the exact minimiser."
    return text.format_map(row)
