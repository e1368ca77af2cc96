"""A job as one of many: whatever happens in it is an outcome."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tvdenoise.errors import OutputError, PictureError, TVDenoiseError, reason
from tvdenoise.files.job import Job, Observer, denoise_file
from tvdenoise.files.rows import Row
from tvdenoise.images import PictureFile
from tvdenoise.images.facts import describe
from tvdenoise.machine.remarks import remarks


@dataclass(frozen=True)
class Outcome:
    """What became of a job: its row, what was read (as :func:`tvdenoise.images.facts.describe` says), and the error.

    ``remarks`` are those of :func:`tvdenoise.machine.remarks.remarks`.
    """

    row: Row
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: TVDenoiseError | None = None
    remarks: tuple[str, ...] = ()


Tell = Callable[[Outcome], None]  # is told of each outcome


class TooLargeError(Exception):
    """A picture needs more bytes than there are for it."""

    def __init__(self, need: int) -> None:
        super().__init__(need)
        self.need = need


def failure(job: Job, error: TVDenoiseError, facts: Mapping[str, Any] | None = None) -> Outcome:
    """Return the outcome of a job that raised ``error``."""
    return Outcome(job.row("failed", error), facts or {}, error)


def attempt(
    job: Job,
    *,
    overwrite: bool,
    memory_left: int | None = None,
    before_write: Callable[[], object] = lambda: None,
) -> Outcome:
    """Do a job and return what became of it, an error or not; make the folder of its output.

    Without ``overwrite`` a job whose output exists is skipped. ``memory_left`` are the bytes that there are for the
    picture; None for any number. ``before_write`` is called when the result is about to be written.

    Raises TooLargeError if the picture needs more bytes than are left; nothing is done then.
    """
    observer = _Observer(job, memory_left, before_write)
    try:
        if not overwrite and job.is_done:
            return Outcome(job.row("skipped"))
        # It may link to another of the pictures, or results. (Path.is_symlink raises where a name is too long.)
        if os.path.islink(job.target):  # noqa: PTH114
            raise OutputError(job.target, "it is a link", "remove it, or choose another folder")
        job.check(overwrite=overwrite, makes_folder=True)
        row = denoise_file(job, observer)
    except TooLargeError:
        raise
    except TVDenoiseError as error:
        return failure(job, error, observer.facts)
    except Exception as error:  # noqa: BLE001 (a fault of ours is no reason to lose the other pictures)
        problem = f"it met an unexpected error ({reason(error)})"
        return failure(job, PictureError(job.source, problem, "please report it"), observer.facts)
    return Outcome(row, observer.facts, remarks=tuple(remarks()))


class _Observer(Observer):
    """Keeps the facts of what was read, and stops at a picture that is too large."""

    def __init__(self, job: Job, memory_left: int | None, before_write: Callable[[], object]) -> None:
        self.facts: dict[str, Any] = {}
        self._settings = job.settings
        self._memory_left = memory_left
        self._before_write = before_write

    def on_read(self, file: PictureFile) -> None:
        """Keep the facts."""
        self.facts = describe(file, volume=self._settings.volume, color=self._settings.color)
        need = self.facts["memory"]
        if self._memory_left is not None and need > self._memory_left:
            raise TooLargeError(need)

    def on_write(self) -> None:
        """Pass it on."""
        self._before_write()
