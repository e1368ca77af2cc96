"""The compiled inner loops against torch's, bit by bit, whatever the shape, the model and the number of threads."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from problems import picture

import tvdenoise
from tvdenoise.kernels import dispatch
from tvdenoise.model.certificate import certify
from tvdenoise.model.problem import Problem
from tvdenoise.solvers.ascents import AlternatingAscent, FISTAAscent
from tvdenoise.solvers.formulations import Dual

MODELS = [
    ((1, 100, 33), {}),
    ((3, 170, 16), {}),
    ((3, 170, 16), {"coupled": True}),
    ((3, 101, 22), {"ratios": (1.0, 2.0, 0.5)}),
    ((3, 41, 22), {"ratios": (1.0, 2.0, 0.0)}),
    ((2, 3, 70, 17), {}),
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


def by_torch_and_numba(function, *arguments):
    """Yield what a function returns with torch alone, and compiled."""
    for engine in ("torch", "numba"):
        with dispatch.use(engine):
            result = function(*arguments)
        yield result


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
def test_steps_are_those_of_fista_bit_by_bit(shape, model, dtype, tv, threads):
    problem = Problem(picture(*shape, dtype=dtype) - 0.4, 0.1, tv, **model)  # around 0, where rounding shows
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(model.get("axes", 2), *shape, dtype=dtype, generator=generator) * 0.1
    plain, fused = by_torch_and_numba(run, problem, start, FISTAAscent, (1, 17, 5, 33))
    for expected, got in zip(plain, fused, strict=True):
        assert torch.equal(expected, got)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("shape", "model"),
    [((1, *size), {}) for size in [(40, 33), (71, 16), (131, 5), (1, 50), (50, 1), (1, 1), (2, 2)]] + MODELS[3:5],
)
def test_steps_are_those_of_alternating_descent_bit_by_bit(shape, model, dtype, threads):
    problem = Problem(picture(*shape, dtype=dtype) - 0.4, 0.1, "anisotropic", **model)
    start = torch.randn(2, *shape, dtype=dtype, generator=torch.Generator().manual_seed(1)) * 0.1
    plain, fused = by_torch_and_numba(run, problem, start, AlternatingAscent, (1, 3, 4, 27))
    for expected, got in zip(plain, fused, strict=True):
        assert torch.equal(expected, got)


@pytest.mark.parametrize(("shape", "model"), MODELS)
def test_certificates_agree(shape, model, tv):
    problem = Problem(picture(*shape), 0.1, tv, **model)
    u, v, p = (torch.randn(n, *shape, dtype=torch.float64) for n in (1, 1, model.get("axes", 2)))
    certificates = list(by_torch_and_numba(certify, problem, u[0], 0.1 * p, v[0]))
    for name in ("energy", "gap", "rms_bound"):
        plain, fused = (getattr(certificate, name) for certificate in certificates)
        assert fused == pytest.approx(plain, rel=1e-12, abs=1e-14)


CHOICES = {
    # a large picture pays for loading, and what is loaded serves small ones too
    "print(*map(choose_engine, (small, medium, large[:, ::2], large, small)))": "torch torch torch numba numba",
    # and so do many small ones
    "denoise(torch.rand(300, 300), 0.1, max_steps=300, tol=1e-9); print(*map(choose_engine, (small, medium, small)))": (
        "torch numba numba"
    ),
}


@pytest.mark.parametrize("calls", CHOICES)
def test_torch_computes_until_loading_pays(calls):
    """The same picture goes the same way whatever the machine: work is counted, not timed."""
    program = (
        "import torch; from tvdenoise import denoise; from tvdenoise.kernels.dispatch import choose_engine\n"
        "small, medium, large = (torch.empty(1, n, n) for n in (300, 1199, 1448))\n"
    )
    done = subprocess.run([sys.executable, "-c", program + calls], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == CHOICES[calls]


FAULTS = [
    "import numba; numba.njit = None",
    "sys.modules['numba'] = None",
    "from tvdenoise.kernels import cpu; cpu.ascend = None",
    "from tvdenoise.kernels import cpu; cpu.sums = None",
]


@pytest.mark.parametrize("fault", FAULTS)
def test_where_compiled_code_fails_torch_goes_on(fault):
    """A broken numba, none at all, and kernels that fail; but a test or a benchmark that asks for it is told."""
    program = (
        f"import sys, torch; {fault}\n"
        "from tvdenoise import denoise\nfrom tvdenoise.kernels import dispatch\n"
        "from tvdenoise.machine.remarks import remarks\n"
        "dispatch.load()\n"
        "result = denoise(torch.rand(16, 16), 0.1)\n"
        "print(result.status, 'computed by torch alone' in remarks()[0])\n"
        "try:\n"
        "    with dispatch.use('numba'): denoise(torch.rand(16, 16), 0.1)\n"
        "except Exception: print('failed')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("tolerance True\nfailed\n", "")


@pytest.fixture
def copy_of_package(tmp_path):
    """Return the folder of the CPU's kernels in a copy of the package, and a function that runs a program with it."""
    package, ignore = Path(tvdenoise.__file__).parent, shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, tmp_path / "tvdenoise", ignore=ignore)

    def run_program(program, **variables):
        environment = os.environ | {"PYTHONPATH": str(tmp_path)} | variables
        command = [sys.executable, "-c", program]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=tmp_path).stdout

    return tmp_path / "tvdenoise/kernels/cpu", run_program


CENTRE = """
import torch
from tvdenoise.kernels import cpu
f, out = torch.zeros(2, 1, 4, 4)
cpu.centre(f, torch.ones(2, 1, 4, 4), f, out, 1.0)
print(out.tolist())
"""


def test_an_upgrade_leaves_no_stale_code(copy_of_package):
    """numba knows a kernel by its own file; that of a helper within it is another."""
    folder, run_program = copy_of_package
    before = run_program(CENTRE)
    helpers = folder / "rows.py"
    source = helpers.read_text()
    assert "u[j] = f[j] + vertical[j]" in source
    helpers.write_text(source.replace("u[j] = f[j] + vertical[j]", "u[j] = f[j] + 2 * vertical[j]"))
    assert run_program(CENTRE) != before
    assert len(list((folder / "__pycache__").glob("tvdenoise-*"))) == 2


def test_where_nothing_can_be_kept_torch_goes_on_and_the_remedy_is_named(copy_of_package):
    folder, run_program = copy_of_package
    (folder / "__pycache__").write_text("no folder")
    program = (
        "from tvdenoise.kernels import dispatch; from tvdenoise.machine.remarks import remarks\n"
        "dispatch.load(); print(*remarks())"
    )
    said = run_program(program, HOME="/dev/null", XDG_CACHE_HOME="/dev/null", NUMBA_CACHE_DIR="/dev/null")
    assert said.endswith("; let NUMBA_CACHE_DIR be a folder that may be written to\n")


def test_the_flat_picture_is_judged_by_compiled_code(tv):
    """It is the answer to a blank page, whose certificate takes torch many times as long."""
    problem = Problem(picture(3, 9, 8), 10.0, tv)
    with dispatch.use("numba"):
        assert problem.kernels(problem.make_flat()) is not None


AFTER_A_FORK = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
import torch
from torch.utils.data import DataLoader
from tvdenoise import denoise
from tvdenoise.kernels import dispatch

pictures = torch.rand(2, 300, 300, generator=torch.Generator().manual_seed(0))

class Denoised(torch.utils.data.Dataset):
    def __len__(self):
        return 2
    def __getitem__(self, i):
        return denoised(i)

def denoised(i):
    return denoise(pictures[i], 0.02).image

if __name__ == "__main__":
    torch.set_num_threads(2)
    with dispatch.use("torch"):
        expected = [denoised(i) for i in range(2)]
    dispatch.load()
    again = [denoised(i) for i in range(2)]  # both kinds of threads are there now
    results = [again]
    if sys.argv[1] == "joblib":
        from joblib import Parallel, delayed
        for backend in ("loky", "multiprocessing", "threading"):
            results.append(Parallel(2, backend)(delayed(denoised)(i) for i in range(2)))
    else:
        results.append(list(DataLoader(Denoised(), batch_size=None, num_workers=2)))
        for way in ("fork", "spawn", "forkserver"):
            with ProcessPoolExecutor(1, multiprocessing.get_context(way)) as pool:
                results.append(list(pool.map(denoised, range(2))))
    print(*(torch.equal(torch.stack(result), torch.stack(expected)) for result in results))
"""


@pytest.mark.parametrize("kind", ["python", "joblib"])
def test_processes_of_all_kinds_denoise_where_this_one_has(kind, tmp_path):
    """Threads do not outlive a fork: a child that waits for those of its parent waits for ever."""
    if kind == "joblib":
        pytest.importorskip("joblib")
    script = tmp_path / "script.py"
    script.write_text(AFTER_A_FORK)
    environment = os.environ | {"PYTHONPATH": str(Path(tvdenoise.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, script, kind], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert set(done.stdout.split()) == {"True"}
