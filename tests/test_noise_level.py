from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torch import Tensor
from torch.nn import functional

from tvdenoise.auto.noise_level import ChannelNoise, estimate_noise
from tvdenoise.auto.patches import SIDE, sum_products

CAMERA = torch.from_numpy(data.camera()).float()[None] / 255


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def level(f: Tensor) -> ChannelNoise:
    (channel,) = estimate_noise(f)
    return channel


@pytest.mark.parametrize("sigma", [5 / 255, 10 / 255, 25 / 255, 0.2, 1.0])
def test_reads_white_noise_on_a_textured_photograph(sigma):
    for seed in range(3):
        noise = level(CAMERA + sigma * normal(*CAMERA.shape, seed=seed))
        assert noise.sigma == pytest.approx(sigma, rel=0.1)
        assert not noise.is_correlated
        assert noise.slope == 0


def test_is_mean_free_and_scales_with_the_picture():
    f = (CAMERA + 0.1 * normal(*CAMERA.shape)).double()
    assert level(3 * f + 7).sigma == pytest.approx(3 * level(f).sigma, rel=1e-6)


@pytest.mark.parametrize("gain", [0.0, 0.02])
def test_is_the_same_bit_by_bit_on_any_number_of_threads(gain):
    f = CAMERA + (0.01 + gain * CAMERA).sqrt() * normal(*CAMERA.shape)
    threads, levels = torch.get_num_threads(), set()
    for number in (1, 2, 3):
        torch.set_num_threads(number)
        levels.add(level(f))
    torch.set_num_threads(threads)
    assert len(levels) == 1
    assert (levels.pop().slope > 0) == (gain > 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("number", "scale"), [(3000, 1e-30), (3000, 3e5), (75, 1.0), (1, 1.0), (200_000, 1.0)])
def test_sums_over_patches_are_the_same_in_any_order(number, scale, dtype):
    patches = (scale * normal(number, SIDE * SIDE)).to(dtype)
    sums = sum_products(patches)
    assert torch.equal(sums, sum_products(patches.flip(0)))
    wide = patches.double()
    assert (sums[1:, 1:] - wide.mT @ wide).abs().max() <= 2.0**-14 * number * wide.abs().max() ** 2
    assert sums[0, 0] == number


def test_values_at_the_end_of_their_type():
    for dtype, scale in ((torch.float32, 1e-42), (torch.float64, 1e-300)):
        assert level(scale * normal(1, 60, 60).to(dtype)).sigma == pytest.approx(scale, rel=0.1)


@pytest.mark.parametrize("peak", [1e2, 1e5, 1e7])
def test_noise_beside_what_is_bright_beyond_all_else(peak):
    sky = normal(1, 256, 256)
    stars = torch.zeros_like(sky)
    stars[0, 30::60, 30::60] = peak
    stars = functional.conv2d(stars[None], torch.ones(1, 1, 3, 3) / 9, padding=1)[0]
    assert level(sky + stars).sigma == pytest.approx(1, rel=0.05)


def test_each_channel_has_its_own():
    sigmas = (0.02, 0.05, 0.2)
    f = torch.cat([CAMERA + sigma * normal(*CAMERA.shape, seed=i) for i, sigma in enumerate(sigmas)])
    assert [channel.sigma for channel in estimate_noise(f)] == pytest.approx(sigmas, rel=0.08)


def test_volumes():
    assert level(0.1 * normal(1, 6, 40, 50)).sigma == pytest.approx(0.1, rel=0.03)


def test_pictures_without_noise():
    steps = torch.kron(torch.tensor([[0.0, 1.0], [0.5, 0.2]]), torch.ones(30, 40))[None]
    ramp = torch.linspace(0, 1, 100).expand(1, 80, 100)
    for f in (torch.zeros(1, 30, 30), torch.full((1, 30, 30), 0.3), steps, ramp):
        assert level(f).sigma <= 1e-4
    assert level(CAMERA).sigma < 1 / 255


@pytest.mark.parametrize("values", [(0, 0, 0), (0, 1, 1), (0, 0.25, 1)], ids=["one", "two", "commonest between"])
def test_borders_and_masks_do_not_count(values):
    f = 0.3 + 0.4 * CAMERA + 0.05 * normal(*CAMERA.shape)
    f[:, :60] = values[0]
    f[:, -110:] = values[1]
    f[:, :, -60:] = values[2]
    assert level(f).sigma == pytest.approx(0.05, rel=0.05)


@pytest.mark.parametrize("sigma", [0.1, 0.2])
@pytest.mark.parametrize(
    "clean",
    [
        (torch.arange(100) > 50).float().expand(1, 100, 100),
        torch.from_numpy(data.coins()).float()[None] / 255,
        CAMERA,
        0.3 * CAMERA,
    ],
    ids=["halves", "coins", "camera", "dark camera"],
)
def test_noise_that_is_cut_off_is_read_as_strong_as_black_and_white_leave_it(clean, sigma):
    """A half-normal distribution, as where black is below half of the noise, has 0.6 of the deviation."""
    for seed in range(3):
        cut = (clean + sigma * normal(*clean.shape, seed=seed)).clamp(0, 1)
        draws = [(clean + sigma * normal(*clean.shape, seed=other)).clamp(0, 1) for other in range(100, 120)]
        assert level(cut).sigma == pytest.approx(float(torch.stack(draws).var(0).mean().sqrt()), rel=0.05)


def test_noise_in_the_middle_is_not_cut_off():
    drawing = torch.tensor([[0, 1, 0], [1, 0.5, 1], [0, 1, 0]]).repeat_interleave(60, 0).repeat_interleave(60, 1)[None]
    cut = (drawing + 0.1 * normal(*drawing.shape)).clamp(0, 1)
    read = level(cut).map_variance(cut)
    for value, share in ((0.5, 1), (0, 0.34), (1, 0.34)):  # 1/2 - 1/(2 pi) is left of a half-normal distribution
        assert float(read[drawing == value].mean()) == pytest.approx(share * 0.1**2, rel=0.3)


def test_low_counts_grow_with_the_signal():
    counts = torch.poisson(3 * CAMERA, generator=torch.Generator().manual_seed(0)) / 3
    noise = level(counts)
    assert noise.slope == pytest.approx(1 / 3, rel=0.1)
    assert noise.sigma == pytest.approx(float((counts - CAMERA).std()), rel=0.03)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 2), (1, 3, 3), (1, 5, 5), (1, 1, 300), (1, 7, 4)])
def test_small_pictures(shape):
    noise = level(0.1 * normal(*shape))
    assert 0 <= noise.sigma < 0.3
    assert not noise.is_correlated


def test_correlated_noise_is_recognised():
    white = 0.1 * normal(1, 200, 200)
    blurred = functional.avg_pool2d(white, 3, 1, 1)
    assert level(CAMERA[:, :200, :200].mean() + blurred).is_correlated
    assert not level(CAMERA[:, :200, :200].mean() + white).is_correlated


def filtered(kernel: list[list[float]]) -> Tensor:
    """White noise of standard deviation 0.1 that a kernel has been over."""
    weights = torch.tensor(kernel, dtype=torch.float32)
    size = (CAMERA.shape[1] + weights.shape[0] - 1, CAMERA.shape[2] + weights.shape[1] - 1)
    return 0.1 * functional.conv2d(normal(1, 1, *size), weights[None, None])[0] / weights.norm()


@pytest.mark.parametrize(
    ("kernel", "across", "down"),
    [
        ([[1.0, 1.0]], 0.5, 0.0),
        ([[1.0, 1.0], [1.0, 1.0]], 0.5, 0.5),
        ([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]], 2 / 3, 2 / 3),
        ([[1.0, 6.0, 1.0]], 12 / 38, 0.0),
        ([[0.0, 1.0], [1.0, 0.0]], 0.0, 0.0),
        (torch.outer(g := torch.exp(-(torch.arange(-4.0, 5) ** 2) / 2.88), g).tolist(), 0.84, 0.84),
    ],
)
def test_noise_that_neighbours_share(kernel, across, down):
    """The autocorrelation of filtered white noise is that of the filter."""
    noise = level(CAMERA + filtered(kernel))
    assert noise.sigma == pytest.approx(0.1, rel=0.1)
    correlation = np.array(noise.autocorrelation)
    middle = len(correlation) // 2
    assert np.array_equal(correlation, correlation[::-1, ::-1])
    assert correlation[middle, middle] == 1
    assert correlation[middle, middle + 1] == pytest.approx(across, abs=0.1)
    assert correlation[middle + 1, middle] == pytest.approx(down, abs=0.1)
    if kernel == [[0.0, 1.0], [1.0, 0.0]]:  # one diagonal, not the other
        assert correlation[middle + 1, middle - 1] == pytest.approx(0.5, abs=0.1)
        assert correlation[middle + 1, middle + 1] == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("kernel", [[[1.0, 1.0], [1.0, 1.0]], [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]])
def test_nothing_is_taken_off_where_noise_is_far_from_white(kernel):
    noise = 0.5 + filtered(kernel)
    assert level(noise).sigma == pytest.approx(float(noise.std()), rel=0.03)


def test_the_whole_autocorrelation_on_a_flat_picture():
    kernel = np.array([[1.0, 2.0], [0.0, 1.0]])
    shifted = {(i, j): np.pad(kernel, ((1 + i, 1 - i), (1 + j, 1 - j))) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    expected = [[float((shifted[0, 0] * shifted[i, j]).sum()) / 6 for j in (-1, 0, 1)] for i in (-1, 0, 1)]
    correlation = np.array(level(0.5 + filtered(kernel.tolist())).autocorrelation)
    middle = len(correlation) // 2
    inner = np.s_[middle - 1 : middle + 2, middle - 1 : middle + 2]
    assert correlation[inner] == pytest.approx(np.array(expected), abs=0.03)
    correlation[inner] = 0
    assert np.abs(correlation).max() < 0.06


@pytest.mark.parametrize("kernel", ["LANCZOS", "BICUBIC", "BILINEAR"])
@pytest.mark.parametrize("side", [171, 256, 384])
def test_noise_in_a_picture_that_was_made_smaller(kernel, side):
    """What little seems flat at first says that the noise is white and weak, texture that it is strong."""
    clean, noisy = (
        np.array(Image.fromarray(plane.numpy()).resize((side, side), Image.Resampling[kernel]))
        for plane in (CAMERA[0], CAMERA[0] + 0.08 * normal(512, 512))
    )
    noise = level(torch.from_numpy(noisy)[None])
    assert noise.is_correlated
    assert noise.sigma == pytest.approx(float(np.std(noisy - clean)), rel=0.05)


@pytest.mark.parametrize("name", ["grass", "gravel", "brick", "moon"])
def test_texture_that_is_everywhere_is_not_taken_for_shared_noise(name):
    clean = torch.from_numpy(getattr(data, name)()).float()[None] / 255
    assert level(clean).sigma < 0.15 * float(clean.std())
    assert level(clean + 10 / 255 * normal(*clean.shape)).sigma == pytest.approx(10 / 255, rel=0.2)


@pytest.mark.parametrize("sigma", [0, 1, 5, 15])
@pytest.mark.parametrize("modules", [(64, 4), (128, 2)])
@pytest.mark.parametrize("values", [2, 3, 256])
def test_patterns_of_large_pixels_are_not_taken_for_shared_noise(values, modules, sigma):
    """Bar codes, say: seen at large enough steps they are as random as noise."""
    number, side = modules
    random = np.random.default_rng(values)
    cells = torch.from_numpy(random.integers(0, values, (number, number)) / (values - 1)).float()
    clean = 0.1 + 0.8 * cells.repeat_interleave(side, 0).repeat_interleave(side, 1)[None]
    assert level(clean + sigma / 255 * normal(*clean.shape)).sigma < 2 * sigma / 255 + 0.25 * float(clean.std())


def test_texture_that_adds_a_little_is_not_taken_for_shared_noise():
    coins = torch.from_numpy(data.coins()).float()[None] / 255
    noise = level(coins + 3 / 255 * normal(*coins.shape))
    assert noise.sigma == pytest.approx(3 / 255, rel=0.1)
    assert not noise.is_correlated


@pytest.mark.parametrize("sigma", [3, 5])
def test_lawn_is_hardly_like_shared_noise(sigma):
    lawn = CAMERA[:, 256:, 256:]
    noise = level(lawn + sigma / 255 * normal(*lawn.shape))
    assert noise.sigma == pytest.approx(sigma / 255, rel=0.2)
    assert not noise.is_correlated


def test_hot_pixels_do_not_hide_that_neighbours_share_noise():
    noisy = CAMERA + filtered([[1.0, 1.0]])
    noisy.view(-1)[torch.randperm(noisy.numel(), generator=torch.Generator().manual_seed(0))[:200]] = 1.5
    correlation = np.array(level(noisy).autocorrelation)
    middle = len(correlation) // 2
    assert correlation[middle, middle + 1] == pytest.approx(0.5, abs=0.1)


def test_stripes_and_single_pixels_are_no_noise():
    stripes = (torch.arange(100) % 2).float().expand(1, 80, 100)
    spot = torch.full((1, 80, 80), 0.5)
    spot[0, 40, 40] = 1
    for f in (stripes, spot):
        assert level(f).sigma == 0


@pytest.mark.parametrize("side", [200, 300, 400, 512])
def test_noise_in_demosaicked_pictures(side):
    """A camera measures one colour a pixel; of what lies between a line of zeros would be read where patches align."""
    truth, noisy = CAMERA[0, :side, :side], (CAMERA + 0.1 * normal(*CAMERA.shape))[0, :side, :side]
    kernel = torch.tensor([[0.25, 0.5, 0.25], [0.5, 1.0, 0.5], [0.25, 0.5, 0.25]]).view(1, 1, 3, 3)

    def demosaicked(plane: Tensor) -> Tensor:
        kept = torch.zeros_like(plane)
        kept[1::2, ::2] = plane[1::2, ::2]
        return functional.conv2d(kept[None, None], kernel, padding=1)[0]

    noise = level(demosaicked(noisy))
    assert noise.is_correlated
    assert noise.sigma == pytest.approx(float((demosaicked(noisy) - demosaicked(truth)).std()), rel=0.1)


@pytest.mark.parametrize("quality", [90, 75, 60, 50])
def test_noise_in_a_jpeg(quality):
    noisy = (255 * (CAMERA[0] + 0.1 * normal(512, 512))).round().clamp(0, 255).byte()
    content = BytesIO()
    Image.fromarray(noisy.numpy()).save(content, "JPEG", quality=quality)
    f = torch.from_numpy(np.asarray(Image.open(content)) / np.float32(255))[None]
    assert level(f).sigma == pytest.approx(float((f - CAMERA).std()), rel=0.1)


def of_variance(clean: Tensor, variance: Tensor, seed: int = 0) -> Tensor:
    return clean + variance.sqrt() * normal(*clean.shape, seed=seed)


CURVES = {
    "counts": lambda x: 0.02 * x + 1e-4,
    "counts and reading": lambda x: 0.005 * x + 0.001,
    "brightened": lambda x: 0.012 - 0.008 * x,
    "brightened much": lambda x: 0.02 - 0.012 * x,
    "both": lambda x: 0.002 + 0.03 * x * (1 - x),
}


@pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES)
def test_noise_that_changes_with_the_signal(curve):
    """Where photons are counted, where a photograph's shadows are brightened, and neither way."""
    variance = curve(CAMERA)
    noise = level(of_variance(CAMERA, variance))
    ends = variance[CAMERA > 0.75].mean() / variance[CAMERA < 0.1].mean()
    assert (noise.slope > 0, noise.slope < 0) == (ends > 1.5, ends < 1 / 1.5)
    assert noise.sigma == pytest.approx(float(variance.mean().sqrt()), rel=0.1)
    read = noise.map_variance(of_variance(CAMERA, variance, seed=1))
    for where in (CAMERA < 0.1, (CAMERA > 0.3) & (CAMERA < 0.5), CAMERA > 0.6):
        assert float(read[where].mean()) == pytest.approx(float(variance[where].mean()), rel=0.4)


def test_what_little_is_brighter_than_all_else_has_more_noise():
    """As cells on a dark ground, seen by 50 photons."""
    cells = torch.linspace(0.02, 0.2, 256).repeat(1, 256, 1)
    cells[:, 100:130, 100:130] = 0.8
    counts = torch.poisson(50 * cells, generator=torch.Generator().manual_seed(0)) / 50
    read = level(counts).map_variance(counts)
    assert float(read[cells == 0.8].mean()) == pytest.approx(0.8 / 50, rel=0.3)


def test_the_curve_is_that_of_the_noise():
    smooth = torch.linspace(0.1, 0.9, 512).expand(1, 512, 512)
    for curve in CURVES.values():
        for brightness, variance in level(of_variance(smooth, curve(smooth))).curve:
            assert variance == pytest.approx(curve(brightness), rel=0.1)


def test_between_brightnesses_the_variance_lies_on_lines_and_beyond_them_it_is_that_of_the_end():
    curve = ((0.1, 0.04), (0.3, 0.01), (0.4, 0.02))
    noise = ChannelNoise(0.2, curve)
    for brightness in (0.0, 0.1, 0.15, 0.3, 0.37, 0.4, 1.0):
        read = noise.map_variance(torch.full((1, 8, 9), brightness, dtype=torch.float64))
        assert read.numpy() == pytest.approx(np.interp(brightness, *zip(*curve, strict=True)))
    assert float(noise.map_variance(1e6 * CAMERA).min()) >= 0.01


def test_stabilized_noise_has_variance_1():
    smooth = torch.linspace(0.1, 0.9, 512).expand(1, 512, 512)
    curve = tuple((x, 0.002 + 0.03 * x * (1 - x)) for x in np.linspace(0.1, 0.9, 8).tolist())
    stable = ChannelNoise(0.1, curve).stabilize(
        torch.stack([smooth, of_variance(smooth, 0.002 + 0.03 * smooth * (1 - smooth))])
    )
    noise = stable[1] - stable[0]
    for part in noise.chunk(4, -1):
        assert float(part.std()) == pytest.approx(1, rel=0.1)
    assert torch.isfinite(ChannelNoise(1.0, ((0.0, 1.0), (0.7, 1e-12), (1.0, 1e-12))).stabilize(CAMERA)).all()


def blurred_noise(clean: Tensor, variance: Tensor) -> Tensor:
    """Noise that a demosaicker, say, has been over."""
    kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 6  # of norm 1
    return clean + variance.sqrt() * functional.conv2d(normal(1, *clean.shape), kernel[None, None], padding=1)[0]


def test_shared_noise_that_falls_with_the_signal():
    smooth = torch.linspace(0.1, 0.9, 512).expand(1, 512, 512)
    variance = 0.012 - 0.01 * smooth
    noise = level(blurred_noise(smooth, variance))
    assert noise.is_correlated
    assert noise.slope == pytest.approx(-0.01, rel=0.25)
    assert noise.sigma == pytest.approx(float(variance.mean().sqrt()), rel=0.1)


def test_shared_noise_that_grows_counts_as_constant():
    """Pixels further apart could not tell it from texture, which is brighter as a rule."""
    smooth = torch.linspace(0.1, 0.9, 512).expand(1, 512, 512)
    noise = level(blurred_noise(smooth, 0.002 + 0.01 * smooth))
    assert noise.is_correlated
    assert noise.slope == 0


@pytest.mark.parametrize("name", ["camera", "coins"])
def test_texture_is_not_taken_for_noise_that_changes(name):
    """Bright grass under a dark coat, coins on a dark ground, and their negatives."""
    picture = torch.from_numpy(getattr(data, name)() / np.float32(255))[None]
    for clean in (picture, 1 - picture):
        for sigma in (5, 10, 20):
            assert level(clean + sigma / 255 * normal(*clean.shape)).slope == 0


def test_a_flat_picture_tells_of_no_change():
    """Nor does the line that is looked for warn that there is none."""
    for f in (normal(1, 128, 128) * 1e-9 + 0.5, 1e-7 * normal(1, 128, 128)):
        assert level(f.double()).slope == 0


def test_texture_in_the_dark_does_not_hide_noise_that_grows():
    """A dark, textured background behind bright, smooth clothes, seen by 300 photons a pixel."""
    astronaut = torch.from_numpy(data.astronaut()).permute(2, 0, 1) / 255
    photons = torch.poisson(300 * astronaut, generator=torch.Generator().manual_seed(0)) / 300
    for channel, plane in zip(estimate_noise(photons), astronaut, strict=True):
        assert channel.slope == pytest.approx(1 / 300, rel=0.2)
        assert channel.sigma == pytest.approx(float(plane.mean() / 300) ** 0.5, rel=0.15)


def test_does_not_change_the_picture():
    f = CAMERA + 0.1 * normal(*CAMERA.shape)
    copy = f.clone()
    estimate_noise(f)
    assert np.array_equal(f, copy)
