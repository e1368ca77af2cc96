"""The pictures of an experiment, made again from its rows: as noisy as they were, and denoised as came out best."""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tvdenoise.denoising import denoise_as_set
from tvdenoise.errors import TVDenoiseError
from tvdenoise.images import ReadOptions
from tvdenoise.noise import Noise
from tvdenoise.report import Exhibit
from tvdenoise.rows import RowDict
from tvdenoise.settings import Settings
from tvdenoise.specimens import read_specimen
from tvdenoise.sweeping import digest_of


def exhibits(rows: Sequence[RowDict], options: ReadOptions = ReadOptions()) -> Iterator[Exhibit]:
    """Yield an exhibit for every picture under every noise, at its first seed.

    It shows the run of the highest PSNR; without any, that whose lambda was chosen for the picture, or the one in the
    middle. The picture is denoised anew, by the fastest method, which ends at the same minimiser.
    """
    read = lru_cache(1)(lambda source, reference: read_specimen(Path(source), reference and Path(reference), options))
    groups: dict[tuple[str, str | None, bool], list[RowDict]] = {}
    for row in rows:
        groups.setdefault((row["input"], row["noise"], row["is_noise_clipped"]), []).append(row)
    for (name, noise, is_clipped), own in groups.items():
        title = name + (f" with {noise}" if noise else "")
        first = [row for row in own if row["status"] == "done" and row["seed"] == own[0]["seed"]]
        if not first:
            yield Exhibit(title, f"No run was done: {own[0]['error']}", own)
            continue
        best = _best(first)
        try:
            specimen = read(name, best["reference"])
        except TVDenoiseError as error:
            yield Exhibit(title, f"It cannot be shown: {error}", own)
            continue
        if digest_of(specimen.image) != best["hash"]:
            yield Exhibit(title, "It cannot be shown: the file, or how it is read, is no longer what it was.", own)
            continue
        clean: NDArray[Any] | None = specimen.reference
        noisy: NDArray[Any] = specimen.image
        if noise:
            noisy, clean = Noise.read(noise, is_clipped=is_clipped).added_to(noisy, best["seed"]), noisy
        model = {"tv": best["tv"], "color": best["color"], "chroma": best["chroma"]}
        settings = Settings(best["lambda"], **model, tol=best["tol"] or None)
        result = denoise_as_set(noisy, settings, channel_axis=-1 if noisy.ndim == 3 else None)
        images = {"noisy": noisy, "denoised": result.image} | ({} if clean is None else {"reference": clean})
        yield Exhibit(title, _caption(best), own, images, noisy - result.image)


def _best(rows: Sequence[RowDict]) -> RowDict:
    measured = [row for row in rows if row["psnr_after"] is not None]
    if measured:
        return max(measured, key=lambda row: row["psnr_after"])
    chosen = [row for row in rows if row["criterion"]]
    return chosen[0] if chosen else sorted(rows, key=lambda row: row["lambda"])[len(rows) // 2]


def _caption(row: RowDict) -> str:
    how = ", chosen from the noisy picture" if row["criterion"] else ""
    chroma = f" (chroma {row['chroma']:.3g} times that)" if row["chroma"] is not None else ""
    parts = [f"Shown: {row['tv']}, {row['color']}, lambda {row['lambda']:.4g}{chroma}{how}"]
    if row["psnr_after"] is not None:
        before, after = (math.inf if row[name] is None else row[name] for name in ("psnr_before", "psnr_after"))
        parts.append(f"PSNR {before:.2f} → {after:.2f} dB")
    if row["ssim_after"] is not None:
        parts.append(f"SSIM {row['ssim_before']:.4f} → {row['ssim_after']:.4f}")
    return ", ".join(parts) + f", certified within {row['rms_bound']:.2g} of the exact minimiser."
