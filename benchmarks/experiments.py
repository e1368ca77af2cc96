"""Sweeps: ``python benchmarks/experiments.py``, rows and then a table.

- twelve lambdas over one 512 x 512 picture: in a sweep, with and without measuring, against twelve calls of ``denoise``
  and twelve commands;
- the steps of these twelve, each begun from the field of the last lambda, against the coarse-to-fine start;
- the page of fifty pictures.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import rows
import torch
import typer
from PIL import Image
from skimage.data import camera

from tvdenoise import Grid, Noise, Specimen, denoise, sweep
from tvdenoise.cli.values import parse_list
from tvdenoise.kernels import dispatch
from tvdenoise.model.problem import Problem
from tvdenoise.solvers.coarse import coarse_start
from tvdenoise.solvers.formulations import Dual

TOOL = [sys.executable, "-m", "tvdenoise"]
SPACING = "0.01:1:12"
TOL = 1e-3


def main(
    out: Annotated[Path, typer.Option(help="The rows, as JSON lines.")] = Path("experiments.jsonl"),
    runs: int = 5,
    pictures: int = 50,
) -> None:
    """Measure, print the rows, and then the table."""
    with tempfile.TemporaryDirectory() as folder:
        found = [*_sweeps(Path(folder), runs), *_starts(), *_page(Path(folder), pictures)]
    measured = rows.written([rows.machine() | row for row in found], out)
    print(rows.table(["", "figure", "unit"], [(row["what"], row["figure"], row["unit"]) for row in measured]))


def _sweeps(folder: Path, runs: int) -> Iterator[rows.Row]:
    noisy = Noise("gaussian", 25 / 255).add_to(camera().astype(np.float32) / 255, 0)
    np.save(folder / "noisy.npy", noisy)
    weights = parse_list("weight", SPACING)
    dispatch.load()
    specimens = {
        "a sweep": Specimen("camera", noisy),
        "a sweep with PSNR and SSIM": Specimen("camera", noisy, camera().astype(np.float32) / 255),
    }
    jobs: dict[str, Callable[[], object]] = {"calls": lambda: [denoise(noisy, float(weight)) for weight in weights]}
    jobs |= {
        name: lambda specimen=specimen: list(sweep([specimen], Grid(weight=weights)))
        for name, specimen in specimens.items()
    }
    times = rows.in_turn(jobs, runs)
    commands = _seconds(lambda: [_command(folder, float(weight)) for weight in weights])
    yield _row("twelve calls of denoise", statistics.median(times["calls"]), "s")
    for name in specimens:
        ratio = statistics.median(a / b for a, b in zip(times[name], times["calls"], strict=True))
        yield _row(f"{name} over that", ratio, "times")
    yield _row("twelve commands over a sweep", commands / statistics.median(times["a sweep"]), "times")


def _command(folder: Path, weight: float) -> None:
    arguments = [str(folder / "noisy.npy"), "-o", str(folder / "out.npy"), "-l", str(weight), "--overwrite", "-q"]
    subprocess.run([*TOOL, *arguments], check=True)


def _starts() -> Iterator[rows.Row]:
    f = torch.from_numpy(Noise("gaussian", 25 / 255).add_to(camera().astype(np.float32) / 255, 0))[None]
    for spacing in (SPACING, "0.02:0.2:12"):
        weights = [float(weight) for weight in parse_list("weight", spacing)]
        problems = [Problem(f, weight, "anisotropic") for weight in weights]
        coarse = sum(_steps(problem, coarse_start(problem))[0] for problem in problems)
        warm, field, last = 0, None, 1.0
        for problem in problems:
            start = coarse_start(problem) if field is None else field * (problem.weight / last)
            steps, field = _steps(problem, start)
            warm, last = warm + steps, problem.weight
        yield _row(f"steps of lambdas {spacing}, warm over coarse-to-fine start", warm / coarse, "times")


def _steps(problem: Problem, start: torch.Tensor) -> tuple[int, torch.Tensor]:
    """Return how many steps certify the default tolerance, to five, and the field then."""
    dual, steps = Dual(problem, start), 0
    while dual.candidate()[1].rms_bound > min(TOL, 0.04 * problem.weight):
        dual.advance(5)
        steps += 5
    return steps, dual.ascent.parameter.detach().clone()


def _page(folder: Path, pictures: int) -> Iterator[rows.Row]:
    for index in range(pictures):
        Image.fromarray(np.roll(camera(), 31 * index, 1)).save(folder / f"{index:02}.png")
    (folder / "noisy.npy").unlink()
    (folder / "out.npy").unlink()
    arguments = [str(folder), "--noise", "gaussian:25/255", "-l", "0.05,0.07,0.1", "-o", str(folder / "rows.jsonl")]
    subprocess.run([*TOOL, "sweep", *arguments, "-q"], check=True, stdout=subprocess.DEVNULL)
    page = folder / "page.html"
    report = [*TOOL, "report", str(folder / "rows.jsonl"), "-o", str(page)]
    yield _row(f"the page of {pictures} pictures", _seconds(lambda: subprocess.run(report, check=True)), "s")
    yield _row("its size", page.stat().st_size / 1e6, "MB")


def _seconds(job: Callable[[], object]) -> float:
    began = time.perf_counter()
    job()
    return time.perf_counter() - began


def _row(what: str, figure: float, unit: str) -> rows.Row:
    return {"what": what, "figure": float(f"{figure:.3g}"), "unit": unit}


if __name__ == "__main__":
    typer.run(main)
