"""Jobs on as many threads as torch uses: compiled code lets the others run."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch


def number() -> int:
    """Return the number of threads."""
    return torch.get_num_threads()


def run(jobs: Sequence[Callable[[], object]]) -> None:
    """Run jobs, and return when all are done."""
    if number() == 1 or len(jobs) == 1:
        for job in jobs:
            job()
    else:
        for done in [_pool(number()).submit(job) for job in jobs]:
            done.result()


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="tvdenoise")
