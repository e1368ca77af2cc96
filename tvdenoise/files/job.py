"""One picture file to another: read, denoise page by page, write, and the row about it. torch loads when needed."""

import os
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tvdenoise import images
from tvdenoise.api.aggregation import Figures
from tvdenoise.errors import PictureError, PrecisionError, TVDenoiseError, WriteError, divergence
from tvdenoise.files.pages import denoise_page, page_settings, pages_of, read_reference
from tvdenoise.files.rows import Row, figures_of, summed
from tvdenoise.images import Page, Picture, PictureFile, ReadOptions, WriteOptions
from tvdenoise.machine import scratch
from tvdenoise.machine.signals import ENDING, defer_signals
from tvdenoise.options.settings import Settings

if TYPE_CHECKING:
    from tvdenoise.files.metrics import Quality
    from tvdenoise.solvers.loop import Progress


@dataclass(frozen=True)
class Job:
    """Denoise ``source`` into ``target``, measured against ``reference`` if there is one."""

    source: Path
    target: Path
    settings: Settings
    reference: Path | None = None
    sigma: float | None = None
    """The standard deviation of the noise in the file's own units; ``settings.sigma`` is on the unit scale."""
    reading: ReadOptions = ReadOptions()
    writing: WriteOptions = WriteOptions()
    pages: tuple[range, ...] | None = None
    """Which pages, or volumes, are denoised, counted from 1; None for all. The others come back as they are."""
    memory: int | None = None
    """The bytes that the process may take; None for half of what is free when the job begins."""
    threads: int | None = None
    """How many threads solve a picture; None for as many as torch uses."""

    @property
    def is_done(self) -> bool:
        """Whether the output exists: files are written whole or not at all."""
        return os.path.lexists(self.target)

    @property
    def page_numbers(self) -> str | None:
        """The pages asked for, as ``--pages`` takes them; None for all."""
        if self.pages is None:
            return None
        parts = []
        for numbers in self.pages:
            part = f"{numbers[0]}"
            if len(numbers) > 1:
                part += f"-{numbers[-1]}"
            parts.append(part)
        return ",".join(parts)

    def row(self, status: Literal["skipped", "failed", "planned"], error: TVDenoiseError | None = None) -> Row:
        """Return the row of a job that is not done, and the error that is why."""
        weight = self.settings.weight
        return Row(
            input=str(self.source),
            output=str(self.target),
            status=status,
            error=None if error is None else str(error),
            **self.settings.columns(),
            pages_given=self.page_numbers,
            figures=Figures(weight=None if weight == "auto" else weight),
        )

    def make_folder(self) -> None:
        """Make the folder of the output, if need be; raise :class:`WriteError` if the operating system refuses."""
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = f"its folder cannot be made ({error.strerror})"
            raise WriteError(self.target, problem, "choose another folder") from error

    def check(self, *, overwrite: bool, makes_folder: bool = False) -> None:
        """Refuse, before any work, files that cannot be read, and a target that must not or cannot be written.

        Its folder may be made, between the two.
        """
        images.check_source(self.source)
        source_format = images.find_format(self.source)
        inputs = [self.source]
        if self.reference is not None:
            images.check_source(self.reference, "reference")
            inputs.append(self.reference)
        if makes_folder:
            self.make_folder()
        images.check_target(
            self.target, *inputs, overwrite=overwrite, options=self.writing, source_format=source_format
        )


class Observer:
    """Is told how a job goes; this one does nothing."""

    def on_read(self, file: PictureFile) -> None:
        """Note what was read."""

    def on_page(self, number: int, count: int) -> None:
        """Note that work on page, or volume, ``number`` of ``count`` begins; the first is 1."""

    def on_progress(self, progress: "Progress") -> None:
        """Note a certificate."""

    def on_write(self) -> None:
        """Note that the result is about to be written."""


def denoise_file(job: Job, observer: Observer | None = None) -> Row:
    """Do a job within its memory and return its row.

    Raises TVDenoiseError for whatever goes wrong that a user can cause; then nothing is written.
    """
    # Scratch files go where the result will, which needs space anyway.
    folder = None if job.target == images.STREAM else job.target.absolute().parent
    with scratch.limit_memory(job.memory, folder):
        try:
            return _denoise_file(job, observer or Observer())
        except (MemoryError, RuntimeError) as error:
            if not is_lack_of_memory(error):
                raise
            remedy = "free some, or let --memory be less"
            raise PictureError(job.source, "there is not memory enough for it", remedy) from error


def is_lack_of_memory(error: Exception) -> bool:
    """Return whether NumPy or torch could not get memory of the machine; a device's own does not count."""
    if isinstance(error, MemoryError):
        return True
    texts = ("allocate memory", "not enough memory")
    return any(text in str(error) for text in texts)


def _denoise_file(job: Job, observer: Observer) -> Row:
    file = images.read(job.source, job.reading)
    source, target = images.prepare_target(file, job.target, job.writing)
    reference = None
    if job.reference is not None:
        reference = read_reference(job.reference, source, target.format, job.reading, job.writing)
    observer.on_read(source)
    pages = _list_pages(job, source, target, reference)
    chosen = _chosen_numbers(job, source, len(pages))
    figures: list[Figures] = []
    for number, page in enumerate(pages, 1):
        if number in chosen:
            observer.on_page(len(figures) + 1, len(chosen))
            figures.append(page.denoise(job, observer))
        else:
            page.copy()
    observer.on_write()
    images.write(job.target, target)
    return Row(
        input=str(job.source),
        output=str(job.target),
        status="done",
        **picture_columns(source.parts[0]),
        **pages[0].settings.columns(),
        pages_given=job.page_numbers,
        figures=summed(figures),
        pages=tuple(figures) if len(figures) > 1 else None,
    )


@dataclass(frozen=True)
class _PageJob:
    """One page: where it is read and written, the clean version, and the settings for it."""

    index: Page
    noisy: Picture
    target: Picture
    clean: Picture | None
    settings: Settings

    def copy(self) -> None:
        """Write the page as it was read."""
        self.target.fill_page(self.index, self.noisy.unit(self.index), self.noisy)

    def denoise(self, job: Job, observer: Observer) -> Figures:
        """Denoise the page, write the result into the target, and return its figures."""
        with defer_signals(*ENDING):  # torch would abort in the middle of its import
            import torch
        if job.threads is not None:
            torch.set_num_threads(job.threads)
        try:
            result = denoise_page(self.noisy, self.index, self.settings, observer.on_progress)
        except PrecisionError as error:
            raise PictureError(job.source, error.problem, error.remedy) from error
        if result.stop == "non_finite":
            raise divergence(job.source, self.settings.method_name, result.steps)
        rounding = self.target.fill_page(self.index, result.image, self.noisy)
        result = result.with_rounding(rounding)
        before, after = self._qualities()
        figures = figures_of(result, self.noisy.scale, before, after)
        written = self.target.by_page[self.index]
        rows = zip(written, self.noisy.by_page[self.index], strict=True)
        is_unchanged = all(np.array_equal(*pair, equal_nan=True) for pair in rows)
        return replace(figures, is_unchanged=is_unchanged)

    def _qualities(self) -> tuple["Quality | None", "Quality | None"]:
        """Return how close the page was to the clean one, and how close it is now."""
        if self.clean is None:
            return None, None
        from tvdenoise.files.metrics import quality  # scikit-image loads only where something is measured

        clean, noisy, denoised = (
            replace(part, is_inverted=self.noisy.is_inverted).display_values(self.index)
            for part in (self.clean, self.noisy, self.target)
        )
        return quality(clean, noisy), quality(clean, denoised)


def _list_pages(job: Job, source: PictureFile, target: PictureFile, reference: PictureFile | None) -> list[_PageJob]:
    pages = []
    for number, noisy in enumerate(source.parts):
        filled = target.parts[number]
        clean = None if reference is None else reference.parts[number]
        settings = page_settings(job.settings, noisy, job.source, spacing=source.spacing, sigma=job.sigma)
        indices = pages_of(noisy, settings, job.source)
        pages += [_PageJob(index, noisy, filled, clean, settings) for index in indices]
    return pages


def _chosen_numbers(job: Job, source: PictureFile, count: int) -> set[int]:
    """Return the numbers of the pages to denoise; channels that are denoised one by one count as their page."""
    if job.pages is None:
        return set(range(1, count + 1))
    first = source.parts[0]
    channels = first.colours if first.is_by_channel(job.settings.color) else 1
    last = max(numbers[-1] for numbers in job.pages)
    if last * channels > count:
        kind = "volume" if job.settings.volume else "page"
        pages = count // channels
        problem = f"there is no {kind} {last}, the last is {pages}"
        raise PictureError(job.source, problem, "leave it out of --pages")
    chosen = set[int]()
    for page in chain(*job.pages):
        end = page * channels
        chosen.update(range(end - channels + 1, end + 1))
    return chosen


def picture_columns(picture: Picture) -> dict[str, Any]:
    """Return what a row says of the picture that was read."""
    pixels = picture.pixels
    return {"shape": pixels.shape, "axes": picture.axes, "dtype": str(pixels.dtype)}
