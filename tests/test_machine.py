"""What control groups allow, by files such as Linux shows of them."""

import os
from types import SimpleNamespace

import psutil
import pytest

from tvdenoise.machine import resources

GIB = 2**30


@pytest.fixture
def groups(monkeypatch, tmp_path):
    """Let there be 8 cores and all the memory of a large machine, and control groups of our own."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=64 * GIB))
    monkeypatch.setattr(resources, "MEMBERSHIP", tmp_path / "cgroup")
    monkeypatch.setattr(resources, "GROUPS", tmp_path)

    def write(membership: str, files: dict[str, str]) -> None:
        (tmp_path / "cgroup").write_text(membership)
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)

    return write


def test_without_groups_all_is_allowed(groups):
    assert resources.cores() == 8
    assert resources.available() == 64 * GIB


def test_limits_of_a_container(groups):
    files = {"memory.max": f"{2 * GIB}\n", "memory.current": f"{GIB}\n", "memory.stat": "anon 5\ninactive_file 4096\n"}
    groups("0::/\n", {"cpu.max": "150000 100000\n", **files})
    assert resources.cores() == 2
    assert resources.available() == GIB + 4096


def test_openmp_is_told_of_a_limit_unless_the_user_has(groups, run, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    for asked, cpu, expected in ((None, "300000 100000", "3"), ("5", "300000 100000", "5"), (None, "max 100000", None)):
        groups("0::/\n", {"cpu.max": cpu})
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if asked:
            monkeypatch.setenv("OMP_NUM_THREADS", asked)
        run("--version")
        assert os.environ.get("OMP_NUM_THREADS") == expected


def test_limits_of_version_1(groups):
    memory = {
        "limit_in_bytes": f"{2 * GIB}",
        "usage_in_bytes": f"{GIB}",
        "stat": "inactive_file 1\ntotal_inactive_file 64",
    }
    files = {f"memory/memory.{name}": content for name, content in memory.items()}
    cpu = {"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}
    # As within a container, whose own group lies at the top of what it sees.
    groups("9:memory:/docker/1f2e\n2:cpu,cpuacct:/docker/1f2e\n1:name=systemd:/\n", {**files, **cpu})
    assert resources.cores() == 3
    assert resources.available() == GIB + 64


def test_the_tightest_of_nested_groups_counts(groups):
    def memory(folder: str, limit: str) -> dict[str, str]:
        return {f"{folder}memory.max": limit, f"{folder}memory.current": "0", f"{folder}memory.stat": "inactive_file 0"}

    inner = {"a/b/cpu.max": "400000 100000", **memory("a/b/", str(5 * GIB))}
    groups("0::/a/b\n", {**inner, "a/cpu.max": "100000 100000", **memory("a/", str(3 * GIB))})
    assert (resources.cores(), resources.available()) == (1, 3 * GIB)
    groups("0::/a/b\n", {**inner, "a/cpu.max": "max 100000", **memory("a/", "max")})
    assert (resources.cores(), resources.available()) == (4, 5 * GIB)


def test_a_group_beyond_its_limit_leaves_nothing(groups):
    groups("0::/\n", {"memory.max": "10", "memory.current": "20", "memory.stat": "inactive_file 0"})
    assert resources.available() == 0


def test_limits_that_are_none_or_of_others(groups):
    unlimited = {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}
    groups("2:cpu:/\n1:memory:/\n", unlimited | {"cpu.max": "0 0\n", "memory.max": "10", "memory.current": "0"})
    assert (resources.cores(), resources.available()) == (8, 64 * GIB)


def test_files_that_say_something_else(groups):
    """A limit holds without its statistics; of words that mean nothing none is made."""
    groups("0::/\nwhat\n", {"memory.max": str(2 * GIB), "memory.current": str(GIB), "cpu.max": "100000 0"})
    assert (resources.cores(), resources.available()) == (8, GIB)
