"""Many jobs on many machines: a Dask cluster is sent paths, not pixels, and its workers read and write the files.

A worker does one picture at a time, on all of its threads. A job whose worker is lost goes to another one; after
``distributed.scheduler.allowed-failures`` such losses (3 by default) it has failed.
"""

import itertools
import logging
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvdenoise.errors import ClusterError, PictureError, SettingError, missing_extra, reason
from tvdenoise.files.attempt import Outcome, Tell, attempt, failure
from tvdenoise.files.job import Job
from tvdenoise.machine import scratch
from tvdenoise.machine.signals import block_sigint

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

AHEAD = 2  # jobs handed out for each worker: one at work, and one so that it need not wait for the next
TIMEOUT = 10.0  # seconds in which a scheduler has to answer at first: more than a slow network needs
_one_at_a_time = threading.Lock()


@contextmanager
def connect(scheduler: str, workers: int | None = None, *, timeout: float = TIMEOUT) -> Iterator["Client"]:
    """Connect to a cluster, or start one that listens on this machine only and ends with the context.

    ``scheduler`` is an address such as ``tcp://host:8786``, or ``file:`` and the path of a scheduler file, or ``local``
    for a cluster of ``workers`` processes, by default one per core. Others have to answer within ``timeout`` seconds.

    Raises :class:`SettingError` if there is no such scheduler, :class:`MissingExtraError` if ``distributed`` is not
    installed.
    """
    kind, _, path = scheduler.partition(":")
    is_known = scheduler == "local" or kind == "file"
    if not is_known and not path.startswith("//"):
        remedy = "give such as tcp://host:8786, file:scheduler.json or local"
        raise SettingError("scheduler", f"{scheduler!r} is no address", remedy)
    try:
        from distributed import Client
    except ImportError as error:
        raise missing_extra("--scheduler", "the package distributed is not installed", "cluster") from error
    for name in ("distributed", "distributed.client", "tornado.application", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # the rows say what failed
    if scheduler == "local":
        with _start_cluster(workers) as cluster, Client(cluster, set_as_default=False) as client:
            yield client
        return
    try:
        where = {"address": scheduler}
        if kind == "file":
            where = {"scheduler_file": os.fspath(Path(path).resolve(strict=True))}
        client = Client(**where, timeout=timeout, set_as_default=False)
    except Exception as error:
        problem = f"{scheduler} does not answer ({reason(error)})"
        raise SettingError("scheduler", problem, "start it, or check this") from error
    with client:
        yield client


def _start_cluster(workers: int | None) -> "LocalCluster":
    from distributed import LocalCluster

    try:
        with block_sigint():
            return LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # the scheduler's other HTTP pages
                silence_logs=logging.CRITICAL,
            )
    except Exception as error:
        problem = f"no workers can be started here ({reason(error)})"
        raise SettingError("scheduler", problem, "leave it out, and choose their number with --jobs") from error


def run(
    todo: Iterable[Job],
    tell: Tell,
    client: "Client",
    *,
    workers: int | None = None,
    overwrite: bool = False,
) -> None:
    """Do jobs on a cluster and pass the outcome of each to ``tell``, in the order they end.

    Jobs are taken from ``todo`` as workers become free; at most ``workers`` are at work at once. Each takes the memory
    that the job says, or half of its worker's limit. When an exception leaves ``todo`` or ``tell``, or an interrupt
    comes, the jobs at work on other machines are finished there, and their outcomes are lost.

    Raises :class:`ClusterError` if the scheduler is lost.
    """
    from distributed import as_completed

    jobs = iter(todo)
    ended = as_completed(loop=client.loop)
    pending: dict[str, tuple[Job, Future[Outcome]]] = {}
    try:
        while True:
            most = workers or AHEAD * max(1, len(client.nthreads()))  # of the workers that there are now
            free = max(0, most - len(pending))
            for job in itertools.islice(jobs, free):
                future = client.submit(_do, _with_absolute_paths(job), overwrite=overwrite, pure=False)
                pending[future.key] = (job, future)
                ended.add(future)
            if not pending:
                return
            job, future = pending.pop(next(ended).key)
            tell(_outcome(job, future))
    except OSError as error:
        raise _scheduler_lost() from error
    finally:
        for _, future in pending.values():
            future.cancel()


def _with_absolute_paths(job: Job) -> Job:
    """Return the job for a process with another working directory."""
    source = job.source.absolute()
    target = job.target.absolute()
    reference = job.reference and job.reference.absolute()
    return replace(job, source=source, target=target, reference=reference)


def _outcome(job: Job, future: "Future[Outcome]") -> Outcome:
    """Return the outcome of a job, with its paths as they were given here."""
    from distributed import KilledWorker

    if future.status in ("cancelled", "lost"):
        raise _scheduler_lost()
    error = future.exception()
    if error is None:
        outcome: Outcome = future.result()
        row = replace(outcome.row, input=str(job.source), output=str(job.target))
        return replace(outcome, row=row)
    if isinstance(error, KilledWorker):
        picture_error = PictureError(job.source, "every worker that tried it died", "give workers more memory")
    else:
        problem = f"the worker could not do it ({reason(error)})"
        picture_error = PictureError(job.source, problem, "install the same tvdenoise for all workers")
    return failure(job, picture_error)


def _scheduler_lost() -> ClusterError:
    return ClusterError("--scheduler", "the scheduler was lost", "start it, and run this again for what is left")


def _do(job: Job, *, overwrite: bool) -> Outcome:
    """Do a job; this runs on a worker."""
    import torch
    from distributed import get_worker

    worker: Any = get_worker()
    memory = job.memory
    limit = worker.memory_manager.memory_limit
    if memory is None and limit:
        memory = max(limit // 2, scratch.MINIMUM)
    with _one_at_a_time:
        torch.set_num_threads(worker.state.nthreads)  # a worker sets OpenMP to one thread
        return attempt(replace(job, memory=memory), overwrite=overwrite)
