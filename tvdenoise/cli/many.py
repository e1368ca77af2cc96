"""Several pictures: rows as they finish, a bar on terminals, and a summary at the end."""

import json
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import fmean
from typing import Any

from tqdm import tqdm

from tvdenoise.cli import messages
from tvdenoise.cli.runs import RunOptions, dry_run_of
from tvdenoise.errors import DeviceError, UnwritableError, WriteError
from tvdenoise.files import pool
from tvdenoise.files.attempt import Outcome
from tvdenoise.files.job import Job
from tvdenoise.files.plan import Pair, Plan

GIVE_UP = 5
"""Results in a row that cannot be written after which none is expected to."""

MOST_REASONS = 20
"""Of failures, told in the summary: about as many lines as a terminal shows."""


def denoise_many(plan: Plan, job_of: Callable[[Pair], Job], options: RunOptions) -> int:
    """Denoise all pictures of a plan, or only say what would be done, and return the exit code."""
    jobs = (job_of(pair) for pair in plan.pairs(options.shard))
    count = sum(1 for _ in plan.pairs(options.shard))
    if plan.overlooked and not options.quiet:
        left = ", ".join(f"{number} {reason}" for reason, number in plan.overlooked.items())
        messages.note(f"{count} picture{'s' * (count != 1)}; left out: {left}")
    if options.dry_run:
        return dry_run_of(jobs, options)
    report = _Report(count, options)
    with _runner(count, options) as run:
        try:
            run(report.undone(jobs), report.add)
        finally:
            report.close()
    return 1 if report.counts["failed"] else 0


@contextmanager
def _runner(count: int, options: RunOptions) -> Iterator[Callable[[Iterator[Job], Callable[[Outcome], None]], None]]:
    """Get ready to do what is to do on this machine, or on others."""
    workers, overwrite = options.workers, options.overwrite
    if options.scheduler is None:
        yield pool.WorkerPool(workers, options.memory, overwrite=overwrite, expected=count).run
        return
    from tvdenoise.files import cluster

    with cluster.connect(options.scheduler, workers) as client:
        if not (client.nthreads() or options.quiet):
            messages.note(f"{options.scheduler} has no worker yet: waiting for one")
        yield partial(cluster.run, client=client, workers=workers, overwrite=overwrite)


class _Report:
    """Tells what became of each picture, and keeps count."""

    def __init__(self, count: int, options: RunOptions) -> None:
        self.counts: Counter[str] = Counter()
        self._count, self._options = count, options
        self._began = time.perf_counter()
        self._pixels = self._at_limit = self._unchanged = 0
        self._reasons: Counter[str] = Counter()
        self._hints: Counter[str] = Counter()
        self._remarks: set[str] = set()
        self._unwritten = 0
        self._psnrs: list[tuple[float, float]] = []
        self._ssims: list[tuple[float, float]] = []
        self._bar: tqdm[Any] = tqdm(total=count, unit="picture", leave=False, disable=options.quiet or None)

    def undone(self, jobs: Iterator[Job]) -> Iterator[Job]:
        """Iterate over what is left to do, until something says to stop."""
        for job in jobs:
            if self._must_stop:
                return
            if job.is_done and not self._options.overwrite:
                self.add(Outcome(job.row("skipped")))
            else:
                yield job

    @property
    def _must_stop(self) -> bool:
        return self._unwritten >= GIVE_UP or (self._options.fail_fast and self.counts["failed"] > 0)

    def add(self, outcome: Outcome) -> None:
        """Take in and tell what became of one picture.

        Raises
        ------
        DeviceError
            If the device is not there: no picture can be denoised.
        """
        if isinstance(outcome.error, DeviceError):
            raise outcome.error
        row, options = outcome.row, self._options
        self.counts[row.status] += 1
        self._bar.update()
        if row.status != "skipped":
            is_unwritten = isinstance(outcome.error, (WriteError, UnwritableError))
            self._unwritten = self._unwritten + 1 if is_unwritten else 0
        if options.as_json:
            messages.data(json.dumps(row.as_json()))
        with self._bar.external_write_mode(file=sys.stderr):
            if outcome.error is not None:
                self._reasons[outcome.error.problem] += 1
                messages.failure(messages.error_text(outcome.error))
            elif options.verbose:
                is_done = row.status == "done"
                messages.note(messages.summary_line(row, outcome.facts) if is_done else f"{row.output} exists: skipped")
                for remark in set(outcome.remarks) - self._remarks:
                    messages.note(remark)
                self._remarks.update(outcome.remarks)
        if row.status == "done":
            self._at_limit += row.figures.stop == "max_steps"
            self._unchanged += row.figures.sigma is not None and row.figures.weight == 0
            self._pixels += messages.pixels(outcome.facts)
            self._hints.update(messages.hints(row, outcome.facts))
            self._psnrs += _finite_pair(row.figures.psnr_before, row.figures.psnr_after)
            self._ssims += _finite_pair(row.figures.ssim_before, row.figures.ssim_after)

    def close(self) -> None:
        """Sum up."""
        self._bar.close()
        if self._options.quiet:
            return
        seconds = time.perf_counter() - self._began
        missing = self._count - self.counts.total()
        parts = [f"{self.counts[status]} {status}" for status in ("done", "skipped", "failed")]
        parts += [f"{missing} not tried"] if missing else []
        rate = (
            f", {self.counts['done'] / seconds:.3g} pictures or {self._pixels / seconds / 1e6:.3g} megapixels a second"
        )
        messages.note(f"{', '.join(parts)} in {_duration(seconds)}" + (rate if self.counts["done"] else ""))
        if self._unwritten >= GIVE_UP:
            messages.note(f"stopped, since the last {self._unwritten} results could not be written")
        for sentence, pairs in (("PSNR {:.2f} -> {:.2f} dB", self._psnrs), ("SSIM {:.4f} -> {:.4f}", self._ssims)):
            if pairs:
                means = (fmean(values) for values in zip(*pairs, strict=True))
                messages.note(f"mean {sentence.format(*means)} over {len(pairs)}")
        if self._at_limit:
            messages.note(f"{self._at_limit} stopped at the step limit before their tolerance")
        if self._unchanged:
            messages.note(f"{self._unchanged} came back as they were, since no noise was found in them")
        for hint, number in self._hints.most_common():
            messages.note(f"{number} with {hint}")
        for reason, number in self._reasons.most_common(MOST_REASONS):
            messages.note(f"{number} failed: {reason}")


def _finite_pair(before: float | None, after: float | None) -> list[tuple[float, float]]:
    """Return both in a list, or none if one is not known or infinite."""
    is_known = before is not None and after is not None and math.isfinite(before) and math.isfinite(after)
    return [(before, after)] if is_known else []  # type: ignore[list-item]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes else f"{seconds:.1f} s"
