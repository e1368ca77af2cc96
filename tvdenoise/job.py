"""One picture from file to file: what a command does once and a batch repeats. torch loads when a job runs."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tvdenoise import __version__, images, intensity
from tvdenoise.errors import DivergenceError, PictureError, TVDenoiseError
from tvdenoise.images import Picture
from tvdenoise.settings import Settings

if TYPE_CHECKING:
    from tvdenoise.metrics import Quality
    from tvdenoise.solve import Progress


@dataclass(frozen=True)
class Job:
    """Denoise ``source`` into ``target``, measured against ``reference`` if there is one."""

    source: Path
    target: Path
    settings: Settings
    reference: Path | None = None

    def check(self, *, overwrite: bool) -> None:
        """Refuse, before any work, a target that must not or cannot be written."""
        inputs = [self.source] if self.reference is None else [self.source, self.reference]
        images.check_target(self.target, *inputs, overwrite=overwrite)


@dataclass(frozen=True)
class Row:
    """What is reported about one picture; the names are the keys of the JSON row, but ``weight`` for ``lambda``.

    Energies, gaps and distances are on the unit scale; ``rms_bound`` is that of the result before any rounding to
    integers, PSNR (data range 1, unclipped) and SSIM are those of the numbers written.
    """

    input: str
    output: str
    status: Literal["done", "skipped", "failed"]
    error: str | None = None
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    range: tuple[float, float] | None = None
    weight: float | None = None
    tv: str | None = None
    color: str | None = None
    sigma: float | None = None
    optimizer: str | None = None
    device: str | None = None
    steps: int | None = None
    stop: str | None = None
    energy: float | None = None
    gap: float | None = None
    rms_bound: float | None = None
    psnr_before: float | None = None
    psnr_after: float | None = None
    ssim_before: float | None = None
    ssim_after: float | None = None
    seconds: float | None = None
    version: str = __version__

    def as_json(self) -> dict[str, Any]:
        """Return the row as a JSON object: an infinite PSNR is null."""
        row = {"lambda" if key == "weight" else key: value for key, value in dataclasses.asdict(self).items()}
        return {key: None if value == math.inf else value for key, value in row.items()}


def run(
    job: Job,
    *,
    on_read: Callable[[Picture], object] | None = None,
    callback: "Callable[[Progress], object] | None" = None,
) -> Row:
    """Do a job and return its row; ``on_read`` is called once the picture is known, ``callback`` with each certificate.

    Raises
    ------
    TVDenoiseError
        Whatever goes wrong that a user can cause; then nothing is written.
    """
    picture = images.read(job.source)
    images.check_conversion(picture, job.target)
    reference = None if job.reference is None else _read_reference(job.reference, picture)
    if on_read is not None:
        on_read(picture)

    from tvdenoise.denoising import denoise_as_set  # last: importing torch takes longer than most failures

    settings, noisy = job.settings, picture.unit
    result = denoise_as_set(noisy, settings, channel_axis=2 if noisy.ndim == 3 else None, callback=callback)
    if result.status == "non_finite":
        remedy = "lower the rate" if settings.optimizer != "fista" else "report it as a bug"
        raise DivergenceError(
            job.source, f"{settings.optimizer} left the finite numbers by step {result.steps}", remedy
        )
    written = images.write(job.target, picture, result.image)
    before, after = (None, None) if reference is None else _qualities(reference, noisy, written)
    return Row(
        input=str(job.source),
        output=str(job.target),
        status="done",
        shape=picture.pixels.shape,
        dtype=str(picture.pixels.dtype),
        range=picture.scale,
        weight=settings.weight,
        tv=settings.tv,
        color="rgb",
        optimizer=settings.optimizer,
        device=result.device,
        steps=result.steps,
        stop=result.status,
        energy=result.energy,
        gap=result.gap,
        rms_bound=result.rms_bound,
        psnr_before=before and before.psnr,
        psnr_after=after and after.psnr,
        ssim_before=before and before.ssim,
        ssim_after=after and after.ssim,
        seconds=result.seconds,
    )


def failed(job: Job, error: TVDenoiseError) -> Row:
    """Return the row of a job that raised ``error``."""
    return Row(
        input=str(job.source),
        output=str(job.target),
        status="failed",
        error=str(error),
        weight=job.settings.weight,
        tv=job.settings.tv,
        optimizer=job.settings.optimizer,
    )


def _read_reference(path: Path, picture: Picture) -> NDArray[np.floating]:
    """Read the clean picture on the unit scale; floats are scaled as those of the noisy picture are."""
    clean = images.read(path)
    if clean.pixels.shape != picture.pixels.shape:
        problem = f"its shape {clean.pixels.shape} is not the input's {picture.pixels.shape}"
        raise PictureError(path, problem, "give the clean version of the same picture")
    both_float = clean.pixels.dtype.kind == picture.pixels.dtype.kind == "f"
    return intensity.to_unit(clean.pixels, picture.scale if both_float else clean.scale)


def _qualities(
    reference: NDArray[np.floating], noisy: NDArray[np.floating], written: NDArray[np.floating]
) -> "tuple[Quality, Quality]":
    from tvdenoise.metrics import quality  # scikit-image loads only where something is measured

    return quality(reference, noisy), quality(reference, written)
