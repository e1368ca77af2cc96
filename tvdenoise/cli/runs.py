"""How pictures are gone through, one or many, and what a dry run says of them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tvdenoise.cli import messages

if TYPE_CHECKING:
    from tvdenoise.files.job import Job


@dataclass(frozen=True)
class RunOptions:
    """How pictures are gone through, and what is said."""

    # For several pictures only.
    shard: tuple[int, int] = (1, 1)
    workers: int | None = None
    scheduler: str | None = None
    memory: int | None = None  # the bytes that all workers may take together
    fail_fast: bool = False
    # For one, too.
    overwrite: bool = False
    dry_run: bool = False
    as_json: bool = False
    quiet: bool = False
    verbose: bool = False


def print_plan(jobs: Iterable["Job"], options: RunOptions) -> int:
    """Say what would become of every picture, and return the exit code."""
    counts: Counter[str] = Counter()
    for job in jobs:
        line = f"{job.source} -> {job.target}"
        row = job.row("planned")
        if job.is_done and not options.overwrite:
            line += " (exists: skipped)"
            row = job.row("skipped")
        counts[row.status] += 1
        messages.print_result(row.as_json(), line, as_json=options.as_json)
    if not options.quiet:
        messages.note(f"would denoise {counts['planned']}, skip {counts['skipped']}")
    return 0
