import math

import numpy as np
import pytest
import torch
from problems import KINDS, picture

from tvdenoise import TotalVariation, denoise
from tvdenoise.arrays import colour
from tvdenoise.errors import ArrayError, SettingError
from tvdenoise.options.methods import METHODS

MODELS = ["rgb", "opponent", "coupled"]


@pytest.fixture
def rgb() -> torch.Tensor:
    """Colours whose edges lie in different places, with noise."""
    f = picture(3, 12, 10)
    f[1] = f[1].flip(0) * 0.8
    f[2, 4:] += 0.3
    return f


def test_the_transform_to_opponent_colours_is_orthonormal(rgb):
    opponent = colour.to_opponent(rgb)
    assert torch.allclose(colour.from_opponent(opponent), rgb, atol=1e-15)
    matrix = colour.to_opponent(torch.eye(3, dtype=torch.float64))
    assert torch.allclose(matrix @ matrix.T, torch.eye(3, dtype=torch.float64), atol=1e-15)
    red, green, blue = rgb
    luma, red_blue, green_magenta = opponent
    assert torch.allclose(luma, (red + green + blue) / math.sqrt(3))
    assert torch.allclose(red_blue, (red - blue) / math.sqrt(2))
    assert torch.allclose(green_magenta, (red - 2 * green + blue) / math.sqrt(6))


def test_energy_is_that_of_the_model(rgb, tv):
    """As the help writes it, on the very picture that is returned."""

    def variation(u):
        return float(TotalVariation(tv=tv)(u))

    def coupled(u):
        return float(TotalVariation(tv=tv, coupled=True)(u))

    def opponent(u):
        luma, *chromas = colour.to_opponent(u)
        return variation(luma[None]) + 1.5 * sum(variation(chroma[None]) for chroma in chromas)

    for model, model_variation in {"rgb": variation, "opponent": opponent, "coupled": coupled}.items():
        result = denoise(rgb, 0.1, tv=tv, color=model)
        energy = 0.5 * float((result.image - rgb).square().sum()) + 0.1 * model_variation(result.image)
        assert result.energy == pytest.approx(energy, rel=1e-9)
        assert result.color == model
        for other in MODELS:  # no other model's answer has less energy than the gap allows
            u = denoise(rgb, 0.1, tv=tv, color=other).image
            assert (
                0.5 * float((u - rgb).square().sum()) + 0.1 * model_variation(u) >= result.energy - result.gap - 1e-12
            )


def test_two_pixels_coupled_move_along_their_difference(tv):
    """By lambda, while that is at most half the distance: the closed form of one pair, in three colours."""
    f = torch.tensor([[[0.0, 0.6]], [[0.5, 0.2]], [[0.1, 0.1]]], dtype=torch.float64)
    step = f[..., 1] - f[..., 0]
    moved = 0.1 * step / step.norm()
    expected = torch.stack([f[..., 0] + moved, f[..., 1] - moved], dim=-1)
    assert torch.allclose(denoise(f, 0.1, tv=tv, color="coupled", tol=1e-7).image, expected, atol=1e-6)


@pytest.mark.parametrize("chroma", [None, 0, 0.5, 2])
def test_two_pixels_in_opponent_colours(tv, chroma):
    """Luma moves by lambda, the chroma that differs by a multiple of it, the other not at all."""
    opponent = torch.tensor([[[0.5, 1.0]], [[0.0, 0.6]], [[0.1, 0.1]]], dtype=torch.float64)
    ratio = 1.5 if chroma is None else chroma
    moved = 0.1 * torch.tensor([[[1, -1]], [[ratio, -ratio]], [[0, 0]]], dtype=torch.float64)
    f = colour.from_opponent(opponent)
    result = denoise(f, 0.1, tv=tv, color="opponent", chroma=chroma, tol=1e-7)
    assert torch.allclose(colour.to_opponent(result.image), opponent + moved, atol=1e-6)
    assert (result.status, result.chroma) == ("tolerance", ratio)


def test_chroma_is_for_opponent_colours_alone(rgb):
    for color in ("rgb", "coupled"):
        with pytest.raises(SettingError, match="chroma: only opponent colours have luma and chroma; leave it out"):
            denoise(rgb, 0.1, color=color, chroma=2)
    for chroma in (-1, math.nan, "2"):
        with pytest.raises(SettingError, match=r"chroma: .* is not a number from 0 to 100; 1 to 2"):
            denoise(rgb, 0.1, color="opponent", chroma=chroma)
    assert denoise(rgb, 0.1, color="auto", chroma=2).chroma == 2
    assert denoise(rgb[0], 0.1, color="auto", chroma=2).chroma is None


def test_gray_pictures_in_three_channels_are_the_gray_problem(tv):
    """Equal channels g make 3/2 |v - g|^2 + sqrt(3) lambda TV(v) of both models: lambda over sqrt(3) for one."""
    gray = picture(1, 14, 9)
    alone = denoise(gray, 0.2 / math.sqrt(3), tv=tv, tol=1e-5)
    for model in ("opponent", "coupled"):
        three = denoise(gray.repeat(3, 1, 1), 0.2, tv=tv, color=model, tol=1e-5)
        distance = float((three.image - alone.image).square().mean().sqrt())
        assert distance <= three.rms_bound + alone.rms_bound


def test_coupled_colours_have_no_preferred_axes(rgb, tv):
    turn = torch.linalg.qr(picture(3, 3, seed=5)).Q
    turned = torch.einsum("ij,jhw->ihw", turn, rgb)
    a, b = (denoise(f, 0.1, tv=tv, color="coupled", tol=1e-5, range=(0, 1)) for f in (rgb, turned))
    distance = float((torch.einsum("ij,jhw->ihw", turn, a.image) - b.image).square().mean().sqrt())
    assert distance <= a.rms_bound + b.rms_bound


@pytest.mark.parametrize(
    ("color", "tv", "name"),
    [
        (color, tv, name)
        for color in ("opponent", "coupled")
        for tv in KINDS
        for name in ("alternating", "fista", "adam", "rprop")
        if name != "alternating" or (color, tv) == ("opponent", "anisotropic")
    ],
)
def test_methods_agree_within_their_certificates(rgb, name, color, tv):
    """Those on the dual, one on the primal, and one on the primal with rounded kinks: others see the same gradients."""
    best = denoise(rgb, 0.1, tv=tv, color=color, tol=1e-5)
    result = denoise(rgb, 0.1, tv=tv, color=color, optimizer=name, max_steps=METHODS[name].max_steps // 4)
    distance = float((result.image - best.image).square().mean().sqrt())
    assert distance <= result.rms_bound + best.rms_bound
    assert result.rms_bound <= 0.05


def test_one_channel_has_no_colours():
    gray = np.random.default_rng(0).random((9, 8))
    answers = [denoise(gray, 0.1, color=color) for color in (*MODELS, "auto")]
    assert {answer.color for answer in answers} == {"rgb"}
    assert all(np.array_equal(answer.image, answers[0].image) for answer in answers)


def test_volumes_have_colours_too(tv):
    volume = picture(3, 4, 6, 5)
    for model in ("rgb", "coupled"):
        result = denoise(volume, 0.1, tv=tv, color=model, volume=True)
        variation = TotalVariation(tv=tv, axes=3, coupled=model == "coupled")(result.image)
        energy = 0.5 * float((result.image - volume).square().sum()) + 0.1 * float(variation)
        assert result.status == "tolerance"
        assert result.energy == pytest.approx(energy, rel=1e-9)
    assert denoise(volume, 0.1, tv=tv, color="opponent", volume=True).status == "tolerance"


@pytest.mark.parametrize("channels", [2, 4])
def test_opponent_colours_are_of_red_green_and_blue(channels):
    f = np.zeros((5, 5, channels))
    with pytest.raises(ArrayError, match=f"it has {channels} channels, not red, green and blue; use coupled or rgb"):
        denoise(f, 0.1, color="opponent")
    assert denoise(f, 0.1, color="auto").color == "rgb"
    assert denoise(f[..., [0, 0, 0]], 0.1, color="auto").color == "opponent"


def test_what_rounding_adds_is_certified_where_lambda_is_chosen():
    """Of so little noise that float64 is needed once that is known: opponent colours are made in it too."""
    random = np.random.default_rng(0)
    noisy = (np.linspace(0, 1, 64)[:, None, None] + random.normal(0, 3e-7, (64, 64, 3))).astype(np.float32)
    result = denoise(noisy, tv="anisotropic", color="opponent")
    model = {"color": "opponent", "chroma": result.chroma, "tol": 1e-10}
    exact = denoise(noisy.astype(np.float64), result.weight, **model)
    distance = np.sqrt(np.mean((exact.image - result.image) ** 2))
    assert distance <= result.rms_bound + exact.rms_bound


def test_strength_is_that_of_luma_and_chroma(rgb):
    noisy = np.asarray(rgb.movedim(0, -1)).repeat(6, 0).repeat(6, 1)
    noisy = noisy + np.random.default_rng(0).normal(0, 0.1, noisy.shape)
    chosen, less = (denoise(noisy, color="opponent", strength=strength) for strength in (1.0, 0.5))
    assert less.weight == pytest.approx(chosen.weight / 2)
    assert less.chroma == pytest.approx(chosen.chroma)
