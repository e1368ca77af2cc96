"""How much of the machine this process may take: all that is free, or what a container allows."""

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

# Where Linux lists the control groups of a process, of which containers are made, and where it shows their limits
MEMBERSHIP = Path("/proc/self/cgroup")
GROUPS = Path("/sys/fs/cgroup")


def cores(membership: Path = MEMBERSHIP, groups: Path = GROUPS) -> int:
    """Return the number of cores."""
    number = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # only Linux has it
        number = len(os.sched_getaffinity(0))
    for folder in _group_folders("cpu", membership, groups):
        limit = _numbers(folder / "cpu.max")
        limit = limit or _numbers(folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us")
        if len(limit) == 2 and min(limit) > 0:
            quota, period = limit
            number = min(number, math.ceil(quota / period))
    return number


def available(membership: Path = MEMBERSHIP, groups: Path = GROUPS) -> int:
    """Return the bytes of memory that programs may still take."""
    import psutil  # late: most commands need none of it

    free = int(psutil.virtual_memory().available)
    for folder in _group_folders("memory", membership, groups):
        state = _numbers(folder / "memory.max", folder / "memory.current")
        state = state or _numbers(folder / "memory.limit_in_bytes", folder / "memory.usage_in_bytes")
        if len(state) == 2:
            limit, usage = state
            free = min(free, limit - usage + _reclaimable(folder))
    return max(free, 0)


def resident() -> int:
    """Return the bytes that this process takes."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def _group_folders(controller: str, membership: Path, groups: Path) -> Iterator[Path]:
    """Yield the folders of a controller's group that this process is in, and of those around it."""
    try:
        lines = os.fsdecode(membership.read_bytes())
    except OSError:  # no Linux
        return
    for controllers, path in re.findall(r"^\d+:([^:]*):/*(.*)$", lines, re.MULTILINE):
        if not controllers:  # version 2 names none
            root = groups
        elif controller in controllers.split(","):
            root = groups / controller
        else:
            continue
        inner = Path(path)
        for folder in (inner, *inner.parents):
            yield root / folder


def _numbers(*files: Path) -> list[int]:
    """Return the numbers in files, none if a file is missing or says ``max``."""
    try:
        return [int(word) for file in files for word in file.read_text().split()]
    except (OSError, ValueError):
        return []


def _reclaimable(folder: Path) -> int:
    """Return the bytes of cached files that leave memory when a program needs it, 0 if that is not known."""
    try:
        lines = (folder / "memory.stat").read_text().splitlines()
        sizes = dict(line.split() for line in lines)
        return int(sizes.get("total_inactive_file", sizes.get("inactive_file", 0)))
    except (OSError, ValueError):
        return 0
