"""A dry run: what would become of what."""

import json
from collections import Counter
from collections.abc import Iterable

from tvdenoise.cli import messages
from tvdenoise.cli.manner import Manner
from tvdenoise.job import Job


def foretell(tasks: Iterable[Job], manner: Manner) -> int:
    """Say what would become of every picture, and return the exit code."""
    counts: Counter[str] = Counter()
    for task in tasks:
        row = task.row("skipped" if task.is_done and not manner.overwrite else "planned")
        counts[row.status] += 1
        line = f"{task.source} -> {task.target}" + (" (exists: skipped)" if row.status == "skipped" else "")
        messages.data(json.dumps(row.as_json()) if manner.as_json else messages.one_line(line))
    if not manner.quiet:
        messages.note(f"would denoise {counts['planned']}, skip {counts['skipped']}")
    return 0
