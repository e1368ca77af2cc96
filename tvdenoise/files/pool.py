"""Many jobs at once, in worker processes: one that dies takes no picture with it but its own.

A worker solves on one thread, which loses nothing where there are as many pictures as cores, and gives the same picture
bit by bit. Each worker has its share of the memory; a picture that needs more gets more, and as many of the cores.
"""

import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from tvdenoise import images
from tvdenoise.errors import PictureError, SettingError
from tvdenoise.files.attempt import Outcome, Tell, TooLargeError, attempt, failure
from tvdenoise.files.job import Job
from tvdenoise.machine import scratch
from tvdenoise.machine.resources import available, cores
from tvdenoise.machine.signals import ENDING, block_sigint, defer_signals

EXIT_TIMEOUT = 10.0  # seconds that a worker is given to end by itself

# Seconds after a start that failed: a fork server that was killed is gone a moment later, and another is started then.
RETRY_PAUSES = (0.0, 0.05, 0.5, 0.0)

PRELOAD_FROM = 8  # jobs a worker up to which compiled code is not loaded before the first job


@dataclass(frozen=True)
class _Order:
    """A job, and the bytes that the worker may take for it."""

    job: Job
    memory: int


@dataclass(frozen=True)
class _Worker:
    """A process, and our end of the pipe to it."""

    process: BaseProcess
    pipe: "Connection[Any, Any]"


class WorkerPool:
    """Worker processes that do jobs.

    ``workers`` is their number; None for one a core. ``memory`` are the bytes that all of them may take together; None
    for half of what is free. ``overwrite`` says whether outputs that exist are replaced. Of many jobs, ``expected``, it
    pays to load compiled code before the first.

    Raises SettingError if the memory is too little for so many processes.
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
        most = self._memory // scratch.MINIMUM
        self._number = workers or max(1, min(cores(), most))
        self._share = self._memory // self._number
        if self._share < scratch.MINIMUM:
            least = self._number * scratch.MINIMUM // 2**20 + 1
            if memory is None:
                problem = f"{self._number} at once need {least}M"
                problem += f", and half of what is free is {self._memory // 2**20}M"
                raise SettingError("jobs", problem, "give fewer, or --memory if it may be more")
            mebibytes = memory / 2**20
            problem = f"{mebibytes:.0f}M is too little for {self._number} at once"
            raise SettingError("memory", problem, f"give at least {least}M, or fewer --jobs")
        self._overwrite = overwrite
        self._forks = sys.platform == "linux"  # where that is safe, and saves loading everything in each worker
        self._context: Any = multiprocessing.get_context("forkserver" if self._forks else "spawn")
        if self._forks:
            modules = ["tvdenoise.api.denoising", "tvdenoise.files.attempt"]
            if expected > PRELOAD_FROM * self._number:
                modules.append("tvdenoise.files.preloaded")
            self._context.set_forkserver_preload(modules)
        self._idle: list[_Worker] = []
        self._busy: dict[Any, tuple[_Worker, _Order]] = {}
        self._waiting: deque[_Order] = deque()
        self._growth: dict[str, float] = {}
        self._places = itertools.count()

    def run(self, todo: Iterable[Job], tell: Tell) -> None:
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
        """Wait until the fork server has loaded its modules: the start of a worker would wait too, but unbreakably."""
        if self._forks:
            from multiprocessing import forkserver  # late: not every system has one

            with suppress(EOFError, OSError):  # the start of a worker will meet them again
                with block_sigint():
                    forkserver.ensure_running()
                self._context.Process(target=int, daemon=True).start()

    def _work(self, todo: Iterator[Job], tell: Tell) -> None:
        if self._prepare_next(todo):
            self._load()
        while True:
            while len(self._busy) < self._number and self._prepare_next(todo):
                with defer_signals(*ENDING):
                    self._begin(self._waiting.popleft())
            if not self._busy:
                return
            for pipe in wait(list(self._busy)):
                with defer_signals(*ENDING):  # no outcome is received and not told
                    outcome = self._receive(*self._busy[pipe])
                    if outcome is not None:
                        tell(outcome)

    def _dismiss(self, tell: Tell) -> None:
        """End all workers; what they were at is undone, unless it was being written."""
        for worker, _ in self._busy.values():
            worker.process.terminate()
        for worker in self._idle:
            worker.pipe.close()
        for worker, order in self._busy.values():
            with suppress(EOFError, OSError):
                if worker.pipe.poll(EXIT_TIMEOUT):
                    with defer_signals(*ENDING):
                        answer = worker.pipe.recv()
                        if isinstance(answer, Outcome):
                            tell(answer)
            worker.process.join(EXIT_TIMEOUT)
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join()
                images.discard(order.job.target)

    def _prepare_next(self, todo: Iterator[Job]) -> bool:
        """Return whether an order is waiting, and there is memory for it."""
        if not self._waiting:
            job = next(todo, None)
            if job is None:
                return False
            # From the size of the file, and what became of the last of its kind.
            growth = self._growth.get(job.source.suffix, 0)
            need = int(_size(job) * growth)
            self._waiting.append(_Order(job, self._share_for(need)))
        if not self._busy:
            return True
        taken = sum(order.memory for _, order in self._busy.values())
        return taken + self._waiting[0].memory <= self._memory

    def _share_for(self, need: int) -> int:
        """Return the usual share, or what a large picture needs, but never more than there is."""
        return min(self._memory, max(self._share, scratch.limit_for(need)))

    def _begin(self, order: _Order) -> None:
        memory_left = None
        if order.memory != self._memory:
            memory_left = scratch.array_bytes_within(order.memory)
        threads = max(1, cores() * order.memory // self._memory)
        message = (replace(order.job, memory=order.memory), threads, memory_left, self._overwrite)
        worker = self._idle.pop() if self._idle else self._start_or_retry()
        try:
            worker.pipe.send(message)
        except OSError:  # it has died since its last job
            worker.pipe.close()
            worker.process.join()
            worker = self._start_or_retry()
            worker.pipe.send(message)
        self._busy[worker.pipe] = worker, order

    def _start_or_retry(self) -> _Worker:
        problem = ""
        for pause in RETRY_PAUSES:
            try:
                return self._start()
            except (EOFError, OSError) as error:
                problem = f"another process cannot be started ({error})"
                time.sleep(pause)
        remedy = "give fewer, allow more open files (ulimit -n), or let TMPDIR be a shorter path"
        raise SettingError("jobs", problem, remedy)

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        with theirs:
            place = next(self._places)
            process = self._context.Process(target=_serve, args=(theirs, place), daemon=True)
            with block_sigint():
                process.start()
        return _Worker(process, ours)

    def _receive(self, worker: _Worker, order: _Order) -> Outcome | None:
        """Return what became of a job, or None if it has to be done again, with more memory."""
        del self._busy[worker.pipe]
        job = order.job
        try:
            answer: Outcome | int = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join()
            worker.pipe.close()
            images.discard(job.target)
            return _death(job, worker.process.exitcode)
        self._idle.append(worker)
        need = answer if isinstance(answer, int) else answer.facts.get("memory")
        size = _size(job)
        if need and size:
            self._growth[job.source.suffix] = need / size
        if isinstance(answer, int):
            self._waiting.appendleft(_Order(job, self._share_for(answer)))
            return None
        return answer


def _death(job: Job, exit_code: int | None) -> Outcome:
    """Return the outcome of a job whose worker died."""
    reason = f"exit code {exit_code}"
    if exit_code is not None and exit_code < 0:
        reason = f"signal {-exit_code}"
    remedy = "if memory was short, give fewer --jobs"
    return failure(job, PictureError(job.source, f"the process at work on it died ({reason})", remedy))


def _size(job: Job) -> int:
    with suppress(OSError):
        return job.source.stat().st_size
    return 0


def _serve(pipe: "Connection[Any, Any]", place: int) -> None:
    """Do jobs as they come, until there are no more or the process that gives them is gone.

    Each answer is an outcome, or the bytes that a picture needs for which there are too few. Of several accelerators
    the worker takes the one at its place: reading and writing of some fill the time in which others compute.
    """
    for number in ENDING:  # a terminal sends them to all its processes, and the one that gives the jobs decides
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(1))  # leaving undoes what was begun
    threading.Thread(target=_die_with_parent, daemon=True).start()
    import torch  # late: the process that gives jobs does not need it

    from tvdenoise.machine import devices

    devices.set_worker_index(place)
    writing = ExitStack()  # from the beginning of writing until the outcome is sent

    def defer_end() -> None:
        writing.enter_context(defer_signals(signal.SIGTERM))

    code = 1
    try:
        while True:
            job, threads, memory_left, overwrite = pipe.recv()
            torch.set_num_threads(threads)
            answer: Outcome | int
            try:
                answer = attempt(job, overwrite=overwrite, memory_left=memory_left, before_write=defer_end)
            except TooLargeError as error:
                answer = error.need
            pipe.send(answer)
            writing.close()
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
