"""Arrays in memory and in scratch files: the same numbers wherever they lie, and a process that keeps to its budget."""

import gc
import itertools
import mmap
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from problems import picture

from tvdenoise import denoise
from tvdenoise.errors import ScratchError, SettingError
from tvdenoise.kernels import dispatch
from tvdenoise.machine.scratch import ARRAY_SHARE, Thresholds, empty, limit_memory, memory_left

HWM = """
import re, sys
from pathlib import Path
from tvdenoise.cli import main
try:
    main()
finally:
    print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


TINY = Thresholds(program=0, workspace=0, small=0, resident=lambda: 0)
"""Budgets may be of any size, and even the smallest array that does not fit is mapped."""


def is_mapped(array: np.ndarray) -> bool:
    while isinstance(array, np.ndarray):
        array = array.base
    return array is not None


def test_arrays_are_in_memory_while_the_budget_lasts(tmp_path):
    with limit_memory(2000, tmp_path, TINY):
        first = empty((10, 10), np.float64)
        assert memory_left() == 1000 * 2 * ARRAY_SHARE - 800
        second = empty((10, 10), np.float64)
        assert (is_mapped(first), is_mapped(second)) == (False, True)
        view = first[2:]
        del first
        gc.collect()
        assert is_mapped(empty((10, 10), np.float64))
        del view
        gc.collect()
        assert not is_mapped(empty((10, 10), np.float64))
    assert not is_mapped(empty((10, 10), np.float64))
    assert memory_left() is None


def test_what_leaves_memory_comes_back(tmp_path):
    """Rows are let go all the time here, while they are written and read."""
    looks = itertools.count(1)
    with limit_memory(1, tmp_path, replace(TINY, resident=looks.__next__, period=1e-3)):
        array = empty((2**20,), np.int64)
        for number in range(20):
            array[:] = number
            array[:: number + 1] += 1
            assert array.sum() == number * 2**20 + len(range(0, 2**20, number + 1))
    assert next(looks) > 10


@pytest.mark.parametrize("engine", ["numba", "torch"])
@pytest.mark.parametrize("model", [{"color": "opponent"}, {"color": "coupled", "tv": "isotropic"}, {"weight": 0.05}])
def test_the_result_is_the_same_under_any_budget(engine, model, tmp_path):
    f = picture(3, 50, 41, dtype=torch.float32).permute(1, 2, 0).numpy()
    with dispatch.use(engine):
        results = [denoise(f, **model)]
        for budget in (1, 100_000):
            with limit_memory(budget, tmp_path, TINY):
                results.append(denoise(f, **model))
    for result in results[1:]:
        assert np.array_equal(result.image, results[0].image)
        assert result.rms_bound == results[0].rms_bound
    assert list(tmp_path.iterdir()) == []


def test_a_budget_for_less_than_the_program_is_refused(tmp_path):
    expected = pytest.raises(SettingError, match=r"memory: 10M is hardly more than .*; give at least \d+M")
    with expected, limit_memory(10 * 2**20, tmp_path):
        pass


def test_without_a_budget_half_of_what_is_free_is_taken(tmp_path):
    with limit_memory(None, tmp_path, replace(TINY, available=lambda: 1000)):
        assert memory_left() == 500 * ARRAY_SHARE


def test_a_process_that_has_grown_already_may_go_on(tmp_path):
    """Libraries such as CUDA's take more than the program itself, and stay; too little in itself is told."""
    grown = Thresholds(program=500, workspace=200, resident=lambda: 900)
    with limit_memory(800, tmp_path, grown):
        assert memory_left() == 200 * ARRAY_SHARE
    with pytest.raises(SettingError, match="memory: 0M is hardly more"), limit_memory(699, tmp_path, grown):
        pass


def test_a_folder_for_temporary_files_is_needed_for_scratch_files_alone(monkeypatch):
    """As in a container that may not write anywhere."""
    # That no folder can be written to can only be made up in the standard library.
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", list)
    with limit_memory(2000, None, TINY):
        held = empty((100,), np.float64)
        assert not is_mapped(held)
        with pytest.raises(ScratchError, match=r"the folder for temporary files: .*No usable temporary directory"):
            empty((100,), np.float64)


@pytest.mark.parametrize("reserves", [True, False])
def test_a_full_scratch_disk_is_told_at_once(reserves, tmp_path, full_disk, monkeypatch):
    if not reserves:  # as on macOS, where Python has no such function and files are written to reserve their space
        monkeypatch.delattr(os, "posix_fallocate")
    with full_disk(100_000), limit_memory(1, tmp_path, TINY):
        assert is_mapped(empty((90_000,), np.uint8))
        with pytest.raises(ScratchError, match="1M cannot be made there"):
            empty((2**20,), np.uint8)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(
    not (Path("/proc/self/status").exists() and hasattr(mmap, "MADV_DONTNEED")), reason="reads what Linux tells"
)
def test_the_command_keeps_to_its_budget(tmp_path):
    """Seven times 49 MiB and three times 25 do not fit beside the program into 600."""
    noise = np.random.default_rng(0).normal(30_000, 5_000, (3600, 3600)).clip(0, 65535)
    tifffile.imwrite(tmp_path / "in.tif", noise.astype(np.uint16))
    command = [sys.executable, "-c", HWM, "in.tif", "-l", "0.05", "-q", "--max-steps", "8"]
    peaks, written = [], []
    for size in ("600M", "4G"):
        done = subprocess.run(
            [*command, "--memory", size, "-o", f"{size}.tif"], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout) / 1024)
        written.append((tmp_path / f"{size}.tif").read_bytes())
    assert peaks[0] < 1.15 * 600 < peaks[1]
    assert written[0] == written[1]
    assert {path.name for path in tmp_path.iterdir()} == {"in.tif", "600M.tif", "4G.tif"}
