"""What control groups allow, by files such as Linux shows of them."""

import os
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from tvdenoise.machine import resources

GIB = 2**30


class Container:
    """Control groups in a folder, for a process on a machine of 8 cores and 64 GiB."""

    def __init__(self, folder: Path) -> None:
        self._where = {"membership": folder / "cgroup", "groups": folder}

    def write(self, membership: str, files: dict[str, str]) -> None:
        self._where["membership"].write_text(membership)
        for name, content in files.items():
            path = self._where["groups"] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    @property
    def cores(self) -> int:
        return resources.cores(**self._where)

    @property
    def available(self) -> int:
        return resources.available(**self._where)


@pytest.fixture
def container(monkeypatch, tmp_path) -> Container:
    # What the operating system says of this machine can only be replaced where Python asks it.
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=64 * GIB))
    return Container(tmp_path)


def test_without_groups_all_is_allowed(container):
    assert container.cores == 8
    assert container.available == 64 * GIB


def test_limits_of_a_container(container):
    files = {"memory.max": f"{2 * GIB}\n", "memory.current": f"{GIB}\n", "memory.stat": "anon 5\ninactive_file 4096\n"}
    container.write("0::/\n", {"cpu.max": "150000 100000\n", **files})
    assert container.cores == 2
    assert container.available == GIB + 4096


@pytest.mark.parametrize(("asked", "allowed", "expected"), [(None, 3, "3"), ("5", 3, "5"), (None, 8, None)])
def test_openmp_is_told_of_a_limit_unless_the_user_has(asked, allowed, expected, run, monkeypatch):
    # The number of cores can only be replaced where Python asks the operating system.
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(allowed)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    run("--version")
    assert os.environ.get("OMP_NUM_THREADS") == expected


def test_waiting_threads_leave_the_cores_to_others_unless_the_user_wants_else(run, monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    run("--version")
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    run("--version")
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_a_picture_is_solved_on_as_many_threads_as_asked_for(run):
    before = torch.get_num_threads()
    try:
        for number in (3, 1):
            assert run("in.png", "-o", f"{number}.png", "-l", "0.1", "--threads", str(number))[0] == 0
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(before)
    assert run("in.png", "--threads", "0")[0] == 2


def test_limits_of_version_1(container):
    memory = {
        "limit_in_bytes": f"{2 * GIB}",
        "usage_in_bytes": f"{GIB}",
        "stat": "inactive_file 1\ntotal_inactive_file 64",
    }
    files = {f"memory/memory.{name}": content for name, content in memory.items()}
    cpu = {"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}
    # As within a container, whose own group lies at the top of what it sees.
    container.write("9:memory:/docker/1f2e\n2:cpu,cpuacct:/docker/1f2e\n1:name=systemd:/\n", {**files, **cpu})
    assert container.cores == 3
    assert container.available == GIB + 64


def test_the_tightest_of_nested_groups_counts(container):
    def memory(folder: str, limit: str) -> dict[str, str]:
        return {f"{folder}memory.max": limit, f"{folder}memory.current": "0", f"{folder}memory.stat": "inactive_file 0"}

    inner = {"a/b/cpu.max": "400000 100000", **memory("a/b/", str(5 * GIB))}
    container.write("0::/a/b\n", {**inner, "a/cpu.max": "100000 100000", **memory("a/", str(3 * GIB))})
    assert (container.cores, container.available) == (1, 3 * GIB)
    container.write("0::/a/b\n", {**inner, "a/cpu.max": "max 100000", **memory("a/", "max")})
    assert (container.cores, container.available) == (4, 5 * GIB)


def test_a_group_beyond_its_limit_leaves_nothing(container):
    container.write("0::/\n", {"memory.max": "10", "memory.current": "20", "memory.stat": "inactive_file 0"})
    assert container.available == 0


def test_limits_that_are_none_or_of_others(container):
    unlimited = {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}
    container.write(
        "2:cpu:/\n1:memory:/\n", unlimited | {"cpu.max": "0 0\n", "memory.max": "10", "memory.current": "0"}
    )
    assert (container.cores, container.available) == (8, 64 * GIB)


def test_files_that_say_something_else(container):
    """A limit holds without its statistics; of words that mean nothing none is made."""
    container.write("0::/\nwhat\n", {"memory.max": str(2 * GIB), "memory.current": str(GIB), "cpu.max": "100000 0"})
    assert (container.cores, container.available) == (8, GIB)
