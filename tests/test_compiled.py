"""The compiled inner loops against torch's, bit by bit, whatever the shape, the model and the number of threads."""

import math
import subprocess
import sys

import pytest
import torch
from problems import picture

from tvdenoise import denoise
from tvdenoise.kernels import cpu, dispatch
from tvdenoise.kernels.cpu import ascent
from tvdenoise.model.rof import Problem, certify
from tvdenoise.solvers import ascents
from tvdenoise.solvers.ascents import AlternatingAscent, FISTAAscent
from tvdenoise.solvers.formulations import Dual

MODELS = [
    ((1, 40, 33), {}),
    ((3, 70, 16), {}),
    ((3, 70, 16), {"coupled": True}),
    ((3, 41, 22), {"ratios": (1.0, 2.0, 0.5)}),
    ((3, 41, 22), {"ratios": (1.0, 2.0, 0.0)}),
    ((2, 3, 36, 17), {}),
    ((2, 3, 36, 17), {"coupled": True}),
    ((1, 1, 50), {}),
    ((2, 50, 1), {}),
    ((3, 1, 1), {"coupled": True}),
    ((1, 23, 4, 5), {"axes": 3}),
    ((2, 50, 3, 7), {"axes": 3, "coupled": True, "spacing": 2.5}),
    ((3, 9, 6, 5), {"axes": 3, "ratios": (1.0, 2.0, 0.5), "spacing": 0.7}),
    ((2, 3, 20, 3, 4), {"axes": 3, "coupled": True}),
    ((1, 1, 5, 6), {"axes": 3}),
    ((1, 7, 1, 6), {"axes": 3}),
    ((2, 7, 6, 1), {"axes": 3}),
    ((1, 1, 1, 1), {"axes": 3}),
]


@pytest.fixture
def compiled_or_not(monkeypatch):
    """Run a function with torch alone, and compiled."""

    def both(function, *arguments):
        for start in (math.inf, -1.0):
            monkeypatch.setattr(dispatch, "LOADING_SECONDS", start)
            yield function(*arguments)

    return both


@pytest.fixture(params=[1, 2, 5])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def run(problem, start, way, counts):
    """Return what is left of an ascent by some steps at a time."""
    dual = Dual(problem, start.clone(), way)
    for count in counts:
        dual.advance(count)
    return [dual.ascent.parameter, dual.ascent.previous, dual.average, dual.candidate()[0]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("shape", "model"), MODELS)
def test_steps_are_those_of_fista_bit_by_bit(compiled_or_not, shape, model, dtype, tv, threads, monkeypatch):
    problem = Problem(picture(*shape, dtype=dtype) - 0.4, 0.1, tv, **model)  # around 0, where rounding shows
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(model.get("axes", 2), *shape, dtype=dtype, generator=generator) * 0.1
    monkeypatch.setattr(ascent, "STEPS", 6)
    plain, fused = compiled_or_not(run, problem, start, FISTAAscent, (1, 6, 5, 14))
    for expected, got in zip(plain, fused, strict=True):
        assert torch.equal(expected, got)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("shape", "model"),
    [((1, *size), {}) for size in [(40, 33), (71, 16), (131, 5), (1, 50), (50, 1), (1, 1), (2, 2)]] + MODELS[3:5],
)
def test_steps_are_those_of_alternating_descent_bit_by_bit(compiled_or_not, shape, model, dtype, threads, monkeypatch):
    problem = Problem(picture(*shape, dtype=dtype) - 0.4, 0.1, "anisotropic", **model)
    start = torch.randn(2, *shape, dtype=dtype, generator=torch.Generator().manual_seed(1)) * 0.1
    monkeypatch.setattr(ascents, "REFRESH", 4)
    plain, fused = compiled_or_not(run, problem, start, AlternatingAscent, (1, 6, 5, 3))
    for expected, got in zip(plain, fused, strict=True):
        assert torch.equal(expected, got)


@pytest.mark.parametrize(("shape", "model"), MODELS)
def test_certificates_agree(compiled_or_not, shape, model, tv):
    problem = Problem(picture(*shape), 0.1, tv, **model)
    u, v, p = (torch.randn(n, *shape, dtype=torch.float64) for n in (1, 1, model.get("axes", 2)))
    certificates = list(compiled_or_not(certify, problem, u[0], 0.1 * p, v[0]))
    for name in ("energy", "gap", "rms_bound"):
        plain, fused = (getattr(certificate, name) for certificate in certificates)
        assert fused == pytest.approx(plain, rel=1e-12, abs=1e-14)


def test_torch_computes_until_loading_pays(monkeypatch):
    monkeypatch.setattr(dispatch, "LOADING_SECONDS", 1.0)
    monkeypatch.setattr(dispatch, "_spent", 0.0)
    small = torch.zeros(1, 8, 8)
    assert dispatch.kernels(small, tv="isotropic") is None
    assert dispatch.kernels(torch.zeros(1).expand(1, 10**7), tv="isotropic") is None  # not contiguous
    assert dispatch.kernels(torch.empty(1, 2**11, 2**11), tv="isotropic") is not None
    dispatch.spend(1.0)
    assert dispatch.kernels(small, tv="isotropic") is not None
    assert dispatch.kernels(small, small.double(), tv="isotropic") is None


@pytest.mark.parametrize("name", ["ascend", "sums"])
def test_where_compiled_code_fails_torch_goes_on(name, monkeypatch):
    monkeypatch.setattr(cpu, name, None)
    monkeypatch.setattr(dispatch, "LOADING_SECONDS", -1.0)
    monkeypatch.setattr(dispatch, "_remarks", [])
    monkeypatch.setattr(dispatch, "_load", dispatch._load.__wrapped__)
    assert denoise(torch.rand(16, 16), 0.1, tv="isotropic").status == "tolerance"
    assert "computed by torch alone" in dispatch.remarks()[0]


@pytest.mark.parametrize("fault", ["import numba; numba.njit = None", "sys.modules['numba'] = None"])
def test_where_nothing_can_be_compiled_torch_goes_on(fault):
    """A broken numba, and none at all."""
    program = (
        f"import sys, torch; {fault}\n"
        "from tvdenoise import denoise\nfrom tvdenoise.kernels import dispatch\n"
        "dispatch.LOADING_SECONDS = -1\n"
        "result = denoise(torch.rand(16, 16), 0.1)\n"
        "print(result.status, bool(dispatch.remarks()))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("tolerance True\n", "")
