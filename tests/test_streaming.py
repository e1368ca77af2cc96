"""Pictures that visit a device band by band, against those that are there as a whole: the same, bit by bit."""

import dataclasses

import numpy as np
import pytest
import torch
from problems import picture

from tvdenoise import denoise
from tvdenoise.api import task
from tvdenoise.kernels import dispatch
from tvdenoise.model.rof import Problem
from tvdenoise.solvers import ascents, streaming
from tvdenoise.solvers.ascents import AlternatingAscent
from tvdenoise.solvers.formulations import Dual
from tvdenoise.solvers.streaming import Streamed

CPU = torch.device("cpu")
MODELS = [
    ((1, 50, 17), {}),
    ((3, 41, 9), {"coupled": True}),
    ((3, 40, 8), {"ratios": (1.0, 2.0, 0.5)}),
    ((2, 31, 6, 5), {"axes": 3}),
]


@pytest.fixture
def bands(monkeypatch):
    """Give a device memory for so many rows."""
    monkeypatch.setattr(streaming, "STEPS", 4)
    monkeypatch.setattr(ascents, "REFRESH", 4)
    monkeypatch.setattr(dispatch, "_remarks", [])
    return lambda rows: monkeypatch.setattr(streaming, "rows_within", lambda *_: rows)


@pytest.fixture
def elsewhere(monkeypatch):
    """Let visits go to a device that is none of this machine's, and memory run out there beyond some rows."""
    there = streaming.Streamed._there
    monkeypatch.setattr(streaming.Streamed, "_there", lambda self, *parts: short(self, parts, there))
    limits = {}

    def short(self, parts, there):
        if self.device != CPU and sum(part.shape[self._axis] for part in parts) > limits["rows"]:
            raise limits["error"]
        device, self.device = self.device, CPU
        try:
            return there(self, *parts)
        finally:
            self.device = device

    def limit(rows, error=None):
        limits.update(rows=rows, error=error or torch.OutOfMemoryError("CUDA out of memory"))
        return torch.device("meta")

    return limit


def state(dual, counts):
    for count in counts:
        dual.advance(count)
    return [dual.ascent.parameter, dual.ascent.previous, dual.average, dual.candidate()[0]]


@pytest.mark.parametrize("rows", [1, 7, 20, 1000])
@pytest.mark.parametrize(("shape", "model"), MODELS)
def test_steps_are_the_same_bit_by_bit(bands, elsewhere, shape, model, rows, tv):
    bands(rows)
    problem = Problem(picture(*shape, dtype=torch.float32), 0.1, tv, **model)
    start = torch.randn(problem.axes, *shape, generator=torch.Generator().manual_seed(1)) * 0.1
    whole = state(Dual(problem, start.clone()), (3, 9, 4))
    parts = state(Streamed(dataclasses.replace(problem, away=elsewhere(10**9)), start.clone()), (3, 9, 4))
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


@pytest.mark.parametrize(
    ("rows", "remark"),
    [
        (40, "meta takes 22 rows at a time: it has no memory for more"),
        (5, "meta has no memory for 5 rows: the CPU goes on"),
        (25, None),
    ],
)
def test_memory_that_runs_out(bands, elsewhere, rows, remark):
    bands(1000 if remark else 10)
    problem, start = Problem(picture(1, 90, 20, dtype=torch.float32), 0.1, "isotropic"), torch.zeros(2, 1, 90, 20)
    whole = state(Dual(problem, start.clone()), (9,))
    streamed = Streamed(dataclasses.replace(problem, away=elsewhere(rows)), start)
    parts = state(streamed, (9,))
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))
    assert dispatch.remarks()[-1:] == ([remark] if remark else [])
    assert streamed.device.type == ("cpu" if remark and "CPU" in remark else "meta")


def test_other_faults_are_not_taken_for_a_lack_of_memory(bands, elsewhere):
    bands(1000)
    problem = Problem(picture(1, 90, 20, dtype=torch.float32), 0.1, "isotropic")
    away = elsewhere(5, RuntimeError("an illegal memory access was encountered"))
    with pytest.raises(RuntimeError, match="illegal"):
        Streamed(dataclasses.replace(problem, away=away)).advance(1)


def test_bands_are_as_high_as_memory_is_large(monkeypatch):
    """A band and its halo, above and below, take most of what is free, and no more."""
    f, free = torch.zeros(3, 10_000, 100), 21_000_000
    monkeypatch.setattr(torch.accelerator, "get_memory_info", lambda _: (free, 10**9))
    rows = streaming.rows_within(f, 2, CPU) + 2 * AlternatingAscent.reach * (streaming.STEPS + 1)
    assert 0.5 * free < rows * f[:, 0].nbytes * streaming.BAND_COPIES < free
    monkeypatch.setattr(torch.accelerator, "get_memory_info", lambda _: (10**12, 10**12))
    assert streaming.rows_within(f, 2, CPU) == 10_000
    monkeypatch.undo()
    assert streaming.rows_within(f, 2, CPU) == 10_000  # a CPU does not tell


@pytest.mark.parametrize("weight", [0.1, "auto"])
@pytest.mark.parametrize(
    "message",
    [
        "CUDA out of memory. Tried to allocate",
        "Triton Error [CUDA]: out of memory",
        "level_zero backend failed with error: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)",
        "Invalid buffer size: 9.75 GB",
    ],
)
def test_a_picture_for_which_the_device_has_no_room_visits_it(bands, elsewhere, monkeypatch, weight, message):
    bands(20)
    noise = np.random.default_rng(0).normal(0, 0.1, (60, 50))
    f = (picture(1, 60, 50)[0].numpy() + noise).astype(np.float32)
    expected, placed, away = denoise(f, weight), task._placed, elsewhere(30)

    def without_room(f, device, dtype):
        if device == away:
            raise RuntimeError(message)
        return placed(f, device, dtype)

    monkeypatch.setattr(torch.accelerator, "synchronize", lambda _: None)
    monkeypatch.setattr(task, "pick_device", lambda *_: away)
    monkeypatch.setattr(task, "_placed", without_room)
    result = denoise(f, weight)
    assert np.array_equal(result.image, expected.image)
    assert (result.weight, result.device) == (expected.weight, "meta")
    assert denoise(f, 0.1, optimizer="adam", max_steps=3).device == "cpu"  # which cannot be cut into bands
