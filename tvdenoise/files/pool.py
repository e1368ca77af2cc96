"""Many jobs at once, in processes of their own: one that dies takes no picture with it but its own.

A process solves on one thread, which loses nothing where there are as many pictures as cores, and gives the same
picture bit by bit. Each has its share of the memory; a picture that needs more gets more, and as many of the cores.
Small pictures for an accelerator are given to a process some at a time, to be solved together.
"""

import itertools
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from tvdenoise import images
from tvdenoise.errors import PictureError, SettingError
from tvdenoise.files.attempt import Outcome, attempt_together, failure
from tvdenoise.files.job import Job
from tvdenoise.machine import scratch
from tvdenoise.machine.resources import available, cores
from tvdenoise.machine.signals import ENDING, deferred, sigint_blocked

EXIT_TIMEOUT = 10.0
"""Seconds that a process is given to end by itself."""

PRELOAD_FROM = 8
"""Jobs a process up to which compiled code is not loaded before there is one for it."""

MAX_JOBS_TOGETHER = 16
"""Jobs for an accelerator that a process is given at a time, at most."""

MAX_BYTES_TOGETHER = 2**22
"""Bytes of the files of such jobs in sum: the one that reaches them is the last."""


@dataclass(frozen=True)
class _Parcel:
    """Jobs that nothing is known of yet, by their numbers, and the bytes that the process may take for them."""

    jobs: dict[int, Job]
    share: int

    @classmethod
    def of(cls, share: int, *jobs: Job) -> "_Parcel":
        """Return a parcel of jobs that are numbered from 0."""
        return cls(dict(enumerate(jobs)), share)


@dataclass(frozen=True)
class _Worker:
    """A process, and our end of the line to it."""

    process: BaseProcess
    line: "Connection[Any, Any]"


class WorkerPool:
    """Processes that do jobs.

    Parameters
    ----------
    workers
        The number of processes; None for one a core.
    memory
        The bytes that all of them may take together; None for half of what is free.
    overwrite
        Whether outputs that exist are replaced.
    expected
        About how many jobs there are: of many it pays to load compiled code before the first.

    Raises
    ------
    SettingError
        If the memory is too little for so many processes.
    """

    def __init__(
        self,
        workers: int | None = None,
        memory: int | None = None,
        *,
        overwrite: bool = False,
        expected: int = 1,
    ) -> None:
        self._memory = available() // 2 if memory is None else memory
        self._number = workers or max(1, min(cores(), self._memory // scratch.MINIMUM))
        self._share = self._memory // self._number
        if self._share < scratch.MINIMUM:
            least = self._number * scratch.MINIMUM // 2**20 + 1
            if memory is None:
                problem = f"{self._number} at once need {least}M, and half of what is free is {self._memory // 2**20}M"
                raise SettingError("jobs", problem, "give fewer, or --memory if it may be more")
            problem = f"{memory / 2**20:.0f}M is too little for {self._number} at once"
            raise SettingError("memory", problem, f"give at least {least}M, or fewer --jobs")
        self._overwrite = overwrite
        fair = expected // (2 * self._number)  # or some would wait for others at the end
        self._at_once = max(1, min(MAX_JOBS_TOGETHER, fair))
        self._forks = sys.platform == "linux"  # where that is safe, and saves loading everything in each process
        self._context: Any = multiprocessing.get_context("forkserver" if self._forks else "spawn")
        if self._forks:
            several = ["tvdenoise.files.preloaded"] if expected > PRELOAD_FROM * self._number else []
            self._context.set_forkserver_preload(["tvdenoise.api.denoising", "tvdenoise.files.attempt", *several])
        self._idle: list[_Worker] = []
        self._busy: dict[Any, tuple[_Worker, _Parcel]] = {}
        self._waiting: deque[_Parcel] = deque()
        self._growth: dict[str, float] = {}
        self._places = itertools.count()

    def run(self, todo: Iterable[Job], tell: Callable[[Outcome], None]) -> None:
        """Do jobs and tell what became of each, in the order they end; then the processes end too.

        A job is taken from ``todo`` when a process is free for it. ``tell`` is called in this process, and no signal
        breaks it off. When an exception leaves either of them, or an interrupt comes, what processes were writing is
        written and told, and of all else they were at nothing is left.
        """
        try:
            self._work(iter(todo), tell)
        finally:
            self._dismiss(tell)

    def _load(self) -> None:
        """Wait for the fork server to load what processes share: to start one waits as well, but hears no interrupt."""
        if self._forks:
            from multiprocessing import forkserver  # late: there is none everywhere

            with suppress(EOFError, OSError):  # which those will meet too that start a process
                with sigint_blocked():
                    forkserver.ensure_running()
                self._context.Process(target=int, daemon=True).start()

    def _work(self, todo: Iterator[Job], tell: Callable[[Outcome], None]) -> None:
        if self._prepare_next(todo):
            self._load()
        while True:
            while len(self._busy) < self._number and self._prepare_next(todo):
                with deferred(*ENDING):
                    self._begin(self._waiting.popleft())
            if not self._busy:
                return
            for line in wait(list(self._busy)):
                with deferred(*ENDING):  # or what was heard might not be told
                    outcome = self._heard(*self._busy[line])
                    if outcome is not None:
                        tell(outcome)

    def _dismiss(self, tell: Callable[[Outcome], None]) -> None:
        """End all processes; what they were at is undone, unless it was being written."""
        for worker, _ in self._busy.values():
            worker.process.terminate()
        for worker in self._idle:
            worker.line.close()
        for worker, parcel in self._busy.values():
            with suppress(EOFError, OSError):
                while worker.line.poll(EXIT_TIMEOUT):
                    with deferred(*ENDING):
                        _, answer = worker.line.recv()
                        if isinstance(answer, Outcome):
                            tell(answer)
            worker.process.join(EXIT_TIMEOUT)
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join()
                _discard(parcel)

    def _prepare_next(self, todo: Iterator[Job]) -> bool:
        """Return whether there is a parcel, and memory for the first of them."""
        if not self._waiting:
            jobs = _gathered(todo, self._at_once)
            if not jobs:
                return False
            self._waiting.append(_Parcel.of(self._share_for(sum(map(self._guess, jobs))), *jobs))
        taken = sum(parcel.share for _, parcel in self._busy.values())
        return not self._busy or taken + self._waiting[0].share <= self._memory

    def _share_for(self, need: int) -> int:
        """Return the usual share, or what a large picture needs, but never more than there is."""
        return min(self._memory, max(self._share, scratch.limit_for(need)))

    def _guess(self, job: Job) -> int:
        """Guess from the size of the file, and what came of the last of its kind, how many bytes it takes."""
        return int(_size(job) * self._growth.get(job.source.suffix, 0))

    def _begin(self, parcel: _Parcel) -> None:
        left = None if parcel.share == self._memory else scratch.array_bytes_within(parcel.share)
        threads = max(1, cores() * parcel.share // self._memory)
        order = ([replace(job, memory=parcel.share) for job in parcel.jobs.values()], threads, left, self._overwrite)
        worker = self._idle.pop() if self._idle else self._hired()
        try:
            worker.line.send(order)
        except OSError:  # it has died since its last job
            worker.line.close()
            worker.process.join()
            worker = self._hired()
            worker.line.send(order)
        self._busy[worker.line] = worker, parcel

    def _hired(self) -> _Worker:
        with suppress(EOFError, OSError):  # of the fork server too, which may have died: there is another one then
            return self._started()
        try:
            return self._started()
        except (EOFError, OSError) as error:
            problem = f"another process cannot be started ({error})"
            remedy = "give fewer, allow more open files (ulimit -n), or let TMPDIR be a shorter path"
            raise SettingError("jobs", problem, remedy) from error

    def _started(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        with theirs:
            process = self._context.Process(target=_serve, args=(theirs, next(self._places)), daemon=True)
            with sigint_blocked():
                process.start()
        return _Worker(process, ours)

    def _heard(self, worker: _Worker, parcel: _Parcel) -> Outcome | None:
        """Return what became of a job, or None if it has to be done again."""
        try:
            number, answer = worker.line.recv()
        except (EOFError, OSError):
            del self._busy[worker.line]
            worker.process.join()
            worker.line.close()
            return self._lost(parcel, worker.process.exitcode)
        job = parcel.jobs.pop(number)
        if not parcel.jobs:
            del self._busy[worker.line]
            self._idle.append(worker)
        need = answer if isinstance(answer, int) else answer.facts.get("memory")
        if need and (size := _size(job)):
            self._growth[job.source.suffix] = need / size
        if isinstance(answer, int):
            self._waiting.appendleft(_Parcel.of(self._share_for(answer), job))
            return None
        outcome: Outcome = answer
        return outcome

    def _lost(self, parcel: _Parcel, exit_code: int | None) -> Outcome | None:
        """Return what became of a job whose process died; of several, each is tried once more by itself."""
        _discard(parcel)
        if len(parcel.jobs) > 1:
            self._waiting.extendleft(_Parcel.of(parcel.share, job) for job in parcel.jobs.values())
            return None
        (job,) = parcel.jobs.values()
        reason = f"signal {-exit_code}" if exit_code is not None and exit_code < 0 else f"exit code {exit_code}"
        remedy = "if memory was short, give fewer --jobs"
        return failure(job, PictureError(job.source, f"the process at work on it died ({reason})", remedy))


def _gathered(todo: Iterator[Job], most: int) -> list[Job]:
    """Take what one process does at a time: a job, or some small ones that an accelerator is to solve together."""
    jobs, size = list[Job](), 0
    for job in todo:
        jobs.append(job)
        size += _size(job)
        if not job.settings.is_for_stacks or len(jobs) >= most or size >= MAX_BYTES_TOGETHER:
            break
    return jobs


def _size(job: Job) -> int:
    with suppress(OSError):
        return job.source.stat().st_size
    return 0


def _discard(parcel: _Parcel) -> None:
    for job in parcel.jobs.values():
        images.discard(job.target)


def _serve(line: "Connection[Any, Any]", place: int) -> None:
    """Do jobs as they come, until there are no more or the process that gives them is gone.

    Of several accelerators the process takes that of its place among all: reading, writing and copying of some fill the
    time in which others compute.
    """
    for number in ENDING:  # they come from a terminal to all its processes, of which one decides
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(1))  # leaving undoes what was begun
    threading.Thread(target=_die_with_parent, daemon=True).start()
    import torch  # late: the process that gives jobs does not need it

    from tvdenoise.machine import devices

    devices.set_worker_index(place)
    writing = ExitStack()  # from the beginning of writing until it is told

    def stay() -> None:
        writing.enter_context(deferred(signal.SIGTERM))

    def tell(number: int, answer: Outcome | int) -> None:
        line.send((number, answer))
        writing.close()

    code = 1
    try:
        while True:
            todo, threads, left, overwrite = line.recv()
            torch.set_num_threads(threads)
            attempt_together(todo, tell, overwrite=overwrite, memory_left=left, before_write=stay)
    except EOFError:
        code = 0  # there are no more
    finally:
        os._exit(code)  # nothing is left to do, and taking torch down would take as long as importing it


def _die_with_parent() -> None:
    """Leave at once when nobody is there to hear: whoever comes next does the job again."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
