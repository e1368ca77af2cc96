"""What a dry run says."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tvdenoise.cli import messages
from tvdenoise.cli.arguments import Arguments

if TYPE_CHECKING:
    from tvdenoise.files.job import Job


def print_plan(jobs: Iterable["Job"], arguments: Arguments) -> int:
    """Say what would become of every picture, and return the exit code."""
    counts: Counter[str] = Counter()
    for job in jobs:
        line = f"{job.source} -> {job.target}"
        row = job.row("planned")
        if job.is_done and not arguments.overwrite:
            line += " (exists: skipped)"
            row = job.row("skipped")
        counts[row.status] += 1
        messages.print_result(row.as_json(), line, as_json=arguments.as_json)
    if not arguments.quiet:
        messages.note(f"would denoise {counts['planned']}, skip {counts['skipped']}")
    return 0
