"""Folders as a lab meets them: trees, bad files among good ones, kills, dead processes, full disks, and going on."""

import dataclasses
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile
from PIL import Image
from problems import rest_of
from processes import begun, go_through

from tvdenoise.cli.arguments import Arguments
from tvdenoise.cli.many import Report
from tvdenoise.files import pool
from tvdenoise.files.attempt import Outcome, TooLargeError, attempt
from tvdenoise.files.job import Job
from tvdenoise.images.atomic import _open_locked, _temporary_path
from tvdenoise.machine import scratch
from tvdenoise.options.settings import Settings

COMMAND = [sys.executable, "-m", "tvdenoise"]
GOOD = ["a.png", "b.jpg", "sub/a.png", "sub/c.tif", "sub/deep/d.npy"]


def picture(seed: int, shape: tuple[int, int] = (40, 48)) -> np.ndarray:
    random = np.random.default_rng(seed)
    levels = random.integers(60, 200, (4, 4)).repeat(-(-shape[0] // 4), 0).repeat(-(-shape[1] // 4), 1)
    return np.clip(levels[: shape[0], : shape[1]] + random.normal(0, 20, shape), 0, 255).astype(np.uint8)


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, pixels)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, pixels)
    else:
        Image.fromarray(pixels).save(path)


@pytest.fixture
def scans(here) -> Path:
    """A tree of five pictures."""
    for seed, name in enumerate(GOOD):
        save(here / "scans" / name, picture(seed))
    return here / "scans"


def tree(root: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too, and its content."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def rows(out: str) -> dict[str, dict]:
    found = [json.loads(line) for line in out.splitlines()]
    assert len({row["input"] for row in found}) == len(found)
    return {row["input"]: row for row in found}


class TestTree:
    def test_gives_what_single_runs_give(self, scans, run, here):
        code, out, err = run("scans", "-o", "clean", "-r", "--json")
        assert code == 0
        for name in GOOD:
            target = here / "single" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            code, single, _ = run(scans / name, "-o", target, "--json")
            together, alone = rows(out)[f"scans/{name}"], json.loads(single)
            assert together["status"] == "done"
            for key in alone.keys() - {"input", "output", "seconds"}:
                is_sum = isinstance(alone[key], float)  # which is rounded in another order
                assert together[key] == (pytest.approx(alone[key], rel=1e-5) if is_sum else alone[key]), key
        assert tree(here / "clean") == tree(here / "single")
        summary = r"^5 done, 0 skipped, 0 failed in .* s, .* pictures or .* megapixels a second; results in clean$"
        assert re.search(summary, err, re.M)

    def test_a_second_run_skips_and_overwrite_redoes(self, scans, run, here):
        assert run("scans", "-r", "-l", "0.1")[0] == 0
        first, times = tree(scans), {path: path.stat().st_mtime_ns for path in scans.rglob("*")}
        code, out, err = run("scans", "-r", "-l", "0.2", "--json")
        assert code == 0
        assert [row["status"] for row in rows(out).values()] == ["skipped"] * 5
        assert "0 done, 5 skipped, 0 failed" in err
        assert {path: path.stat().st_mtime_ns for path in scans.rglob("*")} == times
        assert run("scans", "-r", "-l", "0.2", "--overwrite")[0] == 0
        second = tree(scans)
        assert second.keys() == first.keys()
        assert sorted(name for name in first if first[name] == second[name]) == GOOD

    def test_bad_files_among_good_ones(self, scans, run, here):
        (scans / "empty.png").touch()
        (scans / "text.png").write_text("not a picture")
        (scans / "cut.jpg").write_bytes((scans / "b.jpg").read_bytes()[:-200])
        (scans / "sub" / "nan.npy").touch()
        np.save(scans / "sub" / "nan.npy", np.full((4, 4), np.nan))
        os.mkfifo(scans / "pipe.png")
        bad = {"empty.png", "text.png", "cut.jpg", "sub/nan.npy", "pipe.png"}
        code, out, err = run("scans", "-o", "clean", "-r", "-l", "0.1", "--json")
        assert code == 1
        found = rows(out)
        assert {name for name, row in found.items() if row["status"] == "done"} == {f"scans/{name}" for name in GOOD}
        failed = {name: row["error"] for name, row in found.items() if row["status"] == "failed"}
        assert failed.keys() == {f"scans/{name}" for name in bad}
        assert all(error.startswith(f"{name}: ") for name, error in failed.items())
        assert all(f"tvdenoise: {error}\n" in err for error in failed.values())
        assert "5 done, 0 skipped, 5 failed in" in err
        assert "1 failed: it is not a file" in err
        assert tree(here / "clean").keys() == set(GOOD)

    def test_beside_a_reference_of_each(self, scans, run, here):
        for name in GOOD[:-1]:
            save(here / "clean" / Path(name).with_suffix(".png"), picture(9))
        code, out, err = run("scans", "-o", "out", "-r", "-l", "0.1", "--reference", "clean", "--json")
        found = rows(out)
        assert code == 1
        assert found["scans/sub/deep/d.npy"]["error"].startswith("clean/sub/deep/d.npy: there is no such reference")
        befores, afters = zip(
            *((row["psnr_before"], row["psnr_after"]) for row in found.values() if row["status"] == "done"), strict=True
        )
        mean = rf"mean PSNR {np.mean(befores):.2f} -> {np.mean(afters):.2f} dB over 4"
        assert mean in err
        assert re.search(r"mean SSIM 0\.\d{4} -> 0\.\d{4} over 4", err)

    def test_a_dry_run_only_says(self, scans, run, here):
        save(here / "clean" / "a.png", picture(0))
        before = tree(here)
        code, out, err = run("scans", "-o", "clean", "-r", "-n")
        lines = out.splitlines()
        assert (code, len(lines)) == (0, 5)
        assert lines[0] == "scans/a.png -> clean/a.png (exists: skipped)"
        assert lines[-1] == "scans/sub/deep/d.npy -> clean/sub/deep/d.npy"
        assert "would denoise 4, skip 1" in err
        code, out, _ = run("scans", "-o", "clean", "-r", "-n", "--json", "-q")
        assert Counter(row["status"] for row in rows(out).values()) == {"planned": 4, "skipped": 1}
        code, out, _ = run("in.png", "-o", "new/", "-n")
        assert (code, out) == (0, "in.png -> new/in.png\n")
        assert run("in.png", "-o", "clean.png", "-n")[0] == 2
        assert tree(here) == before

    def test_a_link_among_the_results_is_not_written_through(self, scans, run, here):
        """It may lead to one of the pictures."""
        before = (scans / "b.jpg").read_bytes()
        (here / "clean").mkdir()
        (here / "clean" / "a.png").symlink_to(scans / "b.jpg")
        code, out, _ = run("scans", "-o", "clean", "-l", "0.1", "--overwrite", "--json")
        assert code == 1
        found = rows(out)
        assert found["scans/a.png"]["error"] == "clean/a.png: it is a link; remove it, or choose another folder"
        assert found["scans/b.jpg"]["status"] == "done"
        assert (scans / "b.jpg").read_bytes() == before

    def test_what_is_left_out_is_said_at_the_end(self, scans, run, here):
        for name in ("x.NEF", "y.NEF", "z.HEIC", *(f"zz.{ending}" for ending in "abcdefghij")):
            (scans / name).touch()
        said = "left out: 2 .NEF (not read), 1 .HEIC (not read), " + ", ".join(f"1 .{c} (not read)" for c in "abcdefgh")
        expected = f"{said}, 2 others\nnot entered: 1 subfolder (--recursive does)\n"
        for options in (["-n"], ["-l", "0"]):
            assert run("scans", *options)[2].endswith(f"\n{expected}")
        assert "; results beside their pictures, named *_denoised\n" in run("scans", "-l", "0", "--overwrite")[2]
        assert "not entered" not in run("scans", "-r", "-n")[2]

    def test_two_pictures_for_one_result_fail_alone(self, scans, run, here):
        """On any file system: their names differ in case."""
        save(scans / "A.png", picture(9))
        code, out, _ = run("scans", "-o", "clean", "-n", "--json")
        assert (code, Counter(row["status"] for row in rows(out).values())) == (1, {"failed": 2, "planned": 1})
        code, out, err = run("scans", "-o", "clean", "-l", "0.1", "--json")
        failed = {name: row["error"] for name, row in rows(out).items() if row["status"] == "failed"}
        assert (code, failed.keys()) == (1, {"scans/A.png", "scans/a.png"})
        assert failed["scans/a.png"] == (
            "scans/a.png: its result would be that of scans/A.png too; "
            "rename one, or leave it out, such as with --exclude"
        )
        assert "1 done, 0 skipped, 2 failed in" in err
        assert tree(here / "clean").keys() == {"b.jpg"}
        both = Counter(str(run("scans", "-o", "c", "-n", "--shard", f"{k}/2")[2]).count("that of") for k in (1, 2))
        assert sum(count * number for count, number in both.items()) == 2

    def test_pictures_without_noise_are_counted(self, run, here):
        save(here / "flat" / "a.png", np.full((40, 48), 100, np.uint8))
        assert "1 came back as they were, since no noise was found in them" in run("flat", "-o", "clean")[2]

    def test_names_that_are_too_long_fail_alone(self, scans, run, here):
        long = scans / f"{'x' * 248}.png"
        long.write_bytes((scans / "a.png").read_bytes())
        code, _, err = run("scans", "-l", "0.1")
        assert code == 1
        assert "1 failed: it cannot be reached (File name too long)" in err

    def test_a_list_names_files_alone(self, scans, run, here):
        for content, error in (
            ("scans\n", "scans: it is a folder"),
            ("/\n", "/: it is a folder"),
            ("\n\n", "list: it"),
        ):
            (here / "list").write_text(content)
            code, out, err = run("--files-from", "list", "-o", "clean", "-l", "0.1")
            assert (code, out) == (2, "")
            assert f"tvdenoise: {error}" in err

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_a_list_in_the_encodings_of_windows(self, scans, run, here, encoding):
        (here / "list").write_text("scans/a.png\n", encoding=encoding)
        assert run("--files-from", "list", "-o", "clean", "-l", "0.1")[0] == 0

    def test_listed_files(self, scans, run, here, monkeypatch):
        (here / "list").write_text("scans/a.png\n\nscans/sub/a.png\nscans/none.png\n")
        code, out, _ = run("--files-from", "list", "-o", "clean", "-l", "0.1", "--json")
        assert code == 1
        assert "there is no such file" in rows(out)["scans/none.png"]["error"]
        assert tree(here / "clean").keys() == {"scans/a.png", "scans/sub/a.png"}
        (here / "list").write_bytes(b"scans/a.png\0scans/b.jpg\0")
        with (here / "list").open() as stream:
            monkeypatch.setattr(sys, "stdin", stream)
            assert run("--files-from", "-", "-o", "more", "-l", "0.1")[0] == 0
        assert tree(here / "more").keys() == {"scans/a.png", "scans/b.jpg"}

    def test_shards_make_the_whole(self, scans, run, here):
        assert run("scans", "-o", "whole", "-r", "-l", "0.1")[0] == 0
        for part in ("1/3", "2/3", "3/3"):
            assert run("scans", "-o", "parts", "-r", "-l", "0.1", "--shard", part)[0] == 0
        assert tree(here / "parts") == tree(here / "whole")

    def test_sigma_beside_lambda_is_refused_once(self, scans, run, here):
        for sigma in ("25", "25/255"):
            code, out, err = run("scans", "-o", "clean", "-r", "-l", "0.1", "--sigma", sigma)
            assert (code, out) == (2, "")
            assert err == "tvdenoise: --sigma: it is for choosing lambda, and lambda is given; leave one of them out\n"

    def test_fail_fast(self, scans, run, here):
        (scans / "0.png").touch()
        code, out, err = run("scans", "-o", "clean", "-r", "-l", "0.1", "--fail-fast", "-j", "1")
        assert code == 1
        assert "0 done, 0 skipped, 1 failed, 5 not tried" in err
        assert tree(here / "clean") == {}

    def test_a_missing_device_ends_the_run(self, scans, run, here):
        code, out, err = run("scans", "-o", "clean", "-l", "0.1", "--device", "nonsense", "--json")
        assert (code, out) == (2, "")
        assert err.splitlines()[-1].startswith("tvdenoise: --device nonsense: torch knows no such device")

    def test_what_is_said_fits_pipes_that_close(self, scans, here):
        done = subprocess.run(
            [*COMMAND, "scans", "-o", "clean", "-r", "-l", "0.1", "--json", "-j", "1"],
            stdout=os.open("/dev/full", os.O_WRONLY),
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith("tvdenoise: standard output: writing it failed")
        assert "Traceback" not in done.stderr


class TestRunner:
    def jobs(self, scans: Path, count: int) -> Iterator[Job]:
        for i in range(count):
            yield Job(scans / "a.png", scans.parent / "out" / f"{i}.png", Settings(weight=0.1))

    def held(self, job: Job) -> Callable[[], int]:
        """Lock the result of a job; return what waits for a process to wait for it, lets go soon, and names it."""
        job.target.parent.mkdir()
        lock = _open_locked(_temporary_path(job.target))
        waiting = re.compile(rf"->.* (\d+) \S+:{os.fstat(lock.fileno()).st_ino} ")

        def until_then() -> int:
            until(lambda: waiting.search(Path("/proc/locks").read_text()) is not None)
            found = waiting.search(Path("/proc/locks").read_text())
            assert found is not None
            threading.Timer(0.5, lock.close).start()
            return int(found[1])

        return until_then

    def test_takes_no_job_before_a_process_is_free_for_it(self, scans):
        taken = done = 0

        def counted() -> Iterator[Job]:
            nonlocal taken
            for job in self.jobs(scans, 10**9):
                taken += 1
                yield job

        def tell(found: Outcome) -> None:
            nonlocal done
            done += 1
            assert found.row.status == "done"
            assert taken <= done + 2
            if done >= 6:
                raise EOFError

        with pytest.raises(EOFError):
            pool.WorkerPool(2).run(counted(), tell)
        assert {name for name in tree(scans.parent / "out") if name.startswith(".")} == set()

    def test_what_is_being_written_when_an_interrupt_comes_is_written_and_told(self, scans):
        """The writing of one waits for a lock; processes that have written wait to be heard; the last still solves."""
        *quick, locked, slow = self.jobs(scans, 4)
        slow = dataclasses.replace(slow, settings=Settings(weight=0.3, tol=1e-9))
        told, waiting = [], self.held(locked)

        def tell(found: Outcome) -> None:
            told.append(found)
            if len(told) == 1:
                waiting()
                until(lambda: all(job.target.exists() for job in quick))
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            pool.WorkerPool(4).run([*quick, locked, slow], tell)
        assert sorted(found.row.output for found in told) == [str(job.target) for job in (*quick, locked)]
        assert tree(scans.parent / "out").keys() == {job.target.name for job in (*quick, locked)}

    def test_jobs_of_all_kinds_each_end_for_themselves(self, scans):
        """A bad file, one that is done, one that needs more than its share: the others are done as alone."""
        (scans / "text.png").write_text("not a picture")
        save(scans / "large.png", np.full((1500, 1600), 100, np.uint8))
        jobs = list(self.jobs(scans, 7))
        for number, name in enumerate(["text.png", "large.png"], 1):
            jobs[number] = dataclasses.replace(jobs[number], source=scans / name)
        attempt(jobs[3], overwrite=False)
        found: list[Outcome] = []
        pool.WorkerPool(2, 2 * scratch.MINIMUM, expected=100).run(jobs, found.append)
        expected = ["done", "failed", "done", "skipped", "done", "done", "done"]
        assert {each.row.output: each.row.status for each in found} == {
            str(job.target): status for job, status in zip(jobs, expected, strict=True)
        }
        assert len({jobs[n].target.read_bytes() for n in (0, 3, 4, 5, 6)}) == 1

    def test_a_picture_too_large_for_its_share_gets_more(self, scans):
        """With less memory in all than two of its kind take; the answer is that of a run for itself."""
        large = scans / "large.npy"
        np.save(large, picture(0, (1500, 1600)).astype(np.float32) / 255)
        jobs = [Job(large, scans / f"{i}.npy", Settings(weight=0.1, tol=0.05)) for i in range(2)]
        alone = attempt(jobs[0], overwrite=False)
        expected = (scans / "0.npy").read_bytes()
        need = alone.facts["memory"]
        budget = 2 * scratch.MINIMUM
        assert scratch.array_bytes_within(budget // 2) < need < scratch.array_bytes_within(budget)
        found: list[Outcome] = []
        pool.WorkerPool(2, budget, overwrite=True).run(jobs, found.append)
        assert [each.row.status for each in found] == ["done", "done"]
        assert all((scans / f"{i}.npy").read_bytes() == expected for i in range(2))

    def test_says_how_much_is_needed_instead_of_doing_more_than_there_is_room_for(self, scans):
        (job,) = self.jobs(scans, 1)
        with pytest.raises(TooLargeError) as caught:
            attempt(job, overwrite=False, memory_left=1000)
        need = caught.value.need
        assert need > 1000
        assert not job.target.exists()
        with pytest.raises(TooLargeError):
            attempt(job, overwrite=False, memory_left=need - 1)
        assert attempt(job, overwrite=False, memory_left=need).facts["memory"] == need

    def test_processes_that_cannot_be_started_are_told(self, scans, here):
        """The path of the socket to the process that starts them has an end."""
        folder = here / ("d" * 100)
        folder.mkdir()
        command = [*COMMAND, "scans", "-o", "clean", "-l", "0.1", "-q"]
        environment = os.environ | {"TMPDIR": str(folder)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 2
        assert re.fullmatch(r"tvdenoise: --jobs: another process cannot be started \(.*\); .*TMPDIR.*\n", done.stderr)

    def test_a_process_that_does_not_start_is_started_again(self, scans, monkeypatch):
        """As when the process that starts them is killed."""
        start, starts = BaseProcess.start, []

        def start_but_first(process: BaseProcess) -> None:
            starts.append(process)
            if len(starts) == 1:
                raise EOFError
            start(process)

        monkeypatch.setattr(BaseProcess, "start", start_but_first)
        told = []
        pool.WorkerPool(1).run(self.jobs(scans, 2), told.append)
        assert [found.row.status for found in told] == ["done", "done"]

    def test_a_fault_of_ours_fails_its_picture_alone(self, scans):
        def broken() -> None:
            raise ZeroDivisionError("a fault")

        (job,) = self.jobs(scans, 1)
        found = attempt(job, overwrite=False, before_write=broken)
        assert found.row.status == "failed"
        assert "it met an unexpected error (ZeroDivisionError: a fault); please report it" in str(found.row.error)
        assert not job.target.exists()

    def test_lack_of_memory_is_told_as_such(self, scans):
        def refuse() -> None:
            raise MemoryError

        found = attempt(*self.jobs(scans, 1), overwrite=False, before_write=refuse)
        assert "there is not memory enough for it; free some" in str(found.row.error)


@pytest.fixture
def slow(here) -> Path:
    """A folder of six pictures that take a while."""
    for seed in range(6):
        save(here / "slow" / f"{seed}.png", picture(seed, (300, 300)))
    return here / "slow"


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


SLOW = [*COMMAND, "slow", "-o", "clean", "-l", "0.3", "--tol", "1e-4", "-j", "2"]


def workers_at_work(process: subprocess.Popen) -> list[psutil.Process]:
    """The processes that solve, once they do; their own output is not begun then."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = psutil.Process(process.pid).children(recursive=True)
        running = [child for child in found if child.ppid() != process.pid and child.cpu_times().user > 0.3]
        if len(running) == 2:
            return running
        time.sleep(0.05)
    raise AssertionError("no processes at work")


def started(here: Path, command: list[str]) -> subprocess.Popen:
    return subprocess.Popen(
        command, cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def test_what_is_remarked_in_any_process_is_said_once(scans, capsys):
    job = Job(scans / "a.png", scans / "out.npy", Settings(weight=0.1))
    done = attempt(job, overwrite=False)
    assert isinstance(done, Outcome)
    for verbose in (True, False):
        report = Report(2, Arguments(verbose=verbose))
        for _ in range(2):
            report.add(dataclasses.replace(done, remarks=("the CPU goes on",)))
        assert capsys.readouterr().err.count("the CPU goes on\n") == int(verbose)


def test_where_nothing_is_to_be_done_no_process_is_started():
    program = (
        "import psutil; from tvdenoise.files.pool import WorkerPool\n"
        "WorkerPool(2).run(iter([]), print); print(psutil.Process().children())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


class TestDeath:
    def test_of_the_fork_server_before_there_is_a_process(self, here):
        jobs = [Job(here / "in.png", here / f"{number}.png", Settings(weight=0)) for number in range(3)]
        workers, outcomes = pool.WorkerPool(2), []
        forkserver.ensure_running()
        os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)
        workers.run(jobs, outcomes.append)
        assert [outcome.row.status for outcome in outcomes] == ["done"] * 3

    def test_of_a_process_fails_its_picture_alone(self, slow, here):
        for number in (4, 5):
            (slow / f"{number}.png").unlink()
        process = started(here, [*SLOW, "--json"])
        workers_at_work(process)[0].send_signal(signal.SIGSEGV)
        out, err = process.communicate()
        assert process.returncode == 1
        found = rows(out)
        assert Counter(row["status"] for row in found.values()) == {"done": 3, "failed": 1}
        (failed,) = (row for row in found.values() if row["status"] == "failed")
        assert f"the process at work on it died (signal {signal.SIGSEGV.value})" in failed["error"]
        assert tree(here / "clean").keys() == {f"{i}.png" for i in range(4)} - {Path(failed["input"]).name}

    @pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_of_the_command_keeps_what_is_done_and_leaves_no_more(self, slow, here, signum, code):
        process = started(here, [*SLOW, "--json"])
        line = process.stdout.readline()  # one is done
        family = psutil.Process(process.pid).children(recursive=True)
        (os.killpg if signum == signal.SIGINT else os.kill)(process.pid, signum)  # Ctrl-C goes to all of a terminal's
        out, err = rest_of(process)
        assert process.returncode == code
        found = rows(line + out)
        assert {row["status"] for row in found.values()} == {"done"}
        assert 1 <= len(found) < 6
        assert tree(here / "clean").keys() == {Path(name).name for name in found}
        assert re.search(rf"^{len(found)} done, 0 skipped, 0 failed, {6 - len(found)} not tried in", err, re.M)
        assert f"tvdenoise: {'interrupted' if code == 130 else 'terminated'}; no output was left half written" in err
        assert "Traceback" not in err
        _, alive = psutil.wait_procs(family, timeout=20)
        assert alive == []

    def test_an_interrupt_while_processes_start_is_heard_at_once(self, slow, here):
        """The fork server goes on loading what they share, Pillow last, and ends then: nobody waits for it."""
        process = started(here, SLOW)
        servers = []

        def are_there() -> bool:
            servers[:] = [p for p in psutil.Process(process.pid).children() if "forkserver" in " ".join(p.cmdline())]
            return servers != []

        until(are_there)
        os.killpg(process.pid, signal.SIGINT)
        process.wait()
        assert not any("PIL" in part.path for part in servers[0].memory_maps())
        _, err = process.communicate()
        assert process.returncode == 130
        assert "0 done, 0 skipped, 0 failed, 6 not tried" in err

    def test_by_sigkill_takes_the_processes_along(self, slow, here):
        process = started(here, SLOW)
        workers_at_work(process)
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.communicate()
        _, alive = psutil.wait_procs(family, timeout=20)
        assert alive == []


class TestFullDisk:
    def test_files_that_cannot_be_written_fail_and_the_run_stops(self, here):
        """A real limit of the operating system on the size of files: above that of a small picture's result."""
        for i in range(20):
            save(here / "scans" / f"{i:02}.npy", picture(i, (200, 200) if i > 2 else (20, 20)))
        done = subprocess.run(
            [*COMMAND, "scans", "-o", "clean", "-l", "0.1", "--json", "-j", "2"],
            cwd=here,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
        )
        assert done.returncode == 1
        statuses = [row["status"] for row in rows(done.stdout).values()]
        assert statuses.count("done") == 3
        assert batch_stops(statuses[::-1].index("done"))
        assert "stopped, since the last" in done.stderr
        assert "not tried" in done.stderr
        assert tree(here / "clean").keys() == {"00.npy", "01.npy", "02.npy"}

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_folder_without_permission(self, scans, run, here):
        (here / "clean").mkdir(mode=0o555)
        code, out, err = run("scans", "-o", "clean", "-r", "-l", "0.1")
        assert code == 1
        assert "failed: its folder" in err


def batch_stops(failed: int) -> bool:
    """Five in a row, and what the other process was at."""
    return 5 <= failed <= 7


class TestKills:
    """SIGKILL at random moments, then a run to the end: the files and bytes of one that nobody disturbed."""

    @pytest.fixture
    def many(self, here) -> Path:
        for seed in range(6):
            save(here / "scans" / f"{seed % 3}" / f"{seed}.png", picture(seed, (300, 400)))
        return here / "scans"

    def test_of_a_process(self, many, here):
        begun(go_through, many, here / "first").join()
        began = time.monotonic()
        begun(go_through, many, here / "whole").join()
        whole, lasts = tree(here / "whole"), time.monotonic() - began
        assert len(whole) == 6
        dice, kills, trees = random.Random(0), 0, 0
        while kills < 25:
            output = here / f"{trees}"
            for _ in range(dice.randrange(1, 9)):
                process = begun(go_through, many, output)
                process.join(dice.uniform(0, lasts))
                kills += process.exitcode is None
                process.kill()
                process.join()
                assert all(whole[name] == content for name, content in tree(output).items() if name in whole)
            begun(go_through, many, output).join()
            assert tree(output) == whole
            trees += 1

    def test_of_the_command_or_all_of_its_processes(self, many, here):
        command = [*COMMAND, "scans", "-r", "-l", "0", "-q", "-o"]
        subprocess.run([*command, "whole"], cwd=here, check=True)
        dice = random.Random(0)
        for kill in (os.kill, os.killpg, os.kill):
            for workers in ("1", "2"):
                process, before = started(here, [*command, "clean", "-j", workers]), tree(here / "clean")
                while process.poll() is None and tree(here / "clean").keys() == before.keys():
                    time.sleep(0.01)
                time.sleep(dice.uniform(0, 0.2))
                if process.poll() is None:
                    kill(process.pid, signal.SIGKILL)
                process.communicate()
        subprocess.run([*command, "clean"], cwd=here, check=True)
        assert tree(here / "clean") == tree(here / "whole")
