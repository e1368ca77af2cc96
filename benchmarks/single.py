"""One picture on one machine: time, memory, start. Run ``python benchmarks/single.py``: a row a figure, as JSON lines.

Times are medians of several runs; ratios are taken between processes run in turn. ``solving`` is the row's ``seconds``
(steps alone), ``certified`` adds what certifying took.
"""

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLE = Path(__file__).parent.parent / "sample_images" / "camera_noisy.png"
RUNS = 9
SIZES = (1024, 4096)

MEMORY_OF_A_SOLVE = """
import resource, sys, torch
from tvdenoise import Settings
from tvdenoise.denoising import denoise_as_set
settings = Settings(0.1, tv=sys.argv[2], device="cpu", tol=1e-6, max_steps=40)
denoise_as_set(torch.rand(1, 64, 64), settings)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
f = torch.rand(1, int(sys.argv[1]), int(sys.argv[1]))
denoise_as_set(f, Settings(0.1, tv=sys.argv[2], device="cpu", tol=3e-4, max_steps=40))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def report(**row: object) -> None:
    """Print one row."""
    print(json.dumps(row), flush=True)


def spread(values: list[float]) -> dict[str, float]:
    """Return the median and the range of some figures."""
    return {key: round(f(values), 4) for key, f in (("median", statistics.median), ("min", min), ("max", max))}


def solving() -> None:
    """Time the default solver on the 512x512 sample at lambda 0.1 and the default tolerance."""
    import numpy as np
    from PIL import Image

    from tvdenoise import denoise

    f = np.asarray(Image.open(SAMPLE), np.float32) / np.float32(255)
    for tv in ("anisotropic", "isotropic"):
        denoise(f, 0.1, tv=tv)
        steps, whole, taken = [], [], 0
        for _ in range(RUNS):
            start = time.perf_counter()
            result = denoise(f, 0.1, tv=tv)
            whole.append(time.perf_counter() - start)
            steps.append(result.seconds)
            taken = result.steps
        report(figure="solving", unit="s", tv=tv, steps=taken, **spread(steps))
        report(figure="certified", unit="s", tv=tv, **spread(whole))


def whole_process() -> None:
    """Compare the whole command with importing torch, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "tvdenoise",
            str(SAMPLE),
            "-o",
            f"{folder}/out.png",
            "-l",
            "0.1",
            "--overwrite",
        ]
        commands = {"command": command, "import torch": [sys.executable, "-c", "import torch"]}
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(RUNS + 1):
            for name, arguments in commands.items():
                start = time.perf_counter()
                subprocess.run(arguments, check=True, capture_output=True)
                times[name].append(time.perf_counter() - start)
    ratios = [a / b for a, b in zip(times["command"][1:], times["import torch"][1:], strict=True)]
    report(figure="whole process over import torch", unit="ratio", **spread(ratios))
    for option in ("--help", "--version"):
        waits = []
        for _ in range(RUNS):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-m", "tvdenoise", option], check=True, capture_output=True)
            waits.append(time.perf_counter() - start)
        report(figure=option, unit="s", **spread(waits))


def memory() -> None:
    """Measure the solver's peak memory in float32 copies of the picture, the picture itself among them."""
    for tv in ("anisotropic", "isotropic"):
        peaks = {}
        for size in SIZES:
            command = [sys.executable, "-c", MEMORY_OF_A_SOLVE, str(size), tv]
            peaks[size] = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        small, large = SIZES
        copies = (peaks[large] - peaks[small]) / (4 * (large**2 - small**2))
        report(figure="peak memory", unit="float32 copies of the picture", tv=tv, value=round(copies, 2))


if __name__ == "__main__":
    report(figure="machine", python=platform.python_version(), machine=platform.machine(), system=platform.system())
    memory()  # first: a child's peak memory starts at that of its parent, which is small before it loads torch
    whole_process()
    solving()
