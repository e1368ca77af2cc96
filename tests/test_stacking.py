"""Steps taken together against steps taken alone. What an accelerator gets together, the CPU is given here."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from problems import picture

from tvdenoise import denoise
from tvdenoise.api import task
from tvdenoise.api.denoising import denoise_together
from tvdenoise.model.rof import Problem
from tvdenoise.options.methods import METHODS
from tvdenoise.options.settings import Settings
from tvdenoise.solvers.ascents import ascent_of
from tvdenoise.solvers.loop import solve, solve_together
from tvdenoise.solvers.stacking import Stack, stacking_key

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
        pictures = [f.view(3, 3, 7, 50)[..., 15:35].contiguous() for f in pictures]
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
    together = solve_together([noisy, broken, problems[-1]], replace(method, max_steps=25), tol=1e-9)
    statuses = [one.status for one in together]
    assert statuses == ["max_steps", "non_finite", "tolerance"]


def test_seconds_are_shares_of_the_time_that_passed(problems, method):
    began = time.perf_counter()
    together = solve_together(problems, method, tol=1e-4)
    assert 0 < sum(solution.seconds for solution in together) < time.perf_counter() - began


def test_those_that_are_done_take_no_more_steps(problems):
    """Once they are half: before, it would cost more than it saves. The others go on where they were."""
    stack = Stack(problems, ascent_of)
    stack.advance(4)
    before = stack.part(4)
    for numbers, left in ((range(1, 6), 6), ((4, 1), 2)):
        stack.keep(numbers)
        assert stack._ascent.parameter.shape[2] == left
        for expected, got in zip(before, stack.part(4), strict=True):
            assert torch.equal(expected, got)
            assert got.is_contiguous()  # or kernels would not take it


def test_what_fits():
    """Pictures of one size, type, model and kind of start; nothing else."""
    one = Problem(picture(3, 8, 9), 0.1, "isotropic")
    assert stacking_key(one) == stacking_key(replace(one, f=picture(3, 8, 9, seed=1)))
    others = [
        replace(one, f=picture(3, 9, 8)),
        replace(one, f=one.f.float()),
        replace(one, weight=0.2),
        replace(one, tv="anisotropic"),
        replace(one, coupled=True),
        replace(one, ratios=(1.0, 2.0, 2.0)),
        replace(one, f=100 * one.f),
    ]
    assert stacking_key(one) not in map(stacking_key, others)


@pytest.fixture
def sizes(monkeypatch):
    """Have pictures solved together, and return how many each time."""
    sizes = []

    def counted(problems, *arguments, **options):
        sizes.append(len(problems))
        return solve_together(problems, *arguments, **options)

    monkeypatch.setattr(task.Task, "may_stack", True)
    monkeypatch.setattr(task, "solve_together", counted)
    return sizes


def test_pictures_of_a_stack(sizes, monkeypatch):
    stack = torch.stack([picture(3, 16, 20, seed=seed, dtype=torch.float32) for seed in range(5)])
    monkeypatch.setattr(task, "MAX_STACKED_VALUES", 3 * stack[0].numel())
    for color in ("rgb", "opponent", "coupled"):
        pages = denoise(stack, 0.1, color=color).pages
        for page, f in zip(pages, stack, strict=True):
            alone = denoise(f, 0.1, color=color)
            assert (page.status, page.steps, page.color) == (alone.status, alone.steps, alone.color)
            assert torch.allclose(page.image, alone.image, rtol=0, atol=1e-6)
    assert sizes == [3, 2] * 3


def test_pictures_of_all_kinds(sizes):
    """Sizes, types, models and lambdas, given or chosen, in any order: results come in that of the pictures."""
    gray, colour = (picture(*shape).numpy() for shape in ((24, 18), (24, 18, 3)))
    images = [gray, colour, gray[::-1], (255 * gray.clip(0, 1)).astype(np.uint8), gray, gray.T, colour[::-1], gray]
    settings = [Settings(0.1)] * 5 + [Settings(0.1), Settings(0.1), Settings("auto")]
    settings[4] = Settings(0.2)
    for result, image, own in zip(denoise_together(images, settings), images, settings, strict=True):
        alone = denoise(image, own.weight)
        assert (result.image.dtype, result.weight, result.steps) == (alone.image.dtype, alone.weight, alone.steps)
        assert np.allclose(result.image, alone.image, rtol=0, atol=1e-13)
    assert sizes == [2, 2]


def test_what_has_no_room_together_is_done_one_by_one(monkeypatch):
    def without_room(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(task.Task, "may_stack", True)
    monkeypatch.setattr(task, "solve_together", without_room)
    stack = torch.stack([picture(1, 16, 20, seed=seed) for seed in range(3)])
    assert torch.equal(denoise(stack, 0.1).image, torch.stack([denoise(f, 0.1).image for f in stack]))
