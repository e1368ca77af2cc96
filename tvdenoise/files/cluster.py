"""Many jobs on many machines: a Dask cluster is given paths, not pixels, and its workers read and write.

A worker does one picture at a time, on all of its threads. A job whose worker is lost goes to another one; after
``distributed.scheduler.allowed-failures`` such losses (3, unless the scheduler is told otherwise) it has failed.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvdenoise.errors import ClusterError, PictureError, SettingError, missing_extra, reason
from tvdenoise.files.attempt import Outcome, attempt, failure
from tvdenoise.files.job import Job
from tvdenoise.machine import scratch
from tvdenoise.machine.signals import block_sigint

if TYPE_CHECKING:
    from distributed import Client, Future

AHEAD = 2
"""Jobs handed out a worker: one at work, and one so that nothing waits for us."""

PERIOD = 2.0
"""Seconds between two looks at how many workers there are."""

PATIENCE = "10s"
"""How long a scheduler may take to answer at first."""

_one_at_a_time = threading.Lock()


@contextmanager
def connected(scheduler: str, workers: int | None = None) -> Iterator["Client"]:
    """Connect to a cluster, or start one that listens on this machine alone and ends with the context.

    Parameters
    ----------
    scheduler
        An address such as ``tcp://host:8786``, or ``file:`` and the path of a scheduler file, or ``local``.
    workers
        The number of processes of a local one; None for one a core.

    Raises
    ------
    SettingError
        If there is no such scheduler.
    MissingExtraError
        If ``distributed`` is not installed.
    """
    kind, _, path = scheduler.partition(":")
    if scheduler != "local" and kind != "file" and not path.startswith("//"):
        remedy = "give such as tcp://host:8786, file:scheduler.json or local"
        raise SettingError("scheduler", f"{scheduler!r} is no address", remedy)
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise missing_extra("--scheduler", "the package distributed is not installed", "cluster") from error
    for name in ("distributed", "distributed.client", "tornado.application", "asyncio"):  # what is lost is told by rows
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if scheduler == "local":
        try:
            with block_sigint():
                cluster = LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address=None,
                    scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # of what else it tells by HTTP
                    silence_logs=logging.CRITICAL,
                )
        except Exception as error:
            problem = f"no workers can be started here ({reason(error)})"
            raise SettingError("scheduler", problem, "leave it out, and choose their number with --jobs") from error
        with cluster, Client(cluster, set_as_default=False) as client:
            yield client
        return
    try:
        where = {"scheduler_file": os.fspath(Path(path).resolve(strict=True))} if kind == "file" else {}
        client = Client(**(where or {"address": scheduler}), timeout=PATIENCE, set_as_default=False)
    except Exception as error:
        problem = f"{scheduler} does not answer ({reason(error)})"
        raise SettingError("scheduler", problem, "start it, or check this") from error
    with client:
        yield client


def run(
    todo: Iterable[Job],
    tell: Callable[[Outcome], None],
    client: "Client",
    *,
    workers: int | None = None,
    overwrite: bool = False,
) -> None:
    """Do jobs on a cluster and tell what became of each, in the order they end.

    Jobs are taken from ``todo`` as workers become free; at most ``workers`` are at work at once. Of the memory each
    worker takes what the job says, or half of its own limit. When an exception leaves ``todo`` or ``tell``, or an
    interrupt comes, what is at work on other machines comes to its end, unheard.

    Raises
    ------
    ClusterError
        If the scheduler is lost.
    """
    from distributed import as_completed

    ended, todo = as_completed(loop=client.loop), iter(todo)
    out: dict[str, tuple[Job, Future[Outcome]]] = {}
    limit = _Limit(client, workers)
    try:
        while True:
            while len(out) < limit() and (job := next(todo, None)) is not None:
                future = client.submit(_do, _absolute(job), overwrite=overwrite, pure=False)
                out[future.key] = job, future
                ended.add(future)
            if not out:
                return
            future = next(ended)
            job, _ = out.pop(future.key)
            tell(_outcome(job, future))
    except OSError as error:
        raise _lost() from error
    finally:
        for _, future in out.values():
            future.cancel()


class _Limit:
    """How many jobs may be handed out; looked up now and then, as workers come and go."""

    def __init__(self, client: "Client", workers: int | None) -> None:
        self._client, self._workers = client, workers
        self._found, self._looked = 0, -PERIOD

    def __call__(self) -> int:
        if self._workers is not None:
            return self._workers
        if time.monotonic() >= self._looked + PERIOD:
            self._found, self._looked = len(self._client.nthreads()), time.monotonic()
        return AHEAD * max(1, self._found)


def _absolute(job: Job) -> Job:
    """Return the job as it is called in any working directory."""
    reference = None if job.reference is None else job.reference.absolute()
    return replace(job, source=job.source.absolute(), target=job.target.absolute(), reference=reference)


def _outcome(job: Job, future: "Future[Outcome]") -> Outcome:
    """Return what became of a job, by the names that it has here."""
    from distributed import KilledWorker

    if future.status in ("cancelled", "lost"):
        raise _lost()
    error = future.exception()
    if error is None:
        outcome: Outcome = future.result()
        return replace(outcome, row=replace(outcome.row, input=str(job.source), output=str(job.target)))
    if isinstance(error, KilledWorker):
        problem, remedy = "every worker that tried it died", "give workers more memory"
    else:
        problem, remedy = f"the worker could not do it ({reason(error)})", "install the same tvdenoise for all workers"
    return failure(job, PictureError(job.source, problem, remedy))


def _lost() -> ClusterError:
    return ClusterError("--scheduler", "the scheduler was lost", "start it, and run this again for what is left")


def _do(job: Job, *, overwrite: bool) -> Outcome:
    """Do a job on a worker."""
    import torch
    from distributed import get_worker

    worker: Any = get_worker()
    limit = worker.memory_manager.memory_limit
    memory = job.memory or (limit and max(limit // 2, scratch.MINIMUM))
    with _one_at_a_time:
        torch.set_num_threads(worker.state.nthreads)  # a worker sets OpenMP to one thread
        return attempt(replace(job, memory=memory), overwrite=overwrite)
