"""Every method of the table on the sample pictures, lambda 0.1. Run ``python benchmarks/methods.py``: JSON lines.

``excess`` is the energy above the optimum (a lower bound on it, from a certificate at a fifth of the usual tolerance),
as a fraction; ``seconds`` is processor time on one thread, which other programs hardly change; ``rms_bound`` the
certified distance. All with the method's defaults.
"""

import json
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tvdenoise import denoise
from tvdenoise.kernels import dispatch
from tvdenoise.options.methods import METHODS

FOLDER = Path(__file__).parent.parent / "sample_images"
LAMBDA = 0.1


def main() -> None:
    """Run each method once on each picture and kind, once all compiled code is there."""
    torch.set_num_threads(1)
    dispatch.load()
    for picture in ("camera_noisy", "astronaut_noisy"):
        f = np.asarray(Image.open(FOLDER / f"{picture}.png"), np.float32) / np.float32(255)
        for tv in ("anisotropic", "isotropic"):
            best = denoise(f, LAMBDA, tv=tv, tol=2e-4)
            lower = best.energy - best.gap
            for name in [name for name in METHODS if (name, tv) != ("alternating", "isotropic")]:
                if name in ("alternating", "fista"):
                    denoise(f, LAMBDA, tv=tv, optimizer=name)  # which compiles what is new in it
                began = time.process_time()
                result = denoise(f, LAMBDA, tv=tv, optimizer=name)
                seconds = round(time.process_time() - began, 3)
                figures = {"steps": result.steps, "seconds": seconds, "rms_bound": result.rms_bound}
                excess = result.energy / lower - 1
                row = {"picture": picture, "tv": tv, "method": name, "excess": excess}
                print(json.dumps(row | figures), flush=True)


if __name__ == "__main__":
    main()
