"""Every operator is held to its adjoint and to the bound on its norm; projections to the laws of a nearest point."""

import pytest
import torch
from laws import check_adjointness, check_norm_bound
from problems import KINDS, SHAPES

from tvdenoise.arrays.colour import OPPONENT
from tvdenoise.model import dual_ball
from tvdenoise.model.operators import ForwardDifference

DIFFERENCES = [ForwardDifference(2), ForwardDifference(3), ForwardDifference(3, 2.5), ForwardDifference(3, 0.5)]
DIFFERENCES += [ForwardDifference(2, (0.5, 1.0)), ForwardDifference(3, (3.0, 0.5, 1.0))]


def dot(a, b):
    return float((a * b).sum())


@pytest.mark.parametrize("shape", [*SHAPES, (2, 3, 4, 5)])
@pytest.mark.parametrize("difference", DIFFERENCES)
def test_the_forward_difference_has_its_adjoint(shape, difference):
    if len(shape) < difference.axes:
        pytest.skip("no such axis")
    u = torch.randn(shape, dtype=torch.float64)
    p = torch.randn((difference.axes, *shape), dtype=torch.float64)
    check_adjointness(difference, u, p)


def test_so_it_has_on_strided_inputs():
    u = torch.randn(2, 9, 12, dtype=torch.float64)[:, ::2, ::3].transpose(1, 2)
    p = torch.randn(2, 2, 8, 10, dtype=torch.float64)[..., ::2, ::2]
    check_adjointness(ForwardDifference(), u, p)


def test_opponent_colours_have_their_adjoint():
    u, p = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    check_adjointness(OPPONENT, u, p)
    check_norm_bound(OPPONENT, u)


def test_difference_of_a_known_picture():
    u = torch.tensor([[[1.0, 2.0, 4.0], [7.0, 11.0, 16.0]]])
    expected = [[[[6.0, 9.0, 12.0], [0, 0, 0]]], [[[1.0, 2.0, 0], [4.0, 5.0, 0]]]]
    assert torch.equal(ForwardDifference().forward(u), torch.tensor(expected))


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_the_bound_on_its_norm_holds_and_is_sharp(difference):
    shape = (1, 30, 30) if difference.axes == 2 else (12, 12, 12)
    check_norm_bound(difference, torch.randn(shape, dtype=torch.float64))


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_the_form_in_place_is_the_same(difference):
    f = torch.randn(2, 4, 5, 6, dtype=torch.float64)
    p = torch.randn((difference.axes, *f.shape), dtype=torch.float64)
    in_place = difference.subtract_adjoint(f, p, torch.empty_like(f))
    torch.testing.assert_close(in_place, f - difference.adjoint(p))


@pytest.mark.parametrize("tv", KINDS)
@pytest.mark.parametrize("radius", [0.0, 0.3])
def test_projection_is_the_nearest_feasible_field(tv, radius):
    p = torch.randn(2, 2, 5, 6, dtype=torch.float64)
    projected = dual_ball.project(p.clone(), radius, tv)
    assert float(dual_ball.magnitude(projected, tv).max()) <= radius * (1 + 1e-15)
    # Nearest point of a convex set: the way back makes an obtuse angle with every way on into the set.
    for seed in range(20):
        other = torch.randn(p.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        dual_ball.project(other, radius, tv)
        assert dot(p - projected, other - projected) <= 1e-12
    feasible = 0.5 * projected
    assert torch.equal(dual_ball.project(feasible.clone(), radius, tv), feasible)


def test_projection_with_a_scratch_buffer_is_the_same_bit_by_bit():
    p = torch.randn(2, 1, 5, 6)
    with_buffer = dual_ball.project(p.clone(), 0.3, "isotropic", scratch=torch.empty(1, 5, 6))
    assert torch.equal(with_buffer, dual_ball.project(p.clone(), 0.3, "isotropic"))


@pytest.mark.parametrize("tv", KINDS)
def test_projection_lets_nan_through(tv):
    p = torch.full((2, 1, 2, 2), float("nan"))
    assert dual_ball.project(p, 0.1, tv).isnan().all()
