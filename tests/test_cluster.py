"""A real Dask cluster on this machine's loopback: a scheduler and two workers, of which some are killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from problems import rest_of
from test_batch import COMMAND, picture, rows, save, tree

from tvdenoise.errors import SettingError
from tvdenoise.files.cluster import connect

pytest.importorskip("distributed", reason="the extra cluster is not installed")

DASK = [sys.executable, "-m", "dask"]
ASKED = ["scans", "-r", "-l", "0.3", "--tol", "1e-4", "--json"]


class Cluster:
    """A scheduler, and workers that have no nanny to start them again."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "scheduler.json"
        self._folder = folder
        self._processes = [
            self._started("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(self.file))
        ]
        while not (self.file.exists() and self.file.read_text().rstrip().endswith("}")):  # it is not written at once
            assert self.scheduler.poll() is None
            time.sleep(0.05)
        self.address = json.loads(self.file.read_text())["address"]

    def _started(self, *arguments: str) -> subprocess.Popen:
        with (self._folder / "log").open("a") as log:
            return subprocess.Popen([*DASK, *arguments, "--no-dashboard"], cwd=self._folder, stdout=log, stderr=log)

    @property
    def scheduler(self) -> subprocess.Popen:
        return self._processes[0]

    def worker(self) -> subprocess.Popen:
        arguments = "--nthreads 1 --no-nanny --host 127.0.0.1 --memory-limit 2GiB --local-directory".split()
        process = self._started("worker", self.address, *arguments, str(self._folder))
        self._processes.append(process)
        return process

    def close(self) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    found = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def scans(here) -> Path:
    for seed in range(8):
        save(here / "scans" / f"{seed % 2}" / f"{seed}.png", picture(seed, (160, 200)))
    return here / "scans"


def started(here: Path, *arguments: str) -> subprocess.Popen:
    command = [*COMMAND, *ASKED, *arguments]
    return subprocess.Popen(
        command, cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def ended(process: subprocess.Popen) -> tuple[int, dict[str, dict], str]:
    out, err = rest_of(process)
    assert "Traceback" not in err
    return process.returncode, rows(out), err


def test_a_worker_that_is_lost_costs_no_picture(cluster, scans, run, here):
    """Its work goes to the other; what comes out is what one machine gives, under the names that were given.

    What it had written, but not told, is found there and skipped.
    """
    first, _ = cluster.worker(), cluster.worker()
    alone = run(*ASKED, "-o", "alone")[1]
    process = started(here, "-o", "clean", "--scheduler", f"file:{cluster.file}")
    began = process.stdout.readline()
    first.kill()
    code, found, err = ended(process)
    assert code == 0
    found |= rows(began)
    statuses = Counter(row["status"] for row in found.values())
    assert (statuses["failed"], statuses["done"] + statuses["skipped"]) == (0, 8)
    assert statuses["skipped"] <= 2
    assert tree(here / "clean") == tree(here / "alone")
    assert found.keys() == rows(alone).keys()
    assert {row["output"] for row in found.values()} == {f"clean/{name}" for name in tree(here / "clean")}
    assert f"{statuses['done']} done, {statuses['skipped']} skipped, 0 failed" in err


def test_bad_files_and_late_workers(cluster, scans, here):
    (scans / "text.png").write_text("not a picture")
    process = started(here, "-o", "clean", "--scheduler", cluster.address)
    assert "has no worker yet" in process.stderr.readline()
    cluster.worker()
    code, found, err = ended(process)
    assert code == 1
    assert Counter(row["status"] for row in found.values()) == {"done": 8, "failed": 1}
    assert found["scans/text.png"]["error"].startswith(f"{scans}/text.png: ")
    code, found, _ = ended(started(here, "-o", "clean", "--scheduler", cluster.address))
    assert Counter(row["status"] for row in found.values()) == {"skipped": 8, "failed": 1}


def test_a_picture_that_kills_its_workers_has_failed(cluster, scans, here):
    """One after the other; the pictures that wait meanwhile are done by the last."""
    workers = [cluster.worker() for _ in range(2)]
    long = ["--tol", "1e-5", "--max-steps", "100000"]  # longer than it takes to see that a worker is at work
    process = started(here, "-o", "clean", "--scheduler", cluster.address, "-j", "1", *long)
    for _ in range(4):
        busy = wait_for_work(workers)
        busy.kill()
        busy.wait()
        workers.remove(busy)
        workers.append(cluster.worker())
    code, found, err = ended(process)
    assert code == 1
    assert Counter(row["status"] for row in found.values()) == {"done": 7, "failed": 1}
    (failed,) = (row for row in found.values() if row["status"] == "failed")
    assert "every worker that tried it died" in failed["error"]


def wait_for_work(workers: list[subprocess.Popen]) -> subprocess.Popen:
    """Return the worker that solves, be the machine ever so busy with other things."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for worker in workers:
            if psutil.Process(worker.pid).cpu_percent(0.3) > 25 and torch_is_loaded(worker):
                return worker
    raise AssertionError("no worker at work")


def torch_is_loaded(worker: subprocess.Popen) -> bool:
    return any("libtorch_cpu" in found.path for found in psutil.Process(worker.pid).memory_maps())


def test_a_scheduler_that_is_lost_ends_the_run(cluster, scans, here):
    cluster.worker()
    process = started(here, "-o", "clean", "--scheduler", cluster.address)
    process.stdout.readline()
    cluster.scheduler.kill()
    code, found, err = ended(process)
    assert code == 1
    assert err.splitlines()[-1].startswith("tvdenoise: --scheduler: the scheduler was lost")
    assert "not tried in" in err


def test_interrupted_it_hands_out_no_more(cluster, scans, here):
    """Quiet, it does not say either that there was no worker at first."""
    process = started(here, "-o", "clean", "--scheduler", cluster.address, "-q")
    while not psutil.Process(process.pid).net_connections("tcp"):
        time.sleep(0.01)
    cluster.worker()
    line = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    code, found, err = ended(process)
    assert code == 130
    assert err.startswith("tvdenoise: interrupted")
    time.sleep(3)  # what the worker is at comes to its end
    left = tree(here / "clean")
    assert set(left) <= set(tree(scans))
    assert {Path(row["output"]).relative_to("clean").as_posix() for row in (rows(line) | found).values()} <= set(left)
    assert len(left) < 8


def test_a_cluster_of_its_own_listens_on_loopback_alone(scans, here):
    for path in (scans / "1").iterdir():
        path.unlink()
    process = started(here, "-o", "clean", "--scheduler", "local", "-j", "2")
    line = process.stdout.readline()
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    listening = [
        connection.laddr.ip
        for member in family
        for connection in member.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    code, found, err = ended(process)
    assert (code, len(found | rows(line))) == (0, 4)
    assert set(listening) == {"127.0.0.1"}
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


@pytest.mark.parametrize("waits_for_row", [False, True])
def test_ctrl_c_ends_a_cluster_of_its_own(scans, here, waits_for_row):
    """To all processes of a terminal, while the cluster starts or is at work."""
    process = started(here, "-o", "clean", "--scheduler", "local")
    if waits_for_row:
        assert '"status": "done"' in process.stdout.readline()
    else:
        wait_for_children(process)
    family = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    code, found, err = ended(process)
    assert code == 130
    assert err.splitlines()[-1].startswith("tvdenoise: interrupted")
    assert all(not name.startswith(".") for name in tree(here))
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


def wait_for_children(process: subprocess.Popen) -> None:
    while not psutil.Process(process.pid).children():
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("somewhere", r"'somewhere' is no address; give such as tcp://host:8786, file:scheduler.json or local"),
        ("file:none.json", "file:none.json does not answer"),
        ("nonsense://x", "nonsense://x does not answer"),
    ],
)
def test_no_such_scheduler(scans, run, here, address, message):
    code, out, err = run("scans", "-r", "-o", "clean", "--scheduler", address)
    assert (code, out) == (2, "")
    assert err.startswith(f"tvdenoise: --scheduler: {message}")
    assert len(err.splitlines()) == 1
    assert not (here / "clean").exists()


def test_a_scheduler_that_does_not_answer():
    expected = pytest.raises(SettingError, match=r"tcp://127\.0\.0\.1:1 does not answer .*; start it, or check this")
    with expected, connect("tcp://127.0.0.1:1", timeout=1):
        pass


def test_where_no_workers_can_be_started(scans, run, here, monkeypatch):
    # Only a machine without a place to write makes it fail.
    def refused(**_options):
        raise RuntimeError("Nanny failed to start.\nRead-only file system")

    monkeypatch.setattr("distributed.LocalCluster", refused)
    code, _, err = run("scans", "-r", "-o", "clean", "--scheduler", "local")
    assert code == 2
    assert err == (
        "tvdenoise: --scheduler: no workers can be started here (RuntimeError: Nanny failed to start. Read-only file "
        "system); leave it out, and choose their number with --jobs\n"
    )


def test_without_the_extra(scans, run, here, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, _, err = run("scans", "-r", "-o", "clean", "--scheduler", "local")
    assert code == 2
    assert err == (
        "tvdenoise: --scheduler: the package distributed is not installed; "
        'in the clone: pip install -c constraints.txt ".[cluster]"\n'
    )
