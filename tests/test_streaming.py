"""Pictures that visit a device band by band, against those that are there as a whole: the same, bit by bit."""

import dataclasses

import numpy as np
import pytest
import torch
from problems import picture

from tvdenoise import denoise, denoising, engine, streaming
from tvdenoise.formulations import Ascent, Dual
from tvdenoise.rof import Problem
from tvdenoise.streaming import Streamed

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
    monkeypatch.setattr(engine, "_remarks", [])
    return lambda rows: monkeypatch.setattr(streaming, "rows_within", lambda *_: rows)


def state(dual, counts):
    for count in counts:
        dual.advance(count)
    centre, certificate = dual.candidate()
    return [*dual.fields, dual._average, centre], certificate


@pytest.mark.parametrize("rows", [1, 7, 20, 1000])
@pytest.mark.parametrize(("shape", "model"), MODELS)
def test_steps_are_the_same_bit_by_bit(bands, shape, model, rows, tv):
    bands(rows)
    problem = Problem(picture(*shape, dtype=torch.float32), 0.1, tv, **model)
    start = torch.randn(problem.axes, *shape, generator=torch.Generator().manual_seed(1)) * 0.1
    whole, certificate = state(Dual(problem, start.clone()), (3, 9, 4))
    parts, other = state(Streamed(dataclasses.replace(problem, away=CPU), start.clone()), (3, 9, 4))
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))
    assert certificate == other


def test_memory_that_runs_out_makes_bands_lower(bands, monkeypatch):
    bands(1000)
    problem, start = Problem(picture(1, 90, 20, dtype=torch.float32), 0.1, "isotropic"), torch.zeros(2, 1, 90, 20)
    whole, _ = state(Dual(problem, start.clone()), (9,))
    limited(monkeypatch, 40)
    parts, _ = state(Streamed(dataclasses.replace(problem, away=CPU), start), (9,))
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))
    assert engine.remarks()[-1] == "cpu takes 22 rows at a time: it has no memory for more"


def test_without_memory_for_any_band_the_cpu_goes_on(bands, monkeypatch):
    bands(1000)
    problem, start = Problem(picture(1, 60, 20, dtype=torch.float32), 0.1, "isotropic"), torch.zeros(2, 1, 60, 20)
    whole, _ = state(Dual(problem, start.clone()), (9,))
    limited(monkeypatch, 5, away=torch.device("meta"))
    parts, _ = state(Streamed(dataclasses.replace(problem, away=torch.device("meta")), start), (9,))
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))
    assert engine.remarks()[-1] == "meta has no memory for 5 rows: the CPU goes on"


def limited(monkeypatch, rows, away=CPU):
    """Let memory run out where an ascent that visits a device takes more rows."""
    advance = Ascent.advance

    def within(self, steps):
        if type(self) is Ascent and self.problem.f.shape[-2] > rows and self.problem.f.device == away:
            raise torch.OutOfMemoryError("out of memory")
        advance(self, steps)

    monkeypatch.setattr(Ascent, "advance", within)


@pytest.mark.parametrize("weight", [0.1, "auto"])
def test_a_picture_for_which_the_device_has_no_room_visits_it(bands, monkeypatch, weight):
    bands(20)
    f = picture(1, 60, 50, dtype=torch.float32)[0].numpy() + np.random.default_rng(0).normal(0, 0.1, (60, 50)).astype(
        np.float32
    )
    expected = denoise(f, weight)
    solved = denoising._solved

    def without_room(*arguments, away=None):
        if away is None:
            raise torch.OutOfMemoryError("out of memory")
        assert away == torch.device("cuda")
        return solved(*arguments, away=CPU)

    monkeypatch.setattr(denoising, "pick_device", lambda *_: torch.device("cuda"))
    monkeypatch.setattr(denoising, "_solved", without_room)
    result = denoise(f, weight)
    assert np.array_equal(result.image, expected.image)
    assert result.weight == expected.weight
