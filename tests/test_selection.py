"""Lambda from the picture, against what only a test knows: the clean picture."""

import dataclasses
import math
from statistics import fmean, stdev

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor
from torch.nn import functional

from tvdenoise import denoise
from tvdenoise.arrays.colour import from_opponent, to_opponent
from tvdenoise.auto.noise_level import ChannelNoise
from tvdenoise.auto.probe import BLOCKS, draw_noise, draw_probe, sample
from tvdenoise.auto.selection import EPSILON, FACTOR, Curve, minimize, select_luma_and_chroma, select_weight
from tvdenoise.model import operators
from tvdenoise.model.problem import Problem
from tvdenoise.options.methods import METHODS
from tvdenoise.solvers.loop import solve

SIGMA = 0.1


def clean(side: int = 64, channels: int = 1) -> Tensor:
    """Discs and a ramp."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    disc = ((x - side / 3) ** 2 + (y - side / 2) ** 2 < side**2 / 16).float()
    bar = ((x > 0.7 * side) & (y > 0.2 * side)).float()
    ramp = x / side
    return torch.stack([0.2 + 0.3 * ramp + 0.4 * disc + 0.2 * (k - 1) * bar for k in range(channels)])


def normal(like: Tensor, seed: int) -> Tensor:
    return SIGMA * torch.randn(like.shape, generator=torch.Generator().manual_seed(seed))


def signs(like: Tensor, seed: int) -> Tensor:
    """A draw such as ``denoise`` gives."""
    coins = torch.randint(0, 2, like.shape, generator=torch.Generator().manual_seed(seed))
    return SIGMA * (2.0 * coins - 1)


def exact(problem: Problem, weight: float) -> Tensor:
    problem = dataclasses.replace(problem, f=problem.f.double(), weight=weight)
    return solve(problem, METHODS["fista"], tol=2e-4).u


def problem_of(f: Tensor, tv: str, coupled: bool = False) -> Problem:
    return Problem(f, 0.0, tv, coupled=coupled)


def test_risk_is_that_of_its_slow_twin(tv):
    """Every picture of the formula solved from the start and to the end."""
    f = clean() + normal(clean(), 1)
    draw = signs(f, 2)
    problem = problem_of(f, tv)
    for weight, risk in select_weight(problem, draw).curve:
        above, below = (
            exact(dataclasses.replace(problem, f=f.double() + sign * EPSILON * draw), weight) for sign in (1, -1)
        )
        residual = float(((above + below) / 2 - f).square().mean())
        trace = float(((above - below) * draw).mean()) / (2 * EPSILON)
        twin = residual + 2 * trace - float(draw.square().mean())
        assert risk == pytest.approx(twin, abs=0.01 * SIGMA**2)


def test_risk_estimates_the_true_error_without_bias(tv):
    """At every lambda of the walk; in the mean over noises and draws no further off than chance allows."""
    target = clean(40)
    errors, true = [], []
    for seed in range(24):
        f = target + normal(target, seed)
        curve = select_weight(problem_of(f, tv), signs(f, 100 + seed)).curve
        mse = [float((exact(problem_of(f, tv), weight) - target).square().mean()) for weight, _ in curve]
        errors.append(fmean(risk for _, risk in curve) - fmean(mse))
        true.append(fmean(mse))
    assert abs(fmean(errors)) <= 3 * stdev(errors) / math.sqrt(len(errors))
    assert stdev(errors) <= fmean(true)


@pytest.mark.parametrize(("channels", "coupled"), [(1, False), (3, False), (3, True)])
def test_choice_is_nearly_the_best_there_is(tv, channels, coupled):
    target = clean(64, channels)
    f = target + normal(target, 3)
    problem = problem_of(f, tv, coupled)
    choice = select_weight(problem, signs(f, 4))

    def psnr(weight: float) -> float:
        return -10 * math.log10(float((exact(problem, weight) - target).square().mean()))

    best = max(psnr(weight) for weight in np.geomspace(0.03, 0.4, 16))
    assert psnr(choice.weight) >= best - 0.15


@pytest.mark.parametrize("scale", [2.0**-20, 2.0**20])
def test_lambda_is_chosen_alike_on_every_scale(tv, scale):
    f = clean() + normal(clean(), 3)
    one, other = (select_weight(problem_of(k * f, tv), k * signs(f, 4)) for k in (1.0, scale))
    assert other.weight == pytest.approx(scale * one.weight, rel=1e-6)
    assert len(other.curve) == len(one.curve)


def test_its_field_is_feasible_and_near_the_answer(tv):
    f = clean() + normal(clean(), 5)
    choice = select_weight(problem_of(f, tv), signs(f, 6))
    problem = dataclasses.replace(problem_of(f, tv), weight=choice.weight)
    steps = [solve(problem, METHODS["fista"], tol=1e-3, start=start).steps for start in (None, choice.field)]
    assert steps[1] < steps[0]
    assert choice.field.shape == operators.new_field(f).shape


def test_a_part_of_a_large_picture_is_enough(tv):
    target = clean(160)
    f, draw = target + normal(target, 7), signs(target, 8)
    whole = select_weight(problem_of(f, tv), draw)
    part = select_weight(problem_of(f, tv), draw, most_pixels=160 * 80)
    assert part.field is None
    assert part.weight == pytest.approx(whole.weight, rel=0.25)


@pytest.mark.parametrize("shape", [(3, 300, 310), (1, 5, 100, 90), (1, 40, 2000), (1, 1, 9000)])
def test_the_part_is_as_large_as_it_may_be_and_from_everywhere(shape):
    for axis, length in enumerate(shape[1:], 1):
        place = torch.arange(length).view(-1, *(1,) * (len(shape) - 1 - axis)).expand(shape)
        part = sample(place, len(shape) - 1, most_pixels=8000)
        assert part.shape[:2] == (shape[0], BLOCKS)
        assert 0.8 * 8000 <= part[0].numel() <= 1.1 * 8000
        assert (part.min(), part.max()) == (0, length - 1)


@pytest.mark.parametrize("color", ["rgb", "opponent", "coupled"])
@pytest.mark.parametrize("axes", [2, 3])
def test_parts_of_colours_and_volumes(color, axes, tv):
    """What is chosen by a part of them removes the noise of the whole."""
    target = clean(96, 3)
    if axes == 3:
        target = target[:, None].repeat(1, 3, 1, 1)
    f = target + normal(target, 15)
    if color == "opponent":
        problem = Problem(to_opponent(f), 0.0, tv, axes, ratios=(1.0, 1.5, 1.5))
        select = select_luma_and_chroma
    else:
        problem = Problem(f, 0.0, tv, axes, coupled=color == "coupled")
        select = select_weight
    _, draw = draw_probe(f, problem, None, most_pixels=4000)
    assert draw[0].numel() <= 4400
    choice = select(problem, draw, most_pixels=4000)
    assert choice.field is None
    chroma = choice.ratios[1] if choice.ratios else None
    result = denoise(f, choice.weight, tv=tv, color=color, chroma=chroma, volume=axes == 3)
    assert float((result.image - target).square().mean()) < 0.35 * SIGMA**2


class TestLumaAndChroma:
    """Each has a lambda of its own."""

    def test_no_other_pair_is_much_better(self, tv):
        target = clean(96, 3)
        shares = torch.tensor([1.0, 0.3, 0.3]).view(3, 1, 1)
        f = target + from_opponent(shares * normal(target, 21))

        def errors(weight, chroma):
            u = denoise(f, weight, tv=tv, color="opponent", chroma=chroma).image
            return to_opponent(u - target).square().mean((1, 2))

        chosen = denoise(f, tv=tv, color="opponent")
        grid = [(chosen.weight * k, chosen.chroma * m / k) for k in (0.7, 1, 1.4) for m in (0.5, 0.7, 1, 1.4, 2)]
        own = errors(chosen.weight, chosen.chroma)
        assert own.sum() <= 1.1 * min(errors(*pair).sum() for pair in grid)
        assert errors(chosen.weight, 1.5)[1:].sum() > 1.3 * own[1:].sum()

    def test_what_has_no_noise_stays(self, tv):
        """Noise that all channels share, as of a film: clean chroma keeps its contrast."""
        target = clean(96, 3)
        f = target + normal(target[:1], 22)
        result = denoise(f, tv=tv, color="opponent")
        assert result.chroma < 0.1
        gray = target[:1].expand(3, -1, -1) + normal(target[:1], 22)
        assert denoise(gray, tv=tv, color="opponent").chroma == 0
        assert float((result.image - target).square().mean()) < float(
            (denoise(f, tv=tv, color="opponent", chroma=1.5).image - target).square().mean()
        )

    def test_luma_without_noise_is_hardly_changed(self, tv):
        target = clean(48, 3)
        luma, *chromas = to_opponent(target)
        f = from_opponent(torch.stack([luma, *(chroma + normal(luma, 23) for chroma in chromas)]))
        result = denoise(f, tv=tv, color="opponent")
        assert result.status == "tolerance"
        assert result.weight * result.chroma > 0.01
        change = to_opponent(result.image)[0] - luma
        assert float(change.square().mean().sqrt()) <= 0.003
        assert denoise(target, tv=tv, color="opponent", sigma=0).weight == 0

    def test_a_multiple_that_is_given_is_kept(self, tv):
        f = clean(48, 3) + normal(clean(48, 3), 24)
        chosen, given = (denoise(f, tv=tv, color="opponent", chroma=chroma) for chroma in (None, 3))
        assert given.chroma == 3
        assert given.weight < chosen.weight
        far = denoise(f, tv=tv, color="opponent", chroma=50)
        assert float((far.image - clean(48, 3)).square().mean()) == pytest.approx(far.risk, rel=0.5)
        again = denoise(f, chosen.weight, tv=tv, color="opponent", chroma=chosen.chroma)
        distance = float((again.image - chosen.image).square().mean().sqrt())
        assert distance <= again.rms_bound + chosen.rms_bound


def test_no_lambda_is_solved_twice():
    """Steps there and back along the walk differ in their last bit."""
    for start in np.linspace(-4, 0, 101):
        tried = []

        def risk(x, tried=tried):
            tried.append(round(x, 6))
            return (x + 2) ** 2

        curve = Curve(risk)
        assert minimize(curve, float(start), math.log(FACTOR)) == pytest.approx(-2)
        assert len(set(tried)) == len(tried) == len(curve.known)


def test_without_noise_there_is_nothing_to_remove():
    f = clean()
    assert select_weight(problem_of(f, "isotropic"), torch.zeros_like(f)).weight == 0


@pytest.mark.parametrize("shape", [(2, 60, 1500), (1, 3, 40, 41), (1, 2, 3)])
def test_a_draw_has_the_variance_and_the_autocorrelation_of_the_noise(shape):
    correlation = ((0.0, 0.25, 0.0), (0.5, 1.0, 0.5), (0.0, 0.25, 0.0))
    noise = (
        ChannelNoise(SIGMA, ((0.0, SIGMA**2),), autocorrelation=correlation, is_correlated=True),
        ChannelNoise.constant(2 * SIGMA),
    )[: shape[0]]
    first, *others = draw_noise(torch.zeros(shape), noise, values_at_once=2**13)  # so that it is drawn in bands
    assert float(first.square().mean()) == pytest.approx(SIGMA**2, rel=1e-4)
    if first.numel() > 1000:
        shared = [
            float((first[..., 1:] * first[..., :-1]).mean()),
            float((first[..., 1:, :] * first[..., :-1, :]).mean()),
        ]
        assert shared == pytest.approx([0.5 * SIGMA**2, 0.25 * SIGMA**2], abs=0.05 * SIGMA**2)
    for other in others:
        assert torch.equal(other.abs(), torch.full_like(other, 2 * SIGMA))


class TestPictures:
    """The same through ``denoise``, which reads the noise from the picture."""

    def test_pure_noise_becomes_flat(self, tv):
        f = 0.5 + normal(torch.zeros(1, 128, 128), 9)
        result = denoise(f, tv=tv)
        assert float(result.image.std()) < 0.1 * SIGMA
        assert result.sigma == pytest.approx(SIGMA, rel=0.03)

    def test_clean_pictures_come_back_almost_unchanged(self, tv):
        for f in (clean(128), clean(128, 3), torch.full((1, 20, 20), 0.4), torch.zeros(3, 9, 9)):
            result = denoise(f, tv=tv)
            assert float((result.image - f).abs().max()) < 1 / 255

    @pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 2), (1, 5, 5), (3, 5, 5), (1, 1, 40), (1, 9, 3)])
    def test_the_smallest(self, shape, tv):
        result = denoise(0.5 + normal(torch.zeros(shape), 10), tv=tv)
        assert result.status == "tolerance"
        assert math.isfinite(result.weight)

    def test_black_borders_and_saturated_halves(self, tv):
        target = clean(128)
        bordered = target + normal(target, 11)
        bordered[:, :20], bordered[:, -20:] = 0, 0
        inside = np.s_[:, 20:-20]
        before, after = (
            float((u - target)[inside].square().mean()) for u in (bordered, denoise(bordered, tv=tv).image)
        )
        assert after < 0.25 * before
        halves = (torch.arange(128) > 64).float().expand(1, 128, 128)
        saturated = (halves + normal(halves, 12)).clamp(0, 1)
        result = denoise(saturated, tv=tv)
        assert float((result.image - halves).square().mean()) < float((saturated - halves).square().mean())

    def test_noise_that_neighbours_share(self, tv):
        """Filtered as by a simple demosaicking: lambda is nearly the best, above that for white noise as strong."""
        target = clean(128)
        wide = normal(torch.zeros(1, 130, 130), 21)
        kernel = torch.outer(weights := torch.tensor([1.0, 2.0, 1.0]), weights)
        f = target + functional.conv2d(wide[None], kernel[None, None])[0] / kernel.norm()
        chosen = denoise(f, tv=tv)
        assert chosen.is_noise_correlated
        assert chosen.weight > 1.3 * denoise(f, tv=tv, sigma=SIGMA).weight
        errors = [
            float((denoise(f, float(w), tv=tv).image - target).square().mean()) for w in np.geomspace(0.03, 0.6, 16)
        ]
        assert float((chosen.image - target).square().mean()) <= 1.2 * min(errors)

    def test_photons_that_all_channels_share(self, tv):
        """A gray picture in three channels: opponent colours lose nothing by it."""
        target = clean(96)
        f = torch.poisson(100 * target, generator=torch.Generator().manual_seed(0)) / 100
        gray, colours = denoise(f, tv=tv), denoise(f.expand(3, -1, -1), tv=tv, color="opponent")
        errors = [float((u - target).square().mean()) for u in (gray.image, colours.image[:1])]
        assert errors[1] <= 1.2 * errors[0]

    def test_photons_counted_colour_by_colour(self, tv):
        """Their readings in opponent colours, where variances mix, are not what is drawn by."""
        target = torch.from_numpy(data.astronaut()).permute(2, 0, 1) / 255
        f = torch.poisson(300 * target, generator=torch.Generator().manual_seed(1)) / 300
        chosen = denoise(f, tv=tv, color="opponent")
        assert chosen.is_noise_signal_dependent
        grid = [denoise(f, float(w), tv=tv, color="opponent").image for w in (0.02, 0.025, 0.03)]
        best = min(float((u - target).square().mean()) for u in grid)
        assert float((chosen.image - target).square().mean()) <= 1.2 * best

    def test_channels_with_noise_of_their_own_are_read_alike_by_every_model(self, tv):
        f = clean(96, 3) + normal(clean(96, 3), 19)
        assert denoise(f, tv=tv, color="opponent").sigma == denoise(f, tv=tv).sigma

    def test_noise_below_rounding_is_none(self, tv):
        for sigma in (1e-30, 1e-12):
            assert denoise(clean(20), tv=tv, sigma=sigma).weight == 0
        ramp = torch.linspace(0, 1, 40, dtype=torch.float64).expand(1, 40, 40)
        assert denoise(ramp, tv=tv).steps == 0

    @pytest.mark.parametrize("photons", [1, 3, 20])
    def test_few_photons(self, photons):
        """Most pixels see none: what one more would do cannot be told from a tenth of it."""
        night = 0.15 * data.camera()[:256, :256].astype(np.float32) / 255
        counts = np.random.default_rng(0).poisson(photons * night).astype(np.float32) / photons
        chosen = denoise(counts)
        errors = [np.square(denoise(counts, float(w)).image - night).mean() for w in np.geomspace(0.03, 1, 12)]
        assert np.square(chosen.image - night).mean() <= 1.3 * min(errors)

    def test_chroma_has_less_noise_where_channels_share_it_and_it_falls_with_the_signal(self):
        """As in the JPEG of a photograph of weak light: the probe is no noisier in chroma than the picture."""
        ramp = torch.linspace(0.1, 0.9, 512).expand(3, 512, 512)
        random = torch.randn(3, 512, 512, generator=torch.Generator().manual_seed(0))
        noise = (0.012 - 0.01 * ramp).sqrt() * random * torch.tensor([1.0, 0.2, 0.2]).view(3, 1, 1)
        f = ramp + from_opponent(noise)
        problem = Problem(to_opponent(f), 0.0, "anisotropic", ratios=(1.0, 1.5, 1.5))
        found, drawn = draw_probe(f, problem, None)
        assert all(channel.slope < 0 for channel in found)
        expected = noise.square().mean((1, 2)).sqrt()
        assert drawn.square().mean((1, 2)).sqrt().tolist() == pytest.approx(expected.tolist(), rel=0.15)

    @pytest.mark.parametrize("shared", [0.0, 1.0])
    def test_opponent_colours_see_noise_that_is_in_one_of_them_alone(self, tv, shared):
        """All of it in luma, or none, as of a JPEG that keeps one chroma value for four pixels."""
        target = clean(96, 3)
        noise = normal(target, 18)
        luma = noise.mean(0, keepdim=True).expand_as(noise)
        f = target + 3**0.5 * luma if shared else target + noise - luma
        chosen = denoise(f, tv=tv, color="opponent")
        errors = [
            float((denoise(f, float(w), tv=tv, color="opponent").image - target).square().mean())
            for w in np.geomspace(0.02, 0.3, 12)
        ]
        assert float((chosen.image - target).square().mean()) <= min(errors) + 0.005 * SIGMA**2

    def test_sigma_is_taken_where_it_is_given(self, tv):
        f = clean() + normal(clean(), 13)
        told, read = denoise(f, tv=tv, sigma=2 * SIGMA), denoise(f, tv=tv)
        assert told.sigma == 2 * SIGMA
        assert told.weight > 1.3 * read.weight
        assert denoise(f, tv=tv, sigma=0.0).weight == 0

    def test_every_picture_of_a_stack_has_its_own(self):
        pages = torch.stack([clean() + k * normal(clean(), k) for k in (1, 2, 3)])
        stack = denoise(pages)
        alone = [denoise(page) for page in pages]
        assert [page.weight for page in stack.pages] == [page.weight for page in alone]
        assert all(torch.equal(page.image, one.image) for page, one in zip(stack.pages, alone, strict=True))
        assert stack.weight == pytest.approx(fmean(page.weight for page in alone))

    def test_noise_drawn_like_everybody_draws_it(self, tv):
        """With torch's generator and seed 0: the probe must not be that noise."""
        f = clean() + normal(clean(), 0)
        others = [denoise(clean() + normal(clean(), seed), tv=tv, sigma=SIGMA).weight for seed in range(20, 26)]
        assert denoise(f, tv=tv, sigma=SIGMA).weight <= 1.3 * max(others)

    def test_auto_is_certified_where_its_lambda_is(self):
        """Lambdas far above 1 take float64, which is known only when lambda is."""
        f = 255 * (clean() + normal(clean(), 16))
        result = denoise(f, tol=2e-3, range=(0, 1))
        assert result.status == denoise(f, result.weight, tol=2e-3, range=(0, 1)).status == "tolerance"
        assert result.weight > 10

    def test_what_was_not_looked_at_is_not_known(self):
        f = clean() + normal(clean(), 17)
        told, read = denoise(f, sigma=SIGMA), denoise(f)
        assert (told.is_noise_correlated, told.is_noise_signal_dependent) == (None, None)
        assert (read.is_noise_correlated, read.is_noise_signal_dependent) == (False, False)

    def test_answers_do_not_depend_on_the_global_seed(self):
        f = clean() + normal(clean(), 14)
        weights = []
        for seed in (0, 1):
            torch.manual_seed(seed)
            weights.append(denoise(f).weight)
        assert weights[0] == weights[1]
