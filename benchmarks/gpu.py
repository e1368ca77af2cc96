"""What a graphics card makes of it: ``python benchmarks/gpu.py``, rows and then a table; ``--device cpu`` tries it out.

All in one run, on one card, warm, with the device's own clock; a row has the median.

- The two ceilings: how fast memory copies (bytes read and written), and how many operations a second can be launched.
- A launch of either ascent by the number of its steps, against the copy, and what a step costs. 44 bytes are counted a
  value and launch (the picture, the average and two fields of two components read, the average and the fields written);
  36 for alternating descent, which needs half of the field before.
- Whole solves, certified, at a given lambda and where it is chosen: 24 megapixels of RGB, 512x512 gray.
- The time to the same true error for deepinv's ``TVDenoiser`` (``pip install deepinv``) and for a plain loop over
  ``torch.optim.Adam``.
- 1,000 files of 512x512 by the command, and how busy the card is meanwhile.
- The command by size on the CPU and on the card: where they cross is what ``--device auto`` should know.
"""

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import rows
import torch
import typer
from skimage.data import astronaut, camera
from torch import Tensor

from tvdenoise import TotalVariation, denoise
from tvdenoise.machine.devices import synchronize
from tvdenoise.machine.remarks import remarks
from tvdenoise.model.problem import Problem
from tvdenoise.solvers.ascents import REFRESH, AlternatingAscent, FISTAAscent
from tvdenoise.solvers.coarse import coarse_start
from tvdenoise.solvers.formulations import Dual

TOOL = [sys.executable, "-m", "tvdenoise"]
WEIGHT = 0.1
ERROR = 1e-3
WAYS = {
    "alternating, anisotropic": (AlternatingAscent, {"tv": "anisotropic"}, 36),
    "fista, anisotropic": (FISTAAscent, {"tv": "anisotropic"}, 44),
    "fista, isotropic": (FISTAAscent, {"tv": "isotropic"}, 44),
    "fista, isotropic, coupled": (FISTAAscent, {"tv": "isotropic", "coupled": True}, 44),
}
STEPS = (1, 2, 3, 4, 6, 8)
LADDER = [round(10 * 1.3**rung) for rung in range(30)]


def main(
    out: Annotated[Path, typer.Option(help="The rows, as JSON lines.")] = Path("gpu.jsonl"),
    device: str = "cuda",
    width: Annotated[int, typer.Option(help="Of the large picture, two thirds as high.")] = 6000,
    files: int = 1000,
    runs: int = 7,
) -> None:
    """Measure, print the rows, and then the table."""
    if device == "cuda":
        device = "cuda:0"  # the commands of the folder too, of which each would take its turn on every card
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    clock = Clock(torch.device(device), runs)
    large = _noisy(astronaut(), (2 * width // 3, width)).to(device)
    small = _noisy(camera()[..., None], (512, 512)).to(device)
    measured = rows.written(
        (
            rows.machine() | {"device": clock.name} | row
            for part in (
                _ceilings(clock, large),
                _launches(clock, large),
                _solves(clock, large, small),
                _peers(clock, small),
                _folder(device, files),
                _crossing(device, width),
            )
            for row in part
        ),
        out,
    )
    print(rows.table(["", "figure", "unit"], [(row["what"], row["figure"], row["unit"]) for row in measured]))


class Clock:
    """Medians of what a device takes, by its own clock."""

    def __init__(self, device: torch.device, runs: int) -> None:
        self.device, self._runs = device, runs
        self.name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)

    def __call__(self, job: Callable[[], object]) -> float:
        """Return seconds."""
        job()
        return statistics.median(self._once(job) for _ in range(self._runs))

    def _once(self, job: Callable[[], object]) -> float:
        if self.device.type != "cuda":
            began = time.perf_counter()
            job()
            synchronize(self.device)
            return time.perf_counter() - began
        torch.cuda.synchronize()
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        job()
        end.record()
        torch.cuda.synchronize()
        return begin.elapsed_time(end) / 1e3


def _noisy(pixels: np.ndarray, size: tuple[int, int]) -> Tensor:
    """Return a picture (C, H, W) of a size, of mirrored copies, with noise of 0.1."""
    height, width = size
    lacking = ((0, max(0, height - len(pixels))), (0, max(0, width - pixels.shape[1])), (0, 0))
    clean = np.pad(pixels, lacking, "symmetric")
    clean = np.moveaxis(clean[:height, :width], -1, 0) / 255
    return torch.from_numpy((clean + np.random.default_rng(0).normal(0, 0.1, clean.shape)).astype(np.float32))


def _row(what: str, figure: float, unit: str) -> rows.Row:
    return {"what": what, "figure": float(f"{figure:.4g}"), "unit": unit}


def _ceilings(clock: Clock, like: Tensor) -> Iterator[rows.Row]:
    copy = torch.empty_like(like)
    yield _row("copy", 2 * like.nbytes / clock(lambda: copy.copy_(like)) / 1e9, "GB/s")
    tiny = torch.zeros(1, device=clock.device)
    yield _row("launches", 1000 / clock(lambda: [tiny.add_(1) for _ in range(1000)]), "1/s")


def _launches(clock: Clock, f: Tensor) -> Iterator[rows.Row]:
    """Yield what a launch takes by its steps; without kernels of our own, what a step takes."""
    copy = torch.empty_like(f)
    bandwidth = 2 * f.nbytes / clock(lambda: copy.copy_(f))
    for name, (way, model, moved) in WAYS.items():
        dual = Dual(Problem(f, WEIGHT, **model), make_ascent=way)
        if f.device.type != "cuda":
            yield _row(f"{name}: a step", 1e9 * clock(partial(dual.advance, REFRESH)) / REFRESH / f.numel(), "ns/value")
            continue
        from tvdenoise.kernels import gpu

        if dual.problem.kernels(f) is None:
            sys.exit("; ".join(remarks()))
        kernel = gpu.alternation if way is AlternatingAscent else gpu.ascent
        before = kernel.STEPS
        for steps in STEPS:
            kernel.STEPS = steps
            seconds = clock(partial(dual.advance, REFRESH)) * steps / REFRESH
            yield _row(f"{name}, {steps} a launch: a launch", moved * f.numel() / seconds / bandwidth, "of the copy")
            yield _row(f"{name}, {steps} a launch: a step", 1e9 * seconds / steps / f.numel(), "ns/value")
        kernel.STEPS = before


def _solves(clock: Clock, large: Tensor, small: Tensor) -> Iterator[rows.Row]:
    for name, f in ((f"{large.numel() / 3e6:.0f} megapixels RGB", large), ("512x512 gray", small)):
        for tv in ("anisotropic", "isotropic"):
            seconds = clock(lambda f=f, tv=tv: denoise(f, WEIGHT, tv=tv))
            yield _row(f"{name}, {tv}: certified", 1e3 * seconds, "ms")
            seconds = clock(lambda f=f, tv=tv: denoise(f, tv=tv))
            yield _row(f"{name}, {tv}: with lambda chosen", 1e3 * seconds, "ms")


def _peers(clock: Clock, f: Tensor) -> Iterator[rows.Row]:
    exact = denoise(f.double(), WEIGHT, tv="isotropic", tol=1e-5, device="cpu").image.to(f)
    programs: dict[str, Callable[[int], Tensor]] = {"tvdenoise": partial(_ours, f), "Adam": partial(_adam, f)}
    try:
        from deepinv.models import TVDenoiser
    except ImportError as missing:
        print(f"deepinv is missing: {missing}")
    else:
        programs["deepinv"] = lambda count: TVDenoiser(n_it_max=count, crit=0.0)(f[None], WEIGHT)[0]
    seconds = {}
    for name, program in programs.items():
        count = next((n for n in LADDER if (program(n) - exact).square().mean().sqrt() <= ERROR), None)
        if count is None:
            print(f"{name} does not reach a true error of {ERROR:g} in {LADDER[-1]} steps")
            continue
        seconds[name] = clock(partial(program, count))
        yield _row(f"{name}, {count} steps to a true error of {ERROR:g}", 1e3 * seconds[name], "ms")
    for name in seconds.keys() - {"tvdenoise"}:
        yield _row(f"{name} over tvdenoise", seconds[name] / seconds["tvdenoise"], "times")


def _ours(f: Tensor, steps: int) -> Tensor:
    problem = Problem(f, WEIGHT, "isotropic")
    dual = Dual(problem, coarse_start(problem))
    dual.advance(steps)
    return dual.candidate()[0]


def _adam(f: Tensor, steps: int) -> Tensor:
    """Do as the popular recipe does, with a rate that comes to rest."""
    u = f.clone().requires_grad_()
    variation, optimizer = TotalVariation(tv="isotropic"), torch.optim.Adam([u], lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        (0.5 * (u - f).square().sum() + WEIGHT * variation(u)).backward()
        optimizer.step()
        schedule.step()
    return u.detach()


def _folder(device: str, files: int) -> Iterator[rows.Row]:
    with tempfile.TemporaryDirectory() as folder:
        scans = Path(folder, "scans")
        scans.mkdir()
        for index in range(files):
            _save(scans / f"{index:04}.png", np.roll(camera(), 37 * index, 1))
        command = [*TOOL, str(scans), "-o", f"{folder}/out", "-l", str(WEIGHT), "--device", device, "-q"]
        with _Usage(torch.device(device).index or 0) as usage:
            began = time.perf_counter()
            subprocess.run(command, check=True)
            seconds = time.perf_counter() - began
    yield _row(f"{files} files of 512x512", files / seconds, "1/s")
    if usage.found:
        yield _row("the card's utilisation meanwhile", statistics.fmean(usage.found), "%")


def _crossing(device: str, most: int) -> Iterator[rows.Row]:
    with tempfile.TemporaryDirectory() as folder:
        side = 256
        while side <= most:
            source = Path(folder, f"{side}.png")
            _save(source, np.pad(camera(), (0, max(0, side - 512)), "symmetric")[:side, :side])
            for name in dict.fromkeys(("cpu", device)):
                command = [*TOOL, str(source), "-o", f"{folder}/o.png", "-l", str(WEIGHT), "--overwrite", "-q"]
                times = []
                for _ in range(3):
                    began = time.perf_counter()
                    subprocess.run([*command, "--device", name], check=True)
                    times.append(time.perf_counter() - began)
                yield _row(f"the command, {side}x{side} on {name}", statistics.median(times), "s")
            side *= 2


def _save(path: Path, pixels: np.ndarray) -> None:
    from PIL import Image

    noise = np.random.default_rng(0).normal(0, 25, pixels.shape)
    Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)).save(path)


class _Usage:
    """How busy the card is, by its driver's tool, while a block runs."""

    def __init__(self, card: int) -> None:
        self._query = ["nvidia-smi", f"--id={card}", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        self.found: list[float] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "_Usage":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.2):
            try:
                told = subprocess.run(self._query, capture_output=True, text=True, check=True).stdout
                self.found.append(float(told))
            except (OSError, ValueError, subprocess.CalledProcessError):  # no such tool, or it does not tell
                return


if __name__ == "__main__":
    typer.run(main)
