import pytest
import torch
from problems import KINDS, SHAPES

from tvdenoise.model import operators


def dot(a, b):
    return float((a * b).sum())


def adjoint(p, like, spacing=1.0):
    return -operators.subtract_adjoint(torch.zeros_like(like), p, torch.empty_like(like), spacing)


@pytest.mark.parametrize("shape", [*SHAPES, (2, 3, 4, 5)])
@pytest.mark.parametrize(("axes", "spacing"), [(2, 1.0), (3, 1.0), (3, 2.5)])
def test_adjointness(shape, axes, spacing):
    if len(shape) < axes:
        pytest.skip("no such axis")
    u = torch.randn(shape, dtype=torch.float64)
    p = torch.randn((axes, *shape), dtype=torch.float64)
    du = operators.gradient(u, operators.new_field(u, axes), spacing)
    torch.testing.assert_close(dot(du, p), dot(u, adjoint(p, u, spacing)))


def test_adjointness_on_strided_inputs():
    u = torch.randn(2, 9, 12, dtype=torch.float64)[:, ::2, ::3].transpose(1, 2)
    p = torch.randn(2, 2, 8, 10, dtype=torch.float64)[..., ::2, ::2]
    du = operators.gradient(u, operators.new_field(u), 1.0)
    torch.testing.assert_close(dot(du, p), dot(u, adjoint(p, u)))


def test_gradient_of_a_known_picture():
    u = torch.tensor([[[1.0, 2.0, 4.0], [7.0, 11.0, 16.0]]])
    expected = [[[[6.0, 9.0, 12.0], [0, 0, 0]]], [[[1.0, 2.0, 0], [4.0, 5.0, 0]]]]
    assert torch.equal(operators.gradient(u, operators.new_field(u), 1.0), torch.tensor(expected))


@pytest.mark.parametrize("spacing", [1.0, 0.5, 3.0])
@pytest.mark.parametrize(("axes", "shape"), [(2, (1, 30, 30)), (3, (12, 12, 12))])
def test_operator_bound_holds_and_is_sharp(axes, shape, spacing):
    u = torch.randn(shape, dtype=torch.float64)
    for _ in range(300):  # power iteration on D^T D
        u /= u.norm()
        u = adjoint(operators.gradient(u, operators.new_field(u, axes), spacing), u, spacing)
    bound = operators.operator_bound(axes, spacing)
    assert 0.9 * bound < float(u.norm()) <= bound


@pytest.mark.parametrize("tv", KINDS)
@pytest.mark.parametrize("radius", [0.0, 0.3])
def test_projection_is_the_nearest_feasible_field(tv, radius):
    p = torch.randn(2, 2, 5, 6, dtype=torch.float64)
    projected = operators.project(p.clone(), radius, tv)
    assert float(operators.magnitude(projected, tv).max()) <= radius * (1 + 1e-15)
    # Nearest point of a convex set: the way back makes an obtuse angle with every way on into the set.
    for seed in range(20):
        other = torch.randn(p.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        operators.project(other, radius, tv)
        assert dot(p - projected, other - projected) <= 1e-12
    feasible = 0.5 * projected
    assert torch.equal(operators.project(feasible.clone(), radius, tv), feasible)


def test_projection_with_a_scratch_buffer_is_the_same_bit_by_bit():
    p = torch.randn(2, 1, 5, 6)
    with_buffer = operators.project(p.clone(), 0.3, "isotropic", scratch=torch.empty(1, 5, 6))
    assert torch.equal(with_buffer, operators.project(p.clone(), 0.3, "isotropic"))


@pytest.mark.parametrize("tv", KINDS)
def test_projection_lets_nan_through(tv):
    p = torch.full((2, 1, 2, 2), float("nan"))
    assert operators.project(p, 0.1, tv).isnan().all()
