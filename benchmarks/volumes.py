"""A volume of 48x256x256 voxels by compiled steps and by torch's operations, in turns: seconds, certificates and all.

``python benchmarks/volumes.py [RUNS]``
"""

import statistics
import sys
import time

import numpy as np

from tvdenoise import denoise
from tvdenoise.kernels import dispatch
from tvdenoise.options.kinds import TVKind

SHAPE = (48, 256, 256)
ENGINES: tuple[dispatch.Engine, ...] = ("numba", "torch")


def _medians(tv: TVKind, runs: int) -> dict[str, float]:
    volume = np.full(SHAPE, 0.2, np.float32)
    volume[10:30, 60:200, 50:180] = 0.8
    volume += np.random.default_rng(0).normal(0, 0.1, SHAPE).astype(np.float32)
    seconds: dict[str, list[float]] = {name: [] for name in ENGINES}
    for _ in range(runs):
        for name in ENGINES:
            began = time.perf_counter()
            with dispatch.use(name):
                denoise(volume, 0.1, tv=tv, volume=True, device="cpu")
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


if __name__ == "__main__":
    dispatch.load()
    kinds: tuple[TVKind, ...] = ("anisotropic", "isotropic")
    for kind in kinds:
        medians = _medians(kind, int(sys.argv[1]) if len(sys.argv) > 1 else 5)
        told = ", ".join(f"{name} {value:.2f} s" for name, value in medians.items())
        print(f"{kind}: {told}, {medians['torch'] / medians['numba']:.1f} times")
