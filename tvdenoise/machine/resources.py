"""How much of the machine this process may take: all that is free, or what a container allows."""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MEMBERSHIP = Path("/proc/self/cgroup")
"""Where Linux says which control groups, of which containers are made, a process is in."""

GROUPS = Path("/sys/fs/cgroup")
"""Where it shows their limits."""


def cores() -> int:
    """Return the number of cores."""
    number = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for group in _groups("cpu"):
        for names in (["cpu.max"], ["cpu.cfs_quota_us", "cpu.cfs_period_us"]):  # of version 2 and 1
            with suppress(OSError, ValueError):  # another version, or "max"
                quota, period = (int(word) for name in names for word in (group / name).read_text().split())
                if quota > 0 and period > 0:
                    number = min(number, math.ceil(quota / period))
    return number


def available() -> int:
    """Return the bytes of memory that programs may still take."""
    import psutil  # late: most commands need none of it

    left = int(psutil.virtual_memory().available)
    for group in _groups("memory"):
        for names in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            with suppress(OSError, ValueError):
                limit, usage = (int((group / name).read_text()) for name in names)
                left = min(left, limit - usage + _droppable(group))
    return max(left, 0)


def resident() -> int:
    """Return the bytes that this process takes."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def _groups(controller: str) -> Iterator[Path]:
    """Yield the folders of a controller's group that this process is in, and of those around it."""
    lines = []
    with suppress(OSError):
        lines = os.fsdecode(MEMBERSHIP.read_bytes()).splitlines()
    for line in lines:
        _, controllers, path = line.split(":", 2) if line.count(":") > 1 else ("", "-", "")
        if not controllers or controller in controllers.split(","):  # none are named in version 2
            inner = Path(path.lstrip("/"))
            for folder in (inner, *inner.parents):
                yield GROUPS / (controller if controllers else "") / folder


def _droppable(group: Path) -> int:
    """Return the bytes of files in memory that make room for programs, 0 if that is not told."""
    with suppress(OSError, ValueError):
        words = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return int(words.get("total_inactive_file", words.get("inactive_file", 0)))
    return 0
