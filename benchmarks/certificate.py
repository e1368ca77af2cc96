"""How far what is certified lies above what is true: ``python benchmarks/certificate.py``, rows and then a table.

By step, for the sample pictures: the certified and the true RMS distance of the picture that would be returned, the
truth being a solution in double precision.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import rows
import torch
import typer
from PIL import Image

from tvdenoise import denoise
from tvdenoise.model.problem import Problem
from tvdenoise.solvers.coarse import coarse_start
from tvdenoise.solvers.formulations import Dual

FOLDER = Path(__file__).parent.parent / "sample_images"
STEPS = (10, 20, 40, 80, 160, 320, 640)


def main(
    out: Annotated[Path, typer.Option(help="The rows, as JSON lines.")] = Path("certificate.jsonl"),
    weight: float = 0.1,
) -> None:
    """Measure, print the rows, and then the table."""
    measured = rows.written(_rows(weight), out)
    body = [
        (row["picture"], row["tv"], row["step"], f"{row['certified']:.1e}", f"{row['true']:.1e}", f"{row['ratio']:.1f}")
        for row in measured
    ]
    print(rows.table(["picture", "TV", "step", "certified", "true", "ratio"], body))


def _rows(weight: float) -> Iterator[rows.Row]:
    for name in ("camera_noisy", "astronaut_noisy"):
        picture = np.asarray(Image.open(FOLDER / f"{name}.png"), np.float32) / np.float32(255)
        f = torch.from_numpy(np.ascontiguousarray(np.atleast_3d(picture).transpose(2, 0, 1)))
        for tv in ("anisotropic", "isotropic"):
            exact = denoise(f.double(), weight, tv=tv, tol=1e-6, max_steps=10_000).image
            problem = Problem(f, weight, tv)
            dual, step = Dual(problem, coarse_start(problem)), 0
            for target in STEPS:
                dual.advance(target - step)
                step = target
                u, certificate = dual.candidate()
                true = float((u - exact).square().mean().sqrt())
                yield {
                    "picture": name,
                    "tv": tv,
                    "lambda": weight,
                    "step": step,
                    "certified": certificate.rms_bound,
                    "true": true,
                    "ratio": certificate.rms_bound / true,
                }


if __name__ == "__main__":
    typer.run(main)
