"""Data terms other than the square: closed forms, laws, conjugates, certificates, and what is refused."""

import itertools
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from problems import picture
from scipy.optimize import LinearConstraint, minimize

from tvdenoise import Grid, Noise, Specimen, denoise, sweep
from tvdenoise.errors import SettingError
from tvdenoise.experiments import row_file
from tvdenoise.experiments.tables import summary_tables
from tvdenoise.model import operators
from tvdenoise.model.certificate import certify
from tvdenoise.model.data_terms import DATA_TERMS
from tvdenoise.model.problem import Problem
from tvdenoise.options.methods import METHODS
from tvdenoise.solvers.ascents import FISTAAscent
from tvdenoise.solvers.formulations import Dual
from tvdenoise.solvers.optimizers import PDHG
from tvdenoise.solvers.primal_dual import PrimalDual

OTHERS = ["laplace", "poisson"]
PRIMAL = [name for name, method in METHODS.items() if method.formulation == "primal"]


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


@pytest.mark.parametrize("shape", [(1, 2), (2, 1)])
def test_two_pixels_of_laplace(shape, tv):
    """|u| + |1 - v| + lambda |v - u|: below 1 lambda moves nothing; above, all pictures of one value are best."""
    f = np.array([0.0, 1.0]).reshape(shape)
    below = denoise(f, 0.9, tv=tv, noise_model="laplace", tol=1e-8)
    np.testing.assert_allclose(below.image, f, atol=1e-7)
    assert below.energy == pytest.approx(0.9, rel=1e-7)
    above = denoise(f, 1.1, tv=tv, noise_model="laplace", tol=1e-8)
    assert above.energy == pytest.approx(1, rel=1e-7)
    assert np.ptp(above.image) < 1e-7


@pytest.mark.parametrize("shape", [(1, 2), (2, 1)])
def test_two_pixels_of_poisson(shape, tv):
    """Counts a < b become a / (1 - lambda) and b / (1 + lambda) until they meet, at (b - a) / (b + a), in the mean."""
    f = np.array([0.2, 0.8]).reshape(shape)
    apart = denoise(f, 0.3, tv=tv, noise_model="poisson", tol=1e-10)
    np.testing.assert_allclose(apart.image.ravel(), [0.2 / 0.7, 0.8 / 1.3], atol=1e-5)
    met = denoise(f, 0.61, tv=tv, noise_model="poisson", tol=1e-10)
    np.testing.assert_allclose(met.image, 0.5, atol=1e-5)


@pytest.mark.parametrize("name", OTHERS)
def test_two_channels_coupled_are_one_vector(name):
    """Equal channels: lambda counts sqrt(2) once, and not twice."""
    f = np.array([0.2, 0.8])[None, :, None].repeat(2, 2)
    coupled = denoise(f, 0.3 * math.sqrt(2), color="coupled", noise_model=name, tol=1e-10)
    single = denoise(f[..., 0], 0.3, noise_model=name, tol=1e-10)
    np.testing.assert_allclose(coupled.image, single.image[..., None].repeat(2, 2), atol=1e-5)


@pytest.mark.parametrize("name", OTHERS)
def test_a_constant_picture_and_lambda_0_change_nothing(name, tv, noisy):
    flat = np.full((5, 6), 0.25)
    result = denoise(flat, 0.7, tv=tv, noise_model=name)
    assert (result.stop, result.gap) == ("tolerance", 0)
    assert np.array_equal(result.image, flat)
    result = denoise(noisy, 0, tv=tv, noise_model=name)
    assert (result.stop, result.gap) == ("tolerance", 0)
    assert np.array_equal(result.image, noisy)


@pytest.mark.parametrize(("name", "centre"), [("laplace", np.median), ("poisson", np.mean)])
def test_a_large_lambda_leaves_the_median_or_the_mean(name, centre, tv):
    f = positive(1, 5, 7)[0].numpy()  # an odd number of values has one median
    result = denoise(f, 30, tv=tv, noise_model=name, tol=1e-7, max_steps=1200, range=(0, 1))
    assert result.stop == "tolerance"
    np.testing.assert_allclose(result.image, centre(f), atol=1e-3)


@pytest.mark.parametrize("name", OTHERS)
def test_lambda_has_no_unit(name, tv):
    """Twice the picture has twice the answer, step by step: no peak is asked for."""
    f = positive(1, 9, 8)[0].numpy()
    once, twice = (denoise(s * f, 0.4, tv=tv, noise_model=name, tol=1e-6, range=(0, 1)) for s in (1, 2))
    np.testing.assert_allclose(2 * once.image, twice.image, rtol=1e-9)
    assert twice.energy == pytest.approx(2 * once.energy)


def test_counts_are_met_on_average(tv):
    """The sum of 1 - f / u is 0: what lambda TV pulls at one pixel it lets go at another."""
    f = 0.1 + positive(1, 9, 8)[0].numpy()
    u = denoise(f, 0.4, tv=tv, noise_model="poisson", tol=1e-10).image
    assert np.mean(1 - f / u) == pytest.approx(0, abs=1e-5)


def test_single_outliers_go_and_edges_stay():
    f = np.zeros((12, 12))
    f[:, 6:] = 1
    clean = f.copy()
    f[3, 2] = 1
    f[8, 9] = 0
    result = denoise(f, 0.5, noise_model="laplace", tol=1e-7)
    np.testing.assert_allclose(result.image, clean, atol=1e-4)


def random_problem(name: str, seed: int, tv: str = "anisotropic") -> Problem:
    """A few pixels of three levels."""
    generator = torch.Generator().manual_seed(seed)
    shape = [(1, 2, 4), (1, 1, 8), (1, 4, 2), (1, 2, 3)][seed % 4]
    levels = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    f = levels[torch.randint(3, shape, generator=generator)]
    weight = torch.rand(1, generator=generator).item()
    return Problem(f, weight, tv, noise_model=name)


def energies(problem: Problem, pictures: torch.Tensor) -> torch.Tensor:
    """E of each of some pictures (N, H, W), written out anew; anisotropic."""
    variation = pictures.diff(dim=-1).abs().sum((1, 2)) + pictures.diff(dim=-2).abs().sum((1, 2))
    if problem.noise_model == "laplace":
        fidelity = (pictures - problem.f).abs()
    else:
        fidelity = pictures - problem.f + problem.f * torch.log(problem.f / pictures)
    return fidelity.sum((1, 2)) + problem.weight * variation


def least_energy(problem: Problem) -> tuple[float, np.ndarray | None]:
    """The minimum, and the minimiser where there is one: of all pictures of the levels of f, or by another method."""
    f = problem.f[0]
    if problem.noise_model == "laplace":  # as threshold by threshold it is a cut, its values are among those of f
        every = torch.tensor(list(itertools.product(f.unique().tolist(), repeat=f.numel())), dtype=f.dtype)
        return float(energies(problem, every.reshape(-1, *f.shape)).min()), None
    index = np.arange(f.numel()).reshape(f.shape)
    down = np.stack([index[1:], index[:-1]], -1).reshape(-1, 2)
    right = np.stack([index[:, 1:], index[:, :-1]], -1).reshape(-1, 2)
    pairs = [*down, *right]
    n, m = f.numel(), len(pairs)
    rows = np.zeros((2 * m, n + m))  # t >= u_i - u_j and t >= u_j - u_i
    for k, (i, j) in enumerate(pairs):
        rows[2 * k, [i, j, n + k]] = -1, 1, 1
        rows[2 * k + 1, [i, j, n + k]] = 1, -1, 1
    counts = f.numpy().ravel()

    def energy(x: np.ndarray) -> tuple[float, np.ndarray]:
        u = x[:n]
        value = np.sum(u - counts + counts * np.log(counts / u)) + problem.weight * x[n:].sum()
        return value, np.r_[1 - counts / u, np.full(m, problem.weight)]

    start = np.r_[np.full(n, counts.mean()), np.zeros(m)]
    bounds = [(counts.min(), counts.max())] * n + [(0, None)] * m
    constraint = LinearConstraint(rows, 0, np.inf)
    found = minimize(energy, start, jac=True, bounds=bounds, constraints=constraint, method="SLSQP", tol=1e-13)
    u = torch.from_numpy(found.x[:n]).reshape(1, *f.shape)
    return float(energies(problem, u)), u.numpy()[0]


@pytest.mark.parametrize("name", OTHERS)
def test_gap_and_distance_hold_whatever_is_judged(name):
    """In 500 small problems: of pictures on the way, and of others with fields that have nothing to do with them."""
    for seed in range(500):
        problem = random_problem(name, seed)
        least, minimiser = least_energy(problem)
        solver = PrimalDual(problem)
        solver.advance([1, 5, 25][seed % 3])
        u, certificate = solver.candidate()
        f = problem.f
        other = torch.lerp(f, f.mean(), torch.rand(1, dtype=f.dtype))
        field = torch.randn(2, *f.shape, dtype=f.dtype)
        for v, proven in ((u, certificate), (other, certify(problem, other, field))):
            assert proven.energy == pytest.approx(float(energies(problem, v)), abs=1e-12)
            assert least - 1e-9 <= proven.energy <= least + proven.gap + 1e-9
            if minimiser is None:
                assert proven.rms_bound is None
            else:
                assert np.sqrt(np.mean((v[0].numpy() - minimiser) ** 2)) <= proven.rms_bound + 1e-4


@pytest.mark.parametrize("name", OTHERS)
def test_the_least_energy_is_found(name):
    for seed in range(24):
        problem = random_problem(name, seed)
        least, _ = least_energy(problem)
        result = denoise(problem.f[0], problem.weight, noise_model=name, tol=1e-8, range=(0, 1))
        assert result.energy == pytest.approx(least, rel=1e-7, abs=1e-9)
        assert result.stop == "tolerance"


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("name", OTHERS)
def test_a_certificate_in_chunks_is_the_whole(name, axes, tv):
    f = positive(*(2, 7, 5, 4)[4 - axes - 1 :])
    problem = Problem(f, 0.3, tv, axes=axes, noise_model=name)
    u, p = positive(*f.shape, seed=1), torch.randn(axes, *f.shape, dtype=torch.float64)
    whole, rows = (certify(problem, u, p, chunk_values=n) for n in (None, 1))
    assert rows.energy == pytest.approx(whole.energy)
    assert rows.gap == pytest.approx(whole.gap)


@pytest.mark.parametrize(
    ("name", "answer", "weight"), [("laplace", (0.2, 0.8), 0.3), ("poisson", (2 / 7, 8 / 13), 0.3)]
)
def test_gap_is_no_less_than_the_excess_whatever_rounding_does(name, answer, weight):
    """Of two pixels the least energy and the field are known."""
    f = torch.tensor([[[0.2, 0.8]]], dtype=torch.float64)
    problem = Problem(f, weight, "anisotropic", noise_model=name)
    least = float(energies(problem, torch.tensor([[answer]], dtype=f.dtype)))
    p = operators.new_field(f)
    p[1, ..., 0] = weight
    for _ in range(50):
        u = torch.tensor([[answer]], dtype=f.dtype) * (1 + 1e-9 * torch.randn(1, 1, 2, dtype=f.dtype))
        certificate = certify(problem, u, p)
        assert max(certificate.energy - least, 0) < certificate.gap < 1e-8


@pytest.mark.parametrize("name", OTHERS)
def test_ends_as_close_as_the_arithmetic_allows(name, tv):
    result = denoise(positive(1, 6, 5)[0].numpy(), 0.4, tv=tv, noise_model=name, tol=1e-300)
    assert result.stop == "precision"
    assert 0 < result.gap < 1e-11 * result.energy


def test_outside_the_box_no_distance_is_proven():
    problem = Problem(0.1 + positive(1, 4, 4), 0.2, "isotropic", noise_model="poisson")
    field = operators.new_field(problem.f)
    assert certify(problem, problem.f, field).rms_bound is not None
    assert certify(problem, 2 * problem.f, field).rms_bound is None


@pytest.mark.parametrize("bad", [0.0, -0.1, math.nan, math.inf])
def test_an_impossible_expectation_is_never_certified(bad):
    problem = Problem(0.1 + positive(1, 4, 4), 0.2, "isotropic", noise_model="poisson")
    u = problem.f.clone()
    u[0, 1, 1] = bad
    assert not certify(problem, u, operators.new_field(u)).is_finite


def steps_to(solver, goal: float = 1e-4) -> int:
    for step in range(0, 2000, 10):
        _, certificate = solver.candidate()
        if certificate.gap <= goal * certificate.energy:
            return step
        solver.advance(10)
    raise AssertionError(f"not within {goal}")


@pytest.mark.parametrize(
    ("name", "noise", "weight"), [("laplace", "salt-pepper:0.1", 0.6), ("poisson", "poisson:30", 0.2)]
)
def test_steps_are_few_more_than_for_the_square(name, noise, weight, tv):
    """To a gap of 1e-4 of the energy: the sample picture in noise that the model is for, at a lambda for it."""
    clean = np.asarray(Image.open("sample_images/camera.png").convert("L"), np.float32)[:128, 150:278] / np.float32(255)

    def noisy(kind: str) -> torch.Tensor:
        return torch.from_numpy(Noise.read(kind).add_to(clean, 0))[None]

    fista = steps_to(Dual(Problem(noisy("gaussian:25/255"), 0.1, tv), make_ascent=FISTAAscent))
    assert steps_to(PrimalDual(Problem(noisy(noise), weight, tv, noise_model=name))) <= 1.5 * fista


def test_acceleration_meets_its_rate(tv):
    """|x - u*|^2 falls as 1 / k^2 (Chambolle and Pock 2011, theorem 2), where the square makes it possible."""
    problem = Problem(picture(1, 12, 10), 0.1, tv)
    difference = problem.difference
    answer = torch.from_numpy(denoise(problem.f[0].numpy(), 0.1, tv=tv, tol=1e-9, range=(0, 1)).image)[None]
    u, p = torch.zeros_like(problem.f), operators.new_field(problem.f)
    optimizer = PDHG(
        u,
        p,
        forward=difference.forward,
        adjoint=difference.adjoint,
        prox=problem.data_term.prox,
        project=problem.project,
        squared_norm=difference.squared_norm_bound,
        lr=1.0,
        modulus=1.0,
    )
    largest = p[0].numel() * 2 * problem.weight**2  # of |p*|^2
    constant = float((answer - u).square().sum()) + difference.squared_norm_bound * largest
    for step in range(1, 301):
        optimizer.step()
        distance = float((optimizer.state[u]["point"] - answer).square().sum())
        assert distance <= 1.1 * constant / step**2
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1 / step, rel=0.05)


@pytest.mark.parametrize("given", [{"lr": 0.0}, {"lr": math.nan}, {"lr": 1.0, "modulus": -1.0}])
def test_impossible_arguments_of_the_optimizer(given):
    u = torch.zeros(2)
    name = "modulus" if "modulus" in given else "lr"
    with pytest.raises(ValueError, match=f"{name} must be"):
        PDHG(u, u, forward=torch.clone, adjoint=torch.clone, prox=torch.add, project=abs, squared_norm=1.0, **given)


def test_a_lambda_without_a_unit_is_not_doubted(noisy):
    """Warnings are errors."""
    assert denoise(noisy, 5, noise_model="poisson", tol=1e-2).stop == "tolerance"


@pytest.mark.parametrize("method", PRIMAL)
@pytest.mark.parametrize("name", OTHERS)
def test_methods_of_torch_solve_it_too(name, method):
    """Each within what it is certified to, and its proof agrees with that of the default."""
    f = positive(1, 16, 12).float()[0]
    f[2, 3] = 0
    f[7, 8] = 1e-3  # one step of most would take it below 0
    default = denoise(f, 0.4, tv="isotropic", noise_model=name, tol=1e-6)
    steps = METHODS[method].max_steps // 8
    result = denoise(f, 0.4, tv="isotropic", noise_model=name, optimizer=method, max_steps=steps)
    assert default.energy - default.gap <= result.energy <= default.energy + result.gap
    assert result.energy <= 1.1 * default.energy
    assert f.min() <= result.image.min() <= result.image.max() <= f.max()
    assert result.stop == "max_steps"


@pytest.mark.parametrize("name", OTHERS)
def test_a_finer_tolerance_is_reached_in_float64(name, noisy):
    result = denoise(noisy, 0.4, noise_model=name, tol=1e-9)
    assert result.stop == "tolerance"
    assert result.gap <= 1e-9 * result.energy


@pytest.mark.parametrize("name", OTHERS)
def test_volumes_and_distances(name):
    """Slices far apart are denoised one by one."""
    f = positive(3, 6, 5).numpy()
    volume = denoise(f, 0.4, volume=True, spacing=50.0, noise_model=name, tol=1e-3)
    alone = sum(denoise(page, 0.4, noise_model=name).energy for page in f)
    assert volume.stop == "tolerance"
    assert volume.energy == pytest.approx(alone, rel=0.03)
    assert volume.energy + volume.gap > alone


def test_auto_colours_are_coupled(noisy):
    f = np.stack([noisy, noisy.T[: noisy.shape[0]].repeat(2, 1)[:, : noisy.shape[1]], noisy], -1)
    for name, expected in (("laplace", "coupled"), ("gaussian", "opponent")):
        assert denoise(f, 0.4, color="auto", noise_model=name, tol=1e-2).color == expected


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"weight": "auto"}, "weight: it is not chosen for laplace noise; give lambda a number"),
        ({"color": "opponent"}, "color: opponent colours are for gaussian noise, not laplace"),
        ({"color": "auto", "chroma": 2.0}, "chroma: opponent colours are for gaussian noise, not laplace"),
        ({"optimizer": "fista"}, "optimizer: fista is for gaussian noise, not laplace; leave it out"),
        ({"optimizer": "alternating"}, "optimizer: alternating is for gaussian noise, not laplace; leave it out"),
    ],
)
def test_what_rests_on_the_square_is_refused(given, error, noisy):
    with pytest.raises(SettingError, match=error):
        denoise(noisy, **({"weight": 0.4} | given), noise_model="laplace")


def test_what_cannot_be_counts_is_refused():
    with pytest.raises(SettingError, match=r"negative numbers, the least -0\.1, and counts are 0 or more"):
        denoise(np.array([[0.5, -0.1]]), 0.1, noise_model="poisson")
    with pytest.raises(SettingError, match=r"the image is 3 to 90, and counts begin at 0; give range=\(0, 90\)"):
        denoise(np.array([[3.0, 90.0]]), 0.1, noise_model="poisson")
    with pytest.raises(SettingError, match="the least -7, "):
        denoise(np.array([[-7.0, 90.0]]), 0.1, noise_model="poisson", range=(0, 90))
    assert denoise(np.array([[3.0, 90.0]]), 0.1, noise_model="poisson", range=(0, 90)).stop == "tolerance"


@pytest.mark.parametrize(
    ("values", "flags", "error"),
    [
        ([[0.5, -0.1]], ["-l", "0.1"], "--noise-model: the image has negative numbers, the least -0.1, "),
        ([[3.0, 90.0]], ["-l", "0.1"], "--noise-model: the range of in.npy is 3 to 90, and counts begin at 0; "),
        ([[3.0, 90.0]], [], "--lambda: it is not chosen for poisson noise; give lambda a number, from 0.05 to 0.5"),
        ([[3.0, 90.0]], ["-l", "1", "--color", "opponent"], "--color: opponent colours are for gaussian noise, "),
    ],
)
def test_the_command_refuses_in_a_line(values, flags, error, run, here):
    np.save("in.npy", np.array(values))
    code, out, err = run("in.npy", "-o", "out.npy", "--noise-model", "poisson", *flags)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"tvdenoise: {error}")
    assert not (here / "out.npy").exists()


def test_the_command_says_what_is_proven(run, here):
    code, out, err = run("in.png", "-o", "out.png", "--noise-model", "laplace", "-l", "0.6", "-v", "--json")
    row = json.loads(out)
    assert (code, row["noise_model"], row["optimizer"], row["rms_bound"], row["tol"]) == (
        0,
        "laplace",
        "pdhg",
        None,
        1e-4,
    )
    assert 0 < row["gap"] <= 1e-4 * row["energy"]
    assert "of the least energy, with no bound on the distance from the exact minimiser" in err
    assert "laplace, anisotropic, rgb" in err


def test_a_distance_is_said_where_one_is_proven(run, here):
    np.save("in.npy", 0.1 + positive(1, 9, 8)[0].numpy())
    _, out, err = run("in.npy", "-o", "out.npy", "--noise-model", "poisson", "-l", "0.2", "-v", "--json")
    assert f"of the least energy, {json.loads(out)['rms_bound']:.2g} from the exact minimiser" in err


def test_sweeps_take_several_and_tell_them_apart(noisy):
    grid = Grid((0.1, 0.4), noise_model=("gaussian", "laplace"), noise=(Noise("salt-pepper", 0.1),))
    rows = [row.as_dict() for row in sweep([Specimen("a", noisy)], grid)]
    assert [row["noise_model"] for row in rows] == ["gaussian"] * 2 + ["laplace"] * 2
    assert {row["noise"] for row in rows} == {"salt-pepper:0.1"}
    body = summary_tables(rows)[0].body
    assert [line[0] for line in body] == ["gaussian"] * 2 + ["laplace"] * 2


def test_rows_of_before_are_those_of_the_square(tmp_path, monkeypatch):
    """They are read, and their keys are those of today, so that none is made again: this one is of that time."""
    path = tmp_path / "rows.jsonl"
    monkeypatch.setattr("tvdenoise.experiments.sweep.__version__", "0.1.0")
    (row,) = sweep([Specimen("a", np.zeros((4, 4), np.uint8))], Grid((0.1,)))
    assert row.key == "70c3fb4fc3ae963a"
    old = row.as_json()
    del old["noise_model"]
    path.write_text(json.dumps(old) + "\n")
    (read,), ignored = row_file.read(path)
    assert (read["noise_model"], ignored) == ("gaussian", [])
