import math
import subprocess
import sys
import weakref
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from problems import picture

from tvdenoise.model.certificate import Certificate, certify
from tvdenoise.model.problem import Problem
from tvdenoise.options.methods import METHODS
from tvdenoise.solvers import loop as solve_module
from tvdenoise.solvers.ascents import AlternatingAscent, FISTAAscent, ascend
from tvdenoise.solvers.coarse import STEPS, coarse_start
from tvdenoise.solvers.formulations import Dual
from tvdenoise.solvers.loop import solve


@pytest.fixture(params=[("alternating", "anisotropic"), ("fista", "anisotropic"), ("fista", "isotropic")])
def model(request):
    return request.param


@pytest.fixture
def method(model):
    return METHODS[model[0]]


@pytest.fixture
def problem(model):
    return Problem(picture(1, 24, 20), 0.1, model[1])


def energy_of(problem, u):
    return certify(problem, u, torch.zeros(2, *problem.f.shape)).energy


def test_stops_at_the_tolerance_it_certifies(problem, method):
    for tol in (1e-2, 1e-3, 1e-5):
        solution = solve(problem, method, tol=tol)
        assert solution.status == "tolerance"
        assert solution.certificate.rms_bound <= tol


def test_step_limit_is_not_success(problem, method):
    solution = solve(problem, replace(method, max_steps=3), tol=1e-9)
    assert (solution.status, solution.steps) == ("max_steps", 3)
    assert solution.certificate.rms_bound > 1e-9


def test_certified_distance_falls_at_the_accelerated_rate(problem, method):
    """Twenty times the steps bring the certified distance down by more than 20, as the gap's O(1/k^2) promises."""
    bounds = [solve(problem, replace(method, max_steps=n), tol=1e-12).certificate.rms_bound for n in (10, 200)]
    assert bounds[1] < bounds[0] / 20


@pytest.mark.parametrize("step", [1 / 8, Problem(torch.zeros(1, 1, 1), 0.0, "anisotropic").step_size])
def test_dual_meets_the_bound_of_fista(tv, step):
    """d(p*) - d(p_k) <= 2 |p*|^2 / (t (k + 1)^2) for steps t = 1/L = 1/8, and for the longer ones taken here."""
    problem = Problem(picture(1, 24, 20), 0.1, tv)
    values, field = ascended(problem, partial(FISTAAscent, rate=step))
    squared_norm = float(field.square().sum())
    for k, value in enumerate(values[:500], 1):
        assert values[-1] - value <= 2 * squared_norm / (step * (k + 1) ** 2)


def test_dual_meets_the_bound_of_alternating_descent():
    """d(p*) - d(p_k) <= 2 |D^T p*|^2 / (k + 1)^2, of the field on odd squares, though all are but nearly solved."""
    problem = Problem(picture(1, 24, 20), 0.1, "anisotropic")
    values, field = ascended(problem, AlternatingAscent)
    field[0, :, ::2] = field[1, :, :, ::2] = 0
    moved = problem.difference.adjoint(field)
    for k, value in enumerate(values[:500], 1):
        bound = 2 * float(moved.square().sum()) / (k + 1) ** 2
        assert values[-1] - value <= (bound if k < 50 else bound / 100)  # without extrapolation, 0.6 of it at 50


def ascended(problem, way):
    """Return d(p) after each of many steps, and the field."""
    dual = Dual(problem, make_ascent=way)
    values, flat = [], torch.zeros_like(problem.f)
    for _ in range(1200):
        dual.advance(1)
        certificate = certify(problem, flat, dual.ascent.parameter)
        values.append(certificate.energy - certificate.gap)
    return values, dual.ascent.parameter


@pytest.mark.parametrize(
    ("shape", "model"),
    [
        ((1, 61, 37), {}),
        ((1, 1, 90), {}),
        ((3, 40, 21), {"coupled": True}),
        ((3, 40, 21), {"ratios": (1.0, 2.0, 2.0)}),
        ((1, 12, 44, 9), {"axes": 3}),
    ],
)
def test_a_coarse_start_is_worth_more_than_its_steps(shape, model, tv):
    """Ten fine steps from it reach more than as many as cost the same from nothing."""
    problem = Problem(picture(*shape), 0.3, tv, **model)
    start = problem.project(coarse_start(problem))
    reached = ascend(problem, start.clone(), 10)
    plain = ascend(problem, torch.zeros_like(start), 10 + STEPS // 2**problem.axes)
    gaps = [certify(problem, problem.f, p).gap for p in (reached, plain)]
    assert gaps[0] < gaps[1]
    assert not coarse_start(replace(problem, weight=0.01)).any()


def test_best_candidate_is_kept(problem):
    """At a rate that is never lowered sgd swings: what is returned is the best seen, and that is not the last."""
    seen = []
    swinging = replace(METHODS["sgd"], annealed=False, lr=0.6, max_steps=100)
    solution = solve(problem, swinging, tol=1e-6, callback=lambda p: seen.append(p.certificate))
    bounds = [certificate.rms_bound for certificate in seen]
    assert min(bounds) < bounds[-1]
    assert solution.certificate.rms_bound == min(bounds)
    assert energy_of(problem, solution.u) == pytest.approx(solution.certificate.energy)


def test_a_finer_tolerance_returns_no_worse_a_picture():
    """Where lambda is large the certified distance rises again: of two runs to one limit the finer keeps its best."""
    f = torch.kron(torch.tensor([[0.0, 1.0]], dtype=torch.float64), torch.ones(24, 12, dtype=torch.float64))
    problem, seen = Problem(f[None], 10.0, "isotropic"), []
    limited = replace(METHODS["fista"], max_steps=400)
    coarse = solve(problem, limited, tol=1.6e-3)
    fine = solve(problem, limited, tol=1e-3, callback=lambda p: seen.append(p.certificate.rms_bound))
    assert (coarse.status, fine.status) == ("tolerance", "max_steps")
    assert fine.certificate.rms_bound <= coarse.certificate.rms_bound < seen[-1]
    assert energy_of(problem, fine.u) == pytest.approx(fine.certificate.energy)


def test_ends_as_close_as_the_arithmetic_allows(tv):
    """A checkerboard is solved at once, and no number of steps brings what rounding keeps."""
    checkerboard = torch.eye(2, dtype=torch.float64).repeat(8, 8)[None]
    problem = Problem(checkerboard, 0.05, tv)
    best = solve(problem, METHODS["fista"], tol=1e-300)
    assert best.status == "precision"
    assert best.steps < 1000
    within_reach = 1.01 * best.certificate.rms_bound
    assert solve(problem, METHODS["fista"], tol=within_reach).status == "tolerance"


def test_divergence_is_a_status_and_returns_the_best_seen(problem):
    solution = solve(problem, replace(METHODS["sgd"], lr=1e200), tol=1e-6)
    assert solution.status == "non_finite"
    assert solution.steps < METHODS["sgd"].max_steps
    assert torch.isfinite(solution.u).all()
    assert solution.certificate.is_finite


def test_a_start_beyond_all_numbers_ends_at_once(tv):
    """The variation of such a picture is infinite: nothing can be proven, and nothing is tried for ever."""
    problem = Problem(1e308 * picture(1, 24, 20), 0.1, tv)
    with np.errstate(all="ignore"):
        solution = solve(problem, METHODS["fista"], tol=1e-3)
    assert (solution.status, solution.steps) == ("non_finite", 0)
    assert torch.equal(solution.u, problem.f)


def test_certificate_is_that_of_the_very_picture_returned(problem, method):
    for either in (method, METHODS["adam"]):
        solution = solve(problem, either, tol=1e-3)
        assert energy_of(problem, solution.u) == pytest.approx(solution.certificate.energy)


def test_progress_is_told_at_every_certificate(problem, method):
    seen = []
    solution = solve(problem, method, tol=1e-5, callback=seen.append)
    assert seen[0].step == 0
    assert seen[-1].step == solution.steps
    assert seen[-1].certificate == solution.certificate
    assert [p.seconds for p in seen] == sorted(p.seconds for p in seen)


def test_certificates_stay_few_whatever_the_distance(problem, method):
    seen = []
    solve(problem, replace(method, max_steps=10_000), tol=1e-300, callback=seen.append)
    assert len(seen) < 80
    assert math.isfinite(seen[-1].certificate.rms_bound)


def test_clock_stands_still_while_certifying(problem, method, monkeypatch):
    clock = iter(range(1000))
    # A clock that ticks once a look is the only one that can be counted.
    monkeypatch.setattr(solve_module, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    seen = []
    solution = solve(problem, replace(method, max_steps=60), tol=1e-9, callback=seen.append)
    assert solution.seconds == len(seen)  # one tick for the start, one for each run of steps between certificates


def test_a_certificate_knows_a_bad_number():
    assert not Certificate(math.nan, 0.0, 0.0).is_finite
    assert not Certificate(0.0, 0.0, math.inf).is_finite
    assert Certificate(0.0, 0.0, 0.0).is_finite


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory where Linux tells it")
def test_memory_is_seven_copies_of_the_picture(tv):
    """f, two fields of two components, the average and the candidate, and what allocators waste: no eighth and a half.

    VmHWM, because the peak that getrusage tells starts at that of the process that started this one.
    """
    program = (
        "import re, torch; from pathlib import Path\n"
        "from tvdenoise.kernels import dispatch\nfrom tvdenoise.options.settings import Settings\n"
        "from tvdenoise.api.denoising import denoise_as_set\n"
        f"settings = Settings(0.1, tv={tv!r}, device='cpu', tol=3e-4, max_steps=25)\n"
        "dispatch.load()\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1])\n"
        "denoise_as_set(torch.rand(1, 512, 512), settings)\n"
        "before = peak()\n"
        "denoise_as_set(torch.rand(1, 2048, 2048), settings)\n"
        "print((peak() - before) * 1024 / 4 / (2048**2 - 512**2))\n"
    )
    copies = float(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)
    assert 6 < copies < 8.5


def test_what_a_solve_took_is_given_back_at_once(problem):
    """No circle of references keeps seven copies of a picture until the collector comes by."""
    dual = Dual(problem)
    dual.advance(2)
    gone = weakref.ref(dual)
    del dual
    assert gone() is None
