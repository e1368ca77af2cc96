"""How pictures are gone through, one or many, and what a dry run says of them."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tvdenoise.cli import messages

if TYPE_CHECKING:
    from tvdenoise.files.job import Job


@dataclass(frozen=True)
class RunOptions:
    """How pictures are gone through, and what is said; shard, workers, scheduler and fail_fast are for several only."""

    shard: tuple[int, int] = (1, 1)
    workers: int | None = None
    scheduler: str | None = None
    memory: int | None = None
    overwrite: bool = False
    fail_fast: bool = False
    dry_run: bool = False
    as_json: bool = False
    quiet: bool = False
    verbose: bool = False


def dry_run_of(jobs: Iterable["Job"], options: RunOptions) -> int:
    """Say what would become of every picture, and return the exit code."""
    counts: Counter[str] = Counter()
    for job in jobs:
        row = job.row("skipped" if job.is_done and not options.overwrite else "planned")
        counts[row.status] += 1
        line = f"{job.source} -> {job.target}" + (" (exists: skipped)" if row.status == "skipped" else "")
        messages.data(json.dumps(row.as_json()) if options.as_json else messages.one_line(line))
    if not options.quiet:
        messages.note(f"would denoise {counts['planned']}, skip {counts['skipped']}")
    return 0
