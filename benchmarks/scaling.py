"""Time and memory by size, and a photograph against scikit-image: ``python benchmarks/scaling.py``, rows and tables.

``nanoseconds`` are those of a step for one value of the picture, sizes in turn; ``copies`` is the solver's peak memory
in float32 copies of the picture, the picture among them, from processes of their own. The photograph has 24 megapixels
in RGB: ``denoise`` certified at the default tolerance, scikit-image's ``denoise_tv_chambolle`` at its defaults, which
stops 4 to 8 % above the optimum.
"""

import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import rows
import torch
import typer
from numpy.typing import NDArray
from skimage.restoration import denoise_tv_chambolle

from tvdenoise import denoise
from tvdenoise.model.problem import Problem
from tvdenoise.options.kinds import TVKind
from tvdenoise.solvers.formulations import Dual

SIDES = (256, 512, 1024, 2048, 4096, 8000, 8192)
STEPS = 32
BASE = 512
PHOTO = (4000, 6000)

MEMORY_OF_A_SOLVE = """
import re, sys, torch
from pathlib import Path
from tvdenoise.options.settings import Settings
from tvdenoise.api.denoising import denoise_as_set
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
settings = Settings(0.1, tv=sys.argv[2], device="cpu", tol=3e-4, max_steps=40)
denoise_as_set(torch.rand(1, 2048, 2048), settings)
before, side = peak(), int(sys.argv[1])
denoise_as_set(torch.rand(1, side, side), settings)
print((peak() - before) / 4 / (side**2 - 2048**2))
"""


def main(
    out: Annotated[Path, typer.Option(help="The rows, as JSON lines.")] = Path("scaling.jsonl"), runs: int = 5
) -> None:
    """Measure, print the rows, and then the tables."""
    sizes = [row for tv in ("anisotropic", "isotropic") for row in _sizes(tv, runs)]
    measured = rows.written([rows.machine() | row for row in [*sizes, *_photograph(runs)]], out)
    base = {row["tv"]: row["nanoseconds"] for row in sizes if row["side"] == BASE}
    body = []
    for row in sizes:
        ratio = row["nanoseconds"] / base[row["tv"]]
        body.append((row["tv"], f"{row['side']}^2", row["nanoseconds"], f"{ratio:.2f}", row["copies"] or ""))
    print(rows.table(["TV", "size", "ns a value and step", f"over {BASE}^2", "copies at the peak"], body))
    print()
    photo = [row for row in measured if row["figure"] == "photograph"]
    print(rows.table(["24 megapixels, RGB", "seconds"], [(row["program"], row["seconds"]) for row in photo]))


def _sizes(tv: TVKind, runs: int) -> list[rows.Row]:
    times: dict[int, list[float]] = {side: [] for side in SIDES}
    jobs = {}
    for side in SIDES:
        dual = Dual(Problem(torch.from_numpy(picture(side, side)[None]), 0.1, tv))
        repeats = max(1, 1024**2 // side**2)
        jobs[str(side)] = partial(dual.advance, STEPS * repeats)
        times[side] = [STEPS * repeats * side**2]
    seconds = rows.in_turn(jobs, runs)
    return [
        {
            "figure": "size",
            "tv": tv,
            "side": side,
            "nanoseconds": round(statistics.median(seconds[str(side)]) / times[side][0] * 1e9, 3),
            "copies": _copies(side, tv) if side == max(SIDES) else None,
        }
        for side in SIDES
    ]


def _copies(side: int, tv: TVKind) -> float:
    command = [sys.executable, "-c", MEMORY_OF_A_SOLVE, str(side), tv]
    return round(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout), 2)


def _photograph(runs: int) -> list[rows.Row]:
    f = np.stack([np.roll(picture(*PHOTO), shift) for shift in (0, 7, 13)], axis=-1)
    jobs = {
        "tvdenoise, certified": partial(denoise, f, 0.1, tv="isotropic"),
        "scikit-image, its default": partial(denoise_tv_chambolle, f, weight=0.1, channel_axis=-1),
    }
    times = rows.in_turn(jobs, max(1, runs // 5))
    return [{"figure": "photograph", "program": name, **rows.spread(seconds)} for name, seconds in times.items()]


def picture(height: int, width: int) -> NDArray[np.float32]:
    """Return a ramp with edges and noise of 0.1."""
    y, x = np.mgrid[:height, :width].astype(np.float32) / np.float32(512)
    clean = 0.2 + 0.15 * np.sin(x) + 0.3 * ((10 * x + 7 * y) % 1 > 0.5)
    noise = np.random.default_rng(0).standard_normal((height, width), dtype=np.float32)
    return (clean + np.float32(0.1) * noise).astype(np.float32)


if __name__ == "__main__":
    typer.run(main)
