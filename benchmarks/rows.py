"""Rows of figures, which runs write and reports only read: JSON lines in a file, tables and plots from them."""

import json
import platform
import re
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

Row = dict[str, Any]

LINUX = Path("/proc/cpuinfo").exists()


def written(rows: Iterable[Row], path: Path) -> list[Row]:
    """Write each row as it comes, print it, and return them all."""
    kept = []
    with path.open("w") as lines:
        for row in rows:
            line = json.dumps(row)
            print(line, file=lines, flush=True)
            print(line, flush=True)
            kept.append(row)
    return kept


def read(path: Path) -> list[Row]:
    """Return the rows of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def table(header: Sequence[str], body: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *body]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def machine() -> Row:
    """Return what times depend on."""
    model = "".join(re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())[:1]) if LINUX else ""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "processor": model or platform.machine(),
        "threads": torch.get_num_threads(),
    }


def in_turn(jobs: Mapping[str, Callable[[], object]], runs: int) -> dict[str, list[float]]:
    """Run jobs one after the other, several times over; return the seconds of each.

    A job runs twice in its turn, and the second is timed: the threads of the job before may stay awake for some
    milliseconds, and are asleep by then.
    """
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(runs):
        for name, job in jobs.items():
            job()
            start = time.perf_counter()
            job()
            times[name].append(time.perf_counter() - start)
    return times


def spread(seconds: Sequence[float]) -> Row:
    """Return the median and the range."""
    return {
        "seconds": round(statistics.median(seconds), 5),
        "from": round(min(seconds), 5),
        "to": round(max(seconds), 5),
    }
