"""Jobs on as many threads as torch uses: compiled code lets the others run."""

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch


def cut_into_bands(length: int, least: int) -> list[int]:
    """Return where bands of ``least`` rows or more begin, one a thread, and where the last ends."""
    bands = max(1, min(torch.get_num_threads(), length // least))
    return [length * band // bands for band in range(bands + 1)]


def run(jobs: Sequence[Callable[[], object]]) -> None:
    """Run jobs, this thread among those that do, and return when all are done."""
    queue = deque(jobs)
    number = torch.get_num_threads()
    helpers = min(number, len(jobs)) - 1
    waiting = [_pool(number - 1).submit(_work, queue) for _ in range(helpers)]
    _work(queue)
    for helper in waiting:
        helper.result()


def _work(queue: deque[Callable[[], object]]) -> None:
    while True:
        try:
            job = queue.popleft()
        except IndexError:
            return
        job()


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="tvdenoise")


if hasattr(os, "register_at_fork"):  # not every system forks
    os.register_at_fork(after_in_child=_pool.cache_clear)  # the threads of a pool do not outlive a fork
