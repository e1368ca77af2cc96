"""One file to another: what a command does once and a batch repeats. torch loads when a job runs."""

import os
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from numpy.typing import NDArray

from tvdenoise import images
from tvdenoise.errors import PictureError, PrecisionError, SettingError, TVDenoiseError, WriteError, divergence
from tvdenoise.files.rows import Figures, Row, figures_of, summed
from tvdenoise.images import Page, Picture, PictureFile, ReadOptions, WriteOptions
from tvdenoise.machine import scratch
from tvdenoise.machine.signals import ENDING, deferred
from tvdenoise.options.settings import Settings

if TYPE_CHECKING:
    from tvdenoise.api.result import Result
    from tvdenoise.files.metrics import Quality
    from tvdenoise.solvers.loop import Progress


LEAST_SIGMA = 12**-0.5
"""The standard deviation that rounding to whole numbers adds: noise of less says nothing about them."""


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

    @property
    def is_done(self) -> bool:
        """Whether the output exists: files are written whole or not at all."""
        return os.path.lexists(self.target)

    def row(self, status: Literal["skipped", "failed", "planned"], error: TVDenoiseError | None = None) -> Row:
        """Return the row of a job that is not done, and of the error that is why."""
        settings = self.settings
        return Row(
            input=str(self.source),
            output=str(self.target),
            status=status,
            error=None if error is None else str(error),
            **told_of_settings(settings),
            pages_given=_told(self.pages),
            figures=Figures(weight=None if settings.weight == "auto" else settings.weight),
        )

    def make_folder(self) -> None:
        """Make the folder of the output, if need be.

        Raises
        ------
        WriteError
            If the operating system refuses.
        """
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = f"its folder cannot be made ({error.strerror})"
            raise WriteError(self.target, problem, "choose another folder") from error

    def check(self, *, overwrite: bool) -> None:
        """Refuse, before any work, files that cannot be read, and a target that must not or cannot be written."""
        images.check_source(self.source)
        source_format = images.check_kind(self.source)
        inputs = [self.source]
        if self.reference is not None:
            images.check_source(self.reference, "reference")
            inputs.append(self.reference)
        images.check_target(
            self.target, *inputs, overwrite=overwrite, options=self.writing, source_format=source_format
        )


class Observer:
    """What is told while a job runs; this one listens to nothing."""

    def on_read(self, file: PictureFile) -> None:
        """Hear what was read."""

    def on_page(self, number: int, count: int) -> None:
        """Hear that work on page, or volume, ``number`` of ``count``, from 1, begins."""

    def on_progress(self, progress: "Progress") -> None:
        """Hear a certificate."""

    def on_write(self) -> None:
        """Hear that the result is about to be written."""


class Request(NamedTuple):
    """A page that a job needs denoised: on the unit scale, its channels last, and the settings for it."""

    image: NDArray[Any]
    settings: Settings


Running = Generator[Request, "Result[NDArray[Any]]", Row]
"""A job under way: it asks for one page after the other, is sent the results, and returns its row."""


def run(job: Job, observer: Observer | None = None) -> Row:
    """Do a job and return its row.

    Raises
    ------
    TVDenoiseError
        Whatever goes wrong that a user can cause; then nothing is written.
    """
    observer = observer or Observer()
    with limited(job):
        under_way = begin(job, observer)
        try:
            requests = [next(under_way)]  # which nothing refers to once it is answered
            with deferred(*ENDING):  # torch, while it is imported, would abort
                from tvdenoise.api.denoising import denoise_as_set  # late: it takes longer than most failures
            while True:
                try:
                    result = denoise_as_set(*requests.pop(), channel_axis=-1, callback=observer.on_progress)
                except PrecisionError as error:
                    under_way.throw(error)
                requests.append(under_way.send(result))
        except StopIteration as end:
            row: Row = end.value
            return row
        except (MemoryError, RuntimeError) as error:
            if not is_lack_of_memory(error):
                raise
            raise lack_of_memory(job) from error


def is_lack_of_memory(error: Exception) -> bool:
    """Return whether it was memory, not that of a device, which NumPy or torch could not get."""
    return isinstance(error, MemoryError) or any(
        said in str(error) for said in ("allocate memory", "not enough memory")
    )


def lack_of_memory(job: Job) -> PictureError:
    """Return what a user is told then."""
    return PictureError(job.source, "there is not memory enough for it", "free some, or let --memory be less")


def limited(job: Job) -> AbstractContextManager[None]:
    """Keep to the memory that a job may take; scratch files go where the result will, which needs room anyway."""
    return scratch.limited(job.memory, None if job.target == images.STREAM else job.target.absolute().parent)


def begin(job: Job, observer: Observer) -> Running:
    """Do a job but for the denoising itself, which is asked for."""
    source, target = images.prepared(images.read(job.source, job.reading), job.target, job.writing)
    reference = None
    if job.reference is not None:
        reference = read_reference(job.reference, source, target.format, job.reading, job.writing)
    observer.on_read(source)
    pages = yield from _denoised_pages(job, source, target, reference, observer)
    observer.on_write()
    images.write(job.target, target)
    figures = summed(pages)
    settings = job.settings.with_color(figures.color or job.settings.color)
    return Row(
        input=str(job.source),
        output=str(job.target),
        status="done",
        **told_of_picture(source.parts[0]),
        **told_of_settings(replace(settings, spacing=spacing_of(settings, source.spacing))),
        pages_given=_told(job.pages),
        figures=figures,
        pages=pages if len(pages) > 1 else None,
    )


def told_of_picture(picture: Picture) -> dict[str, Any]:
    """Return what a row says of the picture that was read."""
    return {"shape": picture.pixels.shape, "axes": picture.axes, "dtype": str(picture.pixels.dtype)}


def told_of_settings(settings: Settings) -> dict[str, Any]:
    """Return what a row says of the model and the method."""
    model = {"tv": settings.tv, "volume": settings.volume, "spacing": settings.spacing}
    return model | {"strength": settings.applied_strength, "optimizer": settings.method_name}


def _denoised_pages(
    job: Job, source: PictureFile, target: PictureFile, reference: PictureFile | None, observer: Observer
) -> Generator[Request, "Result[NDArray[Any]]", tuple[Figures, ...]]:
    """Fill the target page by page, each solved for itself, and return the figures."""
    cleans = (None,) * len(source.parts) if reference is None else reference.parts
    triples = zip(source.parts, target.parts, cleans, strict=True)
    pages = [(*triple, page) for triple in triples for page in pages_of(triple[0], job.settings, job.source)]
    chosen = _chosen(job, source, len(pages))
    figures: list[Figures] = []
    for number, (noisy, filled, clean, page) in enumerate(pages, 1):
        if number not in chosen:
            filled.fill_page(page, noisy.unit(page), noisy)
            continue
        observer.on_page(len(figures) + 1, len(chosen))
        settings = settings_for(noisy, _on_scale(job, noisy), job.source, source.spacing)
        try:
            result = yield Request(noisy.unit(page), settings)
        except PrecisionError as error:
            raise PictureError(job.source, error.problem, error.remedy) from error
        if result.status == "non_finite":
            raise divergence(job.source, settings.method_name, result.steps)
        rounding = filled.fill_page(page, result.image, noisy)
        result = replace(result, rms_bound=result.rms_bound + rounding)
        figures.append(figures_of(result, noisy.scale, *_qualities(clean, noisy, filled, page)))
    return tuple(figures)


def _chosen(job: Job, source: PictureFile, count: int) -> set[int]:
    """Return which of so many pages and channels are to be denoised, by their numbers."""
    if job.pages is None:
        return set(range(1, count + 1))
    first = source.parts[0]
    channels = first.colours if first.is_by_channel(job.settings.color) else 1  # of each page, each by itself
    last = max(numbers[-1] for numbers in job.pages)
    if last * channels > count:
        problem = f"there is no {'volume' if job.settings.volume else 'page'} {last}, the last is {count // channels}"
        raise PictureError(job.source, problem, "leave it out of --pages")
    return {number for number in range(1, count + 1) if any(1 + (number - 1) // channels in own for own in job.pages)}


def _told(pages: tuple[range, ...] | None) -> str | None:
    """Return the numbers of pages as they are asked for."""
    if pages is None:
        return None
    return ",".join(f"{own[0]}-{own[-1]}" if len(own) > 1 else f"{own[0]}" for own in pages)


def _qualities(
    clean: Picture | None, noisy: Picture, denoised: Picture, page: Page
) -> tuple["Quality | None", "Quality | None"]:
    """Return how close a page was, and is, to the clean one."""
    if clean is None:
        return None, None
    from tvdenoise.files.metrics import quality  # scikit-image loads only where something is measured

    parts = (replace(part, is_inverted=noisy.is_inverted) for part in (clean, noisy, denoised))
    first, *others = (part.shown(page) for part in parts)
    before, after = (quality(first, other) for other in others)
    return before, after


def _on_scale(job: Job, picture: Picture) -> Settings:
    """Return the settings of a job, the noise on the unit scale of a picture of the file."""
    if job.sigma is None:
        return job.settings
    low, high = picture.scale
    if 0 < job.sigma < LEAST_SIGMA and picture.pixels.dtype.kind in "iu":
        problem = f"noise of {job.sigma:g} is less than the rounding of whole numbers"
        raise SettingError("sigma", problem, "a fraction of the range is written such as 25/255")
    return replace(job.settings, sigma=job.sigma / (high - low))


def settings_for(picture: Picture, settings: Settings, name: object, spacing: float | None) -> Settings:
    """Return the settings for a picture of some name, and perhaps of slices so far apart: for the colours it has."""
    settings = replace(settings, spacing=spacing_of(settings, spacing))
    if not settings.may_be_opponent or not (picture.is_cmyk or picture.has_channels):
        return settings
    if settings.color == "opponent":
        colours = "CMYK" if picture.is_cmyk else f"{picture.colours} channels"
        raise PictureError(name, f"it has {colours}, not red, green and blue", "use --color coupled or rgb")
    return settings.with_color("rgb")


def spacing_of(settings: Settings, known: float | None) -> float | None:
    """Return the distance between the slices of a volume in pixel widths, by default as is known; None of pictures."""
    return (settings.spacing or known or 1.0) if settings.volume else None


def pages_of(picture: Picture, settings: Settings, name: object) -> Iterator[Page]:
    """Iterate over what of a picture is solved together, with a lambda of its own where that is chosen."""
    if settings.volume and not picture.depth_axis:
        if not set(picture.axes) - set("YXSC"):
            raise PictureError(name, "a single picture has no depth", "leave out --volume")
        problem = f"none of its axes {picture.axes} is known to be the depth of a volume"
        raise PictureError(name, problem, "call it Z, such as --axes ZYX, or leave out --volume")
    return picture.solved_pages(volume=settings.volume, color=settings.color)


def read_reference(
    path: Path,
    source: PictureFile,
    format_: str,
    reading: ReadOptions,
    writing: WriteOptions = WriteOptions(),
) -> PictureFile:
    """Read the clean picture; numbers of the same type, or floats, mean what they mean in the noisy one, white too."""
    clean = images.conformed(images.read(path, images.options_for_other(path, reading)), format_, writing)
    shapes = [[part.content_shape for part in f.parts] for f in (clean, source)]
    if shapes[0] != shapes[1]:
        sizes = [", ".join("x".join(map(str, shape)) for shape in file) for file in shapes]
        problem = f"its shape {sizes[0]} is not the input's {sizes[1]}"
        raise PictureError(path, problem, "give the clean version of the same picture")
    parts = []
    for part, noisy in zip(clean.parts, source.parts, strict=True):
        scale = noisy.scale if part.is_numbered_like(noisy) else part.scale
        is_turned = part.is_inverted != noisy.is_inverted
        parts.append(replace(part, scale=scale[::-1] if is_turned else scale, is_inverted=noisy.is_inverted))
    return replace(clean, parts=tuple(parts))
