"""The pictures of an experiment, made again from its rows: as noisy as they were, and denoised by every run."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache, partial
from itertools import islice
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvdenoise.errors import TVDenoiseError
from tvdenoise.experiments.degradations import Noise
from tvdenoise.experiments.report import Exhibit, Images, NamedImages
from tvdenoise.experiments.sweep import Specimen
from tvdenoise.experiments.tables import name_runs
from tvdenoise.files.pages import denoise_page, pages_of
from tvdenoise.files.rows import RowDict, RowDicts
from tvdenoise.images import Page, Picture, ReadOptions
from tvdenoise.images.picture import squeeze
from tvdenoise.options.settings import OPTIONS, Settings


def make_exhibits(rows: RowDicts, options: ReadOptions = ReadOptions()) -> Iterator[Exhibit]:
    """Yield an exhibit for every picture under every noise, at its first seed, denoised anew.

    It shows the run of the highest PSNR first; without any, that whose lambda was chosen, or the lambda in the middle.
    """
    read = lru_cache(1)(partial(Specimen.read, options=options))  # the next exhibit is often of the same picture
    groups = defaultdict(list)
    what_is_denoised = itemgetter("input", "noise", "is_noise_clipped")
    for row in rows:
        groups[what_is_denoised(row)].append(row)
    for own in groups.values():
        yield _make_exhibit(own, read)


def _make_exhibit(rows: RowDicts, read: Callable[[str, str | None], Specimen]) -> Exhibit:
    first = rows[0]
    title = "{input} with {noise}" if first["noise"] else "{input}"
    title = title.format_map(first)
    done = [row for row in rows if row["status"] == "done"]
    if not done:
        return Exhibit(title, "No run was done: {error}".format_map(first), rows)
    seed = done[0]["seed"]
    same_seed = [row for row in done if row["seed"] == seed]
    best = _choose(same_seed)
    try:
        specimen = read(best["input"], best["reference"])
        if specimen.hashes[0] != best["hash"]:
            changed = "the file, or how it is read (--range, --axes), is no longer what it was"
            return Exhibit(title, f"It cannot be shown: {changed}.", rows)
        images, others, part = _make_images(specimen, best, same_seed)
    except TVDenoiseError as error:  # also of values that no sweep writes
        return Exhibit(title, f"It cannot be shown: {error}", rows)
    caption = _caption(best)
    if part:
        caption = f"{part}. Of the whole file: {caption}"
    return Exhibit(title, f"Shown first: {caption}", rows, images, others)


def _choose(rows: RowDicts) -> RowDict:
    """Return the row of the run to show."""
    measured = [row for row in rows if row["psnr_after"] is not None]
    if measured:
        return max(measured, key=itemgetter("psnr_after"))
    for row in rows:
        if row["criterion"]:
            return row
    by_lambda = sorted(rows, key=itemgetter("weight"))
    return by_lambda[len(rows) // 2]


def _make_images(specimen: Specimen, best: RowDict, rows: RowDicts) -> tuple[Images, NamedImages, str]:
    """Return pictures of a page, or of the middle slice of a volume, and in words which it is.

    The first are noisy, denoised best, and clean; the others are denoised by the other runs, each when it is asked for.
    """
    noise = None
    if best["noise"]:
        noise = Noise.read(best["noise"], is_clipped=best["is_noise_clipped"])
    draw = specimen.draw(noise, best["seed"])
    named = name_runs([best, *rows])
    settings = {name: _read_settings(row) for name, row in named.items()}
    denoise = partial(_denoise, draw.noisy)
    others = ((name, denoise(row, settings[name])) for name, row in named.items())
    name, denoised = next(others)
    model = settings[name]
    pages = _list_pages(draw.noisy, model, specimen.name)
    images = {"noisy": _join(map(draw.noisy.unit, pages), model), name: denoised}
    if draw.clean is not None:
        images["reference"] = _join(map(draw.clean.unit, pages), model)
    words = []
    unit = "page"
    if model.volume:
        words.append("the slice in the middle")
        unit = "volume"
    all_pages = list(pages_of(draw.noisy, model, specimen.name))
    if len(all_pages) > len(pages):
        words.append(f"the first {unit}")
    return images, others, " of ".join(words)


def _read_settings(row: RowDict) -> Settings:
    """Return the settings of a run: the lambda is the one that was used."""
    columns = [name for name, option in OPTIONS.items() if option.is_column]
    model = {name: row[name] for name in columns if name != "strength"}
    tol = row["tol"] or None
    return Settings(row["weight"], color=row["color"], tol=tol, **model)


def _list_pages(noisy: Picture, settings: Settings, name: str) -> list[Page]:
    """Return the first page, or all channels of it: those that were denoised one by one are shown together."""
    channels = noisy.colours if noisy.is_by_channel(settings.color) else 1
    return list(islice(pages_of(noisy, settings, name), channels))


def _denoise(noisy: Picture, row: RowDict, settings: Settings) -> NDArray[Any]:
    planes = []
    pages = _list_pages(noisy, settings, row["input"])
    for page, figures in zip(pages, row["pages"] or [row], strict=False):
        own_settings = replace(settings, weight=figures["weight"], chroma=figures["chroma"])
        planes.append(denoise_page(noisy, page, own_settings).image)
    return _join(planes, settings)


def _join(planes: Iterable[NDArray[Any]], settings: Settings) -> NDArray[Any]:
    """Return channels as one picture, of a volume its middle slice."""
    image = np.concatenate(list(planes), -1)
    if settings.volume:
        image = image[len(image) // 2]
    return squeeze(image)


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
    if row["noise_model"] != "gaussian":
        text = "{noise_model}, " + text + ", its energy certified within {gap:.2g} of the least."
    else:
        text += ", certified within {rms_bound:.2g} of the exact minimiser."
    return text.format_map(row)
