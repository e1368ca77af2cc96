"""Denoise several pictures: rows as they finish, a bar on terminals, and a summary at the end."""

import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from statistics import fmean
from typing import Any

from tqdm import tqdm

from tvdenoise.cli import messages, values
from tvdenoise.cli.arguments import Arguments
from tvdenoise.errors import DeviceError, TVDenoiseError, UnwritableError, WriteError
from tvdenoise.files import pool
from tvdenoise.files.attempt import Outcome, Tell, failure
from tvdenoise.files.job import Job
from tvdenoise.files.plan import Naming, Pair, Plan, count_reasons, is_in_shard
from tvdenoise.files.rows import Row

Run = Callable[[Iterator[Job], Tell], None]  # gives jobs to workers, and tells of each
Clash = tuple[Job, TVDenoiseError]  # what is not denoised, and why
GIVE_UP = 5  # results in a row that cannot be written: a full disk stays full
MOST_REASONS = 20  # for failures in the summary: about as many lines as a terminal shows


def denoise_many(plan: Plan, make_job: Callable[[Pair], Job], arguments: Arguments) -> int:
    """Denoise all pictures of a plan, or only say what would be done, and return the exit code."""
    shard = values.parse_shard(arguments.shard)
    jobs = map(make_job, plan.pairs(shard))
    clashes = []
    for pair, error in plan.clashes:
        if is_in_shard(pair.relative, shard):
            clashes.append((make_job(pair), error))
    count = len(clashes)
    count += sum(1 for _ in plan.pairs(shard))
    if arguments.dry_run:
        code = print_plan(jobs, arguments, clashes)
        if not arguments.quiet:
            _note_left_out(plan)
        return code
    report = Report(count, arguments, _describe_place(plan.naming))
    for job, error in clashes:
        report.add(failure(job, error))
    with _start_workers(count, arguments) as run:
        try:
            run(report.select(jobs), report.add)
        finally:
            report.close()
            if not arguments.quiet:
                _note_left_out(plan)
    return 1 if report.counts["failed"] else 0


def _describe_place(naming: Naming) -> str:
    """Say where results are."""
    if naming.folder is None:
        return f"beside their pictures, named *{naming.effective_suffix}"
    return f"in {naming.folder}"


def _note_left_out(plan: Plan) -> None:
    """Say what in the folders was not denoised."""
    if plan.overlooked:
        messages.note(f"left out: {count_reasons(plan.overlooked)}")
    if plan.subfolders:
        messages.note(f"not entered: {messages.format_count(plan.subfolders, 'subfolder')} (--recursive does)")


def print_plan(jobs: Iterable[Job], arguments: Arguments, clashes: Sequence[Clash] = ()) -> int:
    """Say what would become of every picture, and return the exit code."""
    counts: Counter[str] = Counter()
    for job, error in clashes:
        messages.print_error(error)
        if arguments.as_json:
            messages.print_json(job.row("failed", error).as_json())
    for job in jobs:
        line = f"{job.source} -> {job.target}"
        row = job.row("planned")
        if job.is_done and not arguments.overwrite:
            line += " (exists: skipped)"
            row = job.row("skipped")
        counts[row.status] += 1
        messages.print_result(row.as_json(), line, as_json=arguments.as_json)
    if not arguments.quiet:
        text = f"would denoise {counts['planned']}, skip {counts['skipped']}"
        if clashes:
            text += f", fail {len(clashes)}"
        messages.note(text)
    return 1 if clashes else 0


@contextmanager
def _start_workers(count: int, arguments: Arguments) -> Iterator[Run]:
    """Get workers on this machine, or on others, and yield the function that gives them jobs."""
    workers = values.parse_workers(arguments.jobs)
    memory = values.parse_memory(arguments.memory)
    overwrite = arguments.overwrite
    if arguments.scheduler is None:
        yield pool.WorkerPool(workers, memory, overwrite=overwrite, expected=count).run
        return
    from tvdenoise.files import cluster  # late: it is seldom needed

    with cluster.connect(arguments.scheduler, workers) as client:
        if not client.nthreads() and not arguments.quiet:
            messages.note(f"{arguments.scheduler} has no worker yet: waiting for one")
        yield partial(cluster.run, client=client, workers=workers, overwrite=overwrite)


class Report:
    """Prints the outcome of each picture, and sums up."""

    def __init__(self, count: int, arguments: Arguments, place: str = "") -> None:
        self.counts: Counter[str] = Counter()  # by status
        self._count = count
        self._arguments = arguments
        self._place = place  # of the results, in words
        self._heartbeat = messages.Heartbeat()
        self._start = time.perf_counter()
        self._pixels = 0
        self._at_limit = 0  # pictures that stopped at the step limit
        self._unchanged = 0  # pictures in which no noise was found
        self._unwritten = 0  # results in a row that could not be written
        self._reasons: Counter[str] = Counter()  # for failures
        self._hints: Counter[str] = Counter()
        self._remarks: set[str] = set()  # that have been printed
        self._psnrs: list[list[float]] = []  # before and after
        self._ssims: list[list[float]] = []
        is_hidden = arguments.quiet or None  # None: tqdm shows the bar on terminals only
        self._bar: tqdm[Any] = tqdm(total=count, unit="picture", leave=False, disable=is_hidden)

    def select(self, jobs: Iterator[Job]) -> Iterator[Job]:
        """Yield the jobs whose results do not exist, until a failure says to stop."""
        for job in jobs:
            has_failed = self.counts["failed"] > 0
            if self._unwritten >= GIVE_UP or (self._arguments.fail_fast and has_failed):
                return
            if job.is_done and not self._arguments.overwrite:
                self.add(Outcome(job.row("skipped")))
            else:
                yield job

    def add(self, outcome: Outcome) -> None:
        """Count and print the outcome of one picture; raise DeviceError where the device is not there for any."""
        error = outcome.error
        if isinstance(error, DeviceError):
            raise error
        row = outcome.row
        self.counts[row.status] += 1
        if error is not None:
            self._reasons[error.problem] += 1
        if isinstance(error, (WriteError, UnwritableError)):
            self._unwritten += 1
        elif row.status != "skipped":
            self._unwritten = 0
        if row.status == "done":
            self._add_done(row, outcome.facts)
        self._bar.update()
        if self._arguments.as_json:
            messages.print_json(row.as_json())
        with self._bar.external_write_mode(file=sys.stderr):
            self._print(outcome)
            self._print_progress(row)

    def _add_done(self, row: Row, facts: Mapping[str, Any]) -> None:
        figures = row.figures
        if figures.stop == "max_steps":
            self._at_limit += 1
        if figures.sigma is not None and figures.weight == 0:
            self._unchanged += 1
        self._pixels += messages.count_pixels(facts)
        self._hints.update(messages.find_hints(row, facts))
        self._hints.update(messages.find_doubts(row))
        _add_if_finite(self._psnrs, figures.psnr_before, figures.psnr_after)
        _add_if_finite(self._ssims, figures.ssim_before, figures.ssim_after)

    def _print(self, outcome: Outcome) -> None:
        row = outcome.row
        if outcome.error is not None:
            messages.print_error(outcome.error)
            return
        if row.status == "done" and not self._arguments.quiet:
            messages.note_flaws(row, outcome.facts)
        if not self._arguments.says_more:
            return
        if row.status == "done":
            messages.note(messages.describe_result(row, outcome.facts))
            messages.note(messages.describe_solution(row, outcome.facts))
        else:
            messages.note(f"{row.output} exists: skipped")
        for remark in set(outcome.remarks) - self._remarks:
            messages.note(remark)
        self._remarks.update(outcome.remarks)

    def _print_progress(self, row: Row) -> None:
        self._bar.set_postfix_str(messages.shorten(row.input), refresh=False)
        if not self._arguments.quiet:
            elapsed = messages.format_duration(time.perf_counter() - self._start)
            count = f"{self.counts.total()} of {self._count}"
            self._heartbeat.note(f"{count} in {elapsed}, the last {row.input}")

    def close(self) -> None:
        """Print the summary."""
        self._bar.close()
        if self._arguments.quiet:
            return
        messages.note(self._summarize())
        if self._unwritten >= GIVE_UP:
            messages.note(f"stopped, since the last {self._unwritten} results could not be written")
        _note_means("mean PSNR {:.2f} -> {:.2f} dB over {}", self._psnrs)
        _note_means("mean SSIM {:.4f} -> {:.4f} over {}", self._ssims)
        if self._at_limit:
            messages.note(f"{self._at_limit} stopped at the step limit before their tolerance")
        if self._unchanged:
            messages.note(f"{self._unchanged} came back as they were, since no noise was found in them")
        for hint, number in self._hints.most_common():
            messages.note(f"{messages.format_count(number, 'picture')}: {hint}")
        for reason, number in self._reasons.most_common(MOST_REASONS):
            messages.note(f"{number} failed: {reason}")

    def _summarize(self) -> str:
        seconds = time.perf_counter() - self._start
        counts = [f"{self.counts[status]} {status}" for status in ("done", "skipped", "failed")]
        missing = self._count - self.counts.total()
        if missing:
            counts.append(f"{missing} not tried")
        text = f"{', '.join(counts)} in {messages.format_duration(seconds)}"
        if self.counts["done"]:
            pictures = self.counts["done"] / seconds
            megapixels = self._pixels / seconds / 1e6
            text += f", {pictures:.3g} pictures or {megapixels:.3g} megapixels a second"
            text += f"; results {self._place}"
        return text


def _note_means(sentence: str, pairs: list[list[float]]) -> None:
    """Say the means before and after, and over how many."""
    if pairs:
        means = map(fmean, zip(*pairs, strict=True))
        messages.note(sentence.format(*means, len(pairs)))


def _add_if_finite(pairs: list[list[float]], *pair: float | None) -> None:
    """Add a pair if both are known and finite: means of infinite PSNRs say nothing."""
    numbers = [number for number in pair if number is not None and math.isfinite(number)]
    if len(numbers) == len(pair):
        pairs.append(numbers)
