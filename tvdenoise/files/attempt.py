"""A job as one of many: whatever happens in it is an outcome."""

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from tvdenoise.errors import OutputError, PictureError, SettingError, TVDenoiseError, reason
from tvdenoise.files import job as jobs
from tvdenoise.files.job import Job, Observer, Request
from tvdenoise.files.rows import Row
from tvdenoise.images import PictureFile
from tvdenoise.images.facts import describe

if TYPE_CHECKING:
    from tvdenoise.api.result import Result


@dataclass(frozen=True)
class Outcome:
    """What became of a job: its row, what was read (as :func:`tvdenoise.images.facts.describe` says), and the error.

    ``remarks`` are those of :func:`tvdenoise.kernels.dispatch.remarks`.
    """

    row: Row
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: TVDenoiseError | None = None
    remarks: tuple[str, ...] = ()


def failure(job: Job, error: TVDenoiseError, facts: Mapping[str, Any] | None = None) -> Outcome:
    """Return the outcome of a job that raised ``error``."""
    return Outcome(job.row("failed", error), facts or {}, error)


def attempt(job: Job, *, overwrite: bool) -> Outcome:
    """Do a job and return what became of it, an error or not; make the folder of its output.

    An output that exists is left alone unless ``overwrite``.
    """
    answers: list[Any] = []
    attempt_together([job], lambda _, answer: answers.append(answer), overwrite=overwrite)
    outcome: Outcome = answers[0]
    return outcome


def attempt_together(
    todo: Sequence[Job],
    tell: Callable[[int, Outcome | int], object],
    *,
    overwrite: bool,
    memory_left: int | None = None,
    before_write: Callable[[], object] = lambda: None,
) -> None:
    """Do jobs, whose pictures are denoised together, and tell of each by its number what :func:`attempt` returns.

    They share the memory that the first may take, and ``memory_left``: of a picture that takes more bytes to denoise
    than are left of it nothing is done, and that number is told. ``before_write`` is called when a result is about to
    be written; nothing else is done until that is told.
    """
    left = _Memory(memory_left)
    under_way = {}
    for number, job in enumerate(todo):
        settled = _settled(job, overwrite=overwrite)
        if settled is None:
            under_way[number] = _attempt(job, _Listener(job, left, before_write))
        else:
            tell(number, settled)
    if not under_way:
        return
    with ExitStack() as budget:
        try:
            budget.enter_context(jobs.limited(todo[min(under_way)]))
        except SettingError as error:  # the memory is too little for any of them
            for number in under_way:
                tell(number, failure(todo[number], error))
            return
        answers: dict[int, Any] = dict.fromkeys(under_way)  # results, or what was raised instead
        while under_way:
            requests = {}
            for number, one in list(under_way.items()):
                try:
                    answer = answers.pop(number)
                    requests[number] = one.throw(answer) if isinstance(answer, Exception) else one.send(answer)
                except StopIteration as end:
                    del under_way[number]
                    tell(number, end.value)
            answers = _answers(requests)


def _settled(job: Job, *, overwrite: bool) -> Outcome | None:
    """Return what became of a job that needs no work, or cannot be done; make the folder of its output."""
    try:
        if not overwrite and job.is_done:
            return Outcome(job.row("skipped"))
        # Perhaps to another of the pictures, or results. (Path.is_symlink raises where a name is too long.)
        if os.path.islink(job.target):  # noqa: PTH114
            raise OutputError(job.target, "it is a link", "remove it, or choose another folder")
        job.make_folder()
        job.check(overwrite=overwrite)
    except TVDenoiseError as error:
        return failure(job, error)
    except Exception as error:  # noqa: BLE001
        return _fault(job, error, {})
    return None


def _fault(job: Job, error: Exception, facts: Mapping[str, Any]) -> Outcome:
    """Return the outcome of a job that met lack of memory, or a fault of ours: no reason to lose other pictures."""
    if jobs.is_lack_of_memory(error):
        return failure(job, jobs.lack_of_memory(job), facts)
    problem = f"it met an unexpected error ({reason(error)})"
    return failure(job, PictureError(job.source, problem, "please report it"), facts)


def _attempt(job: Job, listener: "_Listener") -> Generator[Request, "Result[NDArray[Any]] | None", Outcome | int]:
    """Ask for pages until it is known what became of a job."""
    try:
        row = yield from jobs.begin(job, listener)
        from tvdenoise.kernels.dispatch import remarks  # torch is loaded by now

        return Outcome(row, listener.facts, remarks=tuple(remarks()))
    except _TooLargeError:
        return int(listener.facts["memory"])
    except TVDenoiseError as error:
        return failure(job, error, listener.facts)
    except Exception as error:  # noqa: BLE001
        return _fault(job, error, listener.facts)


def _answers(requests: Mapping[int, Request]) -> dict[int, "Result[NDArray[Any]] | Exception"]:
    """Denoise pages together; if that goes wrong, each by itself, so that it is known whose fault it is."""
    if not requests:
        return {}
    try:
        from tvdenoise.api.denoising import denoise_together  # late: importing torch takes longer than most failures

        results = denoise_together(*zip(*requests.values(), strict=True), channel_axis=-1)
        return dict(zip(requests, results, strict=True))
    except Exception as error:  # noqa: BLE001
        if len(requests) == 1:
            return dict.fromkeys(requests, error)
    return {number: _answers({number: request})[number] for number, request in requests.items()}


@dataclass
class _Memory:
    """The bytes that are left for pictures, None for any number."""

    left: int | None


class _TooLargeError(Exception):
    """A picture takes more memory than it may."""


class _Listener(Observer):
    """Keeps what was read, and stops at pictures that are too large."""

    def __init__(self, job: Job, memory: _Memory, before_write: Callable[[], object]) -> None:
        self.facts: dict[str, Any] = {}
        self._before_write = before_write
        self._settings, self._memory = job.settings, memory

    def on_read(self, file: PictureFile) -> None:
        """Keep the facts."""
        self.facts = describe(file, volume=self._settings.volume, color=self._settings.color)
        if self._memory.left is not None:
            if self.facts["memory"] > self._memory.left:
                raise _TooLargeError
            self._memory.left -= self.facts["memory"]

    def on_write(self) -> None:
        """Pass it on."""
        self._before_write()
