"""Every row of the method table: the closed form, the certificate, and the optimum of the sample picture."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from problems import KINDS

from tvdenoise import denoise
from tvdenoise.errors import SettingError
from tvdenoise.options.methods import METHODS, NOT_OFFERED

OFFERED = [(name, tv) for name in METHODS for tv in KINDS if (name, tv) != ("alternating", "isotropic")]
SAMPLE = Path(__file__).parent.parent / "sample_images" / "camera_noisy.png"


@pytest.fixture(scope="module")
def sample() -> np.ndarray:
    """The man's camera: 48 x 48 of the sample picture."""
    return np.asarray(Image.open(SAMPLE), np.float32)[116:164, 212:260] / np.float32(255)


@pytest.fixture(scope="module")
def defaults(sample):
    """What the default method makes of the sample picture, by kind of total variation."""
    return {tv: denoise(sample, 0.1, tv=tv, tol=2e-4) for tv in KINDS}


def test_every_optimizer_of_torch_has_a_row():
    offered = {method.optimizer for method in METHODS.values() if method.formulation == "primal"}
    torch_optimizers = {
        name
        for name, value in vars(torch.optim).items()
        if isinstance(value, type) and issubclass(value, torch.optim.Optimizer) and value is not torch.optim.Optimizer
    }
    assert {name.lower() for name in torch_optimizers} == {name.lower() for name in offered} | set(NOT_OFFERED)
    assert all(name == METHODS[name].optimizer.lower() for name in METHODS.keys() - {"alternating"})


@pytest.mark.parametrize("name", NOT_OFFERED)
def test_what_is_not_offered_says_why(name):
    with pytest.raises(SettingError, match=NOT_OFFERED[name]):
        denoise(np.zeros((4, 4)), 0.1, optimizer=name)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("weight", "shape"), [(0.1, (1, 2)), (0.4, (2, 1))])
def test_two_pixels(name, weight, shape):
    """f = (0, 1), lambda <= 1/2: the answer is (lambda, 1 - lambda), to within what is certified.

    With a single difference both kinds of total variation are the same.
    """
    tv = "anisotropic" if name == "alternating" or shape == (1, 2) else "isotropic"
    result = denoise(np.array([0.0, 1.0]).reshape(shape), weight, tv=tv, optimizer=name, tol=1e-4)
    error = result.image.ravel() - [weight, 1 - weight]
    assert np.sqrt(np.mean(error**2)) <= result.rms_bound + 1e-7
    assert result.rms_bound < 0.01


@pytest.mark.parametrize("name", METHODS)
def test_two_pixels_meet_beyond_a_half(name):
    result = denoise(np.array([[0.0, 1.0]]), 0.8, optimizer=name, tol=1e-4)
    assert np.sqrt(np.mean((result.image - 0.5) ** 2)) <= result.rms_bound + 1e-7
    assert result.rms_bound < 0.02


@pytest.mark.parametrize(("name", "tv"), OFFERED)
def test_sample_picture_ends_near_the_optimum(name, sample, defaults, tv):
    """Near the least energy, and no further from the default's answer than both certify."""
    result = denoise(sample, 0.1, tv=tv, optimizer=name)
    default = defaults[tv]
    excess = result.energy / (default.energy - default.gap) - 1
    assert 0 <= excess < {"adam": 0.005}.get(name, 0.02)
    distance = np.sqrt(np.mean((result.image - default.image) ** 2))
    assert distance <= result.rms_bound + default.rms_bound
    assert result.rms_bound < 0.02


@pytest.mark.parametrize("name", sorted(METHODS.keys() - {"alternating"}))
def test_rate_and_step_limit_can_be_set(name, noisy):
    full = denoise(noisy / 255, 0.1, optimizer=name, tol=1e-9, max_steps=7)
    slow = denoise(noisy / 255, 0.1, optimizer=name, tol=1e-9, max_steps=7, lr=1e-6)
    assert full.steps == slow.steps == 7
    assert full.status == slow.status == "max_steps"
    assert slow.energy > full.energy


def test_the_fastest_that_the_model_allows(noisy):
    """It is told apart by its steps: alternating descent takes far fewer."""
    f = np.stack([noisy / 255] * 3, -1)
    for given, expected in (
        ({}, "alternating"),
        ({"color": "opponent"}, "alternating"),
        ({"color": "coupled"}, "fista"),
        ({"tv": "isotropic"}, "fista"),
        ({"lr": 0.1}, "fista"),
    ):
        auto, named, fista = (
            denoise(f, 0.1, optimizer=o, tol=1e-4, **given).steps for o in ("auto", expected, "fista")
        )
        assert auto == named
        assert (named < 0.7 * fista) == (expected == "alternating")


@pytest.mark.parametrize(
    ("given", "error"),
    [({"tv": "isotropic"}, "optimizer: "), ({"color": "coupled"}, "optimizer: "), ({"lr": 0.1}, "lr: ")],
)
def test_alternating_descent_is_for_what_it_can_solve(noisy, given, error):
    with pytest.raises(SettingError, match=error):
        denoise(noisy, 0.1, optimizer="alternating", **given)


def test_alternating_descent_is_not_for_volumes():
    with pytest.raises(SettingError, match="optimizer: "):
        denoise(np.zeros((3, 4, 5)), 0.1, optimizer="alternating", volume=True)
