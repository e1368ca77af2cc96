"""The kernels for graphics cards against torch's operations, in Triton's interpreter; and compiled, without a card."""

import importlib.util
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from problems import picture

from tvdenoise.kernels import dispatch
from tvdenoise.machine import remarks
from tvdenoise.model.certificate import certify
from tvdenoise.model.problem import Problem
from tvdenoise.options.methods import METHODS
from tvdenoise.solvers.ascents import AlternatingAscent, FISTAAscent
from tvdenoise.solvers.formulations import Dual
from tvdenoise.solvers.loop import solve

if importlib.util.find_spec("triton") is None:
    pytest.skip("Triton is for Linux", allow_module_level=True)

MODELS = [
    ((1, 75, 70), {}),
    ((3, 37, 33), {"coupled": True}),
    ((3, 33, 20), {"ratios": (1.0, 2.0, 0.5)}),
    ((3, 33, 20), {"ratios": (1.0, 2.0, 0.0)}),
    ((2, 3, 20, 17), {}),
    ((2, 3, 20, 17), {"coupled": True}),
    ((1, 1, 140), {}),
    ((2, 70, 1), {}),
    ((3, 1, 1), {"coupled": True}),
]


DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")  # a card, or the interpreter


def by_torch_and_triton(function, *arguments):
    """Yield what a function returns with torch alone, and with Triton's kernels."""
    for engine in ("torch", "triton"):
        with dispatch.use(engine):
            result = function(*arguments)
        yield result


def on_device(*tensors):
    return [t.to(DEVICE) for t in tensors]


def run(problem, start, way, counts):
    """Return what is left of an ascent by some steps at a time, and the picture and certificate it comes to."""
    dual = Dual(problem, start.clone(), way)
    for count in counts:
        dual.advance(count)
    centre, certificate = dual.candidate()
    return [dual.ascent.parameter, dual.ascent.previous, dual.average, centre, certificate]


@pytest.mark.parametrize(("shape", "model"), MODELS)
def test_steps_are_those_of_fista(shape, model, tv):
    start = torch.randn(2, *shape, generator=torch.Generator().manual_seed(1)) * 0.1
    f, start = on_device(picture(*shape, dtype=torch.float32) - 0.4, start)
    problem = Problem(f, 0.1, tv, **model)
    (*plain, _), (*fused, certificate) = by_torch_and_triton(run, problem, start, FISTAAscent, (1, 5))
    for expected, got in zip(plain, fused, strict=True):
        assert torch.allclose(expected, got, rtol=0, atol=1e-6)
    assert certificate.rms_bound > 0 or shape[-2:] == (1, 1)


def test_steps_in_double_precision(tv):
    f, start = on_device(picture(1, 37, 33, dtype=torch.float64), torch.zeros(2, 1, 37, 33, dtype=torch.float64))
    plain, fused = by_torch_and_triton(run, Problem(f, 0.1, tv), start, FISTAAscent, (9,))
    for expected, got in zip(plain[:-1], fused[:-1], strict=True):
        assert torch.allclose(expected, got, rtol=0, atol=1e-8)  # scalars are float32


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "shape", [(1, 73, 139), (2, 96, 7), (1, 2, 170), (1, 1, 9), (3, 9, 1), (1, 1, 1), (2, 2, 9, 8)]
)
def test_steps_are_those_of_alternating_descent(shape, dtype):
    start = torch.randn(2, *shape, generator=torch.Generator().manual_seed(1), dtype=dtype) * 0.1
    f, start = on_device(picture(*shape, dtype=dtype) - 0.4, start)
    problem = Problem(f, 0.1, "anisotropic", ratios=(1.0, 0.5) if shape[0] == 2 else ())
    (*plain, _), (*fused, certificate) = by_torch_and_triton(run, problem, start, AlternatingAscent, (1, 5))
    for previous in (plain[1], fused[1]):
        previous[0, ..., ::2, :] = previous[1, ..., ::2] = 0  # of even squares it is not needed
    for expected, got in zip(plain, fused, strict=True):
        assert torch.allclose(expected, got, rtol=0, atol=1e-6 if dtype == torch.float32 else 1e-7)
    assert certificate.rms_bound > 0 or shape[-2:] == (1, 1)


@pytest.mark.parametrize("shape", [(1, 37, 71), (3, 9, 1)])
def test_the_certificate_is_that_of_torch(shape, tv):
    """What proves a result is computed by what no tile and no card has a part in: the numbers are the same."""
    generator = torch.Generator().manual_seed(2)
    u, v, p = (torch.randn(n, *shape, generator=generator).squeeze(0) for n in (1, 1, 2))
    f, u, v, p = on_device(picture(*shape, dtype=torch.float32), u, v, 0.1 * p)
    plain, fused = by_torch_and_triton(certify, Problem(f, 0.1, tv), u, p, v)
    assert fused == plain


@pytest.mark.parametrize("coupled", [False, True])
def test_answers_lie_within_the_certified_radius_of_each_other(coupled, tv):
    (f,) = on_device(picture(3 if coupled else 1, 33, 20, dtype=torch.float32))
    problem = Problem(f, 0.1, tv, coupled=coupled)
    plain, fused = by_torch_and_triton(lambda: solve(problem, METHODS["fista"], tol=4e-3))
    assert plain.status == fused.status == "tolerance"
    apart = (plain.u - fused.u).square().mean().sqrt().item()
    assert apart <= plain.certificate.rms_bound + fused.certificate.rms_bound


@pytest.mark.parametrize("planes", [1, 3, 8])
def test_tiles_have_a_core(planes):
    from tvdenoise.kernels.gpu import ascent, tiles

    assert planes <= dispatch.MOST_PLANES
    for dtype in (torch.float32, torch.float64):
        tiling = tiles.Tiling.of(torch.empty(planes, 1000, 1000, dtype=dtype, device="meta"), planes, ascent.STEPS)
        core = (tiling.rows - 2 * tiling.row_halo) * (tiling.columns - 2 * tiling.column_halo)
        assert core > 0.2 * tiling.rows * tiling.columns


COMPILE = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from tvdenoise.kernels.gpu import alternation, ascent

for kernel, types in (
    (ascent._ascend, {"weights_at": "*fp32"}),
    (alternation._alternate, {}),
):
    pointers = {each.name: each for each in kernel.params if each.name.endswith("_at")}
    del pointers["weights_at"]  # which begins where a block of memory does
    assert all(each.do_not_specialize_on_alignment for each in pointers.values())
    for planes, rows, columns, is_isotropic, averages in ((1, 32, 64, True, True), (4, 32, 32, False, False)):
        given = dict(PLANES=planes, ROWS=rows, COLUMNS=columns, IS_ISOTROPIC=is_isotropic, AVERAGES=averages)
        given = {name: value for name, value in given.items() if name in kernel.arg_names}
        types |= {"rate": "fp32"} | {name: "constexpr" for name in given}
        signature = {name: types.get(name, "*fp32" if name.endswith("_at") else "i32") for name in kernel.arg_names}
        source = ASTSource(kernel, signature, given)
        warps = 16 if planes > 1 or kernel is alternation._alternate else 8
        options = {"num_warps": warps, "maxnreg": 128}
        done = compile(source, target=GPUTarget("cuda", 80, 32), options=options)
        print(kernel.__name__, planes, len(done.asm["cubin"]) > 0)
"""


def test_kernels_compile_for_cards_that_are_not_here(tmp_path, monkeypatch):
    """To machine code, with the assembler that comes with Triton."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    done = subprocess.run([sys.executable, "-c", COMPILE], capture_output=True, text=True, check=True)
    kernels = ["_ascend 1", "_ascend 4", "_alternate 1", "_alternate 4"]
    assert done.stdout.splitlines() == [f"{kernel} True" for kernel in kernels]


def test_without_a_card_that_works_torch_goes_on():
    def find(message):
        def fail(*_):
            raise RuntimeError(message)

        return dispatch.find_module("triton", torch.device("cuda"), torch.float32, "isotropic", 1, load=fail)

    with remarks.capture() as said:
        with pytest.raises(RuntimeError, match="out of memory"):  # which may be there next time
            find("out of memory")
        assert find("no kernel image\n is available") is None
    (remark,) = said
    assert remark.endswith("takes several times as long: RuntimeError: no kernel image is available")


def test_vectors_of_many_planes_are_left_to_torch():
    f = SimpleNamespace(device=torch.device("cuda"), dtype=torch.float32, is_contiguous=lambda: True)
    assert dispatch.choose_engine(f, planes=dispatch.MOST_PLANES) == "triton"
    assert dispatch.choose_engine(f, planes=dispatch.MOST_PLANES + 1) == "torch"
    assert dispatch.choose_engine(f, axes=3) == "torch"
