"""Steps taken together against steps taken alone."""

import time
from dataclasses import replace

import pytest
import torch
from problems import picture

from tvdenoise.methods import METHODS
from tvdenoise.rof import Problem
from tvdenoise.solve import solve, solve_together
from tvdenoise.stacking import fit

MODELS = {
    "anisotropic": {"tv": "anisotropic"},
    "isotropic": {"tv": "isotropic"},
    "coupled": {"tv": "isotropic", "coupled": True},
    "opponent": {"tv": "anisotropic", "ratios": (1.0, 2.0, 2.0)},
    "volumes": {"tv": "isotropic", "axes": 3},
}


@pytest.fixture(params=MODELS)
def problems(request):
    """One noisy, one nearly flat, one flat, and three more: each needs steps of its own."""
    pictures = [picture(3, 21, 50, seed=seed) for seed in range(4)]
    model = MODELS[request.param]
    pictures += [0.1 * pictures[0] + 0.5, torch.full_like(pictures[0], 0.3)]
    if "axes" in model:
        pictures = [f.view(3, 3, 7, 50) for f in pictures]
    return [Problem(f, 0.3, **model) for f in pictures]


@pytest.fixture
def method(problems):
    return METHODS["alternating" if problems[0].alternates else "fista"]


def test_each_is_solved_as_if_alone(problems, method):
    """With FISTA bit by bit; alternating descent computes its picture anew whenever any of them is looked at."""
    together = solve_together(problems, method, tol=1e-4)
    assert len({solution.steps for solution in together}) > 3
    for problem, one in zip(problems, together, strict=True):
        alone = solve(problem, method, tol=1e-4)
        assert (one.status, one.steps) == (alone.status, alone.steps)
        assert torch.allclose(one.u, alone.u, rtol=0, atol=1e-13 if problem.alternates else 0)
        assert one.certificate.rms_bound == pytest.approx(alone.certificate.rms_bound, rel=1e-6)


def test_one_that_lasts_goes_on_by_itself(problems, method):
    """A stack that lost all but one steps that one alone, without a start over."""
    lasting, *done = problems
    stack = [replace(lasting, f=torch.full_like(lasting.f, 0.3))] * 5 + [lasting]
    *_, last = solve_together(stack, method, tol=1e-6)
    assert last.steps == solve(lasting, method, tol=1e-6).steps


def test_step_limit_and_numbers_that_are_none(problems, method):
    noisy, *_ = problems
    broken = replace(noisy, f=torch.full_like(noisy.f, torch.nan))
    statuses = [one.status for one in solve_together([noisy, broken, problems[-1]], method, tol=1e-9, max_steps=25)]
    assert statuses == ["max_steps", "non_finite", "tolerance"]


def test_seconds_are_shares_of_the_time_that_passed(problems, method):
    began = time.perf_counter()
    together = solve_together(problems, method, tol=1e-4)
    assert 0 < sum(solution.seconds for solution in together) < time.perf_counter() - began


def test_what_fits():
    """Pictures of one size, type, model and kind of start; nothing else."""
    one = Problem(picture(3, 8, 9), 0.1, "isotropic")
    assert fit(one, replace(one, f=picture(3, 8, 9, seed=1)))
    others = [
        replace(one, f=picture(3, 9, 8)),
        replace(one, f=one.f.float()),
        replace(one, weight=0.2),
        replace(one, tv="anisotropic"),
        replace(one, coupled=True),
        replace(one, ratios=(1.0, 2.0, 2.0)),
        replace(one, f=100 * one.f),
    ]
    assert not any(fit(one, other) for other in others)
