"""The noise of cameras: spectrum and level, where the truth is known."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage import data
from torch import Tensor

from tvdenoise import denoise
from tvdenoise.arrays.colour import to_opponent
from tvdenoise.auto.probe import draw_noise
from tvdenoise.auto.spectrum import estimate_camera_noise

SIGMAS = (8 / 255, 5 / 255, 4 / 255)  # in luma and chroma
WIDTHS = (0.9, 2.0, 2.0)  # of the filters that make neighbours share it
GROWTH = np.sqrt(np.linspace(0.5, 1.5, 384))  # of the deviation along the rows of a picture that brightens so


def make_noise(seed: int = 0, size: int = 384) -> np.ndarray:
    """Return noise (3, H, W) as a camera's: blurred, more so in chroma."""
    random = np.random.default_rng(seed)
    planes = []
    for sigma, width in zip(SIGMAS, WIDTHS, strict=True):
        plane = gaussian_filter(random.normal(size=(size, size)), width, mode="wrap")
        planes.append(sigma * plane / plane.std())
    return np.stack(planes)


def make_scene(size: int = 384) -> np.ndarray:
    """Return opponent colours (3, H, W): a slope, some edges, and a photograph in the middle."""
    scene = np.zeros((3, size, size))
    scene[0] = np.linspace(0.4, 1.4, size)
    scene[1, size // 2 :] = 0.2
    part = size // 4
    scene[0, part : 2 * part, part : 2 * part] += data.gravel()[:part, :part] / 255
    return scene


def as_tensor(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(picture).float()


def test_level_and_autocorrelation_in_luma_and_chroma():
    for seed in range(3):
        noise = make_noise(seed)
        found = estimate_camera_noise(as_tensor(make_scene() + noise))
        assert found is not None
        for channel, sigma, plane in zip(found, SIGMAS, noise, strict=True):
            assert channel.sigma == pytest.approx(sigma, rel=0.2)
            rows = np.array(channel.autocorrelation)
            middle = len(rows) // 2
            assert rows[middle, middle] == 1
            for lag in (1, 2, 4):
                truth = np.mean(plane * np.roll(plane, lag, 0)) / plane.var()
                assert rows[middle + lag, middle] == pytest.approx(truth, abs=0.15)
                assert rows[middle, middle - lag] == pytest.approx(truth, abs=0.15)


def test_the_draw_has_that_level_and_autocorrelation():
    f = as_tensor(make_scene() + make_noise())
    found = estimate_camera_noise(f)
    draw = draw_noise(f, found).numpy()
    for plane, channel in zip(draw, found, strict=True):
        assert plane.std() == pytest.approx(channel.sigma, rel=1e-3)
        middle = len(channel.autocorrelation) // 2
        drawn = np.mean(plane * np.roll(plane, 2, 1)) / plane.var()
        assert drawn == pytest.approx(channel.autocorrelation[middle][middle + 2], abs=0.1)


def test_quiet_places_that_are_dark_do_not_stand_for_the_whole_picture():
    """Half of the variance in the dark, three halves in the light: the flattest blocks are the dark ones."""
    for seed in range(3):
        found = estimate_camera_noise(as_tensor(make_scene() + make_noise(seed) * GROWTH))
        assert [channel.sigma for channel in found] == pytest.approx(SIGMAS, rel=0.15)


def test_is_free_of_means_and_scales_with_the_picture():
    f = as_tensor(make_scene() + make_noise()).double()
    one = estimate_camera_noise(f)
    other = estimate_camera_noise(3 * f + 7)
    for first, second in zip(one, other, strict=True):
        assert second.sigma == pytest.approx(3 * first.sigma, rel=1e-6)
        assert np.allclose(first.autocorrelation, second.autocorrelation, atol=1e-6)


def test_is_the_same_bit_by_bit_on_any_number_of_threads():
    f = as_tensor(make_scene() + make_noise())
    threads = torch.get_num_threads()
    found = set()
    for number in (1, 2):
        torch.set_num_threads(number)
        found.add(estimate_camera_noise(f))
    torch.set_num_threads(threads)
    assert len(found) == 1


@pytest.mark.parametrize(
    "picture",
    [
        make_scene() + 0.05 * np.random.default_rng(0).normal(size=(3, 384, 384)),  # white noise
        to_opponent(as_tensor(np.moveaxis(data.astronaut() / 255, -1, 0))).numpy(),  # none
        (make_scene() + make_noise())[:, :300, :300],  # too small
        data.grass()[None, :384, :384] / 255,  # texture that passes for noise
        data.gravel()[None, :384, :384] / 255,
        data.brick()[None, :384, :384] / 255,
        np.zeros((3, 384, 384)),
        np.zeros((3, 8, 3000)),  # narrower than a block
        np.kron(np.random.default_rng(0).random((3, 24, 24)), np.ones((16, 16))),  # flat but for edges
    ],
)
def test_other_pictures_are_left_to_their_patches(picture):
    assert estimate_camera_noise(as_tensor(np.ascontiguousarray(picture))) is None


def test_gray_pictures_in_colour_have_no_noise_in_chroma():
    f = as_tensor(make_scene() + make_noise())
    f[1:] = 0
    found = estimate_camera_noise(f)
    assert [channel.sigma for channel in found[1:]] == [0, 0]


def test_a_large_picture_is_read_from_a_part_of_its_blocks():
    f = as_tensor(np.tile(make_scene() + make_noise(), (1, 3, 3)))
    found = estimate_camera_noise(f)
    assert [channel.sigma for channel in found] == pytest.approx(SIGMAS, rel=0.15)


def test_lambda_is_near_the_best_for_the_noise_of_a_camera():
    """By the patches alone the error is 1.6 times that of the best lambda here."""
    photograph = data.astronaut()[:384, :384] / 255
    target = to_opponent(as_tensor(np.moveaxis(photograph, -1, 0))).numpy()
    f = target + make_noise()

    def error(weight: float, chroma: float) -> float:
        luma = denoise(f[:1].astype(np.float32), weight, tv="isotropic", channel_axis=0, range=(0, 1)).image
        rest = denoise(f[1:].astype(np.float32), weight * chroma, tv="isotropic", channel_axis=0, range=(0, 1)).image
        return float(np.square(np.concatenate([luma, rest]) - target).mean())

    mixed = np.moveaxis(f, 0, -1) @ to_opponent(torch.eye(3).view(3, 3, 1))[..., 0].numpy().astype(float)
    auto = denoise(mixed.astype(np.float32), tv="isotropic", color="opponent", range=(0, 1))
    assert auto.is_noise_correlated
    best = min(error(w, c) for w in np.geomspace(0.01, 0.1, 8) for c in (1.0, 2.0, 4.0))
    assert float(np.square(auto.image - photograph).mean()) <= 1.15 * best
    assert not math.isnan(auto.weight)
