"""A job as one of many: whatever happens in it is an outcome."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tvdenoise import job as jobs
from tvdenoise.description import describe
from tvdenoise.errors import OutputError, PictureError, TVDenoiseError
from tvdenoise.images import PictureFile
from tvdenoise.job import Job, Observer, Row


@dataclass(frozen=True)
class Outcome:
    """What became of a job: its row, what was read (as :func:`tvdenoise.description.describe` says), and the error.

    ``remarks`` are those of :func:`tvdenoise.engine.remarks`.
    """

    row: Row
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: TVDenoiseError | None = None
    remarks: tuple[str, ...] = ()


def failure(job: Job, error: TVDenoiseError, facts: Mapping[str, Any] | None = None) -> Outcome:
    """Return the outcome of a job that raised ``error``."""
    return Outcome(jobs.failed(job, error), facts or {}, error)


def attempt(
    job: Job, *, overwrite: bool, room: int | None = None, before_write: Callable[[], object] = lambda: None
) -> Outcome | int:
    """Do a job and return what became of it, an error or not; make the folder of its output.

    An output that exists is left alone unless ``overwrite``. If the picture takes more than ``room`` bytes to denoise
    nothing is done, and that number is returned. ``before_write`` is called when the result is about to be written.
    """
    listener = _Listener(job, room, before_write)
    try:
        if not overwrite and job.is_done:
            return Outcome(jobs.skipped(job))
        if job.target.is_symlink():  # perhaps to another of the pictures, or results
            raise OutputError(job.target, "it is a link", "remove it, or choose another folder")
        job.make_folder()
        job.check(overwrite=overwrite)
        row = jobs.run(job, listener)
        from tvdenoise.engine import remarks  # torch is loaded by now

        return Outcome(row, listener.facts, remarks=tuple(remarks()))
    except _NoRoomError:
        return int(listener.facts["memory"])
    except TVDenoiseError as error:
        return failure(job, error, listener.facts)
    except Exception as error:  # noqa: BLE001 (a fault of ours or of a library is no reason to lose other pictures)
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        told = PictureError(job.source, f"it met an unexpected error ({reason})", "please report it")
        return failure(job, told, listener.facts)


class _NoRoomError(Exception):
    """A picture takes more memory than it may."""


class _Listener(Observer):
    """Keeps what was read, and stops at pictures that are too large."""

    def __init__(self, job: Job, room: int | None, before_write: Callable[[], object]) -> None:
        self.facts: dict[str, Any] = {}
        self._before_write = before_write
        self._is_volume, self._room = job.settings.volume, room

    def on_read(self, file: PictureFile) -> None:
        """Keep the facts."""
        self.facts = describe(file, volume=self._is_volume)
        if self._room is not None and self.facts["memory"] > self._room:
            raise _NoRoomError

    def on_write(self) -> None:
        """Pass it on."""
        self._before_write()
