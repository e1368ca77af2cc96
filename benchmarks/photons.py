"""How well noise that grows with the signal is read.

``python benchmarks/photons.py FOLDER...`` draws Poisson counts of the clean pictures, so many photons for white, and
compares the root mean square of the noise that is read in each channel with what it is.
"""

import zlib
from pathlib import Path

import numpy as np
import rows
import torch
import typer

from tvdenoise import images
from tvdenoise.auto.noise_level import estimate_noise

PHOTONS = (30, 100, 300, 1000)


def main(folders: list[Path]) -> None:
    """Print a table."""
    paths = [path for folder in folders for path in sorted(folder.glob("*.png"))]
    body = []
    for photons in PHOTONS:
        ratios, growing = list[float](), 0
        for path in paths:
            part = images.read(path).parts[0]
            clean = np.moveaxis(part.unit(next(part.pages())), -1, 0).astype(float)
            random = np.random.default_rng([zlib.crc32(path.name.encode()), photons])
            noisy = torch.from_numpy(random.poisson(photons * clean) / photons).float()
            for channel, plane in zip(estimate_noise(noisy), clean, strict=True):
                ratios.append(channel.sigma / float(np.sqrt(plane.mean() / photons)))
                growing += channel.slope > 0
        near = sum(0.75 <= ratio <= 1.25 for ratio in ratios)
        body.append(
            [str(n) for n in (photons, len(ratios), growing, near)] + [f"{min(ratios):.2f}", f"{max(ratios):.2f}"]
        )
    print(rows.table(["photons in white", "channels", "seen to grow", "within a quarter", "least read", "most"], body))


if __name__ == "__main__":
    typer.run(main)
