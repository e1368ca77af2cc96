"""A dry run: what would become of what."""

import json
from collections import Counter
from collections.abc import Iterable

from tvdenoise.cli import messages
from tvdenoise.cli.run_options import RunOptions
from tvdenoise.job import Job


def dry_run_of(tasks: Iterable[Job], options: RunOptions) -> int:
    """Say what would become of every picture, and return the exit code."""
    counts: Counter[str] = Counter()
    for task in tasks:
        row = task.row("skipped" if task.is_done and not options.overwrite else "planned")
        counts[row.status] += 1
        line = f"{task.source} -> {task.target}" + (" (exists: skipped)" if row.status == "skipped" else "")
        messages.data(json.dumps(row.as_json()) if options.as_json else messages.one_line(line))
    if not options.quiet:
        messages.note(f"would denoise {counts['planned']}, skip {counts['skipped']}")
    return 0
