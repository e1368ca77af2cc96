"""Data terms: conjugates, proximal maps and moduli, each against its definition."""

import pytest
import torch
from problems import picture

from tvdenoise.model.data_terms import DATA_TERMS
from tvdenoise.model.problem import Problem


def positive(*shape: int, seed: int = 0) -> torch.Tensor:
    return picture(*shape, seed=seed).clamp(min=0)


def term_of(name: str, *, seed: int = 0):
    f = positive(2, 3, 4, seed=seed)
    f[0, 0, 0] = 0
    return Problem(f, 0.1, "isotropic", noise_model=name).data_term


def in_box(term, count: int = 20_001) -> torch.Tensor:
    """Pictures that take every value of the box, (count, C, H, W)."""
    share = torch.linspace(0, 1, count, dtype=torch.float64)[:, None, None, None]
    return (term.low + share * (term.high - term.low)).expand(-1, *term.f.shape)


@pytest.mark.parametrize("name", DATA_TERMS)
def test_conjugate_is_the_largest_difference_in_the_box(name):
    term = term_of(name)
    every = in_box(term)
    values = term.value(every)
    for z in torch.linspace(-5, 5, 41, dtype=torch.float64):
        largest = (z * every - values).amax(0)
        conjugate = term.conjugate(z.expand_as(term.f))
        assert (conjugate >= largest - 1e-12).all()
        torch.testing.assert_close(conjugate, largest, rtol=0, atol=3e-4)


@pytest.mark.parametrize("name", DATA_TERMS)
@pytest.mark.parametrize("step", [1e-3, 0.3, 20.0])
def test_prox_is_the_minimiser_in_the_box(name, step):
    term = term_of(name)
    every = in_box(term)
    for seed in range(5):
        u = 2 * picture(2, 3, 4, seed=seed) - 0.5
        x = term.prox(u, step)
        best = term.value(x) + (x - u).square() / (2 * step)
        least = (term.value(every) + (every - u).square() / (2 * step)).amin(0)
        assert ((term.low <= x) & (x <= term.high)).all()
        assert (best <= least + 1e-12).all()


@pytest.mark.parametrize("name", DATA_TERMS)
def test_modulus_is_that_of_the_box(name):
    """F(u) - m |u|^2 / 2 is convex: no second difference is below 0."""
    f = 0.1 + positive(2, 3, 4)
    term = Problem(f, 0.1, "isotropic", noise_model=name).data_term
    every = in_box(term, 101)
    second = (term.value(every) - 0.5 * term.modulus * every.square()).diff(n=2, dim=0)
    assert second.min() > -1e-12
    assert (term.modulus > 0) == (name != "laplace")


def test_nothing_counted_has_no_modulus():
    assert term_of("poisson").modulus == 0
    assert not Problem(torch.zeros(1, 2, 2), 0.1, "isotropic", noise_model="poisson").data_term.modulus
