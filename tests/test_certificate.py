import math

import pytest
import torch
from problems import KINDS, SHAPES, field, picture
from torch import Tensor

from tvdenoise import TotalVariation
from tvdenoise.model import dual_ball, operators
from tvdenoise.model.certificate import certify
from tvdenoise.model.problem import Problem
from tvdenoise.solvers.formulations import Dual


def energy(problem: Problem, u: Tensor) -> float:
    """The objective as it is written, by the public loss."""
    fidelity = 0.5 * (u.double() - problem.f.double()).square().sum()
    return float(fidelity + problem.weight * TotalVariation(tv=problem.tv, axes=problem.axes)(u.double()))


def exact(problem: Problem, steps: int = 4000) -> Tensor:
    dual = Dual(Problem(problem.f.double(), problem.weight, problem.tv))
    dual.advance(steps)
    f = problem.f.double()
    return f - problem.difference.adjoint(dual.ascent.parameter)


def plain_certificate(problem: Problem, u: Tensor, p: Tensor, v: Tensor) -> tuple[float, float, float]:
    """The slow, obvious twin: whole pictures, and the ball written down as in the docstring."""
    p = p.double().clone()
    for axis in range(problem.axes):
        p[axis].movedim(axis - problem.axes, 0)[-1] = 0
    p = dual_ball.project(p, problem.weight, problem.tv)
    q = problem.f.double() - problem.difference.adjoint(p)
    dual = 0.5 * float(problem.f.double().square().sum() - q.square().sum())
    bounds = []
    for w in (u.double(), v.double()):
        c = (w + q) / 2
        radius = math.sqrt(max(energy(problem, w) - dual - 0.25 * float((w - q).square().sum()), 0))
        bounds.append(float((u - c).norm()) + radius)
    return energy(problem, u), energy(problem, u) - dual, min(bounds) / math.sqrt(u.numel())


@pytest.mark.parametrize("shape", [*SHAPES, (2, 5, 4, 6), (1, 1, 4, 3)])
@pytest.mark.parametrize("chunk_values", [1, 20, 2**15])
def test_certificate_is_that_of_its_plain_twin_whatever_the_chunks(shape, chunk_values, tv):
    problem = Problem(picture(*shape), 0.2, tv, axes=len(shape) - 1)
    u, v, p = picture(*shape, seed=1), picture(*shape, seed=2), field(problem, scale=0.3)
    certificate = certify(problem, u, p, v, chunk_values=chunk_values)
    expected = plain_certificate(problem, u, p, v)
    assert (certificate.energy, certificate.gap, certificate.rms_bound) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weight", [0.0, 0.05, 1.0])
def test_weak_duality_for_any_picture_and_field(shape, weight, tv):
    for seed in range(10):
        problem = Problem(picture(*shape), weight, tv)
        certificate = certify(problem, picture(*shape, seed=seed), field(problem, seed, scale=0.3))
        assert certificate.gap >= 0
        assert certificate.rms_bound <= math.sqrt(2 * max(certificate.gap, 0) / problem.f.numel()) + 1e-7


@pytest.mark.parametrize("weight", [0.02, 0.2])
def test_bound_holds_for_any_picture_field_and_second_picture(weight, tv):
    problem = Problem(picture(2, 9, 8), weight, tv)
    answer = exact(problem)
    for seed in range(30):
        # From far away to close by, so that the bound is tried where it is tight as well.
        way = torch.rand(3, generator=torch.Generator().manual_seed(seed)).tolist()
        u, v = (torch.lerp(answer, picture(2, 9, 8, seed=seed + 50 * i), way[i] ** 4) for i in (0, 1))
        certificate = certify(problem, u, field(problem, seed, scale=way[2]), v)
        assert float((u - answer).square().mean().sqrt()) <= certificate.rms_bound + 1e-9


def test_second_picture_can_only_help(tv):
    problem = Problem(picture(1, 9, 8), 0.1, tv)
    u, p = picture(1, 9, 8, seed=3), field(problem, scale=0.1)
    assert certify(problem, u, p, exact(problem)).rms_bound < certify(problem, u, p).rms_bound
    assert certify(problem, u, p, 100 * u).rms_bound == certify(problem, u, p).rms_bound


def test_certificate_leaves_its_arguments_alone(tv):
    problem = Problem(picture(1, 9, 8), 0.1, tv)
    u, v, p = picture(1, 9, 8, seed=1), picture(1, 9, 8, seed=2), field(problem)
    copies = [t.clone() for t in (problem.f, u, v, p)]
    certify(problem, u, p, v)
    assert all(torch.equal(a, b) for a, b in zip(copies, (problem.f, u, v, p), strict=True))


@pytest.mark.parametrize("culprit", ["u", "p"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_bad_number_is_never_certified(culprit, bad, tv):
    if culprit == "p" and bad == math.inf and tv == "anisotropic":
        pytest.skip("clamping an infinite component is a projection like any other")
    problem = Problem(picture(1, 9, 8), 0.1, tv)
    tensors = {"u": picture(1, 9, 8), "p": field(problem)}
    tensors[culprit][..., 4, 4] = bad
    assert not certify(problem, tensors["u"], tensors["p"], picture(1, 9, 8)).is_finite


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
def test_large_intensities_do_not_drown_the_proof(offset, tv):
    """Two pixels and their answer, moved up: the bound holds by what rounding may do, and by little more."""
    problem = Problem(torch.tensor([[[offset, offset + 1]]], dtype=torch.float64), 0.1, tv)
    answer, p = problem.f + torch.tensor([0.1, -0.1]), torch.zeros(2, 1, 1, 2, dtype=torch.float64)
    p[1, ..., 0] = 0.1
    assert 0 < certify(problem, answer, p).rms_bound < 1e-6 * math.sqrt(max(offset, 1))
    moved = answer + 1e-9 * max(offset, 1)
    assert certify(problem, moved, p).rms_bound >= 1e-9 * max(offset, 1)


@pytest.mark.parametrize("tv", KINDS)
@pytest.mark.parametrize("scale", [1e-150, 1e-158, 1e-162, 1e-300])
def test_squares_that_are_too_small_for_floats_prove_nothing(scale, tv):
    problem = Problem(scale * picture(1, 9, 8), 0.1 * scale, tv)
    u = problem.f.mean().expand_as(problem.f).contiguous()
    bound = certify(problem, u, operators.new_field(problem.f, 2)).rms_bound
    assert bound >= float((u / scale - exact(Problem(picture(1, 9, 8), 0.1, tv))).square().mean().sqrt()) * scale
    nothing_to_do = Problem(problem.f, 0.0, tv)
    assert certify(nothing_to_do, problem.f, operators.new_field(problem.f, 2)).rms_bound == 0


def test_flat_picture_and_its_energy(tv):
    problem = Problem(picture(2, 9, 8), 0.1, tv)
    assert problem.flat_energy == pytest.approx(energy(problem, problem.make_flat()))
    torch.testing.assert_close(problem.make_flat().mean((1, 2)), problem.f.mean((1, 2)))


@pytest.mark.parametrize("weight", [1e-201, 1e-310])
def test_a_lambda_whose_energies_are_too_small_for_floats_proves_nothing_exact(weight, tv):
    """Two pixels that lambda moves: the picture as it came is no answer, though its energy comes out as 0."""
    f = torch.tensor([[[3.0, 10.0]]], dtype=torch.float64) * weight
    certificate = certify(Problem(f, weight, tv), f, operators.new_field(f))
    assert certificate.energy == 0
    assert certificate.rms_bound > weight


def test_numbers_that_are_flushed_to_0_are_not_taken_for_a_flat_picture(tv):
    f = torch.tensor([[[1e-310, 3e-310]]], dtype=torch.float64)
    torch.set_flush_denormal(True)
    try:
        bound = certify(Problem(f, 1.0, tv), f, operators.new_field(f)).rms_bound
    finally:
        torch.set_flush_denormal(False)
    assert bound > 1e-310


@pytest.mark.parametrize("weight", [0.01, 0.3, 1.0])
def test_gap_is_no_less_than_the_excess_whatever_rounding_does(weight, tv):
    """Of the two pixels (0, 1) the least energy is known: w - w^2, and 1/4 from w = 1/2 on."""
    half = min(weight, 0.5)
    least = half**2 + weight * (1 - 2 * half)
    f = torch.tensor([[[0.0, 1.0]]], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        moved = half * (1 + 1e-9 * torch.randn(1, generator=generator, dtype=torch.float64).item())
        u = torch.tensor([[[moved, 1 - moved]]], dtype=torch.float64)
        p = operators.new_field(f)
        p[1, ..., 0] = moved
        certificate = certify(Problem(f, weight, tv), u, p)
        assert certificate.gap > max(certificate.energy - least, 0)
